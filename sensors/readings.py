"""Sensor readings: SenML (RFC 8428) resolved to named, dated samples, in canonical units, against physical limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from sensors.calibration import calibration_of, described, expired
from sensors.evidence import Instrument, ReadingAsked, Window
from sensors.faults import mixups
from sensors.freshness import SLACK
from sensors.limits import find_named
from sensors.measured import Labelled, Measured, against, at_altitude, labelled, measured, sentences, together
from sensors.senml import BadReadings as BadReadings
from sensors.senml import Sample as Sample
from sensors.senml import resolve as resolve
from sensors.units import convert, find_unit
from sensors.verdict import Check, finding

MOST_GUESSED: Final = 200


class Misreading(NamedTuple):
    """A record that cannot serve: its index (None: the pack as a whole), and what is wrong, in words."""

    record: int | None
    detail: str


def _no_senml(error: BadReadings) -> str:
    return f"The readings are not in the SenML format: {error}."


class Gathered(NamedTuple):
    """What a pack holds of what is asked. by_name: samples under each asked name, in the order of their records.

    came: whether there was a pack; bad: why it is no SenML, and then it holds nothing. alike: for an asked name, one
    that came and may have meant it.
    """

    asked: list[ReadingAsked]
    by_name: dict[str, list[Sample]]
    came: bool
    bad: BadReadings | None = None
    alike: dict[str, str] = {}


def gather(asked: list[ReadingAsked], pack: list[dict[str, Any]] | None, now: datetime) -> Gathered:
    """Resolve a pack once and find what is asked, in time that grows with records plus readings asked.

    A sample has the asked name alone or behind a device prefix ("urn:dev:mac:0024be:pm25"). Where nothing is asked,
    nothing is resolved.
    """
    by_name: dict[str, list[Sample]] = {one.name: [] for one in asked}
    if not asked or pack is None:
        return Gathered(asked, by_name, pack is not None)
    try:
        samples = resolve(pack, now)
    except BadReadings as error:
        return Gathered(asked, by_name, True, error)
    strangers: set[str] = set()
    for sample in samples:
        last = last_segment(sample.name)
        if sample.name in by_name:
            by_name[sample.name].append(sample)
        if last != sample.name and last in by_name:
            by_name[last].append(sample)
        if last not in by_name:
            strangers.add(last)
    return Gathered(asked, by_name, True, alike=alike(list(by_name), strangers))


def alike(asked: list[str], came: Iterable[str]) -> dict[str, str]:
    """For asked names, one of those that came and may have meant it: PM25 or pm2.5 for pm25. At most MOST_GUESSED are
    looked at."""
    found: dict[str, str] = {}
    wanted = {each: {each, *meant(each)} for each in asked}
    for name in sorted(came)[:MOST_GUESSED]:
        guesses = meant(name)
        found |= {each: name for each, known in wanted.items() if each != name and not guesses.isdisjoint(known)}
    return found


def meant(name: str) -> set[str]:
    """What a name may stand for: its letters and digits in lower case, and the quantity that it is a usual name of."""
    return {re.sub(r"[^a-z0-9]", "", name.lower()), quantity_of(name)}


def quantity_of(name: str) -> str:
    """The quantity that a name is a usual one of; the name itself where there is none."""
    quantity = find_named(name)
    return name if quantity is None else quantity.name


def last_segment(name: str) -> str:
    """The part of a SenML name behind its last ":" or "/"."""
    return name[max(name.rfind(":"), name.rfind("/")) + 1 :]


def _judge_unit(sample: Sample, asked: ReadingAsked) -> str | None:
    """Why this sample cannot be had in the asked unit, None when it can."""
    if isinstance(sample.value, bool | str):
        return f"{asked.name} must be a number."
    if sample.unit is None:
        return f"{asked.name} came without a unit; {asked.unit} is asked."
    return _refuse_unit(sample.unit, asked.name, asked.unit)


@lru_cache(maxsize=256)
def _refuse_unit(unit: str, name: str, wanted: str) -> str | None:
    if find_unit(unit) is None:
        return f"The unit {unit[:20]!r} of {name} is not known here; {wanted} is asked."
    try:
        convert(0.0, unit, wanted)
    except ValueError:
        return f"{unit} cannot be a unit of {name}; {wanted} is asked."
    return None


def _judge_asked(series: Measured, window: Window) -> Check:
    """One quantity against its hard range, the claim's time, its calibration and its labels."""
    asked, unit = series.asked, series.unit
    earliest = (window.claimed_at - SLACK).timestamp()
    latest = (min(window.received_at, window.expires_at) + SLACK).timestamp()
    impossible = (series.values < series.low) | (series.values > series.high)
    outside = (series.seconds < earliest) | (series.seconds > latest)
    wrong = np.flatnonzero(impossible | outside)
    if wrong.size:
        value = float(series.values[wrong[0]])
        if not impossible[wrong[0]]:
            return finding("readings", "fail", f"{asked.name} was not measured during your claim.", quantity=asked.name)
        mixed = mixups(series.values, series.dimension, series.quantity)[1]
        hint = f" It looks as if the unit were mistaken: {', '.join(mixed)}." if mixed else ""
        detail = (
            f"{asked.name} of {value:g} {unit} cannot be: it lies between {series.low:g} and {series.high:g}.{hint}"
        )
        return finding("readings", "fail", detail, quantity=asked.name, value=value, unit=unit)
    settled = series.values if series.quantity is None else [series.quantity.settled(each) for each in series.values]
    data: dict[str, Any] = {"quantity": asked.name, "samples": len(series.records)}
    data |= {"mean": round(float(np.mean(settled)), 6), "unit": unit}
    odd = sentences(series)
    calibration = calibration_of(window.instrument, asked.name)
    if calibration is not None:
        data |= {"raw_mean": round(float(np.mean(series.raw)), 6), "calibration": described(calibration)}
        if expired(calibration, window.received_at):
            odd.append(
                f"The calibration of {asked.name} is of {calibration.date.isoformat()}, more than two years old."
            )
    if series.labels:
        data["labels"] = series.listed()
    if odd:
        return finding("readings", "warn", " ".join(odd), **data)
    return finding("readings", "pass", f"{asked.name}: {len(series.records)} plausible samples.", **data)


def usable(gathered: Gathered, asked: ReadingAsked) -> int:
    """How many samples can serve what is asked; 0 for a pack that is no SenML."""
    return sum(_judge_unit(sample, asked) is None for sample in gathered.by_name[asked.name])


def misreadings(gathered: Gathered) -> Iterator[Misreading]:
    """What is certain to fail `readings` whatever was measured: no SenML, or a unit that cannot be the asked one."""
    if gathered.bad is not None:
        yield Misreading(gathered.bad.record, _no_senml(gathered.bad))
    for one in gathered.asked:
        for sample in gathered.by_name[one.name]:
            reason = _judge_unit(sample, one)
            if reason is not None:
                yield Misreading(sample.record, reason)


def missing_samples(gathered: Gathered) -> list[str]:
    """What is asked and did not come often enough, a phrase for each."""
    counted = ((one, usable(gathered, one)) for one in gathered.asked)
    return [
        f"{one.min_samples} samples of {one.name} are asked, {count} usable ones came{hint(one.name, gathered.alike)}"
        for one, count in counted
        if count < one.min_samples
    ]


def hint(name: str, alike: dict[str, str]) -> str:
    """Which name came instead of an asked one, as the end of a sentence; nothing where none did."""
    return f"; {alike[name][:40]!r} came, and the name that is asked is {name!r}" if name in alike else ""


def canonical(pack: list[dict[str, Any]], asked: ReadingAsked, now: datetime) -> list[tuple[datetime, float]]:
    """Time and value of each sample of what is asked, in the asked unit, oldest first; others are left out.

    Values in an instrument's error band are clipped (a relative humidity of 102 % is 100 %). Raises BadReadings for a
    pack that is no SenML.
    """
    return [(each.at, each.value) for each in labelled_samples(pack, asked, now)]


def labelled_samples(
    pack: list[dict[str, Any]], asked: ReadingAsked, now: datetime, instrument: Instrument | None = None
) -> list[Labelled]:
    """The same with what is odd about each sample, and with its device's calibration applied beside the raw value."""
    gathered = gather([asked], pack, now)
    if gathered.bad is not None:
        raise gathered.bad
    fitting = [each for each in gathered.by_name[asked.name] if _judge_unit(each, asked) is None]
    if not fitting:
        return []
    series = labelled(_measured(asked, fitting, instrument))
    at = {each.record: each.at for each in fitting}
    samples = []
    for index, record in enumerate(series.records):
        value, raw = float(series.values[index]), float(series.raw[index])
        if series.quantity is not None:
            value = series.quantity.settled(value)
        names = tuple(name for name, marks in series.labels.items() if marks[index])
        value, raw = (convert(each, series.unit, asked.unit) for each in (value, raw))
        samples.append(Labelled(at[record], value, raw, record, names))
    return samples


def _beside(asked: ReadingAsked, packs: list[Gathered]) -> list[Measured]:
    """What other instruments measured of the same; packs that are no SenML, or hold nothing of it, say nothing."""
    fitting = ([each for each in pack.by_name[asked.name] if _judge_unit(each, asked) is None] for pack in packs)
    return [_measured(asked, samples, None) for samples in fitting if samples]


def _measured(asked: ReadingAsked, samples: list[Sample], instrument: Instrument | None) -> Measured:
    """A calibration in a unit of another dimension says nothing about these values, and is left aside."""
    calibration = calibration_of(instrument, asked.name)
    if calibration is not None and _refuse_unit(calibration.unit, asked.name, asked.unit) is not None:
        calibration = None
    return measured(asked, samples, calibration)


def readings(gathered: Gathered, window: Window, *, owed: bool = True) -> list[Check]:
    """One finding for each asked quantity that came; how many had to come is judged by `complete`.

    owed: something was there to be measured; whoever found nothing may leave readings out.
    """
    if not gathered.asked:
        return [finding("readings", "not_applicable", "No readings were asked.")]
    if not gathered.came and not owed:
        return [finding("readings", "not_applicable", "Where nothing was found there was nothing to measure.")]
    if not gathered.came:
        return [finding("readings", "inconclusive", "Nothing could be judged: no readings came.")]
    if gathered.bad is not None:
        return [finding("readings", "fail", _no_senml(gathered.bad))]
    checks: list[Check] = []
    found: list[Measured] = []
    for one in gathered.asked:
        samples = gathered.by_name[one.name]
        reason = next((told for each in samples if (told := _judge_unit(each, one)) is not None), None)
        if reason is not None:
            checks.append(finding("readings", "fail", reason))
        elif samples:
            found.append(_measured(one, samples, window.instrument))
    altitude_m = None if window.instrument is None else window.instrument.altitude_m
    series = together([at_altitude(labelled(each), altitude_m) for each in found])
    beside = [gather(gathered.asked, each.readings, each.received_at) for each in window.beside]
    sound = [against(each, _beside(each.asked, beside)) for each in series]
    checks += [_judge_asked(each, window) for each in sound]
    return checks or [finding("readings", "inconclusive", "Nothing could be judged: none of the asked readings came.")]

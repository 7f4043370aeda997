"""Sensor readings: SenML (RFC 8428) resolved to named, dated samples, in canonical units, against physical limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sensors.evidence import ReadingAsked, Window
from sensors.freshness import SLACK
from sensors.limits import DIMENSION_LIMITS, Quantity, find_quantity
from sensors.senml import BadReadings as BadReadings
from sensors.senml import Sample as Sample
from sensors.senml import resolve as resolve
from sensors.units import CANONICAL, UNITS, convert, find_unit
from sensors.verdict import Check, finding


class Misreading(NamedTuple):
    """A record that cannot serve: its index (None: the pack as a whole), and what is wrong, in words."""

    record: int | None
    detail: str


def _no_senml(error: BadReadings) -> str:
    return f"The readings are not in the SenML format: {error}."


class Gathered(NamedTuple):
    """What a pack holds of what is asked. by_name: samples under each asked name, in the order of their records.

    came: whether there was a pack; bad: why it is no SenML, and then it holds nothing.
    """

    asked: list[ReadingAsked]
    by_name: dict[str, list[Sample]]
    came: bool
    bad: BadReadings | None = None


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
    for sample in samples:
        last = _last_segment(sample.name)
        if sample.name in by_name:
            by_name[sample.name].append(sample)
        if last != sample.name and last in by_name:
            by_name[last].append(sample)
    return Gathered(asked, by_name, True)


def _last_segment(name: str) -> str:
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


def _hard_range(asked: ReadingAsked) -> tuple[float, float, str]:
    """The hard range of what is asked, in the canonical unit, with that unit."""
    dimension = UNITS[asked.unit.strip()].dimension  # _judge_unit saw to it that it is known
    quantity = find_quantity(asked.name, dimension)
    if quantity is not None:
        return quantity.low, quantity.high, quantity.unit
    low, high = DIMENSION_LIMITS.get(dimension, (-1e15, 1e15))
    return low, high, CANONICAL[dimension]


def _oddity(quantity: Quantity, series: list[tuple[datetime, float]]) -> str | None:
    """What is unusual about a series in the quantity's canonical unit, ordered by time; None when nothing is."""
    name, unit = quantity.name.replace("_", " "), quantity.unit
    for _, value in series:
        if quantity.soft_low is not None and value < quantity.soft_low:
            return f"{value:g} {unit} is {quantity.hint} for {name}."
        if quantity.soft_high is not None and value > quantity.soft_high:
            return f"{value:g} {unit} is {quantity.hint} for {name}."
    for hours, most in quantity.rates:
        start, within = 0, timedelta(hours=hours)
        for end in range(len(series)):
            while series[end][0] - series[start][0] > within:
                start += 1
            change = abs(series[end][1] - series[start][1])
            if change > most:
                return f"{name} changed by {change:g} {unit} within {hours:g} h."
    since = 0
    for index in range(1, len(series)):
        if series[index][1] != series[since][1]:
            since = index
        still = (series[index][0] - series[since][0]).total_seconds() / 60
        saturated = quantity.stuck_unless_above is not None and series[index][1] >= quantity.stuck_unless_above
        if quantity.stuck_minutes is not None and still > quantity.stuck_minutes and not saturated:
            return f"{name} did not change at all for {still:.0f} minutes."
    return None


def _judge_asked(asked: ReadingAsked, samples: list[Sample], window: Window) -> Check:
    for sample in samples:
        reason = _judge_unit(sample, asked)
        if reason is not None:
            return finding("readings", "fail", reason)
    low, high, unit = _hard_range(asked)
    series = sorted((sample.at, convert(float(sample.value), sample.unit or asked.unit, unit)) for sample in samples)
    for at, value in series:
        if not low <= value <= high:
            detail = f"{asked.name} of {value:g} {unit} cannot be: it lies between {low:g} and {high:g}."
            return finding("readings", "fail", detail, quantity=asked.name, value=value, unit=unit)
        if not window.claimed_at - SLACK <= at <= min(window.received_at, window.expires_at) + SLACK:
            return finding("readings", "fail", f"{asked.name} was not measured during your claim.", quantity=asked.name)
    quantity = find_quantity(asked.name, UNITS[unit].dimension)
    mean = sum(value if quantity is None else quantity.settled(value) for _, value in series) / len(series)
    data = {"quantity": asked.name, "samples": len(series), "mean": round(mean, 6), "unit": unit}
    oddity = None if quantity is None else _oddity(quantity, series)
    if oddity is not None:
        return finding("readings", "warn", oddity, **data)
    return finding("readings", "pass", f"{asked.name}: {len(series)} plausible samples.", **data)


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
        f"{one.min_samples} samples of {one.name} are asked, {count} usable ones came"
        for one, count in counted
        if count < one.min_samples
    ]


def canonical(pack: list[dict[str, Any]], asked: ReadingAsked, now: datetime) -> list[tuple[datetime, float]]:
    """Time and value of each sample of what is asked, in the asked unit, oldest first; others are left out.

    Values in an instrument's error band are clipped (a relative humidity of 102 % is 100 %). Raises BadReadings for a
    pack that is no SenML.
    """
    gathered, series = gather([asked], pack, now), []
    if gathered.bad is not None:
        raise gathered.bad
    for sample in gathered.by_name[asked.name]:
        if _judge_unit(sample, asked) is not None:
            continue
        value, unit = float(sample.value), sample.unit or asked.unit
        quantity = find_quantity(asked.name, UNITS[asked.unit.strip()].dimension)
        if quantity is not None:
            value, unit = quantity.settled(convert(value, unit, quantity.unit)), quantity.unit
        series.append((sample.at, convert(value, unit, asked.unit)))
    return sorted(series)


def readings(gathered: Gathered, window: Window) -> list[Check]:
    """One finding for each asked quantity that came; how many had to come is judged by `complete`."""
    if not gathered.asked:
        return [finding("readings", "not_applicable", "No readings were asked.")]
    if not gathered.came:
        return [finding("readings", "inconclusive", "No readings came.")]
    if gathered.bad is not None:
        return [finding("readings", "fail", _no_senml(gathered.bad))]
    came = ((each, gathered.by_name[each.name]) for each in gathered.asked)
    checks = [_judge_asked(each, samples, window) for each, samples in came if samples]
    return checks or [finding("readings", "inconclusive", "None of the asked readings came.")]

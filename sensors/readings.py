"""Sensor readings: SenML (RFC 8428) resolved to named, dated samples, in canonical units, against physical limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from sensors.evidence import ReadingAsked, Window
from sensors.freshness import SLACK
from sensors.limits import DIMENSION_LIMITS, Quantity, find_quantity
from sensors.units import CANONICAL, UNITS, convert, find_unit
from sensors.verdict import Check, finding

MAX_RECORDS: Final = 10_000
MAX_VERSION: Final = 10
RELATIVE_BELOW: Final = 2**28
"""Times below are seconds from now, at or above seconds since 1970 (RFC 8428, section 4.5.3)."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,199}")
_FIELDS: Final = frozenset(("bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"))


class BadReadings(Exception):
    """These readings are no SenML pack; the message says where and why. record: its index, where it is one record's."""

    def __init__(self, detail: str, record: int | None = None) -> None:
        super().__init__(detail)
        self.record = record


class Misreading(NamedTuple):
    """A record that cannot serve: its index (None: the pack as a whole), and what is wrong, in words."""

    record: int | None
    detail: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One resolved SenML record. unit as sent (None: not stated); value a number, text or boolean, never absent.

    record: its index in the pack.
    """

    record: int
    name: str
    unit: str | None
    value: float | str | bool
    at: datetime


LARGEST = 1e300  # integers in JSON may be longer than any float; NaN is refused by the comparison as well


def _number(record: dict[str, Any], field: str, index: int) -> float | None:
    value = record.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise BadReadings(f"record {index}: {field} must be a finite number", index)
    return float(value)


def _string(record: dict[str, Any], field: str, index: int) -> str | None:
    value = record.get(field)
    if value is not None and not isinstance(value, str):
        raise BadReadings(f"record {index}: {field} must be a text", index)
    return value


class _Base:
    """The base fields in force; each stays until a later record replaces it (RFC 8428, section 4.1)."""

    def __init__(self) -> None:
        self.name, self.time, self.value = "", 0.0, 0.0
        self.unit: str | None = None

    def take(self, record: dict[str, Any], index: int) -> None:
        name, unit = _string(record, "bn", index), _string(record, "bu", index)
        time, value, version = (_number(record, field, index) for field in ("bt", "bv", "bver"))
        if version is not None and version > MAX_VERSION:
            raise BadReadings(f"record {index}: SenML version {version:.0f} is not known here", index)
        self.name = self.name if name is None else name
        self.unit = self.unit if unit is None else unit
        self.time = self.time if time is None else time
        self.value = self.value if value is None else value


def _moment(seconds: float, now: datetime, index: int) -> datetime:
    try:
        if seconds < RELATIVE_BELOW:
            return now + timedelta(seconds=seconds)
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadReadings(f"record {index}: the time {seconds} is out of range", index) from error


def resolve(pack: list[dict[str, Any]], now: datetime) -> list[Sample]:
    """Resolve base fields, names and times; now is what relative times count from.

    Records that carry only base fields or a sum yield no sample. Raises BadReadings for anything that is no SenML.
    """
    if len(pack) > MAX_RECORDS:
        raise BadReadings(f"{len(pack)} records; at most {MAX_RECORDS} are accepted")
    base, samples = _Base(), []
    for index, record in enumerate(pack):
        if not isinstance(record, dict):
            raise BadReadings(f"record {index} is not an object", index)
        unknown = [field for field in record if field not in _FIELDS and field.endswith("_")]
        if unknown:
            raise BadReadings(f"record {index}: {unknown[0]} must be understood, and is not", index)
        base.take(record, index)
        name = base.name + (_string(record, "n", index) or "")
        number, text, flag = _number(record, "v", index), _string(record, "vs", index), record.get("vb")
        if flag is not None and not isinstance(flag, bool):
            raise BadReadings(f"record {index}: vb must be true or false", index)
        given = [value for value in (number, text, flag) if value is not None]
        if len(given) + ("vd" in record) > 1:
            raise BadReadings(f"record {index} has more than one value", index)
        time = base.time + (_number(record, "t", index) or 0.0)
        unit = _string(record, "u", index) or base.unit
        if not given:
            continue
        if _NAME.fullmatch(name) is None:
            raise BadReadings(f"record {index}: {name[:40]!r} is no SenML name", index)
        value = base.value + number if number is not None else given[0]
        samples.append(Sample(record=index, name=name, unit=unit, value=value, at=_moment(time, now, index)))
    return samples


def _no_senml(error: BadReadings) -> str:
    return f"The readings are not in the SenML format: {error}."


def _named(sample: Sample, name: str) -> bool:
    """Whether a resolved name is the wanted one, alone or behind a device prefix ("urn:dev:mac:0024be:pm25")."""
    return sample.name == name or re.split(r"[:/]", sample.name)[-1] == name


def _judge_unit(sample: Sample, asked: ReadingAsked) -> str | None:
    """Why this sample cannot be had in the asked unit, None when it can."""
    if isinstance(sample.value, bool | str):
        return f"{asked.name} must be a number."
    if sample.unit is None:
        return f"{asked.name} came without a unit; {asked.unit} is asked."
    if find_unit(sample.unit) is None:
        return f"The unit {sample.unit[:20]!r} of {asked.name} is not known here; {asked.unit} is asked."
    try:
        convert(0.0, sample.unit, asked.unit)
    except ValueError:
        return f"{sample.unit} cannot be a unit of {asked.name}; {asked.unit} is asked."
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
        start = 0
        for end in range(len(series)):
            while series[end][0] - series[start][0] > timedelta(hours=hours):
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


def usable(pack: list[dict[str, Any]] | None, asked: ReadingAsked, now: datetime) -> int:
    """How many samples of a pack can serve what is asked; 0 for a pack that is no SenML."""
    try:
        samples = resolve(pack or [], now)
    except BadReadings:
        return 0
    return sum(_named(sample, asked.name) and _judge_unit(sample, asked) is None for sample in samples)


def misreadings(asked: list[ReadingAsked], pack: list[dict[str, Any]] | None, now: datetime) -> list[Misreading]:
    """What is certain to fail `readings` whatever was measured: no SenML, or a unit that cannot be the asked one."""
    if not asked or pack is None:
        return []
    try:
        samples = resolve(pack, now)
    except BadReadings as error:
        return [Misreading(error.record, _no_senml(error))]
    found = ((each.record, _judge_unit(each, one)) for one in asked for each in samples if _named(each, one.name))
    return [Misreading(record, reason) for record, reason in found if reason is not None]


def missing_samples(asked: list[ReadingAsked], pack: list[dict[str, Any]] | None, now: datetime) -> list[str]:
    """What is asked and did not come often enough, a phrase for each."""
    counted = ((one, usable(pack, one, now)) for one in asked)
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
    series = []
    for sample in resolve(pack, now):
        if not _named(sample, asked.name) or _judge_unit(sample, asked) is not None:
            continue
        value, unit = float(sample.value), sample.unit or asked.unit
        quantity = find_quantity(asked.name, UNITS[asked.unit.strip()].dimension)
        if quantity is not None:
            value, unit = quantity.settled(convert(value, unit, quantity.unit)), quantity.unit
        series.append((sample.at, convert(value, unit, asked.unit)))
    return sorted(series)


def readings(
    asked: list[ReadingAsked], pack: list[dict[str, Any]] | None, now: datetime, window: Window
) -> list[Check]:
    """One finding for each asked quantity that came; how many had to come is judged by `complete`."""
    if not asked:
        return [finding("readings", "not_applicable", "No readings were asked.")]
    if pack is None:
        return [finding("readings", "inconclusive", "No readings came.")]
    try:
        samples = resolve(pack, now)
    except BadReadings as error:
        return [finding("readings", "fail", _no_senml(error))]
    checks = []
    for each in asked:
        named = [sample for sample in samples if _named(sample, each.name)]
        if named:
            checks.append(_judge_asked(each, named, window))
    return checks or [finding("readings", "inconclusive", "None of the asked readings came.")]

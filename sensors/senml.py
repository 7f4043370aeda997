"""SenML in JSON (RFC 8428): a pack of records resolved to named, dated values, and to the standard's normalised form.

All of the standard's fields are understood: base name, time, unit, value, sum and version; names, units, times, update
times, and the four kinds of value beside sums. A record with neither value nor sum yields nothing but its base fields.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

MAX_RECORDS: Final = 10_000
VERSION: Final = 10
LONGEST_UNIT: Final = 100
RELATIVE_BELOW: Final = 2**28
"""Times below are seconds from now, at or above seconds since 1970 (RFC 8428, section 4.5.3)."""
EARLIEST: Final = datetime.fromtimestamp(RELATIVE_BELOW, UTC)
"""July 1978. What is older can be said with a relative time only, and in no normalised form."""
LARGEST: Final = 1e300  # integers in JSON may be longer than any float; NaN is refused by the comparison as well
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,199}")
_BASES: Final = frozenset(("bn", "bt", "bu", "bv", "bs", "bver"))
_VALUES: Final = ("v", "vs", "vb", "vd")
_FIELDS: Final = _BASES | frozenset((*_VALUES, "n", "u", "s", "t", "ut"))


class BadReadings(Exception):
    """These readings are no SenML pack; the message says where and why. record: its index, where it is one record's."""

    def __init__(self, detail: str, record: int | None = None) -> None:
        super().__init__(detail)
        self.record = record


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One resolved SenML record. unit as sent (None: not stated); value a number, text or boolean, never absent.

    record: its index in the pack.
    """

    record: int
    name: str
    unit: str | None
    value: float | str | bool
    at: datetime


class _Resolved(NamedTuple):
    """A record with its base fields applied. kind: v, vs, vb, vd, or an empty text where there is a sum alone."""

    record: int
    name: str
    unit: str | None
    at: datetime
    kind: str
    value: float | str | bool
    total: float | None
    update_s: float | None
    version: int


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


def _unit(record: dict[str, Any], field: str, index: int) -> str | None:
    """A unit, of a length that many records may each be compared by."""
    unit = _string(record, field, index)
    if unit is not None and len(unit) > LONGEST_UNIT:
        raise BadReadings(f"record {index}: {field} has more than {LONGEST_UNIT} characters", index)
    return unit


class _Base:
    """The base fields in force; each stays until a later record replaces it (RFC 8428, section 4.1)."""

    def __init__(self) -> None:
        self.name, self.time, self.value, self.total, self.version = "", 0.0, 0.0, 0.0, VERSION
        self.unit: str | None = None

    def take(self, record: dict[str, Any], index: int) -> None:
        name, unit = _string(record, "bn", index), _unit(record, "bu", index)
        time, value, total, version = (_number(record, field, index) for field in ("bt", "bv", "bs", "bver"))
        if version is not None:
            if version > VERSION:
                raise BadReadings(f"record {index}: SenML version {version:.0f} is not known here", index)
            if version < 1 or version != int(version):
                raise BadReadings(f"record {index}: bver must be a positive whole number", index)
            self.version = int(version)
        self.name = self.name if name is None else name
        self.unit = self.unit if unit is None else unit
        self.time = self.time if time is None else time
        self.value = self.value if value is None else value
        self.total = self.total if total is None else total


def _moment(seconds: float, now: datetime, index: int) -> datetime:
    try:
        relative = seconds < RELATIVE_BELOW
        at = now + timedelta(seconds=seconds) if relative else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadReadings(f"record {index}: the time {seconds} is out of range", index) from error
    if at < EARLIEST:
        raise BadReadings(f"record {index}: the time {seconds} lies before July 1978", index)
    return at


def _value(record: dict[str, Any], base: _Base, index: int) -> tuple[str, float | str | bool] | None:
    """The kind and value of a record, the base value added to a number; None where it has none."""
    found: tuple[str, float | str | bool] | None = None
    for kind in _VALUES:
        given = record.get(kind)
        if given is None:
            continue
        if found is not None:
            raise BadReadings(f"record {index} has more than one value", index)
        if kind == "v":
            number = _number(record, "v", index)
            found = kind, base.value + (number or 0.0)
        elif kind == "vb":
            if not isinstance(given, bool):
                raise BadReadings(f"record {index}: vb must be true or false", index)
            found = kind, given
        else:
            text = _string(record, kind, index) or ""
            if kind == "vd" and not _is_base64url(text):
                raise BadReadings(f"record {index}: vd must be base64url without padding", index)
            found = kind, text
    return found


def _is_base64url(text: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        return False
    try:
        urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return False
    return True


def _records(pack: list[dict[str, Any]], now: datetime) -> Iterator[_Resolved]:
    if len(pack) > MAX_RECORDS:
        raise BadReadings(f"{len(pack)} records; at most {MAX_RECORDS} are accepted")
    base, checked = _Base(), ""
    for index, record in enumerate(pack):
        if not isinstance(record, dict):
            raise BadReadings(f"record {index} is not an object", index)
        if not _FIELDS.issuperset(record):
            unknown = next((field for field in record if field.endswith("_")), None)
            if unknown is not None:
                raise BadReadings(f"record {index}: {unknown[:40]} must be understood, and is not", index)
        if not _BASES.isdisjoint(record):
            base.take(record, index)
        found = _value(record, base, index)
        total = _number(record, "s", index) if "s" in record else None
        own_name = _string(record, "n", index) if "n" in record else None
        own_time = _number(record, "t", index) if "t" in record else None
        update_s = _number(record, "ut", index) if "ut" in record else None
        unit = (_unit(record, "u", index) if "u" in record else None) or base.unit
        if found is None and total is None:
            continue
        # Joined only here, where a name that is too long ends the pack: a base name may be as long as the body.
        name = base.name + own_name if own_name else base.name
        if name != checked and _NAME.fullmatch(name) is None:
            raise BadReadings(f"record {index}: {name[:40]!r} is no SenML name", index)
        checked = name
        at = _moment(base.time + (own_time or 0.0), now, index)
        kind, value = found or ("", 0.0)
        total = None if total is None else base.total + total
        yield _Resolved(index, name, unit, at, kind, value, total, update_s, base.version)


def resolve(pack: list[dict[str, Any]], now: datetime) -> list[Sample]:
    """Resolve base fields, names and times; now is what relative times count from. In the order of the records.

    Records that carry only base fields, a sum or bytes (vd) yield no sample. Raises BadReadings for what is no SenML.
    """
    return [
        Sample(record=each.record, name=each.name, unit=each.unit, value=each.value, at=each.at)
        for each in _records(pack, now)
        if each.kind and each.kind != "vd"
    ]


def resolved(pack: list[dict[str, Any]], now: datetime, latest: datetime | None = None) -> list[dict[str, Any]]:
    """The pack in the standard's normalised form (RFC 8428, section 4.6): no base fields, absolute times, oldest first.

    Fields of other standards are left out. A version other than 10 stands in each record. latest: no record may be of
    later. Raises BadReadings.
    """
    records = list(_records(pack, now))
    for each in records:
        if latest is not None and each.at > latest:
            ahead = (each.at - now).total_seconds()
            raise BadReadings(f"record {each.record} is {ahead:.0f} s in the future; set the clock right", each.record)
    normal = []
    for each in sorted(records, key=lambda one: one.at):
        record: dict[str, Any] = {"n": each.name, "t": each.at.timestamp()}
        if each.version != VERSION:
            record["bver"] = each.version
        if each.unit is not None:
            record["u"] = each.unit
        if each.kind:
            record[each.kind] = each.value
        if each.total is not None:
            record["s"] = each.total
        if each.update_s is not None:
            record["ut"] = each.update_s
        normal.append(record)
    return normal

"""Defensive EXIF reading (CIPA DC-008 / TIFF 6.0): a bounded walk over three directories for the eight fields we use.

Written here because general readers follow hostile pointers: a directory of 65,535 entries each pointing at the same
megabyte costs them seconds. This one reads at most 128 entries a directory and 256 bytes a value, follows no pointer
twice and never raises.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime
from typing import Final

from sensors.inspection import ExifSummary

_MAX_ENTRIES: Final = 128
_MAX_VALUE_BYTES: Final = 256
_MAX_TEXT: Final = 100

_MAKE, _MODEL, _ORIENTATION, _SOFTWARE, _DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0131, 0x0132
_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825
_DATE_TIME_ORIGINAL, _DATE_TIME_DIGITIZED = 0x9003, 0x9004
_OFFSET, _OFFSET_ORIGINAL, _OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
_LAT_REF, _LAT, _LON_REF, _LON = 1, 2, 3, 4

_ASCII, _SHORT, _LONG, _RATIONAL, _SIGNED_RATIONAL = 2, 3, 4, 5, 10
_SIZES: Final = {_ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _SIGNED_RATIONAL: 8}

_DATE = re.compile(r"(\d{4})[:\-/.](\d{2})[:\-/.](\d{2})[ T](\d{2}):(\d{2}):(\d{2})")
_ZONE = re.compile(r"([+-])(\d{2}):(\d{2})")

EARLIEST_YEAR: Final = 1995
LATEST_YEAR: Final = 2098
"""Years outside mean a clock that was never set (0000, 1970, 1980, 2099), hence no time at all."""

Value = str | list[int] | list[tuple[int, int]]
Directory = dict[int, Value]


def _value(data: bytes, order: str, entry: int) -> Value | None:
    """The value of the 12-byte directory entry at that place, or None when its type or place is not one we use."""
    kind, count = struct.unpack_from(order + "HI", data, entry + 2)
    size = _SIZES.get(kind)
    if size is None or count == 0:
        return None
    if size * count > _MAX_VALUE_BYTES:
        if kind != _ASCII:
            return None
        count = _MAX_VALUE_BYTES
    start = entry + 8
    if struct.unpack_from(order + "I", data, entry + 4)[0] * size > 4:
        start = struct.unpack_from(order + "I", data, start)[0]
    if start + size * count > len(data):
        return None
    raw = data[start : start + size * count]
    if kind == _ASCII:
        return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
    if kind in (_RATIONAL, _SIGNED_RATIONAL):
        # Positions are unsigned by the standard, but some phones write the signed type.
        numbers = struct.unpack(f"{order}{2 * count}{'I' if kind == _RATIONAL else 'i'}", raw)
        return list(zip(numbers[::2], numbers[1::2], strict=True))
    return list(struct.unpack(f"{order}{count}{'H' if kind == _SHORT else 'I'}", raw))


def _directory(data: bytes, order: str, offset: int) -> Directory:
    """Tags of the directory at an offset; damaged or surplus entries are left out."""
    if not 8 <= offset <= len(data) - 2:
        return {}
    entries: Directory = {}
    for index in range(min(struct.unpack_from(order + "H", data, offset)[0], _MAX_ENTRIES)):
        place = offset + 2 + 12 * index
        if place + 12 > len(data):
            break
        tag = struct.unpack_from(order + "H", data, place)[0]
        value = _value(data, order, place)
        if value is not None:
            entries.setdefault(tag, value)
    return entries


def _pointed(data: bytes, order: str, parent: Directory, tag: int) -> Directory:
    target = parent.get(tag)
    if isinstance(target, list) and target and isinstance(target[0], int):
        return _directory(data, order, target[0])
    return {}


def _text(directory: Directory, tag: int) -> str | None:
    value = directory.get(tag)
    if not isinstance(value, str):
        return None
    printable = "".join(letter for letter in value if letter.isprintable() and letter != "\ufffd").strip()
    return printable[:_MAX_TEXT] or None


def _time(directory: Directory, tag: int) -> datetime | None:
    match = _DATE.match(_text(directory, tag) or "")
    if match is None:
        return None
    try:
        moment = datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        return None
    # 1 January 2000, 00:00 to the second, is what cameras show after their battery was changed.
    return None if moment == datetime(2000, 1, 1) else moment


def _offset_seconds(directory: Directory, tag: int) -> int | None:
    match = _ZONE.fullmatch(_text(directory, tag) or "")
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    if seconds > 14 * 3600:
        return None
    return -seconds if match[1] == "-" else seconds


def _degrees(directory: Directory, tag: int, reference: int, limit: float) -> float | None:
    """Degrees, minutes and seconds as signed degrees; None unless all parts and the hemisphere make sense."""
    value, hemisphere = directory.get(tag), directory.get(reference)
    if not isinstance(value, list) or not 1 <= len(value) <= 3 or not isinstance(hemisphere, str):
        return None
    degrees = 0.0
    for part, per_degree in zip(value, (1, 60, 3600), strict=False):
        if not isinstance(part, tuple) or (part[1] == 0 and part[0] != 0):
            return None
        degrees += part[0] / (part[1] or 1) / per_degree
    if not 0 <= degrees <= limit or hemisphere.upper() not in ("N", "S", "E", "W"):
        return None
    return -degrees if hemisphere.upper() in ("S", "W") else degrees


def _position(gps: Directory) -> tuple[float | None, float | None]:
    lat = _degrees(gps, _LAT, _LAT_REF, 90)
    lon = _degrees(gps, _LON, _LON_REF, 180)
    # 0, 0 is what a receiver without a fix writes; nobody stands there, in the Gulf of Guinea.
    if lat is None or lon is None or (abs(lat) < 1e-6 and abs(lon) < 1e-6):
        return None, None
    return lat, lon


def read_exif(raw: bytes) -> ExifSummary:
    """Summarise an EXIF block: bytes with or without the leading "Exif\\0\\0". Never raises; absent means None."""
    data = raw[6:] if raw.startswith(b"Exif\0\0") else raw
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 14:
        return ExifSummary()
    main = _directory(data, order, struct.unpack_from(order + "I", data, 4)[0])
    detail = _pointed(data, order, main, _EXIF_POINTER)
    lat, lon = _position(_pointed(data, order, main, _GPS_POINTER))
    taken_at, offset = None, None
    for directory, date_tag, offset_tag in (
        (detail, _DATE_TIME_ORIGINAL, _OFFSET_ORIGINAL),
        (detail, _DATE_TIME_DIGITIZED, _OFFSET_DIGITIZED),
        (main, _DATE_TIME, _OFFSET),
    ):
        taken_at = _time(directory, date_tag)
        if taken_at is not None:
            offset = _offset_seconds(detail, offset_tag)
            break
    orientation = main.get(_ORIENTATION)
    code = orientation[0] if isinstance(orientation, list) else 1
    return ExifSummary(
        taken_at=taken_at,
        offset=offset,
        lat=lat,
        lon=lon,
        software=_text(main, _SOFTWARE),
        make=_text(main, _MAKE),
        model=_text(main, _MODEL),
        orientation=code if isinstance(code, int) and 1 <= code <= 8 else 1,
    )

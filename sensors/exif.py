"""Defensive EXIF reading (CIPA DC-008 / TIFF 6.0): a bounded walk over four directories for the fields we use.

Written here because general readers follow hostile pointers: a directory of 65,535 entries each pointing at the same
megabyte costs them seconds. This one reads at most 128 entries a directory and 256 bytes a value, follows no pointer
twice and never raises.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sensors.inspection import ExifSummary

_MAX_ENTRIES: Final = 128
_MAX_VALUE_BYTES: Final = 256
_MAX_TEXT: Final = 100

_MAKE, _MODEL, _ORIENTATION, _SOFTWARE, _DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0131, 0x0132
_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825
_EXPOSURE_TIME, _F_NUMBER, _SPEED, _FLASH, _COMMENT = 0x829A, 0x829D, 0x8827, 0x9209, 0x9286
_DATE_TIME_ORIGINAL, _DATE_TIME_DIGITIZED = 0x9003, 0x9004
_OFFSET, _OFFSET_ORIGINAL, _OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
_SUBSECOND, _SUBSECOND_ORIGINAL, _SUBSECOND_DIGITIZED = 0x9290, 0x9291, 0x9292
_WIDTH, _HEIGHT = 0xA002, 0xA003
_LAT_REF, _LAT, _LON_REF, _LON, _ALTITUDE_REF, _ALTITUDE, _GPS_TIME, _GPS_DATE = 1, 2, 3, 4, 5, 6, 7, 29
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SIGNED_RATIONAL = 1, 2, 3, 4, 5, 7, 10
_SIZES: Final = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1, _SIGNED_RATIONAL: 8}

_DATE = re.compile(r"(\d{4})[:\-/.](\d{2})[:\-/.](\d{2})[ T](\d{2}):(\d{2}):(\d{2})")
_ZONE = re.compile(r"([+-])(\d{2}):(\d{2})")
_DAY = re.compile(r"(\d{4})[:\-/.](\d{2})[:\-/.](\d{2})")
_FRACTION = re.compile(r"\d{1,6}")

MAX_THUMBNAIL_BYTES: Final = 65_536
LOWEST_M: Final = -500.0
HIGHEST_M: Final = 12_000.0
"""Altitudes beyond are no place where one takes photos."""

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
    return list(
        struct.unpack(f"{order}{count}{'B' if kind in (_BYTE, _UNDEFINED) else 'H' if kind == _SHORT else 'I'}", raw)
    )


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


def _number(directory: Directory, tag: int, most: int) -> int | None:
    value = directory.get(tag)
    first = value[0] if isinstance(value, list) and value else None
    return first if isinstance(first, int) and 0 < first <= most else None


def _exposure(detail: Directory) -> float | None:
    """The exposure value at ISO 100: log2(N² / t) − log2(ISO / 100) (ISO 2720, with the camera's own numbers).

    None as well where a flash lit the scene: it says nothing of the light there then.
    """
    flash = _number(detail, _FLASH, 255)
    if flash is not None and flash & 1:
        return None
    parts = []
    for tag in (_EXPOSURE_TIME, _F_NUMBER):
        value = detail.get(tag)
        part = value[0] if isinstance(value, list) and value else None
        if not isinstance(part, tuple) or part[0] <= 0 or part[1] <= 0:
            return None
        parts.append(part[0] / part[1])
    speed = _number(detail, _SPEED, 1_000_000)
    if not speed:
        return None
    value_at_100 = math.log2(parts[1] ** 2 / parts[0]) - math.log2(speed / 100)
    return value_at_100 if -20 <= value_at_100 <= 30 else None


def _is_screenshot(detail: Directory) -> bool:
    """Whether the comment is the word that phones write into pictures of their own screen; its first 8 bytes name its
    character set."""
    comment = detail.get(_COMMENT)
    if not isinstance(comment, list):
        return False
    letters = bytes(part for part in comment[8:] if isinstance(part, int) and part)
    return letters.strip().lower() == b"screenshot"


def _altitude(gps: Directory) -> float | None:
    value = gps.get(_ALTITUDE)
    part = value[0] if isinstance(value, list) and value else None
    if not isinstance(part, tuple) or part[1] == 0:
        return None
    metres = part[0] / part[1] * (-1 if gps.get(_ALTITUDE_REF) in ([1], "\1") else 1)
    return metres if LOWEST_M <= metres <= HIGHEST_M else None


def _gps_time(gps: Directory) -> datetime | None:
    """The satellites' date and time in UTC; both are needed."""
    day, clock = _DAY.fullmatch(_text(gps, _GPS_DATE) or ""), gps.get(_GPS_TIME)
    if day is None or not isinstance(clock, list) or len(clock) != 3:
        return None
    parts = [part[0] / part[1] if isinstance(part, tuple) and part[1] > 0 else -1.0 for part in clock]
    if min(parts) < 0 or parts[0] >= 24 or parts[1] >= 60 or parts[2] >= 60:
        return None
    try:
        moment = datetime(*(int(part) for part in day.groups()), *(int(part) for part in parts), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    return moment if EARLIEST_YEAR <= moment.year <= LATEST_YEAR else None


class _Block(NamedTuple):
    """An EXIF block whose first directory has been read."""

    data: bytes
    order: str
    first: int
    main: Directory


def _open(raw: bytes) -> _Block | None:
    data = raw[6:] if raw.startswith(b"Exif\0\0") else raw
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 14:
        return None
    first = struct.unpack_from(order + "I", data, 4)[0]
    return _Block(data, order, first, _directory(data, order, first))


def read_thumbnail(raw: bytes) -> bytes:
    """The small JPEG in an EXIF block's second directory, or nothing. Never raises."""
    block = _open(raw)
    if block is None or not 8 <= block.first <= len(block.data) - 2:
        return b""
    data, order = block.data, block.order
    link = block.first + 2 + 12 * struct.unpack_from(order + "H", data, block.first)[0]
    if link + 4 > len(data):
        return b""
    second = _directory(data, order, struct.unpack_from(order + "I", data, link)[0])
    start, length = _number(second, _THUMBNAIL, len(data)), _number(second, _THUMBNAIL_LENGTH, MAX_THUMBNAIL_BYTES)
    if start is None or length is None:
        return b""
    found = data[start : start + length]
    return found if found.startswith(b"\xff\xd8\xff") else b""


def read_exif(raw: bytes) -> ExifSummary:
    """Summarise an EXIF block: bytes with or without the leading "Exif\\0\\0". Never raises; absent means None."""
    block = _open(raw)
    if block is None:
        return ExifSummary()
    data, order, _, main = block
    detail = _pointed(data, order, main, _EXIF_POINTER)
    gps = _pointed(data, order, main, _GPS_POINTER)
    lat, lon = _position(gps)
    taken_at, offset = None, None
    for directory, date_tag, offset_tag, fraction_tag in (
        (detail, _DATE_TIME_ORIGINAL, _OFFSET_ORIGINAL, _SUBSECOND_ORIGINAL),
        (detail, _DATE_TIME_DIGITIZED, _OFFSET_DIGITIZED, _SUBSECOND_DIGITIZED),
        (main, _DATE_TIME, _OFFSET, _SUBSECOND),
    ):
        taken_at = _time(directory, date_tag)
        if taken_at is not None:
            offset = _offset_seconds(detail, offset_tag)
            fraction = _FRACTION.fullmatch(_text(detail, fraction_tag) or "")
            if fraction is not None:
                taken_at = taken_at.replace(microsecond=int(fraction[0].ljust(6, "0")))
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
        gps_at=_gps_time(gps),
        altitude_m=_altitude(gps),
        width=_number(detail, _WIDTH, 100_000),
        height=_number(detail, _HEIGHT, 100_000),
        exposure_ev=_exposure(detail),
        screenshot=_is_screenshot(detail),
    )

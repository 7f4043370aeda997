"""The header of a JPEG, without decoding it (ITU-T T.81, annex B): tables, sampling, order of the segments.

Every camera and program writes these in its own way, and whoever saves a picture again leaves theirs.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensors.inspection import JpegTraits

MAX_SEGMENTS: Final = 2000
MAX_APPLICATIONS: Final = 16
MAX_FILL: Final = 64
"""Any number of 0xFF may stand before a marker; no writer of photos makes use of it."""
_STANDALONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))
_FRAMES: Final = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
_PROGRESSIVE: Final = frozenset((0xC2, 0xC6, 0xCA, 0xCE))

ZIGZAG: Final = (
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60,
    61, 54, 47, 55, 62, 63,
)  # fmt: skip
"""Place in an 8 x 8 block, row by row, of each value as it stands in the file."""
# T.81, table K.1: luma at quality 50, row by row.
_LUMA: Final = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


def _scaled_tables() -> NDArray[np.int64]:
    """(100, 64): the luma table at each quality 1 to 100, by the rule of the IJG's jpeg_set_quality."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    scaled: NDArray[np.int64] = ((np.array(_LUMA)[None, :] * scale[:, None] + 50) // 100).clip(1, 255)
    return scaled


SCALED: Final = _scaled_tables()


class Header(NamedTuple):
    """What stands before the first scan.

    luma: the first component's quantisation table, 64 numbers row by row · height_at: where in the file the 16-bit
    height stands · manifest: there is a JUMBF box, as C2PA uses, of about manifest_bytes · xmp: the first XMP packet.
    """

    traits: JpegTraits
    luma: tuple[int, ...]
    height_at: int
    width: int
    height: int
    manifest: bool
    manifest_bytes: int
    xmp: bytes


class _Found:
    """What has been met so far."""

    def __init__(self) -> None:
        self.tables: dict[int, tuple[int, ...]] = {}
        self.frame: tuple[int, int, bytes] | None = None
        self.restart_interval = 0
        self.order = bytearray()
        self.applications: list[str] = []
        self.manifest = False
        self.boxes = 0
        self.xmp = b""


def _digest(numbers: bytes) -> str:
    return hashlib.sha256(numbers).hexdigest()[:32]


def _read_tables(body: bytes, tables: dict[int, tuple[int, ...]]) -> None:
    place = 0
    while place < len(body):
        wide, number = body[place] >> 4, body[place] & 15
        size = 128 if wide else 64
        values = body[place + 1 : place + 1 + size]
        if wide > 1 or number > 3 or len(values) < size:
            return
        tables[number] = tuple(np.frombuffer(values, ">u2" if wide else "u1").tolist())
        place += 1 + size


def _read_application(found: _Found, marker: int, body: bytes) -> None:
    name = body[:32].split(b"\0", 1)[0].split(b" ", 1)[0].decode("ascii", "replace")
    if marker == 0xED and b"FBMD" in body:
        name = "FBMD"  # what Facebook writes among the instructions of its pictures (IPTC 2:40)
    if len(found.applications) < MAX_APPLICATIONS:
        shown = "".join(letter for letter in name if letter.isalnum() or letter in "_:/.-")[:20]
        found.applications.append(f"APP{marker - 0xE0} {shown}".strip())
    if marker == 0xEB and body[:2] == b"JP":
        found.boxes += len(body)
        found.manifest = found.manifest or b"jumb" in body[:64]
    if marker == 0xE1 and not found.xmp and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        found.xmp = body[29:]


def _walk(data: bytes) -> _Found | None:
    """All segments up to the first scan; None when the header is broken."""
    found, place = _Found(), 2
    for _ in range(MAX_SEGMENTS):
        place += max(0, len(data[place : place + MAX_FILL]) - len(data[place : place + MAX_FILL].lstrip(b"\xff")) - 1)
        if place + 4 > len(data) or data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker in _STANDALONE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + length]
        if length < 2 or marker == 0xD9:
            return None
        found.order.append(marker)
        if marker == 0xDB:
            _read_tables(body, found.tables)
        elif marker in _FRAMES and found.frame is None and len(body) >= 6:
            found.frame = (marker, place + 5, body)
        elif marker == 0xDD and len(body) >= 2:
            found.restart_interval = int.from_bytes(body[:2], "big")
        elif 0xE0 <= marker <= 0xEF:
            _read_application(found, marker, body)
        elif marker == 0xDA:
            return found
        place += 2 + length
    return None


def estimate_quality(luma: tuple[int, ...]) -> tuple[int, bool]:
    """The quality 1–100 whose standard luma table is nearest (sum of absolute differences), and whether it is equal."""
    distance = np.abs(SCALED - np.array(luma)[None, :]).sum(axis=1)
    # Of equal ones the higher: qualities 1 to about 3 share their tables.
    best = 99 - int(np.argmin(distance[::-1]))
    return best + 1, not distance[best]


def _subsampling(factors: list[int]) -> str:
    """Luma samples for one of chroma, in the usual notation where there is one."""
    if len(factors) == 1:
        return "grey"
    across, down = factors[0] >> 4, factors[0] & 15
    if len(factors) == 3 and factors[1] == factors[2] == 0x11:
        usual = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1", (1, 2): "4:4:0"}
        return usual.get((across, down), f"{across}x{down}")
    return ",".join(f"{factor >> 4}x{factor & 15}" for factor in factors)


def read_header(data: bytes) -> Header | None:
    """The header of a JPEG that begins with its start marker, None when it is broken. Never raises."""
    found = _walk(data)
    if found is None or found.frame is None:
        return None
    marker, height_at, body = found.frame
    count = body[5]
    components = [body[6 + 3 * index : 9 + 3 * index] for index in range(count)]
    if not 1 <= count <= 4 or len(body) < 6 + 3 * count:
        return None
    used = [found.tables.get(component[2]) for component in components]
    tables = [table for table in used if table is not None]
    if len(tables) < count:
        return None
    raw = [np.array(table, dtype=">u2").tobytes() for table in tables]
    luma = [0] * 64
    for place, value in zip(ZIGZAG, tables[0], strict=True):
        luma[place] = value
    quality, standard = estimate_quality(tuple(luma))
    traits = JpegTraits(
        tables=_digest(b"".join(raw)),
        each=[_digest(each) for each in raw],
        quality=quality,
        standard=standard,
        subsampling=_subsampling([component[1] for component in components]),
        progressive=marker in _PROGRESSIVE,
        restart_interval=found.restart_interval,
        segments=_digest(bytes(found.order)),
        applications=found.applications,
    )
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return Header(traits, tuple(luma), height_at, width, height, found.manifest, found.boxes, found.xmp)

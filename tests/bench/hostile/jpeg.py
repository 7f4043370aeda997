"""JPEGs that hurt (ITU-T T.81): sizes that lie, scans without end, rare codings, storms of segments."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from functools import cache

from PIL import Image

from tests.bench.hostile.kinds import Hostile, damaged
from tests.sensors.pictures import encoded, photo, scene, slow_progressive

ROOM = 20_000_000
"""Bytes of the largest files: most of what an upload may have."""


def segment(marker: int, body: bytes) -> bytes:
    """A marker, the length of what follows, and that."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def within(jpeg: bytes, *extra: bytes) -> bytes:
    """The same JPEG with more segments behind its beginning."""
    return jpeg[:2] + b"".join(extra) + jpeg[2:]


def frame_at(jpeg: bytes) -> int:
    """Where the frame header's marker stands."""
    return next(place for kind in (b"\xff\xc0", b"\xff\xc2") if (place := jpeg.find(kind)) >= 0)


def sized(jpeg: bytes, width: int, height: int) -> bytes:
    """The same JPEG claiming another size."""
    place = frame_at(jpeg) + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


def reframed(jpeg: bytes, marker: int, precision: int = 8) -> bytes:
    """The same JPEG claiming another coding and precision."""
    place = frame_at(jpeg)
    return jpeg[: place + 1] + bytes([marker]) + jpeg[place + 2 : place + 4] + bytes([precision]) + jpeg[place + 5 :]


@cache
def honest() -> bytes:
    return photo(64, 48)


@cache
def progressive() -> bytes:
    return photo(64, 48, progressive=True)


def _sizes() -> Iterator[tuple[str, bytes]]:
    inks = encoded(scene(64, 48).convert("CMYK"))
    for name, base in (("baseline", honest()), ("progressive", progressive()), ("inks", inks)):
        for width, height in ((65_535, 65_535), (7_700, 7_700), (6_300, 6_300), (65_535, 1), (1, 65_535), (0, 0),
                              (64, 0), (16_383, 3_600)):  # fmt: skip
            yield f"{name} claims {width}x{height}", sized(base, width, height)
    yield "height follows in DNL", sized(honest(), 64, 0)[:-2] + segment(0xDC, struct.pack(">H", 65_000)) + b"\xff\xd9"
    yield "flat 7700x7700", encoded(Image.new("L", (7_700, 7_700), 90), quality=30)
    yield "flat 7700x7700 colour", encoded(Image.new("RGB", (7_700, 7_700), (9, 99, 190)), quality=30)
    yield "flat 6300x6300 progressive", encoded(Image.new("RGB", (6_300, 6_300)), quality=30, progressive=True)
    yield "flat 6300x6300 progressive inks", encoded(Image.new("CMYK", (6_300, 6_300)), quality=30, progressive=True)
    for factors in (0x44, 0x41, 0x14, 0x00, 0xFF, 0x31):
        place = frame_at(honest()) + 11
        yield f"sampling {factors:02x}", honest()[:place] + bytes([factors]) + honest()[place + 1 :]
        yield (
            f"sampling {factors:02x}, 59 MP",
            sized(honest()[:place] + bytes([factors]) + honest()[place + 1 :], 7_700, 7_700),
        )


def _scans() -> Iterator[tuple[str, bytes]]:
    for side, rounds in ((400, 200), (1_000, 1_000), (2_000, 20_000), (3_000, 4_000), (6_000, 8_000)):
        yield f"{rounds} scans of {side}x{side}", slow_progressive(side, rounds)
    colour = encoded(Image.new("RGB", (2_000, 2_000), (9, 99, 190)), quality=50, progressive=True)
    first = colour.find(b"\xff\xda")
    yield "all scans 200 times", colour[:-2] + colour[first:-2] * 200 + b"\xff\xd9"
    last = progressive().rfind(b"\xff\xda")
    yield "scans without data", progressive()[:-2] + progressive()[last : last + 14] * 200_000 + b"\xff\xd9"
    yield "no scan at all", honest()[: honest().find(b"\xff\xda")] + b"\xff\xd9"
    yield "a scan before its frame", honest()[:2] + honest()[honest().find(b"\xff\xda") :]


def _codings() -> Iterator[tuple[str, bytes]]:
    for marker in (0xC1, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCF):
        yield f"frame {marker:02x}", reframed(honest(), marker)
        yield f"frame {marker:02x}, 59 MP", reframed(sized(honest(), 7_700, 7_700), marker)
    for precision in (0, 1, 2, 12, 16, 255):
        yield f"{precision} bits", reframed(honest(), 0xC1, precision)
        yield f"{precision} bits without loss", reframed(honest(), 0xC3, precision)
    yield "arithmetic, progressive, 39 MP", reframed(sized(progressive(), 6_200, 6_200), 0xCA)


def _storms() -> Iterator[tuple[str, bytes]]:
    for name, piece in (
        ("comments of nothing", segment(0xFE, b"")),
        ("comments of one letter", segment(0xFE, b"x")),
        ("application data of nothing", segment(0xE5, b"")),
        ("JFIF headers", segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")),
        ("EXIF headers of nothing", segment(0xE1, b"Exif\0\0")),
        ("EXIF of 65 kB", segment(0xE1, b"Exif\0\0" + bytes(65_000))),
        ("profiles in 255 parts", segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(65_000))),
        ("profile parts of nothing", segment(0xE2, b"ICC_PROFILE\0\1\xff")),
        ("multi-picture headers", segment(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0")),
        ("Photoshop blocks", segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 5_000)),
        ("Adobe headers", segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")),
        ("quantisation tables", segment(0xDB, bytes(1) + b"\1" * 64)),
        ("Huffman tables", segment(0xC4, b"\0" + b"\0\1\5\1\1\1\1\1\1" + bytes(7) + bytes(range(12)))),
        ("restart intervals", segment(0xDD, b"\0\1")),
        ("padding", b"\xff"),
        ("beginnings", b"\xff\xd8"),
        ("frames", segment(0xC0, b"\x08\0\x30\0\x40\x01\x01\x11\0")),
    ):
        yield f"storm of {name}", within(honest(), piece * (ROOM // len(piece)))
    data = honest().find(b"\xff\xda") + 14
    restarts = b"".join(bytes((0xFF, 0xD0 + n % 8)) for n in range(8)) * (ROOM // 16)
    interval = segment(0xDD, b"\0\1")
    yield "storm of restarts", within(honest()[:data], interval) + restarts + honest()[data:]
    yield (
        "storm of restarts, 59 MP",
        within(sized(honest(), 7_700, 7_700)[:data], interval) + restarts + honest()[data:],
    )
    yield "storm of stuffed bytes", honest()[:data] + b"\xff\x00" * (ROOM // 2) + honest()[data:]
    yield "storm of end marks", honest() + b"\xff\xd9" * (ROOM // 2)
    yield "storm of junk between segments", within(honest(), segment(0xFE, b""), bytes(ROOM))
    yield "storm of stuffed bytes between segments", within(honest(), segment(0xFE, b""), b"\xff\0" * (ROOM // 2))
    yield "storm of pictures behind the picture", honest() * (ROOM // len(honest()))


def _tables() -> Iterator[tuple[str, bytes]]:
    chance = random.Random(5)
    yield "Huffman table overfull", within(honest(), segment(0xC4, b"\0" + b"\xff" * 16 + bytes(255)))
    yield "Huffman table of class 15", within(honest(), segment(0xC4, b"\xff" + b"\1" * 16 + bytes(16)))
    yield "quantisation by zero", within(honest(), segment(0xDB, bytes(65)))
    yield "quantisation table 15", within(honest(), segment(0xDB, b"\x1f" + b"\xff" * 128))
    yield "length 0", within(honest(), b"\xff\xfe\0\0")
    yield "length 1", within(honest(), b"\xff\xfe\0\1")
    yield "length past the end", within(honest(), b"\xff\xe1\xff\xff")
    place = frame_at(honest()) + 9
    for count in (0, 2, 5, 255):
        yield f"{count} components", honest()[:place] + bytes([count]) + honest()[place + 1 :]
    data = honest().find(b"\xff\xda") + 14
    yield "random data", honest()[:data] + chance.randbytes(50_000).replace(b"\xff", b"\xfe") + b"\xff\xd9"
    yield (
        "random data, 59 MP",
        (sized(honest(), 7_700, 7_700)[:data] + chance.randbytes(10_000_000).replace(b"\xff", b"\xfe") + b"\xff\xd9"),
    )


def files() -> Iterator[Hostile]:
    for family, made in (("jpeg sizes", _sizes), ("jpeg scans", _scans), ("jpeg codings", _codings),
                         ("jpeg storms", _storms), ("jpeg tables", _tables)):  # fmt: skip
        for name, content in made():
            yield Hostile(family, f"{name}.jpg", content)
    for seed in range(12):
        yield Hostile("jpeg damage", f"baseline {seed}.jpg", damaged(honest(), seed, first=2))
        yield Hostile("jpeg damage", f"progressive {seed}.jpg", damaged(progressive(), seed, first=2))

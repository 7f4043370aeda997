"""What pictures carry beside pixels, made to hurt: EXIF in rings, counts that overflow, profiles, XMP, thumbnails."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from tests.bench.hostile.jpeg import honest, segment, sized, within
from tests.bench.hostile.kinds import Hostile, damaged
from tests.bench.hostile.png import within as within_png
from tests.sensors.pictures import chunk, encoded, photo, rationals, scene, short, text, tiff

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5


def directory(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A directory of (tag, type, count, value or place) as it lies in the file, little-endian."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


def block(*directories: bytes, first: int = 8) -> bytes:
    return b"Exif\0\0II*\0" + struct.pack("<I", first) + b"".join(directories)


def complete() -> bytes:
    """EXIF as a phone writes it."""
    return tiff(
        [text(0x010F, "Fairphone"), text(0x0110, "FP5"), short(0x0112, 6), text(0x0131, "FP5.TT3R")],
        [text(0x9003, "2026:05:04 10:20:30"), text(0x9011, "+02:00"), rationals(0x829A, (1, 50))],
        [text(1, "N"), rationals(2, (52, 1), (31, 1), (12, 1)), text(3, "E"), rationals(4, (13, 1), (24, 1), (0, 1))],
    )


def _rings() -> Iterator[tuple[str, bytes]]:
    for tag in (0x8769, 0x8825, 0xA005, 0x014A):
        yield f"{tag:04x} points at its own directory", block(directory([(tag, LONG, 1, 8)]))
        yield f"{tag:04x} points everywhere", block(directory([(tag, LONG, 1, n) for n in range(128)]))
    yield "the next directory is this one", block(directory([(0x0112, SHORT, 1, 1)], 8))
    two = directory([(0x8769, LONG, 1, 26)], 26)
    yield "two directories in a ring", block(two, directory([(0x8769, LONG, 1, 8)], 8))
    deep = b"".join(directory([(0x8769, LONG, 1, 8 + 18 * (n + 1))], 8 + 18 * (n + 1)) for n in range(3_000))
    yield "3,000 directories deep", block(deep)


def _counts() -> Iterator[tuple[str, bytes]]:
    blob = 2 + 12 * 5_000 + 4 + 8
    for kind in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99, 65_535):
        yield f"type {kind}, count 2^32-1", block(directory([(0x010F, kind, 2**32 - 1, 8)] * 9))
        yield (
            f"5,000 entries of type {kind} at one blob",
            (block(directory([(0x9000 + n % 4_000, kind, 500, blob) for n in range(5_000)]), b"9" * 4_000)),
        )
    yield "65,535 entries claimed", block(b"\xff\xff" + struct.pack("<HHII", 0x010F, ASCII, 4_000, 8) * 5_000)
    yield "first directory far away", block(first=2**32 - 1)
    yield "first directory is the header", block(directory([(0x0112, SHORT, 1, 6)]), first=0)
    yield "count 2^31 of rationals", block(directory([(2, RATIONAL, 2**31, 8)]))


def _values() -> Iterator[tuple[str, bytes]]:
    for name, place in (
        ("0/0", [(0, 0)] * 3),
        ("1/0", [(1, 0)] * 3),
        ("2^32-1 over 1", [(2**32 - 1, 1)] * 3),
        ("1 over 2^32-1", [(1, 2**32 - 1)] * 3),
        ("one part", [(52, 1)]),
        ("thirty parts", [(52, 1)] * 30),
    ):
        gps = [text(1, "N"), rationals(2, *place), text(3, "E"), rationals(4, *place)]
        yield f"a place of {name}", tiff([short(0x0112, 1)], None, gps)
    for moment in (
        "0000:00:00 00:00:00",
        "9999:99:99 99:99:99",
        "2026:02:30 10:00:00",
        "٢٠٢٦:٠٥:٠٤ ١٠:٢٠:٣٠",
        " " * 250,
        "2026:05:04 10:20:60",
        "-001:05:04 10:20:30",
        "2026:05:04 24:00:00",
        "१९९९:०१:०१ ००:००:००",
    ):
        yield f"taken at {moment.strip() or 'nothing'}", tiff([text(0x0132, moment)], [text(0x9003, moment)])
    for zone in ("+99:99", "-14:01", "+٠٢:٠٠", "Z", "+02:00" * 40):
        yield f"zone {zone[:12]}", tiff([], [text(0x9003, "2026:05:04 10:20:30"), text(0x9011, zone)])
    for turn in (0, 9, 65_535):
        yield f"turned {turn}", tiff([short(0x0112, turn)])
    for name, word in (
        ("commands", "'; DROP TABLE photo; --"),
        ("markup", "<script>alert(1)</script>"),
        ("escapes", "\x1b[2J\x07\x08"),
        ("backwards", "\u202egpj.exe"),
        ("nothing", "\0\0\0"),
        ("endless", "A" * 60_000),
    ):
        yield f"software of {name}", tiff([text(0x0131, word), text(0x010F, word), text(0x0110, word)])
    raw = b"\xed\xa0\x80\xff\xfe\xc0\x80\0"
    yield "software that is no text", tiff([(0x0131, ASCII, len(raw), raw), (0x0112, ASCII, 4, b"six\0")])


def _thumbnails() -> Iterator[tuple[str, bytes]]:
    bomb = sized(honest(), 65_500, 65_500)
    for name, place, length in (("a bomb", 26 + 30, len(bomb)), ("all the file", 0, 2**32 - 1), ("far away", 2**31, 9)):
        second = directory([(0x0103, SHORT, 1, 6), (0x0201, LONG, 1, place), (0x0202, LONG, 1, length)])
        yield (
            f"thumbnail is {name}.jpg",
            within(honest(), segment(0xE1, block(directory([(0x0112, SHORT, 1, 1)], 26), second) + bomb)),
        )
    yield "thumbnail of 255x255 in JFIF.jpg", within(honest(), segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\xff\xff"))
    yield "thumbnail in JFXX.jpg", within(honest(), segment(0xE0, b"JFXX\0\x10" + bomb))
    for count in (1, 2, 65_535, 2**32 - 1):
        pictures = b"".join(struct.pack("<IIIHH", 0x030000, 2**31, n % 2**31, 0, 0) for n in range(min(count, 3_000)))
        inner = directory([(0xB000, 7, 4, 0x30303130), (0xB001, LONG, 1, count), (0xB002, 7, 16 * count % 2**32, 50)])
        yield (
            f"{count} pictures in one.jpg",
            within(honest(), segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + inner + pictures)),
        )
    itself = struct.pack("<IIIHH", 0x030000, 2**31, 0, 0, 0) * 3
    inner = directory([(0xB000, 7, 4, 0x30303130), (0xB001, LONG, 1, 3), (0xB002, 7, 48, 50)])
    yield (
        "pictures that are the first again.jpg",
        within(honest(), segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + inner + itself)),
    )


def profile(tags: list[tuple[bytes, int, int]], size: int = 0, body: bytes = bytes(400)) -> bytes:
    """An ICC profile of (signature, place, length): a header of 128 bytes, a table, a body."""
    table = struct.pack(">I", len(tags)) + b"".join(struct.pack(">4sII", *tag) for tag in tags)
    length = size or 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s", length, b"lcms", 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return head.ljust(128, b"\0") + table + body


def _profiles() -> Iterator[tuple[str, bytes]]:
    profiles = {
        "that claims 4 GB": profile([], 2**32 - 1),
        "of 5,000 tags": profile([(b"A2B0", 132, 4)] * 5_000),
        "of 2^32-1 tags": profile([])[:128] + b"\xff\xff\xff\xff" + bytes(99),
        "whose tags lie outside": profile([(b"rXYZ", 2**32 - 1, 2**32 - 1), (b"desc", 0, 2**31)]),
        "whose tags are one another": profile([(b"A2B0", 128, 400), (b"B2A0", 128, 400), (b"desc", 128, 400)]),
        "in a ring": profile([(b"A2B0", 144, 40)], body=b"mAB \0\0\0\0\3\3\0\0" + b"\0\0\0\x20" * 5 + bytes(300)),
        "of nothing": b"",
        "of zeros": bytes(60_000),
        "of noise": random.Random(3).randbytes(60_000),
    }
    for name, raw in profiles.items():
        yield f"profile {name}.jpg", within(honest(), segment(0xE2, b"ICC_PROFILE\0\1\1" + raw[:65_000]))
        yield f"profile {name}.webp", encoded(scene(64, 48), "WEBP", icc_profile=raw or b"\0")
    whole = profile([(b"desc", 144, 40), (b"rXYZ", 144, 20), (b"wtpt", 144, 20)])
    for number, of in ((0, 0), (2, 1), (255, 255), (1, 0), (1, 200)):
        part = segment(0xE2, b"ICC_PROFILE\0" + bytes((number, of)) + whole)
        yield f"profile part {number} of {of}.jpg", within(honest(), part, part)
    for seed in range(6):
        yield (
            f"profile damaged {seed}.jpg",
            within(honest(), segment(0xE2, b"ICC_PROFILE\0\1\1" + damaged(whole, seed))),
        )


def _descriptions() -> Iterator[tuple[str, bytes]]:
    names = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">' + names + b"]><x:xmpmeta>&l9;</x:xmpmeta>"
    outside = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x:xmpmeta>&e;</x:xmpmeta>'
    for name, xml in (
        ("entities", laughs),
        ("outside", outside),
        ("depth", b"<a>" * 20_000),
        ("attributes", b"<a " + b'b="" ' * 12_000),
    ):
        yield f"XMP of {name}.jpg", within(honest(), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xml[:65_000]))
        yield (
            f"XMP of {name}.png",
            within_png(encoded(scene(64, 48), "PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xml)),
        )
        yield f"XMP of {name}.webp", encoded(scene(64, 48), "WEBP", xmp=xml)
    more = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32
    yield "extended XMP of 4 GB.jpg", within(honest(), segment(0xE1, more + b"\xff" * 4 + bytes(4) + b"<x/>"))
    parts = [segment(0xE1, more + struct.pack(">II", 15_000_000, n * 60_000) + b" " * 60_000) for n in range(250)]
    yield "extended XMP in 250 parts.jpg", within(honest(), *parts)
    yield (
        "captions.jpg",
        within(
            honest(), segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\xff\xff\xff\xff" + b"\x1c\2\5\xff\xff" * 9)
        ),
    )


def files() -> Iterator[Hostile]:
    for family, made in (("exif rings", _rings), ("exif counts", _counts), ("exif values", _values)):
        for name, raw in made():
            safe = f"{name}.jpg".replace("/", " over ")
            yield Hostile(
                family,
                safe,
                photo(64, 48, exif=raw) if len(raw) < 65_000 else within(honest(), segment(0xE1, raw[:65_000])),
            )
    for family, made in (("thumbnails", _thumbnails), ("profiles", _profiles), ("xmp", _descriptions)):
        for name, content in made():
            yield Hostile(family, name, content)
    for seed in range(40):
        raw = damaged(complete(), seed, first=6, hits=6)
        yield Hostile("exif damage", f"{seed}.jpg", within(honest(), segment(0xE1, raw)))
        if seed < 10:
            yield Hostile(
                "exif damage", f"{seed}.png", within_png(encoded(scene(64, 48), "PNG"), chunk(b"eXIf", raw[6:]))
            )

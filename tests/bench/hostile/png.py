"""PNGs that hurt (PNG, third edition): bombs of pixels and of text, chunks without end, headers that lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import cache

from tests.bench.hostile.kinds import Hostile, damaged
from tests.sensors.pictures import blank_png, chunk, encoded, scene

ROOM = 20_000_000
START = b"\x89PNG\r\n\x1a\n"
END = chunk(b"IEND", b"")


@cache
def honest() -> bytes:
    return encoded(scene(64, 48), "PNG")


@cache
def zeros(size: int) -> bytes:
    """So many zeros, packed to a thousandth, without holding them all."""
    packer, packed, piece = zlib.compressobj(9), bytearray(), bytes(1_000_000)
    for _ in range(size // len(piece)):
        packed += packer.compress(piece)
    return bytes(packed + packer.flush())


def header(width: int, height: int, bits: int = 8, color: int = 2, interlaced: int = 0, method: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, method, 0, interlaced))


def within(png: bytes, *extra: bytes) -> bytes:
    """The same PNG with more chunks behind its header."""
    return png[:33] + b"".join(extra) + png[33:]


def _sizes() -> Iterator[tuple[str, bytes]]:
    yield "1 bit, 176 MP", blank_png(16_000, 11_000, bits=1, color=0)
    yield "1 bit, 59 MP", blank_png(7_700, 7_700, bits=1, color=0)
    yield "palette, 1 bit, 59 MP", blank_png(7_700, 7_700, bits=1, color=3)
    yield "grey, 16 bits, 59 MP", blank_png(7_700, 7_700, bits=16, color=0)
    yield "colour, 59 MP", blank_png(7_700, 7_700)
    yield "colour, 16 bits, 59 MP", blank_png(7_700, 7_700, bits=16)
    yield "alpha, 59 MP", blank_png(7_700, 7_700, color=6)
    yield "alpha, 16 bits, 59 MP", blank_png(7_700, 7_700, bits=16, color=6)
    yield "one colour transparent, 59 MP", blank_png(7_700, 7_700, extra=chunk(b"tRNS", bytes(6)))
    yield "palette transparent, 59 MP", blank_png(7_700, 7_700, bits=8, color=3)[:-12] + chunk(b"tRNS", bytes(2)) + END
    for width, height in (
        (2**31 - 1, 2**31 - 1),
        (2**32 - 1, 1),
        (1, 2**32 - 1),
        (0, 0),
        (100_000, 600),
        (60_000_001, 1),
    ):
        yield f"claims {width}x{height}", START + header(width, height) + chunk(b"IDAT", zeros(1_000_000)) + END
    for bits in (1, 8, 16):
        color = 0 if bits == 1 else 6
        yield (
            f"interlaced, {bits} bits, 59 MP",
            (START + header(7_700, 7_700, bits, color, interlaced=1) + chunk(b"IDAT", zeros(480_000_000)) + END),
        )
    yield "interlaced in an unknown way", START + header(64, 48, interlaced=9) + honest()[33:]
    yield "interlaced, and is not", START + header(64, 48, interlaced=1) + honest()[33:]
    yield "gigabyte behind 64x48", START + header(64, 48) + chunk(b"IDAT", zeros(1_000_000_000)) + END
    yield "too few rows", START + header(7_000, 7_000) + chunk(b"IDAT", zeros(1_000_000)) + END
    for bits, color in ((0, 0), (3, 0), (16, 3), (8, 1), (8, 7), (255, 255), (4, 2)):
        yield f"{bits} bits of colour type {color}", START + header(64, 48, bits, color) + honest()[33:]


def _texts() -> Iterator[tuple[str, bytes]]:
    bomb = zeros(500_000_000)
    yield "zTXt bomb", within(honest(), chunk(b"zTXt", b"Comment\0\0" + bomb))
    yield "iTXt bomb", within(honest(), chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb))
    yield "iCCP bomb", within(honest(), chunk(b"iCCP", b"profile\0\0" + bomb))
    yield "twenty zTXt bombs", within(honest(), chunk(b"zTXt", b"k\0\0" + zeros(5_000_000)) * 20)
    yield "sixty zTXt bombs below the limit", within(honest(), chunk(b"zTXt", b"k\0\0" + zeros(1_000_000)) * 60)
    yield "sixty zTXt bombs behind the pixels", honest()[:-12] + chunk(b"zTXt", b"k\0\0" + zeros(1_000_000)) * 60 + END
    yield "zTXt of an unknown packing", within(honest(), chunk(b"zTXt", b"k\0\7junk"))
    yield "iTXt without its parts", within(honest(), chunk(b"iTXt", b"k"))
    yield "tEXt without an end", within(honest(), chunk(b"tEXt", b"k" * 70_000))
    yield "20 MB of text", within(honest(), chunk(b"tEXt", b"k\0" + b"x" * ROOM))
    yield "20 MB of text, unpackable", within(honest(), chunk(b"zTXt", b"k\0\0" + b"x" * ROOM))
    yield "iCCP of an unknown packing", within(honest(), chunk(b"iCCP", b"p\0\x09junk"))
    yield "iCCP without a name", within(honest(), chunk(b"iCCP", b"\0\0" + zlib.compress(b"junk")))


def _chunks() -> Iterator[tuple[str, bytes]]:
    for name, kind, body in (
        ("IDAT of nothing", b"IDAT", b""), ("IDAT of one byte", b"IDAT", b"\0"), ("text", b"tEXt", b"k\0v"),
        ("packed text", b"zTXt", b"k\0\0" + zlib.compress(b"v")), ("private chunks", b"prVt", b""),
        ("frames", b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 48, 0, 0, 1, 9, 0, 0)),
        ("gammas", b"gAMA", b"\0\0\xb1\x8f"),
        ("palettes", b"PLTE", bytes(768)), ("EXIF", b"eXIf", b"II*\0\x08\0\0\0\0\0"), ("sizes", b"pHYs", bytes(9)),
    ):  # fmt: skip
        each = chunk(kind, body)
        yield f"storm of {name}", within(honest(), each * (ROOM // len(each)))
    one = chunk(b"IDAT", b"")
    yield "storm behind the pixels", honest()[:-12] + one * (ROOM // 12) + END
    yield "header twice", within(honest(), header(9_999, 9_999))
    yield "no header", START + honest()[33:]
    yield "a header of 14 bytes", START + chunk(b"IHDR", bytes(14)) + honest()[33:]
    yield "a header of 12 bytes", START + chunk(b"IHDR", bytes(12)) + honest()[33:]
    yield "a header in which all is 255", START + chunk(b"IHDR", b"\xff" * 13) + honest()[33:]
    yield "no pixels", START + header(64, 48) + END
    yield "no end", honest()[:-12]
    yield "pixels behind the end", START + header(64, 48) + END + honest()[33:]
    yield "wrong sums", bytes(honest()[:-16]) + b"\xde\xad\xbe\xef" + END
    yield "wrong sum of the header", honest()[:29] + bytes(4) + honest()[33:]
    for length in (2**31 - 1, 2**31, 2**32 - 1, 2**24):
        yield f"a chunk claiming {length} bytes", within(honest(), struct.pack(">I", length) + b"tEXtk\0v")
        yield f"pixels claiming {length} bytes", honest()[:33] + struct.pack(">I", length) + honest()[37:]
    yield "a chunk without letters", within(honest(), chunk(b"\0\0\0\0", b"x"), chunk(b"\xff\xff\xff\xff", b"x"))
    yield "an unknown critical chunk", within(honest(), chunk(b"ABCD", b"x"))
    yield "20 MB of a private chunk", within(honest(), chunk(b"prVt", bytes(ROOM)))
    yield "a palette of 257", START + header(64, 48, 8, 3) + chunk(b"PLTE", bytes(771)) + honest()[33:]
    yield "a palette of nothing", START + header(64, 48, 8, 3) + chunk(b"PLTE", b"") + honest()[33:]
    yield "transparency of 70 kB", within(honest(), chunk(b"tRNS", bytes(70_000)))


def _moving() -> Iterator[tuple[str, bytes]]:
    frame = struct.pack(">IIIIIHHBB", 0, 64, 48, 0, 0, 1, 9, 0, 0)
    pixels = zlib.compress(bytes(48 * 193))
    for frames in (1, 50_000, 2**31 - 1, 0):
        yield f"{frames} frames", within(honest(), chunk(b"acTL", struct.pack(">II", frames, 0)))
    each = chunk(b"fcTL", frame) + chunk(b"fdAT", bytes(4) + pixels)
    yield (
        "60,000 real frames",
        (within(honest(), chunk(b"acTL", struct.pack(">II", 60_000, 0)))[:-12] + each * (ROOM // 2 // len(each)) + END),
    )
    yield "frames that nothing announces", honest()[:-12] + each * (ROOM // 2 // len(each)) + END
    yield "announced behind the pixels", honest()[:-12] + chunk(b"acTL", struct.pack(">II", 9, 0)) + each * 9 + END
    yield "a short announcement", within(honest(), chunk(b"acTL", b"\0"))
    yield "a frame of the wrong length", within(honest(), chunk(b"fcTL", b"\0" * 5))


def _packing() -> Iterator[tuple[str, bytes]]:
    raw = bytes(48 * 193)
    stored = (
        b"\x78\x01"
        + b"".join(b"\0\1\0\xfe\xff\0" for _ in raw)
        + b"\1\0\0\xff\xff"
        + struct.pack(">I", zlib.adler32(raw))
    )
    yield "a block for each byte", START + header(64, 48) + chunk(b"IDAT", stored) + END
    yield (
        "blocks of nothing",
        START + header(64, 48) + chunk(b"IDAT", b"\x78\x01" + b"\0\0\0\xff\xff" * 3_000_000) + END,
    )
    yield (
        "a dictionary that is not there",
        START + header(64, 48) + chunk(b"IDAT", b"\x78\xbb\1\2\3\4" + zlib.compress(raw)[2:]) + END,
    )
    yield "a window too large", START + header(64, 48) + chunk(b"IDAT", b"\xf8\x01" + zlib.compress(raw)[2:]) + END
    yield "all filters wrong", START + header(64, 48) + chunk(b"IDAT", zlib.compress(b"\x09" * (48 * 193))) + END
    yield "packed in an unknown way", START + header(64, 48, method=7) + honest()[33:]
    yield "a wrong sum of the pixels", START + header(64, 48) + chunk(b"IDAT", zlib.compress(raw)[:-4] + bytes(4)) + END


def files() -> Iterator[Hostile]:
    for family, made in (("png sizes", _sizes), ("png texts", _texts), ("png chunks", _chunks),
                         ("png moving", _moving), ("png packing", _packing)):  # fmt: skip
        for name, content in made():
            yield Hostile(family, f"{name}.png", content)
    for seed in range(12):
        yield Hostile("png damage", f"{seed}.png", damaged(honest(), seed, first=8))

"""Pictures made by code: patterns of integer arithmetic, and files as hostile people make them."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def _triangle(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.abs(values % 512 - 256)


def pattern(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """A grey picture with coarse and fine structure, the same on every machine: integer arithmetic only."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    y, x = y * 600 // height, x * 600 // width
    waves = _triangle((3 + seed) * x + y) + _triangle((2 * seed + 1) * y - 2 * x) + _triangle(x * y // (16 + 3 * seed))
    return (waves // 3).clip(0, 255).astype(np.uint8)


def scene(width: int = 320, height: int = 240, seed: int = 1) -> Image.Image:
    """A colour picture whose three channels differ."""
    planes = [pattern(height, width, seed + channel) for channel in range(3)]
    return Image.fromarray(np.stack(planes, axis=-1))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    written = BytesIO()
    image.save(written, kind, **options)  # type: ignore[arg-type]
    return written.getvalue()


def photo(width: int = 320, height: int = 240, seed: int = 1, **options: object) -> bytes:
    """A JPEG of a scene."""
    return encoded(scene(width, height, seed), quality=90, **options)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def blank_png(width: int, height: int, bits: int = 8, color: int = 2, extra: bytes = b"") -> bytes:
    """A PNG of zeros, as small as deflate makes it: some thousandth of what it decodes to."""
    samples = {0: 1, 2: 3, 3: 1, 6: 4}[color]
    row = b"\0" * (1 + (width * bits * samples + 7) // 8)
    packer, packed = zlib.compressobj(9), bytearray()
    for _ in range(height):
        packed += packer.compress(row)
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    palette = chunk(b"PLTE", b"\0\0\0\xff\xff\xff") if color == 3 else b""
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + palette
    return start + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND", b"")


def slow_progressive(side: int, rounds: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: each round makes a decoder go over all coefficients again."""
    plain = encoded(Image.new("L", (side, side), 128), quality=50, progressive=True)
    last = plain.rfind(b"\xff\xda")
    return plain[:-2] + plain[last:-2] * rounds + b"\xff\xd9"


def tiff(
    main: list[tuple[int, int, int, bytes]],
    detail: list[tuple[int, int, int, bytes]] | None = None,
    gps: list[tuple[int, int, int, bytes]] | None = None,
    order: str = "<",
) -> bytes:
    """An EXIF block from (tag, type, count, value bytes); pointers to the two sub-directories are added."""
    blocks = [(main, [(0x8769, detail), (0x8825, gps)]), *((each, []) for each in (detail, gps) if each is not None)]
    sizes = []
    for entries, links in blocks:
        count = len(entries) + sum(target is not None for _, target in links)
        sizes.append(2 + 12 * count + 4 + sum(len(value) + len(value) % 2 for *_, value in entries if len(value) > 4))
    starts = [8 + sum(sizes[:index]) for index in range(len(blocks))]
    waiting = iter(starts[1:])
    written = b""
    for (entries, links), start in zip(blocks, starts, strict=True):
        linked = [(tag, 4, 1, struct.pack(order + "I", next(waiting))) for tag, target in links if target is not None]
        everything = sorted([*entries, *linked], key=lambda entry: entry[0])
        body, heap = struct.pack(order + "H", len(everything)), b""
        heap_start = start + 2 + 12 * len(everything) + 4
        for tag, kind, count, value in everything:
            inline = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", heap_start + len(heap))
            body += struct.pack(order + "HHI", tag, kind, count) + inline
            if len(value) > 4:
                heap += value + b"\0" * (len(value) % 2)
        written += body + b"\0\0\0\0" + heap
    head = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + head + struct.pack(order + "I", 8) + written


def text(tag: int, value: str) -> tuple[int, int, int, bytes]:
    raw = value.encode() + b"\0"
    return tag, 2, len(raw), raw


def short(tag: int, value: int, order: str = "<") -> tuple[int, int, int, bytes]:
    return tag, 3, 1, struct.pack(order + "H", value)


def rationals(tag: int, *values: tuple[int, int], order: str = "<") -> tuple[int, int, int, bytes]:
    return tag, 5, len(values), b"".join(struct.pack(order + "II", *value) for value in values)

"""WebPs that hurt (RFC 9649): canvases and frames that lie about each other, animations, chunks without end."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache

from PIL import Image

from tests.bench.hostile.kinds import Hostile, damaged
from tests.sensors.pictures import encoded, scene

ROOM = 20_000_000
ANIMATED, XMP, EXIF, ALPHA, PROFILE = 0x02, 0x04, 0x08, 0x10, 0x20


def part(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(*parts: bytes, claims: int | None = None) -> bytes:
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body) if claims is None else claims) + body


def canvas(width: int, height: int, flags: int) -> bytes:
    return part(
        b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )


@cache
def lossy() -> bytes:
    return encoded(scene(64, 48), "WEBP", quality=60)


@cache
def lossless() -> bytes:
    return encoded(scene(64, 48), "WEBP", lossless=True)


def body(webp: bytes) -> bytes:
    """The picture's own chunk."""
    return webp[12:]


def _sizes() -> Iterator[tuple[str, bytes]]:
    for width, height in ((16_384, 16_384), (6_000, 5_000), (4_899, 4_898), (16_384, 546), (1, 1), (16_384, 1)):
        claimed = struct.pack("<I", (width - 1) | (height - 1) << 14)
        yield f"lossless claims {width}x{height}", lossless()[:21] + claimed + lossless()[25:]
    for width, height in ((16_383, 16_383), (4_899, 4_898), (0, 0), (1, 16_383)):
        yield f"lossy claims {width}x{height}", lossy()[:26] + struct.pack("<HH", width, height) + lossy()[30:]
        yield (
            f"canvas {max(width, 1)}x{max(height, 1)} around 64x48",
            riff(canvas(max(width, 1), max(height, 1), 0), body(lossy())),
        )
    yield "canvas 2^24 x 2^24", riff(canvas(2**24, 2**24, 0), body(lossy()))
    yield (
        "canvas 64x48 around 16384x16384",
        riff(canvas(64, 48, 0), body(lossless()[:21] + b"\xff\xff\xff\x0f" + lossless()[25:])),
    )
    yield (
        "canvas 64x48 around lossy 16383x16383",
        riff(canvas(64, 48, 0), body(lossy()[:26] + struct.pack("<HH", 16_383, 16_383) + lossy()[30:])),
    )
    yield "flat lossless 4899x4898", encoded(Image.new("RGB", (4_899, 4_898)), "WEBP", lossless=True, method=0)
    yield "flat lossy 4899x4898", encoded(Image.new("RGB", (4_899, 4_898)), "WEBP", quality=1, method=0)
    yield "flat transparent 4899x4898", encoded(Image.new("RGBA", (4_899, 4_898)), "WEBP", quality=1, method=0)
    yield "flat lossless 6000x5000", encoded(Image.new("RGB", (6_000, 5_000)), "WEBP", lossless=True, method=0)


def _chunks() -> Iterator[tuple[str, bytes]]:
    for name, flags, kind in (("EXIF", EXIF, b"EXIF"), ("XMP", XMP, b"XMP "), ("profile", PROFILE, b"ICCP")):
        yield f"{name} of 20 MB", riff(canvas(64, 48, flags), part(kind, bytes(ROOM)), body(lossy()))
        yield f"{name} behind, of 20 MB", riff(canvas(64, 48, flags), body(lossy()), part(kind, bytes(ROOM)))
        yield f"{name} announced and absent", riff(canvas(64, 48, flags), body(lossy()))
        yield f"{name} of nothing", riff(canvas(64, 48, flags), part(kind, b""), body(lossy()))
        storm = part(kind, b"") * (ROOM // 8)
        yield f"storm of {name}", riff(canvas(64, 48, flags), storm, body(lossy()))
        yield f"storm of {name} behind", riff(canvas(64, 48, flags), body(lossy()), storm)
    yield "storm of unknown chunks", riff(canvas(64, 48, 0), part(b"abcd", b"") * (ROOM // 8), body(lossy()))
    yield "storm of canvases", riff(canvas(64, 48, 0) * (ROOM // 18), body(lossy()))
    yield "storm of pictures", riff(canvas(64, 48, 0), body(lossy()) * (ROOM // len(lossy())))
    yield "alpha of noise", riff(canvas(64, 48, ALPHA), part(b"ALPH", b"\x01" + bytes(range(256)) * 40), body(lossy()))
    yield "alpha of an unknown packing", riff(canvas(64, 48, ALPHA), part(b"ALPH", b"\xff" * 90), body(lossy()))
    yield "all flags", riff(canvas(64, 48, 0xFF), body(lossy()))
    yield "a file within a file", riff(lossy() * 100)
    for claims in (0, 4, 11, 12, 2**31 - 1, 2**32 - 1, 2**32 - 10):
        yield f"claims {claims} bytes", riff(body(lossy()), claims=claims)
        yield f"picture claims {claims} bytes", lossy()[:16] + struct.pack("<I", claims) + lossy()[20:]


def _moving() -> Iterator[tuple[str, bytes]]:
    place = struct.pack("<IIBBB", 0, 0, 0, 0, 0)
    frame = part(b"ANMF", bytes(6) + (63).to_bytes(3, "little") + (47).to_bytes(3, "little") + bytes(4) + body(lossy()))
    loop = part(b"ANIM", bytes(6))
    count = ROOM // 2 // len(frame)
    yield f"{count} frames", riff(canvas(64, 48, ANIMATED), loop, frame * count)
    yield "frames that nothing announces", riff(canvas(64, 48, 0), loop, frame * count)
    yield "frames and no loop", riff(canvas(64, 48, ANIMATED), frame * 3)
    yield "announced and absent", riff(canvas(64, 48, ANIMATED), body(lossy()))
    yield (
        "a frame outside the canvas",
        riff(canvas(64, 48, 0), part(b"ANMF", b"\xff" * 12 + bytes(4) + body(lossy())), body(lossy())),
    )
    yield "frames of nothing", riff(canvas(64, 48, 0), loop, part(b"ANMF", place) * 500_000)
    yield "16384x16384 frames", riff(canvas(16_384, 16_384, ANIMATED), loop, frame)


def files() -> Iterator[Hostile]:
    for family, made in (("webp sizes", _sizes), ("webp chunks", _chunks), ("webp moving", _moving)):
        for name, content in made():
            yield Hostile(family, f"{name}.webp", content)
    for seed in range(8):
        yield Hostile("webp damage", f"lossy {seed}.webp", damaged(lossy(), seed, first=12))
        yield Hostile("webp damage", f"lossless {seed}.webp", damaged(lossless(), seed, first=12))

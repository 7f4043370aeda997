"""Photos that are hard to open: the shared ones, or, where those are not at hand, the same kinds made here.

`scene.heic` lies beside this file, since the library that reads HEIC here cannot write it: it is
`pictures.scene(640, 480, seed=2)`, blurred a little, lying on its side, with a phone's EXIF.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tests.sensors.pictures import (
    blank_png,
    chunk,
    encoded,
    photo,
    rationals,
    scene,
    short,
    slow_progressive,
    text,
    tiff,
)

PHOTOS = Path(__file__).resolve().parents[3] / "shared/data/photos_exif"
SCENE_HEIC = Path(__file__).with_name("scene.heic")


class Phone(NamedTuple):
    """What a HEIC of a phone must come out as: upright, in pixels."""

    name: str
    width: int
    height: int
    make: str


class Difficult(NamedTuple):
    """Files by name; those of them that cannot be opened; and the HEIC files whose content is known."""

    photos: dict[str, bytes]
    unreadable: set[str]
    phones: list[Phone]


def difficult() -> Difficult:
    """The shared photos when they are there, else those made here."""
    return _shared() if PHOTOS.is_dir() else made()


def _shared() -> Difficult:
    photos = {path.name: path.read_bytes() for path in sorted(PHOTOS.iterdir()) if path.suffix != ".csv"}
    assert len(photos) == 115
    unreadable = {
        "exifr__Irvine_CA.avif",
        "exifreader__test-issue-608-truncated-exif-tiff-dos.jpg",
        "pillow__broken.png",
        "pillow__broken_data_stream.png",
        "pillow__crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif",
        "pillow__crash-2020-10-test.tif",
        "pillow__decompression_bomb.gif",
        "pillow__decompression_bomb_extents.gif",
        "pillow__oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif",
        "pillow__truncated_image.png",
        "pillow__truncated_jpeg.jpg",
        "pillow_heif__corrupted.heic",
        "pillow_heif__corrupted.hif",
        "pillow_heif__empty.heic",
        "pillow_heif__truncated.heic",
    }
    phones = [
        Phone("exifr__heic-iphone7.heic", 4032, 3024, "Apple"),
        Phone("exif-samples__IMG_5195.HEIC", 2566, 3313, "Apple"),
        Phone("pillow_heif__xiaomi.heic", 2592, 1944, "Xiaomi"),
    ]
    return Difficult(photos, unreadable, phones)


@cache
def made() -> Difficult:
    """Files of the same kinds, made by code."""
    readable = {**_exif(), **_pixels(), "phone.heic": SCENE_HEIC.read_bytes()}
    unreadable = _broken(photo(640, 480), encoded(scene(), "PNG"), readable["phone.heic"])
    return Difficult({**readable, **unreadable}, set(unreadable), [Phone("phone.heic", 480, 640, "Apple")])


def _exif() -> dict[str, bytes]:
    """JPEGs whose EXIF is right, odd or broken; the picture is well each time."""
    told = [text(0x010F, "Fairphone"), text(0x0110, "FP5")]
    when = [text(0x9003, "2026:05:04 10:20:30")]
    where = [
        text(1, "N"),
        rationals(2, (52, 1), (31, 1), (12, 1)),
        text(3, "E"),
        rationals(4, (13, 1), (24, 1), (0, 0)),
    ]
    blocks = {
        "complete": tiff(told, when, where),
        "big-endian": tiff([short(0x0112, 6, ">")], order=">"),
        "beyond-the-end": tiff([(0x010F, 2, 60_000, b"\xff\xff\x00\x00")]),
        "many-values": tiff([(0x0112, 3, 2**32 - 1, b"\0\0\0\0")]),
        "unknown-type": tiff([(0x0110, 99, 1, b"\0\0\0\0")]),
        "text-for-a-number": tiff([text(0x0112, "six")]),
        "cut-off": tiff(told, when, where)[:40],
        "no-tiff": b"Exif\0\0garbage, nothing else",
        "points-at-itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    }
    upright = {f"turned-{way}": tiff([short(0x0112, way)]) for way in range(1, 9)}
    return {
        f"{name}.jpg": photo(seed=seed, exif=block) for seed, (name, block) in enumerate({**blocks, **upright}.items())
    }


def _pixels() -> dict[str, bytes]:
    """Kinds of pixels and of files."""
    return {
        "progressive.jpg": photo(640, 480, 31, progressive=True),
        "many-scans.jpg": slow_progressive(400, 20),
        "followed-by-more.jpg": photo(seed=32) + b"PK\x03\x04" + bytes(5_000),
        "grey.jpg": encoded(scene(seed=33).convert("L")),
        "inks.jpg": encoded(scene(seed=34).convert("CMYK")),
        "large.jpg": encoded(scene(seed=35).resize((4000, 3000))),
        "palette.png": encoded(scene(seed=36).convert("P"), "PNG", transparency=3),
        "transparent.png": encoded(scene(seed=37).convert("RGBA"), "PNG"),
        "deep.png": blank_png(500, 400, bits=16),
        "two-colours.png": encoded(scene(seed=38).convert("1"), "PNG"),
        "lossy.webp": encoded(scene(seed=39), "WEBP", quality=60),
        "lossless.webp": encoded(scene(seed=40), "WEBP", lossless=True, exif=tiff([short(0x0112, 3)])),
    }


def _broken(jpeg: bytes, png: bytes, heic: bytes) -> dict[str, bytes]:
    """What nobody can open, or should."""
    drawn = BytesIO()
    Image.new("P", (9, 9)).save(drawn, "GIF")
    return {
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "only-a-header.jpg": jpeg[:20],
        "truncated.png": png[: len(png) // 2],
        "broken-stream.png": png[:200] + bytes(len(png) - 200),
        "two-headers.png": png[:33] + chunk(b"IHDR", bytes(13)) + png[33:],
        "bomb.png": blank_png(20_000, 20_000, bits=1, color=0),
        "truncated.heic": heic[: len(heic) // 2],
        "corrupted.heic": heic[:60] + bytes(byte ^ 0x55 for byte in heic[60:400]) + heic[400:],
        "empty.heic": heic[:24],
        "drawing.gif": drawn.getvalue(),
        "scan.tif": encoded(Image.new("L", (9, 9)), "TIFF"),
        "photo.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(500),
        "film.mp4": b"\0\0\0\x14ftypisom\0\0\0\0mp42" + bytes(500),
        "empty.jpg": b"",
    }

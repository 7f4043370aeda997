"""Photos are measured upright, shown without metadata, and give models the same pixels every time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BytesIO

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageCms

from sensors.decode import Inspection, Undecodable, inspect, pixels, render, sniff
from sensors.pdq import distance
from tests.sensors.difficult import Difficult, difficult, made
from tests.sensors.pictures import encoded, photo, scene, short, text, tiff

WAYS = [
    (1, None),
    (2, Image.Transpose.FLIP_LEFT_RIGHT),
    (3, Image.Transpose.ROTATE_180),
    (4, Image.Transpose.FLIP_TOP_BOTTOM),
    (5, Image.Transpose.TRANSPOSE),
    (6, Image.Transpose.ROTATE_90),
    (7, Image.Transpose.TRANSVERSE),
    (8, Image.Transpose.ROTATE_270),
]


def refusal(data: bytes) -> str:
    with pytest.raises(Undecodable) as refused:
        inspect(data)
    return refused.value.reason


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_each_format_is_known_by_its_bytes_and_measured(kind: str, media_type: str) -> None:
    data = encoded(scene(640, 480), kind)
    seen = inspect(data)
    assert sniff(data) == seen.media_type == media_type
    assert (seen.width, seen.height) == (640, 480)
    assert seen.sha256 == hashlib.sha256(data).digest()
    assert seen.pdq is not None and seen.pdq_quality == 100
    assert 0.3 < seen.brightness < 0.7 and seen.sharpness > 3 and seen.problems == []


def test_an_inspection_survives_the_wire() -> None:
    seen = inspect(photo(exif=tiff([text(0x010F, "Ada"), short(0x0112, 6)], [text(0x9003, "2026:05:03 10:00:00")])))
    assert seen.exif.make == "Ada"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(seen), type=Inspection) == seen


@pytest.mark.parametrize(("orientation", "turned"), WAYS)
def test_every_orientation_comes_out_upright(orientation: int, turned: Image.Transpose | None) -> None:
    upright = scene(300, 200, seed=4)
    stored = upright if turned is None else upright.transpose(turned)
    data = encoded(stored, quality=95, exif=tiff([short(0x0112, orientation)]))
    plain, seen = inspect(encoded(upright, quality=95)), inspect(data)
    assert (seen.width, seen.height) == (300, 200) and seen.exif.orientation == orientation
    assert plain.pdq is not None and seen.pdq is not None and distance(plain.pdq, seen.pdq) <= 4
    shown = np.asarray(Image.open(BytesIO(render(data, 300)))).astype(int)
    assert np.abs(shown - np.asarray(upright).astype(int)).mean() < 12
    model = pixels(data, 30, 20, 3).astype(int)
    assert np.abs(model - np.asarray(upright.resize((30, 20), Image.Resampling.LANCZOS)).astype(int)).mean() < 6


def test_a_copy_for_others_carries_no_metadata() -> None:
    exif = tiff([text(0x0110, "Bo's phone")], gps=[text(1, "N")])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = photo(exif=exif, comment=b"Bo was here", xmp=b"<x:xmpmeta>home</x:xmpmeta>", icc_profile=profile)
    assert b"Bo's phone" in data and b"Bo was here" in data and b"xmpmeta" in data and b"ICC_PROFILE" in data
    copy = render(data, 200)
    for trace in (b"Exif", b"Bo", b"xmpmeta", b"ICC_PROFILE", b"http"):
        assert trace not in copy
    shown = Image.open(BytesIO(copy))
    assert (
        shown.format == "JPEG"
        and max(shown.size) == 200
        and set(shown.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    )


def test_a_copy_is_never_larger_than_the_photo() -> None:
    assert Image.open(BytesIO(render(photo(120, 90), 1600))).size == (120, 90)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("RGBA", "WEBP")],
)
def test_every_colour_mode_becomes_grey_and_rgb(mode: str, kind: str) -> None:
    data = encoded(scene(90, 60).convert(mode), kind)
    assert inspect(data).width == 90
    assert pixels(data, 9, 6, 1).shape == (6, 9, 1) and pixels(data, 9, 6, 3).shape == (6, 9, 3)
    assert Image.open(BytesIO(render(data, 60))).mode == "RGB"


def test_sixteen_bit_grey_keeps_its_upper_byte() -> None:
    deep = Image.fromarray(np.full((40, 40), 0x8012, dtype=np.uint16))
    assert set(pixels(encoded(deep, "PNG"), 4, 4, 1).ravel()) == {0x80}


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (50, 50), (200, 0, 0, 0))
    assert set(pixels(encoded(clear, "PNG"), 5, 5, 3).ravel()) == {255}


def test_pixels_are_cut_about_the_centre() -> None:
    wide = Image.new("RGB", (300, 100), (0, 0, 0))
    wide.paste((255, 255, 255), (100, 0, 200, 100))
    assert pixels(encoded(wide, "PNG"), 10, 10, 1)[:, 1:-1].min() >= 250
    assert pixels(encoded(wide, "PNG"), 30, 10, 1)[:, :8].max() <= 5


def test_pixels_are_the_same_every_time_and_need_sane_sizes() -> None:
    data = photo(1200, 900)
    assert np.array_equal(pixels(data, 32, 32, 3), pixels(data, 32, 32, 3))
    for width, height, channels in ((0, 5, 1), (5, 5000, 1), (5, 5, 2)):
        with pytest.raises(ValueError, match="not"):
            pixels(data, width, height, channels)
    with pytest.raises(ValueError, match="max_side"):
        render(data, -1)


@pytest.mark.parametrize("source", [difficult, made])
def test_heic_photos_of_phones_decode_upright(source: Callable[[], Difficult]) -> None:
    photos, _, phones = source()
    for name, width, height, make in phones:
        seen = inspect(photos[name])
        assert (seen.width, seen.height, seen.exif.make, seen.format) == (width, height, make, "HEIC")
        assert seen.exif.lat is not None and seen.exif.orientation == 1
    # The same phone photo as a small JPEG copy is still recognised.
    original = photos[phones[-1].name]
    one, other = inspect(original).pdq, inspect(render(original, 600)).pdq
    assert one is not None and other is not None and distance(one, other) <= 16


def test_other_files_are_named_in_the_refusal() -> None:
    gif = encoded(Image.new("P", (9, 9)), "GIF")
    tif = encoded(Image.new("L", (9, 9)), "TIFF")
    assert "GIF" in refusal(gif) and "TIFF" in refusal(tif)
    assert "PDF" in refusal(b"%PDF-1.7\n") and "empty" in refusal(b"")
    assert "JPEG, PNG, WebP or HEIC" in refusal(b"hello world, this is text")
    assert "AVIF" in refusal(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf") and "video" in refusal(
        b"\0\0\0\x14ftypisom\0\0\0\0mp42"
    )

"""Copies for other people's eyes: nothing but pixels, the right way up, in true colours; what is hidden is gone."""

from __future__ import annotations

import functools
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageFont

from sensors.copies import MARGIN, full_side, hide, pixel_box
from sensors.decode import render, suggest
from sensors.inspection import Undecodable
from sensors.regions import Region

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos_exif"
MARKERS = (
    b"Exif",
    b"http://ns.adobe.com/xap",
    b"<x:xmpmeta",
    b"GPS",
    b"jumb",
    b"c2pa",
    b"ICC_PROFILE",
    b"MPF",
    b"SECRET",
)


def corners(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green, blue and white, clockwise from the left upper corner."""
    image = Image.new("RGB", (width, height))
    for x, y, colour in ((0, 0, "red"), (1, 0, "lime"), (1, 1, "blue"), (0, 1, "white")):
        image.paste(colour, (x * width // 2, y * height // 2, (x + 1) * width // 2, (y + 1) * height // 2))
    return image


def stored_as(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them that writes this code beside them."""
    back = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    return upright if back is None else upright.transpose(back)


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x9286] = orientation, "SECRET Camera", "SECRET comment"
    tags.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return tags.tobytes()


@functools.cache
def wide_gamut() -> bytes:
    """A profile with red and green swapped: nobody could mistake whether it was heeded."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(128 + 4, 128 + 4 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        name = bytes(profile[at : at + 4])
        if name in (b"rXYZ", b"gXYZ"):
            profile[at : at + 4] = b"gXYZ" if name == b"rXYZ" else b"rXYZ"
    at = profile.find("sRGB".encode("utf-16-be"))
    if at >= 0:
        profile[at : at + 8] = "odd!".encode("utf-16-be")
    return bytes(profile).replace(b"sRGB", b"odd!")


def laden(kind: str) -> bytes:
    """A photo with all that a file can carry beside its pixels."""
    out = BytesIO()
    image = corners(320, 240)
    common = {"exif": exif(6), "icc_profile": wide_gamut()}
    if kind == "PNG":
        image.save(out, "PNG", **common)
        return _with_text(out.getvalue())
    if kind == "WEBP":
        image.save(out, "WEBP", quality=90, xmp=b"<x:xmpmeta>SECRET GPS</x:xmpmeta>", **common)
        return out.getvalue()
    image.save(out, "JPEG", quality=90, comment=b"SECRET comment", **common)
    plain = out.getvalue()
    segments = b"".join(
        b"\xff" + bytes([code]) + struct.pack(">H", len(body) + 2) + body
        for code, body in (
            (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>SECRET GPS</x:xmpmeta>"),
            (0xEB, b"JP\0\1\0\0\0\1" + struct.pack(">I", 28) + b"jumb" + struct.pack(">I", 20) + b"jumdc2paSECRET"),
            (0xE2, b"MPF\0MM\0*\0\0\0\x08SECRET"),
            (0xED, b"Photoshop 3.0\x008BIMSECRET"),
        )
    )
    return plain[:2] + segments + plain[2:] + b"SECRET trailer"


def _with_text(png: bytes) -> bytes:
    body = b"tEXtComment\0SECRET GPS"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize("side", [0, 1600, 320])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_copy_holds_pixels_and_nothing_else(kind: str, side: int) -> None:
    data = laden(kind)
    assert any(marker in data for marker in MARKERS)
    copy = render(data, side)
    assert [marker for marker in MARKERS if marker in copy] == []
    assert segments_of(copy) == {0xE0}
    assert copy.endswith(b"\xff\xd9")


def test_no_copy_of_a_real_photo_holds_anything_either() -> None:
    samples = sorted(SAMPLES.iterdir())[::8] if SAMPLES.is_dir() else []
    photos = [laden("JPEG"), *(path.read_bytes() for path in samples)]
    copied = 0
    for data in photos:
        for side in (0, 1600, 320):
            try:
                copy = render(data, side)
            except Undecodable:
                break
            copied += 1
            assert beside_pixels(copy) == 0
    assert copied >= 3 * (1 + len(samples) // 2)


def beside_pixels(jpeg: bytes) -> int:
    """How many bytes of a JPEG are neither pixels, nor what is needed to decode them, nor JFIF's own 18."""
    at, found = 2, 0
    while True:
        code, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if code == 0xDA:
            break
        if code not in (0xDB, 0xC0, 0xC2, 0xC4, 0xDD) and (code, size) != (0xE0, 16):
            found += 2 + size
        at += 2 + size
    # Within a scan FF is followed by 00 or a restart: the first FF D9 is the end.
    end = jpeg.index(b"\xff\xd9", at) + 2
    return found + len(jpeg) - end + sum(jpeg[:at].count(marker) * len(marker) for marker in MARKERS)


def test_what_is_beside_the_pixels_is_counted() -> None:
    assert beside_pixels(laden("JPEG")) > 1000
    assert beside_pixels(render(laden("JPEG"), 0)) == 0


def segments_of(jpeg: bytes) -> set[int]:
    """Which application segments and comments a JPEG has."""
    at, found = 2, set()
    while jpeg[at + 1] != 0xDA:
        code = jpeg[at + 1]
        if code == 0xFE or 0xE0 <= code <= 0xEF:
            found.add(code)
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return found


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [0, 320])
def test_a_copy_is_the_right_way_up_whatever_the_camera_wrote(orientation: int, side: int) -> None:
    out = BytesIO()
    upright = corners(160, 120)
    stored_as(upright, orientation).save(out, "JPEG", quality=95, exif=exif(orientation))
    copy = Image.open(BytesIO(render(out.getvalue(), side)))
    assert copy.size == upright.size
    assert np.abs(np.asarray(copy, int) - np.asarray(upright, int)).mean() < 6
    assert not copy.getexif()


def test_colours_are_as_the_profile_meant_them() -> None:
    out = BytesIO()
    Image.new("RGB", (40, 40), (200, 30, 30)).save(out, "PNG", icc_profile=wide_gamut())
    red, green, _ = np.asarray(Image.open(BytesIO(render(out.getvalue(), 0))))[20, 20]
    assert (red < 100, green > 150) == (True, True)


@pytest.mark.parametrize("profile", [b"x" * 500, wide_gamut()[:300], b"\0" * 16 + b"RGB " + b"\xff" * 400])
def test_a_profile_that_makes_no_sense_leaves_the_colours_alone(profile: bytes) -> None:
    out = BytesIO()
    Image.new("RGB", (40, 40), (200, 30, 30)).save(out, "PNG", icc_profile=profile)
    red, green, _ = np.asarray(Image.open(BytesIO(render(out.getvalue(), 0))))[20, 20]
    assert (red > 180, green < 60) == (True, True)


def test_a_full_copy_keeps_the_photos_size_up_to_what_a_child_can_hold() -> None:
    out = BytesIO()
    Image.new("RGB", (2500, 1800), "grey").save(out, "JPEG")
    assert Image.open(BytesIO(render(out.getvalue(), 0))).size == (2500, 1800)
    assert full_side((4032, 3024)) == 3024
    assert full_side((8064, 6048)) == 3024
    assert full_side((5000, 5000)) == 5000


def written(text: str, around: int = 200) -> Image.Image:
    image = Image.new("RGB", (400, 300), (around, around, around))
    draw = ImageDraw.Draw(image)
    draw.rectangle((100, 120, 300, 180), fill="white", outline="black", width=3)
    draw.text((110, 126), text, fill="black", font=ImageFont.load_default(40))
    return image


PLATE = Region(0.25, 0.4, 0.5, 0.2)


def test_what_is_hidden_leaves_a_few_coarse_colours_and_no_more() -> None:
    one = written("AB 123 CD")
    box = pixel_box(PLATE, one.size)
    assert box is not None
    hide(one, [PLATE])
    inside = np.asarray(one.crop(box).convert("L"), int)
    # The sharpest edge left is slower than one step in a tenth of the box.
    assert np.abs(np.diff(inside, axis=1)).max() <= 20
    assert np.abs(np.diff(inside, axis=0)).max() <= 20


def test_two_texts_of_the_same_ink_cannot_be_told_apart_once_hidden() -> None:
    pictures = []
    for text in ("AB 123 CD", "AB 132 CD"):
        image = written(text)
        hide(image, [PLATE])
        pictures.append(np.asarray(image))
    assert not np.array_equal(np.asarray(written("AB 123 CD")), np.asarray(written("AB 132 CD")))
    assert np.array_equal(pictures[0], pictures[1])


def test_hiding_touches_the_region_with_its_margin_and_nothing_around_it() -> None:
    image = written("AB 123 CD")
    before = np.asarray(image).copy()
    hide(image, [PLATE])
    left, top, right, bottom = pixel_box(PLATE, image.size) or (0, 0, 0, 0)
    assert (left, right) == (round((0.25 - MARGIN / 2) * 400), round((0.75 + MARGIN / 2) * 400))
    changed = np.argwhere((np.asarray(image) != before).any(axis=2))
    assert changed.min(axis=0)[0] >= top and changed.max(axis=0)[0] < bottom
    assert changed.min(axis=0)[1] >= left and changed.max(axis=0)[1] < right


@pytest.mark.parametrize(
    "region", [Region(-3, -3, 1, 1), Region(2, 2, 1, 1), Region(0.999, 0.999, 5, 5), Region(0, 0, 1, 1)]
)
def test_regions_at_and_beyond_the_edges_are_cut_to_the_picture(region: Region) -> None:
    image = written("AB 123 CD")
    hide(image, [region])
    assert image.size == (400, 300)


def test_a_rendered_copy_hides_what_it_is_told_to_upright() -> None:
    out = BytesIO()
    upright = written("AB 123 CD")
    stored_as(upright, 6).save(out, "JPEG", quality=95, exif=exif(6))
    copy = Image.open(BytesIO(render(out.getvalue(), 0, [PLATE]))).convert("L")
    inside = np.asarray(copy.crop((105, 125, 295, 175)), int)
    assert np.abs(np.diff(inside, axis=1)).max() <= 30
    assert np.asarray(Image.open(BytesIO(render(out.getvalue(), 0))).convert("L").crop((105, 125, 295, 175))).min() < 60


def a_face(size: int = 300) -> Image.Image:
    """Enough of a face for a cascade."""
    image = Image.new("L", (size * 2, size * 2), 120)
    draw = ImageDraw.Draw(image)
    scale, at = size / 300, size / 2

    def oval(left: int, top: int, right: int, bottom: int, fill: int) -> None:
        draw.ellipse([at + each * scale for each in (left, top, right, bottom)], fill=fill)

    for shape in (
        (30, 0, 270, 300, 205), (60, 85, 130, 150, 110), (170, 85, 240, 150, 110), (80, 105, 115, 135, 40),
        (185, 105, 220, 135, 40), (125, 180, 175, 200, 130), (100, 215, 200, 250, 90),
    ):  # fmt: skip
        oval(*shape)
    for left in (60, 170):
        draw.rectangle([at + left * scale, at + 78 * scale, at + (left + 70) * scale, at + 90 * scale], fill=60)
    return image.filter(ImageFilter.GaussianBlur(size / 40))


def encoded(image: Image.Image, **more: bytes) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=92, **more)
    return out.getvalue()


def test_a_face_is_suggested_where_it_is_also_when_the_camera_lay_on_its_side() -> None:
    face = a_face()
    for orientation in (1, 6):
        found = suggest(encoded(stored_as(face, orientation), exif=exif(orientation)))
        assert [each.kind for each in found] == ["face"]
        middle = found[0].region.x + found[0].region.w / 2, found[0].region.y + found[0].region.h / 2
        assert middle == pytest.approx((0.5, 0.5), abs=0.1)
        assert 0 < found[0].confidence < 1


def test_a_plate_is_suggested_and_an_empty_wall_suggests_nothing() -> None:
    image = Image.new("L", (640, 400), 90)
    draw = ImageDraw.Draw(image)
    draw.rectangle((180, 180, 460, 240), fill=245, outline=10, width=4)
    draw.text((200, 182), "A123BC 77", fill=10, font=ImageFont.load_default(50))
    found = suggest(encoded(image.filter(ImageFilter.GaussianBlur(1))))
    assert [each.kind for each in found] == ["plate"]
    assert suggest(encoded(Image.new("L", (640, 400), 90))) == []

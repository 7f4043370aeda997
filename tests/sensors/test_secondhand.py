"""Screens' own pictures and messengers' copies, as files: made here the way those make them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from sensors.decode import inspect
from sensors.exif import read_exif
from sensors.secondhand import STRIP, SUSPECT, messenger, screenshot, strips
from tests.sensors.pictures import encoded, rationals, scene, short, text, tiff


def screen(width: int, height: int) -> Image.Image:
    """A phone's screen that shows a photo between bars, with a clock in the upper one."""
    shown = Image.new("RGB", (width, height), (16, 16, 18))
    shown.paste(scene(width, width), (0, (height - width) // 2))
    ImageDraw.Draw(shown).rectangle((40, 20, 140, 50), fill=(230, 230, 230))
    return shown


def test_a_picture_of_ones_own_screen_is_recognised_whichever_format_it_has() -> None:
    png = inspect(encoded(screen(1080, 1920), "PNG"))
    jpeg = inspect(encoded(screen(1080, 2400), "JPEG", quality=90))
    assert png.strips > 0.3 and screenshot(png) >= SUSPECT
    assert screenshot(jpeg) >= SUSPECT


def test_a_photo_of_a_videos_size_is_no_screenshot() -> None:
    assert screenshot(inspect(encoded(scene(1080, 1920), "JPEG", quality=90))) == 0.0


def test_a_camera_that_names_itself_is_believed() -> None:
    named = tiff([text(0x010F, "Google"), text(0x0110, "Pixel 9")])
    assert screenshot(inspect(encoded(screen(1080, 2400), "JPEG", quality=90, exif=named))) == 0.0
    assert messenger(inspect(encoded(scene(1600, 1200), "JPEG", quality=80, exif=named))) == 0.0


def test_a_messengers_copy_is_recognised_by_its_size_and_its_bare_header() -> None:
    for side in (1280, 1600, 2048):
        copy = inspect(encoded(scene(side, side * 3 // 4), "JPEG", quality=80))
        assert messenger(copy) >= SUSPECT, side
    assert messenger(inspect(encoded(scene(1300, 975), "JPEG", quality=80))) < SUSPECT
    assert messenger(inspect(encoded(scene(1600, 1200), "PNG"))) == 0.0


def test_the_mark_that_facebook_leaves_suffices() -> None:
    plain = encoded(scene(700, 500), "JPEG", quality=80)
    body = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x24" + b"\x1c\x02\x28\0\x1cFBMD01000abc0300002a"
    marked = plain[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:]
    assert messenger(inspect(marked)) == 1.0
    assert messenger(inspect(plain)) < SUSPECT


def test_a_phone_that_calls_its_picture_a_screenshot_is_believed() -> None:
    def commented(words: bytes) -> bytes:
        return tiff([], [(0x9286, 7, 8 + len(words), b"ASCII\0\0\0" + words)])

    assert read_exif(commented(b"Screenshot")).screenshot
    assert not read_exif(commented(b"Screenshot of my holidays")).screenshot
    assert not read_exif(tiff([], [(0x9286, 7, 3, b"ASC")])).screenshot
    own = inspect(encoded(scene(800, 600), "JPEG", quality=90, exif=commented(b"Screenshot")))
    assert screenshot(own) == 1.0


def test_a_flash_says_nothing_of_the_daylight() -> None:
    exposed = [short(0x8827, 100), rationals(0x829A, (1, 250)), rationals(0x829D, (8, 1))]
    lit = read_exif(tiff([], sorted([*exposed, short(0x9209, 16)], key=lambda entry: entry[0])))
    flashed = read_exif(tiff([], sorted([*exposed, short(0x9209, 9)], key=lambda entry: entry[0])))
    assert lit.exposure_ev is not None and round(lit.exposure_ev) == 14
    assert flashed.exposure_ev is None


def test_strips_are_measured_from_the_edges_and_only_there() -> None:
    bars = np.full((400, 300), 30, np.uint8)
    bars[40:380] = np.random.default_rng(1).integers(0, 255, (340, 300), dtype=np.uint8)
    assert strips(bars) == 0.15
    assert strips(bars[40:380]) < STRIP
    assert strips(np.full((400, 300), 30, np.uint8)) == 1.0
    assert strips(np.zeros((1, 5), np.uint8)) <= 1.0

"""A preview is marked all over: no part of it that one could use is as it was."""

import hashlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app import watermark
from app.decode_pool import DecodePool
from app.photos import COPIES
from sensors.regions import Region
from tests.app.conftest import picture

SIDE = COPIES["preview"]
WINDOW = 40  # pixels: an eighth of the longer side
PLAIN_COLOURS = {"black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "red": (200, 20, 30)}


def jpeg(image: Image.Image, **how: object) -> bytes:
    written = BytesIO()
    image.save(written, "JPEG", quality=85, **how)
    return written.getvalue()


def pixels(copy: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return np.asarray(Image.open(BytesIO(copy)).convert("RGB")).astype(np.int16)


def least_marked(before: bytes, after: bytes, window: int = WINDOW) -> float:
    """The part of the pixels that the mark changed plainly, in the window with fewest of them."""
    changed = (np.abs(pixels(before) - pixels(after)).max(axis=2) >= 40).astype(np.float64)
    sums = np.pad(changed.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    windows = sums[window:, window:] - sums[:-window, window:] - sums[window:, :-window] + sums[:-window, :-window]
    return float(windows.min()) / window**2


@pytest.mark.parametrize("colour", PLAIN_COLOURS)
@pytest.mark.parametrize("size", [(320, 240), (180, 320), (320, 60)])
def test_no_crop_of_a_plain_picture_is_clean(size: tuple[int, int], colour: str) -> None:
    before = jpeg(Image.new("RGB", size, PLAIN_COLOURS[colour]))
    assert least_marked(before, watermark.marked(before)) > 0.1


@pytest.mark.parametrize("seed", range(6))
def test_no_crop_of_a_photo_is_clean(seed: int) -> None:
    before = picture(seed, size=(320, 240))
    assert least_marked(before, watermark.marked(before)) > 0.1


@pytest.mark.parametrize("size", [(1, 1), (8, 200), (40, 30), (320, 320)])
def test_pictures_of_any_size_keep_it(size: tuple[int, int]) -> None:
    made = watermark.marked(jpeg(Image.new("RGB", size, (90, 120, 60))))
    assert Image.open(BytesIO(made)).size == size


def test_marks_lie_elsewhere_on_another_picture() -> None:
    first, second = [pixels(watermark.marked(picture(seed, size=(320, 240)))) for seed in (1, 2)]
    plain = [pixels(picture(seed, size=(320, 240))) for seed in (1, 2)]
    marks = [np.abs(a - b).max(axis=2) >= 40 for a, b in zip((first, second), plain, strict=True)]
    assert (marks[0] ^ marks[1]).mean() > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_whoever_knows_how_the_marks_lie_cannot_take_them_off(seed: int) -> None:
    """The letters are laid over with known strength: turned round, with the very stencils, it gives back no picture."""
    fine = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    before = jpeg(Image.fromarray(fine))
    letters, outline = (
        np.asarray(each, float)[..., None] / 255
        for each in watermark._stencils((320, 240), hashlib.sha256(before).digest())
    )
    lit, dark = watermark._LIGHT * letters, watermark._DARK * outline
    undone = (pixels(watermark.marked(before)) - 255 * lit) / (1 - lit) / (1 - dark)
    beneath, between = outline[..., 0] > 0.5, outline[..., 0] == 0
    was = pixels(before)

    def alike(where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
        return float(np.corrcoef(undone[where].ravel(), was[where].ravel())[0, 1])

    assert abs(alike(beneath)) < 0.1
    assert 0.2 < alike(between) < 0.75, "half of the detail, which shows what it is of"


async def test_the_child_that_makes_copies_marks_hides_and_leaves_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera of Bo"
    taken = Image.open(BytesIO(picture(3)))
    content = jpeg(taken, exif=exif)
    async with DecodePool(workers=1) as pool:
        plain = await pool.render(content, SIDE)
        copy = await pool.render(content, SIDE, marked=True)
        hidden = await pool.render(content, SIDE, [Region(0, 0, 1, 1)], marked=True)
    image = Image.open(BytesIO(copy))
    assert max(image.size) == SIDE and not image.getexif() and b"Camera" not in copy
    assert copy == watermark.marked(plain)
    away = [np.abs(pixels(plain) - pixels(each)).mean() for each in (copy, hidden)]
    assert away[1] > away[0]

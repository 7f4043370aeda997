"""Local features: a photograph is known in any shape, and another one of the same kind is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sensors.decode import alike
from sensors.inspection import ALIKE, COPY, Comparison, Undecodable
from sensors.likeness import BITS, SPOTS, TABLES, compare, words
from tests.sensors.pictures import encoded

Grey = NDArray[np.uint8]


def street(seed: int, size: tuple[int, int] = (480, 360)) -> Grey:
    """A picture with much to hold on to: rectangles of all sizes and shades, as houses and windows are."""
    random = np.random.default_rng(seed)
    width, height = size
    picture = np.full((height, width), 120.0)
    for _ in range(160):
        x, y = int(random.integers(width)), int(random.integers(height))
        wide, high = (int(each) for each in random.integers(8, 90, 2))
        picture[y : y + high, x : x + wide] = random.integers(0, 256)
    return picture.clip(0, 255).astype(np.uint8)


def changed(luma: Grey, how: str) -> Grey:
    """One of the ways in which a copy is disguised."""
    image = Image.fromarray(luma)
    width, height = image.size
    made = {
        "cropped at one side": lambda: image.crop((width // 5, 0, width, height)),
        "cropped all round": lambda: image.crop((width // 10, height // 10, width * 9 // 10, height * 9 // 10)),
        "turned by 5 degrees": lambda: image.rotate(5, Image.Resampling.BICUBIC),
        "mirrored": lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "on its head and cropped": lambda: image.crop((0, 0, width * 4 // 5, height)).rotate(180),
        "half as large": lambda: image.resize((width // 2, height // 2), Image.Resampling.LANCZOS),
        "darker": lambda: image.point(lambda value: value * 0.7),  # type: ignore[operator]
    }[how]()
    return np.asarray(made, dtype=np.uint8)


WAYS = [
    "cropped at one side", "cropped all round", "turned by 5 degrees", "mirrored", "on its head and cropped",
    "half as large", "darker",
]  # fmt: skip


@pytest.mark.parametrize("how", WAYS)
def test_a_disguised_copy_shares_numbers_and_agrees_with_its_original(how: str) -> None:
    original, copy = street(1), changed(street(1), how)
    kept = set(words(original)[0])
    shared = max(len(kept & set(each)) for each in words(copy))
    assert shared >= 12, shared
    assert compare(copy, original).agreement >= COPY
    assert compare(original, copy).agreement >= ALIKE


def test_only_a_mirrored_copy_is_called_so() -> None:
    assert compare(changed(street(1), "mirrored"), street(1)).mirrored
    assert not compare(changed(street(1), "cropped at one side"), street(1)).mirrored


def test_the_overlap_is_what_was_left() -> None:
    found = compare(changed(street(1), "cropped at one side"), street(1))
    assert found.overlap == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_picture_of_the_same_kind_is_none(seed: int) -> None:
    assert len(set(words(street(1))[0]) & set(words(street(seed))[0])) < 4
    assert compare(street(1), street(seed)).agreement < ALIKE


def parallax(luma: Grey, pixels: float) -> Grey:
    """The scene from a step to the side: what is near, the lower part, moves against what is far."""
    height, width = luma.shape
    moved = luma.copy()
    for row in range(height):
        places = (np.arange(width) + pixels * np.sin(row / height * 6) * row / height).clip(0, width - 1)
        moved[row] = np.interp(places, np.arange(width), luma[row]).astype(np.uint8)
    return moved


def test_the_same_place_photographed_from_a_step_aside_is_no_copy() -> None:
    again = parallax(street(1), 12)
    assert not compare(again, street(1)).same


def faint(seed: int, size: tuple[int, int] = (160, 120)) -> Grey:
    """Hardly more than a few soft shadows: no spot to hold on to."""
    coarse = np.random.default_rng(seed).integers(100, 140, (4, 5), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=np.uint8)


@pytest.mark.parametrize("turns", range(4))
def test_a_picture_without_spots_is_laid_edge_on_edge_in_every_position(turns: int) -> None:
    original = faint(1, (320, 240))
    copy = np.ascontiguousarray(np.rot90(faint(1), turns))
    found = compare(copy, original)
    assert found.agreement >= COPY and found.spots == 0
    assert compare(np.ascontiguousarray(copy[:, ::-1]), original).agreement >= COPY
    assert compare(np.ascontiguousarray(np.rot90(faint(2), turns)), original).agreement < ALIKE


def test_a_picture_without_spots_of_another_shape_is_not_stretched_to_fit() -> None:
    assert compare(faint(1, (160, 160)), faint(1)) == Comparison()


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (8, 8), (9, 200)])
def test_tiny_and_flat_pictures_have_no_numbers_and_agree_with_nothing(size: tuple[int, int]) -> None:
    flat = np.full(size, 90, dtype=np.uint8)
    assert words(flat) == ([], [])
    assert compare(flat, street(1)).agreement == 0 == compare(street(1), flat).agreement


def test_numbers_are_few_distinct_and_the_same_every_time() -> None:
    ours, mirrored = words(street(1))
    assert words(street(1)) == (ours, mirrored)
    assert 0 < len(ours) <= SPOTS * TABLES and len(set(ours)) == len(ours)
    assert all(0 <= each < TABLES << BITS for each in ours + mirrored)
    assert words(np.ascontiguousarray(street(1)[:, ::-1]))[0] != ours


def test_comparing_files_refuses_what_is_no_photo() -> None:
    fine = encoded(Image.fromarray(street(1)), quality=85)
    assert alike(fine, fine).agreement > 0.999
    for one, other in ((fine, b"nothing"), (b"nothing", fine), (fine, fine[:200])):
        with pytest.raises(Undecodable):
            alike(one, other)


@pytest.mark.parametrize("how", WAYS)
def test_with_pixels_enough_a_copy_is_still_told(how: str) -> None:
    large = street(1, (900, 675))
    assert compare(changed(large, how), large).same


def small(luma: Grey) -> Grey:
    """Of 300 by 225 pixels."""
    return np.asarray(Image.fromarray(luma).resize((300, 225), Image.Resampling.LANCZOS), dtype=np.uint8)


def test_with_pixels_enough_half_a_step_aside_is_no_copy() -> None:
    large = street(1, (900, 675))
    aside = parallax(large, 8)
    assert compare(small(aside), small(large)).same, "too small to be told from a copy"
    found = compare(aside, large)
    assert found.agreement >= ALIKE and not found.same


def test_pictures_full_of_spots_that_do_not_fit_are_laid_edge_on_edge_only_where_their_hashes_are_near() -> None:
    assert compare(street(2), street(1)) == Comparison()
    laid = compare(street(2), street(1), whole=True)
    assert laid.overlap > 0.99 and laid.spots == 0 and laid.agreement < ALIKE

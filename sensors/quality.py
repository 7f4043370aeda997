"""How good a picture is as a picture: light, contrast, sharpness. Signals, except where a task declared a minimum."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sensors.evidence import Photo, PhotosAsked
from sensors.inspection import Inspection
from sensors.verdict import Check, finding

DARK: Final = 0.12
BRIGHT: Final = 0.94
FLAT: Final = 0.04
BLURRED: Final = 3.0
"""Assumed limits on brightness, contrast and sharpness (scales: inspection.Inspection); docs/evidence.md says how often
honest photos fall outside them."""


def exposure(luma: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation of brightness, each as a share of full white. luma (height, width)."""
    return round(float(luma.mean()) / 255, 4), round(float(luma.std()) / 255, 4)


def sharpness(luma: NDArray[np.uint8]) -> float:
    """Standard deviation of the 4-neighbour Laplacian (its square: Pech-Pacheco et al. 2000); 0 below 3 px a side."""
    height, width = luma.shape
    if height < 3 or width < 3:
        return 0.0
    wide = luma.astype(np.int16)
    centre = wide[1:-1, 1:-1]
    laplacian = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * centre
    return round(float(laplacian.std(dtype=np.float32)), 3)


def _judge_photo(asked: PhotosAsked | None, n: int, seen: Inspection) -> Check:
    least_width = 0 if asked is None else asked.min_width or 0
    least_height = 0 if asked is None else asked.min_height or 0
    data = {"width": seen.width, "height": seen.height, "brightness": seen.brightness, "sharpness": seen.sharpness}
    # A phone may be held either way: the longer side counts against the longer minimum.
    long_side, short_side = max(seen.width, seen.height), min(seen.width, seen.height)
    if long_side < max(least_width, least_height) or short_side < min(least_width, least_height):
        small = (
            f"Photo {n} is {seen.width} by {seen.height} pixels; at least {least_width} by {least_height} are asked."
        )
        return finding("quality", "fail", small, **data)
    if seen.brightness < DARK:
        return finding("quality", "warn", f"Photo {n} is very dark.", **data)
    if seen.brightness > BRIGHT:
        return finding("quality", "warn", f"Photo {n} is overexposed.", **data)
    if seen.contrast < FLAT:
        return finding(
            "quality", "warn", f"Photo {n} shows next to nothing; is something in front of the lens?", **data
        )
    if seen.sharpness < BLURRED:
        return finding("quality", "warn", f"Photo {n} is blurred.", **data)
    return finding("quality", "pass", f"Photo {n} is clear.", **data)


def quality(asked: PhotosAsked | None, photos: list[Photo]) -> list[Check]:
    """One finding for each photo that could be read."""
    checks = [_judge_photo(asked, photo.n, photo.inspection) for photo in photos if photo.inspection is not None]
    return checks or [finding("quality", "not_applicable", "There is no photo to look at.")]

"""How good a picture is as a picture: light, contrast, sharpness. Signals, except where a task declared a minimum."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.evidence import Photo, PhotosAsked
from sensors.inspection import Inspection
from sensors.verdict import Check, finding

DARK: Final = 0.12
BRIGHT: Final = 0.94
FLAT: Final = 0.04
BLURRED: Final = 3.0
COVERED: Final = 0.25
"""Assumed limits on brightness, contrast, sharpness and what is covered (scales: inspection.Inspection);
docs/evidence.md says how often honest photos fall outside them."""


def exposure(luma: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation of brightness, each as a share of full white. luma (height, width)."""
    mean, spread = cv2.meanStdDev(luma)
    return round(float(mean[0, 0]) / 255, 4), round(float(spread[0, 0]) / 255, 4)


def sharpness(luma: NDArray[np.uint8]) -> float:
    """Standard deviation of the 4-neighbour Laplacian (its square: Pech-Pacheco et al. 2000); 0 below 3 px a side."""
    height, width = luma.shape
    if height < 3 or width < 3:
        return 0.0
    wide = luma.astype(np.int16)
    centre = wide[1:-1, 1:-1]
    laplacian = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * centre
    return round(float(laplacian.std(dtype=np.float32)), 3)


def covered(luma: NDArray[np.uint8]) -> float:
    """Share of the picture that a dark, blurred patch at its edge takes, as a finger before the lens does.

    luma (height, width). The patch is one piece of 16 x 16 px boxes without structure, each at most a third as bright
    as the brightest tenth of the picture; 0 where even that is dark.
    """
    height, width = luma.shape[0] // 16 * 16, luma.shape[1] // 16 * 16
    if height < 64 or width < 64:
        return 0.0
    wide, boxes = luma[:height, :width].astype(np.float32), (width // 16, height // 16)
    mean = cv2.resize(wide, boxes, interpolation=cv2.INTER_AREA)
    spread = np.sqrt(np.maximum(cv2.resize(wide * wide, boxes, interpolation=cv2.INTER_AREA) - mean * mean, 0))
    light = float(np.quantile(mean, 0.9))
    if light < 64:
        return 0.0
    patch = ((spread < 3) & (mean < light / 3)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(patch, connectivity=4)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    areas = [int(stats[label, cv2.CC_STAT_AREA]) for label in edge if label]
    share: float = max(areas, default=0) / patch.size
    return round(share, 4)


def _below_minimum(asked: PhotosAsked, n: int, seen: Inspection) -> str | None:
    """What of the declared minima the photo misses, in words; None when it has all of them."""
    least_width, least_height = asked.min_width or 0, asked.min_height or 0
    # A phone may be held either way: the longer side counts against the longer minimum.
    long_side, short_side = max(seen.width, seen.height), min(seen.width, seen.height)
    if long_side < max(least_width, least_height) or short_side < min(least_width, least_height):
        return f"Photo {n} is {seen.width} by {seen.height} pixels; at least {least_width} by {least_height} are asked."
    if asked.min_sharpness is not None and seen.sharpness < asked.min_sharpness:
        return f"Photo {n} is too blurred: its sharpness is {seen.sharpness:.1f}, {asked.min_sharpness:g} is asked."
    share = f"{seen.brightness:.0%} of full white"
    if asked.min_brightness is not None and seen.brightness < asked.min_brightness:
        return f"Photo {n} is too dark: it has {share}, at least {asked.min_brightness:.0%} is asked."
    if asked.max_brightness is not None and seen.brightness > asked.max_brightness:
        return f"Photo {n} is too bright: it has {share}, at most {asked.max_brightness:.0%} is asked."
    return None


def _judge_photo(asked: PhotosAsked | None, n: int, seen: Inspection) -> Check:
    data = {"width": seen.width, "height": seen.height, "brightness": seen.brightness, "sharpness": seen.sharpness}
    missed = None if asked is None else _below_minimum(asked, n, seen)
    if missed is not None:
        return finding("quality", "fail", f"{missed} Take a new one.", **data)
    if seen.brightness < DARK:
        return finding("quality", "warn", f"Photo {n} is very dark.", **data)
    if seen.brightness > BRIGHT:
        return finding("quality", "warn", f"Photo {n} is overexposed.", **data)
    if seen.contrast < FLAT:
        return finding(
            "quality", "warn", f"Photo {n} shows next to nothing; is something in front of the lens?", **data
        )
    if seen.covered >= COVERED:
        hidden = f"Something dark covers part of photo {n}; is a finger in front of the lens?"
        return finding("quality", "warn", hidden, covered=seen.covered, **data)
    if seen.sharpness < BLURRED:
        return finding("quality", "warn", f"Photo {n} is blurred.", **data)
    return finding("quality", "pass", f"Photo {n} is clear.", **data)


def quality(asked: PhotosAsked | None, photos: list[Photo]) -> list[Check]:
    """One finding for each photo that could be read."""
    checks = [_judge_photo(asked, photo.n, photo.inspection) for photo in photos if photo.inspection is not None]
    return checks or [finding("quality", "not_applicable", "There is no photo to look at.")]

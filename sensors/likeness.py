"""The same photograph in another shape: cropped, turned by some degrees, written over, mirrored.

A perceptual hash of the whole frame is lost when 2.5 % are cut off each side. Local features are not: SIFT (Lowe 2004)
finds some dozens of spots in a small grey copy, whatever is cut away around them. Two stages:

- `words`: each spot's descriptor becomes TABLES numbers of BITS bits, by the signs of random projections (locality-
  sensitive hashing, Charikar 2002). Copies share many numbers, strangers few; a table of them finds candidates.
- `compare`: a candidate is laid over the photo by the similarity that most spots agree on (RANSAC), and compared pixel
  by pixel. A copy agrees nearly everywhere to the noise of its compression; a photograph taken anew of the same scene
  does not, which is what tells a cheat from two honest people before one shop front.

Figures behind the limits: docs/evidence.md, `python -m tests.bench likeness`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.inspection import ALIKE, COPY, COPY_CLOSELY, Comparison

SIDE: Final = 192
"""The longest side in pixels on which spots are looked for."""
CLOSELY: Final = 448
"""The longest side on which two photos that resemble each other are compared once more, if both have as many pixels."""
SMALLEST: Final = 192
SPOTS: Final = 48
TABLES: Final = 4
BITS: Final = 24
COMPARED_SPOTS: Final = 400
CONTRAST: Final = 0.01
RATIO: Final = 0.8
"""A match counts when it is so much nearer than the second best (Lowe 2004, section 7.1)."""
REPROJECTION_PX: Final = 3.0
LEAST_SPOTS: Final = 8
LEAST_STRETCHED: Final = 12
FINE, COARSE = 2.0, 12.0
"""Standard deviations of the two Gaussians in pixels; what lies between them is compared, so that light and the noise
of compression count for nothing."""
BOX: Final = 17
STEP: Final = 8
LEAST_CONTRAST: Final = 9.0
"""Variance in a box below which there is nothing to compare there."""
LEAST_BOXES: Final = 8
SAME_ASPECT: Final = 0.05
"""By how much two frames' ratios of width to height may differ where the one is laid over all of the other."""


Grey = NDArray[np.uint8]


@lru_cache(maxsize=1)
def _projections() -> NDArray[np.float32]:
    """(128, TABLES × BITS) of +1 and −1 from a fixed hash: the same in every process and release."""
    raw = hashlib.shake_256(b"sensorium likeness 1").digest(128 * TABLES * BITS // 8)
    signs = np.unpackbits(np.frombuffer(raw, dtype=np.uint8)).astype(np.float32)
    return signs.reshape(128, TABLES * BITS) * 2 - 1


@lru_cache(maxsize=2)
def _detector(spots: int) -> Any:
    cv2.setNumThreads(1)
    return cv2.SIFT_create(nfeatures=spots, contrastThreshold=CONTRAST)  # type: ignore[attr-defined]


def enlarged(luma: Grey) -> Grey:
    """A picture whose shorter side is at least SMALLEST, smoothly enlarged where it is not: a hash of 36 pixels a side
    would be one of its pixels' edges."""
    height, width = luma.shape
    scale = SMALLEST / max(1, min(height, width))
    if scale <= 1:
        return luma
    size = round(width * scale), round(height * scale)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _small(luma: Grey, side: int = SIDE) -> Grey:
    """A copy whose longest side is `side`; small pictures are enlarged, so that their spots have neighbours."""
    height, width = luma.shape
    scale = side / max(height, width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(luma, size, interpolation=how), dtype=np.uint8)


def _numbers(descriptors: NDArray[np.float32]) -> list[int]:
    """The words of descriptors (n, 128): RootSIFT (Arandjelović & Zisserman 2012), centred, projected, cut to signs."""
    root = np.sqrt(descriptors / np.maximum(1.0, descriptors.sum(axis=1, keepdims=True)))
    signs = (root - root.mean(axis=1, keepdims=True)) @ _projections() > 0
    weights = (1 << np.arange(BITS)).astype(np.int64)
    numbers = signs.reshape(-1, TABLES, BITS) @ weights + (np.arange(TABLES) << BITS)
    return [int(each) for each in np.unique(numbers)]


def _mirrored(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The descriptors that the mirrored picture would have: across the spot's own axis rows and angles swap sides."""
    cells = descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    return np.ascontiguousarray(cells[..., (-np.arange(8)) % 8]).reshape(-1, 128)


def words(luma: Grey) -> tuple[list[int], list[int]]:
    """The words of a picture, and those that it would have mirrored. luma (height, width), 0–255.

    Each list holds at most SPOTS × TABLES different integers below TABLES × 2^BITS; both are empty for a flat picture.
    """
    if min(luma.shape) < 8:
        return [], []
    _, descriptors = _detector(SPOTS).detectAndCompute(_small(luma), None)
    if descriptors is None:
        return [], []
    return _numbers(descriptors[:SPOTS]), _numbers(_mirrored(descriptors[:SPOTS]))


class _Spots(NamedTuple):
    """A picture's spots: places (n, 2) in pixels, descriptors (n, 128)."""

    places: NDArray[np.float32]
    descriptors: NDArray[np.float32]


def _spots(picture: Grey) -> _Spots | None:
    spots, descriptors = _detector(COMPARED_SPOTS).detectAndCompute(picture, None)
    if descriptors is None or len(descriptors) < LEAST_SPOTS:
        return None
    return _Spots(np.array([each.pt for each in spots], dtype=np.float32), descriptors)


def _flipped(spots: _Spots, width: int) -> _Spots:
    """The spots that the mirrored picture would have."""
    return _Spots(np.array([width - 1, 0], np.float32) + spots.places * (-1, 1), _mirrored(spots.descriptors))


def _laid_over(one: _Spots, other: _Spots) -> list[tuple[NDArray[np.float64], int, bool]]:
    """What takes the first picture's spots to the second's, how many agree on it, and whether it stretches: the
    similarity (2, 3), and where many agree the affine map (2, 3), for pictures that were stretched or sheared."""
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(one.descriptors, other.descriptors, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance]
    if len(good) < LEAST_SPOTS:
        return []
    here = one.places[[each.queryIdx for each in good]].astype(np.float32)
    there = other.places[[each.trainIdx for each in good]].astype(np.float32)
    found = []
    for fit, least in ((cv2.estimateAffinePartial2D, LEAST_SPOTS), (cv2.estimateAffine2D, LEAST_STRETCHED)):
        cv2.setRNGSeed(1)  # the same two photos compare alike whenever they are compared
        matrix, agreeing = fit(here, there, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION_PX)
        # An affine map mirrors too, where spots are alike both ways: that is for the similarity of the mirrored spots.
        if matrix is not None and int(agreeing.sum()) >= least and np.linalg.det(matrix[:, :2]) > 0:
            found.append((np.asarray(matrix, dtype=np.float64), int(agreeing.sum()), least == LEAST_STRETCHED))
    return found


def _banded(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    fine = cv2.GaussianBlur(picture, (0, 0), FINE)
    return np.asarray(fine - cv2.GaussianBlur(fine, (0, 0), COARSE), dtype=np.float32)


def _agreement(one: Grey, other: Grey, matrix: NDArray[np.float64]) -> tuple[float, float]:
    """Overlap and agreement of the first picture, moved by the matrix, with the second."""
    size = other.shape[1], other.shape[0]
    there = other.astype(np.float32)
    covered = cv2.warpAffine(np.ones(one.shape, dtype=np.float32), matrix, size) > 0.99
    # Outside the overlap the second picture continues the first: an edge there would be in one of them only.
    here = np.where(covered, cv2.warpAffine(one.astype(np.float32), matrix, size), there).astype(np.float32)
    inside = covered.astype(np.float32)
    left, right = _banded(here), _banded(there)

    def summed(values: NDArray[np.float32]) -> NDArray[np.float32]:
        boxes = cv2.boxFilter(values * inside, -1, (BOX, BOX), borderType=cv2.BORDER_REFLECT)
        return np.asarray(boxes, dtype=np.float32)[STEP::STEP, STEP::STEP]

    both, own, others = summed(left * right), summed(left * left), summed(right * right)
    share = summed(np.ones_like(left))
    telling = (share > 0.5) & (np.maximum(own, others) > LEAST_CONTRAST * share)
    if int(telling.sum()) < LEAST_BOXES:
        return float(covered.mean()), 0.0
    local = both[telling] / np.sqrt(own[telling] * others[telling] + 1e-6)
    return float(covered.mean()), float(np.median(local))


def _frame_on_frame(luma: Grey, second: Grey) -> Comparison:
    """Two pictures with too few spots, laid over each other edge on edge in each of the eight positions."""
    best, wanted = Comparison(), second.shape[1] / second.shape[0]
    for turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(luma[:, ::-1] if mirrored else luma, turns)
            if abs(turned.shape[1] / turned.shape[0] / wanted - 1) > SAME_ASPECT:
                continue
            size = second.shape[1], second.shape[0]
            how = cv2.INTER_AREA if turned.shape[1] > size[0] else cv2.INTER_CUBIC
            first = np.asarray(cv2.resize(np.ascontiguousarray(turned), size, interpolation=how), dtype=np.uint8)
            overlap, agreement = _agreement(first, second, np.eye(2, 3))
            if agreement > best.agreement:
                best = Comparison(
                    overlap=round(overlap, 3), agreement=round(agreement, 4), mirrored=mirrored, same=agreement >= COPY
                )
    return best


def _by_spots(luma: Grey, other: Grey, side: int, mirrorings: Sequence[bool]) -> Comparison | None:
    """How two pictures agree at this size by the similarity of their spots, in the first position in which they are
    alike, else in the better one; None when one of them has too few, and no agreement when they have none in common."""
    first, second = _small(luma, side), _small(other, side)
    spots, other_spots = _spots(first), _spots(second)
    if spots is None or other_spots is None:
        return None
    best = Comparison()
    for mirrored in mirrorings:
        laid = _laid_over(_flipped(spots, first.shape[1]) if mirrored else spots, other_spots)
        picture = np.ascontiguousarray(first[:, ::-1]) if mirrored else first
        for matrix, agreeing, stretched in laid:
            overlap, agreement = _agreement(picture, second, matrix)
            if agreement > best.agreement:
                best = Comparison(
                    spots=agreeing,
                    overlap=round(overlap, 3),
                    agreement=round(agreement, 4),
                    mirrored=mirrored,
                    # Stretched, a second shot of a wall from the side fits as well: that is worth a look, no proof.
                    same=not stretched and agreement >= (COPY if side == SIDE else COPY_CLOSELY),
                )
            if best.same:
                break
        if best.agreement >= ALIKE:
            break
    return best


def compare(luma: Grey, other: Grey, *, whole: bool = False) -> Comparison:
    """Lay the first picture over the second, as it is or mirrored, whichever agrees better. Both (height, width).

    Where one of them has too few spots, edge is laid on edge; also where those of both do not fit although the frames
    resemble each other by their hashes (whole). Else spots that do not fit say that it is another picture.
    """
    if min(*luma.shape, *other.shape) < 8:
        return Comparison()
    found = _by_spots(luma, other, SIDE, (False, True))
    if found is None or (whole and not found.spots):
        return _frame_on_frame(luma, _small(other))
    if found.agreement >= ALIKE and min(max(luma.shape), max(other.shape)) >= CLOSELY:
        return _by_spots(luma, other, CLOSELY, (found.mirrored,)) or found
    return found

"""Has the scene depth? In a burst from a hand that moves a little, nearer things move otherwise than farther ones.

Corners of the first picture are followed into the others (Lucas & Kanade 1981, there and back again). Whatever lies in
one plane moves by one homography, whichever way the camera moves (Hartley & Zisserman 2004, section 13.1), and so does
everything under pure rotation. Hence three outcomes:

- `depth`: many points are off the homography that most follow, and neighbours are off it alike. Noise is not.
- `plane`: next to nothing is off it, and it is none that rotation makes, so that the camera did move along.
- `inconclusive`: all else: still, turned only, far away, blurred, bare.

A wall, a poster and a shelf seen square on are planes too, and who frames a screen so that its desk shows has depth:
this is a signal, never a proof. Figures: `python -m tests.bench parallax`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.inspection import Parallax
from sensors.motion import Motion

FEWEST, MOST = 3, 8
SIDE: Final = 320
CORNERS: Final = 300
LEAST_POINTS: Final = 40
THERE_AND_BACK_PX: Final = 0.6
AGREEING_PX: Final = 1.0
LEAST_SPREAD: Final = 0.14
"""Standard deviation of the points over the picture's sides: a homography is not known from one corner of it."""
LENSES: Final = (0.5, 0.65, 0.8, 0.95, 1.15, 1.4, 1.7)
"""Focal lengths tried, in longest sides: 18 to 61 mm on 35 mm film. A rotation is one by any of them."""
LENS: Final = 0.9
LEAST_SHIFT_PX: Final = 1.5
"""Median way of the points below which the camera stood still, and what moves is something else."""
FARTHEST: Final = 0.6
"""Pictures whose points went so much of the longest way count; the others are too near the first to show much."""
OFF_PX: Final = 1.0
OFF_SHARE: Final = 0.04
COHERENT, NOISE = 0.7, 0.45
"""Cosines between the offsets of neighbours, weighed by length: of layers of a scene nearly 1, of noise nearly 0, and
of a plane as a lens bends it up to a half; what lies between them is left open."""
DEPTH_PX, DEPTH_SHARE = 0.35, 0.02
"""What neighbours are off the plane alike, in pixels and of the way they went: more than a lens bends."""
TRAVELLED: Final = 0.025
"""Distance moved over distance from the plane: how far a homography must be from any rotation."""
FLAT_PX, FLAT_SHARE = 0.18, 0.02
"""What a plane may be off itself, in pixels and of what moving along would do to things twice as near."""
FEW_OFF: Final = 0.08
NEIGHBOURS: Final = 4
COMPARABLE_DEG: Final = 1.0
TOLERANCE_DEG, TOLERANCE_SHARE = 0.6, 0.2

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]


class _Pair(NamedTuple):
    """The first picture against another: angles in degrees, `way` and `alike` in pixels, `travelled` in distances."""

    points: int
    turn: float
    pan: float
    way: float
    spread: float
    travelled: float
    residual: float
    off: float
    alike: float
    coherence: float

    @property
    def deep(self) -> bool:
        enough = self.alike >= max(DEPTH_PX, DEPTH_SHARE * self.way)
        return self.way >= LEAST_SHIFT_PX and self.off >= OFF_SHARE and self.coherence >= COHERENT and enough

    @property
    def flat(self) -> bool:
        expected = FLAT_SHARE * self.travelled * LENS * SIDE
        even = self.alike <= min(FLAT_PX, expected) and self.off <= FEW_OFF and self.coherence <= NOISE
        return self.travelled >= TRAVELLED and self.spread >= LEAST_SPREAD and even


def _small(frame: Grey) -> Grey:
    height, width = frame.shape
    scale = SIDE / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(frame)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _follow(first: Grey, other: Grey, corners: Any) -> tuple[Floats, Floats]:
    """Where the corners (n, 1, 2) are in both pictures, (m, 2) each: those found again on the way back."""
    window: dict[str, Any] = {"winSize": (17, 17), "maxLevel": 4}
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, other, corners, None, **window)  # type: ignore[call-overload]
    back, again, _ = cv2.calcOpticalFlowPyrLK(other, first, there, None, **window)  # type: ignore[call-overload]
    missed = np.linalg.norm((back - corners).reshape(-1, 2), axis=1)
    height, width = other.shape
    inside = ((there.reshape(-1, 2) >= 0) & (there.reshape(-1, 2) < (width, height))).all(axis=1)
    kept = (found.ravel() == 1) & (again.ravel() == 1) & (missed < THERE_AND_BACK_PX) & inside
    return corners.reshape(-1, 2)[kept].astype(np.float64), there.reshape(-1, 2)[kept].astype(np.float64)


def _travelled(homography: Floats, side: float) -> float:
    """How far from any rotation: for a plane at distance d and a way t it is R + t nᵀ/d, whose largest and smallest
    singular value differ by about |t|/d; those of a rotation are equal. The least of it over the lenses."""
    least = np.inf
    for lens in LENSES:
        scale = np.array([lens * side, lens * side, 1.0])
        matrix = homography * scale[None, :] / scale[:, None]
        values = np.linalg.svd(matrix, compute_uv=False)
        least = min(least, float(values[0] / max(values[2], 1e-9)) - 1)
    return least


def _alike(where: Floats, offsets: Floats) -> tuple[float, float]:
    """How far points are off in the same way as their neighbours, in pixels, and the cosine between the two."""
    apart = np.linalg.norm(where[:, None] - where[None, :], axis=2)
    np.fill_diagonal(apart, np.inf)
    near = np.argsort(apart, axis=1)[:, :NEIGHBOURS]
    around = np.median(offsets[near], axis=1)
    shared = (offsets * around).sum(axis=1)
    lengths = np.linalg.norm(offsets, axis=1) * np.linalg.norm(around, axis=1)
    return float(np.sqrt(max(0.0, shared.mean()))), float(shared.sum() / max(lengths.sum(), 1e-9))


def _compare(first: Grey, other: Grey, corners: Any) -> _Pair | None:
    here, there = _follow(first, other, corners)
    if len(here) < LEAST_POINTS:
        return None
    height, width = first.shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    here, there = here - middle, there - middle
    cv2.setRNGSeed(1)  # the same burst is judged alike whenever it is judged
    similar, _ = cv2.estimateAffinePartial2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=3.0)
    found, agreeing = cv2.findHomography(here, there, cv2.RANSAC, AGREEING_PX, maxIters=500)
    if similar is None or found is None or int(agreeing.sum()) < LEAST_POINTS // 2:
        return None
    homography = np.asarray(found, dtype=np.float64)
    if not np.isfinite(homography).all():
        return None
    mapped = np.column_stack([here, np.ones(len(here))]) @ homography.T
    if np.abs(mapped[:, 2]).min() < 1e-6:
        return None
    offsets = there - mapped[:, :2] / mapped[:, 2:]
    lengths = np.linalg.norm(offsets, axis=1)
    side = float(max(width, height))
    alike, coherence = _alike(here, np.clip(offsets, -20, 20))
    inside = here[agreeing.ravel() == 1]
    return _Pair(
        points=len(here),
        turn=float(np.degrees(np.arctan2(similar[1, 0], similar[0, 0]))),
        pan=float(np.degrees(np.arctan2(np.hypot(similar[0, 2], similar[1, 2]), LENS * side))),
        way=float(np.median(np.linalg.norm(there - here, axis=1))),
        spread=float((inside.std(axis=0) / (width, height)).min()),
        travelled=_travelled(homography, side),
        residual=float(np.median(lengths)),
        off=float((lengths > OFF_PX).mean()),
        alike=alike,
        coherence=coherence,
    )


def parallax(frames: list[Grey]) -> Parallax:
    """What 3 to 8 grey pictures (height, width), 0–255, of one burst in order say of the scene's depth."""
    if not FEWEST <= len(frames) <= MOST:
        return Parallax(reason=f"A burst has {FEWEST} to {MOST} pictures.")
    cv2.setNumThreads(1)
    small = [_small(frame) for frame in frames]
    if len({each.shape for each in small}) > 1 or min(small[0].shape) < 64:
        return Parallax(reason="The pictures differ in shape, or are too small.")
    corners = cv2.goodFeaturesToTrack(small[0], CORNERS, 0.01, 6, blockSize=5)
    if corners is None or len(corners) < LEAST_POINTS:
        return Parallax(reason="There is too little in the picture to follow.")
    pairs = [pair for other in small[1:] if (pair := _compare(small[0], other, corners)) is not None]
    if not pairs:
        return Parallax(reason="The pictures have too little in common, or are blurred.")
    return _told(pairs)


def _told(pairs: list[_Pair]) -> Parallax:
    spans = [(round(each.turn, 3), round(each.pan, 3)) for each in pairs]
    most = max(pairs, key=lambda each: each.travelled)
    farthest = max(each.way for each in pairs)
    far = [each for each in pairs if each.way >= FARTHEST * farthest]
    deep = [each for each in far if each.deep]
    apart = [each for each in pairs if each.travelled >= TRAVELLED]
    if deep:
        # One picture in which something passes by is not yet a scene with depth.
        shown = max(deep, key=lambda each: each.alike)
        enough = 2 * len(deep) >= len(far)
        state = "depth" if enough else "inconclusive"
        reason = "Nearer things moved otherwise than farther ones." if enough else "Only some of the pictures differ."
    elif not any(each.deep for each in pairs) and 3 * sum(each.flat for each in apart) > 2 * len(apart):
        shown, state = most, "plane"
        reason = "The camera moved along, and everything moved as one plane."
    else:
        shown, state = most, "inconclusive"
        reason = "The camera moved too little along to tell." if most.travelled < TRAVELLED else "It cannot be told."
    return Parallax(
        state=state,  # type: ignore[arg-type]
        points=shown.points,
        residual_px=round(shown.residual, 3),
        off_plane=round(shown.off, 3),
        turn_deg=spans[-1][0],
        pan_deg=spans[-1][1],
        spans=spans,
        reason=reason,
    )


def _reachable(turned: Floats, seen: list[float], tolerance: float) -> bool:
    """Whether times in order exist at which the phone had turned by what was seen, within the tolerance."""
    for start in range(len(turned)):
        path, at = turned[start:] - turned[start], 0
        for angle in seen:
            fits = np.flatnonzero(np.abs(path[at:] - angle) <= tolerance)
            if not fits.size:
                break
            at += int(fits[0])
        else:
            return True
    return False


def agrees_with_motion(seen: Parallax, motion: Motion) -> bool | None:
    """Whether the pictures turned about the lens's axis as the gyroscope's first axis (alpha, about z) says.

    Only that turn compares: a shift may come from moving along. When each picture was taken is not known, so any times
    in order will do, and either sense: the lens looks out of the back or the front. None without a gyroscope, or where
    the pictures turned by less than a degree.
    """
    turns = [turn for turn, _ in seen.spans]
    largest = max((abs(turn) for turn in turns), default=0.0)
    if motion.rotation is None or largest < COMPARABLE_DEG or len(motion.times) < 2:
        return None
    rate = motion.rotation[:, 0]
    steps = np.diff(motion.times) / 1000 * (rate[1:] + rate[:-1]) / 2
    turned = np.concatenate([[0.0], np.cumsum(steps)])
    if len(turned) > 300:
        turned = turned[np.linspace(0, len(turned) - 1, 300).round().astype(int)]
    tolerance = TOLERANCE_DEG + TOLERANCE_SHARE * largest
    return any(_reachable(sense * turned, turns, tolerance) for sense in (1, -1))

"""PDQ, a 256-bit perceptual hash of a picture's coarse structure.

Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019; ThreatExchange/pdq. Written
anew in numpy: filter, decimation and DCT are linear and separable, so each axis is one small matrix and a hash is a few
matrix products.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

HASH_BYTES: Final = 32
MIN_SIDE: Final = 5
"""Below this the reference refuses to hash."""
MIN_QUALITY: Final = 50
"""Hashes of flatter pictures match by accident; the reference advises to discard them. Two such settle nothing here."""
HALF_QUALITY: Final = 25
"""What the flatter of two must have where the other has MIN_QUALITY: of 31.6 million pairs of real photos one more
matches so, and shows the same scene."""
LEAST_QUALITY: Final = 10
"""From here up to MIN_QUALITY a match is a candidate, to be looked at pixel by pixel; below it there is nothing to see.
"""
MATCH_RADIUS: Final = 31
"""Distances up to here mean the same picture (the reference's recommended threshold)."""
NEAR_RADIUS: Final = 48
"""Distances above MATCH_RADIUS up to here are worth a second look, no more."""

_GRID: Final = 64
_BANDS: Final = 16

FloatArray = NDArray[np.float32]


def _box_filter(length: int, window: int) -> FloatArray:
    """The reference's one-dimensional box mean as a (length, length) matrix; the window shrinks at both ends."""
    half = (window + 2) // 2
    positions = np.arange(length)
    first = np.maximum(positions - (window - half), 0)[:, None]
    last = np.minimum(positions + half - 1, length - 1)[:, None]
    inside = (positions >= first) & (positions <= last)
    weights: FloatArray = (inside / (last - first + 1)).astype(np.float32)
    return weights


@lru_cache(maxsize=64)
def _shrink(length: int) -> FloatArray:
    """(64, length): two box passes, then the sample at the centre of each of 64 cells; the identity for 64."""
    if length == _GRID:
        return np.eye(_GRID, dtype=np.float32)
    box = _box_filter(length, (length + 2 * _GRID - 1) // (2 * _GRID))
    centres = ((np.arange(_GRID) + 0.5) * length / _GRID).astype(np.intp)
    return np.ascontiguousarray(box[centres] @ box)


@lru_cache(maxsize=1)
def _dct() -> FloatArray:
    """(16, 64): DCT-II rows 1 to 16; the constant row is left out."""
    row = np.arange(1, _BANDS + 1)[:, None]
    column = np.arange(_GRID)[None, :]
    matrix = np.sqrt(2 / _GRID) * np.cos(np.pi / (2 * _GRID) * row * (2 * column + 1))
    return np.asarray(matrix, dtype=np.float32)


def _quality(grid: FloatArray) -> int:
    """Sum of truncated gradients over the 64×64 grid, scaled and capped to 0–100, as the reference does."""
    down = np.trunc((grid[:-1] - grid[1:]) * 100 / 255)
    across = np.trunc((grid[:, :-1] - grid[:, 1:]) * 100 / 255)
    return min(100, int(np.abs(down).sum() + np.abs(across).sum()) // 90)


def pdq_hash(luma: NDArray[np.generic]) -> tuple[bytes, int] | None:
    """Hash a picture by its brightness alone.

    luma (height, width), values 0–255 of any real type; at most some 1,000 px a side keeps it quick.
    Returns the 32 hash bytes (in the order of the reference's hexadecimal form) and the quality 0–100, or None when a
    side is below 5 px.
    """
    found = pdq_hashes(luma)
    return None if found is None else (found[0][0], found[1])


def pdq_hashes(luma: NDArray[np.generic]) -> tuple[list[bytes], int] | None:
    """The hash of a picture and those of its seven other positions, turned by right angles and mirrored; the quality.

    Each is exactly the hash of the picture so turned, though filter and decimation are not quite symmetric: the four
    mirrored grids are made by mirrored matrices, and a diagonal swaps rows and columns.
    """
    height, width = luma.shape
    if min(height, width) < MIN_SIDE:
        return None
    picture = np.asarray(luma, dtype=np.float32)
    down, across = _shrink(height), _shrink(width)
    grids: list[FloatArray] = [
        np.asarray(half @ sideways.T, dtype=np.float32)
        for half in (down @ picture, down[:, ::-1] @ picture)
        for sideways in (across, across[:, ::-1])
    ]
    bands: list[FloatArray] = [np.asarray(_dct() @ grid @ _dct().T, dtype=np.float32) for grid in grids]
    return [_bits(each) for one in bands for each in (one, one.T)], _quality(grids[0])


def _bits(bands: FloatArray) -> bytes:
    coefficients = bands.ravel()
    median = np.partition(coefficients, coefficients.size // 2 - 1)[coefficients.size // 2 - 1]
    return np.packbits((coefficients > median)[::-1]).tobytes()


def distance(one: bytes, other: bytes) -> int:
    """Bits by which two hashes differ, 0–256; unrelated pictures differ by about 128."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()

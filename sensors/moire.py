"""The grid of a screen or a print in the spectrum of a photograph of it.

The grid of a display's pixels, or of a print's dots, beats with the camera's own grid and stands in the spectrum as
narrow peaks that every part of the picture shares, at frequencies where scenes have little (Patel, Han & Jain 2015).
Fences, fabrics and tiles have such peaks too, which is why this never rejects.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

TILE: Final = 256
LOWEST, HIGHEST = 0.08, 0.47
"""Cycles a pixel between which peaks are looked for; scenes fill what lies below, compression what is above."""
RING: Final = 6
"""Width in spectral cells of the rings by which a peak is compared with others of its frequency."""
AXIS: Final = 2
"""Cells beside both axes that are left out: edges of the picture and of compression's blocks lie there."""


@lru_cache(maxsize=1)
def _rings() -> list[NDArray[np.int64]]:
    """The places, in a flattened half spectrum (TILE, TILE // 2 + 1), of the cells of each ring that are looked at."""
    rows = np.fft.fftfreq(TILE)[:, None]
    columns = np.fft.rfftfreq(TILE)[None, :]
    radius = np.hypot(rows, columns)
    off_axis = (np.abs(rows) * TILE > AXIS) & (columns * TILE > AXIS)
    # The 8 x 8 blocks of a JPEG repeat 32 times in a tile.
    blocky = (np.round(np.abs(rows) * TILE) % 32 == 0) | (np.round(columns * TILE) % 32 == 0)
    looked = np.flatnonzero((radius >= LOWEST) & (radius <= HIGHEST) & off_axis & ~blocky)
    ring = (radius.ravel()[looked] * TILE / RING).astype(np.int64)
    return [looked[ring == each] for each in np.unique(ring)]


def _median(values: NDArray[np.float32]) -> float:
    middle = len(values) // 2
    return float(np.partition(values, middle)[middle])


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    one = np.hanning(TILE).astype(np.float32)
    return np.outer(one, one)


def _spectrum(tile: NDArray[np.float32]) -> NDArray[np.float32]:
    """Magnitudes of a tile's half spectrum (TILE, TILE // 2 + 1), flattened; OpenCV's takes half of numpy's time."""
    waves = cv2.dft(tile, flags=cv2.DFT_COMPLEX_OUTPUT)[:, : TILE // 2 + 1]
    real, imaginary = np.ascontiguousarray(waves[..., 0]), np.ascontiguousarray(waves[..., 1])
    return np.asarray(cv2.magnitude(real, imaginary), dtype=np.float32).ravel()


def centre(width: int, height: int) -> tuple[int, int, int, int]:
    """The part (left, upper, right, lower) of a picture that is looked at; all of a small one."""
    if min(height, width) < 2 * TILE:
        return 0, 0, width, height
    left, upper = width // 2 - TILE, height // 2 - TILE
    return left, upper, left + 2 * TILE, upper + 2 * TILE


def moire(luma: NDArray[np.uint8]) -> float | None:
    """How far the strongest narrow peak stands above others of its frequency, in robust standard deviations.

    luma (height, width) at half the camera's resolution or more; four tiles about its centre are looked at, and a peak
    counts as much as in the second weakest of them. None for pictures too small for that.
    """
    height, width = luma.shape
    if min(height, width) < 2 * TILE:
        return None
    top, left = height // 2 - TILE, width // 2 - TILE
    spectra = []
    for row in (0, 1):
        for column in (0, 1):
            y, x = top + row * TILE, left + column * TILE
            tile = luma[y : y + TILE, x : x + TILE].astype(np.float32)
            spectra.append(_spectrum((tile - tile.mean()) * _window()))
    one, two, three, four = spectra
    # The second smallest of the four, by comparisons alone.
    shared = np.minimum(
        np.maximum(np.minimum(one, two), np.minimum(three, four)),
        np.minimum(np.maximum(one, two), np.maximum(three, four)),
    )
    best = 0.0
    for places in _rings():
        part = np.log1p(shared[places])
        middle = _median(part)
        spread = 1.4826 * _median(np.abs(part - middle)) + 0.05
        best = max(best, (float(part.max()) - middle) / spread)
    return round(best, 3)

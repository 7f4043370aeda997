"""Was this JPEG a JPEG before? Traces that a second compression leaves in the histograms of its coefficients.

A coefficient that was first rounded to multiples of one step and then to multiples of another no longer falls evenly:
some values come up twice as often, others never (Lukáš and Fridrich 2003, "Estimation of primary quantization matrix in
double compressed JPEG images"). How they would fall after one compression is read from the same picture moved by four
pixels, where its blocks leave no trace (calibration, same authors); each first step is then tried on that.

It shows only where the 8 x 8 grids of both agree, and not where the second compression was much coarser. A grade, no
proof: web cameras and some phones compress twice themselves.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from sensors.jpeg import Header

MODES: Final = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0))
"""Vertical and horizontal frequency of the coefficients looked at: those that photos have many of."""
BINS: Final = 24
FINE: Final = 8
"""Cells for each bin, in which the moved picture's coefficients are counted."""
CELLS: Final = BINS * FINE + FINE // 2
MAX_STEP: Final = 40
SPILL: Final = 0.03
"""Part of the coefficients that rounding and clipping of pixels moved elsewhere."""
NOISE: Final = (-0.35, 0.0, 0.35)
NOISE_SHARES: Final = (0.25, 0.5, 0.25)
"""What the rounding of pixels between both compressions does to a coefficient."""
BY_CHANCE: Final = 8.0
"""Nats for all of a mode's coefficients that the best of MAX_STEP tries gains where there is nothing to find."""
MIN_COUNT: Final = 500
MIN_MODES: Final = 3
MIN_BLOCKS: Final = 400
MAX_BLOCKS: Final = 3000
ROWS: Final = 160
"""Rows of pixels that are decoded, from the top: no others are cheap."""


def _basis() -> NDArray[np.float32]:
    """(64, len(MODES)): what a block of 8 x 8 pixels, row by row, is multiplied with for those coefficients."""
    places = np.arange(8)
    waves = [np.cos((2 * places + 1) * u * np.pi / 16) * (np.sqrt(1 / 8) if u == 0 else 0.5) for u in range(8)]
    return np.stack([np.outer(waves[u], waves[v]).ravel() for u, v in MODES], axis=1).astype(np.float32)


_BASIS: Final = _basis()
_PLACES: Final = [8 * u + v for u, v in MODES]


@lru_cache(maxsize=24)
def _falls(step: int) -> NDArray[np.float32]:
    """(CELLS, MAX_STEP + 1, BINS): what part of each cell falls into which bin of `step`, from 1 on, by way of each
    first step and of none (the last). What falls to 0 or beyond BINS is left out. Some 0.8 MB a step."""
    values = np.arange(CELLS) * (step / FINE)
    first = np.arange(1, MAX_STEP + 1)[:, None]
    once = np.rint(values / first) * first
    ways = [np.abs(once + noise) for noise in NOISE]
    parts = np.zeros((CELLS, MAX_STEP + 1, BINS + 2), np.float32)
    for share, way in zip(NOISE_SHARES, ways, strict=True):
        bins = np.minimum(np.rint(way / step), BINS + 1).astype(np.int64)
        np.add.at(parts, (np.arange(CELLS)[None, :], first - 1, bins), share)
    direct = np.minimum(np.rint(values / step), BINS + 1).astype(np.int64)
    parts[np.arange(CELLS), MAX_STEP, direct] = 1.0
    return np.ascontiguousarray(parts[:, :, 1 : BINS + 1])


def _gains(histogram: NDArray[np.float64], cells: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """(MAX_STEP,): by how many nats a coefficient each first step explains the histogram better than none does."""
    fallen = (cells.astype(np.float32) @ _falls(step).reshape(CELLS, -1)).reshape(MAX_STEP + 1, BINS)
    twice, once = fallen[:MAX_STEP].astype(np.float64), fallen[MAX_STEP] + 0.5
    once /= once.sum()
    twice = (1 - SPILL) * twice / np.maximum(twice.sum(axis=1, keepdims=True), 1e-9) + SPILL * once
    counts = histogram[1 : BINS + 1]
    gains: NDArray[np.float64] = np.log(twice / once) @ counts / counts.sum()
    gains[step - 1] = 0.0
    return gains


def _coefficients(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(blocks, len(MODES)) of a picture (height, width) whose blocks begin at 0, 0; of large ones not every block."""
    high, wide = luma.shape[0] // 8, luma.shape[1] // 8
    every = -(-high * wide // MAX_BLOCKS)
    chosen = luma[: high * 8, : wide * 8].reshape(high, 8, wide, 8)[:, :, ::every].transpose(0, 2, 1, 3)
    found: NDArray[np.float32] = np.abs(chosen.reshape(-1, 64).astype(np.float32) @ _BASIS)
    return found


def grade(luma: NDArray[np.uint8], steps: NDArray[np.int64]) -> float | None:
    """How much better a first compression explains luma (height, width) than none, in nats a coefficient.

    The blocks begin at 0, 0. steps: the 64 that they were quantised with, row by row. None where there are too few
    coefficients to tell.
    """
    if (luma.shape[0] // 8) * (luma.shape[1] // 8) < MIN_BLOCKS:
        return None
    chosen = steps[_PLACES]
    bins = np.rint(_coefficients(luma) / chosen).clip(0, BINS + 1).astype(np.int64)
    moved = np.rint(_coefficients(luma[4:, 4:]) * FINE / chosen).clip(0, CELLS).astype(np.int64)
    gained, counted, modes = 0.0, 0.0, 0
    for mode, step in enumerate(chosen.tolist()):
        histogram = np.bincount(bins[:, mode], minlength=BINS + 2).astype(np.float64)
        count = histogram[1 : BINS + 1].sum()
        if not 1 <= step <= MAX_STEP or count < MIN_COUNT or not histogram[4:].any():
            continue
        cells = np.bincount(moved[:, mode], minlength=CELLS + 1)[:CELLS].astype(np.float64)
        gained += max(0.0, count * float(_gains(histogram, cells, step).max()) - BY_CHANCE)
        counted, modes = counted + count, modes + 1
    return round(float(gained / counted), 5) if modes >= MIN_MODES else None


def recompression(data: bytes, header: Header) -> float | None:
    """The grade of a JPEG's upper rows, 0 for no trace; None where it cannot be told, also for a damaged file."""
    if min(header.height, header.width) < 64 or header.traits.progressive:
        return None
    if header.height > ROWS:
        # The decoder is told that the picture ends there, and reads no further.
        data = data[: header.height_at] + ROWS.to_bytes(2, "big") + data[header.height_at + 2 :]
    try:
        image = JpegImageFile(BytesIO(data))
        # A file with two frame headers is read otherwise by the decoder, which would then decode all of it.
        if image.mode not in ("L", "RGB") or image.size != (header.width, min(header.height, ROWS)):
            return None
        image.draft("L", image.size)
        upper = np.asarray(image.convert("L"))
    except OSError:
        return None
    return grade(upper, np.array(header.luma))

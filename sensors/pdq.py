"""PDQ, a 256-bit perceptual hash of a picture's coarse structure.

Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019; ThreatExchange/pdq. Written
anew in numpy: filter, decimation and DCT are linear and separable, so each axis is one small matrix and a hash is a few
matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

HASH_BYTES: Final = 32
MIN_SIDE: Final = 5
"""Below this the reference refuses to hash."""
MIN_QUALITY: Final = 50
"""Hashes of flatter pictures match by accident; the reference advises to discard them. They match nothing here."""
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
    height, width = luma.shape
    if min(height, width) < MIN_SIDE:
        return None
    grid = _shrink(height) @ np.asarray(luma, dtype=np.float32) @ _shrink(width).T
    bands = _dct() @ grid @ _dct().T
    coefficients = bands.ravel()
    median = np.partition(coefficients, coefficients.size // 2 - 1)[coefficients.size // 2 - 1]
    bits = coefficients > median
    return np.packbits(bits[::-1]).tobytes(), _quality(grid)


def distance(one: bytes, other: bytes) -> int:
    """Bits by which two hashes differ, 0–256; unrelated pictures differ by about 128."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


class PdqIndex:
    """Exact search by Hamming distance over hashes in memory: every hash is compared, so nothing is ever missed.

    Keys are the caller's own (row ids, say) and may repeat. The table in the database stays the truth.
    """

    def __init__(self) -> None:
        self._keys: list[object] = []
        self._words = np.empty((1024, 4), dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Sequence[object], hashes: Sequence[bytes]) -> None:
        """Append hashes of 32 bytes under keys; raises ValueError when the two differ in number or a hash in length."""
        if len(keys) != len(hashes):
            raise ValueError(f"{len(keys)} keys for {len(hashes)} hashes")
        if any(len(each) != HASH_BYTES for each in hashes):
            raise ValueError(f"a PDQ hash has {HASH_BYTES} bytes")
        used, needed = len(self._keys), len(self._keys) + len(keys)
        if needed > len(self._words):
            grown = np.empty((max(needed, 2 * len(self._words)), 4), dtype=np.uint64)
            grown[:used] = self._words[:used]
            self._words = grown
        self._words[used:needed] = np.frombuffer(b"".join(hashes), dtype=np.uint64).reshape(-1, 4)
        self._keys.extend(keys)

    def search(self, wanted: bytes, radius: int = MATCH_RADIUS) -> list[tuple[object, int]]:
        """Every (key, distance) with distance ≤ radius, nearest first, ties in the order of adding."""
        if len(wanted) != HASH_BYTES:
            raise ValueError(f"a PDQ hash has {HASH_BYTES} bytes")
        words = self._words[: len(self._keys)]
        differing = np.bitwise_count(words ^ np.frombuffer(wanted, dtype=np.uint64))
        distances = differing.sum(axis=1, dtype=np.uint16)
        hits = np.flatnonzero(distances <= radius)
        hits = hits[np.argsort(distances[hits], kind="stable")]
        return [(self._keys[index], int(distances[index])) for index in hits]

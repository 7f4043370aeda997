"""Search by Hamming distance over hashes in memory: a multi-index (Norouzi, Punjani & Fleet 2012) in numpy.

A hash of 256 bits is cut into 16 chunks of 16. Two hashes within 31 bits differ by at most one bit in some chunk (were
it two or more in each, they would differ by 32), so looking up each chunk's value and its 16 neighbours finds every one
of them: 272 look-ups instead of a comparison with all. Beyond 31 bits most are found, not all: of those at 40 bits
99 %, at 48 bits 97 %, if the differing bits fall independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensors.pdq import HASH_BYTES, MATCH_RADIUS

CHUNKS: Final = 16
VALUES: Final = 1 << 16
LONGEST_TAIL: Final = 65_536
"""Fresh hashes are compared one by one until there are so many, or an eighth of the sorted ones; then all are sorted.
"""

_FLIPS: Final = np.concatenate(([0], 1 << np.arange(16))).astype(np.int64)
_ROWS: Final = np.repeat(np.arange(CHUNKS), len(_FLIPS))


class _Sorted(NamedTuple):
    """The first `held` hashes ordered by each chunk: order (16, held), starts (16, 65537) of each value's run."""

    held: int
    order: NDArray[np.int32]
    starts: NDArray[np.int32]


class PdqIndex:
    """Hashes under the caller's own integer keys (row numbers, say), which may repeat. The table stays the truth.

    104 bytes a hash: 32 itself, 8 its key, 64 the order by each chunk. While one thread sorts, another may go on.
    """

    def __init__(self) -> None:
        self._used = 0
        self._keys = np.empty(1024, dtype=np.int64)
        self._hashes = np.empty((1024, 4), dtype=np.uint64)
        self._sorted = _Sorted(0, np.empty((CHUNKS, 0), np.int32), np.zeros((CHUNKS, VALUES + 1), np.int32))

    def __len__(self) -> int:
        return self._used

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays."""
        return self._keys.nbytes + self._hashes.nbytes + self._sorted.order.nbytes + self._sorted.starts.nbytes

    def add(self, keys: Sequence[int], hashes: Sequence[bytes]) -> None:
        """Append hashes of 32 bytes under keys; raises ValueError when the two differ in number or a hash in length."""
        if any(len(each) != HASH_BYTES for each in hashes):
            raise ValueError(f"a PDQ hash has {HASH_BYTES} bytes")
        self.extend(np.asarray(keys, dtype=np.int64), b"".join(hashes))

    def extend(self, keys: NDArray[np.int64], hashes: bytes) -> None:
        """Append many at once: keys (n,), hashes n × 32 bytes; raises ValueError when the two differ in number."""
        if len(keys) * HASH_BYTES != len(hashes):
            raise ValueError(f"{len(keys)} keys for {len(hashes)} bytes of hashes")
        needed = self._used + len(keys)
        if needed > len(self._keys):
            # A little room to spare only: at ten million an eighth is 50 MB.
            room = max(needed, len(self._keys) + len(self._keys) // 8 + 1024)
            self._keys = np.concatenate((self._keys[: self._used], np.empty(room - self._used, dtype=np.int64)))
            empty = np.empty((room - self._used, 4), dtype=np.uint64)
            self._hashes = np.concatenate((self._hashes[: self._used], empty))
        self._keys[self._used : needed] = keys
        self._hashes[self._used : needed] = np.frombuffer(hashes, dtype=np.uint64).reshape(-1, 4)
        self._used = needed

    def sort(self) -> None:
        """Order all hashes by each of their chunks, if enough of them are not ordered yet."""
        count = self._used
        if count - self._sorted.held <= max(LONGEST_TAIL, self._sorted.held // 8):
            return
        chunks = self._hashes[:count].view(np.uint16)
        order = np.empty((CHUNKS, count), dtype=np.int32)
        starts = np.zeros((CHUNKS, VALUES + 1), dtype=np.int32)
        for row in range(CHUNKS):
            values = np.ascontiguousarray(chunks[:, row])
            order[row] = np.argsort(values, kind="stable")  # a radix sort for 16 bits
            starts[row, 1:] = np.cumsum(np.bincount(values, minlength=VALUES))
        self._sorted = _Sorted(count, order, starts)

    def search(self, wanted: bytes, radius: int = MATCH_RADIUS) -> list[tuple[int, int]]:
        """Every (key, distance) with distance ≤ radius, nearest first, ties in the order of adding; all of them for a
        radius up to 31, nearly all above."""
        if len(wanted) != HASH_BYTES:
            raise ValueError(f"a PDQ hash has {HASH_BYTES} bytes")
        words, ordered = np.frombuffer(wanted, dtype=np.uint64), self._sorted
        at = np.arange(ordered.held, self._used)
        if ordered.held:
            at = np.concatenate((_candidates(ordered, np.frombuffer(wanted, dtype=np.uint16)), at))
        distances = np.bitwise_count(self._hashes[at] ^ words).sum(axis=1, dtype=np.int64)
        near = distances <= radius
        at, first = np.unique(at[near], return_index=True)
        distances = distances[near][first]
        order = np.argsort(distances, kind="stable")
        return list(zip(self._keys[at[order]].tolist(), distances[order].tolist(), strict=True))


def _candidates(ordered: _Sorted, chunks: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Places of all sorted hashes that share some chunk up to one bit; some come more than once."""
    values = (chunks[:, None].astype(np.int64) ^ _FLIPS).ravel()
    first, behind = ordered.starts[_ROWS, values], ordered.starts[_ROWS, values + 1]
    counts = (behind - first).astype(np.int64)
    # The 272 runs as one array of places in the flattened order: each run's start, counted up within it.
    runs = np.repeat(_ROWS * ordered.held + first - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
    return ordered.order.ravel()[runs + np.arange(len(runs))].astype(np.int64)

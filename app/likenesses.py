"""Earlier photos that one may be a part of, or the other way round: found by shared numbers, judged by their pixels.

The numbers of sensors/likeness.py lie in a table; those that a photo shares with many others say little and are passed
over, so a search costs the same however long the market's history is.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from app.db import Connection
from app.decode_pool import DecodePool
from app.media import Media, original_path
from sensors.inspection import Comparison

Row = Mapping[str, Any]

MOST_SHARERS = 300  # a number that more photos share than this is passed over
LEAST_WEIGHT = 36.0  # nats; of what a copy shares with its original, less is by accident
LEAST_HISTORY = 10_000  # photos that a shared number is taken to be rare among, however few there are yet
MOST_PARTS = 3  # candidates of one photo; the true one is among the first three in 99 of 100 cases
# A second try may look like the first, so a person's own refused tries are left out, however many; they must not stand
# in front of another's photo that is a little less alike. Of more photos than this none is looked up.
MOST_LOOKED_UP = 5_000


class _Gone(Exception):
    """The bytes of a photo are not there any more."""


class Candidate(NamedTuple):
    """An earlier photo that photo n may be: how it was found, the bits by which the hashes differ, its row.

    whole: the hashes of the whole frames are near, whatever else led to it. own: it is the same person's for the same
    task, of this submission or one that was not refused; what looks alike may be honest there: only pixels settle it.
    """

    n: int
    kind: str
    distance: int
    row: Row
    whole: bool = True
    own: bool = False


async def sharing(connection: Connection, words: Sequence[int], before: int) -> list[tuple[int, float]]:
    """(number in the table, weight) of the photos entered before `before` that share most with `words`, best first.

    They are more than MOST_PARTS: the asker's own refused tries are among them, for the caller to leave out.

    A shared number weighs the logarithm of how rare it is among all photos (Sparck Jones 1972).
    """
    if not words:
        return []
    rows = await connection.fetch(
        """SELECT w.word, p.seq FROM unnest($1::int[]) AS w (word) CROSS JOIN LATERAL (
             SELECT seq FROM photo_word p WHERE p.word = w.word AND p.seq < $2 ORDER BY p.seq DESC LIMIT $3) p""",
        list(words),
        before,
        MOST_SHARERS + 1,
    )
    sharers = Counter(row["word"] for row in rows)
    weights: dict[int, float] = defaultdict(float)
    for row in rows:
        if sharers[row["word"]] <= MOST_SHARERS:
            weights[row["seq"]] += math.log(max(before, LEAST_HISTORY) / sharers[row["word"]])
    best = sorted(weights.items(), key=lambda each: (-each[1], each[0]))[:MOST_LOOKED_UP]
    return [(seq, weight) for seq, weight in best if weight >= LEAST_WEIGHT]


async def laid_over(media: Media, pool: DecodePool, sha256: bytes, earlier: Candidate) -> Comparison | None:
    """How a photo agrees with an earlier one, by its digest; None when either's bytes are gone.

    Raises Undecodable where the two cannot be compared, as when that takes too long.
    """

    async def fetch(name: bytes) -> bytes:
        found = await media.get(original_path(name))
        if found is None:
            raise _Gone
        return found

    try:
        return await pool.alike(partial(fetch, sha256), partial(fetch, earlier.row["sha256"]), whole=earlier.whole)
    except _Gone:
        return None

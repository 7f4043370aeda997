"""Which earlier photos a photo is like: the same bytes by the table, the same picture by an index kept in the process.

The table is the truth. Its rows are written one transaction at a time, so their numbers grow in the order in which they
can be seen; of two photos that are alike, the one with the higher number is the copy, whoever looks first.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from app.db import Connection, Database
from market import ids
from market.claims import MOST_TRIES
from market.terms import MOST_PHOTOS
from sensors.duplicates import matchable
from sensors.evidence import Duplicate
from sensors.inspection import Inspection
from sensors.pdq import MIN_QUALITY, NEAR_RADIUS, PdqIndex

Row = Mapping[str, Any]

_ONE_AT_A_TIME = 0x7064715F  # an advisory lock; any number that nobody else takes
BATCH = 50_000
# What a person may show of one task, all tries together. A second attempt may look like the first, so these are passed
# over; they must not stand in front of another's photo that is a little less alike.
MOST_OWN = MOST_TRIES * MOST_PHOTOS
MOST_SHOWN = 5  # likenesses of one photo that a verdict is made from; the nearest come first


class Seen(NamedTuple):
    """One photo of a submission: its number, its bytes' digest, and what was read from it (None: unreadable)."""

    n: int
    sha256: bytes
    inspection: Inspection | None


class PhotoIndex:
    """PDQ hashes of all photos, brought up to date from the table whenever it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._index = PdqIndex()
        self._read_up_to = 0
        self._reading = asyncio.Lock()

    async def record(self, submission: UUID, task: UUID, person: UUID, seen: list[Seen]) -> dict[int, int]:
        """Enter a submission's photos, once; the number in the table of each."""
        async with self._database.statement() as connection:
            rows = await connection.fetch(
                # The lock comes before the numbers and ends with the commit, so numbers grow in the order in which
                # rows can be seen. The commit need not be on the disk yet: the verdict's will bring it there, and
                # after a crash in between the job runs again.
                """WITH turn AS MATERIALIZED (
                     SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock($8)),
                   new AS (
                     INSERT INTO photo_hash (submission_id, task_id, person_id, submitted_at, n, sha256, pdq, quality)
                     SELECT $1, $2, $3, s.submitted_at, p.n, p.sha256, p.pdq, p.quality
                     FROM turn, submission s, unnest($4::smallint[], $5::bytea[], $6::bytea[], $7::smallint[])
                       AS p (n, sha256, pdq, quality)
                     WHERE s.id = $1 ON CONFLICT (submission_id, n) DO NOTHING RETURNING n, seq)
                   SELECT n, seq FROM new UNION ALL SELECT n, seq FROM photo_hash WHERE submission_id = $1""",
                submission,
                task,
                person,
                [each.n for each in seen],
                [each.sha256 for each in seen],
                [each.inspection.pdq if each.inspection else None for each in seen],
                [each.inspection.pdq_quality if each.inspection else 0 for each in seen],
                _ONE_AT_A_TIME,
            )
        return {row["n"]: row["seq"] for row in rows}

    async def numbers(self, submission: UUID) -> dict[int, int]:
        """The number in the table of each photo of a submission that was entered before."""
        async with self._database.read() as connection:
            rows = await connection.fetch("SELECT n, seq FROM photo_hash WHERE submission_id = $1", submission)
        return {row["n"]: row["seq"] for row in rows}

    async def earlier(
        self, submission: UUID, task: UUID, person: UUID, seen: list[Seen], numbers: dict[int, int]
    ) -> list[Duplicate]:
        """Photos of other submissions entered before these, that are the same or look alike."""
        await self._catch_up()
        async with self._database.read() as connection:
            found = await self._exact(connection, submission, seen, numbers)
            found += await self._near(connection, (task, person), seen, numbers)
        best: dict[tuple[int, UUID], tuple[int, Duplicate]] = {}
        for n, distance, row in found:
            one = Duplicate(
                photo=n,
                kind="exact" if distance < 0 else "near",
                distance=max(distance, 0),
                same_person=row["person_id"] == person,
                same_task=row["task_id"] == task,
                of=ids.show("submission", row["submission_id"]),
                used_at=row["submitted_at"],
            )
            key = (n, row["submission_id"])
            if key not in best or distance < best[key][0]:
                best[key] = (distance, one)
        return [one for _, one in sorted(best.values(), key=lambda each: (each[1].photo, each[0]))]

    async def _exact(
        self, connection: Connection, submission: UUID, seen: list[Seen], numbers: dict[int, int]
    ) -> list[tuple[int, int, Row]]:
        rows = await connection.fetch(
            """SELECT mine.n, h.* FROM unnest($2::smallint[], $3::bytea[], $4::bigint[]) AS mine (n, sha256, seq)
               CROSS JOIN LATERAL (SELECT submission_id, task_id, person_id, submitted_at FROM photo_hash h
                 WHERE h.sha256 = mine.sha256 AND h.submission_id <> $1 AND h.seq < mine.seq
                 ORDER BY h.seq LIMIT $5) h""",
            submission,
            [each.n for each in seen],
            [each.sha256 for each in seen],
            [numbers[each.n] for each in seen],
            MOST_SHOWN,
        )
        return [(row["n"], -1, row) for row in rows]

    async def _near(
        self, connection: Connection, own: tuple[UUID, UUID], seen: list[Seen], numbers: dict[int, int]
    ) -> list[tuple[int, int, Row]]:
        """The most alike, but none of the same person's for the same task (`own`)."""
        hits: list[tuple[int, int, int]] = []
        for each in seen:
            if each.inspection is None or each.inspection.pdq is None or not matchable(each.inspection):
                continue
            near = [
                (each.n, distance, int(str(key)))
                for key, distance in self._index.search(each.inspection.pdq, NEAR_RADIUS)
                if int(str(key)) < numbers[each.n]
            ]
            hits += near[: MOST_SHOWN + MOST_OWN]
        if not hits:
            return []
        rows = await connection.fetch(
            """SELECT seq, submission_id, task_id, person_id, submitted_at FROM photo_hash
               WHERE seq = ANY ($1::bigint[]) AND NOT (task_id = $2 AND person_id = $3)""",
            [key for _, _, key in hits],
            *own,
        )
        by_number = {row["seq"]: row for row in rows}
        others = [(n, distance, by_number[key]) for n, distance, key in hits if key in by_number]
        return [each for one in seen for each in [hit for hit in others if hit[0] == one.n][:MOST_SHOWN]]

    async def _catch_up(self) -> None:
        async with self._reading, self._database.read() as connection:
            while True:
                rows = await connection.fetch(
                    "SELECT seq, pdq, quality FROM photo_hash WHERE seq > $1 ORDER BY seq LIMIT $2",
                    self._read_up_to,
                    BATCH,
                )
                if rows:
                    useful = [row for row in rows if row["pdq"] is not None and row["quality"] >= MIN_QUALITY]
                    self._index.add([row["seq"] for row in useful], [row["pdq"] for row in useful])
                    self._read_up_to = rows[-1]["seq"]
                if len(rows) < BATCH:
                    return

"""Which earlier photos a photo is like: the same bytes by the table, the same picture by an index kept in the process.

The table is the truth. Its rows are written one transaction at a time, so their numbers grow in the order in which they
can be seen; of two photos that are alike, the one with the higher number is the copy, whoever looks first.
"""

import asyncio
from typing import NamedTuple
from uuid import UUID

import numpy as np

from app.db import Connection, Database
from app.decode_pool import DecodePool
from app.likenesses import MOST_LOOKED_UP, MOST_PARTS, Candidate, Row, laid_over, sharing
from app.media import Media
from market import ids
from sensors.duplicates import SURELY_TURNED, searchable, settles
from sensors.evidence import Duplicate
from sensors.inspection import Comparison, Inspection, Undecodable
from sensors.pdq import LEAST_QUALITY, MATCH_RADIUS, NEAR_RADIUS
from sensors.pdq_index import PdqIndex

_ONE_AT_A_TIME = 0x7064715F  # an advisory lock; any number that nobody else takes
BATCH = 100_000
MOST_COMPARED = 4  # earlier photos that one is laid over, some 30 to 70 ms of a child's time each
MOST_OWN_COMPARED = 3  # the same for those of the same person and task
MOST_SHOWN = 5  # likenesses of one photo that a verdict is made from; the nearest come first


_Hit = tuple[str, int, int]
"""Kind of likeness, bits by which hashes differ, number in the table."""


class Seen(NamedTuple):
    """One photo of a submission: its number, its bytes' digest, and what was read from it (None: unreadable)."""

    n: int
    sha256: bytes
    inspection: Inspection | None


def _certainty(each: Candidate) -> tuple[int, int]:
    """Sorts candidates: what the hashes settle, then the turned, then those that share features, then the rest, then
    those that must not stand in front of anybody else's."""
    if each.own and each.kind != "exact":
        return 4, MATCH_RADIUS + 1 if each.kind == "part" else each.distance
    if each.kind == "exact" or (each.kind == "near" and each.distance <= MATCH_RADIUS):
        return 0, each.distance
    if each.kind == "turned" and each.distance <= SURELY_TURNED:
        return 0, each.distance
    return {"turned": 1, "part": 2, "near": 3}[each.kind], each.distance


class _Laid(NamedTuple):
    """A candidate, and how the photo agrees with it; None where they were not compared.

    undecided: they should have been, and could not.
    """

    candidate: Candidate
    compared: Comparison | None = None
    undecided: bool = False


def _shown(laid: _Laid, submitted: UUID, task: UUID, person: UUID) -> Duplicate:
    each, compared = laid.candidate, laid.compared
    submission = each.row["submission_id"]
    return Duplicate(
        photo=each.n,
        kind=each.kind,  # type: ignore[arg-type]
        distance=each.distance,
        agreement=None if compared is None else compared.agreement,
        same=compared is not None and compared.same,
        same_person=each.row["person_id"] == person,
        same_task=each.row["task_id"] == task,
        undecided=laid.undecided,
        within=each.row["n"] if submission == submitted else 0,
        of="" if submission is None else ids.show("submission", submission),
        used_at=each.row["submitted_at"],
    )


def _candidates(
    photo: Seen, hits: list[_Hit], by_number: dict[int, Row], frames: set[tuple[int, int]]
) -> list[Candidate]:
    """The first of one list of hits that may matter: so many of others, and so many of the same person and task."""
    found: list[Candidate] = []
    most = MOST_PARTS if hits and hits[0][0] == "part" else MOST_SHOWN
    left = {False: most, True: MOST_OWN_COMPARED}
    quality = photo.inspection.pdq_quality if photo.inspection is not None else 0
    for kind, distance, key in hits:
        row = by_number.get(key)
        if row is None or not left[row["own"]] or (row["own"] and row["sha256"] == photo.sha256):
            continue
        left[row["own"]] -= 1
        if not settles(quality, row["quality"]):
            kind, distance = "part", 0  # for its pixels to settle
        found.append(Candidate(photo.n, kind, distance, row, (photo.n, key) in frames, row["own"]))
    return found


class PhotoIndex:
    """PDQ hashes of all photos, brought up to date from the table whenever it is asked."""

    def __init__(self, database: Database, media: Media, decode_pool: DecodePool) -> None:
        self._database = database
        self._media, self._decode_pool = media, decode_pool
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
                     WHERE s.id = $1 ON CONFLICT (submission_id, n, sha256) DO NOTHING RETURNING n, seq),
                   words AS (
                     INSERT INTO photo_word (word, seq) SELECT w.word, new.seq
                     FROM new JOIN unnest($9::smallint[], $10::int[]) AS w (n, word) USING (n))
                   SELECT n, seq FROM new UNION ALL
                   SELECT h.n, h.seq FROM photo_hash h JOIN unnest($4::smallint[], $5::bytea[]) AS p (n, sha256)
                     ON p.n = h.n AND p.sha256 = h.sha256 WHERE h.submission_id = $1""",
                submission,
                task,
                person,
                [each.n for each in seen],
                [each.sha256 for each in seen],
                [each.inspection.pdq if each.inspection else None for each in seen],
                [each.inspection.pdq_quality if each.inspection else 0 for each in seen],
                _ONE_AT_A_TIME,
                [each.n for each in seen if each.inspection for _ in each.inspection.words],
                [word for each in seen if each.inspection for word in each.inspection.words],
            )
        return {row["n"]: row["seq"] for row in rows}

    async def numbers(self, submission: UUID, seen: list[Seen]) -> dict[int, int]:
        """The number in the table of each of these photos of a submission that was entered before."""
        async with self._database.read() as connection:
            rows = await connection.fetch(
                """SELECT h.n, h.seq FROM photo_hash h JOIN unnest($2::smallint[], $3::bytea[]) AS p (n, sha256)
                     ON p.n = h.n AND p.sha256 = h.sha256 WHERE h.submission_id = $1""",
                submission,
                [each.n for each in seen],
                [each.sha256 for each in seen],
            )
        return {row["n"]: row["seq"] for row in rows}

    async def earlier(
        self, submission: UUID, task: UUID, person: UUID, seen: list[Seen], numbers: dict[int, int]
    ) -> list[Duplicate]:
        """Photos of other submissions entered before these, that are the same, look alike, or were made of the same."""
        await self._catch_up()
        async with self._database.read() as connection:
            found = await self._exact(connection, submission, seen, numbers)
            found += await self._alike(connection, (submission, task, person), seen, numbers)
        duplicates = []
        for each in seen:
            own = sorted((one for one in found if one.n == each.n), key=_certainty)
            duplicates += [_shown(laid, submission, task, person) for laid in await self._compared(each, own)]
        return duplicates

    async def _exact(
        self, connection: Connection, submission: UUID, seen: list[Seen], numbers: dict[int, int]
    ) -> list[Candidate]:
        rows = await connection.fetch(
            """SELECT mine.n, h.* FROM unnest($2::smallint[], $3::bytea[], $4::bigint[]) AS mine (n, sha256, seq)
               CROSS JOIN LATERAL (SELECT h.seq, submission_id, task_id, person_id, submitted_at, h.sha256
                 FROM photo_hash h
                 WHERE h.sha256 = mine.sha256 AND h.submission_id IS DISTINCT FROM $1 AND h.seq < mine.seq
                 ORDER BY h.seq LIMIT $5) h""",
            submission,
            [each.n for each in seen],
            [each.sha256 for each in seen],
            [numbers[each.n] for each in seen],
            MOST_SHOWN,
        )
        return [Candidate(row["n"], "exact", 0, row) for row in rows]

    async def _alike(
        self, connection: Connection, own: tuple[UUID, UUID, UUID], seen: list[Seen], numbers: dict[int, int]
    ) -> list[Candidate]:
        """The most alike, but none of what the same person tried in vain for the same task, or has replaced.

        own: the submission, its task and its person.
        """
        lists: list[tuple[Seen, list[_Hit]]] = []
        for each in seen:
            if each.inspection is None:
                continue
            before = numbers[each.n]
            # In a thread: eight searches among ten million take longer than this process may be silent.
            lists += [(each, hits) for hits in await asyncio.to_thread(self._near, each.inspection, before)]
            for words in (each.inspection.words, each.inspection.mirrored_words):
                shared = await sharing(connection, words, before)
                lists.append((each, [("part", 0, seq) for seq, _ in shared]))
        wanted = list({key for _, hits in lists for _, _, key in hits})
        if not wanted:
            return []
        rows = await connection.fetch(
            """SELECT seq, submission_id, task_id, person_id, submitted_at, n, sha256, quality,
                 (task_id = $3 AND person_id = $4) IS TRUE AS own FROM photo_hash h
               WHERE seq = ANY ($1::bigint[]) AND ((task_id = $3 AND person_id = $4) IS NOT TRUE
                 OR NOT EXISTS (SELECT FROM submission s
                                WHERE s.id = h.submission_id AND s.status IN ('rejected', 'disputed')))
                 AND (submission_id IS DISTINCT FROM $2 OR seq = ANY ($5::bigint[]))""",
            wanted,
            *own,
            list(numbers.values()),
        )
        by_number = {row["seq"]: row for row in rows}
        frames = {(each.n, key) for each, hits in lists for kind, _, key in hits if kind != "part"}
        return [one for each, hits in lists for one in _candidates(each, hits, by_number, frames)]

    def _near(self, inspection: Inspection, before: int) -> list[list[_Hit]]:
        """What resembles the whole frame as it stands, and in each of seven turns, entered before, nearest first."""
        if inspection.pdq is None or not searchable(inspection):
            return []
        searches = [("near", inspection.pdq, NEAR_RADIUS)]
        searches += [("turned", turned, MATCH_RADIUS) for turned in inspection.turned]
        found = []
        for kind, wanted, radius in searches:
            hits = [(kind, distance, int(key)) for key, distance in self._index.search(wanted, radius)]
            found.append([hit for hit in hits if hit[2] < before][:MOST_LOOKED_UP])
        return found

    async def _compared(self, photo: Seen, candidates: list[Candidate]) -> list[_Laid]:
        """The candidates for one photo, one of a submission, the surest first; those that the hashes do not settle are
        laid over it, until one is the same picture."""
        kept: list[_Laid] = []
        known: set[int] = set()
        settled = any(_certainty(each)[0] == 0 for each in candidates)
        left = {False: MOST_COMPARED, True: MOST_OWN_COMPARED}
        for each in candidates:
            if each.row["seq"] in known or len(kept) == MOST_SHOWN:
                continue
            known.add(each.row["seq"])
            laid = _Laid(each)
            if not settled and left[each.own]:
                left[each.own] -= 1
                laid = await self._lay(photo, each)
                settled = laid.compared is not None and laid.compared.same
            elif _certainty(each)[0] != 0 and (each.own or each.kind == "part"):
                continue  # never looked at: sharing some features says nothing by itself
            kept.append(laid)
        return kept

    async def _lay(self, photo: Seen, candidate: Candidate) -> _Laid:
        try:
            return _Laid(candidate, await laid_over(self._media, self._decode_pool, photo.sha256, candidate))
        except Undecodable:
            return _Laid(candidate, undecided=True)

    async def forget_parts(self, seen: list[Seen], numbers: dict[int, int]) -> None:
        """Take the features of photos out of the table that turned out to be copies: their originals are known by the
        same, and features that many photos share are passed over."""
        words = list({word for each in seen if each.inspection for word in each.inspection.words})
        async with self._database.statement() as connection:
            await connection.execute(
                "DELETE FROM photo_word WHERE word = ANY ($1::int[]) AND seq = ANY ($2::bigint[])",
                words,
                [numbers[each.n] for each in seen],
            )

    async def warm(self) -> None:
        """Read the table from its beginning, beside whatever else this process does; who searches meanwhile waits for
        it, since an unfinished index would let copies pass."""
        await self._catch_up()

    async def _catch_up(self) -> None:
        async with self._reading:
            while await self._read_on() == BATCH:
                pass
            # Ordering ten million takes seconds; this process must show meanwhile that it lives.
            await asyncio.to_thread(self._index.sort)

    async def _read_on(self) -> int:
        """Take up the next rows of the table; how many there were. They come as three values, not as objects each."""
        async with self._database.read() as connection:
            row = await connection.fetchrow(
                """SELECT count(*) AS rows, max(seq) AS last,
                     coalesce(string_agg(int8send(seq), '' ORDER BY seq) FILTER (WHERE useful), '') AS keys,
                     coalesce(string_agg(pdq, '' ORDER BY seq) FILTER (WHERE useful), '') AS hashes
                   FROM (SELECT seq, pdq, pdq IS NOT NULL AND quality >= $3 AS useful FROM photo_hash
                         WHERE seq > $1 ORDER BY seq LIMIT $2) AS next""",
                self._read_up_to,
                BATCH,
                LEAST_QUALITY,
            )
        if row["rows"]:
            self._index.extend(np.frombuffer(row["keys"], dtype=">i8").astype(np.int64), row["hashes"])
            self._read_up_to = row["last"]
        return int(row["rows"])

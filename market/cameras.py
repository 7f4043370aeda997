"""What cameras write, learned from accepted photos: with which quantisation tables each make and model saves them.

Nobody's list is complete, and makers change theirs. What a person claims of their camera counts only against others:
whoever asks, their own photos are left out, so nobody teaches the market to believe them.
"""

from collections.abc import Iterable
from uuid import UUID

import asyncpg
import msgspec

MOST_PEOPLE = 50
"""For one camera and its tables; more would prove nothing more."""
MOST_TABLES = 200
"""For one camera. One that has more writes others each time, and nothing follows from its tables."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """What one photo says it was taken with. tables: 16 bytes for how it was saved."""

    n: int
    make: str
    model: str
    tables: bytes


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A camera as other people's accepted photos show it, tables as hex. lone: people whose tables nobody else has."""

    make: str
    model: str
    photos: int
    people: int
    lone: int
    tables: list[str]


async def note(conn: asyncpg.Connection, submission: UUID, claimed: Iterable[Claimed]) -> None:
    """Remember what a submission's photos claim until somebody decides on it. Again: nothing new.

    Nothing of one that is decided on already, nor of a person who was erased meanwhile: their row is locked, as erasing
    does first, so that one of the two comes after the other.
    """
    rows = list(claimed)
    await conn.execute(
        """WITH held AS MATERIALIZED (
             SELECT s.id FROM submission s JOIN person p ON p.id = s.person_id
             WHERE s.id = $1 AND s.status = 'checking' AND p.erased_at IS NULL FOR SHARE OF p)
           INSERT INTO photo_camera (submission_id, n, make, model, tables)
             SELECT held.id, claimed.* FROM held,
               unnest($2::smallint[], $3::text[], $4::text[], $5::bytea[]) AS claimed ON CONFLICT DO NOTHING""",
        submission, [each.n for each in rows], [each.make for each in rows], [each.model for each in rows],
        [each.tables for each in rows],
    )  # fmt: skip


async def learn(conn: asyncpg.Connection, submission: UUID, person: UUID) -> None:
    """Take over what an accepted submission's photos claim. Called with the person's ledger account locked, so that two
    of their submissions do not wait for each other crosswise."""
    await conn.execute(
        """WITH accepted AS (DELETE FROM photo_camera WHERE submission_id = $1 RETURNING make, model, tables)
           INSERT INTO camera_trait AS t (make, model, tables, person_id, photos, first_seen, last_seen)
             SELECT make, model, tables, $2, count(*), market_now(), market_now() FROM accepted a
             WHERE EXISTS (SELECT FROM camera_trait o WHERE (o.make, o.model, o.tables, o.person_id)
                 = (a.make, a.model, a.tables, $2))
               OR ((SELECT count(*) FROM camera_trait o WHERE (o.make, o.model, o.tables)
                   = (a.make, a.model, a.tables)) < $3
                 AND (SELECT count(DISTINCT o.tables) FROM camera_trait o WHERE (o.make, o.model)
                   = (a.make, a.model)) < $4)
             GROUP BY make, model, tables ORDER BY make, model, tables
           ON CONFLICT (make, model, tables, person_id) DO UPDATE
             SET photos = t.photos + excluded.photos, last_seen = excluded.last_seen""",
        submission, person, MOST_PEOPLE, MOST_TABLES,
    )  # fmt: skip


async def drop(conn: asyncpg.Connection, submission: UUID) -> None:
    """A submission was rejected: nothing is learned from it."""
    await conn.execute("DELETE FROM photo_camera WHERE submission_id = $1", submission)


async def known(conn: asyncpg.Connection, cameras: Iterable[tuple[str, str]], *, but: UUID) -> list[Known]:
    """What photos of everybody `but` one person taught about these makes and models; those never met are left out."""
    wanted = sorted(set(cameras))
    rows = await conn.fetch(
        """SELECT make, model, sum(photos)::int AS photos, count(DISTINCT person_id)::int AS people,
             (count(DISTINCT person_id) FILTER (WHERE sharing = 1))::int AS lone,
             array_agg(DISTINCT encode(tables, 'hex')) AS tables
           FROM (SELECT t.*, count(*) OVER (PARTITION BY t.make, t.model, t.tables) AS sharing
                 FROM unnest($1::text[], $2::text[]) AS w (make, model)
                   JOIN camera_trait t ON t.make = w.make AND t.model = w.model
                 WHERE t.person_id <> $3) AS others
           GROUP BY make, model ORDER BY make, model""",
        [make for make, _ in wanted], [model for _, model in wanted], but,
    )  # fmt: skip
    return [Known(**dict(row)) for row in rows]


async def forget(conn: asyncpg.Connection, person: UUID) -> None:
    """What somebody's photos claimed goes with them."""
    await conn.execute("DELETE FROM camera_trait WHERE person_id = $1", person)
    await conn.execute(
        "DELETE FROM photo_camera c USING submission s WHERE s.id = c.submission_id AND s.person_id = $1", person
    )

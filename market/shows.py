"""What a paid judge said of photos, kept so that nobody pays for an answer twice, and how often it was asked."""

from uuid import UUID

import asyncpg
import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. shows None: it does not say; confidence 0–1; steered, undecided: it is no answer to rely on."""

    shows: bool | None
    confidence: float
    reason: str
    steered: bool
    undecided: bool


async def known(conn: asyncpg.Connection, photo: bytes, question: bytes, judge: str) -> Said | None:
    """What a judge said before; photo, question: SHA-256."""
    row = await conn.fetchrow(
        """SELECT shows, confidence, reason, steered, undecided FROM shows_opinion
           WHERE photo_sha256 = $1 AND question_sha256 = $2 AND judge = $3""",
        photo, question, judge,
    )  # fmt: skip
    return None if row is None else Said(**dict(row))


async def keep(conn: asyncpg.Connection, photo: bytes, question: bytes, judge: str, said: Said) -> None:
    """Remember an answer; the first one stays, and nothing of a photo that was erased meanwhile."""
    await conn.execute(
        """INSERT INTO shows_opinion (photo_sha256, question_sha256, judge, shows, confidence, reason, steered,
               undecided)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE EXISTS (SELECT FROM photo WHERE sha256 = $1)
           ON CONFLICT DO NOTHING""",
        photo, question, judge, said.shows, said.confidence, said.reason, said.steered, said.undecided,
    )  # fmt: skip


async def count_call(conn: asyncpg.Connection, account: UUID, *, per_day: int, per_account: int) -> bool:
    """Count one call of today (UTC) for the account and for all. False: it would be one too many, so roll back."""
    # The account's row first, then the one that all share: always in this order, and the shared one held shortest.
    for whose, most in ((account, per_account), (None, per_day)):
        counted = await conn.fetchval(
            """INSERT INTO shows_call AS c (day, account_id, calls)
               SELECT (market_now() AT TIME ZONE 'UTC')::date, $1::uuid, 1 WHERE $2::int > 0
               ON CONFLICT (day, account_id) DO UPDATE SET calls = c.calls + 1 WHERE c.calls < $2 RETURNING true""",
            whose, most,
        )  # fmt: skip
        if counted is None:
            return False
    return True

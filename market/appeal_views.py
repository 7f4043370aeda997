"""Appeals and disputes as their two sides see them: neither learns who the other is, nor who has reviewed it."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import NotFound
from market.money import Money


class Statement(msgspec.Struct, frozen=True):
    """What a side has said. by: `person` or `buyer`; photos: numbers of those of the submission that it speaks of."""

    by: str
    words: str
    photos: list[int]
    said_at: datetime


class Contested(msgspec.Struct, frozen=True):
    """A contested decision. status: open · decided · withdrawn, since its person has left.

    by: who contests, `person` (a rejection) or `buyer` (an acceptance); against: whose decision, `buyer`, `market` or
    `deadline`. stage: `words` until answer_by, while both may speak, then `review`; null when it is over. bond: what
    the buyer has put at risk. award_percent: of the pay, to the person; paid: to them in all, of it and of the bond;
    owed: what the buyer has not had yet, paid as soon as they have it.
    """

    id: str
    submission_id: str
    task_id: str
    status: str
    by: str
    against: str
    failed_check: str | None
    reason_code: str | None
    comment: str
    stage: str | None
    opened_at: datetime
    answer_by: datetime
    decide_by: datetime
    bond: Money
    statements: list[Statement]
    decided_at: datetime | None
    award_percent: int | None
    reason: str | None
    paid: Money | None
    owed: Money


# SQL: what both sides of appeal `a` have said, in its order, as JSON.
STATEMENTS = """(SELECT coalesce(jsonb_agg(jsonb_build_object('by', w.side, 'words', w.words, 'photos', w.photos,
    'said_at', w.said_at) ORDER BY w.said_at, w.side, w.n), '[]') FROM appeal_statement w WHERE w.appeal_id = a.id)"""
_SELECT = f"""SELECT a.*, t.currency, {STATEMENTS} AS statements,
    CASE WHEN a.status = 'open' THEN CASE WHEN a.answer_by > market_now() THEN 'words' ELSE 'review' END END AS stage
  FROM appeal a JOIN task t ON t.id = a.task_id
  WHERE (a.account_id = $1 OR a.person_id = $2)"""


async def get(
    conn: asyncpg.Connection, appeal: str, *, account: UUID | None = None, person: UUID | None = None
) -> Contested:
    """One that the account or the person has a part in. Raises NotFound."""
    row = await conn.fetchrow(f"{_SELECT} AND a.id = $3", account, person, ids.read("appeal", appeal))
    if row is None:
        raise NotFound("There is no such dispute.")
    return _show(row)


async def listed(
    conn: asyncpg.Connection, *, account: UUID | None = None, person: UUID | None = None, before: str | None, limit: int
) -> list[Contested]:
    """Those that the account or the person has a part in, newest first."""
    rows = await conn.fetch(
        f"{_SELECT} AND ($3::uuid IS NULL OR a.id < $3) ORDER BY a.id DESC LIMIT $4",
        account, person, before and ids.read("appeal", before), limit,
    )  # fmt: skip
    return [_show(row) for row in rows]


def _show(row: asyncpg.Record) -> Contested:
    currency = row["currency"]
    return Contested(
        ids.show("appeal", row["id"]), ids.show("submission", row["submission_id"]), ids.show("task", row["task_id"]),
        row["status"], row["side"], row["against"], row["failed_check"], row["reason_code"], row["comment"],
        row["stage"], row["opened_at"], row["answer_by"], row["decide_by"], Money(row["bond"], currency),
        msgspec.convert(row["statements"], list[Statement]), row["decided_at"], row["award_percent"], row["reason"],
        None if row["paid"] is None else Money(row["paid"], currency),
        Money(0 if row["collected_at"] is not None else row["owed"], currency),
    )  # fmt: skip

"""What people have earned: pending for the hold window, then payable, then paid."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, ledger
from market.money import Money


class Line(msgspec.Struct, frozen=True):
    """One accepted submission's pay. status: pending · released: in the next payout, or held · paid: sent."""

    submission_id: str
    title: str
    amount: Money
    status: str
    created_at: datetime
    release_at: datetime


class Sums(msgspec.Struct, frozen=True):
    """One currency. pending: in the hold window · payable: in the next payout · held: by an operator · paid: sent."""

    pending: Money
    payable: Money
    held: Money
    paid: Money


class Earnings(msgspec.Struct, frozen=True):
    """What a person has earned, in each currency, and their latest lines in any. The four sums at the top repeat the
    first of `by_currency`. next_payout_at: when the next pending line is released.
    """

    pending: Money
    payable: Money
    held: Money
    paid: Money
    by_currency: list[Sums]
    next_payout_at: datetime | None
    lines: list[Line]


async def of_person(conn: asyncpg.Connection, person: UUID, *, limit: int = 50) -> Earnings:
    """A person's balances and latest lines. The first currency is US dollars when there are any, or nothing at all."""
    earned = await conn.fetch(
        """SELECT currency, sum(amount)::bigint AS amount FROM earning WHERE person_id = $1
           GROUP BY currency ORDER BY currency <> 'usd', currency""",
        person,
    )
    sums = [await _sums(conn, person, row["currency"], row["amount"]) for row in earned]
    rows = await conn.fetch(
        # A payout takes all that is payable, so what was released first was paid first.
        """WITH lines AS (
             SELECT e.*, sum(amount) OVER (PARTITION BY currency, released_at IS NULL
                                           ORDER BY released_at, submission_id) AS up_to
             FROM earning e WHERE person_id = $1)
           SELECT e.*, t.title FROM lines e JOIN submission s ON s.id = e.submission_id
             JOIN task t ON t.id = s.task_id
           ORDER BY e.submission_id DESC LIMIT $2""",
        person, limit,
    )  # fmt: skip
    # Only what has arrived: a transfer under way may yet come back.
    arrived = await conn.fetch(
        """SELECT currency, sum(amount)::bigint AS amount FROM payout
           WHERE person_id = $1 AND status = 'paid' GROUP BY currency""",
        person,
    )
    paid = {row["currency"]: row["amount"] for row in arrived}
    upcoming = await conn.fetchval(
        "SELECT min(release_at) FROM earning WHERE person_id = $1 AND released_at IS NULL", person
    )
    first = sums[0] if sums else await _sums(conn, person, "usd", 0)
    return Earnings(
        first.pending, first.payable, first.held, first.paid, sums or [first], upcoming,
        [
            Line(
                ids.show("submission", row["submission_id"]), row["title"], Money(row["amount"], row["currency"]),
                _status(row, paid), row["created_at"], row["release_at"],
            )
            for row in rows
        ],
    )  # fmt: skip


def _status(row: asyncpg.Record, paid: dict[str, int]) -> str:
    if row["released_at"] is None:
        return "pending"
    return "paid" if row["up_to"] <= paid.get(row["currency"], 0) else "released"


async def _sums(conn: asyncpg.Connection, person: UUID, currency: str, earned: int) -> Sums:
    pending, payable, held = await ledger.balances(
        conn, [ledger.person(person, part) for part in ("pending", "payable", "held")], currency
    )
    # Whatever was earned and is with us no more has been sent.
    paid = earned - pending - payable - held
    return Sums(Money(pending, currency), Money(payable, currency), Money(held, currency), Money(paid, currency))


async def release_due(conn: asyncpg.Connection, limit: int = 200) -> int:
    """Make payable what has been pending for the hold window; how many lines."""
    due = await conn.fetch(
        """UPDATE earning SET released_at = market_now() WHERE submission_id IN (
             SELECT submission_id FROM earning WHERE released_at IS NULL AND release_at <= market_now()
             ORDER BY submission_id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) RETURNING *""",
        limit,
    )
    parts = "pending", "payable"
    await ledger.lock(conn, {(ledger.person(row["person_id"], part), row["currency"]) for row in due for part in parts})
    for row in due:
        await ledger.post(
            conn, "earning.release", f"release:{row['submission_id']}",
            [
                (ledger.person(row["person_id"], "pending"), row["amount"]),
                (ledger.person(row["person_id"], "payable"), -row["amount"]),
            ],
            currency=row["currency"], actor="market", subject=("submission", row["submission_id"]),
        )  # fmt: skip
        await events.append(
            conn, "earning.released", ("submission", row["submission_id"]), "market", person=row["person_id"],
            data={"amount": row["amount"], "currency": row["currency"]},
        )  # fmt: skip
    return len(due)

"""From a person's account at Stripe to their bank: no money of ours any more, but they ask us where it is.

Stripe pays what has come together there, so one payment to a bank may hold several of our payouts.
"""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import events
from market.money import Money

ACTOR = "stripe"
# Where a payment can go from each status. A bank may send back what was paid, days later; nothing else leaves an end.
MOVES: dict[str, tuple[str, ...]] = {
    "pending": ("in_transit", "paid", "failed", "canceled"),
    "in_transit": ("paid", "failed", "canceled"),
    "paid": ("failed",),
    "failed": (),
    "canceled": (),
}


class Seen(msgspec.Struct, frozen=True):
    """A payment as Stripe has it. Minor units; failure: Stripe's code, '' for none."""

    stripe_id: str
    amount: int
    currency: str
    status: str
    failure: str
    arrives_at: datetime
    created_at: datetime


class BankPayout(msgspec.Struct, frozen=True):
    """A payment from somebody's account at Stripe to their bank.

    status: pending · in_transit · paid · failed: the bank sent it back, `failure` says why, and the money is in the
    account at Stripe again · canceled. arrives_at: when Stripe expects it there.
    """

    id: str
    amount: Money
    status: str
    failure: str | None
    arrives_at: datetime | None
    created_at: datetime


async def saw(conn: asyncpg.Connection, account: str, seen: Seen) -> UUID | None:
    """Keep what Stripe says of a payment of the connected account; the person, if it has failed by that, else None.

    What has ended stays so, but for a payment that a bank sends back after all. An account that is not one of ours is
    passed over.
    """
    person: UUID | None = await conn.fetchval("SELECT person_id FROM payout_account WHERE stripe_id = $1", account)
    if person is None or seen.status not in MOVES:
        return None
    made = await conn.fetchval(
        """INSERT INTO bank_payout (stripe_id, person_id, amount, currency, status, failure, arrives_at, created_at)
           VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8) ON CONFLICT (stripe_id) DO NOTHING RETURNING true""",
        seen.stripe_id, person, seen.amount, seen.currency, seen.status, seen.failure, seen.arrives_at,
        seen.created_at,
    )  # fmt: skip
    if made is None and not await _moved(conn, person, seen):
        return None
    if seen.status not in ("paid", "failed"):
        return None
    data = {"bank_payout": seen.stripe_id, "amount": seen.amount, "currency": seen.currency}
    if seen.status == "failed":
        data["failure"] = seen.failure
    await events.append(conn, f"bank_payout.{seen.status}", ("person", person), ACTOR, person=person, data=data)
    return person if seen.status == "failed" else None


async def _moved(conn: asyncpg.Connection, person: UUID, seen: Seen) -> bool:
    """Whether the row went on to this status; dates may shift without that."""
    status = await conn.fetchval(
        "SELECT status FROM bank_payout WHERE stripe_id = $1 AND person_id = $2 FOR NO KEY UPDATE",
        seen.stripe_id, person,
    )  # fmt: skip
    if status is None or (seen.status != status and seen.status not in MOVES[status]):
        return False
    await conn.execute(
        """UPDATE bank_payout SET status = $2, failure = nullif($3, ''), arrives_at = $4, changed_at = market_now()
           WHERE stripe_id = $1""",
        seen.stripe_id, seen.status, seen.failure, seen.arrives_at,
    )  # fmt: skip
    return bool(status != seen.status)


async def of_person(conn: asyncpg.Connection, person: UUID, *, limit: int) -> list[BankPayout]:
    """A person's latest payments to their bank, newest first."""
    rows = await conn.fetch(
        "SELECT * FROM bank_payout WHERE person_id = $1 ORDER BY created_at DESC, stripe_id DESC LIMIT $2",
        person, limit,
    )  # fmt: skip
    return [
        BankPayout(
            row["stripe_id"], Money(row["amount"], row["currency"]), row["status"], row["failure"], row["arrives_at"],
            row["created_at"],
        )
        for row in rows
    ]  # fmt: skip

"""Automatic top-ups: a saved card is charged when the balance falls below a threshold, up to a sum a day.

The day (UTC) counts what was asked for in it, whether it has arrived or not, and what was asked for earlier and is
still under way or has arrived in it: no day brings more than its cap, whatever waits in between. The row of
`auto_top_up` is locked while that is decided; the database allows one pending automatic funding an account. None begins
while a bank disputes or suspects a payment of the account: the card may not be the owner's.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import cards, events, funding, ids
from market.errors import Invalid, NotFound
from market.funding import Method
from market.keys import Actor
from market.money import LARGEST, Money

Amount = Annotated[int, msgspec.Meta(ge=1, le=LARGEST, description="minor units of the account's currency")]
ACTOR = "market"


class TopUpDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Below `threshold`, `amount` is charged to `card`; never more than `max_per_day` in a UTC day. Minor units."""

    threshold: Annotated[int, msgspec.Meta(ge=0, le=LARGEST, description="minor units", examples=[2_000])]
    amount: Annotated[Amount, msgspec.Meta(examples=[5_000])]
    max_per_day: Annotated[int, msgspec.Meta(ge=1, le=LARGEST * 100, description="minor units", examples=[10_000])]
    card: Method


class TopUp(msgspec.Struct, frozen=True):
    """The account's automatic top-ups. `paused_for`: why they have stopped by themselves: the card's answer, or
    `card_removed`, `refunded`, `disputed`, `fraud_warning`; setting them again goes on, of the last two when the bank's
    case is over. `asked_today`: what counts against `max_per_day`."""

    threshold: int
    amount: int
    max_per_day: int
    currency: str
    card: str
    paused_for: str | None
    asked_today: int
    updated_at: datetime


# What counts against the day of the account's automatic top-ups.
_TODAY = """(SELECT coalesce(sum(f.amount), 0)::bigint FROM funding f
  WHERE f.account_id = t.account_id AND f.cause = 'auto' AND (f.status = 'pending'
    OR f.created_at >= date_trunc('day', market_now(), 'utc')
    OR f.status = 'succeeded' AND f.settled_at >= date_trunc('day', market_now(), 'utc')))"""
# Why none may begin, whatever the owner says: a payment of theirs is under dispute or suspected.
_SUSPECT = """CASE
  WHEN EXISTS (SELECT FROM dispute d WHERE d.account_id = {account} AND d.closed_at IS NULL) THEN 'disputed'
  WHEN EXISTS (SELECT FROM fraud_warning w WHERE w.account_id = {account} AND w.status = 'open') THEN 'fraud_warning'
  END"""
# Whether it is time for one.
_DUE = f"""t.paused_for IS NULL AND {_SUSPECT.format(account="t.account_id")} IS NULL AND NOT money_stopped('charge')
  AND coalesce((SELECT -l.posted FROM ledger_account l
                WHERE l.code = 'buyer:' || t.account_id || ':available' AND l.currency = a.currency), 0) < t.threshold
  AND NOT EXISTS (SELECT FROM funding f WHERE f.account_id = t.account_id AND f.cause = 'auto' AND f.status = 'pending')
  AND NOT EXISTS (SELECT FROM account_hold h WHERE h.account_id = t.account_id
                    AND (h.expires_at IS NULL OR h.expires_at > market_now()))
  AND {_TODAY} + t.amount <= t.max_per_day"""


async def get(conn: asyncpg.Connection, account: UUID) -> TopUp:
    """The account's automatic top-ups. Raises NotFound."""
    row = await conn.fetchrow(
        f"""SELECT t.*, a.currency, {_TODAY} AS today FROM auto_top_up t JOIN account a ON a.id = t.account_id
            WHERE t.account_id = $1""",
        account,
    )  # fmt: skip
    if row is None:
        raise NotFound("Automatic top-ups are off.")
    return TopUp(
        row["threshold"], row["amount"], row["max_per_day"], row["currency"], row["card"], row["paused_for"],
        row["today"], row["updated_at"],
    )  # fmt: skip


async def put(conn: asyncpg.Connection, actor: Actor, draft: TopUpDraft) -> TopUp:
    """Turn them on, change them, or go on after a pause, if no bank disputes or suspects a payment. Raises Invalid."""
    funding.require_enough(draft.amount, actor.currency, "/amount")
    if draft.max_per_day < draft.amount:
        raise Invalid("Less than one top-up a day: `max_per_day` is below `amount`.", pointer="/max_per_day")
    try:
        await cards.lock(conn, actor.owner, draft.card)
    except NotFound:
        raise Invalid("This account has no such card: see GET /v1/cards.", pointer="/card") from None
    await conn.execute(
        f"""INSERT INTO auto_top_up (account_id, card, threshold, amount, max_per_day, paused_for)
              VALUES ($1, $2, $3, $4, $5, {_SUSPECT.format(account="$1")})
            ON CONFLICT (account_id) DO UPDATE SET card = excluded.card, threshold = excluded.threshold,
              amount = excluded.amount, max_per_day = excluded.max_per_day, paused_for = excluded.paused_for,
              updated_at = market_now()""",
        actor.owner, draft.card, draft.threshold, draft.amount, draft.max_per_day,
    )  # fmt: skip
    await events.append(
        conn, "auto_top_up.set", ("account", actor.owner), actor.name, account=actor.owner,
        data={"threshold": draft.threshold, "amount": draft.amount, "max_per_day": draft.max_per_day},
    )  # fmt: skip
    return await get(conn, actor.owner)


async def drop(conn: asyncpg.Connection, actor: Actor) -> None:
    """Turn them off; one that is under way may still arrive. Raises NotFound when they are off."""
    if not await conn.fetchval("DELETE FROM auto_top_up WHERE account_id = $1 RETURNING true", actor.owner):
        raise NotFound("Automatic top-ups are off.")
    await events.append(conn, "auto_top_up.off", ("account", actor.owner), actor.name, account=actor.owner)


async def due(conn: asyncpg.Connection, limit: int) -> list[UUID]:
    """Accounts that it is time for."""
    rows = await conn.fetch(
        f"""SELECT t.account_id FROM auto_top_up t JOIN account a ON a.id = t.account_id WHERE {_DUE}
            ORDER BY t.account_id LIMIT $1""",
        limit,
    )  # fmt: skip
    return [row["account_id"] for row in rows]


async def begin(conn: asyncpg.Connection, account: UUID) -> tuple[UUID, UUID] | None:
    """A pending funding and the operation that charges the card, if it is time for one; None if it is not."""
    if not await conn.fetchval("SELECT true FROM auto_top_up WHERE account_id = $1 FOR NO KEY UPDATE", account):
        return None
    # Looked at in a statement of its own: the first one's snapshot may be older than the lock.
    row = await conn.fetchrow(
        f"""SELECT t.amount, t.card, a.currency FROM auto_top_up t JOIN account a ON a.id = t.account_id
            WHERE t.account_id = $1 AND {_DUE}""",
        account,
    )  # fmt: skip
    if row is None:
        return None
    return await funding.ask(
        conn, account, row["amount"], row["currency"], by=ACTOR, method=row["card"], cause="auto"
    )  # fmt: skip


async def pause(conn: asyncpg.Connection, funded: UUID, code: str) -> bool:
    """The card was refused for an automatic top-up: no more until they are set again. False for any other funding."""
    account = await conn.fetchval("SELECT account_id FROM funding WHERE id = $1 AND cause = 'auto'", funded)
    if account is None:
        return False
    await conn.execute("UPDATE auto_top_up SET paused_for = $2 WHERE account_id = $1", account, code)
    return True


async def suspect(conn: asyncpg.Connection, account: UUID, why: str) -> bool:
    """A bank disputes or suspects a payment of the account: no more until they are set again, after that is over.

    why: disputed | fraud_warning. False where they are off, or paused already.
    """
    if not await conn.fetchval(
        "UPDATE auto_top_up SET paused_for = $2 WHERE account_id = $1 AND paused_for IS NULL RETURNING true",
        account, why,
    ):  # fmt: skip
        return False
    await events.append(
        conn, "auto_top_up.paused", ("account", account), ACTOR, account=account, data={"failure": why}
    )  # fmt: skip
    return True


class Refused(msgspec.Struct, frozen=True):
    """An automatic top-up that was refused, whom to write to, and where the amount can be paid instead."""

    email: str
    name: str
    amount: Money
    failure: str
    card: str
    page: UUID
    op: UUID


async def hand_over(conn: asyncpg.Connection, funded: UUID) -> Refused | None:
    """A page where the account's owner can pay what an automatic top-up could not get. None: that was done before."""
    row = await conn.fetchrow(
        """SELECT f.*, a.email, a.name, coalesce(c.brand || ' ' || c.last4, f.method) AS card
           FROM funding f JOIN account a ON a.id = f.account_id LEFT JOIN saved_card c ON c.stripe_id = f.method
           WHERE f.id = $1 AND f.cause = 'auto' AND f.status = 'failed' FOR NO KEY UPDATE OF f""",
        funded,
    )
    told = await conn.fetchval(
        "SELECT true FROM event WHERE subject_id = $1 AND type IN ('funding.needs_owner', 'auto_top_up.paused')", funded
    )
    if row is None or told:
        return None
    page, op = await funding.ask(conn, row["account_id"], row["amount"], row["currency"], by=ACTOR)
    wanted = row["failure"] == "authentication_required"
    await events.append(
        conn, "funding.needs_owner" if wanted else "auto_top_up.paused", ("funding", funded), ACTOR,
        account=row["account_id"], data={"failure": row["failure"], "pay_by": ids.show("funding", page)},
    )  # fmt: skip
    return Refused(
        row["email"], row["name"], Money(row["amount"], row["currency"]), row["failure"], row["card"], page, op
    )  # fmt: skip

"""Money from buyers: asked for here, credited only when Stripe's own books say that it has arrived."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, ledger, stripe_balance, stripe_ops
from market.errors import Invalid, NotFound
from market.keys import Actor
from market.money import Money, Price

ACTOR = "stripe"
Method = Annotated[
    str,
    msgspec.Meta(
        pattern="^pm_[A-Za-z0-9_]{1,100}$(?!\\n)",
        description="A payment method of Stripe's, pm_…",
        examples=["pm_card_visa"],
    ),
]
# The least that Stripe charges, in minor units (docs.stripe.com/currencies); where it names none, it decides itself.
SMALLEST = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "sek": 300, "jpy": 50, "huf": 17_500}


class FundingDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An amount to be added. With `payment_method` that card is charged; without, a person pays at `checkout_url`."""

    amount: Price
    payment_method: Method | None = None


class Funding(msgspec.Struct, frozen=True):
    """pending | succeeded | failed | expired. `failure` is the card's answer when it was declined; `by_checkout`:
    somebody pays on a page of Stripe's, which exists once `stripe_url` is there."""

    id: str
    status: str
    amount: Money
    by_checkout: bool
    stripe_url: str | None
    failure: str | None
    created_at: datetime
    settled_at: datetime | None


class Mismatch(Exception):
    """What arrived is not what was asked for; nothing is posted until somebody has looked."""


async def begin(conn: asyncpg.Connection, actor: Actor, draft: FundingDraft) -> tuple[UUID, UUID]:
    """A pending funding and the operation that asks Stripe for it: (funding, operation). The balance does not move."""
    if draft.amount.currency != actor.currency:
        raise Invalid(f"This account keeps {actor.currency}.", pointer="/amount/currency")
    least = SMALLEST.get(draft.amount.currency, 1)
    if draft.amount.amount < least:
        raise Invalid(
            f"Stripe charges no less than {least} {draft.amount.currency} (minor units).", pointer="/amount/amount"
        )
    funding = ids.new()
    await conn.execute(
        "INSERT INTO funding (id, account_id, amount, currency, method) VALUES ($1, $2, $3, $4, $5)",
        funding, actor.owner, draft.amount.amount, draft.amount.currency, draft.payment_method,
    )  # fmt: skip
    params = {"account": str(actor.owner), "amount": draft.amount.amount, "currency": draft.amount.currency}
    if draft.payment_method is not None:
        op = await stripe_ops.plan(conn, "charge", funding, {**params, "method": draft.payment_method})
    else:
        op = await stripe_ops.plan(conn, "checkout", funding, params)
    await events.append(conn, "funding.asked", ("funding", funding), actor.name, account=actor.owner)
    return funding, op


async def get(conn: asyncpg.Connection, funding: UUID, account: UUID | None = None) -> Funding:
    """A funding by id; with `account` only that account's. Raises NotFound."""
    row = await conn.fetchrow(
        "SELECT * FROM funding WHERE id = $1 AND ($2::uuid IS NULL OR account_id = $2)", funding, account
    )
    if row is None:
        raise NotFound("There is no funding with this id.")
    return _shown(row)


async def pending(conn: asyncpg.Connection, account: UUID) -> int:
    """What has been asked for and neither arrived nor failed, in minor units."""
    asked: int = await conn.fetchval(
        "SELECT coalesce(sum(amount), 0)::bigint FROM funding WHERE account_id = $1 AND status = 'pending'", account
    )
    return asked


async def listed(conn: asyncpg.Connection, account: UUID, *, before: UUID | None, limit: int) -> list[Funding]:
    """An account's fundings, newest first."""
    rows = await conn.fetch(
        "SELECT * FROM funding WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        account, before, limit,
    )  # fmt: skip
    return [_shown(row) for row in rows]


def _shown(row: asyncpg.Record) -> Funding:
    return Funding(
        ids.show("funding", row["id"]),
        row["status"],
        Money(row["amount"], row["currency"]),
        row["method"] is None,
        row["checkout_url"],
        row["failure"],
        row["created_at"],
        row["settled_at"],
    )


async def customer(conn: asyncpg.Connection, account: UUID) -> str | None:
    """The account's customer at Stripe."""
    found: str | None = await conn.fetchval("SELECT stripe_id FROM customer WHERE account_id = $1", account)
    return found


async def keep_customer(conn: asyncpg.Connection, account: UUID, stripe_id: str) -> None:
    """The account is known to Stripe under this id from now on."""
    await conn.execute("INSERT INTO customer VALUES ($1, $2) ON CONFLICT (account_id) DO NOTHING", account, stripe_id)


async def contact(conn: asyncpg.Connection, account: UUID) -> tuple[str, str]:
    """(email, name) of an account, for Stripe."""
    row = await conn.fetchrow("SELECT email, name FROM account WHERE id = $1", account)
    return row["email"], row["name"]


async def set_checkout(conn: asyncpg.Connection, funding: UUID, checkout_id: str, url: str) -> None:
    """Where the buyer pays."""
    await conn.execute(
        "UPDATE funding SET checkout_id = $2, checkout_url = $3 WHERE id = $1", funding, checkout_id, url
    )


async def of_checkout(conn: asyncpg.Connection, checkout_id: str) -> UUID | None:
    """The funding behind a checkout page; None for a page that is not ours."""
    found: UUID | None = await conn.fetchval("SELECT id FROM funding WHERE checkout_id = $1", checkout_id)
    return found


async def credit(
    conn: asyncpg.Connection, funding: UUID, intent_id: str, amount: int, line: stripe_balance.BalanceLine
) -> bool:
    """pending | failed | expired -> succeeded: the money is in Stripe's balance, so it is the buyer's. False: it was.

    `line` is the charge's balance transaction, from which the fee is read. Raises Mismatch for another amount.
    """
    row = await conn.fetchrow(
        """UPDATE funding SET status = 'succeeded', intent_id = $2, fee = $3, failure = NULL, settled_at = market_now()
           WHERE id = $1 AND status <> 'succeeded' RETURNING *""",
        funding, intent_id, line.fee,
    )  # fmt: skip
    if row is None:
        # No row at all: another installation's, on the same Stripe account.
        known = await conn.fetchval("SELECT intent_id FROM funding WHERE id = $1", funding)
        if known not in (None, intent_id):
            raise Mismatch(f"funding {funding} was paid by {known}, and now by {intent_id} too")
        return False
    if (amount, line.amount, line.currency) != (row["amount"], row["amount"], row["currency"]):
        raise Mismatch(f"{intent_id} brings {line.amount} {line.currency} for {row['amount']} {row['currency']}")
    key = f"fund:{funding}"
    counter = await stripe_balance.counter(conn, line)
    await ledger.post(
        conn, "funding", key,
        [(counter, line.net), (ledger.FEES, line.fee), (ledger.buyer(row["account_id"]), -row["amount"])],
        currency=row["currency"], actor=ACTOR, subject=("funding", funding), meta={"intent": intent_id, "txn": line.id},
    )  # fmt: skip
    await stripe_balance.mirror(conn, line, key)
    await events.append(
        conn, "funding.succeeded", ("funding", funding), ACTOR, account=row["account_id"],
        data={"amount": row["amount"], "currency": row["currency"]},
    )  # fmt: skip
    return True


async def fail(conn: asyncpg.Connection, funding: UUID, code: str) -> bool:
    """pending -> failed: the card was declined. False when the funding has ended before."""
    return await _end(conn, funding, "failed", code)


async def expire(conn: asyncpg.Connection, funding: UUID) -> bool:
    """pending -> expired: nobody paid in time. False when the funding has ended before."""
    return await _end(conn, funding, "expired", None)


async def _end(conn: asyncpg.Connection, funding: UUID, status: str, failure: str | None) -> bool:
    account = await conn.fetchval(
        """UPDATE funding SET status = $2::funding_status, failure = $3, settled_at = market_now()
           WHERE id = $1 AND status = 'pending' RETURNING account_id""",
        funding, status, failure,
    )  # fmt: skip
    if account is None:
        return False
    data = {"failure": failure} if failure else {}
    await events.append(conn, f"funding.{status}", ("funding", funding), ACTOR, account=account, data=data)
    return True

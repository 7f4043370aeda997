"""Money from buyers: asked for here, credited only when Stripe's own books say that it has arrived."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import cards, events, ids, ledger, stripe_balance, stripe_ops
from market.errors import Invalid, NotFound, Stopped
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


# Beside cards: what a bank takes days for, by the currencies that it is for. Each can be kept for later payments.
SLOW = {"us_bank_account": ("usd",), "sepa_debit": ("eur",), "bacs_debit": ("gbp",), "acss_debit": ("usd",)}
PayBy = Literal["card", "us_bank_account", "sepa_debit", "bacs_debit", "acss_debit"]
Cause = Literal["asked", "auto"]


class FundingDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An amount to be added. With `payment_method` that card is charged; without, a person pays at `checkout_url`, by
    one of `methods`: cards unless said otherwise, which is at once; a bank takes days."""

    amount: Price
    payment_method: Method | None = None
    methods: Annotated[list[PayBy], msgspec.Meta(min_length=1, max_length=5)] | None = None


class Funding(msgspec.Struct, frozen=True):
    """pending | processing | succeeded | failed | expired. processing: paid, and the bank takes days. `failure` is the
    card's answer when it was declined; `by_checkout`: somebody pays on a page of Stripe's, which exists once
    `stripe_url` is there. `refunded`: on its way back or gone back to where it came from."""

    id: str
    status: str
    amount: Money
    cause: str
    by_checkout: bool
    stripe_url: str | None
    failure: str | None
    paid_with: str
    refunded: Money
    created_at: datetime
    settled_at: datetime | None


class Mismatch(Exception):
    """What arrived is not what was asked for; nothing is posted until somebody has looked."""


async def begin(conn: asyncpg.Connection, actor: Actor, draft: FundingDraft) -> tuple[UUID, UUID]:
    """A pending funding and the operation that asks Stripe for it: (funding, operation). The balance does not move.

    Raises Invalid; Stopped while operators have stopped top-ups. What is pending by then waits, and goes on afterwards.
    """
    if await conn.fetchval("SELECT money_stopped('charge')"):
        raise Stopped("Top-ups are stopped by an operator for now; this one has not been asked for.")
    currency = draft.amount.currency
    if currency != actor.currency:
        raise Invalid(f"This account keeps {actor.currency}.", pointer="/amount/currency")
    require_enough(draft.amount.amount, currency, "/amount/amount")
    for n, method in enumerate(draft.methods or ()):
        if draft.payment_method is not None:
            raise Invalid("`methods` are for a page where somebody pays; this charges a card.", pointer="/methods")
        if currency not in SLOW.get(method, (currency,)):
            raise Invalid(f"{method} pays in {', '.join(SLOW[method])}, not in {currency}.", pointer=f"/methods/{n}")
    if draft.payment_method is not None and not await cards.may_charge(conn, actor.owner, draft.payment_method):
        raise Invalid("This account has no such card.", pointer="/payment_method")
    return await ask(
        conn, actor.owner, draft.amount.amount, currency, by=actor.name, method=draft.payment_method,
        methods=list(dict.fromkeys(draft.methods or ())),
    )  # fmt: skip


def require_enough(amount: int, currency: str, pointer: str) -> None:
    """Raises Invalid for less than Stripe charges."""
    least = SMALLEST.get(currency, 1)
    if amount < least:
        raise Invalid(f"Stripe charges no less than {least} {currency} (minor units).", pointer=pointer)


async def ask(
    conn: asyncpg.Connection,
    account: UUID,
    amount: int,
    currency: str,
    *,
    by: str,
    method: str | None = None,
    methods: Sequence[str] = (),
    cause: Cause = "asked",
    funding: UUID | None = None,
) -> tuple[UUID, UUID]:
    """A pending funding, by the card `method` or by a page that takes `methods`: (funding, operation)."""
    funding = funding or ids.new()
    await conn.execute(
        "INSERT INTO funding (id, account_id, amount, currency, method, cause) VALUES ($1, $2, $3, $4, $5, $6)",
        funding, account, amount, currency, method, cause,
    )  # fmt: skip
    params: dict[str, Any] = {"account": str(account), "amount": amount, "currency": currency}
    if method is not None:
        op = await stripe_ops.plan(conn, "charge", funding, {**params, "method": method})
    else:
        op = await stripe_ops.plan(conn, "checkout", funding, {**params, **({"methods": methods} if methods else {})})
    await events.append(conn, "funding.asked", ("funding", funding), by, account=account, data={"cause": cause})
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
        "processing" if row["status"] == "pending" and row["processing_at"] is not None else row["status"],
        Money(row["amount"], row["currency"]),
        row["cause"],
        row["method"] is None,
        row["checkout_url"],
        row["failure"],
        row["paid_with"],
        Money(row["refunded"], row["currency"]),
        row["created_at"],
        row["settled_at"],
    )


async def customer(conn: asyncpg.Connection, account: UUID) -> str | None:
    """The account's customer at Stripe."""
    found: str | None = await conn.fetchval("SELECT stripe_id FROM customer WHERE account_id = $1", account)
    return found


async def owner(conn: asyncpg.Connection, funding: UUID) -> UUID:
    """The account that a funding is for. Raises NotFound."""
    found: UUID | None = await conn.fetchval("SELECT account_id FROM funding WHERE id = $1", funding)
    if found is None:
        raise NotFound("There is no funding with this id.")
    return found


async def of_customer(conn: asyncpg.Connection, stripe_id: str) -> UUID | None:
    """The account behind a customer at Stripe; None for one that is not ours."""
    found: UUID | None = await conn.fetchval("SELECT account_id FROM customer WHERE stripe_id = $1", stripe_id)
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


class Paid(NamedTuple):
    """What has paid a funding: the PaymentIntent and its charge, what it was paid with, and its balance transaction."""

    intent: str
    amount: int
    line: stripe_balance.BalanceLine
    charge: str = ""
    paid_with: str = ""


async def credit(conn: asyncpg.Connection, funding: UUID, paid: Paid) -> bool:
    """pending | failed | expired -> succeeded: the money is in Stripe's balance, so it is the buyer's. False: it was.

    The fee is read from the balance transaction. Raises Mismatch for another amount or currency, and for a second
    payment of the same funding: then that line of Stripe's balance has no posting until an operator gives it one.
    """
    line = paid.line
    row = await conn.fetchrow(
        """UPDATE funding SET status = 'succeeded', intent_id = $2, fee = $3, charge_id = $4, paid_with = $5,
             failure = NULL, settled_at = market_now()
           WHERE id = $1 AND status <> 'succeeded' RETURNING *""",
        funding, paid.intent, line.fee, paid.charge or None, paid.paid_with[:100],
    )  # fmt: skip
    if row is None:
        # No row at all: another installation's, on the same Stripe account.
        known = await conn.fetchval("SELECT intent_id FROM funding WHERE id = $1", funding)
        if known not in (None, paid.intent):
            raise Mismatch(f"funding {funding} was paid by {known}, and now by {paid.intent} too")
        return False
    if (paid.amount, line.amount, line.currency) != (row["amount"], row["amount"], row["currency"]):
        raise Mismatch(f"{paid.intent} brings {line.amount} {line.currency} for {row['amount']} {row['currency']}")
    key = f"fund:{funding}"
    counter = await stripe_balance.counter(conn, line)
    await ledger.post(
        conn, "funding", key,
        [(counter, line.net), (ledger.FEES, line.fee), (ledger.buyer(row["account_id"]), -row["amount"])],
        currency=row["currency"], actor=ACTOR, subject=("funding", funding),
        meta={"intent": paid.intent, "txn": line.id},
    )  # fmt: skip
    await stripe_balance.mirror(conn, line, key)
    await events.append(
        conn, "funding.succeeded", ("funding", funding), ACTOR, account=row["account_id"],
        data={"amount": row["amount"], "currency": row["currency"]},
    )  # fmt: skip
    return True


async def process(conn: asyncpg.Connection, funding: UUID) -> bool:
    """Somebody has paid, and the bank takes days. False when that is known, or the funding has ended."""
    account = await conn.fetchval(
        """UPDATE funding SET processing_at = market_now()
           WHERE id = $1 AND status = 'pending' AND processing_at IS NULL RETURNING account_id""",
        funding,
    )
    if account is None:
        return False
    await events.append(conn, "funding.processing", ("funding", funding), ACTOR, account=account)
    return True


async def is_processing(conn: asyncpg.Connection, funding: UUID) -> bool:
    """Whether somebody has paid and the bank has not said yet whether the money comes."""
    return bool(
        await conn.fetchval(
            "SELECT true FROM funding WHERE id = $1 AND status = 'pending' AND processing_at IS NOT NULL", funding
        )
    )


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

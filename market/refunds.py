"""Unused balance goes back to where it came from: set aside here, sent as an operation, settled by Stripe's word.

    buyer:available -> refund:<id>          in the transaction that plans the operation
    refund:<id> -> stripe:clearing          when it has left Stripe's balance
    refund:<id> -> buyer:available          refused, or failed before it left
    stripe:clearing -> buyer:available      failed afterwards: the bank has sent it back

A refund follows Stripe's status, the money Stripe's balance lines; the two need not come together. Locks: fundings
(newest first), refunds, ledger accounts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import appeals, disputes, events, ids, ledger, spending, stripe_balance, stripe_ops
from market.errors import InsufficientFunds, Invalid, NotFound, Stopped, WrongState
from market.keys import Actor
from market.money import Money, Price
from market.stripe_balance import BalanceLine

ACTOR = "stripe"


class RefundDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to go back; without an amount all that can. `reason` is for the account's own books."""

    amount: Price | None = None
    reason: Annotated[str, msgspec.Meta(max_length=200, examples=["project ended"])] = ""


class Refund(msgspec.Struct, frozen=True):
    """pending | succeeded | failed. `failure` is Stripe's word for why; the amount is in the balance again then.
    `returned`: it had left and was sent back by the bank."""

    id: str
    funding_id: str
    amount: Money
    status: str
    paid_with: str
    reason: str
    failure: str | None
    returned: bool
    created_at: datetime
    settled_at: datetime | None


class Mismatch(Exception):
    """What left, or came back, is not what was asked for; nothing is posted until somebody has looked."""


def aside(refund: UUID) -> str:
    """The ledger account that holds a refund's money until it has left."""
    return f"refund:{refund}"


# ---- asking


async def begin(conn: asyncpg.Connection, actor: Actor, draft: RefundDraft) -> list[tuple[UUID, UUID]]:
    """An account asks for its unused balance: (refund, operation) pairs. Raises as `ask` does; WrongState where a card
    would be charged again at once; Stopped while operators have stopped refunds, where those under way wait."""
    if await conn.fetchval("SELECT money_stopped('refund')"):
        raise Stopped("Refunds are stopped by an operator for now; nothing was taken from the balance.")
    if draft.amount is not None and draft.amount.currency != actor.currency:
        raise Invalid(f"This account keeps {actor.currency}.", pointer="/amount/currency")
    amount = None if draft.amount is None else draft.amount.amount
    asked = await ask(conn, actor.owner, amount, by=actor.name, reason=draft.reason.strip())
    [left] = await ledger.balances(conn, [ledger.buyer(actor.owner)], actor.currency)
    if await conn.fetchval(
        "SELECT true FROM auto_top_up WHERE account_id = $1 AND paused_for IS NULL AND threshold > $2",
        actor.owner, left,
    ):  # fmt: skip
        raise WrongState(
            f"{left} {actor.currency} would be left, and an automatic top-up would charge the card again: turn them "
            "off first."
        )
    return asked


async def ask(
    conn: asyncpg.Connection,
    account: UUID,
    amount: int | None,
    *,
    by: str,
    reason: str = "",
    funding: UUID | None = None,
) -> list[tuple[UUID, UUID]]:
    """Set balance aside and plan its way back over the account's fundings, newest first: (refund, operation) pairs.

    amount: minor units; None: all that can go back. funding: only that one, an operator's decision, which a hold, a
    fraud warning, an inquiry or another payment's chargeback does not stop. Of each funding goes back at most what is
    neither refunded, by whomever, nor disputed. Raises AccountHeld, InsufficientFunds, Invalid; WrongState when nothing
    can go back, or chargebacks want more than there is.
    """
    if funding is None:
        await spending.require_free(conn, account)
    currency = await conn.fetchval("SELECT currency FROM account WHERE id = $1", account)
    locked = await _lock_fundings(conn, account, funding)
    if funding is None and (short := await disputes.secure(conn, account)):
        raise WrongState(
            f"Payments of this account are charged back, and its balance does not cover that: {short} {currency} "
            "(minor units) are missing. Until they are there, or the bank has decided for the account, nothing goes "
            "back to a card."
        )
    rows = await _refundable(conn, locked, operators=funding is not None)
    await ledger.lock(conn, {(ledger.buyer(account), currency)})
    [available] = await ledger.balances(conn, [ledger.buyer(account)], currency)
    most = sum(_left(row) for row in rows)
    # An operator decides on a funding for reasons of their own.
    kept = 0 if funding is not None else await appeals.at_stake(conn, account, currency)
    free = max(0, available - kept)
    if amount is None:
        amount = min(free, most)
        if amount <= 0 and (most <= 0 or not (kept and available)):
            raise WrongState("There is no balance that could go back to a card that it came from.")
    if amount > available:
        raise InsufficientFunds("A refund is of unused balance.", needed=amount)
    if amount > free or amount <= 0:
        raise WrongState(
            f"{kept} {currency} (minor units) stay here for now: answers that this account rejected may be appealed "
            f"for {appeals.APPEAL_S // 3600} hours. Up to {free} may go back."
        )
    if amount > most:
        raise Invalid(
            f"At most {most} {currency} (minor units) can go back to where it came from: what was paid in, less what "
            "has been refunded or is disputed.",
            pointer="/amount",
        )  # fmt: skip
    asked: list[tuple[UUID, UUID]] = []
    for row in rows:
        part = min(amount, _left(row))
        if part:
            asked.append(await _plan(conn, row, part, by, reason))
        amount -= part
    if funding is not None:
        # What went back must not be charged again by itself.
        await conn.execute(
            "UPDATE auto_top_up SET paused_for = 'refunded' WHERE account_id = $1 AND paused_for IS NULL", account
        )
    return asked


async def _lock_fundings(conn: asyncpg.Connection, account: UUID, funding: UUID | None) -> list[UUID]:
    """Lock the account's fundings, or one, that something can go back to or that are charged back: newest first."""
    rows = await conn.fetch(
        """SELECT id FROM funding f
           WHERE f.account_id = $1 AND f.status = 'succeeded' AND f.charge_id IS NOT NULL
             AND ($2::uuid IS NULL OR f.id = $2) AND (f.amount > f.refunded OR f.disputed > 0)
           ORDER BY f.id DESC FOR NO KEY UPDATE""",
        account, funding,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def _refundable(conn: asyncpg.Connection, locked: Sequence[UUID], *, operators: bool) -> list[asyncpg.Record]:
    """Those of the locked fundings that something can go back to, newest first.

    Looked at in a statement of its own: what came while the locks were waited for counts.
    """
    rows: list[asyncpg.Record] = await conn.fetch(
        """SELECT * FROM funding f
           WHERE f.id = ANY ($1::uuid[]) AND f.amount > f.refunded + f.refunded_elsewhere + f.disputed
             AND NOT EXISTS (SELECT FROM dispute d WHERE d.funding_id = f.id AND d.closed_at IS NULL
                               AND (NOT $2 OR d.status NOT LIKE 'warning%'))
             AND ($2 OR NOT EXISTS (SELECT FROM fraud_warning w WHERE w.funding_id = f.id AND w.status = 'open'))
           ORDER BY f.id DESC""",
        locked, operators,
    )  # fmt: skip
    return rows


def _left(row: asyncpg.Record) -> int:
    """What can go back to a funding still."""
    left: int = row["amount"] - row["refunded"] - row["refunded_elsewhere"] - row["disputed"]
    return left


async def _plan(conn: asyncpg.Connection, row: asyncpg.Record, part: int, by: str, reason: str) -> tuple[UUID, UUID]:
    refund, account, currency = ids.new(), row["account_id"], row["currency"]
    await conn.execute(
        """INSERT INTO refund (id, account_id, funding_id, amount, currency, reason, asked_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        refund, account, row["id"], part, currency, reason, by,
    )  # fmt: skip
    await conn.execute("UPDATE funding SET refunded = refunded + $2 WHERE id = $1", row["id"], part)
    await ledger.post(
        conn, "refund.hold", f"refund:{refund}", [(ledger.buyer(account), part), (aside(refund), -part)],
        currency=currency, actor=by, subject=("refund", refund),
    )  # fmt: skip
    params = {"charge": row["charge_id"], "amount": part, "currency": currency}
    op = await stripe_ops.plan(conn, "refund", refund, params)
    await events.append(
        conn, "refund.asked", ("refund", refund), by, account=account, data={"amount": part, "currency": currency}
    )
    return refund, op


# ---- settling


class Seen(msgspec.Struct, frozen=True):
    """A refund as Stripe has it. `line` took it from the balance, `back` brought it back."""

    id: str
    status: str  # pending | requires_action | succeeded | failed | canceled
    failure: str
    line: BalanceLine | None
    back: BalanceLine | None


async def settle(conn: asyncpg.Connection, refund: UUID, seen: Seen) -> str | None:
    """Move a refund to where Stripe has it: its status now, None where that is nothing new. Raises Mismatch.

    An end stays, but for succeeded -> failed. A refund whose line of Stripe's balance is still to come waits for it.
    """
    row = await _lock(conn, refund)
    if row is None:
        return None  # another installation's, on the same Stripe account
    if row["stripe_id"] not in (None, seen.id):
        raise Mismatch(f"refund {refund} is {row['stripe_id']}, and now {seen.id} too")
    over = seen.status in ("failed", "canceled")
    if row["status"] == "failed":
        if row["stripe_id"] is None and not over:
            raise Mismatch(f"refund {refund} was refused, and {seen.id} is {seen.status} at Stripe")
        return None
    if row["stripe_id"] is None:
        await conn.execute("UPDATE refund SET stripe_id = $2 WHERE id = $1", refund, seen.id)
    if seen.line is not None:
        await _sent(conn, row, seen.line)
    if over and (seen.line is None or seen.back is not None):
        await _fail(conn, row, seen.failure or seen.status, seen.back)
        return "failed"
    if seen.status == "succeeded" and seen.line is not None and row["status"] == "pending":
        await conn.execute(
            "UPDATE refund SET status = 'succeeded', settled_at = market_now() WHERE id = $1 AND status = 'pending'",
            refund,
        )
        await events.append(
            conn, "refund.succeeded", ("refund", refund), ACTOR, account=row["account_id"],
            data={"amount": row["amount"], "currency": row["currency"]},
        )  # fmt: skip
        return "succeeded"
    return None


async def refused(conn: asyncpg.Connection, refund: UUID, code: str) -> bool:
    """pending -> failed after a refusal that is certain: nothing has left. False when it has ended before."""
    row = await _lock(conn, refund)
    if row is None or row["status"] != "pending":
        return False
    await _fail(conn, row, code, None)
    return True


async def went_elsewhere(conn: asyncpg.Connection, charge: str, amount: int) -> None:
    """So much (minor units) has gone back of a charge by no refund of ours. Nothing for a charge of somebody else's."""
    await conn.execute(
        "UPDATE funding SET refunded_elsewhere = least(amount, $2) WHERE charge_id = $1 AND refunded_elsewhere <> $2",
        charge, amount,
    )  # fmt: skip


async def _lock(conn: asyncpg.Connection, refund: UUID) -> asyncpg.Record | None:
    await conn.execute(
        "SELECT FROM funding WHERE id = (SELECT funding_id FROM refund WHERE id = $1) FOR NO KEY UPDATE", refund
    )
    return await conn.fetchrow("SELECT * FROM refund WHERE id = $1 FOR NO KEY UPDATE", refund)


async def _sent(conn: asyncpg.Connection, row: asyncpg.Record, line: BalanceLine) -> None:
    """It has left Stripe's balance: posted once."""
    if (line.amount, line.currency) != (-row["amount"], row["currency"]):
        raise Mismatch(f"{line.id} takes {line.amount} {line.currency} for {row['amount']} {row['currency']}")
    key = f"refund-sent:{row['id']}"
    if await conn.fetchval("SELECT true FROM ledger_tx WHERE idem_key = $1", key):
        return  # its counter may have been another then
    counter = await stripe_balance.counter(conn, line)
    await ledger.post(
        conn, "refund.sent", key, [(aside(row["id"]), row["amount"]), (counter, line.net), (ledger.FEES, line.fee)],
        currency=row["currency"], actor=ACTOR, subject=("refund", row["id"]), meta={"txn": line.id},
    )  # fmt: skip
    await stripe_balance.mirror(conn, line, key)


async def _fail(conn: asyncpg.Connection, row: asyncpg.Record, code: str, back: BalanceLine | None) -> None:
    """pending | succeeded -> failed: the money is the buyer's again, from where it is."""
    account, currency, own = ledger.buyer(row["account_id"]), row["currency"], ("refund", row["id"])
    await conn.execute(
        """UPDATE refund SET status = 'failed', failure = $2, returned = $3, settled_at = market_now()
           WHERE id = $1 AND status IN ('pending', 'succeeded')""",
        row["id"], code[:200], back is not None,
    )  # fmt: skip
    await conn.execute(
        "UPDATE funding SET refunded = refunded - $2 WHERE id = $1", row["funding_id"], row["amount"]
    )  # fmt: skip
    if back is None:
        await ledger.post(
            conn, "refund.unhold", f"unrefund:{row['id']}",
            [(aside(row["id"]), row["amount"]), (account, -row["amount"])],
            currency=currency, actor=ACTOR, subject=own,
        )  # fmt: skip
    else:
        if (back.amount, back.currency) != (row["amount"], currency):
            raise Mismatch(f"{back.id} brings {back.amount} {back.currency} back of {row['amount']} {currency}")
        key = f"refund-back:{row['id']}"
        counter = await stripe_balance.counter(conn, back)
        await ledger.post(
            conn, "refund.returned", key,
            [(counter, back.net), (ledger.FEES, back.fee), (account, -row["amount"])],
            currency=currency, actor=ACTOR, subject=own, meta={"txn": back.id},
        )  # fmt: skip
        await stripe_balance.mirror(conn, back, key)
    await events.append(
        conn, "refund.failed", own, ACTOR, account=row["account_id"],
        data={"amount": row["amount"], "currency": currency, "failure": code[:200], "returned": back is not None},
    )  # fmt: skip
    await disputes.freeze_returned(conn, row["funding_id"])


# ---- looking


_SHOWN = "SELECT r.*, f.paid_with FROM refund r JOIN funding f ON f.id = r.funding_id"


async def get(conn: asyncpg.Connection, refund: UUID, account: UUID | None = None) -> Refund:
    """A refund by id; with `account` only that account's. Raises NotFound."""
    row = await conn.fetchrow(
        f"{_SHOWN} WHERE r.id = $1 AND ($2::uuid IS NULL OR r.account_id = $2)", refund, account
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no refund with this id.")
    return _shown(row)


async def with_owner(conn: asyncpg.Connection, refund: UUID) -> tuple[Refund, UUID]:
    """A refund and the account that it goes back to. Raises NotFound."""
    found = await get(conn, refund)
    return found, await conn.fetchval("SELECT account_id FROM refund WHERE id = $1", refund)


async def listed(conn: asyncpg.Connection, account: UUID, *, before: UUID | None, limit: int) -> list[Refund]:
    """An account's refunds, newest first."""
    rows = await conn.fetch(
        f"{_SHOWN} WHERE r.account_id = $1 AND ($2::uuid IS NULL OR r.id < $2) ORDER BY r.id DESC LIMIT $3",
        account, before, limit,
    )  # fmt: skip
    return [_shown(row) for row in rows]


async def some(conn: asyncpg.Connection, refunds: Sequence[UUID]) -> list[Refund]:
    """These refunds, newest first."""
    rows = await conn.fetch(f"{_SHOWN} WHERE r.id = ANY ($1::uuid[]) ORDER BY r.id DESC", refunds)
    return [_shown(row) for row in rows]


async def of_funding(conn: asyncpg.Connection, funding: UUID) -> list[Refund]:
    """What has gone back of a funding, or is on its way, oldest first."""
    rows = await conn.fetch(f"{_SHOWN} WHERE r.funding_id = $1 ORDER BY r.id", funding)
    return [_shown(row) for row in rows]


def _shown(row: asyncpg.Record) -> Refund:
    return Refund(
        ids.show("refund", row["id"]), ids.show("funding", row["funding_id"]), Money(row["amount"], row["currency"]),
        row["status"], row["paid_with"], row["reason"], row["failure"], row["returned"], row["created_at"],
        row["settled_at"],
    )  # fmt: skip

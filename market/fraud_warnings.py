"""An issuer's early word that a payment was fraud: a chargeback may follow.

What is left of the payment is frozen until an operator refunds it, which mostly prevents the chargeback and its fee, or
dismisses the warning. A chargeback of the same charge takes the freeze over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import charges, events, ids, ledger
from market.errors import NotFound, WrongState
from market.money import Money

ACTOR = "stripe"


class Warned(msgspec.Struct, frozen=True):
    """A warning as Stripe has it. actionable: a refund can still prevent a chargeback."""

    stripe_id: str
    charge_id: str
    kind: str
    actionable: bool


class Freed(NamedTuple):
    """A warning that has ended: about whose payment it was, and what is the buyer's again (minor units)."""

    account: UUID
    funding: UUID
    amount: int
    currency: str


class FraudWarning(msgspec.Struct, frozen=True):
    """open | refunded | dismissed | disputed. `frozen`: of the buyer's balance, while it is open."""

    id: str
    status: str
    kind: str
    actionable: bool
    account_id: str
    funding_id: str
    paid: Money
    refunded: Money
    frozen: Money
    stripe_id: str
    charge_id: str
    created_at: datetime
    handled_by: str | None
    handled_at: datetime | None


async def report(conn: asyncpg.Connection, warned: Warned) -> UUID | None:
    """Keep a warning and freeze what is left of its payment; its id when it is new. Raises charges.NotYet."""
    funding = await charges.locked_funding(conn, warned.charge_id)
    known = await conn.fetchval(
        "UPDATE fraud_warning SET actionable = $2 WHERE stripe_id = $1 RETURNING id",
        warned.stripe_id, warned.actionable,
    )  # fmt: skip
    if known is not None:
        return None
    disputed = await conn.fetchval(
        "SELECT true FROM dispute WHERE charge_id = $1 AND status NOT LIKE 'warning_%' LIMIT 1", warned.charge_id
    )
    warning = ids.new()
    await conn.execute(
        """INSERT INTO fraud_warning
             (id, stripe_id, charge_id, account_id, funding_id, kind, actionable, status, handled_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8 <> 'open' THEN market_now() END)""",
        warning, warned.stripe_id, warned.charge_id, funding["account_id"], funding["id"], warned.kind,
        warned.actionable, "disputed" if disputed else "open",
    )  # fmt: skip
    frozen = 0 if disputed else await _freeze(conn, warning, funding)
    await _tell(conn, "disputed" if disputed else "reported", warning, funding["account_id"], ACTOR, frozen)
    return warning


async def settle(conn: asyncpg.Connection, operator: UUID, warning: UUID, *, refunded: bool) -> Freed:
    """open -> refunded | dismissed: what was frozen is the buyer's again, for the caller to refund or for them to use.

    Raises WrongState for one that has ended.
    """
    about = await conn.fetchrow("SELECT funding_id FROM fraud_warning WHERE id = $1", warning)
    if about is None:
        raise NotFound("There is no such fraud warning.")
    currency = await conn.fetchval("SELECT currency FROM funding WHERE id = $1 FOR NO KEY UPDATE", about["funding_id"])
    row = await conn.fetchrow("SELECT * FROM fraud_warning WHERE id = $1 FOR NO KEY UPDATE", warning)
    if row["status"] != "open":
        raise WrongState(f"Only an open warning can be handled. This one is {row['status']}.")
    account, status = row["account_id"], "refunded" if refunded else "dismissed"
    await ledger.lock(conn, {(ledger.buyer(account, part), currency) for part in ("available", "held")})
    await _unfreeze(conn, row, row["frozen"])
    await conn.execute(
        """UPDATE fraud_warning SET status = $2, handled_by = $3, handled_at = market_now(), frozen = 0
           WHERE id = $1 AND status = 'open'""",
        warning, status, operator,
    )  # fmt: skip
    await _tell(conn, status, warning, account, f"operator:{operator}", 0)
    return Freed(account, row["funding_id"], row["frozen"], currency)


async def locked_open(conn: asyncpg.Connection, charge: str) -> list[asyncpg.Record]:
    """The open warnings of a charge, for the chargeback that takes them over; their rows are locked."""
    rows: list[asyncpg.Record] = await conn.fetch(
        "SELECT * FROM fraud_warning WHERE charge_id = $1 AND status = 'open' ORDER BY id FOR NO KEY UPDATE", charge
    )
    return rows


async def taken_over(conn: asyncpg.Connection, warnings: Sequence[asyncpg.Record], amount: int) -> int:
    """open -> disputed: up to `amount` of what they hold stays held, for the chargeback; how much.

    The caller has locked the rows, and the buyer's accounts.
    """
    kept = 0
    for row in warnings:
        keeps = min(row["frozen"], amount - kept)
        kept += keeps
        await _unfreeze(conn, row, row["frozen"] - keeps)
        await conn.execute(
            "UPDATE fraud_warning SET status = 'disputed', handled_at = market_now(), frozen = 0 WHERE id = $1",
            row["id"],
        )
        await _tell(conn, "disputed", row["id"], row["account_id"], ACTOR, 0)
    return kept


_SHOWN = """SELECT w.*, f.amount AS paid, f.refunded, f.currency FROM fraud_warning w
            JOIN funding f ON f.id = w.funding_id"""


async def get(conn: asyncpg.Connection, warning: UUID) -> FraudWarning:
    """One warning. Raises NotFound."""
    row = await conn.fetchrow(f"{_SHOWN} WHERE w.id = $1", warning)
    if row is None:
        raise NotFound("There is no such fraud warning.")
    return _shown(row)


async def listed(
    conn: asyncpg.Connection, *, before: UUID | None, limit: int, waiting: bool | None = None
) -> list[FraudWarning]:
    """Warnings, newest first; `waiting`: only the open ones, or only the others."""
    rows = await conn.fetch(
        f"""{_SHOWN} WHERE ($1::uuid IS NULL OR w.id < $1) AND ($3::bool IS NULL OR (w.status = 'open') = $3)
            ORDER BY w.id DESC LIMIT $2""",
        before, limit, waiting,
    )  # fmt: skip
    return [_shown(row) for row in rows]


# ---- inside


def _shown(row: asyncpg.Record) -> FraudWarning:
    currency = row["currency"]
    return FraudWarning(
        ids.show("fraud_warning", row["id"]), row["status"], row["kind"], row["actionable"],
        ids.show("account", row["account_id"]), ids.show("funding", row["funding_id"]), Money(row["paid"], currency),
        Money(row["refunded"], currency), Money(row["frozen"], currency), row["stripe_id"], row["charge_id"],
        row["created_at"], None if row["handled_by"] is None else ids.show("operator", row["handled_by"]),
        row["handled_at"],
    )  # fmt: skip


async def _freeze(conn: asyncpg.Connection, warning: UUID, funding: asyncpg.Record) -> int:
    """Freeze what is left of the payment, as far as the buyer has it, and no other warning of it holds it."""
    account, currency = funding["account_id"], funding["currency"]
    held: int = await conn.fetchval(
        "SELECT coalesce(sum(frozen), 0)::bigint FROM fraud_warning WHERE funding_id = $1", funding["id"]
    )
    await ledger.lock(conn, {(ledger.buyer(account, part), currency) for part in ("available", "held")})
    [available] = await ledger.balances(conn, [ledger.buyer(account)], currency)
    frozen: int = max(0, min(available, funding["amount"] - funding["refunded"] - held))
    if frozen:
        await ledger.post(
            conn, "fraud_warning.freeze", f"warning_freeze:{warning}",
            [(ledger.buyer(account), frozen), (ledger.buyer(account, "held"), -frozen)],
            currency=currency, actor=ACTOR, subject=("fraud_warning", warning),
        )  # fmt: skip
        await conn.execute("UPDATE fraud_warning SET frozen = $2 WHERE id = $1", warning, frozen)
    return frozen


async def _unfreeze(conn: asyncpg.Connection, row: asyncpg.Record, amount: int) -> None:
    """Part of what a warning holds is the buyer's again; once for each warning."""
    if not amount:
        return
    account = row["account_id"]
    currency = await conn.fetchval("SELECT currency FROM funding WHERE id = $1", row["funding_id"])
    await ledger.post(
        conn, "fraud_warning.unfreeze", f"warning_unfreeze:{row['id']}",
        [(ledger.buyer(account, "held"), amount), (ledger.buyer(account), -amount)],
        currency=currency, actor=ACTOR, subject=("fraud_warning", row["id"]),
    )  # fmt: skip


async def _tell(conn: asyncpg.Connection, what: str, warning: UUID, account: UUID, actor: str, frozen: int) -> None:
    await events.append(
        conn, f"fraud_warning.{what}", ("fraud_warning", warning), actor, account=account, data={"frozen": frozen}
    )

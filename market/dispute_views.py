"""Disputes as operators see them: what the bank says, what we answered, until when, and where the money is."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids, ledger
from market.errors import NotFound
from market.money import Money
from market.urgency import Urgency, after


class Answer(msgspec.Struct, frozen=True):
    """What was handed in, and how its way to Stripe stands: planned | sending | unknown | succeeded | rejected."""

    evidence: Mapping[str, str]
    by: str | None
    at: datetime | None
    delivery: str | None
    message: str | None


class DisputeMoney(msgspec.Struct, frozen=True):
    """withdrawn: what Stripe has taken and not given back, without its fees · frozen: of the buyer's balance, while it
    is open · covered: of a loss, paid by the buyer's balance · written_off: of a loss, the platform's."""

    withdrawn: Money
    fees: Money
    frozen: Money
    covered: Money
    written_off: Money


class Dispute(msgspec.Struct, frozen=True):
    """An inquiry, which moves no money: warning_needs_response | warning_under_review | warning_closed. A chargeback:
    needs_response | under_review | won | lost. `reason` is the bank's; `giving_up`: an operator accepts the loss."""

    id: str
    status: str
    reason: str
    amount: Money
    account_id: str
    account_name: str
    funding_id: str
    paid_at: datetime
    paid_with: str
    money: DisputeMoney
    evidence_due_at: datetime | None
    answer: Answer | None
    giving_up: bool
    stripe_id: str
    charge_id: str
    opened_at: datetime
    closed_at: datetime | None


_SHOWN = """
    SELECT d.*, a.name, f.settled_at AS paid_at, f.paid_with, o.status::text AS delivery, o.message,
      EXISTS (SELECT FROM stripe_op c WHERE c.kind = 'dispute_close' AND c.subject_id = d.id
                AND c.status <> 'rejected') AS giving_up,
      d.status IN ('needs_response', 'warning_needs_response') AND d.answered_at IS NULL AS to_answer,
      coalesce(d.evidence_due_at, 'infinity') AS due
    FROM dispute d JOIN account a ON a.id = d.account_id JOIN funding f ON f.id = d.funding_id
      LEFT JOIN LATERAL (
        SELECT * FROM stripe_op o WHERE o.kind = 'dispute_answer' AND o.params->>'dispute' = d.id::text
        ORDER BY o.created_at DESC, o.attempt DESC LIMIT 1) o ON true"""


async def get(conn: asyncpg.Connection, dispute: UUID) -> Dispute:
    """One dispute. Raises NotFound."""
    row = await conn.fetchrow(f"{_SHOWN} WHERE d.id = $1", dispute)
    if row is None:
        raise NotFound("There is no such dispute.")
    return _shown(row)


async def refundable(conn: asyncpg.Connection, dispute: UUID) -> Money:
    """What a refund of the disputed payment would send back as of now: what its buyer still has of it, less what has
    gone back or is charged back already. Raises NotFound."""
    row = await conn.fetchrow(
        """SELECT f.account_id, f.currency, f.amount - f.refunded - f.refunded_elsewhere - f.disputed AS most,
             EXISTS (SELECT FROM dispute o WHERE o.funding_id = f.id AND o.closed_at IS NULL
                       AND o.status NOT LIKE 'warning%') AS charged_back
           FROM dispute d JOIN funding f ON f.id = d.funding_id WHERE d.id = $1""",
        dispute,
    )
    if row is None:
        raise NotFound("There is no such dispute.")
    [available] = await ledger.balances(conn, [ledger.buyer(row["account_id"])], row["currency"])
    return Money(0 if row["charged_back"] else max(0, min(available, row["most"])), row["currency"])


async def listed(
    conn: asyncpg.Connection, *, before: UUID | None, limit: int, is_open: bool | None = None
) -> list[Dispute]:
    """Disputes, newest first; is_open: only those that are, or only those that have ended."""
    rows = await conn.fetch(
        f"""{_SHOWN} WHERE ($1::uuid IS NULL OR d.id < $1) AND ($3::bool IS NULL OR (d.closed_at IS NULL) = $3)
            ORDER BY d.id DESC LIMIT $2""",
        before, limit, is_open,
    )  # fmt: skip
    return [_shown(row) for row in rows]


async def urgent(
    conn: asyncpg.Connection, *, place: str | None, limit: int, is_open: bool | None = None
) -> list[tuple[Urgency, Dispute]]:
    """As `listed`, those to be answered first, that which is due soonest at their head; then what waits for the bank,
    and what has ended."""
    since = after(place)
    rows = await conn.fetch(
        f"""SELECT * FROM ({_SHOWN}) AS d
            WHERE ($5::bool IS NULL OR (d.closed_at IS NULL) = $5)
              AND ($1::bool IS NULL OR (NOT d.to_answer, d.due, d.id) > ($1, $2::text::timestamptz, $3))
            ORDER BY NOT d.to_answer, d.due, d.id LIMIT $4""",
        since.over, since.due, since.id, limit, is_open,
    )  # fmt: skip
    return [(Urgency(not row["to_answer"], row["evidence_due_at"], row["id"]), _shown(row)) for row in rows]


def _shown(row: asyncpg.Record) -> Dispute:
    def money(name: str) -> Money:
        return Money(row[name], row["currency"])

    answer = None
    if row["evidence"] is not None:
        by = None if row["answered_by"] is None else ids.show("operator", row["answered_by"])
        answer = Answer(row["evidence"], by, row["answered_at"], row["delivery"], row["message"])
    return Dispute(
        ids.show("dispute", row["id"]), row["status"], row["reason"], money("amount"),
        ids.show("account", row["account_id"]), row["name"], ids.show("funding", row["funding_id"]), row["paid_at"],
        row["paid_with"],
        DisputeMoney(
            money("withdrawn"), money("fees"), money("frozen"), money("covered"), money("written_off"),
        ),
        row["evidence_due_at"], answer, row["giving_up"], row["stripe_id"], row["charge_id"], row["opened_at"],
        row["closed_at"],
    )  # fmt: skip

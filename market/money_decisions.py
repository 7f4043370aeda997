"""Four eyes for money that no payout run covers: one operator asks, with a reason, and another decides.

What an approval does is registered by its kind in APPROVALS; it happens in the transaction of the approval. The
database lets nobody decide on what they asked for themselves, and nothing that was asked change afterwards.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NoReturn
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids
from market.errors import NotFound, Refusal, WrongState
from market.money import Money

SUBJECTS = {"clawback": "submission", "write_off": "person"}  # of which kind the subject is, by the decision's kind
LONGEST_REASON = 1_000


class FourEyes(Refusal):
    """Another operator than the one who asked has to decide."""


class NotYours(Refusal):
    """Only the operator who asked can withdraw it; another one may refuse it."""


class Asked(msgspec.Struct, frozen=True):
    """A decision as its approval finds it. `amount` is in minor units; `by` and `asked_by` are actors' names."""

    id: UUID
    kind: str
    subject: UUID | None
    txn_id: str | None
    target: str | None
    amount: int
    currency: str
    reason: str
    asked_by: str
    by: str


Approval = Callable[[asyncpg.Connection, Asked], Awaitable[None]]
# What an approval of each kind does. It raises a Refusal when that is not possible any more; then nothing is kept.
APPROVALS: dict[str, Approval] = {}


class Decision(msgspec.Struct, frozen=True):
    """asked | approved | refused | withdrawn. `subject` is a submission, a person, or a line of Stripe's balance."""

    id: str
    kind: str
    status: str
    subject: str
    target: str | None
    amount: Money
    reason: str
    asked_by: str
    asked_by_name: str
    decided_by: str | None
    decided_by_name: str | None
    created_at: datetime
    decided_at: datetime | None


async def ask(
    conn: asyncpg.Connection,
    operator: UUID,
    kind: str,
    *,
    amount: int,
    currency: str,
    reason: str,
    subject: UUID | None = None,
    txn_id: str | None = None,
    target: str | None = None,
) -> UUID:
    """Ask for a decision; nothing moves yet. The caller has looked that it makes sense.

    Raises WrongState while the same is asked already.
    """
    decision = await conn.fetchval(
        """INSERT INTO money_decision (id, kind, subject_id, txn_id, target, amount, currency, reason, asked_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id""",
        ids.new(), kind, subject, txn_id, target, amount, currency, reason, operator,
    )  # fmt: skip
    if decision is None:
        raise WrongState("This is asked for already and waits for another operator.")
    await _note(conn, "asked", decision, kind, operator, amount, currency)
    return decision  # type: ignore[no-any-return]


async def decide(conn: asyncpg.Connection, operator: UUID, decision: UUID, approve: bool) -> None:
    """asked -> approved | refused. What an approval does happens here.

    Raises FourEyes for the one who asked, WrongState when it is decided or withdrawn, and what its kind refuses.
    """
    status = "approved" if approve else "refused"
    try:
        row = await conn.fetchrow(
            """UPDATE money_decision SET status = $2, decided_by = $3, decided_at = market_now()
               WHERE id = $1 AND status = 'asked' RETURNING *""",
            decision, status, operator,
        )  # fmt: skip
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "asker_is_not_decider":
            raise FourEyes from error
        raise
    if row is None:
        await _refuse(conn, decision)
    if approve:
        asked = Asked(
            row["id"], row["kind"], row["subject_id"], row["txn_id"], row["target"], row["amount"], row["currency"],
            row["reason"], f"operator:{row['asked_by']}", f"operator:{operator}",
        )  # fmt: skip
        await APPROVALS[row["kind"]](conn, asked)
    await _note(conn, status, decision, row["kind"], operator, row["amount"], row["currency"])


async def withdraw(conn: asyncpg.Connection, operator: UUID, decision: UUID) -> None:
    """asked -> withdrawn, by the one who asked. Raises NotYours for another, WrongState when it has ended."""
    row = await conn.fetchrow(
        """UPDATE money_decision SET status = 'withdrawn', decided_at = market_now()
           WHERE id = $1 AND status = 'asked' AND asked_by = $2 RETURNING *""",
        decision, operator,
    )  # fmt: skip
    if row is None:
        if await conn.fetchval("SELECT true FROM money_decision WHERE id = $1 AND status = 'asked'", decision):
            raise NotYours
        await _refuse(conn, decision)
    await _note(conn, "withdrawn", decision, row["kind"], operator, row["amount"], row["currency"])


_SHOWN = """SELECT d.*, a.name AS asked_by_name, b.name AS decided_by_name FROM money_decision d
            JOIN operator a ON a.id = d.asked_by LEFT JOIN operator b ON b.id = d.decided_by"""


async def get(conn: asyncpg.Connection, decision: UUID) -> Decision:
    """One decision. Raises NotFound."""
    row = await conn.fetchrow(f"{_SHOWN} WHERE d.id = $1", decision)
    if row is None:
        raise NotFound("There is no such decision.")
    return _shown(row)


async def listed(
    conn: asyncpg.Connection, *, before: UUID | None, limit: int, waiting: bool | None = None
) -> list[Decision]:
    """Decisions, newest first; `waiting`: only those that are asked for, or only those that have ended."""
    rows = await conn.fetch(
        f"""{_SHOWN} WHERE ($1::uuid IS NULL OR d.id < $1) AND ($3::bool IS NULL OR (d.status = 'asked') = $3)
            ORDER BY d.id DESC LIMIT $2""",
        before, limit, waiting,
    )  # fmt: skip
    return [_shown(row) for row in rows]


def _shown(row: asyncpg.Record) -> Decision:
    subject = row["txn_id"] if row["subject_id"] is None else ids.show(SUBJECTS[row["kind"]], row["subject_id"])
    return Decision(
        ids.show("money_decision", row["id"]),
        row["kind"],
        row["status"],
        subject,
        row["target"],
        Money(row["amount"], row["currency"]),
        row["reason"],
        ids.show("operator", row["asked_by"]),
        row["asked_by_name"],
        None if row["decided_by"] is None else ids.show("operator", row["decided_by"]),
        row["decided_by_name"],
        row["created_at"],
        row["decided_at"],
    )


async def _refuse(conn: asyncpg.Connection, decision: UUID) -> NoReturn:
    status = await conn.fetchval("SELECT status FROM money_decision WHERE id = $1", decision)
    if status is None:
        raise NotFound("There is no such decision.")
    raise WrongState(f"Only what is asked for can be decided. This is {status}.")


async def _note(
    conn: asyncpg.Connection, what: str, decision: UUID, kind: str, operator: UUID, amount: int, currency: str
) -> None:
    await events.append(
        conn, f"money_decision.{what}", ("money_decision", decision), f"operator:{operator}",
        data={"kind": kind, "amount": amount, "currency": currency},
    )  # fmt: skip

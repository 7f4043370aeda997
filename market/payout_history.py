"""One line of a payout run, from its listing to its end: every try at Stripe with its key, and what the books hold."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids, payout_views
from market.errors import NotFound
from market.money import Money
from market.payout_views import Line


class Move(msgspec.Struct, frozen=True):
    """One move of an operation.

    what: planned · sent · looked_up (by an operator, nothing was sent) · unknown (it may have happened) · succeeded ·
    rejected (for certain nothing moved) · try_number: how often it had been sent · same_key: of what was sent after the
    first time, whether under the key of the time before: then Stripe does it once; null for all else · detail: the
    object at Stripe, or what was said · by: worker, stripe (an event), operator:<id>.
    """

    at: datetime
    what: str
    try_number: int
    key: str
    same_key: bool | None
    detail: str
    by: str


class Attempt(msgspec.Struct, frozen=True):
    """One operation: the same key at every try. A further attempt, under a new key, follows a definite refusal only."""

    operation_id: str
    attempt: int
    key: str
    status: str
    tries: int
    object_id: str | None
    code: str | None
    message: str | None
    moves: list[Move]


class Entry(msgspec.Struct, frozen=True):
    """A debit (positive) or a credit (negative) of an account of the ledger."""

    account: str
    amount: Money


class Transaction(msgspec.Struct, frozen=True):
    """A transaction of the ledger; its entries sum to zero."""

    id: str
    kind: str
    key: str
    at: datetime
    entries: list[Entry]


class LineHistory(msgspec.Struct, frozen=True):
    """A line, the run it is in, its attempts in order, and its transactions."""

    line: Line
    run_id: str
    attempts: list[Attempt]
    transactions: list[Transaction]


async def get(conn: asyncpg.Connection, payout: UUID) -> LineHistory:
    """All there is about one line. Raises NotFound."""
    row = await conn.fetchrow("SELECT * FROM payout WHERE id = $1", payout)
    if row is None:
        raise NotFound("There is no such payout.")
    return LineHistory(
        payout_views.line(row), ids.show("payout_run", row["run_id"]), await attempts(conn, "transfer", payout),
        await transactions(conn, "payout", payout),
    )  # fmt: skip


async def attempts(conn: asyncpg.Connection, kind: str, subject: UUID) -> list[Attempt]:
    """Every operation of one kind for one thing, with its moves, oldest first."""
    ops = await conn.fetch(
        "SELECT * FROM stripe_op WHERE kind = $1 AND subject_id = $2 ORDER BY attempt", kind, subject
    )
    logged = await conn.fetch(
        "SELECT * FROM stripe_op_log WHERE op_id = ANY ($1::uuid[]) ORDER BY seq", [op["id"] for op in ops]
    )
    moves: dict[UUID, list[Move]] = {op["id"]: [] for op in ops}
    sent_under: str | None = None
    for row in logged:
        what, same = what_it_was(row), None
        if what == "sent":
            same = None if sent_under is None else row["key"] == sent_under
            sent_under = row["key"]
        moves[row["op_id"]].append(
            Move(row["at"], what, row["try"], row["key"], same, row["detail"], row["moved_by"])
        )  # fmt: skip
    return [
        Attempt(
            ids.show("stripe_op", op["id"]), op["attempt"], f"{op['kind']}:{op['subject_id']}:{op['attempt']}",
            op["status"], op["tries"], op["object_id"], op["code"], op["message"], moves[op["id"]],
        )
        for op in ops
    ]  # fmt: skip


def what_it_was(row: asyncpg.Record) -> str:
    """A row of stripe_op_log in a word. An operator who holds an operation looks; only workers send."""
    if row["status"] == "sending":
        return "looked_up" if row["moved_by"].startswith("operator:") else "sent"
    return str(row["status"])


async def transactions(conn: asyncpg.Connection, subject_type: str, subject: UUID) -> list[Transaction]:
    """What the ledger holds about one thing, oldest first."""
    rows = await conn.fetch(
        """SELECT x.id, x.kind, x.idem_key, x.effective_at, a.code, e.amount, e.currency
           FROM ledger_tx x JOIN ledger_entry e ON e.tx_id = x.id JOIN ledger_account a ON a.id = e.account_id
           WHERE x.subject_type = $1 AND x.subject_id = $2 ORDER BY x.id, e.amount DESC, a.code""",
        subject_type, subject,
    )  # fmt: skip
    found: dict[UUID, Transaction] = {}
    for row in rows:
        entry = Entry(row["code"], Money(row["amount"], row["currency"]))
        if row["id"] in found:
            found[row["id"]].entries.append(entry)
        else:
            found[row["id"]] = Transaction(
                str(row["id"]), row["kind"], row["idem_key"], row["effective_at"], [entry]
            )  # fmt: skip
    return list(found.values())

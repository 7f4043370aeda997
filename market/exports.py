"""Tables for people who go on in a spreadsheet, some rows at a time; amounts are minor units beside their currency.

The journal has a module of its own, since it can be read back.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import asyncpg

from market import books, ids, journal, matching
from market.csv_cells import Cell
from market.errors import NotFound

AT_ONCE = 500

TRIAL_COLUMNS = ("kind", "class", "currency", "accounts", "debits", "credits", "debit_balance", "credit_balance")
RUN_COLUMNS = (
    "payout_id", "person_id", "name", "email", "destination", "currency", "amount", "gross", "fee", "rolled_over",
    "items", "status", "attempt", "transfer_id", "reversed", "code", "message", "settled_at",
)  # fmt: skip
LINE_COLUMNS = (
    "id", "created_at", "type", "category", "description", "source", "currency", "amount", "fee", "net", "state",
    "about", "transaction", "suspense_transaction", "closed_day",
)  # fmt: skip

Rows = list[Sequence[Cell]]


class Reads(Protocol):
    """Lends a connection for one look; whoever sends slowly must not hold one meanwhile."""

    def read(self) -> AbstractAsyncContextManager[asyncpg.Connection]: ...


async def trial_rows(conn: asyncpg.Connection, at: datetime | None = None) -> Rows:
    """The trial balance, one row a kind of account: a balance stands on the side on which it is."""
    rows: Rows = []
    for line in (await books.trial_balance(conn, at)).lines:
        net = line.debits - line.credits
        rows.append((
            line.kind, line.class_, line.currency, line.accounts, line.debits, line.credits, max(net, 0), max(-net, 0),
        ))  # fmt: skip
    return rows


async def journal_batches(reads: Reads, begins: datetime | None, ends: datetime | None) -> AsyncIterator[Rows]:
    """The journal (market/journal.py), each part on a connection of its own: for a client that may be slow."""
    place: journal.Place | None = None
    while True:
        async with reads.read() as conn:
            rows, place = await journal.part(conn, begins=begins, ends=ends, after=place)
        if not rows:
            return
        yield rows


async def require_run(conn: asyncpg.Connection, run: UUID) -> None:
    """Raises NotFound for a payout run that is not there."""
    if not await conn.fetchval("SELECT true FROM payout_run WHERE id = $1", run):
        raise NotFound("There is no payout run with this id.")


async def run_batches(reads: Reads, run: UUID) -> AsyncIterator[Rows]:
    """The lines of a payout run with who is paid: personal data."""
    after = UUID(int=0)
    while True:
        async with reads.read() as conn:
            found = await conn.fetch(
                """SELECT p.*, n.display_name, n.email FROM payout p JOIN person n ON n.id = p.person_id
                   WHERE p.run_id = $1 AND p.id > $2 ORDER BY p.id LIMIT $3""",
                run, after, AT_ONCE,
            )  # fmt: skip
        if not found:
            return
        yield [
            (
                ids.show("payout", row["id"]), ids.show("person", row["person_id"]), row["display_name"], row["email"],
                row["destination"], row["currency"], row["amount"], row["earned"] + row["fee"], row["fee"],
                row["rolled_over"], row["items"], row["status"], row["attempt"], row["transfer_id"], row["reversed"],
                row["code"], row["message"], _time(row["settled_at"]),
            )
            for row in found
        ]  # fmt: skip
        after = found[-1]["id"]


async def line_batches(reads: Reads, state: str | None) -> AsyncIterator[Rows]:
    """Lines of Stripe's balance, newest first; their amounts are signed as Stripe has them."""
    after: tuple[datetime, str] | None = None
    while True:
        async with reads.read() as conn:
            found = await matching.lines(conn, state=state, after=after, limit=AT_ONCE)
        if not found:
            return
        yield [
            (
                line.id, _time(line.created_at), line.type, line.category, line.description, line.source,
                line.amount.currency, line.amount.amount, line.fee, line.net, line.state, line.about, line.transaction,
                line.suspense_transaction, line.closed_day,
            )
            for line in found
        ]  # fmt: skip
        after = (found[-1].created_at, found[-1].id)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()

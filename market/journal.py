"""The journal as a table: written from the ledger, and read again by whoever trusts nothing but the file.

Rows come by time and id of their transaction, then by line. `debit` and `credit` are minor units, one of them 0. From
such a file alone every balance can be made again.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market.csv_cells import Cell

COLUMNS = (
    "transaction", "line", "at", "kind", "key", "account", "currency", "debit", "credit", "subject", "actor",
    "reverses",
)  # fmt: skip
AT_ONCE = 1_000  # transactions
LARGEST = 2**63 - 1


class Place(NamedTuple):
    """Where a reading of the journal stands: the transaction read last."""

    at: datetime
    tx: UUID


async def part(
    conn: asyncpg.Connection,
    *,
    begins: datetime | None = None,
    ends: datetime | None = None,
    after: Place | None = None,
) -> tuple[list[Sequence[Cell]], Place | None]:
    """Some of the journal of what was posted from `begins` on and before `ends`, and where to go on; no rows: its end.

    On a snapshot (repeatable read) all parts see the same ledger.
    """
    at, tx = after or Place(begins or datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
    page = await conn.fetch(
        """WITH page AS (
             SELECT * FROM ledger_tx WHERE (effective_at, id) > ($1, $2)
               AND ($3::timestamptz IS NULL OR effective_at < $3) ORDER BY effective_at, id LIMIT $4)
           SELECT t.id, e.line, t.effective_at, t.kind, t.idem_key, a.code, e.currency, e.amount, t.subject_type,
                  t.subject_id, t.actor, t.reverses
           FROM page t JOIN ledger_entry e ON e.tx_id = t.id JOIN ledger_account a ON a.id = e.account_id
           ORDER BY t.effective_at, t.id, e.line""",
        at, tx, ends, AT_ONCE,
    )  # fmt: skip
    return [_row(row) for row in page], Place(page[-1]["effective_at"], page[-1]["id"]) if page else None


def _row(row: asyncpg.Record) -> Sequence[Cell]:
    subject = f"{row['subject_type']}:{row['subject_id']}" if row["subject_id"] is not None else ""
    return (
        str(row["id"]), row["line"], row["effective_at"].astimezone(UTC).isoformat(), row["kind"], row["idem_key"],
        row["code"], row["currency"], max(row["amount"], 0), max(-row["amount"], 0), subject, row["actor"],
        str(row["reverses"] or ""),
    )  # fmt: skip


# ---- the other way


class Rebuilt(msgspec.Struct):
    """What a journal alone says: the balance of each (account, currency), debit positive; and what is wrong with it."""

    balances: dict[tuple[str, str], int] = {}
    transactions: int = 0
    lines: int = 0
    wrong: list[str] = []


def rebuild(table: Iterable[list[str]]) -> Rebuilt:
    """Make every balance again from the rows of a journal, header first.

    Named as wrong: a transaction that does not sum to zero in its currencies, has a line missing or more than one of a
    number, or stands there twice. Raises ValueError for a table that is no journal, with the number of the row.
    """
    found, current, seen = Rebuilt(), _Transaction(""), set[str]()
    rows = iter(table)
    if tuple(next(rows, ())) != COLUMNS:
        raise ValueError(f"the first row of a journal is {','.join(COLUMNS)}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS):
            raise ValueError(f"row {number} has {len(row)} columns, not {len(COLUMNS)}")
        tx, line, account, currency, debit, credit = row[0], row[1], row[5], row[6], row[7], row[8]
        amount = _amount(number, debit) - _amount(number, credit)
        if tx != current.id:
            found.wrong += current.wrong()
            current = _Transaction(tx)
            found.transactions += 1
            if tx in seen:
                found.wrong.append(f"{tx} stands there twice")
            seen.add(tx)
        current.add(line, currency, amount)
        found.balances[account, currency] = found.balances.get((account, currency), 0) + amount
        found.lines += 1
    found.wrong += current.wrong()
    return found


class _Transaction:
    """The lines of one transaction as they come."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.sums: dict[str, int] = {}
        self.numbers: list[str] = []

    def add(self, number: str, currency: str, amount: int) -> None:
        self.numbers.append(number)
        self.sums[currency] = self.sums.get(currency, 0) + amount

    def wrong(self) -> list[str]:
        named = [f"{self.id} does not sum to zero: {total} {code}" for code, total in self.sums.items() if total]
        if self.numbers != [str(n) for n in range(len(self.numbers))] or len(self.numbers) == 1:
            named.append(f"{self.id} does not have its lines from 0 on, two or more")
        return named


def _amount(number: int, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > LARGEST:
        raise ValueError(f"row {number}: {text[:40]!r} is no amount")
    return int(text)


async def differences(conn: asyncpg.Connection, rebuilt: Rebuilt) -> list[str]:
    """Accounts whose balance in the database is another than in the journal, each with both (debit positive)."""
    rows = await conn.fetch(
        """SELECT a.code, a.currency, CASE WHEN a.tracked THEN a.posted ELSE coalesce(s.total, 0) END AS balance
           FROM ledger_account a LEFT JOIN LATERAL (
             SELECT sum(e.amount)::bigint AS total FROM ledger_entry e WHERE e.account_id = a.id AND NOT a.tracked
           ) s ON true"""
    )
    there = {(row["code"], row["currency"]): row["balance"] for row in rows}
    return [
        f"{code} {currency}: {rebuilt.balances.get((code, currency), 0)} in the journal, "
        f"{there.get((code, currency), 0)} in the database"
        for code, currency in sorted(rebuilt.balances.keys() | there.keys())
        if rebuilt.balances.get((code, currency), 0) != there.get((code, currency), 0)
    ]

"""The sole writer of the ledger. Each posting is balanced, has a key of its own, and is posted once.

Account codes are in the schema's function `ledger_open`; a debit is positive, a credit negative. A posting is in one
currency. Lock order over the whole market: task, claim, submission, then ledger accounts by id.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from market import ids
from market.errors import InsufficientFunds

CLEARING, FEES, FEE_INCOME, LOSSES = "stripe:clearing", "stripe:fees", "platform:fee", "platform:losses"
SUSPENSE, BANK, CAPITAL = "suspense", "platform:bank", "platform:capital"


def buyer(account: UUID, part: str = "available") -> str:
    """What a buyer owns with us: `available` or `held`."""
    return f"buyer:{account}:{part}"


def escrow(task: UUID) -> str:
    """What is held for one task; zero once it is closed."""
    return f"task:{task}:escrow"


def person(person_id: UUID, part: str) -> str:
    """What is owed to a person: `pending`, `payable`, `held`; or what they owe: `receivable`."""
    return f"person:{person_id}:{part}"


class Posting(NamedTuple):
    """One posting: its key, its lines (account code, signed minor units), what it is about, a note of it, and the
    transaction that it takes back."""

    key: str
    lines: Sequence[tuple[str, int]]
    subject: tuple[str | None, UUID | None]
    meta: dict[str, Any]
    reverses: UUID | None = None


async def post(
    conn: asyncpg.Connection,
    kind: str,
    key: str,
    lines: list[tuple[str, int]],
    *,
    currency: str,
    actor: str,
    subject: tuple[str, UUID] | None = None,
    meta: dict[str, Any] | None = None,
    reverses: UUID | None = None,
) -> bool:
    """Post `lines` (account code, signed minor units) under `key`; False when it was posted before.

    Lines of zero are left out. Raises InsufficientFunds when an account would fall below its floor.
    """
    posting = Posting(key, lines, subject or (None, None), meta or {}, reverses)
    return await post_many(conn, kind, [posting], currency=currency, actor=actor) == 1


async def post_many(
    conn: asyncpg.Connection, kind: str, postings: Sequence[Posting], *, currency: str, actor: str
) -> int:
    """Post all of them in one statement, in their order, as `post` does; how many are new.

    Raises InsufficientFunds when an account would fall below its floor, and then none of them is posted.
    """
    kept = [(n, code, amount) for n, each in enumerate(postings, 1) for code, amount in each.lines if amount]
    try:
        # A savepoint would cost two round trips; the caller's transaction is lost either way, as it should be.
        posted: int = await conn.fetchval(
            "SELECT ledger_post($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            kind, actor, currency, [ids.new() for _ in postings], [each.key for each in postings],
            [each.subject[0] for each in postings], [each.subject[1] for each in postings],
            [each.meta for each in postings], [each.reverses for each in postings],
            [n for n, _, _ in kept], [code for _, code, _ in kept], [amount for _, _, amount in kept],
        )  # fmt: skip
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "ledger_account_floor":
            needed = sum(amount for _, code, amount in kept if code.startswith("buyer:") and amount > 0)
            raise InsufficientFunds(needed=needed or None) from error
        raise
    return posted


async def lock(conn: asyncpg.Connection, accounts: set[tuple[str, str]]) -> None:
    """Take the locks of all these accounts (code, currency), in the one order over the whole ledger.

    For transactions of several postings: each posting orders its own locks, but two such transactions, or one and a
    single posting, would wait for each other in a ring. So call this after all other row locks, before the first.
    """
    pairs = [code for code, _ in accounts], [currency for _, currency in accounts]
    # Opening waits for whoever opens the same account, hence by code; only then the locks, by id.
    await conn.execute(
        """SELECT ledger_open(w.code, w.currency) FROM unnest($1::text[], $2::text[]) AS w (code, currency)
           WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.code = w.code AND a.currency = w.currency)
           ORDER BY w.code, w.currency""",
        *pairs,
    )
    await conn.execute(
        """SELECT FROM ledger_account WHERE tracked AND id IN (
             SELECT a.id FROM unnest($1::text[], $2::text[]) AS w (code, currency)
             JOIN ledger_account a ON a.code = w.code AND a.currency = w.currency)
           ORDER BY id FOR NO KEY UPDATE""",
        *pairs,
    )


async def balances(conn: asyncpg.Connection, codes: list[str], currency: str) -> list[int]:
    """The natural balance of each tracked account, in the order asked; 0 for one that never had an entry."""
    rows = await conn.fetch(
        "SELECT code, normal * posted AS balance FROM ledger_account WHERE code = ANY ($1::text[]) AND currency = $2",
        codes, currency,
    )  # fmt: skip
    found = {row["code"]: row["balance"] for row in rows}
    return [found.get(code, 0) for code in codes]


async def derived(conn: asyncpg.Connection, code: str, currency: str) -> int:
    """The natural balance summed from entries: the only way for accounts that keep no cached one."""
    total: int = await conn.fetchval(
        """SELECT coalesce(sum(e.amount * a.normal), 0)::bigint FROM ledger_account a
           JOIN ledger_entry e ON e.account_id = a.id WHERE a.code = $1 AND a.currency = $2""",
        code, currency,
    )  # fmt: skip
    return total

"""The books to read: the chart with its sums, accounts, their entries, whole transactions. Every number opens further.

Kinds are codes without the ids in them: `buyer:available` stands for every buyer's. Amounts are minor units; a balance
is natural: positive on the side where that kind of account normally stands.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import NotFound
from market.events import Subject

# A code without the id in it. Written out where it is used, so that PostgreSQL sees one expression.
KIND = "regexp_replace(a.code, ':[0-9a-f-]{36}', '')"


class TrialLine(msgspec.Struct, frozen=True):
    """One kind of account in one currency: how many there are, all debits and credits, and the balance they leave.

    class: asset | liability | income | expense | equity.
    """

    kind: str
    class_: str = msgspec.field(name="class")
    currency: str
    accounts: int
    debits: int
    credits: int
    balance: int


class TrialSum(msgspec.Struct, frozen=True):
    """One currency: the debits and credits of all its accounts, and of all balances; each pair is equal."""

    currency: str
    debits: int
    credits: int
    debit_balances: int
    credit_balances: int
    balanced: bool


class TrialBalance(msgspec.Struct, frozen=True):
    """The chart with its sums, of everything posted before `at`."""

    at: datetime
    lines: list[TrialLine]
    sums: list[TrialSum]


class LedgerAccount(msgspec.Struct, frozen=True):
    """An account: its natural balance, whether it is kept beside its entries (`cached`), how many entries it has."""

    code: str
    kind: str
    class_: str = msgspec.field(name="class")
    currency: str
    balance: int
    entries: int
    cached: bool
    closed_at: datetime | None


class LedgerEntry(msgspec.Struct, frozen=True):
    """One entry of an account. `balance_after` is natural, and null for accounts that keep none."""

    transaction: str
    at: datetime
    kind: str
    key: str
    debit: int
    credit: int
    balance_after: int | None
    subject: Subject | None
    actor: str


class TransactionLine(msgspec.Struct, frozen=True):
    """A line of a transaction."""

    account: str
    currency: str
    debit: int
    credit: int
    balance_after: int | None


class LedgerTransaction(msgspec.Struct, frozen=True):
    """A transaction with all its lines; `key` is ours, `stripe_lines` the lines of Stripe's balance it stands for."""

    id: str
    at: datetime
    kind: str
    key: str
    actor: str
    subject: Subject | None
    lines: list[TransactionLine]
    reverses: str | None
    reversed_by: str | None
    meta: dict[str, Any]
    stripe_lines: list[str]


def show_tx(id: UUID) -> str:
    """A transaction's public id."""
    return f"ltx_{id.hex}"


def read_tx(text: str) -> UUID:
    """The inverse of `show_tx`. Raises NotFound for anything else."""
    prefix, _, digits = text.partition("_")
    try:
        if prefix != "ltx" or len(digits) != 32:
            raise ValueError
        return UUID(hex=digits)
    except ValueError:
        raise NotFound("There is no ledger transaction with this id.") from None


def subject_of(type: str | None, id: UUID | None) -> Subject | None:
    """What a transaction is about, by its public id where its kind has one."""
    if type is None or id is None:
        return None
    return Subject(type, ids.show(type, id) if type in ids.PREFIXES else str(id))


# ---- the chart and its sums


async def trial_balance(conn: asyncpg.Connection, at: datetime | None = None) -> TrialBalance:
    """The trial balance of everything posted before `at`; None: of everything there is by now."""
    before = "WHERE e.tx_id IN (SELECT id FROM ledger_tx WHERE effective_at < $1)" if at is not None else ""
    rows = await conn.fetch(
        f"""SELECT {KIND} AS kind, a.class, a.normal, a.currency, count(*) AS accounts,
                   sum(s.debits)::bigint AS debits, sum(s.credits)::bigint AS credits
            FROM (SELECT e.account_id, coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) AS debits,
                         coalesce(-sum(e.amount) FILTER (WHERE e.amount < 0), 0) AS credits
                  FROM ledger_entry e {before} GROUP BY e.account_id) s JOIN ledger_account a ON a.id = s.account_id
            GROUP BY 1, 2, 3, 4 ORDER BY a.currency, min(array_position(
              ARRAY['asset', 'liability', 'equity', 'income', 'expense'], a.class)), 1""",
        *([] if at is None else [at]),
    )  # fmt: skip
    lines = [
        TrialLine(
            row["kind"], row["class"], row["currency"], row["accounts"], row["debits"], row["credits"],
            row["normal"] * (row["debits"] - row["credits"]),
        )
        for row in rows
    ]  # fmt: skip
    return TrialBalance(at or await conn.fetchval("SELECT market_now()"), lines, sums_of(lines))


def sums_of(lines: list[TrialLine]) -> list[TrialSum]:
    """The sums by currency; a kind's balance counts on the side on which it stands now."""
    sums = []
    for currency in sorted({line.currency for line in lines}):
        own = [line for line in lines if line.currency == currency]
        nets = [line.debits - line.credits for line in own]
        debits, credits = sum(line.debits for line in own), sum(line.credits for line in own)
        left, right = sum(net for net in nets if net > 0), -sum(net for net in nets if net < 0)
        sums.append(TrialSum(currency, debits, credits, left, right, debits == credits and left == right))
    return sums


class AccountPlace(NamedTuple):
    """Where a list of accounts stands."""

    code: str
    currency: str


async def accounts(
    conn: asyncpg.Connection,
    *,
    prefix: str = "",
    kind: str | None = None,
    currency: str | None = None,
    after: AccountPlace | None = None,
    limit: int,
) -> list[LedgerAccount]:
    """Accounts whose code begins with `prefix`, or of one kind, by code."""
    rows = await conn.fetch(
        f"""WITH page AS (
              SELECT a.*, {KIND} AS kind FROM ledger_account a
              WHERE starts_with(a.code, $1) AND ($2::text IS NULL OR {KIND} = $2)
                AND ($3::text IS NULL OR a.currency = $3)
                AND ($4::text IS NULL OR (a.code, a.currency) > ($4, $5::text))
              ORDER BY a.code, a.currency LIMIT $6)
            SELECT p.*, CASE WHEN p.tracked THEN p.posted ELSE s.total END AS total,
                   CASE WHEN p.tracked THEN p.version ELSE s.entries END AS entries
            FROM page p LEFT JOIN LATERAL (
              SELECT coalesce(sum(e.amount), 0)::bigint AS total, count(*) AS entries FROM ledger_entry e
              WHERE e.account_id = p.id AND NOT p.tracked) s ON true
            ORDER BY p.code, p.currency""",
        prefix, kind, currency, after and after.code, after and after.currency, limit,
    )  # fmt: skip
    return [
        LedgerAccount(
            row["code"], row["kind"], row["class"], row["currency"], row["normal"] * row["total"], row["entries"],
            row["tracked"], row["closed_at"],
        )
        for row in rows
    ]  # fmt: skip


async def entries(
    conn: asyncpg.Connection, code: str, currency: str, *, before: UUID | None, limit: int
) -> list[tuple[UUID, LedgerEntry]]:
    """An account's entries, newest first, each with its transaction's id, which is its place. Raises NotFound."""
    account = await conn.fetchrow(
        "SELECT id, normal FROM ledger_account WHERE code = $1 AND currency = $2", code, currency
    )
    if account is None:
        raise NotFound("There is no such account in this currency.")
    rows = await conn.fetch(
        """SELECT e.tx_id, e.amount, e.balance_after, t.effective_at, t.kind, t.idem_key, t.subject_type, t.subject_id,
                  t.actor
           FROM ledger_entry e JOIN ledger_tx t ON t.id = e.tx_id
           WHERE e.account_id = $1 AND ($2::uuid IS NULL OR e.tx_id < $2) ORDER BY e.tx_id DESC LIMIT $3""",
        account["id"], before, limit,
    )  # fmt: skip
    return [
        (
            row["tx_id"],
            LedgerEntry(
                show_tx(row["tx_id"]), row["effective_at"], row["kind"], row["idem_key"], max(row["amount"], 0),
                max(-row["amount"], 0), natural(row["balance_after"], account["normal"]),
                subject_of(row["subject_type"], row["subject_id"]), row["actor"],
            ),
        )
        for row in rows
    ]  # fmt: skip


def natural(balance: int | None, normal: int) -> int | None:
    """A signed balance as the account's own side sees it."""
    return None if balance is None else normal * balance


async def currency_of(conn: asyncpg.Connection, code: str) -> str:
    """The currency of an account that has only one. Raises NotFound for a code without an account, or with several."""
    rows = await conn.fetch("SELECT currency FROM ledger_account WHERE code = $1 ORDER BY currency", code)
    if not rows:
        raise NotFound("There is no ledger account with this code.")
    if len(rows) > 1:
        have = ", ".join(row["currency"] for row in rows)
        raise NotFound(f"This account exists in {have}: say which, with ?currency=.")
    found: str = rows[0]["currency"]
    return found


async def transaction(conn: asyncpg.Connection, tx: UUID) -> LedgerTransaction:
    """One transaction. Raises NotFound."""
    row = await conn.fetchrow(
        """SELECT t.*, r.id AS reversed_by,
                  ARRAY(SELECT b.id FROM stripe_balance_txn b WHERE t.idem_key IN (b.ledger_key, b.suspense_key)
                        ORDER BY b.id) AS stripe_lines
           FROM ledger_tx t LEFT JOIN ledger_tx r ON r.reverses = t.id WHERE t.id = $1""",
        tx,
    )
    if row is None:
        raise NotFound("There is no ledger transaction with this id.")
    lines = await conn.fetch(
        """SELECT a.code, a.normal, e.currency, e.amount, e.balance_after FROM ledger_entry e
           JOIN ledger_account a ON a.id = e.account_id WHERE e.tx_id = $1 ORDER BY e.line""",
        tx,
    )
    return LedgerTransaction(
        show_tx(tx), row["effective_at"], row["kind"], row["idem_key"], row["actor"],
        subject_of(row["subject_type"], row["subject_id"]),
        [
            TransactionLine(
                line["code"], line["currency"], max(line["amount"], 0), max(-line["amount"], 0),
                natural(line["balance_after"], line["normal"]),
            )
            for line in lines
        ],
        row["reverses"] and show_tx(row["reverses"]), row["reversed_by"] and show_tx(row["reversed_by"]), row["meta"],
        row["stripe_lines"],
    )  # fmt: skip

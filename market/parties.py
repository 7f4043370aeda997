"""People and accounts as operators see them: found by name, e-mail or id, with balances, holds and what is open.

All of this is personal data; whoever serves it keeps in the audit log who has looked.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import holds, ids, ledger
from market.errors import NotFound
from market.holds import Hold
from market.money import Money

MOST_MATTERS = 200


class PersonRow(msgspec.Struct, frozen=True):
    """Somebody who answers. payout_account: the capability's status at Stripe, null without an account there."""

    id: str
    name: str
    email: str
    created_at: datetime
    erased_at: datetime | None
    payout_account: str | None
    held: bool


class AccountRow(msgspec.Struct, frozen=True):
    """A buyer."""

    id: str
    name: str
    email: str
    currency: str
    created_at: datetime
    held: bool


class Matter(msgspec.Struct, frozen=True):
    """Something that has not ended: what, its id, its status, since when, and how much it is about."""

    type: str
    id: str
    status: str
    since: datetime
    amount: Money | None


class PersonBalance(msgspec.Struct, frozen=True):
    """In one currency. pending: in the hold window · payable: in the next payout · held · receivable: what they owe ·
    paid: has gone to their account at Stripe, and not come back."""

    pending: Money
    payable: Money
    held: Money
    receivable: Money
    paid: Money


class AccountBalance(msgspec.Struct, frozen=True):
    """In one currency. available: free to spend · held: frozen, by a dispute say · in_tasks: set aside there."""

    available: Money
    held: Money
    in_tasks: Money


class Person(msgspec.Struct, frozen=True):
    """Somebody who answers, with everything an operator decides by. requirements: what Stripe still asks for."""

    person: PersonRow
    stripe_id: str | None
    requirements: list[str]
    balances: list[PersonBalance]
    hold: Hold | None
    open: list[Matter]


class Account(msgspec.Struct, frozen=True):
    """A buyer, with everything an operator decides by."""

    account: AccountRow
    stripe_id: str | None
    balances: list[AccountBalance]
    hold: Hold | None
    open: list[Matter]


_PERSON = """
    SELECT p.id, p.display_name AS name, p.email, p.created_at, p.erased_at, a.transfers, a.stripe_id, a.requirements,
      EXISTS (SELECT FROM payout_hold h WHERE h.person_id = p.id
                AND (h.expires_at IS NULL OR h.expires_at > market_now())) AS held
    FROM person p LEFT JOIN payout_account a ON a.person_id = p.id"""
_ACCOUNT = """
    SELECT p.id, p.name, p.email, p.currency, p.created_at, c.stripe_id,
      EXISTS (SELECT FROM account_hold h WHERE h.account_id = p.id
                AND (h.expires_at IS NULL OR h.expires_at > market_now())) AS held
    FROM account p LEFT JOIN customer c ON c.account_id = p.id"""


async def people(
    conn: asyncpg.Connection, *, search: str, before: UUID | None, limit: int, held: bool = False
) -> list[PersonRow]:
    """People, newest first. search: part of a name or an e-mail address, or a whole id · held: those on hold alone."""
    rows = await _found(conn, _PERSON, "display_name", "person", search, before, limit, held)
    return [_person(row) for row in rows]


async def accounts(
    conn: asyncpg.Connection, *, search: str, before: UUID | None, limit: int, held: bool = False
) -> list[AccountRow]:
    """Accounts, newest first, found as people are."""
    return [_account(row) for row in await _found(conn, _ACCOUNT, "name", "account", search, before, limit, held)]


async def person(conn: asyncpg.Connection, person_id: UUID) -> Person:
    """One person. Raises NotFound."""
    row = await conn.fetchrow(f"{_PERSON} WHERE p.id = $1", person_id)
    if row is None:
        raise NotFound("There is no such person.")
    parts = "pending", "payable", "held", "receivable"
    sums = await _balances(conn, [ledger.person(person_id, part) for part in parts])
    paid = {
        one["currency"]: one["amount"]
        for one in await conn.fetch(
            """SELECT currency, sum(amount - reversed)::bigint AS amount FROM payout
               WHERE person_id = $1 AND status = 'paid' GROUP BY currency""",
            person_id,
        )
    }
    balances = [
        PersonBalance(
            paid=Money(paid.get(currency, 0), currency),
            **{part: Money(sums.get((ledger.person(person_id, part), currency), 0), currency) for part in parts},
        )
        for currency in sorted({currency for _, currency in sums} | paid.keys())
    ]
    return Person(
        _person(row), row["stripe_id"], row["requirements"] or [], balances,
        await holds.find(conn, "person", person_id), await _matters(conn, _OF_PERSON, person_id),
    )  # fmt: skip


async def account(conn: asyncpg.Connection, account_id: UUID) -> Account:
    """One account. Raises NotFound."""
    row = await conn.fetchrow(f"{_ACCOUNT} WHERE p.id = $1", account_id)
    if row is None:
        raise NotFound("There is no such account.")
    parts = "available", "held"
    sums = await _balances(conn, [ledger.buyer(account_id, part) for part in parts])
    in_tasks = {
        one["currency"]: one["amount"]
        for one in await conn.fetch(
            """SELECT l.currency, sum(-l.posted)::bigint AS amount FROM task t
               JOIN ledger_account l ON l.code = 'task:' || t.id || ':escrow' AND l.posted <> 0
               WHERE t.account_id = $1 GROUP BY l.currency""",
            account_id,
        )
    }
    balances = [
        AccountBalance(
            in_tasks=Money(in_tasks.get(currency, 0), currency),
            **{part: Money(sums.get((ledger.buyer(account_id, part), currency), 0), currency) for part in parts},
        )
        for currency in sorted({currency for _, currency in sums} | in_tasks.keys())
    ]
    return Account(
        _account(row), row["stripe_id"], balances, await holds.find(conn, "account", account_id),
        await _matters(conn, _OF_ACCOUNT, account_id),
    )  # fmt: skip


# ---- inside


async def _found(
    conn: asyncpg.Connection, query: str, name: str, kind: str, search: str, before: UUID | None, limit: int,
    held: bool,
) -> Sequence[asyncpg.Record]:  # fmt: skip
    wanted = search.strip()
    exact = None
    if wanted.startswith(f"{ids.PREFIXES[kind]}_"):
        try:
            exact = ids.read(kind, wanted)
        except NotFound:
            return []
    on_hold = "payout_hold h WHERE h.person_id" if kind == "person" else "account_hold h WHERE h.account_id"
    return await conn.fetch(  # type: ignore[no-any-return]
        f"""{query} WHERE ($1::uuid IS NULL OR p.id < $1) AND ($2::uuid IS NULL OR p.id = $2)
              AND ($2::uuid IS NOT NULL OR $3 = '' OR strpos(lower(p.{name}), lower($3)) > 0
                   OR strpos(lower(p.email), lower($3)) > 0)
              {f"AND EXISTS (SELECT FROM {on_hold} = p.id AND (h.expires_at IS NULL OR h.expires_at > market_now()))"
               if held else ""}
            ORDER BY p.id DESC LIMIT $4""",
        before, exact, wanted, limit,
    )  # fmt: skip


async def _balances(conn: asyncpg.Connection, codes: list[str]) -> dict[tuple[str, str], int]:
    rows = await conn.fetch(
        "SELECT code, currency, normal * posted AS balance FROM ledger_account WHERE code = ANY ($1::text[])", codes
    )
    return {(row["code"], row["currency"]): row["balance"] for row in rows}


_OF_PERSON = """
    SELECT 'payout' AS type, p.id, p.status::text, coalesce(p.settled_at, r.created_at) AS since, p.amount, p.currency
      FROM payout p JOIN payout_run r ON r.id = p.run_id WHERE p.person_id = $1 AND p.status <> 'paid'
    UNION ALL SELECT 'submission', id, status::text, submitted_at, NULL, NULL FROM submission
      WHERE person_id = $1 AND status IN ('checking', 'needs_review')
    UNION ALL SELECT 'claim', id, status::text, created_at, NULL, NULL FROM claim
      WHERE person_id = $1 AND status = 'active'
    UNION ALL SELECT 'money_decision', d.id, d.kind || ' ' || d.status, d.created_at, d.amount, d.currency
      FROM money_decision d WHERE d.status = 'asked' AND (d.subject_id = $1
        OR d.kind = 'clawback' AND EXISTS (SELECT FROM submission s WHERE s.id = d.subject_id AND s.person_id = $1))
    UNION ALL SELECT 'stripe_op', id, kind || ' ' || status, created_at, NULL, NULL FROM stripe_op
      WHERE kind = 'recipient' AND subject_id = $1 AND status IN ('planned', 'sending', 'unknown')"""
_OF_ACCOUNT = """
    SELECT 'funding' AS type, id, CASE WHEN processing_at IS NULL THEN 'pending' ELSE 'processing' END AS status,
        created_at AS since, amount, currency FROM funding WHERE account_id = $1 AND status = 'pending'
    UNION ALL SELECT 'refund', id, status, created_at, amount, currency FROM refund
      WHERE account_id = $1 AND status = 'pending'
    UNION ALL SELECT 'dispute', id, status, opened_at, amount, currency FROM dispute
      WHERE account_id = $1 AND closed_at IS NULL
    UNION ALL SELECT 'fraud_warning', id, status, created_at, NULL, NULL FROM fraud_warning
      WHERE account_id = $1 AND status = 'open'
    UNION ALL SELECT 'task', id, status::text, created_at, (top + top_fee) * quantity, currency FROM task
      WHERE account_id = $1 AND status = 'open'
    UNION ALL SELECT 'submission', id, status::text, submitted_at, NULL, NULL FROM submission
      WHERE account_id = $1 AND status IN ('checking', 'needs_review')"""


async def _matters(conn: asyncpg.Connection, query: str, subject: UUID) -> list[Matter]:
    """The oldest first."""
    rows = await conn.fetch(f"SELECT * FROM ({query}) AS m ORDER BY since, id LIMIT {MOST_MATTERS}", subject)
    return [
        Matter(
            row["type"], ids.show(row["type"], row["id"]), row["status"], row["since"],
            None if row["amount"] is None else Money(row["amount"], row["currency"]),
        )
        for row in rows
    ]  # fmt: skip


def _person(row: asyncpg.Record) -> PersonRow:
    return PersonRow(
        ids.show("person", row["id"]), row["name"], row["email"], row["created_at"], row["erased_at"],
        row["transfers"], row["held"],
    )  # fmt: skip


def _account(row: asyncpg.Record) -> AccountRow:
    return AccountRow(
        ids.show("account", row["id"]), row["name"], row["email"], row["currency"], row["created_at"], row["held"]
    )

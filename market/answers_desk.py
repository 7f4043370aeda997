"""Answers as operators look at them, with whose they are and what became of their pay; and names beside ids.

All of this is personal data; whoever serves it keeps in the audit log who has looked.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import NotFound
from market.money import Money

LATEST = 20


class Answer(msgspec.Struct, frozen=True):
    """An answer to a task, and its pay.

    pay: the person's, null while there is none · pay_status: pending (in the hold window) | payable | on_its_way |
    paid | taken_back · payout_id: the line that pays it, or did.
    """

    id: str
    person_id: str
    person_name: str
    task_title: str
    answered_at: datetime
    status: str
    pay: Money | None
    pay_status: str | None
    payout_id: str | None


class PaidLine(msgspec.Struct, frozen=True):
    """A person's line in a payout run; at: when it was settled, or its run made."""

    id: str
    run_id: str
    status: str
    amount: Money
    at: datetime


_ANSWER = """
    SELECT s.id, s.person_id, p.display_name, t.title, s.submitted_at, s.status::text, e.amount, e.currency,
      e.payout_id, CASE WHEN e.id IS NULL THEN NULL WHEN e.clawed_back_at IS NOT NULL THEN 'taken_back'
        WHEN l.status = 'paid' THEN 'paid' WHEN l.id IS NOT NULL THEN 'on_its_way'
        WHEN e.released_at IS NOT NULL THEN 'payable' ELSE 'pending' END AS pay_status
    FROM submission s JOIN person p ON p.id = s.person_id JOIN task t ON t.id = s.task_id
      LEFT JOIN earning e ON e.id = s.id LEFT JOIN payout l ON l.id = e.payout_id"""


async def answers(conn: asyncpg.Connection, submissions: Sequence[UUID]) -> dict[str, Answer]:
    """These answers by their public ids; those that are not there are left out."""
    found = [_answer(row) for row in await conn.fetch(f"{_ANSWER} WHERE s.id = ANY ($1::uuid[])", submissions)]
    return {answer.id: answer for answer in found}


async def latest(conn: asyncpg.Connection, person: UUID, limit: int = LATEST) -> list[Answer]:
    """A person's answers, newest first."""
    rows = await conn.fetch(f"{_ANSWER} WHERE s.person_id = $1 ORDER BY s.id DESC LIMIT $2", person, limit)
    return [_answer(row) for row in rows]


async def payouts(conn: asyncpg.Connection, person: UUID, limit: int = LATEST) -> list[PaidLine]:
    """A person's lines in payout runs, newest first."""
    rows = await conn.fetch(
        """SELECT l.id, l.run_id, l.status::text, l.amount, l.currency, coalesce(l.settled_at, r.created_at) AS at
           FROM payout l JOIN payout_run r ON r.id = l.run_id WHERE l.person_id = $1 ORDER BY l.id DESC LIMIT $2""",
        person, limit,
    )  # fmt: skip
    return [
        PaidLine(
            ids.show("payout", row["id"]), ids.show("payout_run", row["run_id"]), row["status"],
            Money(row["amount"], row["currency"]), row["at"],
        )
        for row in rows
    ]  # fmt: skip


async def names(conn: asyncpg.Connection, parties: Iterable[str]) -> dict[str, str]:
    """What people and accounts are called, by their public ids; other ids are passed over."""
    wanted: dict[str, list[UUID]] = {"person": [], "account": []}
    for identity in set(parties):
        for kind, found in wanted.items():
            try:
                found.append(ids.read(kind, identity))
            except NotFound:
                continue
    if not any(wanted.values()):
        return {}
    rows = await conn.fetch(
        """SELECT 'person' AS kind, id, display_name AS name FROM person WHERE id = ANY ($1::uuid[])
           UNION ALL SELECT 'account', id, name FROM account WHERE id = ANY ($2::uuid[])""",
        wanted["person"], wanted["account"],
    )  # fmt: skip
    return {ids.show(row["kind"], row["id"]): row["name"] for row in rows}


def _answer(row: asyncpg.Record) -> Answer:
    return Answer(
        ids.show("submission", row["id"]), ids.show("person", row["person_id"]), row["display_name"], row["title"],
        row["submitted_at"], row["status"], None if row["amount"] is None else Money(row["amount"], row["currency"]),
        row["pay_status"], None if row["payout_id"] is None else ids.show("payout", row["payout_id"]),
    )  # fmt: skip

"""What people have earned: pending for the hold window, then payable, then paid."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, ledger
from market.money import Money

Status = Literal["pending", "contested", "released", "paid", "clawed_back"]


class Line(msgspec.Struct, frozen=True):
    """One accepted submission's pay, or a royalty, of a sale of what it became. status: pending · contested: the buyer
    disputes it, so it is not released · released: in the next payout, or held · paid: sent · clawed_back: it turned out
    to be fraud. netted: of what this made payable, what went to pay a debt."""

    submission_id: str
    title: str
    amount: Money
    status: Status
    created_at: datetime
    release_at: datetime
    netted: Money | None = None
    kind: str = "reward"


class Sums(msgspec.Struct, frozen=True):
    """One currency. pending: in the hold window · payable: in the next payout · held: by an operator · paid: sent, and
    not come back · owed: to the platform, which takes it from what is earned next.
    """

    pending: Money
    payable: Money
    held: Money
    paid: Money
    owed: Money


class Earnings(msgspec.Struct, frozen=True):
    """What a person has earned, in each currency, and their latest lines in any. The five sums at the top repeat the
    first of `by_currency`. next_payout_at: when the next pending line is released.
    """

    pending: Money
    payable: Money
    held: Money
    paid: Money
    owed: Money
    by_currency: list[Sums]
    next_payout_at: datetime | None
    lines: list[Line]


async def of_person(conn: asyncpg.Connection, person: UUID, *, limit: int = 50) -> Earnings:
    """A person's balances and latest lines. The first currency is US dollars when there are any, or nothing at all."""
    earned = await conn.fetch(
        "SELECT currency FROM earning WHERE person_id = $1 GROUP BY currency ORDER BY currency <> 'usd', currency",
        person,
    )
    sums = [await _sums(conn, person, row["currency"]) for row in earned]
    rows = await conn.fetch(
        """SELECT e.*, t.title, p.status::text AS payout, (x.meta->>'amount')::bigint AS netted
           FROM earning e JOIN submission s ON s.id = e.submission_id JOIN task t ON t.id = s.task_id
             LEFT JOIN payout p ON p.id = e.payout_id
             LEFT JOIN ledger_tx x ON x.idem_key = 'net:' || e.id
           WHERE e.person_id = $1 ORDER BY e.id DESC LIMIT $2""",
        person, limit,
    )  # fmt: skip
    upcoming = await conn.fetchval(
        "SELECT min(release_at) FROM earning WHERE person_id = $1 AND released_at IS NULL AND NOT contested", person
    )
    first = sums[0] if sums else await _sums(conn, person, "usd")
    return Earnings(
        first.pending, first.payable, first.held, first.paid, first.owed, sums or [first], upcoming,
        [
            Line(
                ids.show("submission", row["submission_id"]), row["title"], Money(row["amount"], row["currency"]),
                status_of(row), row["created_at"], row["release_at"],
                None if row["netted"] is None else Money(row["netted"], row["currency"]), row["kind"],
            )
            for row in rows
        ],
    )  # fmt: skip


def status_of(row: asyncpg.Record) -> Status:
    """A row of `earning` with its payout's status as `payout`."""
    if row["clawed_back_at"] is not None:
        return "clawed_back"
    if row["released_at"] is None:
        return "contested" if row["contested"] else "pending"
    # Only what has arrived is paid: a transfer under way may yet come back.
    return "paid" if row["payout"] == "paid" else "released"


async def _sums(conn: asyncpg.Connection, person: UUID, currency: str) -> Sums:
    pending, payable, held, owed = await ledger.balances(
        conn, [ledger.person(person, part) for part in ("pending", "payable", "held", "receivable")], currency
    )
    paid = await conn.fetchval(
        """SELECT coalesce(sum(amount - reversed), 0)::bigint FROM payout
           WHERE person_id = $1 AND currency = $2 AND status IN ('planned', 'paid')""",
        person, currency,
    )  # fmt: skip
    return Sums(*(Money(amount, currency) for amount in (pending, payable, held, paid, owed)))


async def release_due(conn: asyncpg.Connection, limit: int = 200) -> int:
    """Make payable what has been pending for the hold window, and take from it what its person owes; how many lines."""
    due = await conn.fetch(
        """UPDATE earning SET released_at = market_now() WHERE id IN (
             SELECT id FROM earning
             WHERE released_at IS NULL AND release_at <= market_now() AND NOT contested
             ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) RETURNING *""",
        limit,
    )
    people = {(row["person_id"], row["currency"]) for row in due}
    owing = await _owing(conn, people)
    codes = {(ledger.person(person, part), currency) for person, currency in people for part in ("pending", "payable")}
    codes |= {(ledger.person(person, "receivable"), currency) for person, currency in owing}
    await ledger.lock(conn, codes)
    for row in due:
        await post_release(conn, row)
        if (row["person_id"], row["currency"]) in owing:
            await net(conn, row["person_id"], row["currency"], str(row["id"]), "market")
    return len(due)


async def _owing(conn: asyncpg.Connection, people: set[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Who of them ever owed something. Most never have, and no account is opened for those."""
    rows = await conn.fetch(
        """SELECT w.person, w.currency FROM unnest($1::uuid[], $2::text[]) AS w (person, currency)
             JOIN ledger_account a ON a.code = 'person:' || w.person || ':receivable' AND a.currency = w.currency""",
        [person for person, _ in people], [currency for _, currency in people],
    )  # fmt: skip
    return {(row["person"], row["currency"]) for row in rows}


async def post_release(conn: asyncpg.Connection, row: asyncpg.Record) -> None:
    """Post and tell that an earning, whose row says so by now, is payable."""
    person, submission = row["person_id"], row["submission_id"]
    await ledger.post(
        conn, "earning.release", f"release:{row['id']}",
        [(ledger.person(person, "pending"), row["amount"]), (ledger.person(person, "payable"), -row["amount"])],
        currency=row["currency"], actor="market", subject=("submission", submission),
    )  # fmt: skip
    await events.append(
        conn, "earning.released", ("submission", submission), "market", person=person,
        data={"amount": row["amount"], "currency": row["currency"]},
    )  # fmt: skip


async def net(conn: asyncpg.Connection, person: UUID, currency: str, key: str, actor: str) -> int:
    """Take what a person owes from what is payable to them, as far as both go; how much.

    key: what became payable, once for each. The caller has locked `payable` and `receivable`.
    """
    payable, owes = await ledger.balances(
        conn, [ledger.person(person, part) for part in ("payable", "receivable")], currency
    )
    amount = min(payable, owes)
    if amount:
        await ledger.post(
            conn, "earning.net", f"net:{key}",
            [(ledger.person(person, "payable"), amount), (ledger.person(person, "receivable"), -amount)],
            currency=currency, actor=actor, subject=("person", person), meta={"amount": amount},
        )  # fmt: skip
        await events.append(
            conn, "earning.netted", ("person", person), actor, person=person,
            data={"amount": amount, "currency": currency, "owed": owes - amount},
        )  # fmt: skip
    return amount

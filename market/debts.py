"""What a person owes the platform, and how that comes about: pay taken back after it turned out to be fraud.

Two operators decide it. What the person still has with us goes first; the rest is owed, and netted from what they earn
later, or written off. Nobody who did honest work ever owes anything: a buyer's chargeback is the buyer's and ours.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import clawbacks, disputes, earnings, events, ids, ledger, listings, money_decisions
from market.errors import Invalid, NotFound, WrongState
from market.money import Money
from market.money_decisions import Asked

CONTESTED = "The buyer disputes this submission: its review decides on the pay."
PARTS = ("payable", "held", "receivable")
_TAKEN = """UPDATE earning SET clawed_back_at = market_now(), released_at = coalesce(released_at, market_now())
  WHERE submission_id = $1 AND clawed_back_at IS NULL"""


class Debt(msgspec.Struct, frozen=True):
    """What somebody owes, and since when they first owed something in this currency."""

    person_id: str
    name: str
    owed: Money
    since: datetime


class Clawed(NamedTuple):
    """Pay that was taken back: whose, for which task, and what that person owes in all."""

    person: UUID
    title: str
    amount: Money
    owed: Money


async def owed(conn: asyncpg.Connection, person: UUID, currency: str) -> int:
    """What a person owes, in minor units."""
    return (await ledger.balances(conn, [ledger.person(person, "receivable")], currency))[0]


async def ask_clawback(conn: asyncpg.Connection, operator: UUID, submission: UUID, reason: str) -> UUID:
    """Ask that an accepted submission's pay is taken back: the decision's id.

    Raises NotFound for a submission that was not paid, WrongState when it was taken back or is asked for already, or is
    contested.
    """
    row = await conn.fetchrow("SELECT * FROM earning WHERE id = $1", submission)
    if row is None:
        raise NotFound("There is no accepted submission with this id.")
    if row["clawed_back_at"] is not None:
        raise WrongState("The pay of this submission has been taken back.")
    if row["contested"]:
        raise WrongState(CONTESTED)
    return await money_decisions.ask(
        conn, operator, "clawback", subject=submission, amount=row["amount"], currency=row["currency"], reason=reason
    )


async def ask_write_off(
    conn: asyncpg.Connection, operator: UUID, person: UUID, amount: Money | None, reason: str
) -> UUID:
    """Ask that what a person owes, or `amount` of it, becomes the platform's loss: the decision's id.

    Raises NotFound, WrongState for nothing owed, Invalid for more than that, or for debts in several currencies without
    an amount.
    """
    if await conn.fetchval("SELECT true FROM person WHERE id = $1", person) is None:
        raise NotFound("There is no such person.")
    rows = await conn.fetch(
        "SELECT currency, posted FROM ledger_account WHERE code = $1 AND posted > 0 ORDER BY currency",
        ledger.person(person, "receivable"),
    )
    owes = {row["currency"]: row["posted"] for row in rows}
    if not owes or (amount is not None and amount.currency not in owes):
        raise WrongState(f"This person owes nothing{'' if amount is None else f' in {amount.currency}'}.")
    if amount is None:
        if len(owes) > 1:
            raise Invalid(f"This person owes in {', '.join(owes)}: say which, and how much.", pointer="/amount")
        [(currency, owed_)] = owes.items()
        amount = Money(owed_, currency)
    if amount.amount > owes[amount.currency]:
        raise Invalid(
            f"This person owes {owes[amount.currency]} {amount.currency} (minor units).", pointer="/amount/amount"
        )
    return await money_decisions.ask(
        conn, operator, "write_off", subject=person, amount=amount.amount, currency=amount.currency, reason=reason
    )


async def listed(conn: asyncpg.Connection, *, after: int | None, limit: int) -> list[tuple[int, Debt]]:
    """Who owes, in the order in which they first did, each with their place in the list."""
    rows = await conn.fetch(
        """SELECT l.id, l.currency, l.posted, p.id AS person_id, p.display_name,
             (SELECT min(x.effective_at) FROM ledger_entry e JOIN ledger_tx x ON x.id = e.tx_id
              WHERE e.account_id = l.id) AS since
           FROM ledger_account l JOIN person p ON l.code = 'person:' || p.id || ':receivable'
           WHERE l.code LIKE 'person:%:receivable' AND l.posted > 0 AND ($1::bigint IS NULL OR l.id > $1)
           ORDER BY l.id LIMIT $2""",
        after, limit,
    )  # fmt: skip
    return [
        (
            row["id"],
            Debt(
                ids.show("person", row["person_id"]), row["display_name"], Money(row["posted"], row["currency"]),
                row["since"],
            ),
        )
        for row in rows
    ]  # fmt: skip


async def clawed_back(conn: asyncpg.Connection, submission: UUID) -> Clawed:
    """What became of a submission's pay that was taken back."""
    row = await conn.fetchrow(
        """SELECT e.*, t.title FROM earning e JOIN submission s ON s.id = e.submission_id
             JOIN task t ON t.id = s.task_id WHERE e.id = $1""",
        submission,
    )
    owes = await owed(conn, row["person_id"], row["currency"])
    return Clawed(row["person_id"], row["title"], Money(row["amount"], row["currency"]), Money(owes, row["currency"]))


async def _claw_back(conn: asyncpg.Connection, asked: Asked) -> None:
    """The person's part comes from what they have with us, the rest is owed; the buyer has the whole price back, which
    first makes good what chargebacks of theirs have cost us. Nobody sells it any more, and whoever bought it of them
    has back what of their price was the person's."""
    assert asked.subject is not None
    # Listings before earnings, as a sale does; after this there is none.
    await listings.withdraw(conn, "s.id = $1", asked.subject, asked.by)
    row = await conn.fetchrow(
        """SELECT e.*, s.account_id FROM earning e JOIN submission s ON s.id = e.submission_id
           WHERE e.id = $1 FOR NO KEY UPDATE OF e""",
        asked.subject,
    )
    if row is None or row["clawed_back_at"] is not None:
        raise WrongState("The pay of this submission has been taken back.")
    if row["contested"]:
        raise WrongState(CONTESTED)
    royalties = await conn.fetch(
        """SELECT e.*, s.buyer_id FROM earning e JOIN sale s ON s.id = e.sale_id
           WHERE e.submission_id = $1 ORDER BY e.id FOR NO KEY UPDATE OF e""",
        asked.subject,
    )
    await conn.execute(_TAKEN, asked.subject)
    fee = await _fee(conn, asked.subject)
    person, currency, buyer = row["person_id"], row["currency"], ledger.buyer(row["account_id"])
    codes = [ledger.person(person, part) for part in ("pending", *PARTS)]
    owing = await disputes.locked_owing(conn, row["account_id"])
    currencies = {currency, *(each["currency"] for each in royalties)}
    bought = {(ledger.buyer(each["buyer_id"]), each["currency"]) for each in royalties}
    await ledger.lock(conn, {(code, each) for code in codes for each in currencies} | {(buyer, currency)} | bought)
    if row["released_at"] is None:
        await earnings.post_release(conn, row)
    parts = await clawbacks.sources(conn, person, row["amount"], currency)
    gross = row["amount"] + fee
    await ledger.post(
        conn, "earning.clawback", f"clawback:{asked.subject}",
        [*((ledger.person(person, part), amount) for part, amount in parts.items()),
         (ledger.FEE_INCOME, fee), (buyer, -gross)],
        currency=currency, actor=asked.by, subject=("submission", asked.subject),
        meta={"decision": str(asked.id), "asked_by": asked.asked_by, "reason": asked.reason},
    )  # fmt: skip
    await disputes.recover(conn, owing.losses, gross)
    told = {"currency": currency, "amount": row["amount"], "owed": parts["receivable"]}
    await events.append(conn, "earning.clawed_back", ("submission", asked.subject), asked.by, person=person, data=told)
    await events.append(
        conn, "submission.refunded", ("submission", asked.subject), asked.by, account=row["account_id"],
        data={"amount": gross, "currency": currency},
    )  # fmt: skip
    await clawbacks.royalties(conn, royalties, asked)


async def _fee(conn: asyncpg.Connection, submission: UUID) -> int:
    """What the market has taken on top of a submission's pay: the task's price may have risen since."""
    taken: int = await conn.fetchval(
        """SELECT coalesce(-sum(l.amount), 0)::bigint FROM ledger_tx x JOIN ledger_entry l ON l.tx_id = x.id
             JOIN ledger_account a ON a.id = l.account_id
           WHERE x.idem_key = ANY (ARRAY['accept:' || $1::uuid, 'award:' || $1::uuid, 'redecide:' || $1::uuid])
             AND a.code = 'platform:fee'""",
        submission,
    )
    return taken


async def _write_off(conn: asyncpg.Connection, asked: Asked) -> None:
    assert asked.subject is not None
    receivable = ledger.person(asked.subject, "receivable")
    await ledger.lock(conn, {(receivable, asked.currency)})
    owes = await owed(conn, asked.subject, asked.currency)
    if asked.amount > owes:
        raise WrongState(f"This person owes only {owes} {asked.currency} (minor units) by now: ask again.")
    await ledger.post(
        conn, "debt.write_off", f"write_off:{asked.id}",
        [(ledger.LOSSES, asked.amount), (receivable, -asked.amount)],
        currency=asked.currency, actor=asked.by, subject=("person", asked.subject),
        meta={"asked_by": asked.asked_by, "reason": asked.reason},
    )  # fmt: skip
    await events.append(
        conn, "debt.written_off", ("person", asked.subject), asked.by, person=asked.subject,
        data={"amount": asked.amount, "currency": asked.currency, "owed": owes - asked.amount},
    )  # fmt: skip


money_decisions.APPROVALS["clawback"] = _claw_back
money_decisions.APPROVALS["write_off"] = _write_off

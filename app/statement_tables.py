"""Statements as tables: what is asked for, and the rows of a page or of a CSV file."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec

from app.amounts import day, money, number
from market import account_statements, statements
from market.csv_cells import Cell
from market.money import Currency, Money


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which days (UTC, both included; this month so far, unless said otherwise), in which currency, and how."""

    first: Annotated[date, msgspec.Meta(description="The first day.", examples=["2026-03-01"])] | None = msgspec.field(
        name="from", default=None
    )
    last: Annotated[date, msgspec.Meta(description="The last day.", examples=["2026-03-31"])] | None = msgspec.field(
        name="to", default=None
    )
    currency: Currency | None = None
    format: Annotated[Literal["json", "csv", "html"], msgspec.Meta(description="html: to read or print.")] = "json"


class Row(NamedTuple):
    """A line on a page: when, what, by how much, and what there was then."""

    when: str
    what: str
    note: str
    amount: Money
    balance: Money


class Table(NamedTuple):
    """A statement to read."""

    title: str
    whose: str
    first: date
    last: date
    currency: str
    opening: Money
    rows: list[Row]
    closing: Money
    parts: list[tuple[str, Money, Money]]  # name, at the beginning, at the end


PERSON_KINDS = {
    "earned": "Answer accepted",
    "royalty": "Royalty of a sale",
    "released": "Released from pending",
    "payout": "Payout",
    "payout_returned": "Payout came back before it was sent",
    "payout_reversed": "Payout was taken back after it was sent",
    "netted": "Taken for what was owed",
    "taken_back": "Pay taken back; the answer's page says why",
    "written_off": "Debt forgiven",
    "held": "Held by an operator",
    "freed": "No longer held",
    "moved": "Moved",
}  # fmt: skip
ACCOUNT_KINDS = {
    "funded": "Funds added",
    "refunded": "Refunded",
    "refund_failed": "Refund came back",
    "held_for_tasks": "Held for tasks",
    "released": "Released from tasks",
    "spent": "Paid for answers",
    "bought": "Bought of others",
    "sold": "Sold to others",
    "frozen": "Frozen for a dispute",
    "unfrozen": "No longer frozen",
    "dispute_lost": "Taken by a dispute",
    "dispute_won": "Given back by a dispute",
    "paid_back": "Paid back for answers",
    "received": "Received",
    "moved": "Moved",
}  # fmt: skip


def of_person(found: statements.Statement, name: str) -> Table:
    """A person's statement to read."""

    def amount(units: int) -> Money:
        return Money(units, found.currency)

    rows, balance = [], found.opening.total
    for line in found.lines:
        balance += line.change.total
        what = PERSON_KINDS[line.kind] + (f": {line.title}" if line.title else "")
        rows.append(Row(day(line.at), what, _note(line, found.currency), amount(line.change.total), amount(balance)))
    return Table(
        "Statement of earnings", name, found.first, found.last, found.currency, amount(found.opening.total), rows,
        amount(found.closing.total),
        [
            (label, amount(getattr(found.opening, part)), amount(getattr(found.closing, part)))
            for label, part in (("Pending", "pending"), ("Payable", "payable"), ("Held", "held"), ("You owe", "owed"))
        ],
    )  # fmt: skip


def _note(line: statements.Line, currency: str) -> str:
    """What else is to be said of a line: the bonus in it, the transfer, what moved within the balance."""
    if line.kind == "earned":
        return f"{money(Money(line.bonus, currency))} of it as a bonus" if line.bonus else ""
    if line.kind == "payout":
        return f"Sent {day(line.transfer.at)}, {line.transfer.id}" if line.transfer else "Not sent, or not yet"
    change = line.change
    parts = (("pending", change.pending), ("payable", change.payable), ("held", change.held), ("owed", change.owed))
    return ", ".join(
        f"{name} {'+' if units > 0 else ''}{money(Money(units, currency))}" for name, units in parts if units
    )


def of_account(found: account_statements.AccountStatement, name: str) -> Table:
    """A buyer's statement to read."""

    def amount(units: int) -> Money:
        return Money(units, found.currency)

    rows, balance = [], found.opening.total
    for line in found.lines:
        balance += line.change.total
        moved = abs(line.change.in_tasks or line.change.frozen)
        notes = [
            f"{line.count} postings" if line.count > 1 else "",
            f"{money(amount(line.fee))} of it the fee" if line.fee else "",
            f"{money(amount(moved))}" if not line.change.total else "",
        ]
        what = ACCOUNT_KINDS[line.kind]
        rows.append(
            Row(line.day.isoformat(), what, ", ".join(filter(None, notes)), amount(line.change.total), amount(balance))
        )
    return Table(
        "Statement of account", name, found.first, found.last, found.currency, amount(found.opening.total), rows,
        amount(found.closing.total),
        [
            (label, amount(getattr(found.opening, part)), amount(getattr(found.closing, part)))
            for label, part in (("Available", "available"), ("Held for tasks", "in_tasks"), ("Frozen", "frozen"))
        ],
    )  # fmt: skip


# ---- for programs: amounts as decimal numbers in the statement's currency

PERSON_COLUMNS = (
    "at", "kind", "about", "title", "currency", "change", "pending", "payable", "held", "owed", "balance", "bonus",
    "transfer_id", "transfer_at",
)  # fmt: skip
ACCOUNT_COLUMNS = (
    "day", "kind", "count", "currency", "change", "available", "in_tasks", "frozen", "balance", "fee",
)  # fmt: skip


def person_rows(found: statements.Statement) -> list[Sequence[Cell]]:
    """A person's statement: opening, each line with its change of each part, closing; in the columns above."""

    def units(amount: int) -> Decimal:
        return number(Money(amount, found.currency))

    def whole(at: date, kind: str, parts: statements.Parts) -> Sequence[Cell]:
        own = [units(each) for each in (parts.pending, parts.payable, parts.held, parts.owed)]
        return [at.isoformat(), kind, None, None, found.currency, None, *own, units(parts.total), None, None, None]

    rows: list[Sequence[Cell]] = [whole(found.first, "opening", found.opening)]
    balance = found.opening.total
    for line in found.lines:
        balance += line.change.total
        change = line.change
        rows.append([
            line.at.isoformat(), line.kind, line.about, line.title, found.currency, units(change.total),
            units(change.pending), units(change.payable), units(change.held), units(change.owed), units(balance),
            units(line.bonus) if line.bonus else None,
            *((line.transfer.id, line.transfer.at.isoformat()) if line.transfer else (None, None)),
        ])  # fmt: skip
    return [*rows, whole(found.last, "closing", found.closing)]


def account_rows(found: account_statements.AccountStatement) -> list[Sequence[Cell]]:
    """A buyer's statement: opening, each day's sums by kind, closing; in the columns above."""

    def units(amount: int) -> Decimal:
        return number(Money(amount, found.currency))

    def whole(at: date, kind: str, parts: account_statements.Holdings) -> Sequence[Cell]:
        own = [units(each) for each in (parts.available, parts.in_tasks, parts.frozen, parts.total)]
        return [at.isoformat(), kind, None, found.currency, None, *own, None]

    rows: list[Sequence[Cell]] = [whole(found.first, "opening", found.opening)]
    balance = found.opening.total
    for line in found.lines:
        balance += line.change.total
        change = line.change
        rows.append([
            line.day.isoformat(), line.kind, line.count, found.currency, units(change.total),
            units(change.available), units(change.in_tasks), units(change.frozen), units(balance),
            units(line.fee) if line.fee else None,
        ])  # fmt: skip
    return [*rows, whole(found.last, "closing", found.closing)]

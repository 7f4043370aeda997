"""Statements come straight from the ledger: opening and lines make the closing balance, whatever was posted."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from market import account_statements, accounts, clock, earnings, ids, ledger, review, statements, tasks
from market.errors import Invalid
from market.keys import Actor
from market.periods import LONGEST_DAYS, Period, period
from market.statements import Parts, Statement
from tests.market.conftest import HOLD_S, Cast

DAY = 86_400
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


async def move(conn: asyncpg.Connection, kind: str, lines: list[tuple[str, int]], subject: tuple[str, UUID]) -> None:
    await ledger.post(conn, kind, f"test:{ids.new()}", lines, currency="usd", actor="test", subject=subject)


def sums(found: Statement) -> Parts:
    every = [found.opening, *(line.change for line in found.lines)]
    return Parts(*(sum(getattr(one, name) for one in every) for name in Parts.__struct_fields__))


async def around(conn: asyncpg.Connection, before: int, after: int) -> Period:
    today = (await clock.now(conn)).astimezone(UTC).date()
    return Period(today - timedelta(days=before), today + timedelta(days=after))


@pytest.mark.parametrize("seed", range(6))
async def test_any_life_of_postings_reconciles_in_any_period(conn: asyncpg.Connection, bo: UUID, seed: int) -> None:
    """Random postings over weeks, on all four accounts; then statements of every length, end to end."""
    chance = random.Random(seed)
    first = (await clock.now(conn)).astimezone(UTC).date()
    parts = {part: ledger.person(bo, part) for part in statements.PARTS}
    for _ in range(60):
        owns = dict(zip(parts, await ledger.balances(conn, list(parts.values()), "usd"), strict=True))
        source, target = chance.sample([*parts, "outside"], 2)
        amount = chance.randint(1, 900)
        if source in parts and source != "receivable":
            amount = min(amount, owns[source])
        if target == "receivable":
            amount = min(amount, owns["receivable"])
        codes = [ledger.CLEARING if one == "outside" else parts[one] for one in (source, target)]
        if amount:
            about = chance.choice(["submission", "payout", "person"])
            await move(conn, "anything", [(codes[0], amount), (codes[1], -amount)], (about, ids.new()))
        await clock.advance(conn, chance.randint(0, 2 * DAY))
    last = (await clock.now(conn)).astimezone(UTC).date()
    pending, payable, held, owed = await ledger.balances(conn, list(parts.values()), "usd")
    now = Parts(pending, payable, held, owed, pending + payable + held - owed)
    whole = await statements.of_person(conn, bo, Period(first, last), "usd")
    assert whole.opening == Parts(0, 0, 0, 0, 0) and whole.closing == now == sums(whole)
    at, before, count = first, Parts(0, 0, 0, 0, 0), 0
    while at <= last:
        until = min(at + timedelta(days=chance.randint(0, 9)), last)
        piece = await statements.of_person(conn, bo, Period(at, until), "usd")
        assert piece.opening == before and sums(piece) == piece.closing
        assert all(at <= line.at.astimezone(UTC).date() <= until for line in piece.lines)
        at, before, count = until + timedelta(days=1), piece.closing, count + len(piece.lines)
    assert before == now and count == len(whole.lines)


async def test_an_answer_is_earned_with_its_bonus_and_then_released(
    conn: asyncpg.Connection, cast: Cast, ada: Actor, bo: UUID
) -> None:
    task = await cast.post(ada, acceptance={"mode": "manual", "checks": ["fresh"]})
    _, submission = await cast.submit(bo, task.id)
    await cast.judge(submission)
    await review.accept(conn, ada, ids.show("submission", submission), hold_s=HOLD_S, bonus=50)
    await clock.advance(conn, HOLD_S + 1)
    await earnings.release_due(conn)
    found = await statements.of_person(conn, bo, await around(conn, 30, 0), "usd")
    earned, released = found.lines
    assert (earned.kind, earned.title, earned.bonus) == ("earned", "Is the bakery open?", 50)
    assert earned.change == Parts(350, 0, 0, 0, 350) and earned.about == ids.show("submission", submission)
    assert (released.kind, released.change, released.bonus) == ("released", Parts(-350, 350, 0, 0, 0), 0)
    assert found.closing == Parts(0, 350, 0, 0, 350)
    assert (await statements.of_person(conn, bo, await around(conn, 30, 0), "eur")).lines == []
    (year,) = await statements.tax_years(conn, bo)
    assert (year.earned.amount, year.answers, year.paid.amount) == (350, 1, 0)


@pytest.mark.parametrize(
    ("about", "moves", "kind"),
    [
        ("submission", {"payable": -100}, "taken_back"),
        ("submission", {"receivable": 100}, "taken_back"),
        ("submission", {"payable": -60, "receivable": 40}, "taken_back"),
        ("person", {"payable": -100, "receivable": -100}, "netted"),
        ("person", {"receivable": -100}, "written_off"),
        ("person", {"payable": -100, "held": 100}, "held"),
        ("person", {"payable": 100, "held": -100}, "freed"),
        ("payout", {"payable": -100}, "payout"),
        ("payout", {"payable": 100}, "payout_reversed"),
        ("submission", {"pending": 100}, "earned"),
        ("submission", {"pending": -100, "payable": 100}, "released"),
    ],
)
async def test_what_a_posting_was_follows_from_what_it_moved(
    conn: asyncpg.Connection, bo: UUID, about: str, moves: dict[str, int], kind: str
) -> None:
    start = [(ledger.person(bo, part), -500) for part in ("pending", "payable", "held")]
    owes = (ledger.person(bo, "receivable"), 500)
    await move(conn, "before", [*start, owes, (ledger.CLEARING, 1_000)], ("person", bo))
    await clock.advance(conn, 2 * DAY)
    lines = [(ledger.person(bo, part), units if part == "receivable" else -units) for part, units in moves.items()]
    rest = -sum(units for _, units in lines)
    await move(conn, "something_new", [*lines, (ledger.CLEARING, rest)], (about, ids.new()))
    (line,) = (await statements.of_person(conn, bo, await around(conn, 0, 0), "usd")).lines
    assert line.kind == kind
    shown = {"pending": line.change.pending, "payable": line.change.payable, "held": line.change.held,
             "receivable": line.change.owed}  # fmt: skip
    assert {part: units for part, units in shown.items() if units} == moves


async def test_a_statement_that_would_never_end_is_refused(
    conn: asyncpg.Connection, bo: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "MOST_LINES", 2)
    for _ in range(3):
        await move(conn, "earned", [(ledger.CLEARING, 5), (ledger.person(bo, "pending"), -5)], ("person", bo))
    with pytest.raises(Invalid, match="more than 2 lines") as refused:
        await statements.of_person(conn, bo, await around(conn, 0, 0), "usd")
    assert refused.value.pointer == "/from"


async def test_somebody_who_was_erased_still_has_what_they_earned(conn: asyncpg.Connection, bo: UUID) -> None:
    await move(conn, "earned", [(ledger.CLEARING, 5), (ledger.person(bo, "pending"), -5)], ("person", bo))
    await conn.execute("UPDATE person SET email = '', display_name = '', erased_at = market_now() WHERE id = $1", bo)
    assert (await statements.of_person(conn, bo, await around(conn, 0, 0), "usd")).closing.total == 5
    assert [year.earned.amount for year in await statements.tax_years(conn, bo)] == [5]


async def test_a_buyers_statement_has_every_cent_of_balance_and_tasks(
    conn: asyncpg.Connection, cast: Cast, ada: Actor, bo: UUID
) -> None:
    await clock.advance(conn, 2 * DAY)
    task = await cast.post(ada, acceptance={"mode": "manual", "checks": ["fresh"]}, quantity=2)
    _, submission = await cast.submit(bo, task.id)
    await cast.judge(submission)
    await review.accept(conn, ada, ids.show("submission", submission), hold_s=HOLD_S, bonus=50)
    await tasks.cancel(conn, ada, task.id)
    found = await account_statements.of_account(conn, ada.owner, await around(conn, 0, 0), "usd")
    assert (found.opening.total, found.opening.available) == (100_000, 100_000)
    lines = {line.kind: line for line in found.lines}
    assert set(lines) == {"held_for_tasks", "spent", "released"}
    assert (lines["held_for_tasks"].change.in_tasks, lines["held_for_tasks"].change.total) == (660, 0)
    assert (lines["spent"].change.total, lines["spent"].change.in_tasks, lines["spent"].fee) == (-380, -330, 30)
    assert lines["released"].change.available == 330
    assert found.closing.total == found.opening.total + sum(line.change.total for line in found.lines) == 99_620
    balance = (await accounts.get(conn, ada)).balance
    assert (balance.available.amount, balance.held.amount) == (found.closing.available, found.closing.in_tasks)
    earlier = await around(conn, 5, 0)
    longer = await account_statements.of_account(conn, ada.owner, earlier, "usd")
    assert longer.opening.total == 0 and longer.closing == found.closing
    assert longer.lines[0].kind == "funded"
    other = await cast.agent("cy", funds=70)
    assert (await account_statements.of_account(conn, other.owner, earlier, "usd")).closing.total == 70


@pytest.mark.parametrize(
    ("about", "available", "frozen", "kind"),
    [
        ("refund", -100, 0, "refunded"), ("refund", 100, 0, "refund_failed"), ("funding", 100, 0, "funded"),
        ("dispute", -100, 100, "frozen"), ("fraud_warning", -100, 100, "frozen"), ("dispute", 100, -100, "unfrozen"),
        ("dispute", 0, -100, "dispute_lost"), ("dispute", 100, 0, "dispute_won"), ("submission", 100, 0, "paid_back"),
    ],
)  # fmt: skip
async def test_what_happened_to_a_buyer_follows_from_what_it_moved(
    conn: asyncpg.Connection, ada: Actor, about: str, available: int, frozen: int, kind: str
) -> None:
    held = ledger.buyer(ada.owner, "held")
    await move(conn, "before", [(ledger.CLEARING, 500), (held, -500)], ("dispute", ids.new()))
    await clock.advance(conn, 2 * DAY)
    lines = [(ledger.buyer(ada.owner), -available), (held, -frozen), (ledger.CLEARING, available + frozen)]
    await move(conn, "something_new", lines, (about, ids.new()))
    found = await account_statements.of_account(conn, ada.owner, await around(conn, 0, 0), "usd")
    (line,) = found.lines
    assert (line.kind, line.change.available, line.change.frozen, line.count) == (kind, available, frozen, 1)
    assert found.closing.total == 100_500 + available + frozen


def test_days_are_this_month_so_far_unless_said_otherwise() -> None:
    assert period(NOW, None, None) == Period(date(2026, 3, 1), date(2026, 3, 15))
    assert period(NOW, date(2026, 2, 20), None) == Period(date(2026, 2, 20), date(2026, 3, 15))
    assert period(NOW, None, date(2026, 2, 9)) == Period(date(2026, 2, 1), date(2026, 2, 9))
    assert period(NOW, date(2027, 1, 5), None) == Period(date(2027, 1, 5), date(2027, 1, 5))
    assert period(NOW, date(2999, 12, 31), None).ends.year == 3000
    leap = period(NOW, date(2024, 1, 1), date(2024, 12, 31))
    assert (leap.ends - leap.begins).days == LONGEST_DAYS


@pytest.mark.parametrize(
    ("first", "last", "pointer"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), "/to"),
        (date(2025, 3, 1), date(2026, 3, 2), "/from"),
        (date(1, 1, 1), None, "/from"),
        (None, date(9999, 12, 31), "/to"),
    ],
)
def test_days_that_nobody_means_are_refused(first: date | None, last: date | None, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        period(NOW, first, last)
    assert refused.value.pointer == pointer

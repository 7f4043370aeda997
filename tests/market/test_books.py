"""The books to read: sums that are zero, numbers that open, and a journal from which every balance comes back."""

import csv
import io
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from market import books, csv_cells, ids, journal, ledger
from market.errors import NotFound
from market.journal import COLUMNS, Rebuilt

ADA, BO, TASK = (UUID(int=n) for n in (1, 2, 3))
WALLET, ESCROW, PENDING = ledger.buyer(ADA), ledger.escrow(TASK), ledger.person(BO, "pending")


async def post(conn: asyncpg.Connection, key: str, lines: list[tuple[str, int]], **more: Any) -> None:
    await ledger.post(conn, more.pop("kind", "test"), key, lines, **({"currency": "usd", "actor": "test"} | more))


async def a_life(conn: asyncpg.Connection) -> None:
    """Ada funds with 10.00 less a fee, holds 3.30 for a task, and Bo earns 3.00 of it."""
    await post(conn, "fund", [(ledger.CLEARING, 941), (ledger.FEES, 59), (WALLET, -1_000)])
    await post(conn, "hold", [(WALLET, 330), (ESCROW, -330)], subject=("task", TASK))
    await post(conn, "accept", [(ESCROW, 330), (PENDING, -300), (ledger.FEE_INCOME, -30)])
    await post(conn, "yen", [(ledger.CLEARING, 70), (WALLET, -70)], currency="jpy")


async def read_back(conn: asyncpg.Connection) -> tuple[str, Rebuilt]:
    """The journal as a file, and what is rebuilt from it."""
    text, place = csv_cells.lines([COLUMNS]), None
    while True:
        rows, place = await journal.part(conn, after=place)
        if not rows:
            return text, journal.rebuild(csv_cells.read(io.StringIO(text, newline="")))
        text += csv_cells.lines(rows)


async def test_the_trial_balance_sums_to_zero_in_each_currency_and_opens_into_its_accounts(
    conn: asyncpg.Connection,
) -> None:
    await a_life(conn)
    found = await books.trial_balance(conn)
    usd = {line.kind: (line.debits, line.credits, line.balance) for line in found.lines if line.currency == "usd"}
    assert usd == {
        "stripe:clearing": (941, 0, 941),
        "buyer:available": (330, 1_000, 670),
        "person:pending": (0, 300, 300),
        "task:escrow": (330, 330, 0),
        "platform:fee": (0, 30, 30),
        "stripe:fees": (59, 0, 59),
    }
    sums = [(each.currency, each.debits, each.credits, each.debit_balances, each.balanced) for each in found.sums]
    assert sums == [("jpy", 70, 70, 70, True), ("usd", 1_660, 1_660, 1_000, True)]
    assert [one.code for one in await books.accounts(conn, kind="buyer:available", limit=9)] == [WALLET, WALLET]
    [clearing] = await books.accounts(conn, prefix="stripe:c", currency="usd", limit=9)
    assert (clearing.balance, clearing.entries, clearing.cached, clearing.class_) == (941, 1, False, "asset")


async def test_a_trial_balance_of_a_time_has_what_was_posted_before_it(conn: asyncpg.Connection) -> None:
    await post(conn, "first", [(ledger.CLEARING, 100), (WALLET, -100)])
    between = await conn.fetchval("SELECT market_now() + interval '1 second'")
    await conn.execute("UPDATE market_clock SET ahead = ahead + interval '2 seconds'")
    await post(conn, "second", [(ledger.CLEARING, 11), (WALLET, -11)])
    assert [line.debits for line in (await books.trial_balance(conn, between)).lines] == [100, 0]
    assert [line.debits for line in (await books.trial_balance(conn)).lines] == [111, 0]


async def test_an_account_opens_into_entries_and_each_into_its_transaction(conn: asyncpg.Connection) -> None:
    await a_life(conn)
    found = await books.entries(conn, WALLET, "usd", before=None, limit=9)
    assert [(one.key, one.debit, one.credit, one.balance_after) for _, one in found] == [
        ("hold", 330, 0, 670), ("fund", 0, 1_000, 1_000),
    ]  # fmt: skip
    [(_, older)] = await books.entries(conn, WALLET, "usd", before=found[0][0], limit=9)
    assert older.key == "fund"
    opened = await books.transaction(conn, books.read_tx(found[0][1].transaction))
    assert [(line.account, line.debit, line.credit) for line in opened.lines] == [(WALLET, 330, 0), (ESCROW, 0, 330)]
    assert opened.subject is not None and opened.subject.id == ids.show("task", TASK)
    await post(conn, "undo", [(ESCROW, 0), (WALLET, -30), (ledger.FEE_INCOME, 30)], reverses=found[0][0])
    reversed_by = (await books.transaction(conn, found[0][0])).reversed_by
    assert reversed_by is not None
    assert (await books.transaction(conn, books.read_tx(reversed_by))).reverses == opened.id


async def test_what_is_not_there_is_not_found(conn: asyncpg.Connection) -> None:
    await a_life(conn)
    for text in ("ltx_1", "fund_" + "0" * 32, "", "ltx_" + "g" * 32):
        with pytest.raises(NotFound):
            books.read_tx(text)
    with pytest.raises(NotFound):
        await books.transaction(conn, ids.new())
    with pytest.raises(NotFound):
        await books.entries(conn, "platform:bank", "usd", before=None, limit=9)
    with pytest.raises(NotFound, match="jpy, usd"):
        await books.currency_of(conn, WALLET)
    assert await books.currency_of(conn, ESCROW) == "usd"


# ---- the journal


async def test_every_balance_comes_back_from_the_journal_alone(conn: asyncpg.Connection) -> None:
    await a_life(conn)
    _, rebuilt = await read_back(conn)
    assert (rebuilt.transactions, rebuilt.lines, rebuilt.wrong) == (4, 10, [])
    assert rebuilt.balances[WALLET, "usd"] == -670
    assert await journal.differences(conn, rebuilt) == []
    await post(conn, "more", [(ledger.CLEARING, 5), (WALLET, -5)])
    assert await journal.differences(conn, rebuilt) == [
        f"{WALLET} usd: -670 in the journal, -675 in the database",
        "stripe:clearing usd: 941 in the journal, 946 in the database",
    ]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(1, 10**12), st.sampled_from(("usd", "jpy", "huf")), st.text(
            st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)),
        max_size=12,
    )
)  # fmt: skip
async def test_whatever_is_posted_the_journal_rebuilds_the_cached_balances(
    conn: asyncpg.Connection, moves: list[tuple[str, int, str, str]]
) -> None:
    step = conn.transaction()
    await step.start()
    try:
        for n, (who, amount, currency, text) in enumerate(moves):
            account = ledger.buyer(UUID(int=ord(who)))
            lines = [(ledger.CLEARING, amount), (account, -amount), (PENDING, -amount), (ledger.FEES, amount)]
            await post(conn, f"{text}:{n}", lines, currency=currency, kind=text, actor=text)
        written, rebuilt = await read_back(conn)
        rows = list(csv_cells.read(io.StringIO(written, newline="")))
        keys = sorted(row[4] for row in rows[1:] if row[1] == "0")  # all at one time: in the order of their ids
        assert keys == sorted(f"{move[3]}:{n}" for n, move in enumerate(moves))
        assert rebuilt.wrong == [] and rebuilt.transactions == len(moves)
        assert await journal.differences(conn, rebuilt) == []
    finally:
        await step.rollback()


ROW = ["t1", "0", "2026-03-01T00:00:00+00:00", "k", "key", "platform:fee", "usd", "5", "0", "", "test", ""]


def a_row(**changes: str) -> list[str]:
    return [changes.get(name, cell) for name, cell in zip(COLUMNS, ROW, strict=True)]


def both(**changes: str) -> list[list[str]]:
    """A whole transaction of two lines, the second one changed."""
    return [a_row(), a_row(**({"line": "1", "debit": "0", "credit": "5", "account": "stripe:fees"} | changes))]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (both(credit="4"), "does not sum to zero"),
        (both(currency="eur"), "does not sum to zero"),
        (both(line="2"), "does not have its lines"),
        (both(line="0"), "does not have its lines"),
        ([a_row(debit="0")], "does not have its lines"),
        ([*both(), *both(transaction="t2"), *both()], "twice"),
    ],
)
def test_a_journal_that_was_tampered_with_says_where(rows: list[list[str]], said: str) -> None:
    assert journal.rebuild([list(COLUMNS), *both()]).wrong == []
    assert said in " ".join(journal.rebuild([list(COLUMNS), *rows]).wrong)


@pytest.mark.parametrize(
    "table",
    [
        [], [["a", "b"]], [list(COLUMNS), ["t1"]], [list(COLUMNS), a_row(debit="-5")], [list(COLUMNS), a_row(debit="")],
        [list(COLUMNS), a_row(debit="٥")], [list(COLUMNS), a_row(credit=str(2**63))],
    ],
)  # fmt: skip
def test_what_is_no_journal_is_refused(table: list[list[str]]) -> None:
    with pytest.raises(ValueError):
        journal.rebuild(table)


# ---- cells

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.lists(TEXTS | st.integers(), min_size=1, max_size=5), max_size=6))
def test_rows_come_back_as_they_were(rows: list[list[str | int]]) -> None:
    back = list(csv_cells.read(io.StringIO(csv_cells.lines(rows), newline="")))
    assert back == [[str(cell) for cell in row] for row in rows]


@given(st.sampled_from(csv_cells.FORMULA), TEXTS, st.integers(max_value=-1))
def test_no_text_is_a_formula_and_numbers_stay_numbers(start: str, rest: str, number: int) -> None:
    cell = csv_cells.guarded(start + rest)
    assert cell[0] == "'" and csv_cells.unguarded(cell) == start + rest
    assert csv_cells.lines([[number]]) == f"{number}\r\n"


# Texts that are mostly what is dangerous.
TRICKS = st.text(st.sampled_from("=+-@＝＋－＠'\"';\t\r\n,x"), max_size=12)


@given(st.lists(st.lists(TRICKS | st.integers(min_value=0), min_size=1, max_size=4), min_size=1, max_size=4))
@example([["tx", "Bo;=HYPERLINK(1)", 3]])
@example([["tx", 'Bo\t"=1+1"']])
def test_no_part_of_a_text_is_a_formula_whatever_parts_the_cells(rows: list[list[str | int]]) -> None:
    written = csv_cells.lines(rows)
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(written, newline=""), delimiter=separator):
            assert not any(cell.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) for cell in row), (
                separator,
                row,
            )
    back = list(csv_cells.read(io.StringIO(written, newline="")))
    assert back == [[str(cell) for cell in row] for row in rows]

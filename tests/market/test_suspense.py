"""What nobody can explain waits in suspense, once, until its cause is found or two operators say what it was."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market import ids, ledger, matching, money_decisions, settlement_audit, stripe_balance, suspense
from market.errors import InsufficientFunds, Invalid, NotFound, WrongState
from market.money_decisions import FourEyes
from market.stripe_balance import BalanceLine, Matched
from tests.market.conftest import Cast


def a_line(txn: str = "txn_1", amount: int = 1_000, fee: int = 59, **more: Any) -> BalanceLine:
    given = {"type": "charge", "source": "ch_1", "currency": "usd", "created_at": datetime.now(UTC)} | more
    return BalanceLine(id=txn, amount=amount, fee=fee, net=amount - fee, **given)


async def overdue(conn: asyncpg.Connection, *lines: BalanceLine) -> int:
    """See the lines and let an hour pass; how many go into suspense."""
    await matching.see(conn, lines)
    await conn.execute("UPDATE market_clock SET ahead = ahead + make_interval(secs => $1)", suspense.SUSPENSE_AFTER_S)
    return await suspense.put_overdue(conn)


async def held(conn: asyncpg.Connection, code: str = ledger.SUSPENSE, currency: str = "usd") -> int:
    return await ledger.derived(conn, code, currency)


async def broken(conn: asyncpg.Connection) -> list[str]:
    return [rule for rule, query in settlement_audit.CHECKS.items() if await conn.fetch(query)]


async def operator(conn: asyncpg.Connection, name: str) -> UUID:
    made: UUID = await conn.fetchval(
        "INSERT INTO operator (id, email, name) VALUES ($1, $2, $3) RETURNING id", ids.new(), f"{name}@x.example", name
    )
    return made


@pytest.fixture
async def olu(conn: asyncpg.Connection) -> UUID:
    return await operator(conn, "Olu")


@pytest.fixture
async def pia(conn: asyncpg.Connection) -> UUID:
    return await operator(conn, "Pia")


async def test_a_line_goes_into_suspense_once_and_only_when_it_is_overdue(conn: asyncpg.Connection) -> None:
    await matching.see(conn, [a_line()])
    assert await suspense.put_overdue(conn) == 0
    assert await overdue(conn) == 1
    await matching.see(conn, [a_line(), a_line("txn_2", -300, 0)])
    assert await suspense.put_overdue(conn) == 0
    assert (await held(conn), await held(conn, ledger.CLEARING)) == (941, 941)
    assert await overdue(conn) == 1
    assert (await held(conn), await held(conn, ledger.CLEARING)) == (641, 641)
    assert await overdue(conn) == 0
    assert [(line.id, line.state) for line in await suspense.items(conn, 9)] == [
        ("txn_1", "suspense"), ("txn_2", "suspense"),
    ]  # fmt: skip
    assert await broken(conn) == []


async def test_what_explains_itself_never_waits(conn: asyncpg.Connection) -> None:
    lines = [
        a_line("txn_1", -150, 0, type="stripe_fee"), a_line("txn_2", -1_000, 25, type="payout"),
        a_line("txn_3", 1_000, 0, type="payout_failure"), a_line("txn_4", 500, 0, type="topup"),
        a_line("txn_5", 0, 40, type="tax_fee"), a_line("txn_6", 0, 0, type="refund"),
    ]  # fmt: skip
    assert await overdue(conn, *lines) == 0
    assert await matching.see(conn, lines) == 0
    found = {code: await held(conn, code) for code in (ledger.FEES, ledger.BANK, ledger.CAPITAL, ledger.CLEARING)}
    assert found == {ledger.FEES: 215, ledger.BANK: 0, ledger.CAPITAL: 500, ledger.CLEARING: 285}
    assert (await matching.counts(conn))["explained"] == 6
    assert await broken(conn) == []


async def test_a_cause_that_is_found_is_posted_against_suspense_and_a_second_one_is_refused(
    conn: asyncpg.Connection, cast: Cast
) -> None:
    account = (await cast.agent("ada", 0)).owner
    await overdue(conn, a_line())
    counter = await stripe_balance.counter(conn, a_line())
    assert counter == ledger.SUSPENSE
    lines = [(counter, 941), (ledger.FEES, 59), (ledger.buyer(account), -1_000)]
    await ledger.post(conn, "funding", "found", lines, currency="usd", actor="test")
    await stripe_balance.mirror(conn, a_line(), "found")
    assert (await held(conn), await held(conn, ledger.CLEARING)) == (0, 941)
    await ledger.post(conn, "funding", "other", [(ledger.SUSPENSE, 1), (ledger.FEES, -1)], currency="usd", actor="test")
    with pytest.raises(Matched):
        await stripe_balance.mirror(conn, a_line(), "other")


@pytest.mark.parametrize(
    ("target", "amounts"),
    [
        (ledger.FEES, {ledger.FEES: -941}),
        (ledger.LOSSES, {ledger.LOSSES: -1_000, ledger.FEES: 59}),
        (ledger.BANK, {ledger.BANK: -1_000, ledger.FEES: 59}),
        (ledger.CAPITAL, {ledger.CAPITAL: 1_000, ledger.FEES: 59}),
        (ledger.FEE_INCOME, {ledger.FEE_INCOME: 1_000, ledger.FEES: 59}),
    ],
)
async def test_two_operators_give_a_line_its_account(
    conn: asyncpg.Connection, olu: UUID, pia: UUID, target: str, amounts: dict[str, int]
) -> None:
    await overdue(conn, a_line())
    asked = await suspense.ask(conn, olu, "txn_1", target, "seen at the bank")
    await money_decisions.decide(conn, pia, asked, approve=True)
    assert {code: await held(conn, code) for code in amounts} == amounts
    assert (await held(conn), await held(conn, ledger.CLEARING)) == (0, 941)
    assert await broken(conn) == []
    with pytest.raises(WrongState):
        await suspense.ask(conn, olu, "txn_1", ledger.LOSSES, "again")


async def test_who_asked_does_not_decide_and_a_refusal_moves_nothing(
    conn: asyncpg.Connection, olu: UUID, pia: UUID
) -> None:
    await overdue(conn, a_line())
    asked = await suspense.ask(conn, olu, "txn_1", ledger.LOSSES, "lost")
    step = conn.transaction()
    await step.start()
    with pytest.raises(FourEyes):
        await money_decisions.decide(conn, olu, asked, approve=True)
    await step.rollback()
    await money_decisions.decide(conn, pia, asked, approve=False)
    assert (await held(conn), await held(conn, ledger.LOSSES)) == (941, 0)
    assert await suspense.ask(conn, pia, "txn_1", ledger.BANK, "it was ours") != asked
    assert await broken(conn) == []


async def test_a_refund_from_the_dashboard_takes_it_from_its_buyer_who_must_have_it(
    conn: asyncpg.Connection, cast: Cast, olu: UUID, pia: UUID
) -> None:
    account = (await cast.agent("ada", 300)).owner
    await overdue(conn, a_line("txn_1", -200, 0, type="refund"), a_line("txn_2", -200, 0, type="refund"))
    for txn in ("txn_1", "txn_2"):
        await suspense.ask(conn, olu, txn, f"buyer:{ids.show('account', account)}:available", "refunded by hand")
    first, second = [row["id"] for row in await conn.fetch("SELECT id FROM money_decision ORDER BY id")]
    await money_decisions.decide(conn, pia, first, approve=True)
    assert await cast.balance(ledger.buyer(account)) == 100
    step = conn.transaction()
    await step.start()
    with pytest.raises(InsufficientFunds):
        await money_decisions.decide(conn, pia, second, approve=True)
    await step.rollback()
    assert await held(conn) == -200
    assert await broken(conn) == []


async def test_a_line_that_moves_nothing_in_the_end_is_decided_without_suspense(
    conn: asyncpg.Connection, olu: UUID, pia: UUID
) -> None:
    assert await overdue(conn, a_line("txn_1", 30, 30)) == 0
    with pytest.raises(Invalid, match="moves nothing"):
        await suspense.ask(conn, olu, "txn_1", ledger.FEES, "?")
    asked = await suspense.ask(conn, olu, "txn_1", ledger.FEE_INCOME, "a tip")
    await money_decisions.decide(conn, pia, asked, approve=True)
    assert (await held(conn, ledger.FEE_INCOME), await held(conn, ledger.FEES)) == (30, 30)
    assert await broken(conn) == []


async def test_what_cannot_be_resolved_is_refused_with_the_reason(
    conn: asyncpg.Connection, cast: Cast, olu: UUID
) -> None:
    ada = (await cast.agent("ada", 0)).owner
    await matching.see(conn, [a_line("txn_new")])
    await conn.execute("UPDATE stripe_balance_txn SET seen_at = 'infinity'")
    await overdue(conn, a_line("txn_eur", currency="eur"))
    await overdue(conn)
    with pytest.raises(NotFound):
        await suspense.ask(conn, olu, "txn_no", ledger.LOSSES, "x")
    with pytest.raises(WrongState, match="may still come"):
        await suspense.ask(conn, olu, "txn_new", ledger.LOSSES, "x")
    with pytest.raises(Invalid, match="in usd, the line in eur"):
        await suspense.ask(conn, olu, "txn_eur", ledger.buyer(ada), "x")
    with pytest.raises(NotFound):
        await suspense.ask(conn, olu, "txn_eur", ledger.buyer(UUID(int=9)), "x")
    for target in (ledger.SUSPENSE, ledger.CLEARING, f"{ledger.buyer(ada)}\n", ledger.buyer(ada, "held"), ""):
        with pytest.raises(Invalid, match="The target is one of"):
            await suspense.ask(conn, olu, "txn_eur", target, "x")


async def test_the_event_and_suspense_at_the_same_moment_move_clearing_once(pool: asyncpg.Pool) -> None:
    """Twenty lines, overdue at once, each also found by its event: whoever is first, the sums are right."""
    lines = [a_line(f"txn_{n}", 100 + n, 0) for n in range(20)]
    async with pool.acquire() as conn:
        await matching.see(conn, lines)
        await conn.execute("UPDATE stripe_balance_txn SET seen_at = market_now() - interval '2 hours'")

    async def found(line: BalanceLine) -> None:
        async with pool.acquire() as conn, conn.transaction():
            entries = [(await stripe_balance.counter(conn, line), line.net), (ledger.CAPITAL, -line.amount)]
            await ledger.post(conn, "cause", f"cause:{line.id}", entries, currency="usd", actor="test")
            await stripe_balance.mirror(conn, line, f"cause:{line.id}")

    async def put() -> None:
        async with pool.acquire() as conn, conn.transaction():
            await suspense.put_overdue(conn, 7)

    await asyncio.gather(
        *(found(line) for line in lines[:10]), put(), put(), *(found(line) for line in lines[10:]), put()
    )
    async with pool.acquire() as conn:
        assert (await held(conn), await held(conn, ledger.CLEARING)) == (0, sum(line.net for line in lines))
        assert await conn.fetchval("SELECT count(*) FROM stripe_balance_txn WHERE ledger_key IS NULL") == 0
        assert await broken(conn) == []


KINDS = (*matching.EXPLAINED, "charge", "refund", "transfer", "adjustment", "reserve_hold", "something_new")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(-(10**9), 10**9), st.integers(-500, 500), st.booleans()),
        max_size=12,
    )
)
async def test_whatever_stripe_writes_the_books_hold_what_its_balance_holds(
    conn: asyncpg.Connection, given: list[tuple[str, int, int, bool]]
) -> None:
    step = conn.transaction()
    await step.start()
    try:
        lines = [a_line(f"txn_{n}", amount, fee, type=kind) for n, (kind, amount, fee, _) in enumerate(given)]
        await overdue(conn, *[line for line, each in zip(lines, given, strict=True) if each[3]])
        await matching.see(conn, lines)
        await overdue(conn)
        whole = sum(line.net for line in lines)
        assert await held(conn, ledger.CLEARING) == whole
        [*sides] = await matching.sides(conn, {"usd": whole})
        assert all(side.difference == side.unexplained == 0 for side in sides)
        assert await broken(conn) == []
    finally:
        await step.rollback()

"""Operators said what a line in suspense was, and then its true cause came: what they said gives way."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from market import ids, ledger, money_decisions, stripe_balance, stripe_ops, suspense
from market.errors import WrongState
from market.keys import Actor
from market.stripe_balance import BalanceLine
from tests.market.test_suspense import a_line, broken, held, olu, operator, overdue, pia

__all__ = ["olu", "pia"]


async def resolved(conn: asyncpg.Connection, olu: UUID, pia: UUID, target: str) -> BalanceLine:
    """A line of 9.41 that has waited for an hour, and of which two operators have said what it was."""
    line = a_line()
    await overdue(conn, line)
    decision = await suspense.ask(conn, olu, line.id, target, "seen in the dashboard")
    await money_decisions.decide(conn, pia, decision, True)
    return line


async def comes_true(conn: asyncpg.Connection, line: BalanceLine) -> None:
    """It was a payment of somebody's, as their funding posts it."""
    counter = await stripe_balance.counter(conn, line)
    key = f"fund:{ids.new()}"
    await ledger.post(
        conn, "test", key, [(counter, line.net), (ledger.FEES, line.fee), (ledger.CAPITAL, -line.amount)],
        currency=line.currency, actor="test",
    )  # fmt: skip
    await stripe_balance.mirror(conn, line, key)


async def test_the_true_cause_takes_back_what_two_operators_had_said(
    conn: asyncpg.Connection, olu: UUID, pia: UUID
) -> None:
    line = await resolved(conn, olu, pia, ledger.LOSSES)
    assert (await held(conn), await held(conn, ledger.LOSSES)) == (0, -1_000)
    await comes_true(conn, line)
    assert (await held(conn), await held(conn, ledger.LOSSES), await held(conn, ledger.CAPITAL)) == (0, 0, 1_000)
    assert (await held(conn, ledger.CLEARING), await held(conn, ledger.FEES)) == (941, 59)
    assert await broken(conn) == []


async def test_what_a_buyer_was_given_for_it_and_has_spent_is_our_loss(
    conn: asyncpg.Connection, olu: UUID, pia: UUID, ada: Actor
) -> None:
    available = ledger.buyer(ada.owner)
    line = await resolved(conn, olu, pia, available)
    [before] = await ledger.balances(conn, [available], "usd")
    await ledger.post(
        conn, "spent", "test", [(available, before - 300), (ledger.CAPITAL, 300 - before)], currency="usd", actor="test"
    )
    await comes_true(conn, line)
    assert (await ledger.balances(conn, [available], "usd"), await held(conn, ledger.LOSSES)) == ([0], 700)
    assert await held(conn) == 0
    assert await broken(conn) == []


async def test_a_line_that_an_operation_in_doubt_may_have_made_is_not_for_operators_yet(
    conn: asyncpg.Connection, pia: UUID
) -> None:
    olu = await operator(conn, "Olu")
    op = await stripe_ops.plan(conn, "transfer", ids.new(), {"amount": 1_250, "currency": "usd"})
    taken = await stripe_ops.take(conn, op)
    assert taken is not None
    await stripe_ops.unknown(conn, taken, "silence")
    await overdue(conn, a_line("txn_1", -1_250, 0, type="transfer"), a_line("txn_2", -1_251, 0, type="transfer"))
    with pytest.raises(WrongState, match="transfer of the same amount"):
        await suspense.ask(conn, olu, "txn_1", ledger.LOSSES, "no idea")
    await suspense.ask(conn, olu, "txn_2", ledger.LOSSES, "seen in the dashboard")

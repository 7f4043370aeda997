"""Awards that nothing is held for: who pays them, from when on, and what the buyer may do until then."""

from datetime import timedelta
from uuid import UUID

import pytest

from market import (
    clock,
    collecting,
    earnings,
    erasure,
    holds,
    ids,
    ledger,
    observations,
    submissions,
)
from market.clock import advance
from market.errors import AccountHeld, EvidenceLocked, WrongState
from market.money import Money
from tests.market.appealing import Court, money, operator
from tests.market.conftest import HOLD_S, Cast, fund


async def drained(cast: Cast, bo: UUID, funds: int, fees: int = 0) -> Court:
    """Bo was rejected and appeals, the slot is somebody else's by now, and the buyer has nothing more to pay with.

    fees: what the market has earned from the buyer before.
    """
    eve = await cast.agent("eve", funds=funds + 11 * fees)
    if fees:
        _, earlier = await cast.submit(await cast.person("zoe"), (await cast.post(
            eve, reward={"amount": 10 * fees, "currency": "usd"})).id)  # fmt: skip
        await cast.judge(earlier)
        await advance(cast.conn, HOLD_S)
        await earnings.release_due(cast.conn)
    court = Court(cast, eve, bo)
    await court.rejected()
    dee = await cast.person("dee")
    _, other = await cast.submit(dee, ids.show("task", court.task))
    await cast.judge(other)
    await court.appealed()
    return court


async def of_bo(court: Court) -> str:
    found = await court.conn.fetchval("SELECT id FROM observation WHERE person_id = $1", court.bo)
    return ids.show("observation", found)


async def buys_nothing(court: Court) -> None:
    """The market holds the account, and its owner reads nothing of what is not paid for."""
    held = await holds.find(court.conn, "account", court.ada.owner)
    assert held is not None and held.owner is None
    with pytest.raises(AccountHeld):
        await court.cast.post(court.ada)
    with pytest.raises(EvidenceLocked):
        await observations.get(court.conn, court.ada.owner, await of_bo(court))
    assert (await submissions.get(court.conn, court.public, account=court.ada.owner)).answers == {}


async def test_what_the_buyer_cannot_cover_the_market_fronts_out_of_what_it_has_earned_from_them(
    cast: Cast, bo: UUID
) -> None:
    court = await drained(cast, bo, 340, fees=300)
    assert await court.stake() == ("none", 10), "as much of a bond as there is"
    assert await cast.broken() == []
    await court.decided(100)
    assert await money(court) == (0, 0, 310, 330)
    assert await ledger.derived(cast.conn, ledger.LOSSES, "usd") == 300
    await buys_nothing(court)
    assert await cast.broken() == []
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 0
    await fund(cast.conn, court.ada.owner, 1000, "more")
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 1
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 0
    assert await money(court) == (700, 0, 310, 330)
    assert await ledger.derived(cast.conn, ledger.LOSSES, "usd") == 0
    assert await holds.find(cast.conn, "account", court.ada.owner) is None
    assert (await observations.get(cast.conn, court.ada.owner, await of_bo(court))).answers
    assert await cast.broken() == []


@pytest.mark.parametrize(("funds", "bond"), [(330, 0), (340, 10)])
async def test_two_who_pretend_to_be_buyer_and_person_get_nothing_out_of_the_market(
    cast: Cast, bo: UUID, funds: int, bond: int
) -> None:
    """What it has not earned from the account it does not front: it is owed, and paid once the account has it."""
    court = await drained(cast, bo, funds)
    assert await court.stake() == ("none", bond)
    await court.decided(100)
    assert await ledger.derived(cast.conn, ledger.LOSSES, "usd") == 0
    assert await money(court) == (bond, 0, 0, 30)
    seen = await court.seen()
    assert seen.paid is not None and (seen.paid.amount, seen.owed.amount) == (0, 300 + bond)
    assert await court.status() == "accepted"
    await buys_nothing(court)
    assert await cast.broken() == []
    await fund(cast.conn, court.ada.owner, 329 - bond, "not enough")
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 0
    await fund(cast.conn, court.ada.owner, 1 + bond, "enough")
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 1
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 0
    assert await money(court) == (0, 0, 300 + bond, 60)
    seen = await court.seen()
    assert seen.paid is not None and (seen.paid.amount, seen.owed.amount) == (300 + bond, 0)
    assert (await observations.get(cast.conn, court.ada.owner, await of_bo(court))).answers
    assert await holds.find(cast.conn, "account", court.ada.owner) is None
    await advance(cast.conn, HOLD_S)
    await earnings.release_due(cast.conn)
    assert await cast.balance(ledger.person(bo, "payable")) == 300 + bond
    assert await cast.broken() == []


async def test_whoever_leaves_is_told_what_is_owed_and_has_it_all_the_same(cast: Cast, bo: UUID) -> None:
    court = await drained(cast, bo, 330)
    await court.decided(100)
    with pytest.raises(WrongState):  # no account that it could be paid to
        await erasure.erase(cast.conn, bo)
    assert await erasure.owed(cast.conn, bo) == [Money(300, "usd")]
    await erasure.erase(cast.conn, bo, leave_unpaid=True)
    await fund(cast.conn, court.ada.owner, 500, "more")
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 1
    assert await money(court) == (170, 0, 300, 60), "the buyer has it, so the buyer pays"
    assert await holds.find(cast.conn, "account", court.ada.owner) is None
    assert await cast.broken() == []


async def test_no_hold_that_ends_lets_an_account_go_that_an_award_is_due_from(cast: Cast, bo: UUID) -> None:
    court = await drained(cast, bo, 330)
    olu = await operator(court, "olu@example.com")
    until = await clock.now(cast.conn) + timedelta(days=30)
    await holds.put(cast.conn, "account", court.ada.owner, olu, "looked into", until)
    await court.decided(100)
    held = await holds.find(cast.conn, "account", court.ada.owner)
    assert held is not None and (held.reason, held.expires_at) == ("looked into", until), "it stays the operator's"
    await holds.release(cast.conn, "account", court.ada.owner, olu)
    await fund(cast.conn, court.ada.owner, 329, "not enough")
    with pytest.raises(AccountHeld):
        await cast.post(court.ada, reward={"amount": 100, "currency": "usd"})
    await fund(cast.conn, court.ada.owner, 1000, "enough")
    assert await collecting.collect_due(cast.conn, hold_s=HOLD_S) == 1
    await cast.post(court.ada)
    assert await cast.broken() == []


async def test_nothing_is_fronted_out_of_fees_that_were_charged_back(cast: Cast, bo: UUID) -> None:
    court = await drained(cast, bo, 330, fees=300)
    await cast.conn.execute(
        """INSERT INTO funding (id, account_id, amount, currency, status) VALUES ($1, $2, 9, 'usd', 'pending')""",
        funding := ids.new(), court.ada.owner,
    )  # fmt: skip
    await cast.conn.execute(
        """INSERT INTO dispute (id, stripe_id, charge_id, funding_id, account_id, amount, currency, reason, status)
           VALUES ($1, 'dp_1', 'ch_1', $2, $3, 9, 'usd', 'fraudulent', 'needs_response')""",
        ids.new(), funding, court.ada.owner,
    )  # fmt: skip
    await court.decided(100)
    assert await ledger.derived(cast.conn, ledger.LOSSES, "usd") == 0
    assert (await court.seen()).owed.amount == 300


async def test_money_that_came_meanwhile_pays_an_award_that_nothing_was_held_for(cast: Cast, bo: UUID) -> None:
    court = Court(cast, await cast.agent("eve", funds=330), bo)
    await court.rejected()
    dee = await cast.person("dee")
    _, other = await cast.submit(dee, ids.show("task", court.task))
    await cast.judge(other)
    await court.appealed()
    assert await court.stake() == ("none", 0)
    await fund(cast.conn, court.ada.owner, 500, "more")
    await court.decided(50)
    assert await money(court) == (335, 0, 150, 45)
    assert await holds.find(cast.conn, "account", court.ada.owner) is None
    assert await cast.broken() == []

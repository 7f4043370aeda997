"""What a buyer has moved out of a chargeback's reach pays for it when it is back, and before anything leaves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from market import debts, disputes, ids, money_decisions, operators, refunds
from market.errors import InsufficientFunds, WrongState
from tests.market.conftest import Cast
from tests.market.test_disputes import Desk, chargeback, desk, line

__all__ = ["desk"]


async def opened(desk: Desk, **given: Any) -> tuple[Any, Any]:
    """A chargeback of 3,000 that is open: (it, what Stripe took)."""
    taken = line(-3_000)
    return (await disputes.apply(desk.conn, chargeback("needs_response", taken, **given))).dispute, taken


async def test_what_has_come_back_by_the_end_pays_for_a_loss(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.spent(4_500)
    _, taken = await opened(desk)
    await desk.came(2_000)  # a task of hers was cancelled
    await disputes.apply(desk.conn, chargeback("lost", taken))
    assert ((await desk.row())["covered"], (await desk.row())["written_off"]) == (2_500, 500)
    assert ((await desk.books())["available"], (await desk.books())["losses"]) == (0, 500)
    await desk.sound()


async def test_of_what_has_come_back_a_loss_takes_no_more_than_it_costs(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.spent(5_000)
    _, taken = await opened(desk)
    await desk.came(4_000)
    await disputes.apply(desk.conn, chargeback("lost", taken))
    assert ((await desk.books())["available"], (await desk.row())["written_off"]) == (1_000, 0)
    await desk.sound()


async def test_what_comes_free_is_found_and_frozen_and_the_buyer_is_told(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.spent(5_000)
    dispute, _ = await opened(desk)
    assert await disputes.short(desk.conn, 10) == []  # there is nothing to freeze
    await desk.came(1_000)
    assert await disputes.short(desk.conn, 10) == [dispute]
    assert await disputes.freeze_more(desk.conn, dispute) == 1_000
    told = await desk.conn.fetchrow("SELECT account_id, actor, data FROM event WHERE type = 'dispute.frozen'")
    assert (told["account_id"], told["actor"], told["data"]["frozen"]) == (desk.account, "market", 1_000)
    await desk.came(3_000)
    assert await disputes.freeze_more(desk.conn, dispute) == 2_000
    assert await disputes.short(desk.conn, 10) == []  # all of it is frozen
    await desk.sound()


async def test_an_inquiry_wants_nothing(desk: Desk) -> None:
    await desk.paid(5_000)
    await disputes.apply(desk.conn, chargeback("warning_needs_response"))
    assert (await disputes.short(desk.conn, 10), await disputes.secure(desk.conn, desk.account)) == ([], 0)
    assert (await desk.books())["held"] == 0


async def test_nothing_goes_back_to_another_card_before_the_chargeback_is_frozen_in_full(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.spent(5_000)
    await opened(desk)
    own = await desk.paid(2_000, "ch_2")
    with pytest.raises(WrongState, match=r"1000 usd .* are missing"):
        async with desk.conn.transaction():
            await refunds.ask(desk.conn, desk.account, 100, by="test")
    assert ((await desk.books())["available"], (await desk.books())["held"]) == (2_000, 0)
    await desk.came(1_500)
    with pytest.raises(InsufficientFunds):
        async with desk.conn.transaction():
            await refunds.ask(desk.conn, desk.account, 501, by="test")
    [(refund, _)] = await refunds.ask(desk.conn, desk.account, None, by="test")
    shown = await refunds.get(desk.conn, refund)
    assert (shown.funding_id, shown.amount.amount) == (ids.show("funding", own), 500)
    assert ((await desk.books())["available"], (await desk.books())["held"]) == (0, 3_000)
    await desk.sound()


async def test_an_operator_refunds_one_payment_while_another_is_charged_back(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.spent(5_000)
    await opened(desk)
    own = await desk.paid(2_000, "ch_2")
    [(refund, _)] = await refunds.ask(desk.conn, desk.account, None, by="operator:olu", funding=own)
    assert (await refunds.get(desk.conn, refund)).amount.amount == 2_000


async def test_what_was_our_loss_is_made_good_before_anything_goes_back(desk: Desk) -> None:
    """The tasks are cancelled only when the chargeback is lost."""
    await desk.paid(5_000)
    await desk.paid(4_000, "ch_2")
    await desk.spent(8_500)
    _, taken = await opened(desk)
    await disputes.apply(desk.conn, chargeback("lost", taken))
    assert (await desk.row())["written_off"] == 2_500
    await desk.came(2_000)
    with pytest.raises(WrongState, match="500 usd"):
        async with desk.conn.transaction():
            await refunds.ask(desk.conn, desk.account, None, by="test")
    await desk.came(1_500)
    [(refund, _)] = await refunds.ask(desk.conn, desk.account, None, by="test")
    assert (await refunds.get(desk.conn, refund)).amount.amount == 1_000
    assert ((await desk.row())["written_off"], (await desk.row())["covered"]) == (0, 3_000)
    assert (await desk.books())["losses"] == 0
    assert await desk.conn.fetchval("SELECT account_id FROM event WHERE type = 'dispute.recovered'") == desk.account
    await desk.sound()


async def test_what_was_made_good_is_the_buyers_again_when_stripe_gives_it_back_late_and_can_be_lost_again(
    desk: Desk,
) -> None:
    await desk.paid(5_000)
    await desk.spent(5_000)
    _, taken = await opened(desk)
    lines = [taken]
    await disputes.apply(desk.conn, chargeback("lost", *lines))
    await desk.came(3_000)
    for _ in range(3):
        assert await disputes.secure(desk.conn, desk.account) == 0
        assert ((await desk.books())["available"], (await desk.row())["covered"]) == (0, 3_000)
        lines.append(line(3_000))
        await disputes.apply(desk.conn, chargeback("lost", *lines))
        assert (await desk.books())["available"] == 3_000
        lines.append(line(-3_000))
        await disputes.apply(desk.conn, chargeback("lost", *lines))
        assert ((await desk.row())["written_off"], (await desk.books())["losses"]) == (3_000, 3_000)
        await desk.sound()


async def test_two_chargebacks_are_served_oldest_first_and_by_no_more_than_there_is(desk: Desk) -> None:
    await desk.paid(5_000)
    await desk.paid(2_000, "ch_2")
    await desk.spent(7_000)
    _, taken = await opened(desk)
    other = chargeback("needs_response", line(-2_000), amount=2_000, charge="ch_2")
    await disputes.apply(desk.conn, msgspec.structs.replace(other, stripe_id="du_2"))
    await disputes.apply(desk.conn, chargeback("lost", taken))
    await desk.came(3_500)
    assert await disputes.secure(desk.conn, desk.account) == 1_500
    assert ((await desk.row())["written_off"], (await desk.row("du_2"))["frozen"]) == (0, 500)
    await desk.sound()


@pytest.mark.parametrize(("lost", "left"), [(3_000, 0), (100, 230)])
async def test_a_price_that_comes_back_makes_good_a_loss_before_the_buyer_has_it(
    desk: Desk, bo: UUID, lost: int, left: int
) -> None:
    """Bo's pay is taken back, 330 with the market's part, when Ada owes for a chargeback."""
    cast = Cast(desk.conn)
    ada = await cast.agent("eve", funds=330)
    desk.account = ada.owner
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    assert await cast.judge(submission) == "accepted"
    await desk.paid(5_000)
    await desk.spent(2_000 + lost)
    _, taken = await opened(desk)
    await disputes.apply(desk.conn, chargeback("lost", taken))
    assert ((await desk.row())["written_off"], (await desk.books())["available"]) == (lost, 0)
    asked = await debts.ask_clawback(desk.conn, desk.olu, submission, "the photo is of another shop")
    pia, _ = await operators.add(desk.conn, "pia@sensorium.example", "Pia")
    await money_decisions.decide(desk.conn, ids.read("operator", pia.id), asked, approve=True)
    assert ((await desk.row())["written_off"], (await desk.books())["available"]) == (max(0, lost - 330), left)
    await desk.sound()

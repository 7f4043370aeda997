"""Cy moves disputed money out of the bank's reach, or pays with the disputed card again: neither helps."""

from __future__ import annotations

import pytest

from app.money.disputes import freeze_what_came_free
from tests.app.conftest import Caller, is_problem, ok, post_task
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_disputes import balance, buyer, disputed, held, money

__all__ = ["buyer", "desk", "world"]


@pytest.mark.parametrize("swept", [False, True])
async def test_money_that_was_in_tasks_pays_for_the_loss_and_not_another_card(
    desk: Desk, buyer: Caller, olu: Caller, swept: bool
) -> None:
    task = await post_task(buyer, quantity=30)  # 99.00 of 100.00
    dispute = await disputed(desk, olu)
    assert (await money(olu, dispute))["frozen"] == 100
    await desk.fund(buyer, 5_000)  # by another card
    told = is_problem(await buyer.post("/v1/refunds", {}), 409, "wrong-state")
    assert "4900 usd (minor units) are missing" in told["detail"]
    assert (await balance(buyer), await held(desk)) == (5_000, 100)
    ok(await buyer.post(f"/v1/tasks/{task['id']}/cancel"))
    if swept:
        await freeze_what_came_free(desk.world.services)
        assert (await balance(buyer), await held(desk)) == (5_000, 10_000)
        await desk.agrees()
        ok(await buyer.post("/v1/refunds", {"amount": {"amount": 3_000, "currency": "usd"}}), 201)
    await desk.control(f"/disputes/{dispute['stripe_id']}/lose")
    await desk.rest()
    assert await money(olu, dispute) == {"withdrawn": 10_000, "fees": 1_500, "covered": 10_000}
    assert (await balance(buyer), await held(desk)) == (2_000 if swept else 5_000, 0)
    await desk.agrees()


async def test_tasks_that_are_cancelled_when_it_is_lost_make_the_loss_good_before_a_refund(
    desk: Desk, buyer: Caller, olu: Caller
) -> None:
    task = await post_task(buyer, quantity=30)
    dispute = await disputed(desk, olu)
    await desk.control(f"/disputes/{dispute['stripe_id']}/lose")
    await desk.rest()
    assert (await money(olu, dispute))["written_off"] == 9_900
    await desk.fund(buyer, 5_000)
    ok(await buyer.post(f"/v1/tasks/{task['id']}/cancel"))
    [refund] = ok(await buyer.post("/v1/refunds", {}), 201)["items"]
    assert refund["amount"]["amount"] == 5_000
    await desk.rest()
    assert await money(olu, dispute) == {"withdrawn": 10_000, "fees": 1_500, "covered": 10_000}
    assert [one["type"] for one in ok(await buyer.get("/v1/events"))["items"]].count("dispute.recovered") == 1
    await desk.agrees()

"""Cy moves disputed money out of the bank's reach, or pays with the disputed card again: neither helps."""

from __future__ import annotations

from typing import Any

import pytest

from app.money.disputes import freeze_what_came_free
from tests.app.conftest import Caller, is_problem, ok, post_task
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_disputes import WARNINGS, balance, buyer, disputed, held, mails, money, warned
from tests.app.test_top_ups import automatic, save_card, sweep

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


# ---- automatic top-ups


async def topped_up(desk: Desk, caller: Caller) -> dict[str, Any]:
    """Cy has paid 10.00 by a card that is charged again below 8.00: the rule."""
    rule = {"threshold": 800, "amount": 1_000, "max_per_day": 9_000, "card": await save_card(desk, caller)}
    ok(await caller.ask("PUT", "/v1/auto-top-up", json=rule))
    return rule


async def paused_for(caller: Caller) -> str | None:
    found: str | None = ok(await caller.get("/v1/auto-top-up"))["paused_for"]
    return found


@pytest.mark.parametrize("inquiry", [False, True])
async def test_a_card_whose_payment_is_disputed_is_not_charged_again_by_itself(
    desk: Desk, cy: Caller, olu: Caller, inquiry: bool
) -> None:
    rule = await topped_up(desk, cy)
    dispute = await disputed(desk, olu, inquiry=inquiry)
    if inquiry:
        await post_task(cy)
    await sweep(desk)
    assert (await automatic(cy), await paused_for(cy)) == ([], "disputed")
    [told] = [one for one in ok(await cy.get("/v1/events"))["items"] if one["type"] == "auto_top_up.paused"]
    assert told["data"]["failure"] == "disputed"
    assert (await mails(desk.world, "cy@example.com")).count("Your automatic top-ups are paused") == 1
    assert ok(await cy.ask("PUT", "/v1/auto-top-up", json=rule))["paused_for"] == "disputed"  # not yet
    await sweep(desk)
    assert await automatic(cy) == []
    await desk.control(f"/disputes/{dispute['stripe_id']}/{'win' if inquiry else 'lose'}")
    await desk.rest()
    await sweep(desk)
    assert (await automatic(cy), await paused_for(cy)) == ([], "disputed")
    assert ok(await cy.ask("PUT", "/v1/auto-top-up", json=rule))["paused_for"] is None
    await desk.rest()
    assert len(await automatic(cy)) == 1
    await desk.agrees()


async def test_a_card_whose_payment_is_suspected_is_not_charged_again_by_itself(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    rule = await topped_up(desk, cy)
    warning = await warned(desk, olu)
    assert await balance(cy) == 0
    await sweep(desk)
    assert (await automatic(cy), await paused_for(cy)) == ([], "fraud_warning")
    assert (await mails(desk.world, "cy@example.com")).count("Your automatic top-ups are paused") == 1
    ok(await olu.post(f"{WARNINGS}/{warning['id']}/dismiss"))
    await post_task(cy)
    assert ok(await cy.ask("PUT", "/v1/auto-top-up", json=rule))["paused_for"] is None
    await desk.rest()
    assert len(await automatic(cy)) == 1


async def test_top_ups_that_are_not_paused_wait_for_the_bank_all_the_same(desk: Desk, cy: Caller, olu: Caller) -> None:
    """Whatever the rule itself says: an open dispute is looked at when one would begin."""
    await topped_up(desk, cy)
    await disputed(desk, olu)
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE auto_top_up SET paused_for = NULL")
    await sweep(desk)
    assert await automatic(cy) == []

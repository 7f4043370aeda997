"""Somebody refunds in Stripe's dashboard: no refund of ours is of the same money, whenever we hear of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.money import mirror
from market import clock, suspense
from tests.app.conftest import Caller, is_problem, ok
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_payout_runs import row
from tests.app.test_refunds import all_agree, available, pay, usd

__all__ = ["desk", "world"]
LINES, DECISIONS = "/v1/operator/balance-lines", "/v1/operator/decisions"


async def dashboard(desk: Desk, charge: str, amount: int) -> None:
    async with httpx.AsyncClient(base_url=desk.sandbox.url, trust_env=False) as stripe:
        headers = {"authorization": "Bearer sk_test_tests"}
        ok(await stripe.post("/v1/refunds", data={"charge": charge, "amount": str(amount)}, headers=headers))


async def newest_charge(desk: Desk) -> str:
    found: str = await row(desk, "SELECT charge_id FROM funding ORDER BY id DESC LIMIT 1")
    return found


async def booked_to(desk: Desk, cy: Caller, olu: Caller, pia: Caller) -> None:
    """Olu and Pia agree that the dashboard's refund was of Cy's balance."""
    await mirror.mirror_balance(desk.world.services.database, desk.sandbox.gateway())
    async with desk.world.services.database.transaction() as connection:
        await clock.advance(connection, suspense.SUSPENSE_AFTER_S + 1)
    await mirror.put_into_suspense(desk.world.services.database)
    [line] = ok(await olu.get(f"{LINES}?state=suspense"))["items"]
    wish = {"target": f"buyer:{cy.id}:available", "reason": "refunded in the dashboard"}
    asked = ok(await olu.post(f"{LINES}/{line['id']}/resolution", wish), 201)
    ok(await pia.post(f"{DECISIONS}/{asked['id']}/approve"))


async def asked_back(desk: Desk, cy: Caller) -> list[tuple[str, int, Any]]:
    """Cy asks for all that can go back: (payment, amount, failure) of each refund."""
    made = ok(await cy.post("/v1/refunds", {}), 201)["items"]
    await desk.rest()
    shown = [ok(await cy.get(f"/v1/refunds/{one['id']}")) for one in made]
    return [(one["funding_id"], one["amount"]["amount"], one["failure"]) for one in shown]


@pytest.mark.parametrize("gone", [1_000, 400])
@pytest.mark.parametrize("heard", [True, False])
async def test_what_went_back_in_the_dashboard_is_not_asked_of_stripe_again(
    desk: Desk, cy: Caller, olu: Caller, pia: Caller, heard: bool, gone: int
) -> None:
    older, newer = await pay(desk, cy, 1_000), await pay(desk, cy, 1_000)
    await dashboard(desk, await newest_charge(desk), gone)
    await desk.rest(deliver=heard)
    desk.brought = len(desk.receiver.received)
    await booked_to(desk, cy, olu, pia)
    left = 2_000 - gone
    assert await available(cy) == left
    if not heard:
        # Stripe refuses the first, and says why when it is asked.
        failed = await asked_back(desk, cy)
        assert failed[-1] == (newer, 1_000, "charge_already_refunded" if gone == 1_000 else "amount_too_large")
        left = await available(cy)
    made = await asked_back(desk, cy)
    assert (newer in [each[0] for each in made]) == (gone < 1_000)
    assert {each[2] for each in made} == {None} and sum(each[1] for each in made) == left
    assert await row(desk, "SELECT array_agg(refunded_elsewhere ORDER BY id) FROM funding") == [0, gone]
    assert older in [one["funding_id"] for one in ok(await cy.get("/v1/refunds"))["items"]]
    await all_agree(desk, cy, 0)


async def test_more_than_is_left_at_the_cards_is_refused_before_stripe_is_asked(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 1_000)
    await dashboard(desk, await newest_charge(desk), 400)
    await desk.rest()
    told = is_problem(await cy.post("/v1/refunds", usd(700)), 422, "validation")
    assert "At most 600 usd" in told["errors"][0]["detail"]
    [(_, amount, failure)] = await asked_back(desk, cy)
    assert (amount, failure) == (600, None)


async def test_a_dashboard_refund_that_fails_can_go_back_again(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 1_000)
    charge = await newest_charge(desk)
    await dashboard(desk, charge, 1_000)
    await desk.rest()
    is_problem(await cy.post("/v1/refunds", {}), 409, "wrong-state")
    [made] = await desk.sandbox.gateway().refunds_of(charge)
    await desk.control(f"/refunds/{made.id}/fail")
    await desk.rest()
    [(_, amount, failure)] = await asked_back(desk, cy)
    assert (amount, failure) == (1_000, None)

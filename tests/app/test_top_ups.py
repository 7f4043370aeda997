"""Saved cards, and balances that fill up by themselves: one charge at a time, within the day, until a card says no."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from app.money.top_ups import hand_to_owner, top_up_what_is_low
from market import ids
from tests.app.conftest import Caller, a_task, agent, is_problem, ok, post_task
from tests.app.stripe_sandbox import Desk, desk, world

__all__ = ["desk", "world"]
RULE = {"threshold": 800, "amount": 500, "max_per_day": 1_000}


async def available(caller: Caller) -> int:
    return int(ok(await caller.get("/v1/account"))["balance"]["available"]["amount"])


async def save_card(desk: Desk, caller: Caller, card: str = "pm_card_visa", amount: int = 1_000) -> str:
    """Somebody pays a checkout, and Stripe keeps the card: its id."""
    asked = ok(await caller.post("/v1/funding", {"amount": {"amount": amount, "currency": "usd"}}), 201)
    await desk.rest()
    page = (await desk.world.client.get(asked["checkout_url"])).headers["location"]
    assert (await desk.press(page, action="pay", card=card)).status_code == 303
    await desk.rest()
    found: str = ok(await caller.get("/v1/cards"))["items"][0]["id"]
    return found


async def sweep(desk: Desk) -> None:
    await top_up_what_is_low(desk.world.services)
    await desk.rest()


async def automatic(caller: Caller) -> list[dict[str, Any]]:
    """The account's automatic fundings, newest first."""
    return [one for one in ok(await caller.get("/v1/funding"))["items"] if one["cause"] == "auto"]


async def mails(desk: Desk, to: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(await desk.world.client.get("/sandbox/outbox", params={"to": to}))["items"]
    return found


async def test_a_card_that_somebody_paid_with_is_kept_and_can_be_charged_and_removed(desk: Desk, cy: Caller) -> None:
    card = await save_card(desk, cy)
    [shown] = ok(await cy.get("/v1/cards"))["items"]
    assert (shown["brand"], shown["last4"], shown["exp_year"], shown["tops_up"]) == ("visa", "4242", 2040, False)
    ok(await cy.post("/v1/funding", {"amount": {"amount": 600, "currency": "usd"}, "payment_method": card}), 201)
    await desk.rest()
    assert await available(cy) == 1_600
    eve = await agent(desk.world, "Eve")
    assert ok(await eve.get("/v1/cards"))["items"] == []
    is_problem(await eve.delete(f"/v1/cards/{card}"), 404, "not-found")
    ok(await cy.delete(f"/v1/cards/{card}"), 204)
    is_problem(await cy.delete(f"/v1/cards/{card}"), 404, "not-found")
    await desk.rest()
    assert ok(await cy.get("/v1/cards"))["items"] == []
    async with desk.world.services.database.read() as connection:
        customer = await connection.fetchval("SELECT stripe_id FROM customer")
    assert await desk.sandbox.gateway().cards(customer) == []
    again = {"amount": {"amount": 600, "currency": "usd"}, "payment_method": card}
    is_problem(await cy.post("/v1/funding", again), 422, "validation")
    await desk.agrees()


async def test_nobody_charges_the_card_of_another_account(desk: Desk, cy: Caller) -> None:
    card = await save_card(desk, cy)
    eve = await agent(desk.world, "Eve")
    theft = {"amount": {"amount": 600, "currency": "usd"}, "payment_method": card}
    told = is_problem(await eve.post("/v1/funding", theft), 422, "validation")
    assert told["errors"][0]["pointer"] == "/payment_method"
    is_problem(await eve.ask("PUT", "/v1/auto-top-up", json={**RULE, "card": card}), 422, "validation")
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("DELETE FROM saved_card")  # as before the mirror knows it: Stripe itself refuses
    asked = ok(await eve.post("/v1/funding", theft), 201)
    await desk.rest()
    assert ok(await eve.get(f"/v1/funding/{asked['id']}"))["status"] == "failed"
    assert (await available(eve), await available(cy)) == (0, 1_000)
    await desk.agrees()


async def test_a_low_balance_fills_up_once_at_a_time_and_within_the_day(desk: Desk, cy: Caller) -> None:
    card = await save_card(desk, cy)
    ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "card": card}))
    await sweep(desk)
    assert await automatic(cy) == []  # 1000 is not below 800
    await post_task(cy)  # holds 330
    await asyncio.gather(*(top_up_what_is_low(desk.world.services) for _ in range(8)))
    assert len(await automatic(cy)) == 1
    await desk.rest()
    assert await available(cy) == 670 + 500
    await post_task(cy)
    await post_task(cy)
    await sweep(desk)
    assert await available(cy) == 1_170 - 660 + 500
    assert ok(await cy.get("/v1/auto-top-up"))["asked_today"] == 1_000
    for _ in range(2):
        await post_task(cy)
    await sweep(desk)
    assert (len(await automatic(cy)), await available(cy)) == (2, 350)  # the day's cap is reached
    await desk.agrees()
    await desk.world.later(86_400)  # runs the sweeps
    await desk.rest()
    assert (len(await automatic(cy)), await available(cy)) == (3, 850)
    await desk.agrees()


async def test_a_wish_that_the_balance_does_not_cover_begins_one_at_once(desk: Desk, cy: Caller) -> None:
    card = await save_card(desk, cy, amount=300)
    ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "threshold": 0, "card": card}))
    is_problem(await cy.post("/v1/tasks", a_task()), 402, "insufficient-funds")
    assert await automatic(cy) == []  # 300 is not below 0
    ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "threshold": 300, "card": card}))
    ok(await cy.post("/v1/refunds", {"amount": {"amount": 300, "currency": "usd"}}), 409)
    ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "threshold": 301, "card": card}))
    assert len(await automatic(cy)) == 1
    told = is_problem(await cy.post("/v1/tasks", a_task()), 402, "insufficient-funds")
    assert told["pending_funding"]["amount"] == 500
    await desk.rest()
    await post_task(cy)


async def test_a_bank_that_wants_the_owner_pauses_it_and_the_owner_can_pay_by_the_mail(desk: Desk, cy: Caller) -> None:
    card = await save_card(desk, cy, "pm_card_authenticationRequired", amount=500)
    ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "card": card}))
    await desk.rest()
    [failed] = await automatic(cy)
    assert (failed["status"], failed["failure"]) == ("failed", "authentication_required")
    assert ok(await cy.get("/v1/auto-top-up"))["paused_for"] == "authentication_required"
    for _ in range(3):  # jobs run at least once
        await hand_to_owner(desk.world.services, {"funding": str(ids.read("funding", failed["id"]))})
    await sweep(desk)
    assert len(await automatic(cy)) == 1
    [mail] = await mails(desk, "cy@example.com")
    assert "confirm" in mail["subject"] and "$5.00" in mail["text"]
    page = next(line for line in mail["text"].splitlines() if "/checkout/" in line)
    told = ok(await cy.get("/v1/events"))["items"]
    [wanted] = [one for one in told if one["type"] == "funding.needs_owner"]
    assert wanted["subject"]["id"] == failed["id"] and wanted["data"]["pay_by"][5:] in page
    away = (await desk.world.client.get(page)).headers["location"]
    assert (await desk.press(away, action="pay", card="pm_card_visa")).status_code == 303
    await desk.rest()
    assert await available(cy) == 1_000
    other = next(each["id"] for each in ok(await cy.get("/v1/cards"))["items"] if each["last4"] == "4242")
    resumed = ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "card": other}))
    assert (resumed["paused_for"], resumed["asked_today"]) == (None, 500)
    await post_task(cy)
    await sweep(desk)
    assert await available(cy) == 1_170
    await desk.agrees()


async def test_a_declined_card_pauses_it_and_a_card_in_use_stays(desk: Desk, cy: Caller) -> None:
    await save_card(desk, cy, amount=500)
    async with desk.world.services.database.read() as connection:
        customer = await connection.fetchval("SELECT stripe_id FROM customer")
    async with httpx.AsyncClient(base_url=desk.sandbox.url, trust_env=False) as stripe:
        attach = "/v1/payment_methods/pm_card_chargeCustomerFail/attach"
        headers = {"authorization": "Bearer sk_test_tests"}
        answer = await stripe.post(attach, data={"customer": customer}, headers=headers)
        declined = ok(answer)["id"]
        await desk.rest()
        assert declined in [each["id"] for each in ok(await cy.get("/v1/cards"))["items"]]
        ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "card": declined}))
        is_problem(await cy.delete(f"/v1/cards/{declined}"), 409, "wrong-state")
        await desk.rest()
        assert ok(await cy.get("/v1/auto-top-up"))["paused_for"] == "generic_decline"
        [mail] = await mails(desk, "cy@example.com")
        assert "declined" in mail["subject"] and "visa 0341" in mail["text"]
        ok(await stripe.post(f"/v1/payment_methods/{declined}/detach", headers=headers))
    await desk.rest()
    assert declined not in [each["id"] for each in ok(await cy.get("/v1/cards"))["items"]]
    assert ok(await cy.get("/v1/auto-top-up"))["paused_for"] == "card_removed"
    ok(await cy.delete("/v1/auto-top-up"), 204)
    is_problem(await cy.get("/v1/auto-top-up"), 404, "not-found")
    is_problem(await cy.delete("/v1/auto-top-up"), 404, "not-found")
    await desk.agrees()


async def test_the_kill_switch_lets_none_begin_and_holds_back_what_waits(desk: Desk, cy: Caller, olu: Caller) -> None:
    card = await save_card(desk, cy, amount=500)
    stop = "UPDATE money_switch SET stopped = $2, reason = 'r', operator_id = $1 WHERE name = 'top_ups'"
    operator = ids.read("operator", olu.id)
    async with desk.world.services.database.transaction() as connection:
        await connection.execute(stop, operator, True)
    ok(await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "card": card}))
    await sweep(desk)
    assert await automatic(cy) == []
    async with desk.world.services.database.transaction() as connection:
        await connection.execute(stop, operator, False)
    await top_up_what_is_low(desk.world.services)  # begun, and stopped again before it was sent
    async with desk.world.services.database.transaction() as connection:
        await connection.execute(stop, operator, True)
    await desk.rest()
    assert [one["status"] for one in await automatic(cy)] == ["pending"]
    async with desk.world.services.database.transaction() as connection:
        await connection.execute(stop, operator, False)
    await desk.rest()
    assert ([one["status"] for one in await automatic(cy)], await available(cy)) == (["succeeded"], 1_000)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"threshold": -1}, "/threshold"), ({"amount": 0}, "/amount"), ({"amount": 49}, "/amount"),
        ({"max_per_day": 499}, "/max_per_day"), ({"card": "pm_unknown"}, "/card"), ({"card": "4242"}, "/card"),
        ({"amount": 10**9}, "/amount"), ({"often": True}, ""),
    ],
)  # fmt: skip
async def test_a_rule_that_makes_no_sense_is_refused(desk: Desk, cy: Caller, change: Any, pointer: str) -> None:
    told = is_problem(
        await cy.ask("PUT", "/v1/auto-top-up", json={**RULE, "card": "pm_unknown", **change}), 422, "validation"
    )
    assert told["errors"][0]["pointer"].startswith(pointer)

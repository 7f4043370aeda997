"""Money comes in when Stripe says so: not when a call returns, not twice, and not because somebody else says so."""

from __future__ import annotations

import asyncio
import json
import time

import httpx

from app.sandbox.stripe.delivery import sign
from tests.app.conftest import Caller, agent, is_problem, ok
from tests.app.stripe_sandbox import SECRET, Desk, desk, world

__all__ = ["desk", "world"]
TEN = {"amount": 1_000, "currency": "usd"}
BY_CARD = {"amount": TEN, "payment_method": "pm_card_visa"}


async def available(caller: Caller) -> int:
    balance = ok(await caller.get("/v1/account"))["balance"]["available"]
    return int(balance["amount"])


async def test_a_card_is_charged_and_the_balance_moves_only_with_the_webhook(desk: Desk, cy: Caller) -> None:
    asked = ok(await cy.post("/v1/funding", BY_CARD), 201)
    assert (asked["status"], asked["checkout_url"], await available(cy)) == ("pending", None, 0)
    await desk.rest(deliver=False)  # charged at Stripe, and nobody has told us
    assert sum((await desk.sandbox.gateway().balance()).values()) > 0
    assert ok(await cy.get(f"/v1/funding/{asked['id']}"))["status"] == "pending"
    assert await available(cy) == 0
    await desk.rest()
    assert ok(await cy.get(f"/v1/funding/{asked['id']}"))["status"] == "succeeded"
    assert await available(cy) == 1_000
    await desk.agrees()


async def test_the_buyer_gets_the_full_amount_and_the_fee_is_ours(desk: Desk, cy: Caller) -> None:
    await desk.fund(cy, 10_000)
    assert await available(cy) == 10_000
    async with desk.world.services.database.read() as connection:
        rows = await connection.fetch(
            """SELECT a.code, e.amount FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
               JOIN ledger_tx t ON t.id = e.tx_id WHERE t.kind = 'funding'"""
        )
    moved = {row["code"].split(":")[0] + row["code"][-10:]: row["amount"] for row in rows}
    assert sorted(moved.values()) == [-10_000, 320, 9_680]


async def test_webhooks_three_times_and_in_any_order_credit_once(desk: Desk, cy: Caller) -> None:
    ok(await cy.post("/v1/funding", BY_CARD), 201)
    await desk.rest(deliver=False)
    for webhook in [*reversed(desk.receiver.received), *desk.receiver.received, *desk.receiver.received]:
        assert (await desk.bring(webhook)).status_code == 200
    desk.brought = len(desk.receiver.received)
    await desk.rest()
    assert await available(cy) == 1_000
    await desk.agrees()


async def test_forged_old_and_foreign_webhooks_are_refused_or_mean_nothing(desk: Desk, cy: Caller) -> None:
    ok(await cy.post("/v1/funding", BY_CARD), 201)
    await desk.rest(deliver=False)
    body, good = next(one for one in desk.receiver.received if b'"payment_intent.succeeded"' in one[0])
    now = int(time.time())
    text = body.decode()
    forged = [sign(text, "whsec_" + "00" * 32, now), sign(text, SECRET, now - 360), sign(text + " ", SECRET, now), ""]
    for signature in forged:
        is_problem(await desk.bring((body, signature)), 400, "malformed")
    is_problem(await desk.bring((b"not an event", sign("not an event", SECRET, now))), 400, "malformed")
    live = json.dumps({**json.loads(text), "livemode": True})
    assert (await desk.bring((live.encode(), sign(live, SECRET, now)))).status_code == 200
    await desk.world.jobs()
    assert await available(cy) == 0
    assert (await desk.bring((body, good))).status_code == 200
    await desk.world.jobs()
    assert await available(cy) == 1_000


async def test_a_webhook_that_lies_about_the_state_moves_nothing(desk: Desk, cy: Caller) -> None:
    """Even with our secret: only what is fetched again counts."""
    body = {**BY_CARD, "payment_method": "pm_card_chargeCustomerFail"}
    asked = ok(await cy.post("/v1/funding", body), 201)
    await desk.rest()
    event = json.loads(next(one for one, _ in desk.receiver.received if b'"payment_intent.payment_failed"' in one))
    event.update(id="evt_lie", type="payment_intent.succeeded")
    event["data"]["object"]["status"] = "succeeded"
    lie = json.dumps(event)
    assert (await desk.bring((lie.encode(), sign(lie, SECRET, int(time.time()))))).status_code == 200
    await desk.rest()
    assert ok(await cy.get(f"/v1/funding/{asked['id']}"))["status"] == "failed"
    assert await available(cy) == 0


async def test_a_declined_card_says_why_and_costs_nothing(desk: Desk, cy: Caller) -> None:
    for card, reason in (("pm_card_chargeDeclined", "generic_decline"),
                         ("pm_card_authenticationRequired", "authentication_required")):  # fmt: skip
        asked = ok(await cy.post("/v1/funding", {**BY_CARD, "payment_method": card}), 201)
        await desk.rest()
        ended = ok(await cy.get(f"/v1/funding/{asked['id']}"))
        assert (ended["status"], ended["failure"]) == ("failed", reason)
    assert await available(cy) == 0
    told = ok(await cy.get("/v1/events"))["items"]
    assert [one["type"] for one in told].count("funding.failed") == 2
    await desk.agrees()


async def test_a_retry_with_the_same_key_charges_once(desk: Desk, cy: Caller) -> None:
    key = {"idempotency-key": "top-up-1"}
    first, again = [await cy.post("/v1/funding", BY_CARD, headers=key) for _ in range(2)]
    assert first.json() == again.json() and again.headers["idempotent-replayed"] == "true"
    await desk.rest()
    assert await available(cy) == 1_000
    other = {**BY_CARD, "amount": {"amount": 2_000, "currency": "usd"}}
    is_problem(await cy.post("/v1/funding", other, headers=key), 422, "idempotency-key-reused")


async def test_two_workers_with_the_same_operation_charge_once(desk: Desk, cy: Caller) -> None:
    from app.money.outgoing import send_op

    ok(await cy.post("/v1/funding", BY_CARD), 201)
    async with desk.world.services.database.read() as connection:
        op = await connection.fetchval("SELECT id FROM stripe_op WHERE kind = 'charge'")
    await asyncio.gather(*(send_op(desk.world.services, {"op": str(op)}) for _ in range(8)))
    await desk.rest()
    assert await available(cy) == 1_000
    await desk.agrees()


async def test_a_checkout_page_is_paid_by_somebody_with_the_link(desk: Desk, cy: Caller) -> None:
    asked = ok(await cy.post("/v1/funding", {"amount": TEN}), 201)
    assert asked["status"] == "pending"
    await desk.rest()
    away = await desk.world.client.get(asked["checkout_url"])
    assert away.status_code == 303 and away.headers["location"].startswith(desk.sandbox.url)
    declined = await desk.press(away.headers["location"], action="pay", card="pm_card_chargeCustomerFail")
    assert declined.status_code == 402
    await desk.rest()
    assert ok(await cy.get(f"/v1/funding/{asked['id']}"))["status"] == "pending"  # another card may work
    waiting = await desk.world.client.get(f"{asked['checkout_url']}/done")
    assert "Waiting" in waiting.text and "refresh" in waiting.headers
    paid = await desk.press(away.headers["location"], action="pay", card="pm_card_visa")
    assert paid.headers["location"] == f"{asked['checkout_url']}/done"
    await desk.rest()
    assert "Paid" in (await desk.world.client.get(f"{asked['checkout_url']}/done")).text
    assert "Paid" in (await desk.world.client.get(asked["checkout_url"])).text
    ended = ok(await cy.get(f"/v1/funding/{asked['id']}"))
    assert (ended["status"], ended["checkout_url"], await available(cy)) == ("succeeded", None, 1_000)
    await desk.agrees()


async def test_a_checkout_that_nobody_paid_expires(desk: Desk, cy: Caller) -> None:
    asked = ok(await cy.post("/v1/funding", {"amount": TEN}), 201)
    await desk.rest()
    async with desk.world.services.database.read() as connection:
        session = await connection.fetchval("SELECT checkout_id FROM funding")
    async with httpx.AsyncClient(base_url=desk.sandbox.url, trust_env=False) as stripe:
        headers = {"authorization": "Bearer sk_test_tests"}
        assert (await stripe.post(f"/v1/checkout/sessions/{session}/expire", headers=headers)).status_code == 200
    await desk.rest()
    assert ok(await cy.get(f"/v1/funding/{asked['id']}"))["status"] == "expired"
    assert "expired" in (await desk.world.client.get(asked["checkout_url"] or f"/checkout/{asked['id'][5:]}")).text


async def test_a_charge_waits_while_stripe_is_away_and_happens_once(desk: Desk, cy: Caller) -> None:
    await asyncio.to_thread(desk.sandbox.end)
    asked = ok(await cy.post("/v1/funding", BY_CARD), 201)
    await desk.world.jobs()
    async with desk.world.services.database.transaction() as connection:
        status = await connection.fetchval("SELECT status::text FROM stripe_op WHERE kind = 'customer'")
        assert status == "unknown"
        await connection.execute("UPDATE stripe_op SET due_at = now()")  # its patience is over
    await asyncio.to_thread(desk.sandbox.start)
    await desk.rest()
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE stripe_op SET due_at = now() WHERE status IN ('planned', 'unknown')")
    await desk.rest()
    assert ok(await cy.get(f"/v1/funding/{asked['id']}"))["status"] == "succeeded"
    assert await available(cy) == 1_000
    await desk.agrees()


async def test_only_the_owner_sees_a_funding_and_only_fitting_money_is_taken(desk: Desk, cy: Caller) -> None:
    asked = ok(await cy.post("/v1/funding", BY_CARD), 201)
    eve = await agent(desk.world, "Eve")
    is_problem(await eve.get(f"/v1/funding/{asked['id']}"), 404, "not-found")
    assert ok(await eve.get("/v1/funding"))["items"] == []
    assert [one["id"] for one in ok(await cy.get("/v1/funding"))["items"]] == [asked["id"]]
    for bad in (
        {"amount": {"amount": 0, "currency": "usd"}},
        {"amount": {"amount": -5, "currency": "usd"}},
        {"amount": {"amount": 10**12, "currency": "usd"}},
        {"amount": {"amount": "10", "currency": "usd"}},
        {"amount": {"amount": 1_000, "currency": "eur"}},
        {"amount": 1_000},
        {"amount": TEN, "payment_method": "4242424242424242"},
        {"amount": TEN, "tip": 1},
    ):
        is_problem(await cy.post("/v1/funding", bad), 422, "validation")
    no_page = await desk.world.client.get(f"/checkout/{asked['id'][5:]}")
    assert no_page.status_code == 404

"""Money comes in when Stripe says so: not when a call returns, not twice, and not because somebody else says so."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID

import httpx

from app.reconciliation import reconcile
from app.sandbox.stripe.delivery import sign
from market import ids
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


# ---- banks that take days


async def paid_by_bank(desk: Desk, caller: Caller, account: str = "pm_usBankAccount_success") -> tuple[str, str]:
    """A checkout that was paid from a bank account: the funding, and Stripe's PaymentIntent."""
    asked = ok(await caller.post("/v1/funding", {"amount": TEN, "methods": ["us_bank_account", "card"]}), 201)
    await desk.rest()
    page = (await desk.world.client.get(asked["checkout_url"])).headers["location"]
    assert (await desk.press(page, action="pay", card=account)).status_code == 303
    await desk.rest(deliver=False)
    return asked["id"], await intent_of(desk, asked["id"])


async def intent_of(desk: Desk, funding: str) -> str:
    number = str(ids.read("funding", funding))
    async with desk.world.services.database.read() as connection:
        customer = await connection.fetchval(
            "SELECT c.stripe_id FROM customer c JOIN funding f USING (account_id) WHERE f.id = $1", UUID(number)
        )
    found = await desk.sandbox.gateway().find_intent(customer, {"funding": number})
    assert found is not None
    return found.id


async def test_a_bank_takes_days_and_the_balance_moves_when_it_has_paid(desk: Desk, cy: Caller) -> None:
    funding, intent = await paid_by_bank(desk, cy)
    await desk.rest()
    waiting = ok(await cy.get(f"/v1/funding/{funding}"))
    assert (waiting["status"], waiting["checkout_url"], await available(cy)) == ("processing", None, 0)
    assert "under way" in (await desk.world.client.get(f"/checkout/{funding[5:]}/done")).text
    await desk.control(f"/payment_intents/{intent}/settle", succeed=True)
    await desk.rest()
    ended = ok(await cy.get(f"/v1/funding/{funding}"))
    assert (ended["status"], await available(cy)) == ("succeeded", 1_000)
    assert "6789" in ended["paid_with"]
    told = [one["type"] for one in ok(await cy.get("/v1/events"))["items"]]
    assert [one for one in told if one.startswith("funding.")] == [
        "funding.asked", "funding.processing", "funding.succeeded",
    ]  # fmt: skip
    await desk.agrees()


async def test_a_bank_that_refuses_after_days_ends_the_funding_in_whatever_order_the_news_come(
    desk: Desk, cy: Caller
) -> None:
    funding, intent = await paid_by_bank(desk, cy)
    await desk.control(f"/payment_intents/{intent}/settle", succeed=False)
    await desk.rest(deliver=False)
    for webhook in [*reversed(desk.receiver.received), *desk.receiver.received]:
        assert (await desk.bring(webhook)).status_code == 200
    desk.brought = len(desk.receiver.received)
    await desk.rest()
    ended = ok(await cy.get(f"/v1/funding/{funding}"))
    assert ended["status"] == "failed" and ended["failure"]
    assert await available(cy) == 0
    await desk.agrees()


async def test_methods_are_for_pages_and_for_their_currencies(desk: Desk, cy: Caller) -> None:
    for bad, pointer in (
        ({"amount": TEN, "methods": ["sepa_debit"]}, "/methods/0"),
        ({"amount": TEN, "methods": ["paypal"]}, "/methods/0"),
        ({"amount": TEN, "methods": []}, "/methods"),
        ({**BY_CARD, "methods": ["card"]}, "/methods"),
    ):
        told = is_problem(await cy.post("/v1/funding", bad), 422, "validation")
        assert told["errors"][0]["pointer"] == pointer


# ---- what does not fit


async def unexplained(desk: Desk) -> list[str]:
    """Why events could not be acted on."""
    async with desk.world.services.database.read() as connection:
        rows = await connection.fetch("SELECT failure FROM stripe_event WHERE handled_at IS NULL")
    return [row["failure"] for row in rows]


async def test_a_second_payment_of_the_same_funding_is_not_credited_and_not_lost(desk: Desk, cy: Caller) -> None:
    funding = await desk.fund(cy, 1_000)
    gateway, number = desk.sandbox.gateway(), str(ids.read("funding", funding))
    async with desk.world.services.database.read() as connection:
        customer = await connection.fetchval("SELECT stripe_id FROM customer")
    again = await gateway.charge(
        "again", amount=1_000, currency="usd", customer=customer, method="pm_card_visa", metadata={"funding": number}
    )
    await desk.rest()
    assert await available(cy) == 1_000
    told = await unexplained(desk)
    assert told and all(again.id in why and "Mismatch" in why for why in told)
    found = await reconcile(desk.world.services.database, gateway)
    assert again.txn is not None and (found.agrees, found.unmatched) == (False, [again.txn.id])


async def test_another_amount_than_was_asked_for_is_not_credited(desk: Desk, cy: Caller) -> None:
    asked = ok(await cy.post("/v1/funding", {"amount": TEN}), 201)
    await desk.rest()
    async with desk.world.services.database.read() as connection:
        customer = await connection.fetchval("SELECT stripe_id FROM customer")
    short = await desk.sandbox.gateway().charge(
        "short", amount=900, currency="usd", customer=customer, method="pm_card_visa",
        metadata={"funding": str(ids.read("funding", asked["id"]))},
    )  # fmt: skip
    await desk.rest()
    assert (ok(await cy.get(f"/v1/funding/{asked['id']}"))["status"], await available(cy)) == ("pending", 0)
    told = await unexplained(desk)
    assert told and all(short.id in why and "brings 900 usd for 1000" in why for why in told)


# ---- receipts


async def test_a_receipt_says_what_was_paid_with_what_and_what_went_back(desk: Desk, cy: Caller) -> None:
    asked = ok(await cy.post("/v1/funding", {"amount": TEN}), 201)
    is_problem(await cy.get(f"/v1/funding/{asked['id']}/receipt"), 409, "wrong-state")
    await desk.rest()
    funding = await desk.fund(cy, 2_000)
    ok(await cy.post("/v1/refunds", {"amount": {"amount": 500, "currency": "usd"}}), 201)
    await desk.rest()
    receipt = ok(await cy.get(f"/v1/funding/{funding}/receipt"))
    assert receipt["amount"] == {"amount": 2_000, "currency": "usd"}
    assert (receipt["paid_with"], receipt["seller"]["name"], receipt["buyer"]["name"]) == (
        "visa 4242", "Sensorium", "Cy",
    )  # fmt: skip
    assert [(one["amount"]["amount"], one["status"]) for one in receipt["refunds"]] == [(500, "succeeded")]
    assert receipt["refunded"]["amount"] == 500 and "fee" not in receipt
    page = await cy.get(f"/v1/funding/{funding}/receipt", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    for text in (receipt["number"], "$20.00", "visa 4242", "$5.00", "Cy"):
        assert text in page.text
    eve = await agent(desk.world, "Eve")
    is_problem(await eve.get(f"/v1/funding/{funding}/receipt"), 404, "not-found")

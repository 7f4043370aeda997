"""Unused balance goes back to where it came from: never more than came, never twice, and back again when it fails."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from app.money.outgoing import send_op
from market import ids
from tests.app.conftest import Caller, a_task, agent, is_problem, ok, post_task
from tests.app.stripe_sandbox import Desk, desk, world

__all__ = ["desk", "world"]


def usd(amount: int) -> dict[str, Any]:
    return {"amount": {"amount": amount, "currency": "usd"}}


async def available(caller: Caller) -> int:
    return int(ok(await caller.get("/v1/account"))["balance"]["available"]["amount"])


async def pay(desk: Desk, caller: Caller, amount: int, card: str = "pm_card_visa") -> str:
    funding: str = ok(await caller.post("/v1/funding", {**usd(amount), "payment_method": card}), 201)["id"]
    await desk.rest()
    assert ok(await caller.get(f"/v1/funding/{funding}"))["status"] == "succeeded"
    return funding


async def all_agree(desk: Desk, account: Caller, left: int) -> None:
    assert await available(account) == left
    await desk.agrees()


async def of(desk: Desk, refund: str) -> str:
    """Stripe's id of a refund."""
    async with desk.world.services.database.read() as connection:
        found: str = await connection.fetchval(
            "SELECT stripe_id FROM refund WHERE id = $1", ids.read("refund", refund)
        )  # fmt: skip
    return found


async def test_a_refund_goes_to_the_newest_payments_first_and_leaves_the_balance_at_once(
    desk: Desk, cy: Caller
) -> None:
    older, newer = await pay(desk, cy, 1_000), await pay(desk, cy, 700)
    asked = ok(await cy.post("/v1/refunds", {**usd(900), "reason": "done"}), 201)["items"]
    assert [(one["funding_id"], one["amount"]["amount"], one["status"], one["reason"]) for one in asked] == [
        (older, 200, "pending", "done"), (newer, 700, "pending", "done"),
    ]  # fmt: skip
    assert await available(cy) == 800
    await desk.rest()
    assert {one["status"] for one in ok(await cy.get("/v1/refunds"))["items"]} == {"succeeded"}
    assert ok(await cy.get(f"/v1/funding/{older}"))["refunded"]["amount"] == 200
    assert [one["type"] for one in ok(await cy.get("/v1/events"))["items"]].count("refund.succeeded") == 2
    await all_agree(desk, cy, 800)
    rest = ok(await cy.post("/v1/refunds", {}), 201)["items"]
    assert [one["amount"]["amount"] for one in rest] == [800]
    await desk.rest()
    await all_agree(desk, cy, 0)
    is_problem(await cy.post("/v1/refunds", {}), 409, "wrong-state")


async def test_what_is_spent_or_was_refunded_or_is_nobodys_is_refused(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 1_000)
    await post_task(cy)  # holds 330
    told = is_problem(await cy.post("/v1/refunds", usd(671)), 402, "insufficient-funds")
    assert told["available"]["amount"] == 670
    for bad in (usd(0), usd(-1), {"amount": {"amount": 5, "currency": "eur"}}, {**usd(5), "to": "me"}, {"reason": 1}):
        is_problem(await cy.post("/v1/refunds", bad), 422, "validation")
    [refund] = ok(await cy.post("/v1/refunds", usd(600)), 201)["items"]
    eve = await agent(desk.world, "Eve")
    is_problem(await eve.get(f"/v1/refunds/{refund['id']}"), 404, "not-found")
    assert ok(await eve.get("/v1/refunds"))["items"] == []
    is_problem(await eve.post("/v1/refunds", {}), 409, "wrong-state")
    await desk.rest()
    await all_agree(desk, cy, 70)


async def test_the_same_request_twice_and_webhooks_three_times_refund_once(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 1_000)
    key = {"idempotency-key": "refund-1"}
    first, again = [await cy.post("/v1/refunds", usd(400), headers=key) for _ in range(2)]
    assert first.json() == again.json()
    await desk.rest(deliver=False)
    for webhook in [*reversed(desk.receiver.received), *desk.receiver.received, *desk.receiver.received]:
        assert (await desk.bring(webhook)).status_code == 200
    desk.brought = len(desk.receiver.received)
    await desk.rest()
    await all_agree(desk, cy, 600)


async def test_two_at_once_get_no_more_than_there_is(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 500)
    await pay(desk, cy, 500)
    answers = await asyncio.gather(*(cy.post("/v1/refunds", usd(300)) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [201] * 3 + [402] * 5
    await desk.rest()
    await all_agree(desk, cy, 100)


async def test_eight_workers_with_the_same_refund_send_it_once(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 1_000)
    ok(await cy.post("/v1/refunds", usd(400)), 201)
    async with desk.world.services.database.read() as connection:
        op: UUID = await connection.fetchval("SELECT id FROM stripe_op WHERE kind = 'refund'")
    await asyncio.gather(*(send_op(desk.world.services, {"op": str(op)}) for _ in range(8)))
    await desk.rest()
    await all_agree(desk, cy, 600)


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "error_after"])
async def test_an_answer_that_never_came_refunds_once(desk: Desk, cy: Caller, fault: str) -> None:
    await pay(desk, cy, 1_000)
    await desk.control(
        "/faults", rules=[{"path": "/v1/refunds$", "verb": "post", "fault": fault, "times": 1, "delay_s": 1}]
    )
    ok(await cy.post("/v1/refunds", usd(400)), 201)
    await desk.rest()
    for _ in range(4):
        async with desk.world.services.database.transaction() as connection:
            await connection.execute("UPDATE stripe_op SET due_at = now() WHERE status IN ('planned', 'unknown')")
        await desk.rest()
    await all_agree(desk, cy, 600)
    assert [one["status"] for one in ok(await cy.get("/v1/refunds"))["items"]] == ["succeeded"]


async def test_a_refusal_that_is_certain_gives_the_balance_back(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 1_000)
    async with desk.world.services.database.read() as connection:
        charge = await connection.fetchval("SELECT charge_id FROM funding")
    await desk.sandbox.gateway().refund("dashboard", charge=charge, amount=900, metadata={})
    await desk.rest(deliver=False)
    desk.brought = len(desk.receiver.received)  # we have not heard of it
    assert await available(cy) == 1_000
    [refund] = ok(await cy.post("/v1/refunds", usd(400)), 201)["items"]
    await desk.rest()
    ended = ok(await cy.get(f"/v1/refunds/{refund['id']}"))
    assert (ended["status"], ended["failure"], ended["returned"]) == ("failed", "amount_too_large", False)
    assert await available(cy) == 1_000


async def test_one_that_a_bank_sends_back_days_later_is_balance_again_and_mailed(desk: Desk, cy: Caller) -> None:
    funding = await pay(desk, cy, 1_000)
    [refund] = ok(await cy.post("/v1/refunds", usd(400)), 201)["items"]
    await desk.rest()
    assert ok(await cy.get(f"/v1/refunds/{refund['id']}"))["status"] == "succeeded"
    await all_agree(desk, cy, 600)
    await desk.control(f"/refunds/{await of(desk, refund['id'])}/fail")
    await desk.rest()
    ended = ok(await cy.get(f"/v1/refunds/{refund['id']}"))
    assert (ended["status"], ended["returned"]) == ("failed", True) and ended["failure"]
    assert ok(await cy.get(f"/v1/funding/{funding}"))["refunded"]["amount"] == 0
    mails = ok(await desk.world.client.get("/sandbox/outbox", params={"to": "cy@example.com"}))["items"]
    assert [each["subject"] for each in mails] == ["A refund did not arrive"]
    await all_agree(desk, cy, 1_000)
    ok(await cy.post("/v1/refunds", {}), 201)  # and may go back again
    await desk.rest()
    await all_agree(desk, cy, 0)


async def test_one_that_the_bank_thinks_about_stays_pending_though_the_money_has_left(desk: Desk, cy: Caller) -> None:
    await pay(desk, cy, 1_000, "pm_card_pendingRefund")
    [refund] = ok(await cy.post("/v1/refunds", usd(400)), 201)["items"]
    await desk.rest()
    assert ok(await cy.get(f"/v1/refunds/{refund['id']}"))["status"] == "pending"
    await all_agree(desk, cy, 600)
    await desk.control("/clock", advance_s=7_200)
    await desk.rest()
    assert ok(await cy.get(f"/v1/refunds/{refund['id']}"))["status"] == "succeeded"
    await all_agree(desk, cy, 600)


async def test_a_held_account_is_refunded_nothing_and_posts_nothing(desk: Desk, cy: Caller, olu: Caller) -> None:
    await pay(desk, cy, 1_000)
    task = await post_task(cy)
    async with desk.world.services.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO account_hold (account_id, reason, operator_id) VALUES ($1, 'looked into', $2)",
            ids.read("account", cy.id), ids.read("operator", olu.id),
        )  # fmt: skip
    is_problem(await cy.post("/v1/refunds", {}), 403, "account-held")
    is_problem(await cy.post("/v1/tasks", a_task()), 403, "account-held")
    raised = {"reward": {"amount": 400, "currency": "usd"}}
    is_problem(await cy.patch(f"/v1/tasks/{task['id']}", raised), 403, "account-held")
    assert ok(await cy.get("/v1/account"))["limits"]["on_hold"] is True
    assert await available(cy) == 670
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE account_hold SET expires_at = market_now() - interval '1 second'")
    ok(await cy.patch(f"/v1/tasks/{task['id']}", raised))


async def test_stopped_refunds_wait_and_new_ones_are_refused(desk: Desk, cy: Caller, olu: Caller) -> None:
    await pay(desk, cy, 1_000)
    ok(await cy.post("/v1/refunds", usd(100)), 201)
    async with desk.world.services.database.transaction() as connection:
        await connection.execute(
            "UPDATE money_switch SET stopped = true, reason = 'r', operator_id = $1", ids.read("operator", olu.id)
        )
    await desk.rest()
    is_problem(await cy.post("/v1/refunds", usd(100)), 409, "stopped")
    is_problem(await cy.post("/v1/funding", usd(1_000)), 409, "stopped")
    assert [one["status"] for one in ok(await cy.get("/v1/refunds"))["items"]] == ["pending"]
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE money_switch SET stopped = false")
    await desk.rest()
    assert [one["status"] for one in ok(await cy.get("/v1/refunds"))["items"]] == ["succeeded"]
    await all_agree(desk, cy, 900)

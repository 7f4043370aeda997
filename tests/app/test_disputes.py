"""Chargebacks and fraud warnings from the bank's word to the books, with Olu between, and Bo paid whatever happens."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from market import ids
from tests.app.conftest import Caller, Json, World, answer, claim, is_problem, ok, photo, post_task, submit
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_payout_runs import row

__all__ = ["desk", "world"]
DISPUTES, WARNINGS = "/v1/operator/disputes", "/v1/operator/fraud-warnings"
EVIDENCE = {"evidence": {"product_description": "Prepaid balance.", "uncategorized_text": "It was used."}}


@pytest.fixture
async def buyer(desk: Desk, cy: Caller) -> Caller:
    """Cy's account has been funded by card with 100.00."""
    await desk.fund(cy, 10_000)
    return cy


async def charge_of(desk: Desk) -> str:
    found: str = await row(desk, "SELECT charge_id FROM funding ORDER BY id DESC LIMIT 1")
    return found


async def disputed(desk: Desk, olu: Caller, **given: Any) -> Json:
    """The bank disputes the latest charge: the dispute as Olu sees it."""
    await desk.control(f"/charges/{await charge_of(desk)}/dispute", **given)
    await desk.rest()
    found: Json = ok(await olu.get(DISPUTES))["items"][0]
    return found


async def seen(olu: Caller, dispute: Json) -> Json:
    found: Json = ok(await olu.get(f"{DISPUTES}/{dispute['id']}"))
    return found


async def money(olu: Caller, dispute: Json) -> dict[str, int]:
    return {name: each["amount"] for name, each in (await seen(olu, dispute))["money"].items() if each["amount"]}


async def balance(caller: Caller) -> int:
    found: int = ok(await caller.get("/v1/account"))["balance"]["available"]["amount"]
    return found


async def held(desk: Desk) -> int:
    found: int = await row(
        desk, "SELECT coalesce(-sum(posted), 0)::bigint FROM ledger_account WHERE code LIKE 'buyer:%:held'"
    )
    return found


async def mails(world: World, to: str) -> list[str]:
    return [one["subject"] for one in ok(await world.client.get("/sandbox/outbox", params={"to": to}))["items"]]


async def test_a_chargeback_is_answered_by_olu_and_won(desk: Desk, buyer: Caller, olu: Caller) -> None:
    dispute = await disputed(desk, olu, amount=4_000)
    assert (dispute["status"], dispute["reason"], dispute["account_id"]) == ("needs_response", "fraudulent", buyer.id)
    assert dispute["evidence_due_at"] is not None and dispute["answer"] is None
    assert await money(olu, dispute) == {"withdrawn": 4_000, "fees": 1_500, "frozen": 4_000}
    assert (await balance(buyer), await held(desk)) == (6_000, 4_000)
    await desk.agrees()
    draft = ok(await olu.get(f"{DISPUTES}/{dispute['id']}/evidence-draft"))
    assert draft["bank_says"] == "The cardholder says that they did not make or allow this payment."
    assert draft["evidence"]["customer_email_address"] == "cy@example.com"
    answered = ok(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", {"evidence": draft["evidence"]}))
    assert (answered["answer"]["by"], answered["answer"]["delivery"]) == (olu.id, "planned")
    is_problem(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", EVIDENCE), 409, "wrong-state")
    is_problem(await olu.post(f"{DISPUTES}/{dispute['id']}/accept"), 409, "wrong-state")
    await desk.rest()
    reviewed = await seen(olu, dispute)
    assert (reviewed["status"], reviewed["answer"]["delivery"]) == ("under_review", "succeeded")
    await desk.control(f"/disputes/{dispute['stripe_id']}/win")
    await desk.rest()
    assert (await seen(olu, dispute))["status"] == "won"
    assert await money(olu, dispute) == {"fees": 1_500}
    assert (await balance(buyer), await held(desk)) == (10_000, 0)
    assert await mails(desk.world, "cy@example.com") == [
        "The chargeback of $40.00 is over", "Your payment of $40.00 is charged back",
    ]  # fmt: skip
    await desk.agrees()


async def test_a_lost_chargeback_costs_what_the_buyer_has_and_then_the_platform(
    desk: Desk, buyer: Caller, olu: Caller
) -> None:
    await post_task(buyer, quantity=20)  # 20 × 3.30 are in its escrow
    dispute = await disputed(desk, olu)
    assert await money(olu, dispute) == {"withdrawn": 10_000, "fees": 1_500, "frozen": 3_400}
    await desk.control(f"/disputes/{dispute['stripe_id']}/lose")
    await desk.rest()
    assert (await seen(olu, dispute))["status"] == "lost"
    assert await money(olu, dispute) == {"withdrawn": 10_000, "fees": 1_500, "covered": 3_400, "written_off": 6_600}
    assert (await balance(buyer), await held(desk)) == (0, 0)
    assert (await mails(desk.world, "cy@example.com"))[0] == "The payment of $100.00 has been taken back"
    assert ok(await olu.get(f"{DISPUTES}?open=true"))["items"] == []
    assert [one["id"] for one in ok(await olu.get(f"{DISPUTES}?open=false"))["items"]] == [dispute["id"]]
    await desk.agrees()


async def test_who_works_for_a_disputing_buyer_is_paid_from_escrow_all_the_same(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller
) -> None:
    """Bo has claimed before the chargeback, and claims another task after it; both are accepted and paid."""
    first, second = await post_task(buyer), await post_task(buyer, external_id="t-2")
    claimed = await claim(bo, first)
    dispute = await disputed(desk, olu)
    await desk.control(f"/disputes/{dispute['stripe_id']}/lose")
    await desk.rest()
    ok(await photo(bo, claimed))
    handed_in = await submit(bo, claimed)
    await desk.world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{handed_in['id']}"))["status"] == "accepted"
    assert (await answer(bo, second))["status"] == "accepted"
    earned = ok(await bo.get("/v1/people/earnings"))
    assert (earned["pending"]["amount"], earned["owed"]["amount"]) == (600, 0)
    await desk.world.later(8 * 86_400)
    earned = ok(await bo.get("/v1/people/earnings"))
    assert (earned["pending"]["amount"], earned["payable"]["amount"], earned["owed"]["amount"]) == (0, 600, 0)
    assert await money(olu, dispute) == {
        "withdrawn": 10_000, "fees": 1_500, "covered": 10_000 - 660, "written_off": 660,
    }  # fmt: skip
    await desk.agrees()


async def test_what_bo_has_delivered_stands_in_the_proposal(desk: Desk, buyer: Caller, bo: Caller, olu: Caller) -> None:
    await answer(bo, await post_task(buyer, title="Is the bakery open?"))
    dispute = await disputed(desk, olu)
    evidence = ok(await olu.get(f"{DISPUTES}/{dispute['id']}/evidence-draft"))["evidence"]
    assert "Answers delivered since then: 1, for $3.30 in all." in evidence["uncategorized_text"]
    assert "paid $100.00 by visa 4242" in evidence["uncategorized_text"]
    assert "task posted: Is the bakery open?; 1 answer delivered" in evidence["access_activity_log"]
    assert "Bo" not in str(evidence).replace("Box", "")  # nothing about people


async def test_olu_gives_a_chargeback_up(desk: Desk, buyer: Caller, olu: Caller) -> None:
    dispute = await disputed(desk, olu, amount=2_500)
    assert ok(await olu.post(f"{DISPUTES}/{dispute['id']}/accept"))["giving_up"]
    is_problem(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", EVIDENCE), 409, "wrong-state")
    await desk.rest()
    assert (await seen(olu, dispute))["status"] == "lost"
    assert await money(olu, dispute) == {"withdrawn": 2_500, "fees": 1_500, "covered": 2_500}
    assert await balance(buyer) == 7_500
    await desk.agrees()


async def test_an_inquiry_moves_nothing_until_it_becomes_a_chargeback_and_each_wants_its_answer(
    desk: Desk, buyer: Caller, olu: Caller
) -> None:
    dispute = await disputed(desk, olu, inquiry=True)
    assert (dispute["status"], await money(olu, dispute), await balance(buyer)) == (
        "warning_needs_response",
        {},
        10_000,
    )
    is_problem(await olu.post(f"{DISPUTES}/{dispute['id']}/accept"), 409, "wrong-state")
    ok(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", EVIDENCE))
    await desk.rest()
    assert (await seen(olu, dispute))["status"] == "warning_under_review"
    await desk.agrees()
    await desk.control(f"/disputes/{dispute['stripe_id']}/escalate")
    await desk.rest()
    now = await seen(olu, dispute)
    assert (now["status"], now["answer"]["by"], await balance(buyer)) == ("needs_response", None, 0)
    ok(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", EVIDENCE))
    await desk.rest()
    now = await seen(olu, dispute)
    assert (now["status"], now["answer"]["delivery"]) == ("under_review", "succeeded")
    assert await row(desk, "SELECT count(*) FROM stripe_op WHERE kind = 'dispute_answer'") == 2
    await desk.agrees()


@pytest.mark.parametrize("fault", ["error_after", "reset_after", "error_before", "rate_limit"])
@pytest.mark.parametrize("act", ["answer", "accept"])
async def test_an_answer_whose_own_answer_is_lost_is_given_once(
    desk: Desk, buyer: Caller, olu: Caller, act: str, fault: str
) -> None:
    dispute = await disputed(desk, olu)
    await desk.control("/faults", rules=[{"fault": fault, "path": "disputes", "verb": "post", "times": 1}])
    ok(await olu.post(f"{DISPUTES}/{dispute['id']}/{act}", EVIDENCE if act == "answer" else None))
    await desk.world.jobs()
    for _ in range(3):
        async with desk.world.services.database.transaction() as connection:
            await connection.execute("UPDATE stripe_op SET due_at = now() WHERE status IN ('unknown', 'planned')")
        await desk.rest()
    assert (await seen(olu, dispute))["status"] == ("under_review" if act == "answer" else "lost")
    ops = "SELECT array_agg(status::text) FROM stripe_op WHERE kind LIKE 'dispute%'"
    assert await row(desk, ops) == ["succeeded"]
    await desk.agrees()


async def test_an_answer_that_stripe_refuses_says_so(desk: Desk, buyer: Caller, olu: Caller) -> None:
    dispute = await disputed(desk, olu)
    await desk.control(f"/disputes/{dispute['stripe_id']}/lose")  # we have not heard of it yet
    ok(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", EVIDENCE))
    await desk.rest()
    now = await seen(olu, dispute)
    assert (now["status"], now["answer"]["by"], now["answer"]["delivery"]) == ("lost", None, "rejected")
    assert "no more evidence" in now["answer"]["message"]
    is_problem(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", EVIDENCE), 409, "wrong-state")
    await desk.agrees()


async def test_what_came_since_is_frozen_when_olu_says_so(desk: Desk, buyer: Caller, olu: Caller) -> None:
    task = await post_task(buyer, quantity=20)
    dispute = await disputed(desk, olu)
    ok(await buyer.post(f"/v1/tasks/{task['id']}/cancel"))
    assert (await balance(buyer), await held(desk)) == (6_600, 3_400)
    assert ok(await olu.post(f"{DISPUTES}/{dispute['id']}/freeze"))["frozen_now"] == 6_600
    assert (await balance(buyer), await held(desk)) == (0, 10_000)
    await desk.agrees()


@pytest.mark.parametrize("seed", range(4))
async def test_webhooks_shuffled_three_times_and_some_lost_end_the_same(
    desk: Desk, buyer: Caller, olu: Caller, seed: int
) -> None:
    """Not even the payment itself has been heard of when the bank's word comes."""
    dice = random.Random(seed)
    body = {"amount": {"amount": 5_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
    ok(await buyer.post("/v1/funding", body), 201)
    await desk.rest(deliver=False)
    intent = await row(desk, "SELECT object_id FROM stripe_op WHERE kind = 'charge' ORDER BY created_at DESC LIMIT 1")
    charge = (await desk.sandbox.gateway().retrieve_intent(intent)).charge
    await desk.control(f"/charges/{charge}/fraud_warning")
    made = await desk.control(f"/charges/{charge}/dispute", amount=3_000, inquiry=dice.random() < 0.5)
    if made["is_charge_refundable"]:
        await desk.control(f"/disputes/{made['id']}/escalate")
    won = dice.random() < 0.5
    await desk.control(f"/disputes/{made['id']}/{'win' if won else 'lose'}")
    await desk.rest(deliver=False)
    waiting = desk.receiver.received[desk.brought :]
    about = [each for each in waiting if json.loads(each[0])["type"].startswith(("radar.", "charge.dispute."))]
    assert len(about) >= 4
    heard = [about[0], *dice.sample(about[1:], len(about) // 2)] * 3 + [each for each in about if b"radar" in each[0]]
    dice.shuffle(heard)
    desk.brought = len(desk.receiver.received)  # every other webhook is lost
    for webhook in heard:
        assert (await desk.bring(webhook)).status_code == 200
        if dice.random() < 0.5:
            await desk.world.jobs()
    await desk.rest()
    [dispute] = ok(await olu.get(DISPUTES))["items"]
    [warning] = ok(await olu.get(WARNINGS))["items"]
    assert (dispute["status"], warning["status"]) == ("won" if won else "lost", "disputed")
    assert (await balance(buyer), await held(desk)) == (15_000 if won else 12_000, 0)
    assert await row(desk, "SELECT count(*) FROM stripe_event WHERE handled_at IS NULL") == 0
    await desk.agrees()


async def test_a_dispute_about_a_payment_of_somebody_else_is_left_alone(desk: Desk, buyer: Caller, olu: Caller) -> None:
    charge = await desk.control("/charge_elsewhere", amount=700)
    await desk.control(f"/charges/{charge['id']}/fraud_warning")
    await desk.control(f"/charges/{charge['id']}/dispute")
    await desk.rest()
    assert ok(await olu.get(DISPUTES))["items"] == [] == ok(await olu.get(WARNINGS))["items"]
    assert await row(desk, "SELECT count(*) FROM stripe_event WHERE handled_at IS NULL") == 0


# ---- early fraud warnings


async def warned(desk: Desk, olu: Caller) -> Json:
    await desk.control(f"/charges/{await charge_of(desk)}/fraud_warning")
    await desk.rest()
    found: Json = ok(await olu.get(f"{WARNINGS}?open=true"))["items"][0]
    return found


async def test_a_suspected_payment_is_refunded(desk: Desk, buyer: Caller, olu: Caller) -> None:
    await post_task(buyer, quantity=10)
    warning = await warned(desk, olu)
    assert (warning["status"], warning["frozen"]["amount"], warning["kind"]) == (
        "open",
        6_700,
        "unauthorized_use_of_card",
    )
    assert (await balance(buyer), await held(desk)) == (0, 6_700)
    await desk.agrees()
    ended = ok(await olu.post(f"{WARNINGS}/{warning['id']}/refund"))
    assert (ended["status"], ended["frozen"]["amount"], ended["refunded"]["amount"]) == ("refunded", 0, 6_700)
    await desk.rest()
    assert await row(desk, "SELECT array_agg(status || coalesce(failure, '')) FROM refund") == ["succeeded"]
    assert (await balance(buyer), await held(desk)) == (0, 0)
    is_problem(await olu.post(f"{WARNINGS}/{warning['id']}/dismiss"), 409, "wrong-state")
    assert (await mails(desk.world, "cy@example.com"))[-1] == "A bank suspects one of your payments"
    await desk.agrees()


async def test_a_suspected_payment_is_trusted(desk: Desk, buyer: Caller, olu: Caller) -> None:
    warning = await warned(desk, olu)
    ended = ok(await olu.post(f"{WARNINGS}/{warning['id']}/dismiss"))
    assert (ended["status"], ended["handled_by"]) == ("dismissed", olu.id)
    assert (await balance(buyer), await held(desk)) == (10_000, 0)
    assert ok(await olu.get(f"{WARNINGS}/{warning['id']}")) == ended
    await desk.agrees()


async def test_a_suspected_payment_of_which_nothing_is_left_cannot_be_refunded(
    desk: Desk, buyer: Caller, olu: Caller
) -> None:
    await post_task(buyer, reward={"amount": 9_091, "currency": "usd"})  # and 909 for the market
    warning = await warned(desk, olu)
    assert (await balance(buyer), warning["frozen"]["amount"]) == (0, 0)
    is_problem(await olu.post(f"{WARNINGS}/{warning['id']}/refund"), 409, "wrong-state")
    assert ok(await olu.get(f"{WARNINGS}/{warning['id']}"))["status"] == "open"


async def test_a_warning_becomes_a_chargeback_without_freezing_twice(desk: Desk, buyer: Caller, olu: Caller) -> None:
    warning = await warned(desk, olu)
    dispute = await disputed(desk, olu)
    assert ok(await olu.get(f"{WARNINGS}/{warning['id']}"))["status"] == "disputed"
    assert (await money(olu, dispute))["frozen"] == 10_000 == await held(desk)
    await desk.agrees()


@pytest.mark.parametrize("first", ["refund", "dispute"])
async def test_a_chargeback_while_a_refund_is_under_way_freezes_what_it_gives_back(
    desk: Desk, cy: Caller, olu: Caller, first: str
) -> None:
    """The refund fails at Stripe with the chargeback; whichever is heard of first, the same is frozen."""
    await desk.control("/balance", pending_s=86_400)
    await desk.fund(cy, 8_000)
    ok(await cy.post("/v1/refunds", {"amount": {"amount": 8_000, "currency": "usd"}}), 201)
    await desk.rest()
    assert (await balance(cy), await row(desk, "SELECT status FROM refund")) == (0, "pending")
    await desk.control(f"/charges/{await charge_of(desk)}/dispute", amount=8_000)
    await desk.rest(deliver=False)
    named = f'"object": "{first}"'.encode()
    for webhook in sorted(desk.receiver.received[desk.brought :], key=lambda each: named not in each[0]):
        assert (await desk.bring(webhook)).status_code == 200
        await desk.world.jobs()
    await desk.rest()
    assert await row(desk, "SELECT status FROM refund") == "failed"
    [dispute] = ok(await olu.get(DISPUTES))["items"]
    assert ((await money(olu, dispute))["frozen"], await held(desk), await balance(cy)) == (8_000, 8_000, 0)
    await desk.agrees()


# ---- strangers and nonsense


async def test_nobody_but_operators_comes_near(desk: Desk, buyer: Caller, bo: Caller, olu: Caller) -> None:
    dispute, nothing = await disputed(desk, olu), ids.show("dispute", ids.new())
    for stranger in (buyer, bo):
        is_problem(await stranger.get(DISPUTES), 403, "forbidden")
        is_problem(await stranger.get(f"{DISPUTES}/{dispute['id']}/evidence-draft"), 403, "forbidden")
        is_problem(await stranger.post(f"{DISPUTES}/{dispute['id']}/answer", EVIDENCE), 403, "forbidden")
    for path in ("", "/evidence-draft"):
        is_problem(await olu.get(f"{DISPUTES}/{nothing}{path}"), 404, "not-found")
    for act in ("answer", "accept", "freeze"):
        body = EVIDENCE if act == "answer" else None
        is_problem(await olu.post(f"{DISPUTES}/{nothing}/{act}", body), 404, "not-found")
    for act in ("refund", "dismiss"):
        is_problem(await olu.post(f"{WARNINGS}/efw_{'0' * 32}/{act}"), 404, "not-found")
    wrong = ({"product_description": "  "}, {"receipt": "file_1"}, {"customer_name": "x" * 501},
             {"uncategorized_text": "x" * 20_001}, {}, None)  # fmt: skip
    for evidence in wrong:
        bad = {} if evidence is None else {"evidence": evidence}
        is_problem(await olu.post(f"{DISPUTES}/{dispute['id']}/answer", bad), 422, "validation")
    assert (await seen(olu, dispute))["answer"] is None

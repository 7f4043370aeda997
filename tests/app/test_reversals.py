"""Money that comes back: transfers reversed in Stripe's dashboard, pay taken back by two operators, debts netted."""

from __future__ import annotations

from typing import Any

import pytest

from market import ids
from tests.app.conftest import Caller, Json, answer, is_problem, ok, post_task
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_payout_runs import RUNS, approved, executed, row

__all__ = ["desk", "world"]
DECISIONS = "/v1/operator/decisions"
WEEK = 8 * 86_400


@pytest.fixture
async def buyer(desk: Desk, cy: Caller) -> Caller:
    """Cy's account has been funded by card with 100.00."""
    await desk.fund(cy, 10_000)
    return cy


async def work(buyer: Caller, bo: Caller, *rewards: int) -> list[str]:
    """Bo answers a task for each of the rewards: the submissions, all accepted and pending."""
    found = []
    for n, reward in enumerate(rewards):
        task = await post_task(buyer, reward={"amount": reward, "currency": "usd"}, external_id=f"t-{n}")
        now = ok(await buyer.world.client.get("/sandbox/clock"))["now"]
        done = await answer(bo, task, taken_at=now)
        assert done["status"] == "accepted"
        found.append(done["id"])
    return found


async def earnings(bo: Caller) -> Json:
    found: Json = ok(await bo.get("/v1/people/earnings"))
    return found


async def sums(bo: Caller) -> dict[str, int]:
    """What Bo has, is owed and owes, without the zeros."""
    found = await earnings(bo)
    names = ("pending", "payable", "held", "paid", "owed")
    return {name: found[name]["amount"] for name in names if found[name]["amount"]}


async def paid_out(desk: Desk, bo: Caller, olu: Caller, pia: Caller) -> Json:
    """Everything that is payable to Bo has been sent: the line of the run."""
    done = await executed(desk, olu, await approved(olu, pia))
    assert done["status"] == "done"
    line: Json = ok(await olu.get(f"{RUNS}/{done['id']}/lines"))["items"][0]
    return line


async def asked(caller: Caller, **draft: Any) -> Json:
    found: Json = ok(await caller.post(DECISIONS, {"reason": "the photo is of another shop", **draft}), 201)
    return found


async def taken_back(olu: Caller, pia: Caller, submission: str) -> Json:
    decision = await asked(olu, kind="clawback", subject=submission)
    found: Json = ok(await pia.post(f"{DECISIONS}/{decision['id']}/approve"))
    return found


async def outbox(desk: Desk, to: str) -> list[Json]:
    found: list[Json] = ok(await desk.world.client.get("/sandbox/outbox", params={"to": to}))["items"]
    return found


async def test_transfers_reversed_in_the_dashboard_are_payable_again_and_paid_again(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await work(buyer, bo, 1_000, 500)
    await desk.world.later(WEEK)
    line = await paid_out(desk, bo, olu, pia)
    assert await sums(bo) == {"paid": 1_500}
    await desk.control(f"/transfers/{line['transfer_id']}/reverse", amount=400)
    await desk.rest()
    assert await sums(bo) == {"payable": 400, "paid": 1_100}
    assert {one["status"] for one in (await earnings(bo))["lines"]} == {"paid"}
    await desk.agrees()
    for amount in (100, None):  # two more, and only one of their webhooks is heard of
        await desk.control(f"/transfers/{line['transfer_id']}/reverse", amount=amount)
        await desk.rest(deliver=False)
    desk.brought = len(desk.receiver.received) - 1
    await desk.rest()
    assert await sums(bo) == {"payable": 1_500}
    assert {one["status"] for one in (await earnings(bo))["lines"]} == {"released"}
    for webhook in desk.receiver.received * 2:
        await desk.bring(webhook)
    await desk.rest()
    assert await sums(bo) == {"payable": 1_500}
    assert await row(desk, "SELECT count(*) FROM ledger_tx WHERE kind = 'payout_reversed'") == 3
    assert [one["subject"] for one in await outbox(desk, "bo@example.com")][:2] == [
        "$11.00 of a payout was taken back", "$4.00 of a payout was taken back",
    ]  # fmt: skip
    await desk.agrees()
    await paid_out(desk, bo, olu, pia)
    assert await sums(bo) == {"paid": 1_500}
    assert {one["status"] for one in (await earnings(bo))["lines"]} == {"paid"}
    await desk.agrees()


async def test_pay_is_taken_back_by_two_operators_and_its_buyer_has_the_price_back(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    [submission] = await work(buyer, bo, 300)
    had = ok(await buyer.get("/v1/account"))["balance"]["available"]["amount"]
    decision = await asked(olu, kind="clawback", subject=submission)
    assert (decision["status"], decision["amount"]["amount"], decision["asked_by"]) == ("asked", 300, olu.id)
    assert await sums(bo) == {"pending": 300}
    is_problem(await olu.post(f"{DECISIONS}/{decision['id']}/approve"), 403, "policy-refused")
    is_problem(await olu.post(f"{DECISIONS}/{decision['id']}/refuse"), 403, "policy-refused")
    is_problem(await pia.post(f"{DECISIONS}/{decision['id']}/withdraw"), 403, "policy-refused")
    assert [one["id"] for one in ok(await pia.get(f"{DECISIONS}?waiting=true"))["items"]] == [decision["id"]]
    done = ok(await pia.post(f"{DECISIONS}/{decision['id']}/approve"))
    assert (done["status"], done["decided_by"], done["decided_by_name"]) == ("approved", pia.id, "Pia")
    assert await sums(bo) == {}
    assert (await earnings(bo))["lines"][0]["status"] == "clawed_back"
    assert ok(await buyer.get("/v1/account"))["balance"]["available"]["amount"] == had + 330
    mail = (await outbox(desk, "bo@example.com"))[0]
    assert mail["subject"] == "$3.00 was taken back" and "the photo is of another shop" in mail["text"]
    is_problem(await olu.post(f"{DECISIONS}/{decision['id']}/approve"), 409, "wrong-state")
    await desk.agrees()


async def test_a_debt_is_netted_from_later_work_and_the_rest_is_paid(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    [fraud] = await work(buyer, bo, 500)
    await desk.world.later(WEEK)
    await paid_out(desk, bo, olu, pia)
    await taken_back(olu, pia, fraud)
    assert await sums(bo) == {"paid": 500, "owed": 500}
    [debt] = ok(await olu.get("/v1/operator/debts"))["items"]
    assert (debt["person_id"], debt["owed"]["amount"]) == (bo.id, 500)
    assert "You owe $5.00" in (await outbox(desk, "bo@example.com"))[0]["text"]
    await work(buyer, bo, 300, 400)
    await desk.world.later(WEEK)
    assert await sums(bo) == {"payable": 200, "paid": 500}
    assert sum(one["netted"]["amount"] for one in (await earnings(bo))["lines"] if one["netted"]) == 500
    assert ok(await olu.get("/v1/operator/debts"))["items"] == []
    await desk.agrees()
    await paid_out(desk, bo, olu, pia)
    assert await sums(bo) == {"paid": 700}
    await desk.agrees()


async def test_a_debt_is_written_off_by_two(desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller) -> None:
    await desk.onboard(bo)
    [fraud] = await work(buyer, bo, 500)
    await desk.world.later(WEEK)
    await paid_out(desk, bo, olu, pia)
    is_problem(await olu.post(DECISIONS, {"kind": "write_off", "subject": bo.id, "reason": "gone"}), 409, "wrong-state")
    await taken_back(olu, pia, fraud)
    too_much = {"kind": "write_off", "subject": bo.id, "amount": {"amount": 501, "currency": "usd"}, "reason": "gone"}
    assert (
        is_problem(await olu.post(DECISIONS, too_much), 422, "validation")["errors"][0]["pointer"] == "/amount/amount"
    )
    decision = await asked(pia, kind="write_off", subject=bo.id)
    assert decision["amount"]["amount"] == 500
    ok(await olu.post(f"{DECISIONS}/{decision['id']}/approve"))
    assert await sums(bo) == {"paid": 500}
    await desk.agrees()


async def test_a_decision_is_withdrawn_or_refused_and_then_nothing_has_moved(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    [submission] = await work(buyer, bo, 300)
    first = await asked(olu, kind="clawback", subject=submission)
    again = {"kind": "clawback", "subject": submission, "reason": "me too"}
    is_problem(await pia.post(DECISIONS, again), 409, "wrong-state")
    assert ok(await olu.post(f"{DECISIONS}/{first['id']}/withdraw"))["status"] == "withdrawn"
    second = await asked(pia, kind="clawback", subject=submission)
    assert ok(await olu.post(f"{DECISIONS}/{second['id']}/refuse"))["status"] == "refused"
    assert await sums(bo) == {"pending": 300}
    states = {one["id"]: one["status"] for one in ok(await olu.get(f"{DECISIONS}?waiting=false"))["items"]}
    assert states == {first["id"]: "withdrawn", second["id"]: "refused"}
    assert ok(await olu.get(f"{DECISIONS}/{second['id']}"))["decided_by"] == olu.id
    await desk.agrees()


async def test_nonsense_and_strangers(desk: Desk, buyer: Caller, bo: Caller, olu: Caller) -> None:
    [submission] = await work(buyer, bo, 300)
    fine = {"kind": "clawback", "subject": submission, "reason": "x"}
    for stranger in (buyer, bo):
        is_problem(await stranger.post(DECISIONS, fine), 403, "forbidden")
        is_problem(await stranger.get(DECISIONS), 403, "forbidden")
        is_problem(await stranger.get("/v1/operator/debts"), 403, "forbidden")
    nobody = ids.show("submission", ids.new())
    wrong = [
        ({"kind": "gift"}, "/kind"), ({"reason": ""}, "/reason"), ({"reason": "  "}, "/reason"),
        ({"subject": "sub_1"}, "/subject"), ({"subject": bo.id}, "/subject"), ({"subject": nobody}, "/subject"),
        ({"amount": {"amount": 1, "currency": "usd"}}, "/amount"), ({"kind": "write_off"}, "/subject"),
    ]  # fmt: skip
    for change, pointer in wrong:
        problem = is_problem(await olu.post(DECISIONS, {**fine, **change}), 422, "validation")
        assert [one["pointer"] for one in problem["errors"]] == [pointer], change
    for act in ("approve", "refuse", "withdraw"):
        is_problem(await olu.post(f"{DECISIONS}/dec_{'0' * 32}/{act}"), 404, "not-found")
    is_problem(await olu.get(f"{DECISIONS}/dec_{'0' * 32}"), 404, "not-found")
    assert await row(desk, "SELECT count(*) FROM money_decision") == 0

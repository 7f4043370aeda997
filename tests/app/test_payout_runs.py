"""Settlement over HTTP: Olu makes a run, Pia approves it, people are paid once, and the books agree with Stripe's."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from app.money.outgoing import send_op, stripe_of
from market import ids, ledger, payout_lines, stripe_ops
from tests.app.conftest import Caller, Json, World, is_problem, ok, person
from tests.app.stripe_sandbox import Desk, desk, world

__all__ = ["desk", "world"]
RUNS = "/v1/operator/payout-runs"


async def earn(world: World, buyer: Caller, who: Caller, amount: int) -> None:
    """What `who` has earned from `buyer` is out of the hold window."""
    async with world.services.database.transaction() as connection:
        await ledger.post(
            connection, "earned", f"test-earning:{ids.new()}",
            [(ledger.buyer(ids.read("account", buyer.id)), amount),
             (ledger.person(ids.read("person", who.id), "payable"), -amount)],
            currency="usd", actor="test",
        )  # fmt: skip


async def owed(who: Caller) -> Json:
    earnings: Json = ok(await who.get("/v1/people/earnings"))
    return earnings


async def row(desk: Desk, query: str, *values: object) -> Any:
    async with desk.world.services.database.read() as connection:
        return await connection.fetchval(query, *values)


async def approved(olu: Caller, pia: Caller, **draft: Any) -> Json:
    """A run made and submitted by Olu, approved by Pia."""
    run = ok(await olu.post(RUNS, draft), 201)
    ok(await olu.post(f"{RUNS}/{run['id']}/submit"))
    seen = ok(await pia.get(f"{RUNS}/{run['id']}"))
    found: Json = ok(await pia.post(f"{RUNS}/{run['id']}/approve", {"lines_sha256": seen["lines_sha256"]}))
    return found


async def executed(desk: Desk, olu: Caller, run: Json) -> Json:
    """The run as it stands when everything has come to rest."""
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    await desk.rest()
    found: Json = ok(await olu.get(f"{RUNS}/{run['id']}"))
    return found


@pytest.fixture
async def buyer(desk: Desk, cy: Caller) -> Caller:
    """Cy's account has been funded by card with 100.00."""
    await desk.fund(cy, 10_000)
    return cy


async def test_a_run_by_olu_approved_by_pia_pays_bo(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_250)
    made = ok(await olu.post(RUNS, {}), 201)
    assert (made["status"], made["total"]) == ("frozen", {"count": 1, "amount": {"amount": 1_250, "currency": "usd"}})
    assert ok(await olu.post(f"{RUNS}/{made['id']}/submit"))["status"] == "submitted"
    agreed = ok(await pia.post(f"{RUNS}/{made['id']}/approve"))
    assert (agreed["status"], agreed["made_by"], agreed["approved_by"]) == ("approved", olu.id, pia.id)
    assert agreed["lines_sha256"] == made["lines_sha256"]
    await desk.agrees()
    done = await executed(desk, olu, agreed)
    assert (done["status"], [line["status"] for line in done["lines"]]) == ("done", ["paid"])
    assert done["lines"][0]["transfer_id"].startswith("tr_") and done["lines"][0]["person_id"] == bo.id
    account = await row(desk, "SELECT stripe_id FROM payout_account")
    async with httpx.AsyncClient(base_url=desk.sandbox.url, trust_env=False) as stripe:
        headers = {"authorization": "Bearer sk_test_tests", "stripe-account": account}
        assert (await stripe.get("/v1/balance", headers=headers)).json()["available"][0]["amount"] == 1_250
    assert [run["id"] for run in ok(await olu.get(RUNS))["items"]] == [made["id"]]
    assert ok(await olu.get(f"{RUNS}/{made['id']}/lines"))["items"] == done["lines"]
    books = ok(await olu.get("/v1/operator/reconciliation"))
    agreed_on = {"agrees": True, "ledger": {"usd": 8_430}, "stripe": {"usd": 8_430}, "unmatched": []}
    assert books == books | agreed_on
    await desk.agrees()


async def test_whoever_made_or_submitted_a_run_cannot_approve_it(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_000)
    run = ok(await olu.post(RUNS, {}), 201)
    is_problem(await pia.post(f"{RUNS}/{run['id']}/approve"), 409, "wrong-state")
    ok(await pia.post(f"{RUNS}/{run['id']}/submit"))
    for one in (olu, pia):
        is_problem(await one.post(f"{RUNS}/{run['id']}/approve"), 403, "policy-refused")
    is_problem(await olu.post(f"{RUNS}/{run['id']}/execute"), 409, "wrong-state")
    await desk.rest()
    assert ok(await olu.get(f"{RUNS}/{run['id']}"))["status"] == "submitted"
    assert (await owed(bo))["payable"]["amount"] == 1_000


async def test_who_is_left_out_is_named_with_the_reason(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    nina, ivo, hana, sam = [await person(desk.world, name) for name in ("Nina", "Ivo", "Hana", "Sam")]
    for ready in (bo, hana, sam):
        await desk.onboard(ready)
    ok(await ivo.post("/v1/people/payout-account"), 201)  # opened, never finished
    for one, amount in ((bo, 500), (nina, 500), (ivo, 500), (hana, 500), (sam, 99)):
        await earn(desk.world, buyer, one, amount)
    held = {"reason": "identity under review"}
    ok(await olu.ask("PUT", f"/v1/operator/people/{hana.id}/hold", json=held), 204)
    run = ok(await olu.post(RUNS, {"minimum": 100}), 201)
    reasons = {one["person_id"]: one["reason"] for one in run["exclusions"]}
    assert reasons == {
        nina.id: "no_payout_account",
        ivo.id: "capability_inactive",
        hana.id: "held",
        sam.id: "below_minimum",
    }
    assert [line["person_id"] for line in run["lines"]] == [bo.id]
    assert run["excluded"]["below_minimum"] == {"count": 1, "amount": {"amount": 99, "currency": "usd"}}
    ok(await olu.delete(f"/v1/operator/people/{hana.id}/hold"), 204)
    again = ok(await olu.post(RUNS, {"minimum": 99}), 201)
    assert {line["person_id"] for line in again["lines"]} == {bo.id, hana.id, sam.id}


async def test_executing_twice_and_delivering_everything_again_pays_once(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_000)
    run = await approved(olu, pia)
    first, second = await asyncio.gather(*(olu.post(f"{RUNS}/{run['id']}/execute") for _ in range(2)))
    assert sorted((first.status_code, second.status_code)) == [200, 409]
    await desk.rest(deliver=False)
    async with desk.world.services.database.read() as connection:
        ops = await connection.fetch("SELECT id FROM stripe_op")
    await asyncio.gather(*(send_op(desk.world.services, {"op": str(op["id"])}) for op in ops for _ in range(2)))
    for webhook in desk.receiver.received * 2:
        await desk.bring(webhook)
    await desk.rest()
    assert ok(await olu.get(f"{RUNS}/{run['id']}"))["status"] == "done"
    assert await row(desk, "SELECT count(*) FROM ledger_tx WHERE kind = 'payout_paid'") == 1
    is_problem(await olu.post(f"{RUNS}/{run['id']}/execute"), 409, "wrong-state")
    assert (await owed(bo))["payable"]["amount"] == 0
    await desk.agrees()


async def test_two_runs_with_the_same_person_pay_what_is_owed_once(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_000)
    drafts = [ok(await olu.post(RUNS, {}), 201) for _ in range(2)]
    for run in drafts:
        ok(await olu.post(f"{RUNS}/{run['id']}/submit"))
        ok(await pia.post(f"{RUNS}/{run['id']}/approve"))
    third = ok(await olu.post(RUNS, {}), 201)
    assert [one["reason"] for one in third["exclusions"]] == ["in_another_run"]
    first, second = [await executed(desk, olu, run) for run in drafts]
    assert (first["status"], second["status"]) == ("done", "partial")
    assert (second["lines"][0]["status"], second["lines"][0]["code"]) == ("skipped", "balance_changed")
    await desk.agrees()


async def test_a_platform_short_of_money_skips_the_line_and_can_be_executed_again(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 9_900)  # the fee has left 9,680 at Stripe
    short = await executed(desk, olu, await approved(olu, pia))
    line = short["lines"][0]
    assert (short["status"], line["status"], line["code"]) == ("partial", "skipped", "balance_insufficient")
    assert (await owed(bo))["payable"]["amount"] == 9_900
    assert await row(desk, "SELECT count(*) FROM stripe_op WHERE kind = 'transfer'") == 0
    await desk.agrees()
    await desk.fund(buyer, 5_000)
    done = await executed(desk, olu, short)
    assert (done["status"], done["lines"][0]["status"], done["lines"][0]["attempt"]) == ("done", "paid", 1)
    await desk.agrees()


async def test_a_capability_lost_after_the_approval_is_seen_at_execution(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_000)
    run = await approved(olu, pia)
    async with desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE payout_account SET transfers = 'restricted'")
    ended = await executed(desk, olu, run)
    assert (ended["status"], ended["lines"][0]["code"]) == ("partial", "capability_inactive")
    assert (await owed(bo))["payable"]["amount"] == 1_000
    await desk.agrees()


async def test_stripe_away_during_a_run_pays_each_line_once_when_it_is_back(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_000)
    run = await approved(olu, pia)
    await asyncio.to_thread(desk.sandbox.end)
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    await desk.world.jobs()
    assert await row(desk, "SELECT count(*) FROM stripe_op WHERE kind = 'transfer'") == 0
    assert ok(await olu.get(f"{RUNS}/{run['id']}"))["lines"][0]["status"] == "listed"
    unavailable = await olu.get("/v1/operator/reconciliation")
    is_problem(unavailable, 503, "unavailable")
    await asyncio.to_thread(desk.sandbox.start)
    await desk.rest()
    assert ok(await olu.get(f"{RUNS}/{run['id']}"))["status"] == "done"
    await desk.agrees()


async def test_an_answer_lost_on_the_way_is_found_by_the_event(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    """The transfer was made, our process died before it read the answer, and the event comes first."""
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_000)
    run = await approved(olu, pia)
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    async with desk.world.services.database.transaction() as connection:
        _, [op], _ = await payout_lines.plan_lines(connection, ids.read("payout_run", run["id"]), 10, 10_000)
    await stripe_of(desk.world.services).create_transfer(
        op.key, amount=1_000, currency="usd", destination=op.params["destination"], group=op.params["run"],
        metadata={"payout": str(op.subject), "person": op.params["person"]},
    )  # fmt: skip
    await desk.rest()  # by the event, or by whoever pays the run now and sends it again under the same key
    assert ok(await olu.get(f"{RUNS}/{run['id']}"))["status"] == "done"
    async with desk.world.services.database.transaction() as connection:
        with pytest.raises(stripe_ops.LeaseLost):
            await stripe_ops.rejected(connection, op, "late", "the worker that had slept")
    await desk.agrees()


async def test_nobody_but_operators_comes_near(desk: Desk, cy: Caller, bo: Caller, olu: Caller) -> None:
    run = ok(await olu.post(RUNS, {}), 201)
    for stranger in (cy, bo):
        is_problem(await stranger.post(RUNS, {}), 403, "forbidden")
        is_problem(await stranger.get(RUNS), 403, "forbidden")
        for act in ("submit", "approve", "execute"):
            is_problem(await stranger.post(f"{RUNS}/{run['id']}/{act}"), 403, "forbidden")
    is_problem(await olu.post(f"{RUNS}/{run['id']}/submit"), 409, "wrong-state")  # it pays nobody
    is_problem(await olu.get(f"{RUNS}/run_{'0' * 32}"), 404, "not-found")
    is_problem(await olu.post(f"{RUNS}/run_{'0' * 32}/approve"), 404, "not-found")
    for bad in ({"minimum": 0}, {"currency": "xxx"}, {"minimum": "1"}, {"who": "all"}):
        is_problem(await olu.post(RUNS, bad), 422, "validation")

"""What is given up and arrives after all is not paid twice; what is earned later is not taken for paid."""

from __future__ import annotations

from tests.app.conftest import Caller, ok
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_operations_desk import REASON, Doubt, doubt, quiet
from tests.app.test_payout_runs import RUNS, approved, buyer, executed
from tests.app.test_reversals import WEEK, earnings, work

__all__ = ["buyer", "desk", "doubt", "quiet", "world"]


async def test_a_transfer_that_was_given_up_and_arrives_is_found_when_the_run_goes_on(
    doubt: Doubt, bo: Caller, quiet: None
) -> None:
    ok(await doubt.olu.post(f"{doubt.path}/give-up", REASON))
    await doubt.arrives()  # a worker that had slept sends it, and its webhook comes
    await doubt.desk.rest()
    assert ((await doubt.line())["status"], await doubt.at_stripe()) == ("returned", 1)
    waiting = ok(await doubt.olu.get("/v1/operator/stripe-events?waiting=true"))["items"]
    assert any("given up" in event["failure"] for event in waiting)
    ok(await doubt.olu.post(f"{RUNS}/{doubt.run['id']}/execute"))
    await doubt.desk.rest()
    assert ((await doubt.line())["status"], await doubt.at_stripe()) == ("paid", 1)
    await doubt.desk.agrees()


async def test_what_is_earned_after_the_run_was_made_is_not_taken_for_paid(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.onboard(bo)
    await work(buyer, bo, 1_000)
    await desk.world.later(WEEK)
    run = await approved(olu, pia)
    await work(buyer, bo, 500)
    await desk.world.later(WEEK)
    ok(await pia.post(f"{RUNS}/{run['id']}/approve", {"lines_sha256": run["lines_sha256"]}))  # three days are over
    assert (await executed(desk, olu, run))["status"] == "done"
    lines = [(line["amount"]["amount"], line["status"]) for line in (await earnings(bo))["lines"]]
    assert lines == [(500, "released"), (1_000, "paid")]
    following = ok(await olu.get(f"{RUNS}/preview"))
    assert following["lines"][0]["amount"]["amount"] == 500 and following["lines"][0]["items"] == 1

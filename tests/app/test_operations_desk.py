"""What nobody knows: Olu looks a transfer up, has it tried again, gives it up; each is paid once or not at all."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.money.outgoing import SENDERS, Sender, stripe_of
from app.money.runs import pay_run
from market import ids, operations_desk, payout_lines, stripe_inbox, stripe_ops
from market.stripe_inbox import Notice
from market.stripe_ops import LeaseLost, Op
from tests.app.conftest import Caller, Json, is_problem, ok
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_payout_runs import RUNS, approved, buyer, earn, owed, row

__all__ = ["buyer", "desk", "world"]
OPS = "/v1/operator/operations"
REASON = {"reason": "not at Stripe", "confirm_absent": True}


class Doubt:
    """A transfer of 10.00 to Bo that was sent, and of which no answer has come."""

    def __init__(self, desk: Desk, olu: Caller, run: Json, op: Op) -> None:
        self.desk, self.olu, self.run, self.op = desk, olu, run, op
        self.id = ids.show("stripe_op", op.id)

    @property
    def path(self) -> str:
        return f"{OPS}/{self.id}"

    async def arrives(self) -> None:
        """It had reached Stripe all the same."""
        await stripe_of(self.desk.world.services).create_transfer(
            self.op.key, amount=1_000, currency="usd", destination=self.op.params["destination"],
            group=self.op.params["run"], metadata={"payout": str(self.op.subject), "person": self.op.params["person"]},
        )  # fmt: skip

    async def shown(self) -> Json:
        found: Json = ok(await self.olu.get(self.path))
        return found

    async def line(self) -> Json:
        found: Json = ok(await self.olu.get(f"{RUNS}/{self.run['id']}"))["lines"][0]
        return found

    async def moves(self) -> list[tuple[str, bool | None]]:
        return [(move["what"], move["same_key"]) for one in (await self.shown())["attempts"] for move in one["moves"]]

    async def at_stripe(self) -> int:
        """How many transfers Stripe has made."""
        async with httpx.AsyncClient(base_url=self.desk.sandbox.url, trust_env=False) as stripe:
            found = await stripe.get("/v1/transfers", headers={"authorization": "Bearer sk_test_tests"})
        return len(found.json()["data"])


@pytest.fixture
async def doubt(desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller) -> Doubt:
    await desk.onboard(bo)
    await earn(desk.world, buyer, bo, 1_000)
    run = await approved(olu, pia)
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    async with desk.world.services.database.transaction() as connection:
        _, [op], _ = await payout_lines.plan_lines(connection, ids.read("payout_run", run["id"]), 10, 10_000)
    async with desk.world.services.database.transaction() as connection:
        await stripe_ops.unknown(connection, op, "no answer came")
        await connection.execute("UPDATE stripe_op SET due_at = now() + interval '1 hour' WHERE id = $1", op.id)
    return Doubt(desk, olu, run, op)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last try is long over."""
    monkeypatch.setattr("market.operations_desk.QUIET_S", 0)


async def test_what_is_found_at_stripe_is_settled_and_nothing_is_sent(doubt: Doubt, bo: Caller) -> None:
    await doubt.arrives()
    looked = ok(await doubt.olu.post(f"{doubt.path}/look"))
    assert (looked["outcome"], looked["next_key"], looked["next_key_is_new"]) == ("found", None, False)
    assert (looked["operation"]["status"], looked["operation"]["next"]) == ("succeeded", "nothing")
    assert (await doubt.line())["status"] == "paid"
    assert ok(await doubt.olu.get(f"{RUNS}/{doubt.run['id']}"))["status"] == "done"
    assert await doubt.moves() == [
        ("sent", None), ("unknown", None), ("unknown", None), ("looked_up", None),
        ("succeeded", None),
    ]  # fmt: skip
    await doubt.desk.rest()
    assert await doubt.at_stripe() == 1
    await doubt.desk.agrees()
    is_problem(await doubt.olu.post(f"{doubt.path}/look"), 409, "wrong-state")


async def test_where_nothing_is_found_nothing_changes(doubt: Doubt) -> None:
    before = (await doubt.shown())["operation"]
    looked = ok(await doubt.olu.post(f"{doubt.path}/look"))
    assert (looked["outcome"], looked["next_key"]) == ("nothing_found", None)
    after = looked["operation"]
    assert (after["status"], after["due_at"], after["tries"], after["key"]) == (
        "unknown", before["due_at"], before["tries"], before["key"],
    )  # fmt: skip
    assert after["moved_by"].startswith("operator:")
    assert await doubt.at_stripe() == 0 and (await doubt.line())["status"] == "planned"
    assert await row(doubt.desk, "SELECT count(*) FROM event WHERE type = 'stripe_op.looked_up'") == 1
    assert await row(doubt.desk, "SELECT action FROM audit_log ORDER BY seq DESC LIMIT 1") == "look_up_operation"


async def test_it_is_too_early_to_give_up_what_may_still_arrive(doubt: Doubt, bo: Caller) -> None:
    problem = is_problem(await doubt.olu.post(f"{doubt.path}/give-up", REASON), 409, "wrong-state")
    assert "2 minutes" in problem["detail"]
    assert (await doubt.shown())["operation"]["status"] == "unknown"
    assert (await owed(bo))["payable"]["amount"] == 0
    for unsure in ({"reason": "gone"}, {"reason": "gone", "confirm_absent": False}, {"confirm_absent": True}):
        is_problem(await doubt.olu.post(f"{doubt.path}/give-up", unsure), 422, "validation")


async def test_what_is_given_up_goes_back_and_is_paid_under_a_new_key(doubt: Doubt, bo: Caller, quiet: None) -> None:
    given_up = ok(await doubt.olu.post(f"{doubt.path}/give-up", REASON))
    assert given_up["outcome"] == "given_up" and given_up["next_key_is_new"]
    assert given_up["next_key"] == f"transfer:{doubt.op.subject}:2"
    assert (given_up["operation"]["status"], given_up["operation"]["code"]) == ("rejected", "operator")
    assert (await doubt.line())["status"] == "returned"
    assert (await owed(bo))["payable"]["amount"] == 1_000
    assert ok(await doubt.olu.get(f"{RUNS}/{doubt.run['id']}"))["status"] == "partial"
    await doubt.desk.agrees()
    ok(await doubt.olu.post(f"{RUNS}/{doubt.run['id']}/execute"))
    await doubt.desk.rest()
    history = ok(await doubt.olu.get(f"/v1/operator/payouts/{(await doubt.line())['id']}"))
    assert (history["line"]["status"], history["run_id"]) == ("paid", doubt.run["id"])
    assert [(one["key"], one["status"]) for one in history["attempts"]] == [
        (f"transfer:{doubt.op.subject}:1", "rejected"), (given_up["next_key"], "succeeded"),
    ]  # fmt: skip
    sends = [move for one in history["attempts"] for move in one["moves"] if move["what"] == "sent"]
    assert [(move["try_number"], move["same_key"]) for move in sends] == [(1, None), (1, False)]
    assert [one["kind"] for one in history["transactions"]] == [
        "payout_planned", "payout_returned", "payout_planned", "payout_paid",
    ]  # fmt: skip
    for transaction in history["transactions"]:
        assert sum(entry["amount"]["amount"] for entry in transaction["entries"]) == 0
    assert await doubt.at_stripe() == 1
    await doubt.desk.agrees()


async def test_what_cannot_be_kept_in_the_audit_log_is_neither_settled_nor_given_up(
    doubt: Doubt, bo: Caller, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr("market.audit_log.record", full)
        assert (await doubt.olu.post(f"{doubt.path}/give-up", REASON)).status_code >= 500
    assert (await doubt.shown())["operation"]["status"] != "rejected"
    assert (await owed(bo))["payable"]["amount"] == 0
    assert await row(doubt.desk, "SELECT count(*) FROM event WHERE type = 'stripe_op.given_up'") == 0


async def test_what_is_there_after_all_cannot_be_given_up(doubt: Doubt, bo: Caller, quiet: None) -> None:
    await doubt.arrives()
    assert ok(await doubt.olu.post(f"{doubt.path}/give-up", REASON))["outcome"] == "found"
    assert (await doubt.line())["status"] == "paid" and (await owed(bo))["payable"]["amount"] == 0
    await doubt.desk.rest()
    await doubt.desk.agrees()


async def test_tried_again_means_under_the_same_key_so_stripe_does_it_once(doubt: Doubt) -> None:
    await doubt.arrives()
    async with doubt.desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE stripe_op SET due_at = 'infinity'")
    waiting = (await doubt.shown())["operation"]
    assert (waiting["next"], waiting["due_at"], waiting["doubtful"]) == ("waits_for_operator", None, True)
    retried = ok(await doubt.olu.post(f"{doubt.path}/retry"))
    assert (retried["key"], retried["key_is_new"]) == (doubt.op.key, False)
    assert (retried["operation"]["next"], retried["operation"]["status"]) == ("same_key", "unknown")
    await doubt.desk.rest()
    assert (await doubt.line())["status"] == "paid" and await doubt.at_stripe() == 1
    sends = [same for what, same in await doubt.moves() if what == "sent"]
    assert sends == [None, True]
    is_problem(await doubt.olu.post(f"{doubt.path}/retry"), 409, "wrong-state")
    await doubt.desk.agrees()


async def test_what_a_worker_holds_is_left_to_it(doubt: Doubt, quiet: None) -> None:
    async with doubt.desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE stripe_op SET due_at = now()")
        held = await stripe_ops.take(connection, doubt.op.id)
    assert held is not None
    for act, body in (("look", None), ("retry", None), ("give-up", REASON)):
        problem = is_problem(await doubt.olu.post(f"{doubt.path}/{act}", body), 409, "wrong-state")
        assert "holds this operation" in problem["detail"]
    assert (await doubt.shown())["operation"]["next"] == "under_way"
    async with doubt.desk.world.services.database.transaction() as connection:
        await stripe_ops.unknown(connection, held, "and the worker was not disturbed")


async def test_while_an_operator_looks_no_worker_sends_and_a_late_one_writes_nothing(
    doubt: Doubt, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = doubt.desk.world.services.database
    async with database.transaction() as connection:
        await connection.execute("UPDATE stripe_op SET due_at = now()")
        late = await stripe_ops.take(connection, doubt.op.id)
        await connection.execute(
            "UPDATE stripe_op SET leased_until = now() - interval '1 s' WHERE id = $1", doubt.op.id
        )
    assert late is not None
    sender = SENDERS["transfer"]
    seen: list[object] = []

    async def look_up(services: Any, op: Op) -> None:
        async with database.transaction() as connection:
            seen.append(await stripe_ops.take(connection, op.id))
        await pay_run(doubt.desk.world.services, {"run": op.params["run"]})  # it takes over what dead workers held
        seen.append(await doubt.at_stripe())
        seen.append((await doubt.olu.post(f"{doubt.path}/give-up", REASON)).status_code)
        async with database.transaction() as connection:
            with pytest.raises(LeaseLost):
                await stripe_ops.rejected(connection, late, "late", "the worker that had slept")

    monkeypatch.setitem(SENDERS, "transfer", Sender(sender.send, look_up, sender.refused, sender.done))
    assert ok(await doubt.olu.post(f"{doubt.path}/look"))["outcome"] == "nothing_found"
    assert seen == [None, 0, 409]


async def test_an_operator_who_was_overtaken_settles_nothing(
    doubt: Doubt, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of the transfer comes while Olu looks, and finds nothing."""
    await doubt.arrives()
    sender = SENDERS["transfer"]

    async def look_up(services: Any, op: Op) -> None:
        await doubt.desk.rest()

    monkeypatch.setitem(SENDERS, "transfer", Sender(sender.send, look_up, sender.refused, sender.done))
    is_problem(await doubt.olu.post(f"{doubt.path}/give-up", REASON), 409, "conflict")
    assert (await doubt.line())["status"] == "paid"
    await doubt.desk.agrees()


async def test_when_stripe_does_not_answer_a_look_the_operation_is_as_it_was(doubt: Doubt, quiet: None) -> None:
    await doubt.desk.control("/faults", rules=[{"fault": "error_before", "verb": "get", "path": "/v1/transfers"}])
    for act, body in (("look", None), ("give-up", REASON)):
        is_problem(await doubt.olu.post(f"{doubt.path}/{act}", body), 503, "unavailable")
        found = (await doubt.shown())["operation"]
        assert (found["status"], found["leased_until"]) == ("unknown", None)
    assert (await doubt.line())["status"] == "planned"


async def test_the_queue_of_what_is_in_doubt_holds_what_has_been_so_for_a_while(doubt: Doubt) -> None:
    async def queue(**query: Any) -> list[str]:
        found = ok(await doubt.olu.get(OPS, params={"doubtful": "true", **query}))
        return [one["id"] for one in found["items"]]

    assert await queue() == []  # it has only just been sent
    for sign in ("tries = 3", "due_at = 'infinity'", "first_sent_at = now() - interval '11 minutes'"):
        async with doubt.desk.world.services.database.transaction() as connection:
            await connection.execute("UPDATE stripe_op SET tries = 1, due_at = now() WHERE id = $1", doubt.op.id)
            await connection.execute(f"UPDATE stripe_op SET {sign} WHERE id = $1", doubt.op.id)
        assert await queue() == [doubt.id], sign
        assert await queue(kind="transfer", status="unknown") == [doubt.id]
        assert await queue(kind="refund") == [] and await queue(status="planned") == []
    found = ok(await doubt.olu.get(OPS, params={"kind": "transfer"}))["items"]
    assert [(one["id"], one["subject"]["type"], one["amount"]) for one in found] == [
        (doubt.id, "payout", {"amount": 1_000, "currency": "usd"})
    ]
    assert found[0]["age_s"] >= 660
    everything, cursor = [], None
    while True:
        part = ok(await doubt.olu.get(OPS, params={"limit": 1} | ({"cursor": cursor} if cursor else {})))
        everything += [one["kind"] for one in part["items"]]
        if (cursor := part["next_cursor"]) is None:
            break
    assert sorted(everything) == ["charge", "customer", "recipient", "transfer"]
    is_problem(await doubt.olu.get(OPS, params={"cursor": "bm93aGVyZQ"}), 422, "validation")


async def test_what_will_happen_next_is_told(doubt: Doubt) -> None:
    for state, coming in (
        ("tries = 1", "same_key"),
        ("tries = 2", "look_up_first"),
        ("tries = 1, first_sent_at = now() - interval '23 hours 1 minute'", "look_up_first"),
        ("due_at = 'infinity'", "waits_for_operator"),
    ):
        async with doubt.desk.world.services.database.transaction() as connection:
            await connection.execute(f"UPDATE stripe_op SET {state} WHERE id = $1", doubt.op.id)
        assert (await doubt.shown())["operation"]["next"] == coming


async def test_while_payouts_are_stopped_nothing_is_sent_and_then_everything_goes_on(
    doubt: Doubt, pia: Caller, bo: Caller
) -> None:
    switch = "/v1/operator/switches/payouts"
    stop = {"stopped": True, "reason": "transfers arrive twice"}
    stopped = ok(await pia.ask("PUT", switch, json=stop))
    assert (stopped["name"], stopped["stopped"], stopped["changed_by"]) == ("payouts", True, pia.id)
    assert [one["name"] for one in ok(await doubt.olu.get("/v1/operator/switches"))["items"] if one["stopped"]] == [
        "payouts"
    ]
    is_problem(await doubt.olu.post(f"{doubt.path}/retry"), 409, "stopped")
    async with doubt.desk.world.services.database.transaction() as connection:
        await connection.execute("UPDATE stripe_op SET due_at = now() WHERE id = $1", doubt.op.id)
    await doubt.desk.rest()
    assert (await doubt.shown())["operation"]["next"] == "stopped" and await doubt.at_stripe() == 0
    ok(await doubt.olu.ask("PUT", switch, json={"stopped": False, "reason": "it was the report"}))
    ok(await doubt.olu.post(f"{doubt.path}/retry"))
    await doubt.desk.rest()
    assert (await doubt.line())["status"] == "paid" and await doubt.at_stripe() == 1
    is_problem(await pia.ask("PUT", "/v1/operator/switches/everything", json=stop), 404, "not-found")
    is_problem(await pia.ask("PUT", switch, json={"stopped": True}), 422, "validation")
    await doubt.desk.agrees()


async def test_an_event_that_could_not_be_acted_on_is_shown_with_its_reason_and_tried_again(
    doubt: Doubt,
) -> None:
    await doubt.desk.rest()
    events = "/v1/operator/stripe-events"
    async with doubt.desk.world.services.database.transaction() as connection:
        await stripe_inbox.receive(connection, Notice("evt_lost", "customer.updated", "customer", "cus_1"))
        await stripe_inbox.failed(connection, "evt_lost", "ValueError: no such customer", 3_600)
    for query in ({"waiting": "true"}, {"failed": "true"}):
        [waiting] = ok(await doubt.olu.get(events, params=query))["items"]
        assert (waiting["id"], waiting["tries"], waiting["failure"], waiting["handled_at"]) == (
            "evt_lost", 1, "ValueError: no such customer", None,
        )  # fmt: skip
    ok(await doubt.olu.post(f"{events}/evt_lost/retry"), 204)
    await doubt.desk.rest()
    assert ok(await doubt.olu.get(events, params={"waiting": "true"}))["items"] == []
    is_problem(await doubt.olu.post(f"{events}/evt_lost/retry"), 409, "wrong-state")
    for nothing in ("evt_none", "a%00b", "x" * 300):
        is_problem(await doubt.olu.post(f"{events}/{nothing}/retry"), 404, "not-found")


async def test_only_what_is_in_doubt_is_looked_up(doubt: Doubt) -> None:
    async with doubt.desk.world.services.database.transaction() as connection:
        with pytest.raises(operations_desk.WrongState, match="waits for its turn"):
            await connection.execute("UPDATE stripe_op SET status = 'planned' WHERE id = $1", doubt.op.id)
            await operations_desk.take(connection, doubt.op.id, ids.read("operator", doubt.olu.id), 5)
    is_problem(await doubt.olu.post(f"{OPS}/sop_{'0' * 32}/look"), 404, "not-found")
    is_problem(await doubt.olu.get(f"{OPS}/{doubt.run['id']}"), 404, "not-found")

"""What operators do and look at is kept in a chain that nobody can mend unnoticed."""

from __future__ import annotations

import asyncpg
import pytest

from market import audit_log, ids, operators
from tests.app.conftest import Caller, Json, World, is_problem, ok
from tests.app.passkey_device import Device
from tests.app.test_payout_runs import RUNS


async def kept(world: World) -> list[audit_log.Record]:
    """Acts of operators, newest first; that they were added, on the command line, is none."""
    async with world.services.database.read() as connection:
        acts = await audit_log.listed(connection, before=None, limit=50)
    return [act for act in acts if act.actor != operators.ACTOR]


async def test_what_an_operator_changes_is_kept_with_who_what_and_about_whom(
    world: World, olu: Caller, bo: Caller
) -> None:
    path = f"/v1/operator/people/{bo.id}/hold"
    response = await olu.ask("PUT", path, json={"reason": "identity under review"})
    ok(response, 204)
    [act] = await kept(world)
    assert act.actor.startswith("operator:") and (act.action, act.subject) == ("hold_person", bo.id)
    assert act.data == {"reason": "identity under review"}
    assert act.request_id == response.headers["x-request-id"]


async def test_of_a_mistake_nothing_is_kept(world: World, olu: Caller, bo: Caller) -> None:
    is_problem(await olu.delete(f"/v1/operator/people/{bo.id}/hold"), 404, "not-found")
    is_problem(await olu.ask("PUT", f"/v1/operator/people/{bo.id}/hold", json={"reason": 1}), 422, "validation")
    assert await kept(world) == []


async def test_what_an_operator_may_not_is_kept_as_refused_though_nothing_was_done(world: World, olu: Caller) -> None:
    made: Json = ok(await olu.post(RUNS, {}), 201)
    seen = {"lines_sha256": made["lines_sha256"]}
    refused = await olu.post(f"{RUNS}/{made['id']}/approve", seen)
    is_problem(refused, 409, "wrong-state")
    is_problem(await olu.post(f"{RUNS}/{made['id']}/execute"), 409, "wrong-state")
    execute, approve, _ = await kept(world)
    assert (approve.actor, approve.action, approve.subject) == (
        f"operator:{ids.read('operator', olu.id)}", "approve_payout_run.refused", made["id"],
    )  # fmt: skip
    assert approve.data == {"refused": "wrong-state", **seen}
    assert approve.request_id == refused.headers["x-request-id"]
    assert (execute.action, execute.data) == ("execute_payout_run.refused", {"refused": "wrong-state"})
    assert ok(await olu.get(f"{RUNS}/{made['id']}"))["status"] == "frozen"


async def test_a_look_at_disputes_which_name_buyers_is_kept(world: World, olu: Caller) -> None:
    ok(await olu.get("/v1/operator/disputes"))
    assert [act.action for act in await kept(world)] == ["list_disputes"]


async def test_who_has_not_proven_lately_who_they_are_is_kept_as_refused(world: World, olu: Caller) -> None:
    own = {"sec-fetch-site": "same-origin"}
    entered = await world.client.post("/v1/operator/session", json={"key": olu.secret}, headers=own)
    world.client.cookies.clear()
    browser = own | {"cookie": entered.headers["set-cookie"].split(";")[0]}
    await world.later(301)
    path, body = "/v1/operator/switches/payouts", {"stopped": False, "reason": "they agree"}
    is_problem(await world.client.put(path, json=body, headers=browser), 403, "proof-required")
    run = ids.show("payout_run", ids.new())
    is_problem(await world.client.post(f"{RUNS}/{run}/approve", headers=browser), 403, "proof-required")
    approve, turn, _ = await kept(world)
    assert (approve.action, approve.subject) == ("approve_payout_run.refused", run)
    assert (turn.action, turn.subject) == ("turn_switch.refused", "payouts")
    assert approve.data["refused"] == turn.data["refused"] == "proof-required"


async def test_an_act_that_cannot_be_kept_is_not_done(
    world: World, olu: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a handler with transactions of its own."""
    options = ok(await olu.post("/v1/operator/passkeys/challenge"), 201)["options"]
    new = {"name": "laptop", "passkey": Device().create(options)}

    async def full(*_: object, **__: object) -> None:
        raise asyncpg.DiskFullError("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr(audit_log, "record", full)
        assert (await olu.post("/v1/operator/passkeys", new)).status_code == 500
    assert ok(await olu.get("/v1/operator/passkeys")) == []


async def test_the_log_takes_no_change_and_each_row_holds_the_one_before(world: World, olu: Caller, bo: Caller) -> None:
    for reason in ("one", "two", "three"):
        ok(await olu.ask("PUT", f"/v1/operator/people/{bo.id}/hold", json={"reason": reason}), 204)
    async with world.services.database.read() as connection:
        for attempt in (
            "UPDATE audit_log SET actor = 'nobody'",
            "DELETE FROM audit_log WHERE seq = 2",
            "TRUNCATE audit_log",
        ):
            with pytest.raises(asyncpg.PostgresError, match="append-only"):
                await connection.execute(attempt)
        rows = await connection.fetch(
            """SELECT seq, previous, hash,
                 audit_hash(seq, at, actor, action, subject, data, request_id, previous) AS made
               FROM audit_log ORDER BY seq"""
        )
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]  # the first: Olu was added
    assert all(row["hash"] == row["made"] for row in rows)
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]

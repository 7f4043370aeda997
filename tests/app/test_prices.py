"""Prices over HTTP: a dry run holds nothing, the minimum has a problem of its own, people see the price rise."""

from typing import Any

import pytest

from tests.app.conftest import Caller, World, a_task, is_problem, ok

RISING = {"max": {"amount": 900, "currency": "usd"}, "step_s": 1800, "step_percent": 15}


async def untouched(ada: Caller) -> None:
    account = ok(await ada.get("/v1/account"))
    assert account["balance"]["held"]["amount"] == 0 and account["caps"]["used_today"] == 0
    assert ok(await ada.get("/v1/tasks"))["items"] == []


async def test_a_dry_run_checks_everything_and_holds_nothing(ada: Caller) -> None:
    before = ok(await ada.get("/v1/account"))["balance"]["available"]["amount"]
    draft = a_task(price_schedule=RISING, quantity=3)
    tried = ok(await ada.ask("POST", "/v1/tasks?dry_run=true", json=draft, headers={"idempotency-key": ""}))
    assert tried["worst_case_cost"]["amount"] == 3 * 990 and tried["dry_run"] is True
    assert tried["available_after"]["amount"] == before - 3 * 990
    assert tried["reward"]["amount"] == 300 and tried["fee"]["amount"] == 30 and tried["minutes"] > 5
    assert "at_place" in tried["checks"]
    await untouched(ada)


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"quantity": 1000, "reward": {"amount": 9_000_000, "currency": "usd"}}, 402, "insufficient-funds"),
        ({"reward": {"amount": 20, "currency": "usd"}}, 422, "below-minimum"),
        ({"reward": {"amount": 300, "currency": "eur"}}, 422, "validation"),
        ({"price_schedule": RISING | {"max": {"amount": 299, "currency": "usd"}}}, 422, "validation"),
        ({"price_schedule": RISING | {"step_percent": 0}}, 422, "validation"),
        ({"kind": "answer", "evidence": {"photos": {"min": 1}}}, 422, "validation"),
    ],
)
async def test_a_dry_run_refuses_what_posting_refuses(
    ada: Caller, changes: dict[str, Any], status: int, slug: str
) -> None:
    draft = a_task(**changes)
    dry = is_problem(await ada.ask("POST", "/v1/tasks?dry_run=true", json=draft), status, slug)
    real = is_problem(await ada.post("/v1/tasks", draft), status, slug)
    assert dry["detail"] == real["detail"] and dry.get("errors") == real.get("errors")
    await untouched(ada)


async def test_a_batch_is_rehearsed_as_if_those_before_had_been_posted(ada: Caller) -> None:
    available = ok(await ada.get("/v1/account"))["balance"]["available"]["amount"]
    most = {"amount": available // 2, "currency": "usd"}
    drafts = [a_task(), a_task(title=""), a_task(reward=most), a_task(reward=most)]
    found = ok(await ada.ask("POST", "/v1/tasks/batch?dry_run=true", json={"tasks": drafts}))["results"]
    assert [each["status"] for each in found] == [200, 422, 200, 402]
    assert found[0]["rehearsal"]["worst_case_cost"]["amount"] == 330 and "task" not in found[0]
    await untouched(ada)


async def test_a_person_claims_at_the_price_of_the_moment(world: World, ada: Caller, bo: Caller) -> None:
    task = ok(await ada.post("/v1/tasks", a_task(price_schedule=RISING)), 201)
    assert task["price_schedule"] == RISING and task["held"]["amount"] == 990
    await world.later(1800)
    shown = ok(await bo.get("/v1/people/tasks?lat=52.52&lon=13.405"))["items"][0]
    assert shown["reward"]["amount"] == 345 and shown["fee"]["amount"] == 34 and shown["most"]["amount"] == 900
    assert shown["next_rise_at"] is not None
    claim = ok(await bo.post(f"/v1/people/tasks/{task['id']}/claims", {"lat": 52.52, "lon": 13.405}), 201)
    await world.later(1800)
    assert claim["reward"]["amount"] == 345
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["price_now"]["amount"] == 345, "it waits: no slot is free"
    raised = ok(await ada.patch(f"/v1/tasks/{task['id']}", {"reward": {"amount": 500, "currency": "usd"}}))
    assert raised["price_now"]["amount"] == 500
    assert ok(await bo.get("/v1/people/claims"))["items"][0]["reward"]["amount"] == 500

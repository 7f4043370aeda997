"""What could only be rejected is refused at the door, field by field, and the claim is worth as much as before."""

from typing import Any

import pytest

from tests.app.conftest import Caller, Json, World, claim, is_problem, ok, photo, post_task, submit

EVIDENCE: Json = {
    "photos": {"min": 1, "max": 3, "live_capture": True},
    "readings": [{"name": "pm25", "unit": "ug/m3", "min_samples": 2}],
    "questions": [
        {"id": "open", "type": "boolean"},
        {"id": "what", "type": "choice", "choices": ["bread", "cake"], "required": False},
        {"id": "queue", "type": "number", "min": 0, "max": 99, "required": False},
        {"id": "note", "type": "text", "max_length": 5, "required": False},
    ],
}
PM: Json = {"n": "pm25", "u": "ug/m3", "v": 12.5}
GOOD: Json = {"answers": {"open": True}, "readings": [PM, PM]}


@pytest.mark.parametrize(
    ("given", "slug", "pointers"),
    [
        ({"answers": {"open": "maybe", "x": 2}}, "validation", ["/answers/x", "/answers/open"]),
        ({"answers": {"open": 1}}, "validation", ["/answers/open"]),
        ({"answers": {"open": True, "a/b~c": 1}}, "validation", ["/answers/a~1b~0c"]),
        ({"answers": {"open": True, "what": "pie"}}, "validation", ["/answers/what"]),
        ({"answers": {"open": True, "queue": 100}}, "validation", ["/answers/queue"]),
        (
            {"answers": {"open": True, "queue": -1, "note": "too long"}},
            "validation",
            ["/answers/queue", "/answers/note"],
        ),
        ({"answers": {}}, "evidence-missing", ["/answers/open"]),
        ({"answers": {"open": None}}, "evidence-missing", ["/answers/open"]),
        ({"answers": {"queue": "3"}}, "validation", ["/answers/queue", "/answers/open"]),
        ({"readings": [PM]}, "evidence-missing", ["/readings"]),
        ({"readings": [PM, {**PM, "n": "co2"}]}, "evidence-missing", ["/readings"]),
        ({"readings": [PM, {**PM, "v": "12.5"}]}, "validation", ["/readings/1"]),
        ({"readings": [PM, {**PM, "u": "furlong"}, {**PM, "u": "Cel"}]}, "validation", ["/readings/1", "/readings/2"]),
        ({"readings": [PM, {"n": "pm25", "v": 3}, PM]}, "validation", ["/readings/1"]),
        ({"readings": [PM, {**PM, "t": 1e300}]}, "validation", ["/readings/1"]),
        ({"outcome": "honest_negative", "answers": {"open": "no"}}, "validation", ["/answers/open"]),
    ],
)
async def test_a_slip_is_named_and_the_claim_goes_on(
    world: World, ada: Caller, bo: Caller, given: Json, slug: str, pointers: list[str]
) -> None:
    task = await post_task(ada, evidence=EVIDENCE)
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed))
    path = f"/v1/people/claims/{claimed['id']}"
    told = is_problem(await bo.post(f"{path}/submission", {**GOOD, **given}), 422, slug)
    assert [each["pointer"] for each in told["errors"]] == pointers
    assert all(each["detail"] for each in told["errors"])
    # Nothing is half-done, and the same claim takes what is right.
    assert ok(await bo.get(path))["status"] == "active"
    assert ok(await bo.get("/v1/people/submissions"))["items"] == []
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"]["claimed"] == 1
    events = ok(await bo.get("/v1/events", params={"wait_s": 0}))["items"]
    assert "submission.received" not in {event["type"] for event in events}
    submitted = await submit(bo, claimed, **GOOD)
    await world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"


async def test_the_same_key_serves_for_the_corrected_answer(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    path, headers = f"/v1/people/claims/{claimed['id']}/submission", {"idempotency-key": "bakery"}
    is_problem(await bo.post(path, {"answers": {"open": "ajar"}}, headers=headers), 422, "validation")
    ok(await bo.post(path, {"answers": {"open": "open"}}, headers=headers), 201)


@pytest.mark.parametrize("given", [{}, {"answers": {"open": False}}, {"readings": [PM]}])
async def test_an_honest_negative_owes_neither_answers_nor_readings(ada: Caller, bo: Caller, given: Json) -> None:
    claimed = await claim(bo, await post_task(ada, evidence=EVIDENCE))
    ok(await photo(bo, claimed))
    body: dict[str, Any] = {"answers": {}, "outcome": "honest_negative", **given}
    assert (await submit(bo, claimed, **body))["status"] == "checking"

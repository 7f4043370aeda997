"""What could only be rejected is refused at the door, field by field, and the claim is worth as much as before."""

import hashlib
import threading
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from app import strict
from app.errors import Problem
from market import ids, submissions, terms
from market.errors import ClaimOver, NotFound
from sensors import check as checking
from sensors import readings
from sensors.canonical import canonical
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
JSON = {"content-type": "application/json"}
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
        ({"readings": [PM, {**PM, "t": -1_700_000_000}]}, "validation", ["/readings/1"]),
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


@pytest.mark.parametrize(
    "hostile", ["1" + "0" * 400, "18446744073709551615", "[" * 480 + "]" * 480, '{"a":' * 480 + "1" + "}" * 480]
)
async def test_readings_that_nobody_asked_for_do_not_come_in(ada: Caller, bo: Caller, hostile: str) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    path = f"/v1/people/claims/{claimed['id']}/submission"
    for outcome in ("done", "honest_negative"):
        body = f'{{"answers":{{"open":"open"}},"outcome":"{outcome}","readings":[{{"x":{hostile}}}]}}'
        told = is_problem(await bo.post(path, content=body.encode(), headers=JSON), 422, "validation")
        assert [each["pointer"] for each in told["errors"]] == ["/readings"]
    assert (await submit(bo, claimed, readings=[]))["readings"] is None


@pytest.mark.parametrize("hostile", ["1" + "0" * 400, "1e300", "[" * 480 + "]" * 480, "[" * 2_000 + "]" * 2_000])
async def test_of_readings_their_normalised_form_is_kept_and_its_receipt_made(
    world: World, ada: Caller, bo: Caller, hostile: str
) -> None:
    asked = {"readings": EVIDENCE["readings"]}
    claimed = await claim(bo, await post_task(ada, kind="reading", evidence=asked, acceptance={"checks": ["readings"]}))
    path = f"/v1/people/claims/{claimed['id']}/submission"
    records = f'{{"bn":"a:","bu":"ug/m3","n":"pm25","v":12.5,"x":{hostile}}},{{"n":"pm25","v":13}}'
    answered = await bo.post(path, content=f'{{"readings":[{records}]}}'.encode(), headers=JSON)
    if len(hostile) == 4_000:
        is_problem(answered, 400, "malformed")
        return
    submitted = ok(answered, 201)
    assert [each.keys() for each in submitted["readings"]] == [{"n", "t", "u", "v"}] * 2
    assert [(each["n"], each["v"]) for each in submitted["readings"]] == [("a:pm25", 12.5), ("a:pm25", 13)]
    await world.jobs()
    observed = ok(await ada.get("/v1/observations"))["items"][0]
    receipt = ok(await ada.get(f"/v1/observations/{observed['id']}/receipt"))
    assert receipt["content"]["readings_sha256"] == hashlib.sha256(canonical(submitted["readings"])).hexdigest()


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ({}, ["/photos"]),
        ({"readings": None}, ["/photos", "/readings"]),
        ({"readings": []}, ["/photos", "/readings"]),
        ({"readings": None, "answers": {}}, ["/photos", "/answers/open", "/readings"]),
        ({"outcome": "honest_negative", "answers": {}, "readings": None}, ["/photos"]),
    ],
)
async def test_everything_that_is_missing_is_named_at_once(
    ada: Caller, bo: Caller, given: Json, pointers: list[str]
) -> None:
    evidence = {**EVIDENCE, "photos": {"min": 2, "max": 3}}
    claimed = await claim(bo, await post_task(ada, evidence=evidence, acceptance={"mode": "auto"}))
    told = is_problem(
        await bo.post(f"/v1/people/claims/{claimed['id']}/submission", {**GOOD, **given}), 422, "evidence-missing"
    )
    assert [each["pointer"] for each in told["errors"]] == pointers
    assert "1 photo;" in told["errors"][0]["detail"] or "2 photos; 0 came" in told["errors"][0]["detail"]


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


class Refused(Exception):
    """What is handed in does not fit."""


async def test_what_does_not_fit_is_refused_before_anything_is_written(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    person = ids.read("person", bo.id)
    given = submissions.Answering(answers={"open": "open"})

    def refuse(
        given: submissions.Answering, evidence: terms.Evidence, at: datetime, uploaded: int
    ) -> submissions.Answering:
        raise Refused

    async with world.services.database.transaction() as connection:
        with pytest.raises(Refused):
            await submissions.submit(connection, person, claimed["id"], given, fitting=refuse)
        with pytest.raises(NotFound):
            await submissions.submit(connection, ids.new(), claimed["id"], given, fitting=refuse)
        # Whoever has a number holds back the event log for everybody.
        assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned()") is None
        await submissions.submit(connection, person, claimed["id"], given)
        assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned()") is not None
        with pytest.raises(ClaimOver):
            await submissions.submit(connection, person, claimed["id"], given, fitting=refuse)


async def test_the_door_resolves_the_largest_pack_once(
    ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[int] = []
    resolve = readings.resolve

    def count(pack: list[dict[str, Any]], now: datetime) -> list[readings.Sample]:
        resolved.append(len(pack))
        return resolve(pack, now)

    monkeypatch.setattr(readings, "resolve", count)
    wanted = [{"name": f"q{index}", "unit": "Cel", "min_samples": 10_000} for index in range(20)]
    claimed = await claim(
        bo, await post_task(ada, kind="reading", evidence={"readings": wanted}, acceptance={"checks": ["readings"]})
    )
    path = f"/v1/people/claims/{claimed['id']}/submission"
    pack: list[Json] = [{"bn": ("a:" * 100)[:199], "v": 1}] + [{"v": 1}] * 9_999
    told = is_problem(await bo.post(path, {"readings": pack}), 422, "evidence-missing")
    assert len(told["errors"]) == 20 and resolved == [10_000]
    # As many mistakes as are told are looked for, and no more.
    judged = Counter[str]()
    monkeypatch.setattr(readings, "_judge_unit", lambda sample, asked: judged.update(["sample"]) or "No.")
    told = is_problem(await bo.post(path, {"readings": [{"bn": "a:q7", "v": 1}] * 10_000}), 422, "validation")
    assert len(told["errors"]) == strict.MOST_ERRORS == judged["sample"]


async def test_a_verdict_is_found_beside_the_loop_that_shows_the_worker_lives(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, threads = checking.check, []

    def check(*given: Any) -> Any:
        threads.append(threading.current_thread())
        return real(*given)

    monkeypatch.setattr(checking, "check", check)
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed, answers={"open": "open"})
    await world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"
    assert threads and threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("body", "pointers", "looks"),
    [
        (b'{"readings":[' + b"1," * 9_999 + b"1]}", [f"/readings/{index}" for index in range(50)], 60),
        (b'{"readings":[' + b"1," * 10_000 + b"1]}", ["/readings"], 10),
        (b"{" + b",".join(b'"%d":1' % index for index in range(9_999)) + b"}", [f"/{index}" for index in range(50)], 2),
        (b'{"answers":{"' + b"k" * 50_000 + b'":[' + b"1," * 9_999 + b'"\\u0000"]}}', None, 0),
    ],
)
def test_a_body_full_of_mistakes_costs_as_many_looks_as_are_told(
    body: bytes, pointers: list[str] | None, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Counter[str] = Counter()
    collect, escape = strict._collect, strict.escape

    def counting_collect(*given: Any, **options: Any) -> None:
        counted["looks"] += 1
        collect(*given, **options)

    def counting_escape(name: str) -> str:
        counted["steps"] += 1
        return escape(name)

    monkeypatch.setattr(strict, "_collect", counting_collect)
    monkeypatch.setattr(strict, "escape", counting_escape)
    with pytest.raises(Problem) as refused:
        strict.decode_body(body, submissions.Answering)
    assert [each.pointer for each in refused.value.errors] == (
        [f"/answers/{'k' * 50_000}/9999"] if pointers is None else pointers
    )
    assert counted["looks"] <= looks and counted["steps"] <= 60

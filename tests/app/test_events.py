"""The event log over HTTP: read by cursor, waiting for what comes, nothing skipped and nothing twice."""

import asyncio
import time
from typing import Any

import pytest

from app.db import DatabaseAway
from market import events
from tests.app.conftest import Caller, World, answer, is_problem, ok, post_task, running


async def everything(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = ok(await caller.get("/v1/events", params={**query, **({"after": cursor} if cursor else {})}))
        if not page["items"]:
            return found
        found += page["items"]
        cursor = page["next_cursor"]


async def test_both_sides_read_what_concerns_them(ada: Caller, bo: Caller, cy: Caller) -> None:
    task = await post_task(ada)
    await answer(bo, task)
    hers = [event["type"] for event in await everything(ada, limit=2)]
    assert hers == [
        "account.opened", "key.created", "task.posted", "task.claimed", "submission.received", "submission.accepted",
        "task.completed",
    ]  # fmt: skip
    his = [event["type"] for event in await everything(bo)]
    assert his[-3:] == ["photo.stored", "submission.received", "submission.accepted"]
    assert task["id"] not in str(await everything(cy))


async def test_waiting_ends_as_soon_as_something_happens(ada: Caller) -> None:
    last = (await everything(ada))[-1]["id"]
    waiting = asyncio.create_task(ada.get("/v1/events", params={"after": last, "wait_s": 20}))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    began = time.monotonic()
    task = await post_task(ada)
    seen = ok(await waiting)["items"]
    assert time.monotonic() - began < 3
    assert (seen[0]["type"], seen[0]["subject"]["id"]) == ("task.posted", task["id"])


async def test_waiting_in_one_process_is_ended_by_another(world: World, ada: Caller) -> None:
    last = (await everything(ada))[-1]["id"]
    async with running(world.services.config) as other:
        elsewhere = Caller(other, ada.id, ada.secret)
        waiting = asyncio.create_task(elsewhere.get("/v1/events", params={"after": last, "wait_s": 20}))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await post_task(ada)
        assert ok(await waiting)["items"]
        assert time.monotonic() - began < 3


async def test_waiting_ends_empty_when_nothing_happens(ada: Caller) -> None:
    last = (await everything(ada))[-1]["id"]
    began = time.monotonic()
    page = ok(await ada.get("/v1/events", params={"after": last, "wait_s": 1}))
    assert page == {"items": [], "next_cursor": last}
    assert 0.9 < time.monotonic() - began < 4


async def test_a_hundred_waiting_readers_hold_no_connection(ada: Caller) -> None:
    last = (await everything(ada))[-1]["id"]
    query = {"after": last, "wait_s": 30}
    waiting = [asyncio.create_task(ada.get("/v1/events", params=query)) for _ in range(100)]
    await asyncio.sleep(1)
    began = time.monotonic()
    await post_task(ada)
    assert time.monotonic() - began < 2
    assert all(ok(each)["items"] for each in await asyncio.gather(*waiting))


async def test_events_of_many_writers_at_once_come_once_each_and_in_one_order(ada: Caller) -> None:
    last = (await everything(ada))[-1]["id"]
    seen: list[str] = []

    async def follow() -> None:
        after = last
        while len(seen) < 30:
            page = ok(await ada.get("/v1/events", params={"after": after, "wait_s": 10, "limit": 7}))
            seen.extend(event["id"] for event in page["items"])
            after = page["next_cursor"]

    following = asyncio.create_task(follow())
    await asyncio.gather(*(post_task(ada) for _ in range(30)))
    await asyncio.wait_for(following, 30)
    assert len(set(seen)) == len(seen) == 30
    assert seen == sorted(seen)


async def test_a_cursor_that_is_no_event_is_refused(ada: Caller) -> None:
    for bad in ("evt_zz", "x", "evt_" + "f" * 32, "1"):
        problem = is_problem(await ada.get("/v1/events", params={"after": bad}), 422, "validation")
        assert problem["errors"][0]["pointer"] == "/after"
    is_problem(await ada.get("/v1/events", params={"wait_s": 61}), 422, "validation")


async def test_who_waits_is_called_only_for_their_own_news(
    world: World, ada: Caller, cy: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    after = events.after

    async def counted(*given: Any, **asked: Any) -> Any:
        looks.append(str(asked.get("account") or asked.get("person")))
        return await after(*given, **asked)

    last = (await everything(cy))[-1]["id"]
    mine = (await everything(ada))[-1]["id"]
    monkeypatch.setattr(events, "after", counted)
    patient = [asyncio.create_task(cy.get("/v1/events", params={"after": last, "wait_s": 2})) for _ in range(10)]
    waiting = asyncio.create_task(ada.get("/v1/events", params={"after": mine, "wait_s": 20}))
    await asyncio.sleep(0.3)
    looks.clear()
    await post_task(ada)
    assert ok(await waiting)["items"][0]["type"] == "task.posted"
    assert len(set(looks)) == 1 and len(looks) <= 2  # Ada's; Cy's ten were left in peace
    assert [ok(each)["items"] for each in await asyncio.gather(*patient)] == [[]] * 10


async def test_an_event_behind_an_older_transaction_comes_as_soon_as_that_has_ended(world: World, ada: Caller) -> None:
    last = (await everything(ada))[-1]["id"]
    waiting = asyncio.create_task(ada.get("/v1/events", params={"after": last, "wait_s": 20}))
    async with world.services.database.transaction() as older:
        await older.fetchval("SELECT pg_current_xact_id()")
        await post_task(ada)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        ended = time.monotonic()
    assert ok(await waiting)["items"][0]["type"] == "task.posted"
    assert time.monotonic() - ended < 1


async def test_waiting_outlives_a_look_that_failed(world: World, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    last = (await everything(ada))[-1]["id"]
    news, failures = events.news, [DatabaseAway("gone"), OSError("gone")]

    async def shaky(*given: Any) -> Any:
        if failures:
            raise failures.pop()
        return await news(*given)

    monkeypatch.setattr(events, "news", shaky)
    waiting = asyncio.create_task(ada.get("/v1/events", params={"after": last, "wait_s": 20}))
    await asyncio.sleep(0.2)
    await post_task(ada)
    assert ok(await waiting)["items"][0]["type"] == "task.posted"


async def test_nobody_waits_in_a_hundred_places(ada: Caller) -> None:
    last = (await everything(ada))[-1]["id"]
    asked = [ada.get("/v1/events", params={"after": last, "wait_s": 1}) for _ in range(110)]
    answers = await asyncio.gather(*asked)
    assert sorted(each.status_code for each in answers) == [200] * 100 + [429] * 10
    assert ok(await ada.get("/v1/events", params={"after": last, "wait_s": 0.1}))["items"] == []

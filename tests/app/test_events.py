"""The event log over HTTP: read by cursor, waiting for what comes, nothing skipped and nothing twice."""

import asyncio
import time
from typing import Any

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
    events = ok(await waiting)["items"]
    assert time.monotonic() - began < 3
    assert (events[0]["type"], events[0]["subject"]["id"]) == ("task.posted", task["id"])


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

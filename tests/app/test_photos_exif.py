"""Photos as the world sends them, over HTTP: each ends in a verdict or in a refusal that says why, within bounds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from tests.app.conftest import Caller, Json, World, a_task, claim, ok, photo, submit
from tests.app.test_decode_pool import MOST_RSS_KB, children, peak_rss_kb
from tests.sensors.difficult import Difficult, difficult, made

AT_ONCE = 4
REFUSALS = {400, 413, 415, 422}


@asynccontextmanager
async def watched() -> AsyncIterator[dict[int, int]]:
    """The peak memory in kB of each decode worker that lives in this block, by process id."""
    peaks: dict[int, int] = {}

    async def watch() -> None:
        while True:
            for child in children():
                with suppress(OSError, StopIteration):  # it may have ended just now
                    peaks[child.pid] = max(peaks.get(child.pid, 0), peak_rss_kb(child))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield peaks
    finally:
        watching.cancel()


async def hand_in(bo: Caller, task: Json, content: bytes) -> Json:
    """Bo's photo for a task: the problem that refused it, or the submission."""
    claimed = await claim(bo, task)
    uploaded = await photo(bo, claimed, content)
    if uploaded.status_code == 200:
        return await submit(bo, claimed, answers={})
    assert uploaded.status_code in REFUSALS, uploaded.text
    problem: Json = uploaded.json()
    await bo.delete(f"/v1/people/claims/{claimed['id']}")
    return problem


async def everything(ada: Caller, bo: Caller, photos: dict[str, bytes]) -> dict[str, Json]:
    """A task for each photo, and what became of it."""
    evidence = {"photos": {"min": 1, "max": 1, "live_capture": False}}
    wanted = [a_task(evidence=evidence, external_id=name, acceptance={"checks": ["decodes"]}) for name in photos]
    posted = ok(await ada.post("/v1/tasks/batch", {"tasks": wanted}))["results"]
    few = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, task: Json) -> tuple[str, Json]:
        async with few:
            return name, await hand_in(bo, task, photos[name])

    found = await asyncio.gather(*(one(name, each["task"]) for name, each in zip(photos, posted, strict=True)))
    await bo.world.jobs()
    return {
        name: ok(await bo.get(f"/v1/people/submissions/{each['id']}")) if "id" in each else each for name, each in found
    }


@pytest.mark.parametrize("source", [difficult, made])
async def test_every_photo_ends_in_a_verdict_or_in_a_refusal_that_says_why(
    world: World, ada: Caller, bo: Caller, source: Callable[[], Difficult]
) -> None:
    photos, unreadable, phones = source()
    async with watched() as peaks:
        ended = await everything(ada, bo, photos)
        for name, each in ended.items():
            if "type" in each:
                assert name in unreadable and len(each["detail"]) > 15, (name, each)
                continue
            found = {check["name"]: check for check in each["verdict"]["checks"]}
            assert all(len(check["detail"]) > 5 for check in found.values()), (name, found)
            shown = await bo.get(each["photos"][0]["links"]["thumb"])
            if name in unreadable:
                assert (each["status"], each["rejection"]["failed_check"]) == ("rejected", "decodes"), (name, found)
                assert len(each["rejection"]["comment"]) > 15 and shown.status_code == 404, name
            else:
                # Old dates and the same picture twice are for the buyer to judge; that it opens is not.
                assert each["status"] in ("accepted", "needs_review"), (name, found)
                assert found["decodes"]["status"] in ("pass", "warn"), (name, found)
                assert shown.status_code == 200 and shown.content.startswith(b"\xff\xd8\xff"), name
    assert len(ended) == len(photos)
    heic = {name for name in photos if name.lower().endswith((".heic", ".hif"))} - unreadable
    assert heic >= {phone.name for phone in phones}
    assert all("verdict" in ended[name] for name in heic)
    assert peaks and max(peaks.values()) < MOST_RSS_KB

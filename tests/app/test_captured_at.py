"""An observation is of the time when its evidence was made, not of the time when it was handed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.app.conftest import Caller, Json, World, claim, ok, photo, post_task, submit

PM: Json = {"readings": [{"name": "pm25", "unit": "ug/m3"}]}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def only(caller: Caller, path: str) -> Any:
    (found,) = ok(await caller.get(path))["items"]
    return found


async def test_a_photo_taken_before_it_is_handed_in_is_of_then(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    taken = datetime.now(UTC) - timedelta(minutes=3)
    ok(await photo(bo, claimed, capture={"taken_at": taken.isoformat()}))
    await submit(bo, claimed)
    await world.jobs()
    seen = await only(ada, "/v1/observations")
    assert moment(seen["captured_at"]) == taken
    tables = ok(await bo.get("/v1/people/me/export"))["tables"]
    assert [moment(tables[name][0]["captured_at"]) for name in ("submissions", "observations")] == [taken, taken]


async def test_a_time_that_is_doubted_is_not_taken_over(world: World, ada: Caller, bo: Caller) -> None:
    rules = {"mode": "manual", "checks": ["at_place"]}
    claimed = await claim(bo, await post_task(ada, acceptance=rules))
    ok(await photo(bo, claimed, capture={"taken_at": (datetime.now(UTC) - timedelta(days=30)).isoformat()}))
    submitted = await submit(bo, claimed)
    await world.jobs()
    ok(await ada.post(f"/v1/submissions/{submitted['id']}/accept", {}))
    seen = await only(ada, "/v1/observations")
    assert seen["captured_at"] == submitted["submitted_at"]


async def test_readings_are_of_their_newest_sample(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, kind="reading", evidence=PM, acceptance={"min_score": 0.3})
    claimed = await claim(bo, task)
    pack = [{"n": "pm25", "u": "ug/m3", "v": 9 + t / 100, "t": t} for t in (-200, -100)]
    submitted = await submit(bo, claimed, answers={}, readings=pack)
    await world.jobs()
    seen = await only(ada, "/v1/observations")
    assert moment(seen["captured_at"]) == moment(submitted["submitted_at"]) - timedelta(seconds=100)

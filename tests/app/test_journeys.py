"""Nobody is in two cities at once: positions of one person for other claims, accepted or not, and the time between."""

from __future__ import annotations

import pytest

from app import judging
from market import ids
from tests.app.conftest import Caller, Json, World, claim, ok, photo, post_task, submit

BERLIN, NEW_YORK, TOKYO = {"lat": 52.52, "lon": 13.405}, {"lat": 40.7, "lon": -74.0}, {"lat": 35.6, "lon": 139.7}
SYDNEY, LONDON, SINGAPORE = {"lat": -33.8, "lon": 151.2}, {"lat": 51.5, "lon": -0.1}, {"lat": 1.3, "lon": 103.8}
CITIES = [BERLIN, NEW_YORK, TOKYO, SYDNEY, LONDON, SINGAPORE]


async def photographed(ada: Caller, bo: Caller, where: Json, **changes: object) -> Json:
    """A claim of a task there, with a photo that says it is from there."""
    claimed = await claim(bo, await post_task(ada, place={**where, "radius_m": 80}, **changes))
    ok(await photo(bo, claimed, capture=where))
    return claimed


async def outcome(bo: Caller, submitted: Json) -> tuple[str, str]:
    """What became of a submission, and the finding about its place."""
    found = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    return found["status"], next(each["status"] for each in found["verdict"]["checks"] if each["name"] == "at_place")


async def test_of_six_cities_at_once_the_first_is_believed(world: World, ada: Caller, bo: Caller) -> None:
    claims = [await photographed(ada, bo, city) for city in CITIES]
    submitted = [await submit(bo, each) for each in claims]
    await world.jobs()
    assert [await outcome(bo, each) for each in submitted] == [("accepted", "pass")] + [("rejected", "fail")] * 5


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_the_later_of_two_fails_whichever_is_handed_in_and_judged_first(
    world: World, ada: Caller, bo: Caller, order: tuple[int, int]
) -> None:
    claims = [await photographed(ada, bo, city) for city in (BERLIN, TOKYO)]
    submitted = {index: await submit(bo, claims[index]) for index in order}
    for index in order:
        await judging.judge(world.services, {"submission_id": str(ids.read("submission", submitted[index]["id"]))})
    assert await outcome(bo, submitted[0]) == ("accepted", "pass")
    assert await outcome(bo, submitted[1]) == ("rejected", "fail")


async def test_what_waits_for_its_buyer_counts_too(world: World, ada: Caller, bo: Caller) -> None:
    manual = {"mode": "manual", "checks": ["at_place", "fresh"]}
    found = []
    for city in (BERLIN, NEW_YORK, TOKYO):
        submitted = await submit(bo, await photographed(ada, bo, city, acceptance=manual))
        await world.jobs()
        found.append(await outcome(bo, submitted))
    assert found == [("needs_review", "pass"), ("rejected", "fail"), ("rejected", "fail")]


async def test_a_position_that_was_refused_spoils_a_day_and_no_more(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, capture=SYDNEY))  # the phone took an address for its place
    wrong = await submit(bo, claimed)
    await world.jobs()
    assert await outcome(bo, wrong) == ("rejected", "fail")
    soon = await submit(bo, await photographed(ada, bo, BERLIN))
    await world.jobs()
    assert await outcome(bo, soon) == ("rejected", "fail")
    await world.later(86_400)
    checks = {"checks": ["at_place"], "min_score": 0.0}  # the photo's own clock was not moved ahead
    near_by = {"lat": 52.5203, "lon": 13.4056}
    next_day = await submit(bo, await photographed(ada, bo, near_by, acceptance=checks))
    await world.jobs()
    assert await outcome(bo, next_day) == ("accepted", "pass")


async def test_whoever_tries_the_same_task_again_with_a_right_position_is_paid(
    world: World, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada)
    found = []
    for where in (SYDNEY, BERLIN):
        claimed = await claim(bo, task)
        ok(await photo(bo, claimed, capture=where))
        submitted = await submit(bo, claimed)
        await world.jobs()
        found.append(await outcome(bo, submitted))
    assert found == [("rejected", "fail"), ("accepted", "pass")]


async def test_what_was_given_back_was_never_handed_in(world: World, ada: Caller, bo: Caller) -> None:
    given_back = await photographed(ada, bo, SYDNEY)
    ok(await bo.delete(f"/v1/people/claims/{given_back['id']}"), 204)
    submitted = await submit(bo, await photographed(ada, bo, BERLIN))
    await world.jobs()
    assert await outcome(bo, submitted) == ("accepted", "pass")


async def test_a_clock_that_is_set_back_does_not_lengthen_the_journey(world: World, ada: Caller, bo: Caller) -> None:
    checks = {"mode": "auto", "checks": ["at_place"], "min_score": 0.0}
    first = await photographed(ada, bo, BERLIN)
    claimed = await claim(bo, await post_task(ada, place={**TOKYO, "radius_m": 80}, acceptance=checks))
    ok(await photo(bo, claimed, capture={**TOKYO, "taken_at": "2031-01-01T00:00:00Z"}))
    submitted = [await submit(bo, first), await submit(bo, claimed)]
    await world.jobs()
    assert [await outcome(bo, each) for each in submitted] == [("accepted", "pass"), ("rejected", "fail")]


async def test_claims_without_photos_are_left_open_when_they_jump(world: World, ada: Caller, bo: Caller) -> None:
    asked = {"readings": [{"name": "pm25", "unit": "ug/m3"}]}
    found = []
    for city in (BERLIN, TOKYO):
        task = await post_task(
            ada, kind="reading", evidence=asked, place={**city, "radius_m": 80}, acceptance={"checks": ["at_place"]}
        )
        given: Json = {"answers": {}, "readings": [{"n": "pm25", "u": "ug/m3", "v": 12}]}
        submitted = await submit(bo, await claim(bo, task), **given)
        await world.jobs()
        found.append(await outcome(bo, submitted))
    assert found == [("accepted", "pass"), ("needs_review", "inconclusive")]

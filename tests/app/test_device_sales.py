"""What a device has sold it does not sell again: alone is alone, a round is a person's once, tomorrow is not yet."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from market import ids
from tests.app.conftest import BAKERY, Caller, Json, World, a_task, claim, fund, is_problem, ok, person
from tests.app.test_device_observations import PM, Instrument, instrument, now, pm, standing_task

ALONE = {"license": {"exclusive_s": 86_400, "resale": False}}
DEAR = {"reward": {"amount": 900, "currency": "usd"}}


def why(pushed: Json, task: Json) -> str:
    """What is told of a task that did not take the batch."""
    assert pushed["submissions"] == []
    return next(str(each["detail"]) for each in pushed["passed"] if each["task_id"] == task["id"])


def taken(pushed: Json) -> list[str]:
    return sorted(each["task_id"] for each in pushed["submissions"])


async def test_what_one_buyer_has_alone_is_sold_to_nobody_else(
    world: World, ada: Caller, bo: Caller, cy: Caller
) -> None:
    await fund(cy, 100_000)
    alone, common = await standing_task(ada, **DEAR, **ALONE), await standing_task(cy)
    balcony, at = await instrument(bo), now()
    first = ok(await balcony.push(pm(12.5, t=at)), 201)
    assert taken(first) == [alone["id"]] and "who has them alone" in first["passed"][0]["detail"]
    again = ok(await balcony.push(pm(12.5, t=at)), 201)
    assert "1 were sold to another buyer, who has them alone" in why(again, common)
    await world.jobs()
    fresh = ok(await balcony.push(pm(12.5, t=at), pm(13, t=at + 1)), 201)
    assert taken(fresh) == [common["id"]]
    seen = ok(await cy.get(f"/v1/submissions/{fresh['submissions'][0]['submission_id']}"))
    assert [each["v"] for each in seen["readings"]] == [13]


async def test_what_others_have_is_sold_to_nobody_alone(world: World, ada: Caller, bo: Caller, cy: Caller) -> None:
    await fund(cy, 100_000)
    common = await standing_task(cy)
    balcony, at = await instrument(bo), now()
    assert taken(ok(await balcony.push(pm(12.5, t=at)), 201)) == [common["id"]]
    alone = await standing_task(ada, **DEAR, **ALONE, opens_at=datetime.fromtimestamp(at - 60).astimezone().isoformat())
    assert "sold to others already" in why(ok(await balcony.push(pm(12.5, t=at)), 201), alone)
    assert taken(ok(await balcony.push(pm(13, t=at + 1)), 201)) == [alone["id"]]


async def test_another_quantity_and_what_was_refused_may_be_sold(world: World, ada: Caller, bo: Caller) -> None:
    alone = await standing_task(ada, **DEAR, **ALONE)
    air = await standing_task(ada, evidence={"readings": [{"name": "co2", "unit": "ppm"}]})
    balcony, at = await instrument(bo), now()
    both = [pm(99_999, t=at), {"n": "co2", "u": "ppm", "v": 450, "t": at}]
    assert taken(ok(await balcony.push(*both), 201)) == sorted([alone["id"], air["id"]])
    await world.jobs()
    common = await standing_task(ada, opens_at=datetime.fromtimestamp(at - 60).astimezone().isoformat())
    await world.later(1)
    again = ok(await balcony.push(pm(12, t=at)), 201)
    assert taken(again) == [alone["id"]] and again["passed"][0]["task_id"] == common["id"]


async def test_another_name_of_a_quantity_is_no_other_sample(world: World, ada: Caller, bo: Caller) -> None:
    named = {"evidence": {"readings": [{"name": "pm2_5", "unit": "ug/m3"}]}}
    alone, other = await standing_task(ada, **DEAR, **ALONE), await standing_task(ada, **named)
    sample = pm(1)
    pushed = ok(await (await instrument(bo)).push(sample, {**sample, "n": "pm2_5"}), 201)
    assert taken(pushed) == [alone["id"]] and pushed["passed"][0]["task_id"] == other["id"]


async def test_a_round_buys_one_answer_of_a_person_however_many_devices(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada, standing={"every_s": 3600, "per_round": 10})
    devices, at = [await instrument(bo) for _ in range(4)], now()
    pushed = [ok(await each.push(pm(12.5, t=at)), 201) for each in devices]
    assert [len(each["submissions"]) for each in pushed] == [1, 0, 0, 0]
    assert "at most 1 time by one person" in why(pushed[1], task)
    # Nor by hand, and each person has an answer of their own.
    told = await bo.post(f"/v1/people/tasks/{task['id']}/claims", {**BAKERY, "accuracy_m": 5})
    is_problem(told, 409, "already-answered")
    assert ok(await bo.get("/v1/people/tasks", params=BAKERY))["items"] == []
    cleo = await person(world, "Cleo")
    assert len(ok(await (await instrument(cleo)).push(pm(12.5)), 201)["submissions"]) == 1
    await world.jobs()
    await world.later(3600)
    assert len(ok(await devices[1].push(pm(12.5, t=0)), 201)["submissions"]) == 1


async def test_devices_of_one_person_at_once_give_one_answer(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada, standing={"every_s": 3600, "per_round": 10})
    pushed = await asyncio.gather(*[(await instrument(bo)).push(pm(12.5)) for _ in range(6)])
    assert sum(len(ok(each, 201)["submissions"]) for each in pushed) == 1
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"]["claimed"] == 1


async def test_a_buyer_may_take_more_of_one_person(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada, standing={"every_s": 3600, "per_round": 10, "per_person": 2})
    assert task["standing"]["per_person"] == 2
    pushed = [ok(await (await instrument(bo)).push(pm(12.5)), 201) for _ in range(3)]
    assert [len(each["submissions"]) for each in pushed] == [1, 1, 0]


async def test_a_sample_of_tomorrow_is_sold_once(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada, standing={"every_s": 60})
    balcony, ahead = await instrument(bo), now() + 55
    assert taken(ok(await balcony.push(pm(10, t=ahead)), 201)) == [task["id"]]
    await world.jobs()
    for _ in range(2):
        await world.later(60)
        told = why(ok(await balcony.push(pm(10, t=ahead)), 201), task)
        assert "Of pm25, 1 were measured before" in told


@pytest.mark.parametrize("ahead_s", [65, 280, 67 * 60, 10**9])
async def test_a_batch_from_the_future_is_refused(world: World, ada: Caller, bo: Caller, ahead_s: float) -> None:
    task, balcony = await standing_task(ada), await instrument(bo)
    refused = is_problem(await balcony.push(pm(10), pm(11, t=now() + ahead_s)), 422, "validation")
    assert refused["errors"][0]["pointer"] == "/readings/1" and "in the future" in refused["errors"][0]["detail"]
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"]["claimed"] == 0
    assert taken(ok(await balcony.push(pm(10), pm(11, t=now() + 50)), 201)) == [task["id"]]


# ---- why not


async def test_a_filled_round_is_told_with_the_next(world: World, ada: Caller, bo: Caller) -> None:
    task, balcony = await standing_task(ada), await instrument(bo)
    ok(await balcony.push(pm(10)), 201)
    cleo = await instrument(await person(world, "Cleo"))
    opens = datetime.fromisoformat(task["opens_at"]).timestamp()
    for device, words in ((balcony, "answered in this round"), (cleo, "This round's answers (1) are all taken")):
        pushed = ok(await device.push(pm(11)), 201)
        assert words in why(pushed, task)
        assert datetime.fromisoformat(pushed["passed"][0]["again_at"]).timestamp() == pytest.approx(opens + 3600)
    await world.later(3600)
    assert taken(ok(await cleo.push(pm(12, t=0)), 201)) == [task["id"]]


async def test_a_task_that_is_sold_out_or_about_to_end_names_no_next_round(
    world: World, ada: Caller, bo: Caller
) -> None:
    full = await standing_task(ada, quantity=1, acceptance={"mode": "manual", "checks": ["readings"]})
    soon = datetime.fromtimestamp(now() + 1800).astimezone().isoformat()
    ending = await standing_task(ada, closes_at=soon)
    ok(await (await instrument(bo)).push(pm(10)), 201)
    cleo = await instrument(await person(world, "Cleo"))
    pushed = ok(await cleo.push(pm(11)), 201)
    assert "All 1 answers that it buys are taken" in why(pushed, full) and "all taken" in why(pushed, ending)
    assert [each["again_at"] for each in pushed["passed"]] == [None, None]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"t": -600}, ["3 samples of pm25 are asked, 0 usable ones came", "3 were measured before", "task opened"]),
        ({"n": "PM25"}, ["0 usable ones came", "'PM25' came, and the name that is asked is 'pm25'"]),
        ({"n": "a:pm2.5"}, ["'pm2.5' came, and the name that is asked is 'pm25'"]),
    ],
)
async def test_samples_that_do_not_count_are_told_why(
    world: World, ada: Caller, bo: Caller, changed: dict[str, Any], words: list[str]
) -> None:
    task = await standing_task(ada, evidence={"readings": [{**PM[0], "min_samples": 3}]})
    told = why(ok(await (await instrument(bo)).push(*[{**pm(1), **changed}] * 3), 201), task)
    assert all(each in told for each in words), told


async def test_what_is_older_than_a_round_is_told_so(world: World, ada: Caller, bo: Caller) -> None:
    task, balcony = await standing_task(ada), await instrument(bo)
    await world.later(4 * 3600)
    assert "one round of 3600 s ago" in why(ok(await balcony.push(pm(1, t=-2 * 3600)), 201), task)


async def test_a_person_who_spells_a_name_in_capitals_is_told_the_right_one(ada: Caller, bo: Caller) -> None:
    asked = a_task(kind="reading", evidence={"readings": PM}, acceptance={"checks": ["readings"]})
    claimed = await claim(bo, ok(await ada.post("/v1/tasks", asked), 201))
    record = {"n": "PM25", "u": "ug/m3", "v": 1}
    told = is_problem(
        await bo.post(f"/v1/people/claims/{claimed['id']}/submission", {"readings": [record]}), 422, "evidence-missing"
    )
    assert "'PM25' came, and the name that is asked is 'pm25'" in told["errors"][0]["detail"]


async def test_a_device_that_stands_at_the_place_is_there(world: World, ada: Caller, bo: Caller) -> None:
    await standing_task(ada)
    pushed = ok(await (await instrument(bo)).push(pm(10)), 201)
    await world.jobs()
    judged = ok(await bo.get(f"/v1/people/submissions/{pushed['submissions'][0]['submission_id']}"))
    (check,) = [each for each in judged["verdict"]["checks"] if each["name"] == "at_place"]
    assert (check["status"], check["detail"]) == ("pass", "The device is registered at the place.")


async def test_what_a_device_sold_goes_with_its_person(world: World, ada: Caller, bo: Caller) -> None:
    await standing_task(ada)
    balcony: Instrument = await instrument(bo)
    ok(await balcony.push(pm(10)), 201)
    sales = ok(await bo.get("/v1/people/me/export"))["tables"]["device_sales"]
    assert [(each["device_id"], each["quantity"], each["alone"]) for each in sales] == [(balcony.id, "pm25", False)]
    ok(await bo.ask("DELETE", "/v1/people/me", json={"confirm": "erase everything about me"}))
    async with world.services.database.read() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM device_sale WHERE device_id = $1", ids.read("device", balcony.id)
        )
    assert left == 0

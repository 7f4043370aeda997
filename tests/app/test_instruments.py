"""What is known of an instrument, and of those beside it, is told with what it measured."""

import math
from typing import Any

from tests.app.conftest import BAKERY, Caller, Json, World, ok, person
from tests.app.phone import enrol
from tests.app.test_device_observations import Instrument, instrument, now, standing_task
from tests.keys import Key

PM = {"n": "pm25", "u": "ug/m3"}
DAY = {"every_s": 86_400, "per_round": 5}


async def verdict(world: World, buyer: Caller, pushed: Json) -> Json:
    """The finding on the readings of the one task that took the batch."""
    assert pushed["passed"] == [] and len(pushed["submissions"]) == 1
    await world.jobs()
    judged = ok(await buyer.get(f"/v1/submissions/{pushed['submissions'][0]['submission_id']}"))
    (check,) = [each for each in judged["verdict"]["checks"] if each["name"] == "readings"]
    return {**check, "status_of_all": judged["status"]}


async def calibrated(owner: Caller, **calibration: Any) -> Instrument:
    key = Key()
    sensors = [{"quantity": "pm25", "unit": "mg/m3", "calibration": calibration}]
    made = ok(await enrol(owner, key, kind="sensor", place=BAKERY, altitude_m=34.0, sensors=sensors), 201)
    return Instrument(owner, made["id"], key.private)


async def test_a_calibration_is_applied_and_both_values_are_told(world: World, ada: Caller, bo: Caller) -> None:
    await standing_task(ada)
    balcony = await calibrated(bo, gain=2.0, offset=0.001, date="2026-03-31", certificate="C 7")
    check = await verdict(world, ada, ok(await balcony.push({**PM, "v": 10, "t": now()}), 201))
    assert check["status"] == "pass"
    assert (check["data"]["raw_mean"], check["data"]["mean"]) == (10, 21)
    assert check["data"]["calibration"] == {
        "gain": 2.0, "offset": 0.001, "unit": "mg/m3", "date": "2026-03-31", "certificate": "C 7",
    }  # fmt: skip


async def test_an_old_calibration_is_a_signal(world: World, ada: Caller, bo: Caller) -> None:
    await standing_task(ada)
    balcony = await calibrated(bo, date="2019-03-31")
    check = await verdict(world, ada, ok(await balcony.push({**PM, "v": 10, "t": now()}), 201))
    assert check["status"] == "warn" and "2019-03-31, more than two years old" in check["detail"]


async def test_pressure_is_held_against_the_height(world: World, ada: Caller, bo: Caller) -> None:
    task = {"evidence": {"readings": [{"name": "pressure", "unit": "hPa"}]}}
    await standing_task(ada, **task)
    balcony = await calibrated(bo, date="2026-03-31")
    check = await verdict(world, ada, ok(await balcony.push({"n": "pressure", "u": "hPa", "v": 900, "t": now()}), 201))
    assert check["status"] == "warn" and check["data"]["labels"] == {"altitude": {"count": 1, "records": [0]}}


def day(end: float, offset_s: float = 0) -> list[Json]:
    """Sixty samples of the fifteen hours before `end`, with a rush that all instruments of the street see."""
    times = [end - 900 * n for n in reversed(range(60))]
    middle = times[30]
    return [
        {**PM, "v": round(20 + 15 * math.exp(-(((t - middle) / 9_000) ** 2)) + 0.3 * math.sin(t), 3), "t": t + offset_s}
        for t in times
    ]


async def three_of_a_street(world: World, buyer: Caller, bo: Caller, **task: Any) -> Json:
    """What is found on Bo's readings, three hours off, once Cy and Dee have sold theirs of the same day."""
    await standing_task(buyer, standing=DAY, acceptance={"checks": ["readings"], "min_score": 0.1}, **task)
    await world.later(20 * 3600)
    evening = now() + 20 * 3600 - 120
    for name in ("Cy", "Dee"):
        honest = await instrument(await person(world, name))
        check = await verdict(world, buyer, ok(await honest.push(*day(evening)), 201))
        assert check["status"] == "pass" and check["status_of_all"] == "accepted", check
    off = await instrument(bo)
    return await verdict(world, buyer, ok(await off.push(*day(evening, offset_s=-3 * 3600)), 201))


async def test_instruments_beside_it_tell_that_a_clock_is_off(world: World, ada: Caller, bo: Caller) -> None:
    check = await three_of_a_street(world, ada, bo)
    assert check["status"] == "warn" and check["data"]["labels"]["time_shift"]["count"] == 60, check
    # Whose instruments those are, and what they measured, is not told.
    assert "moved by hours" in check["detail"] and check["data"].keys() == {
        "quantity", "samples", "mean", "unit", "labels",
    }  # fmt: skip


async def test_instruments_of_a_whole_town_are_not_beside_each_other(world: World, ada: Caller, bo: Caller) -> None:
    check = await three_of_a_street(world, ada, bo, place={**BAKERY, "radius_m": 5_000})
    assert check["status"] == "pass", check

"""POST /v1/quotes: what a draft would cost, when it would be answered, what that is worth; and how quotes come true."""

from __future__ import annotations

from typing import Any

import pytest

from app import quoting
from market import fill_history, ids
from tests.app.conftest import (
    BAKERY,
    Caller,
    Json,
    World,
    a_task,
    answer,
    claim,
    is_problem,
    ok,
    person,
    post_task,
)
from tests.app.test_authorisation import SECRET

DECISION: Json = {
    "question": "open",
    "prior": {"open": 0.5, "closed": 0.5},
    "acts": {"go": {"open": 2000, "closed": -2000}, "stay": {"open": 0, "closed": 0}},
}


async def quote(caller: Caller, **changes: Any) -> Json:
    found: Json = ok(await caller.post("/v1/quotes", a_task(**changes)))
    return found


async def test_a_market_without_history_quotes_by_its_prior(ada: Caller) -> None:
    quoted = await quote(ada, within_s=[3600, 14_400])
    assert [each["within_s"] for each in quoted["fill"]] == [3600, 14_400]
    hour, four = quoted["fill"]
    assert 0 < hour["low"] < hour["probability"] < hour["high"] < 1
    assert hour["probability"] < four["probability"] and four["high"] - four["low"] > 0.4
    assert quoted["fill_time"]["early_s"] < quoted["fill_time"]["median_s"]
    assert quoted["price_suggested"]["amount"] > 0 and quoted["people_nearby"] == 0
    assert quoted["fee"]["amount"] == 30 and quoted["worst_case_cost"]["amount"] == 330
    assert quoted["based_on"] == {"slots": 0, "fitted_at": None} and quoted["already_known"] == []
    assert quoted["decision"] is None


async def test_nothing_is_held_and_a_rising_price_counts_as_it_rises(ada: Caller) -> None:
    before = ok(await ada.get("/v1/account"))["balance"]
    schedule = {"max": {"amount": 1200, "currency": "usd"}, "step_s": 600, "step_percent": 50}
    fixed, rising = await quote(ada, within_s=[14_400]), await quote(ada, within_s=[14_400], price_schedule=schedule)
    assert rising["fill"][0]["probability"] > fixed["fill"][0]["probability"]
    assert rising["worst_case_cost"]["amount"] == 1320
    assert rising["price_suggested"] == fixed["price_suggested"]
    assert ok(await ada.get("/v1/account"))["balance"] == before and ok(await ada.get("/v1/tasks"))["items"] == []


async def test_the_suggested_price_does_what_it_is_suggested_for(ada: Caller) -> None:
    closing = {"opens_at": "2040-06-04T08:00:00Z", "closes_at": "2040-06-04T12:00:00Z"}
    suggested = (await quote(ada, **closing, wished_probability=0.6))["price_suggested"]["amount"]
    for amount, enough in [(suggested, True), (suggested - 1, False)]:
        quoted = await quote(ada, **closing, reward={"amount": amount, "currency": "usd"})
        assert (quoted["fill"][-1]["probability"] >= 0.6) is enough
    soon = {"opens_at": "2040-06-04T02:00:00Z", "closes_at": "2040-06-04T02:05:00Z"}
    assert (await quote(ada, **soon, wished_probability=0.99))["price_suggested"] is None


async def test_several_answers_take_longer_than_one(ada: Caller) -> None:
    [three] = (await quote(ada, quantity=3, within_s=[14_400]))["fill"]
    assert three["probability"] < three["one"] and three["expected"] == pytest.approx(3 * three["one"], abs=1e-5)


async def test_what_may_be_done_anywhere_has_nobody_near(ada: Caller) -> None:
    quoted = await quote(ada, place=None, acceptance={})
    assert quoted["people_nearby"] is None and 0 < quoted["fill"][-1]["probability"] <= 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"closes_at": "2020-01-01T00:00:00Z"}, "/closes_at"),
        ({"reward": {"amount": 300, "currency": "eur"}}, "/reward/currency"),
        ({"kind": "reading"}, "/evidence/readings"),
        ({"within_s": [10]}, "/within_s/0"),
        ({"wished_probability": 1}, "/wished_probability"),
        ({"decision": DECISION | {"prior": {"open": 0.5, "closed": 0.4}}}, "/decision/prior"),
        ({"decision": DECISION | {"prior": {"open": 0.5, "shut": 0.5}}}, "/decision/acts/go"),
        ({"decision": DECISION | {"question": "colour"}}, "/decision/question"),
        ({"decision": DECISION | {"acts": {"a/b": {"open": 1}}}}, "/decision/acts/a~1b"),
        (
            {"decision": DECISION | {"confusion": {"open": {"open": 1}, "closed": {"open": 0.5}}}},
            "/decision/confusion/closed",
        ),
        ({"decision": DECISION | {"confusion": {"open": {"open": 1}}}}, "/decision/confusion"),
        ({"decision": DECISION | {"prior": {"open": 0.5, "x": 0.5}, "acts": {"a": {"open": 0, "x": 1}}}},
         "/decision/prior/x"),
    ],
)  # fmt: skip
async def test_what_posting_would_refuse_is_refused_and_so_is_a_decision_without_sense(
    ada: Caller, changes: Json, pointer: str
) -> None:
    refused = is_problem(await ada.post("/v1/quotes", a_task(**changes)), 422, "validation")
    assert [each["pointer"] for each in refused["errors"]] == [pointer]


async def test_an_answer_is_worth_what_it_changes(ada: Caller) -> None:
    worth = (await quote(ada, decision=DECISION))["decision"]
    # The truth saves 2000 half of the time; one answer that is right with r is worth r·1000 − (1 − r)·1000.
    right = worth["reliability"]["accuracy"]
    assert worth["value_perfect"] == 1000 and 0.75 < right < 0.95 and worth["reliability"]["based_on"] == 0
    # Three answers are possible, so "gone" comes with a part of what is wrong, and tells nothing.
    wrong = (1 - right) / 2
    assert worth["value_one"] == pytest.approx(1000 * (right - wrong), abs=0.01)
    assert worth["most_to_pay"]["amount"] == int(worth["value_one"])
    reward = worth["most_reward"]["amount"]
    assert reward + reward // 10 <= worth["most_to_pay"]["amount"] < reward + 1 + (reward + 1) // 10
    assert (
        worth["worth_asking"] and worth["replicates"] == 1 and worth["gain"] == pytest.approx(worth["value_one"] - 330)
    )
    cheap = (await quote(ada, decision=DECISION, reward={"amount": 40, "currency": "usd"}))["decision"]
    assert cheap["replicates"] > 1 and cheap["gain"] > worth["gain"]
    dear = (await quote(ada, decision=DECISION, reward={"amount": 3000, "currency": "usd"}))["decision"]
    assert not dear["worth_asking"] and dear["replicates"] == 0 and dear["gain"] == 0


async def test_an_own_confusion_matrix_takes_the_place_of_the_markets(ada: Caller) -> None:
    sure = {"open": {"open": 1.0}, "closed": {"closed": 1.0}}
    worth = (await quote(ada, decision=DECISION | {"confusion": sure}))["decision"]
    assert worth["reliability"] is None and worth["value_one"] == worth["value_perfect"] == 1000
    assert worth["best_act_now"] in ("go", "stay") and worth["question"] == "open"


async def taken_in(world: World) -> None:
    """The log is read on, as the sweep does."""
    await quoting.follow(world.services)


async def test_people_who_claimed_near_by_are_counted_by_fives_and_fewer_are_nobody(world: World, ada: Caller) -> None:
    task = await post_task(ada, quantity=10)
    crowd = [await person(world, f"P{n}") for n in range(6)]
    for each in crowd[:4]:
        await claim(each, task)
    await taken_in(world)
    assert (await quote(ada))["people_nearby"] == 0
    for each in crowd[4:]:
        await claim(each, task)
    await taken_in(world)
    assert (await quote(ada))["people_nearby"] == 5
    assert (await quote(ada, place={"lat": 48.1, "lon": 11.6, "radius_m": 80}))["people_nearby"] == 0
    # Who leaves is forgotten here too, and what is kept of somebody is told to them.
    exported = ok(await crowd[0].get("/v1/people/me/export"))
    assert [each["cell"] for each in exported["tables"]["active_near"]] == [
        format(fill_history.cells(BAKERY["lat"], BAKERY["lon"])[0], "x")
    ]
    for each in crowd[:2]:
        ok(await each.ask("DELETE", "/v1/people/me", json={"confirm": "erase everything about me"}))
    await taken_in(world)
    assert (await quote(ada))["people_nearby"] == 0
    await world.later(15 * 86_400)
    async with world.services.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM active_near") == 0


async def test_the_model_is_fitted_to_what_happened_at_most_once_an_hour(world: World, ada: Caller, bo: Caller) -> None:
    before = await quote(ada, within_s=[3600])
    for _ in range(3):
        assert (await answer(bo, await post_task(ada)))["status"] == "accepted"
    await world.later(60)
    fitted = await quote(ada, within_s=[3600])
    assert fitted["based_on"]["slots"] == 3 and fitted["based_on"]["fitted_at"] is not None
    assert fitted["fill"][0]["probability"] > before["fill"][0]["probability"]
    await world.later(600)
    assert (await quote(ada))["based_on"] == fitted["based_on"]
    await post_task(ada)
    await world.later(3600)
    assert (await quote(ada))["based_on"]["slots"] == 4


async def test_forecasts_are_made_before_answers_and_scored_after(world: World, ada: Caller, bo: Caller) -> None:
    empty = ok(await world.client.get("/v1/quotes/calibration"))
    assert empty["tasks"] == 0 and empty["inside"] is None and empty["brier"]["score"] is None
    answered, ignored = await post_task(ada, purpose=SECRET), await post_task(ada)
    await taken_in(world)
    assert (await answer(bo, answered))["status"] == "accepted"
    late = await post_task(ada)
    assert (await answer(bo, late))["status"] == "accepted"
    await world.later(8 * 86_400)
    async with world.services.database.read() as connection:
        rows = {ids.show("task", row["task_id"]): row for row in await connection.fetch("SELECT * FROM forecast")}
        assert set(rows) == {answered["id"], ignored["id"]}, "one that had been answered already is not foretold"
        assert rows[answered["id"]]["filled_s"] < 60 and rows[ignored["id"]]["known_s"] == 7 * 86_400
        with pytest.raises(Exception, match="stays as it was"):
            await connection.execute("UPDATE forecast SET chances = '{1, 1, 1, 1}'")
    told = await world.client.get("/v1/quotes/calibration")
    found = ok(told)
    assert SECRET not in told.text and found["tasks"] == 2
    assert found["brier"]["forecasts"] == 8 == sum(each["count"] for each in found["bins"])
    mean = [sum(row["chances"]) / 4 for row in rows.values()]
    assert sum(each["predicted"] * each["count"] for each in found["bins"] if each["count"]) / 8 == pytest.approx(
        sum(mean) / 2
    )
    # One came true at every horizon, the other at none.
    errors = [(1 - chance) ** 2 for chance in rows[answered["id"]]["chances"]]
    errors += [chance**2 for chance in rows[ignored["id"]]["chances"]]
    assert found["brier"]["score"] == pytest.approx(sum(errors) / 8) and found["brier"]["base_rate"] == 0.25
    assert found["kinds"][0]["kind"] == "photo" and 0 <= found["inside"] <= 1 and found["filled"] == 1


async def test_where_nothing_was_filled_no_share_is_told(world: World, ada: Caller) -> None:
    ignored = await post_task(ada)
    await taken_in(world)
    ok(await ada.post(f"/v1/tasks/{ignored['id']}/cancel"))
    await world.later(86_400)
    found = ok(await world.client.get("/v1/quotes/calibration"))
    assert (found["tasks"], found["filled"], found["inside"]) == (1, 0, None)

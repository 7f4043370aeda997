"""Series and routes over HTTP."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.app.conftest import Caller, Json, World, a_task, answer, is_problem, ok, person
from tests.app.grouping import a_route, a_series

HERE = {"lat": 52.52, "lon": 13.405, "accuracy_m": 5}
NEAR = "?lat=52.52&lon=13.405"
HELD = 330  # for one answer, with the fee


async def available(caller: Caller) -> int:
    found: int = ok(await caller.get("/v1/account"))["balance"]["available"]["amount"]
    return found


async def test_a_series_is_posted_looked_at_and_ended(ada: Caller, cy: Caller) -> None:
    posted = ok(await ada.post("/v1/series", a_series(same_person="forbidden")), 201)
    assert (posted["kind"], posted["status"], posted["total"]) == ("series", "open", 3)
    assert posted["held"]["amount"] == 3 * HELD == 100_000 - await available(ada)
    tasks = [ok(await ada.get(f"/v1/tasks/{id}")) for id in posted["tasks"]]
    assert {task["group"] for task in tasks} == {posted["id"]}
    opens = [datetime.fromisoformat(task["opens_at"]).astimezone(ZoneInfo("Europe/Berlin")) for task in tasks]
    assert [at.hour for at in opens] == [9, 9, 9] and len({at.date() for at in opens}) == 3
    [listed] = ok(await ada.get("/v1/groups?kind=series"))["items"]
    assert listed == {key: value for key, value in posted.items() if key != "tasks"}
    assert ok(await ada.get("/v1/groups?kind=route"))["items"] == []
    is_problem(await cy.get(f"/v1/groups/{posted['id']}"), 404, "not-found")
    ended = ok(await ada.post(f"/v1/groups/{posted['id']}/cancel"))
    assert (ended["status"], ended["counts"]["cancelled"], ended["held"]["amount"]) == ("cancelled", 3, 0)
    assert await available(ada) == 100_000
    is_problem(await ada.post(f"/v1/groups/{posted['id']}/cancel"), 409, "group-over")
    kinds = [event["type"] for event in ok(await ada.get("/v1/events"))["items"]]
    assert kinds.count("group.posted") == kinds.count("group.cancelled") == 1


async def test_groups_are_listed_page_by_page_newest_first(ada: Caller) -> None:
    ids = [ok(await ada.post("/v1/routes", a_route()), 201)["id"] for _ in range(3)]
    first = ok(await ada.get("/v1/groups?limit=2"))
    assert [group["id"] for group in first["items"]] == ids[:0:-1]
    rest = ok(await ada.get(f"/v1/groups?limit=2&cursor={first['next_cursor']}"))
    assert [group["id"] for group in rest["items"]] == ids[:1] and rest["next_cursor"] is None


async def test_a_route_is_found_taken_as_a_whole_and_answered(world: World, ada: Caller, bo: Caller) -> None:
    posted = ok(await ada.post("/v1/routes", a_route()), 201)
    stops = [ok(await ada.get(f"/v1/tasks/{id}"))["title"] for id in posted["tasks"]]
    assert stops in (["Stop 0", "Stop 2", "Stop 1"], ["Stop 1", "Stop 2", "Stop 0"])
    assert ok(await bo.get(f"/v1/people/tasks{NEAR}"))["items"] == []
    [route] = ok(await bo.get(f"/v1/people/routes{NEAR}"))["items"]
    assert (route["id"], route["tasks"], route["distance_m"]) == (posted["id"], 3, 0)
    assert route["reward"]["amount"] == 900 and route["fee"]["amount"] == 90
    assert route["length_m"] == posted["length_m"] == pytest.approx(1353, abs=2)
    seen = ok(await bo.get(f"/v1/people/routes/{posted['id']}{NEAR}"))
    assert [task["id"] for task in seen["tasks"]] == posted["tasks"]
    single = await bo.post(f"/v1/people/tasks/{posted['tasks'][0]}/claims", HERE)
    is_problem(single, 409, "part-of-route")
    taken = ok(await bo.post(f"/v1/people/routes/{posted['id']}/claims", HERE), 201)["claims"]
    assert [claim["task_id"] for claim in taken] == posted["tasks"]
    dee = await person(world, "Dee")
    is_problem(await dee.post(f"/v1/people/routes/{posted['id']}/claims", HERE), 409, "route-taken")
    assert ok(await dee.get(f"/v1/people/routes{NEAR}"))["items"] == []
    assert (await bo.delete(f"/v1/people/claims/{taken[0]['id']}")).status_code == 204
    [left] = ok(await dee.get(f"/v1/people/tasks{NEAR}"))["items"]
    assert left["id"] == posted["tasks"][0]
    place = {key: left["place"][key] for key in ("lat", "lon")}
    assert (await answer(dee, left, **place))["status"] == "accepted"
    assert ok(await ada.get(f"/v1/groups/{posted['id']}"))["counts"]["completed"] == 1


async def test_a_dry_run_tells_the_cost_and_does_nothing(ada: Caller) -> None:
    for path, draft in (("/v1/series", a_series()), ("/v1/routes", a_route())):
        tried = ok(await ada.post(f"{path}?dry_run=true", draft))
        assert (tried["dry_run"], tried["total"], tried["worst_case_cost"]["amount"]) == (True, 3, 3 * HELD)
        assert tried["available_after"]["amount"] == 100_000 - 3 * HELD
    assert await available(ada) == 100_000
    assert ok(await ada.get("/v1/groups"))["items"] == ok(await ada.get("/v1/tasks"))["items"] == []


async def test_all_are_posted_or_none(ada: Caller, cy: Caller) -> None:
    capped = Caller(ada.world, "", ok(await ada.post("/v1/keys", {"max_per_day": 2 * HELD}), 201)["api_key"])
    for path, draft in (("/v1/series", a_series()), ("/v1/routes", a_route())):
        is_problem(await cy.post(path, draft), 402, "insufficient-funds")
        is_problem(await capped.post(path, draft), 402, "over-cap")
    assert ok(await cy.get("/v1/tasks"))["items"] == ok(await ada.get("/v1/tasks"))["items"] == []
    assert await available(ada) == 100_000


SCHEDULE: Json = a_series()["schedule"]
PARTS: list[Json] = a_route()["tasks"]


LATE = {"closes_at": "2027-01-01T00:00:00Z"}
STONE = {"readings": [{"name": "air", "unit": "stone"}]}
WRONG: list[tuple[str, Json, str]] = [
    ("/v1/series", a_series(task=a_task(reward={"amount": 300, "currency": "eur"})), "/task/reward/currency"),
    ("/v1/series", a_series(task=a_task(opens_at="2027-01-01T00:00:00Z")), "/task/opens_at"),
    ("/v1/series", a_series(schedule=SCHEDULE | {"timezone": "Europe"}), "/schedule/timezone"),
    ("/v1/series", a_series(schedule=SCHEDULE | {"times": ["24:00"]}), "/schedule/times/0"),
    ("/v1/series", a_series(schedule=SCHEDULE | {"weekdays": [8]}), "/schedule/weekdays/0"),
    ("/v1/routes", a_route(tasks=[PARTS[0], PARTS[1] | {"quantity": 2}]), "/tasks/1/quantity"),
    ("/v1/routes", a_route(tasks=[PARTS[0], PARTS[1] | LATE]), "/tasks/1/closes_at"),
    (
        "/v1/routes",
        a_route(tasks=[PARTS[0], PARTS[1] | {"kind": "answer", "evidence": {"photos": {}}, "acceptance": {}}]),
        "/tasks/1/evidence/questions",
    ),
    (
        "/v1/routes",
        a_route(tasks=[PARTS[0], PARTS[1] | {"evidence": STONE, "kind": "reading", "acceptance": {}}]),
        "/tasks/1/evidence/readings/0/unit",
    ),
]


async def test_what_is_wrong_is_named_where_it_stands(ada: Caller) -> None:
    for path, draft, pointer in WRONG:
        told = is_problem(await ada.post(path, draft), 422, "validation")
        assert pointer in [each["pointer"] for each in told["errors"]], told
    assert ok(await ada.get("/v1/groups"))["items"] == []

"""Areas over HTTP."""

from tests.app.conftest import Caller, an_area, answer, is_problem, ok


async def test_an_area_is_posted_answered_in_a_cell_and_drawn(ada: Caller, bo: Caller) -> None:
    area = ok(await ada.post("/v1/areas", an_area()), 201)
    assert (area["total"], area["covered"]) == (2, 0)
    task = ok(await ada.get(f"/v1/tasks/{area['cells'][0]['task_id']}"))
    place = {"lat": task["place"]["lat"], "lon": task["place"]["lon"]}
    assert (await answer(bo, task, **place))["status"] == "accepted"
    seen = ok(await ada.get(f"/v1/areas/{area['id']}"))
    assert (seen["covered"], [cell["answered"] for cell in seen["cells"]]) == (1, [1, 0])
    drawn = await ada.get(f"/v1/areas/{area['id']}?format=geojson")
    assert drawn.headers["content-type"] == "application/geo+json"
    assert [each["properties"]["answered"] for each in ok(drawn)["features"]] == [1, 0]
    assert all(each["geometry"]["type"] == "Polygon" for each in ok(drawn)["features"])


async def test_a_rehearsal_says_what_all_cells_would_cost_and_posts_nothing(ada: Caller) -> None:
    tried = ok(await ada.post("/v1/areas?dry_run=true", an_area()))
    assert tried["dry_run"] and tried["total"] == 2
    assert tried["worst_case_cost"]["amount"] == 2 * (tried["reward"]["amount"] + tried["fee"]["amount"]) == 660
    assert tried["available_after"]["amount"] == 100_000 - 660
    assert tried["checks"] == ["fresh", "at_place", "not_duplicate", "live"]
    assert ok(await ada.get("/v1/tasks"))["items"] == []
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000


async def test_all_cells_are_posted_or_none(ada: Caller, cy: Caller) -> None:
    is_problem(await cy.post("/v1/areas", an_area()), 402, "insufficient-funds")
    assert ok(await cy.get("/v1/tasks"))["items"] == []
    capped = Caller(ada.world, "", ok(await ada.post("/v1/keys", {"max_per_day": 400}), 201)["api_key"])
    is_problem(await capped.post("/v1/areas", an_area()), 402, "over-cap")  # one cell would have been within it
    assert ok(await ada.get("/v1/tasks"))["items"] == []


async def test_what_is_wrong_in_the_task_is_named_where_it_stands(ada: Caller) -> None:
    area = an_area()
    stone = {"evidence": {"readings": [{"name": "pm25", "unit": "stone"}]}, "kind": "reading"}
    for task, pointer in (
        ({"reward": {"amount": 300, "currency": "eur"}}, "/task/reward/currency"),
        (stone, "/task/evidence/readings/0/unit"),
        ({"place": {"lat": 1, "lon": 1}}, "/task/place"),
    ):
        wrong = area | {"task": area["task"] | task}
        told = is_problem(await ada.post("/v1/areas", wrong), 422, "validation")
        assert [each["pointer"] for each in told["errors"]] == [pointer]
    far = area | {"area": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}}
    told = is_problem(await ada.post("/v1/areas", far), 422, "validation")
    assert told["errors"][0]["pointer"] == "/resolution" and "cells of resolution 9; at most 500" in told["detail"]

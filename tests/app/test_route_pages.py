"""Routes on the pages for people: shown as one, taken as one."""

from tests.app.conftest import BAKERY, Caller, World, is_problem, ok, photo, submit
from tests.app.grouping import a_route

HTML = {"accept": "text/html"}
HERE = {key: str(value) for key, value in BAKERY.items()}


async def _posted(ada: Caller, bo: Caller) -> tuple[str, list[str]]:
    """A route's id as people know it, and its tasks in the order of the way."""
    ok(await ada.post("/v1/routes", a_route()), 201)
    [route] = ok(await bo.get("/v1/people/routes", params=BAKERY))["items"]
    return route["id"], [task["id"] for task in ok(await bo.get(f"/v1/people/routes/{route['id']}"))["tasks"]]


async def test_a_route_is_near_as_one_and_taken_as_one(world: World, ada: Caller, bo: Caller) -> None:
    route, parts = await _posted(ada, bo)
    for client in (bo, world.client):  # also for guests
        page = (await client.get("/w", params=BAKERY, headers=HTML)).text
        assert page.count(f"/w/routes/{route}?") == 1 and "3 tasks on one way" in page and "9.00" in page
        assert not [part for part in parts if part in page]
    page = (await bo.get(f"/w/tasks/{parts[1]}", headers=HTML)).text
    assert f'href="/w/routes/{route}"' in page
    page = (await bo.get(f"/w/routes/{route}", params=BAKERY, headers=HTML)).text
    assert [page.index(part) for part in parts] == sorted(page.index(part) for part in parts)
    assert "Take all 3 for" in page and "0 m from you" in page
    page = (await bo.post(f"/w/routes/{route}/claims", data={"lat": ""}, headers=HTML)).text
    assert "Your position is still missing" in page
    taken = await bo.post(f"/w/routes/{route}/claims", data=HERE, headers=HTML)
    assert taken.status_code == 303
    held = {claim["task_id"]: claim["id"] for claim in ok(await bo.get("/v1/people/claims"))["items"]}
    assert sorted(held) == sorted(parts) and taken.headers["location"] == f"/w/claims/{held[parts[0]]}"
    page = (await bo.get(f"/w/routes/{route}", headers=HTML)).text
    assert "You have taken this route" in page and all(claim in page for claim in held.values())


async def test_a_route_is_given_back_but_for_what_was_handed_in(ada: Caller, bo: Caller) -> None:
    route, parts = await _posted(ada, bo)
    gone = f"/v1/people/routes/{route}/claims"
    is_problem(await bo.delete(gone), 404, "not-found")
    taken = ok(await bo.post(gone, {**BAKERY, "accuracy_m": 5}), 201)["claims"]
    ok(await photo(bo, taken[0]))
    await submit(bo, taken[0])
    ok(await bo.delete(gone), 204)
    assert ok(await bo.get("/v1/people/claims"))["items"] == []
    assert ok(await bo.get(f"/v1/people/claims/{taken[0]['id']}"))["status"] == "submitted"
    slots = [ok(await ada.get(f"/v1/tasks/{part}"))["slots"] for part in parts]
    assert [(each["open"], each["claimed"]) for each in slots] == [(0, 1), (1, 0), (1, 0)]
    is_problem(await bo.delete(gone), 409, "claim-expired")


async def test_a_route_of_which_a_part_has_ended_is_not_taken_any_more(ada: Caller, bo: Caller) -> None:
    route, parts = await _posted(ada, bo)
    ok(await ada.post(f"/v1/tasks/{parts[0]}/cancel"))
    page = (await bo.get(f"/w/routes/{route}", headers=HTML)).text
    assert "not whole any more" in page and "Take all" not in page
    page = (await bo.get("/w", params={**BAKERY, "radius_m": 20_000}, headers=HTML)).text
    assert route not in page and parts[1] in page and parts[2] in page
    refused = await bo.post(f"/w/routes/{route}/claims", data=HERE, headers=HTML)
    assert refused.status_code == 409 and "The route is not whole any more" in refused.text

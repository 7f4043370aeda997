"""Keys that make keys: none has more than the one that made it."""

from tests.app.conftest import Caller, World, a_task, is_problem, ok, post_task


async def test_a_key_hands_on_no_more_than_it_has(world: World, ada: Caller) -> None:
    capped = ok(await ada.post("/v1/keys", {"max_per_day": 1000, "scopes": ["keys:write", "tasks:write"]}), 201)
    helper = Caller(world, "", capped["api_key"])
    is_problem(await helper.post("/v1/keys", {}), 403, "forbidden")  # no cap
    is_problem(await helper.post("/v1/keys", {"max_per_day": 2000}), 403, "forbidden")
    more = {"max_per_day": 500, "scopes": ["funding:write"]}
    is_problem(await helper.post("/v1/keys", more), 403, "forbidden")
    ok(await helper.post("/v1/keys", {"max_per_day": 500}), 201)
    others = [key for key in ok(await ada.get("/v1/keys"))["items"] if key["max_per_day"] is None]
    is_problem(await helper.post(f"/v1/keys/{others[0]['id']}/rotate"), 403, "forbidden")
    is_problem(await helper.delete(f"/v1/keys/{others[0]['id']}"), 403, "forbidden")
    assert ok(await ada.get("/v1/account"))["id"] == ada.id  # the first key goes on working


async def test_a_capped_key_does_not_get_around_its_cap_by_making_keys(world: World, ada: Caller) -> None:
    cap = {"max_per_day": 1000, "scopes": ["keys:write", "tasks:write", "tasks:read"]}
    helper = Caller(world, "", ok(await ada.post("/v1/keys", cap), 201)["api_key"])
    made = [Caller(world, "", ok(await helper.post("/v1/keys", {"max_per_day": 1000}), 201)["api_key"]) for _ in "ab"]
    for each in (made[0], made[1], helper):
        await post_task(each)
    for each in (made[0], made[1], helper):
        is_problem(await each.post("/v1/tasks", a_task()), 402, "over-cap")

"""The loop over HTTP: a priced task becomes a paid observation."""

import hashlib

from tests.app.conftest import Caller, World, answer, claim, ok, photo, picture, post_task, submit


async def test_a_task_becomes_a_paid_observation(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    assert task["held"]["amount"] == 330  # the reward and 10 % for the market
    near = ok(await bo.get("/v1/people/tasks", params={"lat": 52.521, "lon": 13.405}))
    assert [offer["id"] for offer in near["items"]] == [task["id"]]
    claimed = await claim(bo, task)
    content = picture(7)
    uploaded = ok(await photo(bo, claimed, content))
    assert uploaded["sha256"] == hashlib.sha256(content).hexdigest()
    submitted = await submit(bo, claimed)
    assert submitted["status"] == "checking"
    await world.jobs()

    judged = ok(await ada.get(f"/v1/submissions/{submitted['id']}"))
    assert judged["status"] == "accepted", judged["verdict"]
    assert judged["verdict"]["outcome"] == "pass"
    assert {check["name"] for check in judged["verdict"]["checks"]} >= {"decodes", "fresh", "at_place", "live"}
    account = ok(await ada.get("/v1/account"))
    assert account["balance"]["available"]["amount"] == 100_000 - 330
    assert account["balance"]["held"]["amount"] == 0
    earned = ok(await bo.get("/v1/people/earnings"))
    assert earned["pending"]["amount"] == 300
    assert earned["payable"]["amount"] == 0

    observed = ok(await ada.get("/v1/observations", params={"task_id": task["id"]}))["items"]
    assert len(observed) == 1
    assert observed[0]["answers"] == {"open": "open"}
    full = await ada.get(observed[0]["photos"][0]["links"]["full"])
    assert full.content.startswith(b"\xff\xd8") and full.content != content
    assert full.headers["x-content-type-options"] == "nosniff"
    copy = await ada.get(observed[0]["photos"][0]["links"]["thumb"])
    assert copy.headers["content-type"] == "image/jpeg"
    assert copy.content.startswith(b"\xff\xd8") and copy.content != content
    again = await ada.get(observed[0]["photos"][0]["links"]["thumb"], headers={"if-none-match": copy.headers["etag"]})
    assert again.status_code == 304

    await world.later(world.services.config.hold_window_s + 1)
    assert ok(await bo.get("/v1/people/earnings"))["payable"]["amount"] == 300


async def test_a_photo_that_is_sold_already_is_refused_and_the_slot_comes_back(
    world: World, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada, quantity=2)
    other = await post_task(ada)
    assert (await answer(bo, task, picture(1)))["status"] == "accepted"
    refused = await answer(bo, other, picture(1))
    assert refused["status"] == "rejected"
    assert refused["rejection"]["failed_check"] == "not_duplicate"
    assert "already used" in refused["rejection"]["comment"]
    assert ok(await ada.get(f"/v1/tasks/{other['id']}"))["slots"] == {"open": 1, "claimed": 0, "done": 0}


async def test_what_is_not_a_readable_photo_gets_a_verdict_that_says_so(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    refused = await answer(bo, task, picture(2)[:3000])
    assert refused["rejection"]["failed_check"] == "decodes"


async def test_a_photo_from_elsewhere_is_refused(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    refused = await answer(bo, task, lat=48.1, lon=11.5)
    assert refused["rejection"]["failed_check"] == "at_place"


async def test_a_dataset_lists_what_was_observed(world: World, ada: Caller, bo: Caller) -> None:
    for n in range(3):
        task = await post_task(ada, external_id=f"t-{n}")
        assert (await answer(bo, task))["status"] == "accepted"
    begun = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    assert begun["status"] == "building"
    await world.jobs()
    dataset = ok(await ada.get(f"/v1/datasets/{begun['id']}"))
    assert (dataset["status"], dataset["rows"]) == ("ready", 3)
    first = ok(await ada.get(f"/v1/datasets/{begun['id']}/files", params={"limit": 2}))
    rest = ok(await ada.get(f"/v1/datasets/{begun['id']}/files", params={"cursor": first["next_cursor"]}))
    items = first["items"] + rest["items"]
    assert [item["task_external_id"] for item in items] == ["t-0", "t-1", "t-2"]
    assert len({item["person"] for item in items}) == 1
    content = (await ada.get(items[0]["photos"][0]["url"])).content
    assert hashlib.sha256(content).hexdigest() == items[0]["photos"][0]["sha256"]

"""Tasks over HTTP: posted, listed, changed, ended."""

from tests.app.conftest import Caller, World, a_task, answer, claim, is_problem, ok, person, photo, post_task, submit


async def test_a_posted_task_comes_back_as_posted(ada: Caller) -> None:
    sent = a_task(metadata={"order": [1, {"x": None}]}, quantity=2)
    task = ok(await ada.post("/v1/tasks", sent), 201)
    for name in ("kind", "title", "instructions", "purpose", "place", "reward", "quantity", "external_id", "metadata"):
        assert task[name] == sent[name], name
    assert task["evidence"]["questions"][0]["choices"] == ["open", "closed", "gone"]
    assert (task["status"], task["slots"]) == ("open", {"open": 2, "claimed": 0, "done": 0})
    assert (task["fee"]["amount"], task["held"]["amount"]) == (30, 660)
    assert ok(await ada.get(task["links"]["self"])) == task


async def test_tasks_are_listed_newest_first_by_page_status_and_external_id(ada: Caller) -> None:
    posted = [await post_task(ada, external_id=f"x-{n}") for n in range(5)]
    ok(await ada.post(f"/v1/tasks/{posted[0]['id']}/cancel"))
    seen, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = ok(await ada.get("/v1/tasks", params=query))
        seen += [task["external_id"] for task in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["x-4", "x-3", "x-2", "x-1", "x-0"]
    assert len(ok(await ada.get("/v1/tasks?status=open"))["items"]) == 4
    found = ok(await ada.get("/v1/tasks?external_id=x-3"))["items"]
    assert [task["id"] for task in found] == [posted[3]["id"]]


async def test_a_change_is_made_only_to_the_version_that_was_read(ada: Caller) -> None:
    task = await post_task(ada)
    read = await ada.get(f"/v1/tasks/{task['id']}")
    path, etag = f"/v1/tasks/{task['id']}", read.headers["etag"]
    raised = await ada.patch(path, {"reward": {"amount": 500, "currency": "usd"}}, headers={"if-match": etag})
    assert ok(raised)["held"]["amount"] == 550
    assert raised.headers["etag"] != etag
    is_problem(await ada.patch(path, {"add_quantity": 1}, headers={"if-match": etag}), 409, "conflict")
    is_problem(await ada.patch(path, {"reward": {"amount": 400, "currency": "usd"}}), 422, "validation")
    for nothing in ({}, {"price_schedule": None}):
        assert "null leaves it" in is_problem(await ada.patch(path, nothing), 422, "validation")["detail"]
    ok(await ada.patch(path, {"add_quantity": 1}, headers={"if-match": raised.headers["etag"]}))
    assert ok(await ada.get("/v1/account"))["balance"] == {
        "available": {"amount": 98_900, "currency": "usd"},
        "held": {"amount": 1_100, "currency": "usd"},
    }


async def test_each_draft_of_a_batch_is_judged_alone(ada: Caller) -> None:
    drafts = [a_task(), a_task(quantity=-1), a_task(reward={"amount": 99_000, "currency": "usd"}), a_task(), {}]
    results = ok(await ada.post("/v1/tasks/batch", {"tasks": drafts}))["results"]
    assert [result["status"] for result in results] == [201, 422, 402, 201, 422]
    assert results[1]["problem"]["errors"][0]["pointer"] == "/quantity"
    assert results[2]["problem"]["type"].endswith("/insufficient-funds")
    assert len(ok(await ada.get("/v1/tasks"))["items"]) == 2
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000 - 660
    is_problem(await ada.post("/v1/tasks/batch", {"tasks": [a_task()] * 501}), 422, "validation")
    is_problem(await ada.post("/v1/tasks/batch", {"tasks": []}), 422, "validation")


async def test_a_claim_in_progress_outlives_its_cancelled_task_and_is_paid(
    world: World, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada, quantity=3)
    claimed = await claim(bo, task)
    ended = ok(await ada.post(f"/v1/tasks/{task['id']}/cancel"))
    assert (ended["status"], ended["held"]["amount"]) == ("cancelled", 330)
    ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed)
    await world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 300
    balance = ok(await ada.get("/v1/account"))["balance"]
    assert (balance["available"]["amount"], balance["held"]["amount"]) == (100_000 - 330, 0)


async def test_a_task_that_nobody_took_expires_and_the_money_comes_back(world: World, ada: Caller) -> None:
    task = await post_task(ada)
    await world.later(8 * 86_400)
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["status"] == "expired"
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000


async def test_what_is_not_reviewed_in_time_is_accepted(world: World, ada: Caller, bo: Caller) -> None:
    manual = {"mode": "manual", "checks": ["fresh"], "review_deadline_s": 3600}
    waiting = await answer(bo, await post_task(ada, acceptance=manual))
    assert waiting["status"] == "needs_review"
    await world.later(3601)
    decided = ok(await ada.get(f"/v1/submissions/{waiting['id']}"))
    assert decided["status"] == "accepted"
    assert len(ok(await ada.get("/v1/observations"))["items"]) == 1


async def test_a_rejection_tells_the_person_why_and_frees_the_slot(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh", "quality"]})
    waiting = await answer(bo, task)
    why = {"reason_code": "unreadable", "comment": "The sign cannot be read."}
    passed = {"failed_check": "quality", "comment": "The sign cannot be read."}
    refused = is_problem(await ada.post(f"/v1/submissions/{waiting['id']}/reject", passed), 422, "reason-required")
    assert refused["errors"][0]["pointer"] == "/failed_check"
    ok(await ada.post(f"/v1/submissions/{waiting['id']}/reject", why))
    told = ok(await bo.get(f"/v1/people/submissions/{waiting['id']}"))
    assert told["status"] == "rejected"
    assert told["rejection"]["reason_code"] == "unreadable"
    assert told["rejection"]["comment"] == "The sign cannot be read."
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"]["open"] == 1


async def test_a_bonus_and_a_rating_come_with_thanks(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]})
    waiting = await answer(bo, task)
    thanks = {"bonus": {"amount": 100, "currency": "usd"}, "rating": 5}
    accepted = ok(await ada.post(f"/v1/submissions/{waiting['id']}/accept", thanks))
    assert (accepted["bonus"]["amount"], accepted["rating"]) == (100, 5)
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 400
    assert (accepted["fee"]["amount"], accepted["observation_id"][:4]) == (30, "obs_")
    eur = {"bonus": {"amount": 100, "currency": "eur"}}
    is_problem(await ada.post(f"/v1/submissions/{waiting['id']}/accept", eur), 422, "validation")


async def test_an_acceptance_needs_no_body(ada: Caller, bo: Caller) -> None:
    waiting = await answer(bo, await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]}))
    assert ok(await ada.post(f"/v1/submissions/{waiting['id']}/accept"))["status"] == "accepted"


async def test_a_bonus_counts_with_all_that_the_task_costs(ada: Caller, bo: Caller, world: World) -> None:
    """Two slots at 3.30 and thanks: the cap on a task is a cap on the task."""
    eve = await person(world, "Eve")
    secret = ok(await ada.post("/v1/keys", {"max_per_task": 700}), 201)["api_key"]
    helper = Caller(world, ada.id, secret)
    task = await post_task(helper, quantity=2, acceptance={"mode": "manual", "checks": ["fresh"]})
    first, second = await answer(bo, task), await answer(eve, task)

    def thanks(amount: int) -> dict[str, object]:
        return {"bonus": {"amount": amount, "currency": "usd"}}

    is_problem(await helper.post(f"/v1/submissions/{first['id']}/accept", thanks(41)), 402, "over-cap")
    ok(await helper.post(f"/v1/submissions/{first['id']}/accept", thanks(30)))
    is_problem(await helper.patch(f"/v1/tasks/{task['id']}", {"reward": a_reward(310)}), 402, "over-cap")
    is_problem(await helper.post(f"/v1/submissions/{second['id']}/accept", thanks(11)), 402, "over-cap")
    ok(await helper.post(f"/v1/submissions/{second['id']}/accept", thanks(10)))
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000 - 660 - 40


def a_reward(amount: int) -> dict[str, object]:
    return {"amount": amount, "currency": "usd"}


async def test_a_place_means_that_photos_from_elsewhere_are_rejected(ada: Caller) -> None:
    plain = {"photos": {"min": 1}, "questions": [{"id": "open", "type": "boolean"}]}
    bare = {key: value for key, value in a_task(evidence=plain).items() if key != "acceptance"}
    assert ok(await ada.post("/v1/tasks", bare), 201)["acceptance"]["checks"] == ["fresh", "at_place", "not_duplicate"]
    anywhere = {key: value for key, value in bare.items() if key != "place"}
    assert ok(await ada.post("/v1/tasks", anywhere), 201)["acceptance"]["checks"] == ["fresh", "not_duplicate"]
    none = {**bare, "acceptance": {"checks": []}}
    assert ok(await ada.post("/v1/tasks", none), 201)["acceptance"]["checks"] == []


async def test_what_may_be_done_anywhere_is_claimed_without_saying_where(ada: Caller, bo: Caller) -> None:
    here, anywhere = await post_task(ada), await post_task(ada, place=None, acceptance={"checks": []})
    told = is_problem(await bo.post(f"/v1/people/tasks/{here['id']}/claims"), 422, "validation")
    assert told["errors"][0]["pointer"] == "/lat"
    assert ok(await bo.post(f"/v1/people/tasks/{anywhere['id']}/claims"), 201)["status"] == "active"
    is_problem(await bo.post(f"/v1/people/tasks/{anywhere['id']}/claims", {"lat": 1}), 422, "validation")


async def test_tasks_that_only_ask_are_looked_for_by_their_kind(ada: Caller, bo: Caller) -> None:
    asks = {"questions": [{"id": "open", "type": "choice", "choices": ["open", "closed"]}]}
    asked = await post_task(ada, kind="answer", evidence=asks, acceptance={"checks": []})
    await post_task(ada)
    found = ok(await bo.get("/v1/people/tasks?lat=52.52&lon=13.405&kind=answer"))["items"]
    assert [each["id"] for each in found] == [asked["id"]]

"""Many at once: one winner, and money moves once."""

import asyncio
from collections import Counter

import httpx

from market import claim_photos, claims, ids, keys, submissions
from market.audit import audit
from tests.app.conftest import (
    BAKERY,
    Caller,
    Json,
    World,
    a_task,
    answer,
    claim,
    fund,
    is_problem,
    ok,
    photo,
    post_task,
    submit,
)


async def crowd(world: World, size: int) -> list[Caller]:
    """People made without mail, to have many of them quickly."""
    found = []
    async with world.services.database.transaction() as connection:
        for n in range(size):
            person = await connection.fetchval(
                """INSERT INTO person (id, email, display_name, accepted_terms_at)
                   VALUES (gen_random_uuid(), $1, $2, now()) RETURNING id""",
                f"person{n}@example.com",
                f"Person {n}",
            )
            _, secret = await keys.first(connection, "person", person, actor="test")
            found.append(Caller(world, str(person), secret))
    return found


async def doubtful(world: World, who: Caller, task: Json) -> str:
    """A submission of theirs that the buyer has to decide on, made without pictures, to have many of them quickly."""
    person = ids.read("person", ok(await who.get("/v1/people/me"))["id"])
    verdict = {"score": 0.5, "outcome": "review", "version": "1", "checks": []}
    async with world.services.database.transaction() as connection:
        held = await claims.claim(connection, person, task["id"], None)
        taken = claim_photos.Photo(1, b"\x01" * 32, 900, "image/jpeg", None)
        await claim_photos.put(connection, person, held.id, taken)
        given = submissions.Answering(answers={"open": "open"})
        submission = await submissions.submit(connection, person, held.id, given)
        await submissions.judge(connection, submission, verdict, failed_check=None, hold_s=60)
    return ids.show("submission", submission)


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def available(ada: Caller) -> int:
    return int(ok(await ada.get("/v1/account"))["balance"]["available"]["amount"])


async def test_fifty_people_claim_the_one_slot_at_once_and_one_gets_it(world: World, ada: Caller) -> None:
    task = await post_task(ada)
    people = await crowd(world, 50)
    path = f"/v1/people/tasks/{task['id']}/claims"
    answers = await asyncio.gather(*(one.post(path, {**BAKERY, "accuracy_m": 5}) for one in people))
    assert statuses(answers) == {201: 1, 409: 49}
    for refused in answers:
        if refused.status_code == 409:
            is_problem(refused, 409, "slot-taken")
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"] == {"open": 0, "claimed": 1, "done": 0}


async def test_one_person_claims_fifty_times_at_once_and_holds_one(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, quantity=50)
    path = f"/v1/people/tasks/{task['id']}/claims"
    answers = await asyncio.gather(*(bo.post(path, {**BAKERY, "accuracy_m": 5}) for _ in range(50)))
    assert statuses(answers) == {201: 1, 409: 49}
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"] == {"open": 49, "claimed": 1, "done": 0}


async def test_one_submission_is_accepted_by_fifty_requests_at_once_and_paid_once(
    world: World, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]})
    waiting = await answer(bo, task)
    assert waiting["status"] == "needs_review"
    path = f"/v1/submissions/{waiting['id']}/accept"
    bonus = {"bonus": {"amount": 50, "currency": "usd"}}
    answers = await asyncio.gather(*(ada.post(path, bonus) for _ in range(50)))
    assert statuses(answers) == {200: 1, 409: 49}
    assert await available(ada) == 100_000 - 330 - 50
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 350


async def test_thanking_and_raising_at_once_under_one_cap_never_wait_for_each_other(world: World, ada: Caller) -> None:
    """Both take the task and the key's day; in two orders, a dozen rounds were sure to have a deadlock."""
    await fund(ada, 10_000_000)
    secret = ok(await ada.post("/v1/keys", {"max_per_task": 5_000_000, "max_per_day": 9_000_000}), 201)["api_key"]
    helper = Caller(world, ada.id, secret)
    people = await crowd(world, 8)
    for n in range(12):
        task = await post_task(ada, quantity=8, acceptance={"mode": "manual", "checks": ["fresh"]})
        waiting = [await doubtful(world, one, task) for one in people]
        bonus = {"bonus": {"amount": 50, "currency": "usd"}}
        asks = []
        for found in waiting:
            asks.append(helper.post(f"/v1/submissions/{found}/accept", bonus))
            asks.append(helper.patch(f"/v1/tasks/{task['id']}", {"add_quantity": 1}))
        assert statuses(await asyncio.gather(*asks)) == {200: 16}, f"round {n}"
        ended = ok(await ada.post(f"/v1/tasks/{task['id']}/cancel"))
        assert (ended["quantity"], ended["slots"]["done"]) == (16, 8)
    async with world.services.database.read() as connection:
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert await connection.fetchval(query) == 0
        assert await audit(connection) == []
    used = ok(await helper.get("/v1/account"))["caps"]["used_today"]
    assert used == 12 * 8 * (330 + 50)


async def test_accepting_and_rejecting_at_once_ends_in_one_of_them(world: World, ada: Caller, bo: Caller) -> None:
    for _ in range(5):
        task = await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]})
        waiting = await answer(bo, task)
        path = f"/v1/submissions/{waiting['id']}"
        why = {"reason_code": "unreadable", "comment": "too dark"}
        answers = await asyncio.gather(ada.post(f"{path}/accept", {}), ada.post(f"{path}/reject", why))
        assert statuses(answers) == {200: 1, 409: 1}


async def test_a_key_posting_again_after_a_time_out_makes_one_task(ada: Caller) -> None:
    headers = {"idempotency-key": "once-only"}
    first = await ada.post("/v1/tasks", a_task(), headers=headers)
    again = await ada.post("/v1/tasks", a_task(), headers={"idempotency-key": '"once-only"'})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await available(ada) == 100_000 - 330


async def test_fifty_posts_at_once_under_one_key_make_one_task(ada: Caller) -> None:
    headers = {"idempotency-key": "all-at-once"}
    answers = await asyncio.gather(*(ada.post("/v1/tasks", a_task(), headers=headers) for _ in range(50)))
    assert set(statuses(answers)) <= {201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    for told in answers:
        if told.status_code == 409:
            is_problem(told, 409, "in-flight")
            assert int(told.headers["retry-after"]) >= 1
    assert len([each for each in answers if each.status_code == 201 and "idempotent-replayed" not in each.headers]) == 1
    assert await available(ada) == 100_000 - 330
    later = await ada.post("/v1/tasks", a_task(), headers=headers)
    assert later.json()["id"] in made


async def test_one_key_with_another_body_or_path_is_refused(ada: Caller) -> None:
    headers = {"idempotency-key": "mine"}
    task = ok(await ada.post("/v1/tasks", a_task(), headers=headers), 201)
    is_problem(await ada.post("/v1/tasks", a_task(quantity=2), headers=headers), 422, "idempotency-key-reused")
    path = f"/v1/tasks/{task['id']}/cancel"
    is_problem(await ada.post(path, headers=headers), 422, "idempotency-key-reused")
    assert await available(ada) == 100_000 - 330


async def test_a_refused_request_keeps_nothing_under_its_key(ada: Caller) -> None:
    headers = {"idempotency-key": "try"}
    rich = a_task(reward={"amount": 200_000, "currency": "usd"})
    is_problem(await ada.post("/v1/tasks", rich, headers=headers), 402, "insufficient-funds")
    ok(await ada.post("/v1/tasks", a_task(), headers=headers), 201)


async def test_two_accounts_may_use_the_same_key(ada: Caller, cy: Caller) -> None:
    headers = {"idempotency-key": "same"}
    ok(await ada.post("/v1/tasks", a_task(), headers=headers), 201)
    is_problem(await cy.post("/v1/tasks", a_task(), headers=headers), 402, "insufficient-funds")


async def test_a_repeated_key_creation_gives_the_same_secret_which_lies_nowhere_in_plain(
    world: World, ada: Caller
) -> None:
    headers = {"idempotency-key": "new-key"}
    first = ok(await ada.post("/v1/keys", {"name": "daily"}, headers=headers), 201)
    again = ok(await ada.post("/v1/keys", {"name": "daily"}, headers=headers), 201)
    assert first["api_key"] == again["api_key"]
    async with world.services.database.read() as connection:
        kept = await connection.fetchval("SELECT body FROM idempotency WHERE key = 'new-key'")
    assert first["api_key"].encode() not in kept


async def test_spending_in_many_places_at_once_never_exceeds_the_balance(ada: Caller) -> None:
    costly = a_task(reward={"amount": 20_000, "currency": "usd"})
    answers = await asyncio.gather(*(ada.post("/v1/tasks", costly) for _ in range(20)))
    assert statuses(answers) == {201: 4, 402: 16}  # 4 × 220.00 of 1,000.00
    assert await available(ada) == 100_000 - 4 * 22_000


async def test_a_daily_cap_holds_however_many_post_at_once(world: World, ada: Caller) -> None:
    secret = ok(await ada.post("/v1/keys", {"max_per_day": 1000}), 201)["api_key"]
    helper = Caller(world, ada.id, secret)
    answers = await asyncio.gather(*(helper.post("/v1/tasks", a_task()) for _ in range(20)))
    assert statuses(answers) == {201: 3, 402: 17}
    assert ok(await helper.get("/v1/account"))["caps"]["used_today"] == 990


async def test_copies_handed_in_at_the_same_time_are_one_original_and_one_copy(world: World, ada: Caller) -> None:
    task = await post_task(ada, quantity=8)
    people = await crowd(world, 8)
    content = None
    for one in people:
        claimed = await claim(one, task)
        sent = await photo(one, claimed, content)
        content = content or await world.services.media.get(_path(ok(sent)["sha256"]))
        await submit(one, claimed)
    await world.jobs()
    found = ok(await ada.get(f"/v1/tasks/{task['id']}/submissions"))["items"]
    assert Counter(each["status"] for each in found) == {"accepted": 1, "rejected": 7}


def _path(sha256: str) -> str:
    return f"originals/{sha256[:2]}/{sha256[2:4]}/{sha256}"

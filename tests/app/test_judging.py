"""Judging when something of ours fails: nobody is rejected for it, and nothing waits for ever."""

from typing import Any

import pytest

from app import jobs
from app.db import DatabaseAway
from app.judging import ask_again
from app.media import original_path
from market import submissions
from tests.app.conftest import (
    Caller,
    Json,
    World,
    answer,
    claim,
    is_problem,
    ok,
    person,
    photo,
    picture,
    post_task,
    submit,
)


async def lose(world: World, sha256: str) -> None:
    """Take a photo's bytes away behind the service's back."""
    (world.services.config.data_dir / "media" / original_path(bytes.fromhex(sha256))).unlink()


async def test_a_photo_lost_by_us_goes_to_the_buyer_after_an_hour_and_is_never_held_against_anybody(
    world: World, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada)
    claimed = await claim(bo, task)
    uploaded = ok(await photo(bo, claimed))
    await lose(world, uploaded["sha256"])
    submitted = await submit(bo, claimed)
    async with world.services.database.transaction() as connection:
        await connection.execute("UPDATE pgqueuer SET attempts = 12")
    await world.jobs()
    path = f"/v1/people/submissions/{submitted['id']}"
    assert ok(await bo.get(path))["status"] == "checking"
    await world.later(3601)
    await ask_again(world.services)
    await world.jobs()
    left = ok(await bo.get(path))
    assert left["status"] == "needs_review"
    assert "fault of ours" in left["verdict"]["checks"][0]["detail"]
    is_problem(await bo.get(left["photos"][0]["links"]["thumb"]), 404, "not-found")


def failing(error: Exception) -> Any:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def failing_at_once(*_: Any, **__: Any) -> None:
    raise KeyError("a slip of ours")


async def judge_again(world: World, bo: Caller, submitted: Json) -> Json:
    """Ask once more as the worker does, with a single attempt left, and look."""
    await ask_again(world.services)
    async with world.services.database.transaction() as connection:
        await connection.execute("UPDATE pgqueuer SET attempts = 12")
    await world.jobs()
    found: Json = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    return found


@pytest.mark.parametrize(
    "broken", ["reading what there is", "the index", "its neighbours", "a check", "the storage", "what it says"]
)
async def test_a_slip_of_ours_anywhere_in_judging_ends_with_the_buyer(
    world: World, ada: Caller, bo: Caller, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed)
    apply, slip = submissions.judge, failing(RuntimeError("a slip of ours"))

    async def apply_only_doubts(connection: Any, submission: Any, verdict: Any, **how: Any) -> Any:
        if verdict["outcome"] == "pass":
            raise RuntimeError("a slip of ours")
        return await apply(connection, submission, verdict, **how)

    where, instead = {
        "reading what there is": ("market.submissions.to_judge", slip),
        "the index": ("app.duplicates.PhotoIndex.record", slip),
        "its neighbours": ("app.duplicates.PhotoIndex.earlier", slip),
        "a check": ("sensors.check.check", failing_at_once),
        "the storage": ("app.media.Media.get", failing(PermissionError("no access"))),
        "what it says": ("market.submissions.judge", apply_only_doubts),
    }[broken]
    monkeypatch.setattr(where, instead)
    assert (await judge_again(world, bo, submitted))["status"] == "checking"
    await world.later(3601)
    left = await judge_again(world, bo, submitted)
    assert left["status"] == "needs_review"
    assert "fault of ours" in left["verdict"]["checks"][0]["detail"]
    await world.later(86_401)  # and the buyer's silence accepts
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"


async def test_a_database_that_was_away_for_hours_is_not_taken_for_a_doubtful_photo(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed)
    await world.later(3 * 3600)
    with monkeypatch.context() as away:
        away.setattr("app.duplicates.PhotoIndex.record", failing(DatabaseAway("no connection")))
        assert (await judge_again(world, bo, submitted))["status"] == "checking"
    assert (await judge_again(world, bo, submitted))["status"] == "accepted"


async def test_a_submission_whose_job_is_gone_is_judged_all_the_same(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed)
    async with world.services.database.transaction() as connection:
        await connection.execute("DELETE FROM pgqueuer")
    await world.later(601)
    await world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"


async def test_judging_twice_changes_nothing(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(3)))
    submitted = await submit(bo, claimed)
    async with world.services.database.transaction() as connection:
        job = await connection.fetchval("SELECT payload FROM pgqueuer")
        for n in range(3):
            await jobs.enqueue(
                connection, "judge", {"submission_id": job.decode().split('"')[3]}, only_one=f"again:{n}"
            )
    await world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 300


async def test_without_its_database_the_service_says_503_and_recovers(world: World, ada: Caller) -> None:
    database = world.services.database
    async with database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            name,
        )
    answers = [await ada.get("/v1/account") for _ in range(12)]
    for refused in answers:
        if refused.status_code != 200:
            assert is_problem(refused, 503, "unavailable")
            assert refused.headers["retry-after"]
    ok(answers[-1])
    url = database.pool._connect_args
    database.pool._connect_args = ["postgresql:///nowhere?host=/nonexistent"]
    await database.pool.expire_connections()
    try:
        is_problem(await ada.get("/v1/account"), 503, "unavailable")
        is_problem(await world.client.get("/health/ready"), 503, "unavailable")
        ok(await world.client.get("/health/live"))
    finally:
        database.pool._connect_args = url
    ok(await world.client.get("/health/ready"))


async def test_an_answer_unlike_those_of_three_others_is_said_to_be(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, quantity=5)
    for n, name in enumerate(("Cleo", "Dee", "Eve")):
        assert (await answer(await person(world, name), task, picture(n)))["status"] == "accepted"
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, picture(9)))
    submitted = await submit(bo, claimed, answers={"open": "closed"})
    await world.jobs()
    checks = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["verdict"]["checks"]
    said = next(each for each in checks if each["name"] == "answers")
    assert (said["status"], said["data"]) == ("warn", {"questions": ["open"], "others": 3})

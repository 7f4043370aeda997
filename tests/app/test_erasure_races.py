"""Bo leaves while other things go on, or a process dies: in the end nothing of Bo is left, and all of the others."""

from __future__ import annotations

import asyncio
from datetime import time
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from app import erasing, judging
from app.media import Media
from market import cameras, erasure, ids, submissions
from tests.app.conftest import (
    BAKERY,
    Caller,
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
from tests.app.test_erasure import files, leave, rows, sold_and_seen


async def test_a_crash_after_the_commit_leaves_no_bytes_for_ever(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sold_and_seen(ada, bo, picture(1))
    removed: list[str] = []
    remove = Media.remove

    async def dies_at_the_second(self: Media, path: str) -> None:
        if len(removed) == 1:
            raise SystemExit
        removed.append(path)
        await remove(self, path)

    async with world.services.database.transaction() as connection:
        await erasure.erase(connection, ids.read("person", bo.id), leave_unpaid=True)
    with monkeypatch.context() as patched:
        patched.setattr(Media, "remove", dies_at_the_second)
        with pytest.raises(SystemExit):
            await erasing.remove_doomed(world.services)
    assert len(removed) == 1 and files(world)
    assert await rows(world, "SELECT count(*) FROM doomed_media") == [(1,)]
    await world.later(1)  # what any worker does every half minute
    assert files(world) == {}


async def test_a_storage_that_refuses_is_asked_again_later(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sold_and_seen(ada, bo, picture(1))
    ok(await leave(bo))

    async def refuses(self: Media, path: str) -> None:
        raise OSError("no")

    with monkeypatch.context() as patched:
        patched.setattr(Media, "remove", refuses)
        await world.jobs()
    assert files(world)
    await erasing.remove_doomed(world.services)
    assert files(world)  # not yet: others come first
    async with world.services.database.transaction() as connection:
        await connection.execute("UPDATE doomed_media SET due_at = now()")
    await erasing.remove_doomed(world.services)
    assert files(world) == {}


async def test_a_copy_that_is_being_made_while_bo_leaves_is_not_kept(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await post_task(ada)
    assert (await answer(bo, task, picture(1)))["status"] == "accepted"
    [seen] = ok(await ada.get("/v1/observations"))["items"]
    rendered, go_on = asyncio.Event(), asyncio.Event()
    render = world.services.decode_pool.render

    async def slowly(*given: Any) -> bytes:
        made = await render(*given)
        rendered.set()
        await go_on.wait()
        return made

    monkeypatch.setattr(world.services.decode_pool, "render", slowly)
    asking = asyncio.create_task(ada.get(seen["photos"][0]["links"]["thumb"]))
    await rendered.wait()
    ok(await leave(bo))
    await world.jobs()
    go_on.set()
    is_problem(await asking, 410, "erased")
    assert files(world) == {}


async def test_bytes_that_come_again_while_they_go_are_there_in_the_end(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = picture(1)
    task = await post_task(ada, quantity=2, acceptance={"mode": "manual", "checks": []})
    ok(await photo(bo, await claim(bo, task), content))
    dee = await person(world, "Dee")
    hers = await claim(dee, task)
    ok(await leave(bo))
    keep = Media.keep

    async def stored_and_then_removed(self: Media, *given: Any) -> None:
        await keep(self, *given)
        await erasing.remove_doomed(world.services)

    monkeypatch.setattr(Media, "keep", stored_and_then_removed)
    ok(await photo(dee, hers, content))
    assert (await dee.get(f"/v1/people/claims/{hers['id']}/photos/1?variant=original")).content == content


async def test_a_likeness_entered_a_moment_too_late_is_unlinked(world: World, ada: Caller, bo: Caller) -> None:
    await sold_and_seen(ada, bo, picture(1))
    [(submission,)] = await rows(world, "SELECT id FROM submission")
    ok(await leave(bo))
    person_id = ids.read("person", bo.id)
    async with world.services.database.transaction() as connection:
        await connection.execute(
            """UPDATE photo_hash SET person_id = $1, submission_id = s.id, task_id = s.task_id,
                 submitted_at = s.submitted_at FROM submission s WHERE s.id = $2""",
            person_id,
            submission,
        )
    await world.later(60)
    await nobody_is_told_by_likenesses(world)


async def nobody_is_told_by_likenesses(world: World) -> None:
    """What photos looked like is there, of some day, and leads to nobody."""
    kept = await rows(world, "SELECT person_id, submission_id, task_id, submitted_at FROM photo_hash")
    assert kept and {each[:3] for each in kept} == {(None, None, None)}
    assert {each[3].time() for each in kept} == {time(0)}
    joined = "SELECT count(*) FROM photo_hash h JOIN submission s ON s.submitted_at = h.submitted_at"
    assert await rows(world, joined) == [(0,)]


async def test_what_photos_looked_like_is_told_of_nobody_and_still_found(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, quantity=2)
    assert (await answer(bo, task, picture(1)))["status"] == "accepted"
    ok(await leave(bo))
    await nobody_is_told_by_likenesses(world)
    again = await answer(await person(world, "Dee"), task, picture(1))
    assert (again["status"], again["rejection"]["failed_check"]) == ("rejected", "not_duplicate")


async def test_a_judge_who_goes_on_after_bo_left_notes_no_camera(world: World, ada: Caller, bo: Caller) -> None:
    taken, exif = BytesIO(), Image.Exif()
    exif[271], exif[272] = "Plover", "Bo's very own"
    Image.open(BytesIO(picture(6))).save(taken, "JPEG", exif=exif, quality=85)
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, taken.getvalue()))
    submission = ids.read("submission", (await submit(bo, claimed))["id"])
    async with world.services.database.read() as connection:
        todo = await submissions.to_judge(connection, submission)
    assert todo is not None
    ok(await leave(bo))
    await judging.verdict_on(world.services, todo)
    assert await rows(world, "SELECT count(*) FROM photo_camera") == [(0,)]
    await world.later(60)
    await nobody_is_told_by_likenesses(world)


async def test_a_camera_noted_while_bo_is_leaving_waits_and_is_not_kept(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(1)))
    submission = ids.read("submission", (await submit(bo, claimed))["id"])
    made = [cameras.Claimed(n=1, make="Plover", model="P3", tables=b"\x0a" * 16)]

    async def note() -> None:
        async with world.services.database.statement() as connection:
            await cameras.note(connection, submission, made)

    await note()
    assert await rows(world, "SELECT count(*) FROM photo_camera") == [(1,)]
    async with world.services.database.transaction() as connection:
        await erasure.erase(connection, ids.read("person", bo.id))
        noting = asyncio.create_task(note())
        await asyncio.sleep(0.2)
        assert not noting.done()
    await noting
    assert await rows(world, "SELECT count(*) FROM photo_camera") == [(0,)]


async def test_leaving_twice_at_once_erases_once(world: World, ada: Caller, bo: Caller) -> None:
    await sold_and_seen(ada, bo, picture(1))
    answers = await asyncio.gather(*(leave(bo) for _ in range(4)))
    assert sorted(each.status_code for each in answers)[0] == 200
    assert {each.status_code for each in answers[1:]} <= {200, 401, 404}
    assert [each.status_code for each in answers].count(200) == 1
    assert await rows(world, "SELECT count(*) FROM event WHERE type = 'person.erased'") == [(1,)]


async def test_nobody_claims_with_a_session_that_was_open_a_moment_ago(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    async with world.services.database.transaction() as connection:
        await erasure.erase(connection, ids.read("person", bo.id))
        claiming = asyncio.create_task(bo.post(f"/v1/people/tasks/{task['id']}/claims", BAKERY))
        await asyncio.sleep(0.2)
    is_problem(await claiming, 401, "unauthenticated")
    assert await rows(world, "SELECT count(*) FROM claim") == [(0,)]

"""A rejected person is told to take a new photo: they can, twice, and what they copied stays copied."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from tests.app.conftest import (
    BAKERY,
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
    submit,
)
from tests.app.conftest import post_task as post

NEAR = {"lat": BAKERY["lat"], "lon": BAKERY["lon"]}


def again(content: bytes, mark: int = 1) -> bytes:
    """The same picture in other bytes: a corner of it differs."""
    pixels = np.array(Image.open(BytesIO(content)))
    pixels[:8, :8] = 4 * mark
    written = BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=80)
    return written.getvalue()


def disguised(content: bytes) -> bytes:
    """The picture with a little of another one over it: still the same to PDQ, but less so."""
    with Image.open(BytesIO(content)) as first, Image.open(BytesIO(picture(44))) as other:
        written = BytesIO()
        Image.blend(first, other, 0.12).save(written, "JPEG", quality=85)
    return written.getvalue()


async def offered(caller: Caller) -> list[str]:
    found = ok(await caller.get("/v1/people/tasks", params=NEAR))["items"]
    return [each["id"] for each in found]


async def test_bo_stood_too_far_away_goes_closer_and_is_paid(world: World, ada: Caller, bo: Caller) -> None:
    task = await post(ada)
    refused = await answer(bo, task, picture(41), lat=52.53)
    assert refused["rejection"]["failed_check"] == "at_place"
    assert "Go closer and take a new one" in refused["rejection"]["comment"]
    assert await offered(bo) == [task["id"]]
    # The shop front looks as it did before.
    accepted = await answer(bo, task, again(picture(41)))
    assert accepted["status"] == "accepted", accepted
    assert await offered(bo) == []


async def test_the_very_file_that_was_rejected_is_no_new_photo(ada: Caller, bo: Caller) -> None:
    task = await post(ada)
    assert (await answer(bo, task, picture(42), lat=52.53))["status"] == "rejected"
    refused = await answer(bo, task, picture(42))
    assert refused["rejection"]["failed_check"] == "not_duplicate"
    assert "was already used" in refused["rejection"]["comment"]


async def test_after_three_rejections_there_is_no_further_try(ada: Caller, bo: Caller) -> None:
    task = await post(ada)
    for _ in range(3):
        assert await offered(bo) == [task["id"]]
        assert (await answer(bo, task, lat=52.53))["status"] == "rejected"
    assert await offered(bo) == []
    path = f"/v1/people/tasks/{task['id']}/claims"
    told = is_problem(await bo.post(path, {**BAKERY, "accuracy_m": 5}), 409, "already-answered")
    assert told["detail"] == "3 of your answers to this task were not accepted; there is no further try."


async def test_own_rejected_photos_do_not_hide_whose_photo_it_really_is(world: World, ada: Caller, bo: Caller) -> None:
    """One's own earlier photos of a task may look alike; twenty each time must not push another's off the list."""
    dee = await person(world, "Dee")
    evidence: Json = {"photos": {"min": 1, "max": 20}, "questions": []}
    rules: Any = {"acceptance": {"mode": "auto", "checks": ["not_duplicate"], "min_score": 0.0}}
    original = picture(43)
    claimed = await claim(dee, await post(ada))
    ok(await photo(dee, claimed, original))
    await submit(dee, claimed)
    await world.jobs()
    task = await post(ada, evidence=evidence, **rules)
    for round_ in range(3):
        claimed = await claim(bo, task)
        for n in range(1, 21):
            ok(await photo(bo, claimed, again(disguised(original), mark=n + 20 * round_), n=n))
        submitted = await submit(bo, claimed, answers={})
        await world.jobs()
        judged = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
        assert judged["status"] == "rejected", f"round {round_}"
        assert judged["rejection"]["failed_check"] == "not_duplicate"

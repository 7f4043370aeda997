"""One photo for several payments: within a submission, in every round of a standing task, behind tries of one's own."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from sensors.inspection import Comparison, Undecodable
from tests.app.conftest import Caller, Json, World, answer, claim, ok, person, photo, picture, post_task, submit
from tests.app.test_likenesses import changed, cropped


def moved(pixels: int) -> Callable[[Image.Image], Image.Image]:
    """Cut so many columns off the left: other bytes, one picture."""
    return lambda image: image.crop((pixels, 0, image.width, image.height))


def asking(photos: int) -> Json:
    question = {"id": "open", "type": "choice", "choices": ["open", "closed", "gone"]}
    return {"photos": {"min": 1, "max": photos, "live_capture": True}, "questions": [question]}


async def answer_with(who: Caller, task: Json, contents: list[bytes]) -> Json:
    """An answer of several photos, judged."""
    claimed = await claim(who, task)
    for n, content in enumerate(contents, 1):
        ok(await photo(who, claimed, content, n=n))
    submitted = await submit(who, claimed)
    await who.world.jobs()
    judged: Json = ok(await who.get(f"/v1/people/submissions/{submitted['id']}"))
    return judged


def reuse(judged: Json) -> Json:
    found: Json = next(each for each in judged["verdict"]["checks"] if each["name"] == "not_duplicate")
    return found


async def test_one_picture_is_not_five(world: World, ada: Caller, bo: Caller) -> None:
    one = picture(9)
    judged = await answer_with(
        bo, await post_task(ada, evidence=asking(5)), [changed(one, moved(each)) for each in range(5)]
    )
    assert judged["status"] == "rejected"
    assert reuse(judged)["detail"].startswith("Photo 2 is the same picture as photo 1. Take a new one. Photo 3")


async def test_several_pictures_of_one_scene_are_several(world: World, ada: Caller, bo: Caller) -> None:
    step_aside = changed(picture(9), lambda image: Image.blend(image, Image.open(BytesIO(picture(10))), 0.4))
    judged = await answer_with(bo, await post_task(ada, evidence=asking(3)), [picture(9), step_aside])
    assert judged["status"] == "accepted" and reuse(judged)["status"] == "pass", judged


async def test_a_standing_task_does_not_buy_one_picture_every_round(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, standing={"every_s": 3600, "per_round": 1}, quantity=9)
    assert (await answer(bo, task, picture(7), taken_at=None))["status"] == "accepted"
    await world.later(3600)
    refused = await answer(bo, task, changed(picture(7), moved(1)), taken_at=None)
    assert refused["status"] == "rejected" and refused["rejection"]["failed_check"] == "not_duplicate"
    assert (await answer(bo, task, picture(8), taken_at=None))["status"] == "accepted"


@pytest.mark.parametrize("seed", [1, 31])
async def test_refused_tries_of_ones_own_hide_nobody_elses_photo(
    world: World, ada: Caller, bo: Caller, seed: int
) -> None:
    sold = picture(seed)
    for other in range(2, 6):
        await answer(bo, await post_task(ada), picture(other))
    assert (await answer(bo, await post_task(ada), sold))["status"] == "accepted"
    cleo = await person(world, "Cleo")

    def part(pixels: int) -> bytes:
        return changed(sold, lambda image: image.crop((64 + pixels, 48, 576 + pixels, 432)))

    task = await post_task(ada, evidence=asking(6))
    sacrificed = await answer_with(cleo, task, [part(each) for each in (0, 2, 4, 5)])
    assert sacrificed["status"] == "rejected"
    stolen = await answer_with(cleo, task, [part(3)])
    assert stolen["status"] == "rejected" and stolen["rejection"]["failed_check"] == "not_duplicate"


async def test_copies_that_were_refused_leave_nothing_that_would_hide_the_next(
    world: World, ada: Caller, bo: Caller
) -> None:
    """What many photos share is passed over, and a refused copy costs its owner nothing."""
    await answer(bo, await post_task(ada), picture(1))
    async with world.services.database.read() as connection:
        before = await connection.fetchval("SELECT count(*) FROM photo_word")
    cleo = await person(world, "Cleo")
    copies = [changed(picture(1), cropped(each / 100, 0, 0, 0)) for each in range(8)]
    assert (await answer_with(cleo, await post_task(ada, evidence=asking(8)), copies))["status"] == "rejected"
    async with world.services.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM photo_word") == before > 50


async def test_what_could_not_be_compared_is_not_called_new(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await answer(bo, await post_task(ada), picture(1))

    async def too_slow(*_: object, **__: object) -> Comparison:
        raise Undecodable("The photo took too long to open.")

    monkeypatch.setattr(world.services.decode_pool, "alike", too_slow)
    cleo = await person(world, "Cleo")
    judged = await answer(cleo, await post_task(ada), changed(picture(1), cropped(0.1, 0.1, 0.1, 0.1)))
    assert judged["status"] == "needs_review" and reuse(judged)["status"] == "inconclusive"
    assert "much like one that cannot be compared" in reuse(judged)["detail"]

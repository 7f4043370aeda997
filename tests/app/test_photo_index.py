"""The index of all photos: read from the table in the background, alike in every process, complete when it answers."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from app.duplicates import PhotoIndex, Seen
from market import ids
from sensors.decode import inspect
from sensors.evidence import Duplicate
from sensors.pdq import LEAST_QUALITY, MIN_QUALITY
from tests.app.conftest import Caller, World, answer, claim, ok, person, photo, picture, post_task, submit

NOBODY = UUID(int=0)


def seen(content: bytes) -> Seen:
    inspection = inspect(content)
    return Seen(1, inspection.sha256, inspection)


def smaller(content: bytes) -> bytes:
    """The same picture in other bytes."""
    written = BytesIO()
    with Image.open(BytesIO(content)) as image:
        image.resize((image.width // 2, image.height // 2)).save(written, "JPEG", quality=70)
    return written.getvalue()


def another_process(world: World) -> PhotoIndex:
    """The index of a worker that has just started on the same database."""
    services = world.services
    return PhotoIndex(services.database, services.media, services.decode_pool)


async def ask(index: PhotoIndex, content: bytes, number: int = 2**40) -> list[Duplicate]:
    """What this index knows like the picture, were it entered under that number."""
    return await index.earlier(NOBODY, NOBODY, NOBODY, [seen(content)], {1: number})


async def fill(world: World, count: int) -> None:
    """Photos of people who are gone: their rows have lost whose they were."""
    async with world.services.database.transaction() as connection:
        await connection.execute(
            """INSERT INTO photo_hash (n, sha256, pdq, quality, submitted_at)
               SELECT 1, sha256(int8send(g)), sha256(int8send(-g)), 100, date_trunc('day', market_now(), 'UTC')
               FROM generate_series(1::bigint, $1::bigint) g""",
            count,
        )


async def enter(world: World, content: bytes) -> None:
    """One more photo of somebody who is gone."""
    inspection = inspect(content)
    async with world.services.database.transaction() as connection:
        await connection.execute(
            """INSERT INTO photo_hash (n, sha256, pdq, quality, submitted_at)
               VALUES (1, $1, $2, $3, date_trunc('day', market_now(), 'UTC'))""",
            inspection.sha256, inspection.pdq, inspection.pdq_quality,
        )  # fmt: skip


async def test_who_asks_while_the_table_is_being_read_gets_an_answer_from_all_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.duplicates.BATCH", 100)
    await fill(world, 730)
    await enter(world, picture(1))
    index = another_process(world)
    warming = asyncio.create_task(index.warm())
    while not len(index._index):  # noqa: ASYNC110  nothing tells when a batch is in
        await asyncio.sleep(0)
    assert len(index._index) < 731, "the table is not read to its end yet"
    (found,) = await ask(index, smaller(picture(1)))
    assert found.kind == "near" and found.of == "" and not found.same_person
    await warming
    assert len(index._index) == 731


async def test_the_service_answers_while_a_judgement_waits_for_the_index(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_on, asked, gate = PhotoIndex._read_on, asyncio.Event(), asyncio.Event()

    async def slowly(index: PhotoIndex) -> int:
        asked.set()
        await gate.wait()
        return await read_on(index)

    monkeypatch.setattr(PhotoIndex, "_read_on", slowly)
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    path = f"/v1/people/submissions/{(await submit(bo, claimed))['id']}"
    judging = asyncio.create_task(world.jobs())
    await asyncio.wait_for(asked.wait(), 30)
    assert ok(await bo.get(path))["status"] == "checking"
    ok(await ada.get("/v1/account"))
    gate.set()
    await judging
    assert ok(await bo.get(path))["status"] == "accepted"


async def test_what_one_process_enters_the_others_find_at_once(world: World, ada: Caller, bo: Caller) -> None:
    others = [another_process(world) for _ in range(3)]
    for index in others:
        assert await ask(index, picture(1)) == []
    await answer(bo, await post_task(ada), picture(1))
    for index in others:
        assert [each.kind for each in await ask(index, picture(1))] == ["exact"]
        assert [each.kind for each in await ask(index, smaller(picture(1)))] == ["near"]
    # and one that starts only now
    assert [each.kind for each in await ask(another_process(world), smaller(picture(1)))] == ["near"]


async def test_of_two_processes_that_judge_the_same_picture_at_once_exactly_one_finds_a_copy(
    world: World, ada: Caller, bo: Caller
) -> None:
    cleo = await person(world, "Cleo")
    task, contents = await post_task(ada, quantity=2), [picture(1), smaller(picture(1))]
    submitted: list[dict[str, Any]] = []
    for somebody, content in zip((bo, cleo), contents, strict=True):
        claimed = await claim(somebody, task)
        ok(await photo(somebody, claimed, content))
        submitted.append(await submit(somebody, claimed))

    async def judge(index: PhotoIndex, content: bytes, who: Caller, submission: str) -> list[Duplicate]:
        own, whose = ids.read("submission", submission), ids.read("person", who.id)
        asked = ids.read("task", task["id"])
        numbers = await index.record(own, asked, whose, [seen(content)])
        return await index.earlier(own, asked, whose, [seen(content)], numbers)

    found = await asyncio.gather(
        *(
            judge(another_process(world), content, who, each["id"])
            for content, who, each in zip(contents, (bo, cleo), submitted, strict=True)
        )
    )
    assert sorted(len(each) for each in found) == [0, 1]


def faint(seed: int) -> bytes:
    """A photo of hardly anything: soft shadows on a wall."""
    coarse = np.random.default_rng(seed).integers(100, 150, (4, 5), dtype=np.uint8)
    written = BytesIO()
    Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(written, "JPEG", quality=90)
    return written.getvalue()


async def test_a_flat_picture_is_a_copy_by_its_pixels_and_never_by_its_hash_alone(
    world: World, ada: Caller, bo: Caller
) -> None:
    assert LEAST_QUALITY <= inspect(faint(1)).pdq_quality < MIN_QUALITY
    assert (await answer(bo, await post_task(ada), faint(1)))["status"] == "accepted"
    cleo = await person(world, "Cleo")
    refused = await answer(cleo, await post_task(ada), smaller(faint(1)))
    assert refused["status"] == "rejected" and refused["rejection"]["failed_check"] == "not_duplicate"
    await enter(world, faint(2))  # whose bytes are nowhere
    assert (await answer(cleo, await post_task(ada), smaller(faint(2))))["status"] == "accepted"

"""Many ask at once, for much: what a prediction may take is bounded, and nobody waits for a stranger's model."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import psutil
import pytest
from safetensors.numpy import save

from app import predict, upload
from app.predict import MOST_RUNNING, Ask, BadModel, Busy, ModelPool, _Running
from market import ids
from market.models import Outputs
from tests.app.conftest import Caller, World, agent, answer, is_problem, ok, picture, post_task
from tests.app.test_models import LABELS, brightness_model, description, files, grey

OUTPUTS = Outputs(kind="classification", labels=LABELS)
BLANK = np.zeros((1, 8, 8, 1), dtype=np.uint8)


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "app.model_worker" in each.cmdline()]


def a_model(number: int) -> tuple[bytes, Callable[[], Awaitable[bytes]]]:
    """One of many models: its name and what fetches it."""
    graph = brightness_model(0.01 * (number + 1))

    async def fetch() -> bytes:
        return graph

    return number.to_bytes(32), fetch


@asynccontextmanager
async def at_work(pool: ModelPool, number: int, owner: UUID | None = None) -> AsyncIterator[Ask]:
    """One call of an account, in its turn and with a place."""
    async with pool.turn(owner or ids.new()), pool.place(), pool.at_work(*_named(number)) as ask:
        yield ask


async def ask_once(pool: ModelPool, number: int, owner: UUID | None = None) -> None:
    """One call for one photo."""
    async with at_work(pool, number, owner) as ask:
        await ask(BLANK)


def _named(number: int) -> tuple[bytes, Outputs, Callable[[], Awaitable[bytes]]]:
    sha256, fetch = a_model(number)
    return sha256, OUTPUTS, fetch


async def publish(caller: Caller, **changes: Any) -> dict[str, Any]:
    model: dict[str, Any] = ok(await caller.post("/v1/models", files=files(**changes)), 201)
    return model


async def test_two_hundred_large_photos_are_never_all_in_memory(ada: Caller) -> None:
    wide = description(inputs={"kind": "image", "width": 1024, "height": 1024, "channels": 3})
    model = await publish(ada, about=wide, onnx=brightness_model(side=1024, channels=3))
    asked = [("files", (f"{n}.png", grey(n % 256), "image/png")) for n in range(200)]
    tracemalloc.start()
    try:
        said = ok(await ada.post(model["links"]["predict"], files=asked))["outputs"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [each["label"] for each in said[:128:64]] == ["dark", "dark"] and said[199]["label"] == "bright"
    assert len(said) == 200
    assert peak < 150_000_000  # all of them decoded are 630 MB


async def test_a_model_that_starts_slowly_holds_up_nobody_else(
    ada: Caller, cy: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = await publish(ada, onnx=brightness_model(0.07))
    quick = await publish(cy)
    asked = [("files", ("a.png", grey(250), "image/png"))]
    started, go_on, start = asyncio.Event(), asyncio.Event(), _Running.start

    async def slowly(onnx: bytes) -> _Running:
        if onnx == brightness_model(0.07):
            started.set()
            await go_on.wait()
        return await start(onnx)

    monkeypatch.setattr(_Running, "start", slowly)
    for child in children():  # so that both have to start again
        child.kill()
        child.wait(5)
    waiting = asyncio.create_task(ada.post(slow["links"]["predict"], files=asked))
    await started.wait()
    answered = await asyncio.wait_for(cy.post(quick["links"]["predict"], files=asked), 15)
    assert ok(answered)["outputs"][0]["label"] == "bright" and not waiting.done()
    go_on.set()
    assert ok(await waiting)["outputs"][0]["label"] == "bright"


async def test_whatever_is_asked_few_children_run_and_one_at_work_is_left_alone() -> None:
    async with ModelPool() as pool:
        async with at_work(pool, 0) as ask:
            (busy,) = pool._busy
            await asyncio.wait_for(asyncio.gather(*(ask_once(pool, n) for n in range(1, 8))), 60)
            assert len(children()) <= MOST_RUNNING
            assert (await ask(BLANK))[0].label == "dark" and busy.process.returncode is None
        assert len(children()) == MOST_RUNNING
        await ask_once(pool, 0)
        assert busy.process.returncode is None and len(children()) == MOST_RUNNING  # it was still loaded
    assert children() == []


async def test_two_accounts_with_the_same_file_do_not_share_a_child_at_once() -> None:
    async with ModelPool() as pool:
        async with at_work(pool, 0) as one, at_work(pool, 0) as other:
            assert len(children()) == 2
            assert (await one(BLANK), (await other(BLANK))[0].label)[1] == "dark"
        assert len(children()) == 1


async def test_an_account_asks_one_thing_at_a_time_and_is_told_when_its_turn_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predict, "TURN_TIMEOUT_S", 0.3)
    owner = ids.new()
    async with ModelPool() as pool:
        async with at_work(pool, 0, owner):
            with pytest.raises(Busy):
                await ask_once(pool, 1, owner)
            await ask_once(pool, 1)  # another account's turn comes
        await ask_once(pool, 1, owner)


async def test_when_all_places_are_taken_the_answer_is_503(
    world: World, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await publish(ada)
    monkeypatch.setattr(predict, "TURN_TIMEOUT_S", 0.3)
    pool, asked = world.services.model_pool, [("files", ("a.png", grey(250), "image/png"))]
    for _ in range(MOST_RUNNING):
        await pool._slots.acquire()
    refused = await ada.post(model["links"]["predict"], files=asked)
    assert is_problem(refused, 503, "unavailable") and refused.headers["retry-after"]
    is_problem(await ada.post("/v1/models", files=files()), 503, "unavailable")
    for _ in range(MOST_RUNNING):
        pool._slots.release()
    ok(await ada.post(model["links"]["predict"], files=asked))


FORM = {"content-type": "multipart/form-data; boundary=b"}


async def test_nothing_of_a_body_is_read_before_the_accounts_turn(
    world: World, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await publish(ada)
    monkeypatch.setattr(predict, "TURN_TIMEOUT_S", 0.3)
    seen = []

    async def body() -> AsyncIterator[bytes]:
        seen.append("read")
        yield b"--b--"

    async with world.services.model_pool.turn(ids.read("account", ada.id)):
        for path in ("/v1/models", model["links"]["predict"]):
            is_problem(await ada.post(path, content=body(), headers=FORM), 503, "unavailable")
    assert seen == []
    is_problem(await ada.post("/v1/models", content=body(), headers=FORM), 422, "validation")
    assert seen == ["read"]


async def test_of_many_publications_at_once_few_are_in_memory(world: World) -> None:
    one = 10_000_000
    form = httpx.Request("POST", "http://dee", files=files(weights=save({"kernel": np.zeros(one, dtype=np.uint8)})))
    whole, kind = form.read(), {"content-type": form.headers["content-type"]}
    sellers = [await agent(world, f"Dee{n}") for n in range(8)]

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 100_000):
            yield whole[start : start + 100_000]

    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = await asyncio.gather(*(each.post("/v1/models", content=body(), headers=kind) for each in sellers))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [each.status_code for each in made] == [201] * 8
    assert peak - before < (MOST_RUNNING + 2) * one


async def test_whoever_stops_sending_loses_the_turn_and_holds_no_place(
    world: World, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "PAUSE_TIMEOUT_S", 0.5)
    began, free = asyncio.Event(), []

    async def body() -> AsyncIterator[bytes]:
        yield b"--b\r\n"
        began.set()
        await asyncio.sleep(60)

    waiting = asyncio.create_task(ada.post("/v1/models", content=body(), headers=FORM))
    await began.wait()
    free.append(world.services.model_pool._slots._value)
    assert "Nothing of the body" in is_problem(await waiting, 400, "malformed")["detail"]
    assert free == [MOST_RUNNING]
    await publish(ada)


async def test_a_list_of_observations_is_no_hundred_megabytes(ada: Caller) -> None:
    model = await publish(ada)
    asked = {"content": b" " * 1_000_001, "headers": {"content-type": "application/json"}}
    is_problem(await ada.post(model["links"]["predict"], **asked), 413, "too-large")


async def test_a_call_ends_even_when_its_photos_take_for_ever(
    world: World, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await publish(ada)

    async def never(*_: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(predict, "CALL_TIMEOUT_S", 0.3)
    asked = [("files", ("a.png", grey(250), "image/png"))]
    with monkeypatch.context() as stuck:
        stuck.setattr("app.decode_pool.DecodePool.pixels", never)
        body = is_problem(await ada.post(model["links"]["predict"], files=asked), 422, "model-failed")
    assert "send fewer" in body["detail"]
    monkeypatch.undo()
    ok(await ada.post(model["links"]["predict"], files=asked))


async def test_an_observation_is_asked_about_once(ada: Caller, bo: Caller) -> None:
    await answer(bo, await post_task(ada), picture(5))
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    model = await publish(ada)
    shouted = "obs_" + observation[4:].upper()
    for again in (observation, shouted):
        refused = await ada.post(model["links"]["predict"], {"observation_ids": [observation, again]})
        problem = is_problem(refused, 422, "validation")
        assert problem["errors"][0] == {
            "pointer": "/observation_ids/1", "detail": "Each observation may stand here once.",
        }  # fmt: skip
    ok(await ada.post(model["links"]["predict"], {"observation_ids": [observation]}))


async def test_a_model_of_many_labels_is_asked_about_fewer_photos(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    model = await publish(ada)
    monkeypatch.setattr("app.routes.models.MOST_ANSWERS", 5)
    asked = [("files", ("a.png", grey(9), "image/png"))] * 3
    problem = is_problem(await ada.post(model["links"]["predict"], files=asked), 422, "validation")
    assert problem["errors"][0]["detail"] == "This model is asked about 1 to 2 photos at once."
    ok(await ada.post(model["links"]["predict"], files=asked[:2]))


async def test_a_child_that_talks_nonsense_is_ended_and_the_model_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ModelPool() as pool:
        with pytest.raises(BadModel, match="crashed"):
            async with at_work(pool, 0) as ask:
                (running,) = pool._busy
                frames = iter([b"\xc1 no msgpack", b""])

                async def nonsense() -> bytes:
                    return next(frames)

                monkeypatch.setattr(running, "_frame", nonsense)
                await ask(BLANK)
        assert children() == []


@pytest.mark.parametrize("charset", ["nonsense", "utf-7", "hex"])
async def test_a_part_in_a_charset_that_nobody_knows_is_refused(ada: Caller, charset: str) -> None:
    parts = {**files(), "card": (None, b"# A card +2AA-", f"text/plain; charset={charset}")}
    refused = await ada.post("/v1/models", files=parts)
    assert refused.status_code in (400, 422), refused.text
    is_problem(refused, refused.status_code, "malformed" if refused.status_code == 400 else "validation")
    parts = {**files(), "model": (None, json.dumps(description()).encode(), f"text/plain; charset={charset}")}
    answered = await ada.post("/v1/models", files=parts)
    assert answered.status_code in (201, 400, 422), answered.text


async def test_a_part_that_is_too_large_is_named(ada: Caller) -> None:
    for part in (("card", b"x" * 200_001), (None, b"x" * 200_001), (None, "é".encode() * 150_000)):
        refused = await ada.post("/v1/models", files={**files(), "card": part})
        assert "`card`" in is_problem(refused, 413, "too-large")["detail"]

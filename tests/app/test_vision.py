"""The endpoint that is asked about pictures: whatever it does, an answer or a reason comes soon, and no secret out."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app import config as configuration
from app.gateways import vision as gateway
from app.gateways.vision import Question, Unanswered, Vision
from app.picture_question import SCHEMA, SYSTEM, ask, read
from market.shows import Said
from tests.app.vision_server import BAKERY, KEY, Heard, Reply, VisionServer, answers, one, vision_server

PLAIN = {"content-type": "application/json"}


@pytest.fixture(params=["openai", "anthropic"])
async def server(request: Any) -> AsyncIterator[VisionServer]:
    async with vision_server(request.param) as found:
        yield found


@pytest.fixture
def config(tmp_path: Path) -> configuration.Config:
    return configuration.load({"SENSORIUM_DATA_DIR": str(tmp_path)})


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "PAUSES_S", (0.0, 0.0))


async def yes() -> bool:
    return True


async def put(vision: Vision, calls: Any = yes) -> Said:
    """Ask whether there is a bakery, and read what comes."""
    prompt = ask(BAKERY)
    return read(await vision.ask(Question(SYSTEM, b"\xff\xd8 a picture", prompt.text, SCHEMA), calls), prompt)


async def test_both_protocols_carry_question_picture_and_answer(
    server: VisionServer, config: configuration.Config
) -> None:
    server.mind = lambda heard: answers(heard, one(True, 0.8, "A shop\nfront."))
    async with Vision(server.configured(config)) as vision:
        said = await put(vision)
    assert said == Said(shows=True, confidence=0.8, reason="A shop front.", steered=False, undecided=False)
    (heard,) = server.heard
    assert heard.picture == b"\xff\xd8 a picture" and BAKERY in heard.questions
    assert heard.headers["accept-encoding"] == "identity"


def broken(kind: str) -> Reply:
    """An answer that no client should swallow."""
    bomb = gzip.compress(b" " * 50_000_000)
    return {
        "no json": Reply(b"<html>busy</html>"),
        "another type": Reply(b"{}", headers={"content-type": "text/html"}),
        "event stream": Reply(b"data: {}\n\n", headers={"content-type": "text/event-stream"}),
        "other shape": Reply(b'{"choices": "yes", "content": 5}'),
        "no choice": Reply(b'{"choices": [], "content": []}'),
        "cut off": Reply(
            b'{"choices": [{"finish_reason": "length", "message": {"content": "{}"}}],'
            b' "content": [{"type": "text", "text": "{}"}], "stop_reason": "max_tokens"}'
        ),
        "a tool call": Reply(
            b'{"choices": [{"finish_reason": "tool_calls", "message": {"content": null}}],'
            b' "content": [{"type": "tool_use", "id": "t", "name": "x", "input": {}}], "stop_reason": "tool_use"}'
        ),
        "huge": Reply(b'{"choices": "' + b"x" * 5_000_000 + b'"}'),
        "endless": Reply(b" " * 5_000_000, length=False),
        "gzip bomb": Reply(bomb, headers={**PLAIN, "content-encoding": "gzip"}),
        "deep": Reply(b"[" * 60_000),
        "redirect": Reply(b"", 307, {"location": "http://127.0.0.1:9/stolen"}),
        "moved": Reply(b"{}", 301, {**PLAIN, "location": "/v1/elsewhere"}),
        "refused": Reply(b"{}", 401),
        "not found": Reply(b"{}", 404),
        "not utf-8": Reply(b'{"choices": "\xff\xfe"}'),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "no json", "another type", "event stream", "other shape", "no choice", "cut off", "a tool call", "huge",
        "endless", "gzip bomb", "deep", "redirect", "moved", "refused", "not found", "not utf-8",
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_a_reason_and_is_not_asked_for_again(
    server: VisionServer, config: configuration.Config, kind: str
) -> None:
    server.mind = lambda _: broken(kind)
    async with Vision(server.configured(config)) as vision:
        with pytest.raises(Unanswered) as refused:
            await put(vision)
    assert refused.value.reason.endswith(".") and len(server.heard) == 1


@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_what_passes_is_asked_again_a_few_times(
    server: VisionServer, config: configuration.Config, status: int
) -> None:
    def second_time(heard: Heard) -> str | Reply:
        if len(server.heard) < 2:
            return Reply(b"{}", status, {**PLAIN, "retry-after": "0"})
        return answers(heard, one(False))

    server.mind = second_time
    calls = []

    async def count() -> bool:
        calls.append(1)
        return True

    async with Vision(server.configured(config)) as vision:
        assert (await put(vision, count)).shows is False
        server.mind = lambda _: Reply(b"{}", status)
        with pytest.raises(Unanswered):
            await put(vision, count)
    assert len(server.heard) == len(calls) == 2 + 3  # every try counts: it may have been paid for


async def test_who_is_told_to_come_back_much_later_leaves_it_alone_until_then(
    server: VisionServer, config: configuration.Config
) -> None:
    now = [0.0]
    server.mind = lambda _: Reply(b"{}", 429, {**PLAIN, "retry-after": "120"})
    async with Vision(server.configured(config), clock=lambda: now[0]) as vision:
        for _ in range(3):
            with pytest.raises(Unanswered):
                await put(vision)
        assert len(server.heard) == 1
        now[0], server.mind = 121.0, lambda heard: answers(heard, one(True))
        assert (await put(vision)).shows is True


async def test_a_silent_and_a_dripping_endpoint_are_left_in_time(
    server: VisionServer, config: configuration.Config
) -> None:
    for drip_s in (60.0, 0.05):
        server.mind = lambda heard, drip_s=drip_s: Reply(  # type: ignore[misc]
            answers(heard, one(True)).encode(), drip_s=drip_s
        )
        async with Vision(server.configured(config, shows_timeout_s=1)) as vision:
            with pytest.raises(Unanswered, match="too long"):
                await asyncio.wait_for(put(vision), 30)


async def test_an_endpoint_that_is_down_is_left_alone_and_tried_again_later(
    server: VisionServer, config: configuration.Config
) -> None:
    now, calls = [0.0], []

    async def count() -> bool:
        calls.append(1)
        return True

    server.mind = lambda _: Reply(b"{}", 500)
    async with Vision(server.configured(config), clock=lambda: now[0]) as vision:
        for _ in range(gateway.FAILURES):
            with pytest.raises(Unanswered):
                await put(vision, count)
        made = len(calls)
        with pytest.raises(Unanswered, match="left alone"):
            await put(vision, count)
        assert len(calls) == made == len(server.heard)
        now[0], server.mind = gateway.REST_S + 1, lambda heard: answers(heard, one(True))
        assert (await put(vision, count)).shows is True
        assert (await put(vision, count)).shows is True


async def test_nobody_listening_is_a_reason(config: configuration.Config) -> None:
    async with vision_server("openai") as gone:
        configured = gone.configured(config)
    async with Vision(configured) as vision:
        with pytest.raises(Unanswered, match="could not be reached"):
            await put(vision)


async def test_without_a_call_left_nothing_is_sent(server: VisionServer, config: configuration.Config) -> None:
    async def no() -> bool:
        return False

    async with Vision(server.configured(config)) as vision:
        for _ in range(gateway.FAILURES + 1):
            with pytest.raises(Unanswered, match="today"):
                await put(vision, no)
        assert server.heard == []
        server.mind = lambda heard: answers(heard, one(True))
        assert (await put(vision)).shows is not None  # a spent day is no fault of the endpoint


async def test_a_proxy_of_the_environment_sees_nothing(
    server: VisionServer, config: configuration.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.mind = lambda heard: answers(heard, one(True))
    async with Vision(server.configured(config)) as vision:
        assert (await put(vision)).shows is True


async def test_the_key_is_in_no_log_no_error_and_no_repr(
    server: VisionServer, config: configuration.Config, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    configured = server.configured(config)
    server.mind = lambda _: Reply(json.dumps({"error": KEY}).encode(), 401)
    async with Vision(configured) as vision:
        with pytest.raises(Unanswered) as refused:
            await put(vision)
    written = caplog.text + "".join(capsys.readouterr()) + repr(refused.value) + repr(configured)
    assert KEY not in written and "shows_key='set'" in written
    assert len(server.heard) == 1 and "HTTP Request" in written

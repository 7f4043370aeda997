"""A vision-language endpoint, by configuration: a picture and questions go out, the model's text comes back.

It speaks the OpenAI protocol (chat completions) or the Anthropic one (messages). Only the configured address is ever
asked: no redirect is followed, no proxy of the environment used. Nothing that comes back is trusted: it is bounded in
time and bytes, taken only as plain JSON, and its text is for app/picture_question.py to judge. Neither the key nor what
the endpoint says is logged.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from app.config import Config

MOST_BYTES: Final = 65_536
PAUSES_S: Final = (0.5, 2.0)
LONGEST_PAUSE_S: Final = 5.0
FAILURES: Final = 3
REST_S: Final = 60.0
LONGEST_REST_S: Final = 600.0
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 529})

NO_ANSWER = "The machine that is asked could not be reached."
TOO_SLOW = "The machine that is asked took too long."
RESTING = "The machine that is asked was out of reach a moment ago and is left alone for a while."
NO_CALLS_LEFT = "No more questions are put to the machine today."
NOT_AS_AGREED = "The machine that is asked gave an answer that is not as its protocol has it."


class Unanswered(Exception):
    """There is no answer; `reason` says why in our own words. faulty: the endpoint is at fault."""

    def __init__(self, reason: str, *, faulty: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.faulty = faulty


class _Passing(Exception):
    """It may answer when asked again; after_s: not before, as it says itself."""

    def __init__(self, after_s: float = 0.0) -> None:
        super().__init__()
        self.after_s = after_s


class Question(msgspec.Struct, frozen=True):
    """What is sent: the rules, the picture (JPEG), the text after it, and the JSON schema of the answer."""

    system: str
    picture: bytes
    text: str
    schema: dict[str, Any]


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class _Block(msgspec.Struct):
    type: str
    text: str = ""


class _Reply(msgspec.Struct):
    content: list[_Block]
    stop_reason: str | None = None


class Vision:
    """The endpoint that the configuration names. clock: seconds, only ever compared."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._failures = 0
        self._rests_until = float("-inf")
        self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=config.shows_timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    @property
    def name(self) -> str:
        """Which model answers."""
        return f"{self._config.shows_protocol}:{self._config.shows_model}"

    async def ask(self, question: Question, may_call: Callable[[], Awaitable[bool]]) -> str:
        """The model's text. may_call: counts a call and says whether it may be made. Raises Unanswered.

        What passes is tried again after a pause, what is slow is not: that may have been paid for. After `FAILURES`
        in a row the endpoint is left alone for `REST_S`.
        """
        if self._clock() < self._rests_until:
            raise Unanswered(RESTING, faulty=False)
        try:
            text = await self._tries(question, may_call)
        except Unanswered as error:
            if error.faulty:
                self._failed()
            raise
        except asyncio.CancelledError:
            self._failed()  # whoever asked could not wait any longer
            raise
        self._failures = 0
        return text

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._rest(REST_S)

    def _rest(self, seconds: float) -> None:
        self._rests_until = max(self._rests_until, self._clock() + min(seconds, LONGEST_REST_S))

    async def _tries(self, question: Question, may_call: Callable[[], Awaitable[bool]]) -> str:
        for pause_s in (*PAUSES_S, None):
            if not await may_call():
                raise Unanswered(NO_CALLS_LEFT, faulty=False)
            try:
                return self._text(await self._post(question))
            except _Passing as passing:
                if passing.after_s > LONGEST_PAUSE_S:
                    self._rest(passing.after_s)
                    break
                if pause_s is not None:
                    await asyncio.sleep(max(pause_s, passing.after_s))
        raise Unanswered(NO_ANSWER)

    async def _post(self, question: Question) -> bytes:
        headers, body = self._request(question)
        try:
            async with (
                asyncio.timeout(self._config.shows_timeout_s),
                self._client.stream("POST", self._config.shows_url, content=body, headers=headers) as response,
            ):
                if response.status_code in PASSING:
                    raise _Passing(_seconds(response.headers.get("retry-after", "")))
                if response.status_code != 200:
                    raise Unanswered(NO_ANSWER)
                return await _plain_json(response)
        except (TimeoutError, httpx.TimeoutException):
            raise Unanswered(TOO_SLOW) from None
        except httpx.ConnectError:
            raise _Passing from None
        except (httpx.HTTPError, httpx.StreamError):
            raise Unanswered(NO_ANSWER) from None

    def _request(self, question: Question) -> tuple[dict[str, str], bytes]:
        key, headers = self._config.shows_key, {"content-type": "application/json", "accept": "application/json"}
        headers |= {"accept-encoding": "identity", "user-agent": "sensorium"}
        body = {"model": self._config.shows_model}
        picture = b64encode(question.picture).decode()
        if self._config.shows_protocol == "openai":
            headers |= {"authorization": f"Bearer {key}"} if key else {}
            body |= _openai(question, picture, self._config.shows_max_tokens)
        else:
            headers |= {"anthropic-version": "2023-06-01"} | ({"x-api-key": key} if key else {})
            body |= _anthropic(question, picture, self._config.shows_max_tokens)
        return headers, msgspec.json.encode(body)

    def _text(self, body: bytes) -> str:
        """The one text of a whole answer. Raises Unanswered."""
        try:
            if self._config.shows_protocol == "openai":
                choices = msgspec.json.decode(body, type=_Completion).choices
                if len(choices) == 1 and choices[0].finish_reason in ("stop", None):
                    return choices[0].message.content or ""
            else:
                reply = msgspec.json.decode(body, type=_Reply)
                texts = [each.text for each in reply.content if each.type == "text"]
                if len(texts) == 1 and reply.stop_reason in ("end_turn", "stop_sequence", None):
                    return texts[0]
        except (ValueError, RecursionError):
            pass
        raise Unanswered(NOT_AS_AGREED)


def _openai(question: Question, picture: str, max_tokens: int) -> dict[str, Any]:
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}},
        {"type": "text", "text": question.text},
    ]
    form = {"name": "answers", "strict": True, "schema": question.schema}
    return {
        "max_completion_tokens": max_tokens,
        "messages": [{"role": "system", "content": question.system}, {"role": "user", "content": content}],
        "response_format": {"type": "json_schema", "json_schema": form},
    }


def _anthropic(question: Question, picture: str, max_tokens: int) -> dict[str, Any]:
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": picture}},
        {"type": "text", "text": question.text},
    ]
    return {
        "max_tokens": max_tokens,
        "system": question.system,
        "messages": [{"role": "user", "content": content}],
    }


async def _plain_json(response: httpx.Response) -> bytes:
    """The body, as it comes over the wire: never unpacked, never more than MOST_BYTES."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if kind != "application/json" or coding != "identity":
        raise Unanswered(NOT_AS_AGREED)
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MOST_BYTES:
            raise Unanswered(NOT_AS_AGREED)
    return bytes(body)


def _seconds(retry_after: str) -> float:
    """Retry-After in seconds; a date, or what is none, counts as nothing said."""
    text = retry_after.strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0.0

"""What the edge sends: small ASGI callables with their bytes ready; no serialiser or hook in between."""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
HTML = "text/html; charset=utf-8"

# Every page and answer: no sniffing, no framing, no referrer to elsewhere.
SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}

_encoder = msgspec.json.Encoder()


class Answer:
    """A whole response: status, bytes, headers (lower-case names)."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, body: bytes = b"", *, status: int = 200, media_type: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.headers = {"content-type": media_type, **SAFE_HEADERS, **(headers or {})}
        if not body and type(self) is Answer:
            del self.headers["content-type"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, with the request's id and the length."""
        await self.start(scope, send, len(self.body))
        body = b"" if scope.get("method") == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def start(self, scope: Scope, send: Send, length: int | None) -> None:
        """Send status and headers; `length` None: it is not known before the end."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        headers.append((b"x-request-id", request_id(scope).encode("ascii")))
        if length is not None and self.status not in (204, 304):
            headers.append((b"content-length", str(length).encode("ascii")))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})


class StreamedAnswer(Answer):
    """A response whose bytes come piece by piece; `length` is known beforehand."""

    __slots__ = ("length", "pieces")

    def __init__(
        self, pieces: AsyncIterator[bytes], length: int, *, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        self.pieces = pieces
        self.length = length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send piece by piece."""
        await self.start(scope, send, self.length)
        if scope.get("method") != "HEAD":
            async for piece in self.pieces:
                await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def encode(value: Any) -> bytes:
    """`value` as JSON bytes: structs by their fields, times in RFC 3339, uuids in their text form."""
    return _encoder.encode(value)


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """`value` as a JSON response."""
    return Answer(encode(value), status=status, headers=headers)


def html_answer(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """`text` as a page."""
    return Answer(text.encode(), status=status, media_type=HTML, headers=headers)


def redirect(to: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a browser to `to` with a GET, as after a form."""
    return Answer(status=303, media_type="text/plain", headers={"location": to, **(headers or {})})


def request_id(scope: Scope) -> str:
    """The request's id: made at first use, the same until the answer has left."""
    state: dict[str, Any] = scope.setdefault("state", {})
    known = state.get("request_id")
    if known is None:
        known = state["request_id"] = f"req_{secrets.token_hex(10)}"
    return str(known)

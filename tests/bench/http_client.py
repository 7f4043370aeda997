"""HTTP/1.1 with as little processor time as Python allows: the client shares the machine with what it measures."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

import msgspec

Timings = defaultdict[str, list[float]]


class Refused(Exception):
    """The service answered something else than success; the message is the answer."""


class Connection:
    """One kept-alive connection. `timings` gets the seconds of each request under its label."""

    def __init__(self, host: str, port: int, timings: Timings) -> None:
        self._place = host, port
        self._timings = timings
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self, label: str, method: str, path: str, token: str, body: Any = None, *, headers: str = "", raw: bytes = b""
    ) -> Any:
        """The JSON of a 2xx answer. `body` is sent as JSON, `raw` as it is. Raises Refused."""
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(*self._place)
        content = raw if body is None else msgspec.json.encode(body)
        kind = "" if body is None else "content-type: application/json\r\n"
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
            f"{kind}{headers}content-length: {len(content)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._writer.write(head.encode() + content)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status, length = int(answer[9:12]), _length(answer)
        content = await self._reader.readexactly(length) if length else b""
        self._timings[label].append(time.perf_counter() - began)
        if not 200 <= status < 300:
            raise Refused(f"{method} {path}: {status} {content.decode(errors='replace')[:500]}")
        return msgspec.json.decode(content) if content else None

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    if at < 0:
        if b" 204 " in head[:13]:
            return 0
        raise Refused(f"an answer without content-length: {head!r}")
    return int(head[at + 15 : head.index(b"\r\n", at)])

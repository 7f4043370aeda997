"""Large bodies, taken onto the disk as they come: whoever sends slowly, or waits for a place, fills no memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from litestar import Request

from app.edge import Call
from app.errors import Problem

if TYPE_CHECKING:
    from litestar.types import HTTPReceiveMessage, Receive

PIECE_BYTES = 1_000_000
PAUSE_TIMEOUT_S = 30.0


@asynccontextmanager
async def on_disk(call: Call, limit: int) -> AsyncIterator[Call]:
    """The call, once its whole body lies in a file without a name: its form or its body is then read from there.

    Raises too-large past `limit` bytes, malformed when nothing comes for PAUSE_TIMEOUT_S.
    """
    with TemporaryFile() as file:
        size, pieces = 0, call.request.stream()
        while piece := await _next(pieces):
            size += len(piece)
            if size > limit:
                raise Problem("too-large", f"The body may have at most {limit} bytes.")
            file.write(piece)
        file.seek(0)
        yield replace(call, request=Request(call.request.scope, _reader(file)))


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    try:
        async with asyncio.timeout(PAUSE_TIMEOUT_S):
            return await anext(pieces, b"")
    except TimeoutError:
        raise Problem("malformed", f"Nothing of the body came for {PAUSE_TIMEOUT_S:.0f} s.") from None


def _reader(file: IO[bytes]) -> "Receive":
    """Gives the file as a server gives a body."""

    async def receive() -> "HTTPReceiveMessage":
        piece = await asyncio.to_thread(file.read, PIECE_BYTES)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    return receive

"""Tables as CSV files over HTTP. What a text must look like there is known in market/csv_cells.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from litestar.types import Receive, Scope, Send

from app.answers import Answer
from market import csv_cells
from market.csv_cells import Cell

CSV = "text/csv; charset=utf-8"


def _headers(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


def csv_answer(name: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Answer:
    """A file `name` with a header row. Numbers, given as int or Decimal, stay such; every text is made harmless."""
    return Answer(csv_cells.lines([header, *rows]).encode(), media_type=CSV, headers=_headers(name))


class CsvStream(Answer):
    """A file that is made while it is sent: rows come some at a time, and how many is not known beforehand."""

    __slots__ = ("batches", "header")

    def __init__(self, name: str, header: Sequence[str], batches: AsyncIterator[Sequence[Sequence[Cell]]]) -> None:
        super().__init__(media_type=CSV, headers=_headers(name))
        self.header = header
        self.batches = batches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send batch by batch. When one fails the connection breaks off, so that nobody takes a part for the whole."""
        await self.start(scope, send, None)
        if scope.get("method") != "HEAD":
            await send(
                {"type": "http.response.body", "body": csv_cells.lines([self.header]).encode(), "more_body": True}
            )
            async for rows in self.batches:
                await send({"type": "http.response.body", "body": csv_cells.lines(rows).encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_rows(send: Send, rows: Sequence[Sequence[Cell]]) -> None:
    if rows:
        await send({"type": "http.response.body", "body": csv_cells.lines(rows).encode(), "more_body": True})

"""Everybody in this process who waits for events: one look at the log for all of them, not one each.

A wake-up says only that somebody's events were written. If each of a thousand waiting readers then looked for
themselves, every event would cost a thousand queries. Here one query tells which of them have news.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from app.db import EVENTS, Database, DatabaseFault
from market import events

log = structlog.get_logger()

# Events are shown in order only, so one that was written while an older transaction runs shows when that has ended.
LOOK_AGAIN_S = 0.01
LOOK_ANYWAY_S = 5.0
AFTER_A_FAILURE_S = 1.0


@dataclass(eq=False)
class _Waiting:
    place: events.Place
    news: asyncio.Event = field(default_factory=asyncio.Event)


class WaitingRoom:
    """`await room.wait(place, seconds)` after a look that found nothing; then look again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: set[_Waiting] = set()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    async def wait(self, reader: UUID, kind: events.ReaderKind, cursor: str | None, seconds: float) -> None:
        """Returns when `reader` has an event after `cursor`, when that cannot be told, or after `seconds`."""
        one = _Waiting(events.place(reader, kind, cursor))
        self._waiting.add(one)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        else:
            # What happened between the look and now must be seen, so the next look is at once.
            self._database.signals.raise_here(EVENTS)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await one.news.wait()
        finally:
            self._waiting.discard(one)

    async def _watch(self) -> None:
        while self._waiting:
            flag = self._database.signals.flag(EVENTS)  # before the look, so that no wake-up falls between
            try:
                soon = await self._look()
            except DatabaseFault as error:
                log.warning("cannot look for events", error=str(error))
                self._call(self._waiting)  # they look for themselves, and are told
                await asyncio.sleep(AFTER_A_FAILURE_S)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(flag.wait(), LOOK_AGAIN_S if soon else LOOK_ANYWAY_S)

    async def _look(self) -> bool:
        """Call those who have news; whether some have news that shows only when an older transaction has ended."""
        asked = list(self._waiting)
        async with self._database.read() as connection:
            shown, hidden = await events.news(connection, [each.place for each in asked])
        self._call(asked[n] for n in shown)
        return bool(hidden)

    def _call(self, those: Iterable[_Waiting]) -> None:
        for each in list(those):
            each.news.set()
            self._waiting.discard(each)

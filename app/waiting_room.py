"""Everybody in this process who waits for events: one look at the log for all of them, not one each.

A wake-up says only that somebody's events were written. If each of a thousand waiting readers then looked for
themselves, every event would cost a thousand queries. Here one query tells which of them have news.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from app.db import EVENTS, Database, DatabaseFault
from market import events
from market.errors import TooOften

log = structlog.get_logger()

GATHER_S = 0.01  # between two looks: those who come in this time are looked for together
# Events are shown in order only, so one that was written while an older transaction runs shows when that has ended.
LOOK_AGAIN_S = 0.01  # doubling, for the older one may be long
LOOK_AGAIN_AT_MOST_S = 0.25
LOOK_ANYWAY_S = 5.0
MOST_OF_A_READER = 100
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
        self._arrived = asyncio.Event()
        self._of: Counter[UUID] = Counter()
        self._new: set[_Waiting] = set()  # those of them who have not been looked for yet
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
        """Returns when `reader` has an event after `cursor`, when that cannot be told, or after `seconds`.

        Raises TooOften for a reader who waits in too many places already.
        """
        if self._of[reader] >= MOST_OF_A_READER:
            raise TooOften(f"{MOST_OF_A_READER} requests wait for your events already; one is enough.")
        self._of[reader] += 1
        one = _Waiting(events.place(reader, kind, cursor))
        self._waiting.add(one)
        # What happened between the reader's own look and now must be seen: a newcomer is looked for without a wake-up.
        self._new.add(one)
        self._arrived.set()
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await one.news.wait()
        finally:
            self._waiting.discard(one)
            self._new.discard(one)
            self._of[reader] -= 1
            if not self._of[reader]:
                del self._of[reader]

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        flag: asyncio.Event | None = None
        hidden: set[_Waiting] = set()
        again_s, anyway_at = LOOK_AGAIN_S, 0.0
        while self._waiting:
            everybody = flag is None or flag.is_set() or clock() >= anyway_at
            if flag is None or flag.is_set():
                flag = self._database.signals.flag(EVENTS)  # before the look, so that no wake-up falls between
            if everybody:
                anyway_at = clock() + LOOK_ANYWAY_S
            self._arrived.clear()
            try:
                hidden = await self._look(self._waiting if everybody else (self._new | hidden) & self._waiting)
            except DatabaseFault as error:
                log.warning("cannot look for events", error=str(error))
                self._call(self._waiting)  # they look for themselves, and are told
                await asyncio.sleep(AFTER_A_FAILURE_S)
                continue
            again_s = LOOK_AGAIN_S if everybody or not hidden else min(2 * again_s, LOOK_AGAIN_AT_MOST_S)
            await self._until(flag, again_s if hidden else anyway_at - clock())
            await asyncio.sleep(GATHER_S)

    async def _until(self, flag: asyncio.Event, seconds: float) -> None:
        """Until a wake-up or a newcomer, and no longer than `seconds`."""
        either = [asyncio.create_task(event.wait()) for event in (flag, self._arrived)]
        try:
            await asyncio.wait(either, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in either:
                each.cancel()

    async def _look(self, those: set[_Waiting]) -> set[_Waiting]:
        """Call those who have news; the rest whose news show only when an older transaction has ended."""
        asked = list(those)
        self._new.difference_update(asked)
        if not asked:
            return set()
        async with self._database.read() as connection:
            shown, hidden = await events.news(connection, [each.place for each in asked])
        self._call(asked[n] for n in shown)
        return {asked[n] for n in hidden}

    def _call(self, those: Iterable[_Waiting]) -> None:
        for each in list(those):
            each.news.set()
            self._waiting.discard(each)

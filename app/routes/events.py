"""The event log, read by cursor, waiting for what comes if asked to."""

import asyncio
from contextlib import suppress
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import AGENT, PERSON
from app.db import EVENTS
from app.edge import Call, endpoint
from app.paging import Limit
from market import events

LONGEST_WAIT_S = 60
# A wake-up may come while an older transaction still runs, and events are shown in order only: look again soon after.
LOOK_AGAIN_S = 0.1
LOOK_ANYWAY_S = 5.0


class EventsAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which events, and how long to wait for the first."""

    after: (
        Annotated[str, msgspec.Meta(max_length=64, description="Id of the last event that you have seen.")] | None
    ) = None
    limit: Limit = 100
    wait_s: Annotated[
        float, msgspec.Meta(ge=0, le=LONGEST_WAIT_S, description="Wait so long when there is none yet.", examples=[30])
    ] = 0


class Events(msgspec.Struct, frozen=True):
    """Events, oldest first. `next_cursor`: what to send as `after` next time; null only when nothing ever happened."""

    items: list[events.Event]
    next_cursor: str | None


@endpoint("GET", "/v1/events", by=AGENT | PERSON, uses="own")
async def list_events(call: Call, query: EventsAsked) -> Events:
    """What happened, from one durable log.

    Each answer names where to go on. With `wait_s` the request stays open until something happens or the time is over.
    Nothing is ever skipped, and nothing comes twice.
    """
    deadline = asyncio.get_running_loop().time() + query.wait_s
    signals = call.services.database.signals
    woken = False
    while True:
        flag = signals.flag(EVENTS) if query.wait_s else None
        found = await _look(call, query)
        left = deadline - asyncio.get_running_loop().time()
        if found or flag is None or left <= 0:
            return Events(found, found[-1].id if found else query.after)
        woken = await _wait(flag, min(left, LOOK_AGAIN_S if woken else LOOK_ANYWAY_S)) and not woken


async def _look(call: Call, query: EventsAsked) -> list[events.Event]:
    reader = {"account": call.actor.owner} if call.actor.kind == "agent" else {"person": call.actor.owner}
    async with call.services.database.read() as connection:
        return await events.after(connection, **reader, cursor=query.after, limit=query.limit)


async def _wait(flag: asyncio.Event, seconds: float) -> bool:
    """Whether the flag was raised in time."""
    with suppress(TimeoutError):
        await asyncio.wait_for(flag.wait(), seconds)
    return flag.is_set()


ROUTES: list[HTTPRouteHandler] = [list_events]

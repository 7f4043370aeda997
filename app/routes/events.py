"""The event log, read by cursor, waiting for what comes if asked to."""

import asyncio
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import AGENT, PERSON
from app.edge import Call, endpoint
from app.paging import Limit
from market import events

LONGEST_WAIT_S = 60
KINDS: dict[str, events.ReaderKind] = {"agent": "account", "person": "person"}


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


@endpoint("GET", "/v1/events", by=AGENT | PERSON, uses="own", problems=("rate-limited",))
async def list_events(call: Call, query: EventsAsked) -> Events:
    """What happened, from one durable log.

    Each answer names where to go on. With `wait_s` the request stays open until something happens or the time is over.
    Nothing is ever skipped, and nothing comes twice.
    """
    deadline = asyncio.get_running_loop().time() + query.wait_s
    reader, kind = call.actor.owner, KINDS[call.actor.kind]
    while True:
        async with call.services.database.read() as connection:
            found = await events.after(connection, **{kind: reader}, cursor=query.after, limit=query.limit)
        left = deadline - asyncio.get_running_loop().time()
        if found or left <= 0:
            return Events(found, found[-1].id if found else query.after)
        await call.services.waiting_room.wait(reader, kind, query.after, left)


ROUTES: list[HTTPRouteHandler] = [list_events]

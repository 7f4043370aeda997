"""The market's clock in sandbox mode: moved ahead, so that deadlines and hold windows pass at once."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import jobs
from app.auth import EVERYONE
from app.edge import Call, endpoint
from market import clock


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far ahead."""

    advance_s: Annotated[int, msgspec.Meta(ge=0, le=clock.LONGEST_STEP_S, examples=[3600])]


class Clock(msgspec.Struct, frozen=True):
    """The market's time."""

    now: datetime


@endpoint("GET", "/sandbox/clock", by=EVERYONE, hidden=True)
async def get_clock(call: Call) -> Clock:
    """The market's time."""
    return Clock(await clock.now(call.connection))


@endpoint("POST", "/sandbox/clock", by=EVERYONE, uses="own", hidden=True)
async def advance_clock(call: Call, data: Advance) -> Clock:
    """Move the market's clock ahead; what falls due by that has been done when the answer comes."""
    async with call.services.database.transaction() as connection:
        now = await clock.advance(connection, data.advance_s)
    await jobs.sweep_once(call.services)
    return Clock(now)


ROUTES: list[HTTPRouteHandler] = [get_clock, advance_clock]

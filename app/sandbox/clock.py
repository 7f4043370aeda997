"""The market's clock in sandbox mode: moved ahead, so that deadlines and hold windows pass at once."""

from datetime import datetime
from importlib import import_module
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import jobs
from app.auth import EVERYONE
from app.edge import Call, endpoint
from app.services import Services
from app.worker import modules_with_work
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
    return Clock(await advance(call.services, data.advance_s))


async def advance(services: Services, seconds: int) -> datetime:
    """Move the clock ahead, do what has fallen due, and say what time it is."""
    for module in modules_with_work():
        import_module(module)
    async with services.database.transaction() as connection:
        now = await clock.advance(connection, seconds)
    await jobs.sweep_once(services)
    return now


ROUTES: list[HTTPRouteHandler] = [get_clock, advance_clock]

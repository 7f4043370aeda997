"""What the passing of time does to fix-ups, appeals and disputes."""

from functools import partial

from app import judging
from app.db import EVENTS, Connection, wake
from app.jobs import sweep
from app.services import Services
from app.sweeps import until_done
from market import appeals, awards, fix_ups


async def _end_fix_ups(connection: Connection) -> int:
    ended, again = await fix_ups.end_due(connection)
    for submission in again:
        await judging.ask_for(connection, submission)
    return ended


@sweep("fix-ups", every_s=5)
async def end_fix_ups(services: Services) -> None:
    """Hand in as it was what nobody has mended in time."""
    await until_done(services, _end_fix_ups)


@sweep("appeals", every_s=30)
async def decide_appeals(services: Services) -> None:
    """Decide what nobody has reviewed in time."""
    await until_done(services, partial(appeals.decide_due, hold_s=services.config.hold_window_s))


@sweep("fronted awards", every_s=30)
async def collect_fronted(services: Services) -> None:
    """Take what was fronted for buyers from those who have it by now."""
    async with services.database.transaction() as connection:
        if await awards.collect_due(connection):
            wake(EVENTS)

"""What the passing of time does to fix-ups, appeals and disputes."""

from functools import partial

from app import judging
from app.db import EVENTS, Connection, wake
from app.jobs import sweep
from app.services import Services
from app.sweeps import until_done
from market import appeals, collecting, fix_ups, reviewers


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


@sweep("reviewers", every_s=30)
async def draw_reviewers(services: Services) -> None:
    """Draw who reviews what both sides have spoken on."""
    await until_done(services, reviewers.draw_due)


@sweep("due awards", every_s=30)
async def collect_awards(services: Services) -> None:
    """Take what awards want of buyers from those who have it by now."""
    async with services.database.transaction() as connection:
        if await collecting.collect_due(connection, hold_s=services.config.hold_window_s):
            wake(EVENTS)

"""What keeps quotes true: the log is followed, forecasts are made and scored, the model is fitted anew."""

from __future__ import annotations

import asyncio

from app.jobs import sweep
from app.services import Services
from market import fill_history, fill_model, forecasts, reliability

REFIT_S = 3600.0


@sweep("fill history", every_s=5)
async def follow(services: Services) -> None:
    """Take in what was posted, claimed and changed, and foretell what is new."""
    seen = fill_history.AT_ONCE
    while seen == fill_history.AT_ONCE:
        async with services.database.transaction() as connection:
            seen, posted = await fill_history.take_in(connection)
            await forecasts.foretell(connection, posted)


@sweep("forecasts", every_s=60)
async def score(services: Services) -> None:
    """Score forecasts whose time is over, and publish how well they did."""
    scored = 0
    while True:
        async with services.database.transaction() as connection:
            done = await forecasts.score_due(connection)
            scored += done
            if not done:
                if scored:
                    await forecasts.publish(connection)
                return


@sweep("fill model", every_s=300)
async def refit(services: Services) -> None:
    """Fit the model again where there is new history, at most once an hour; one process alone, in a thread."""
    async with services.database.read() as connection:
        if not await fill_history.is_due(connection, REFIT_S):
            return
    async with services.database.holding("fill model") as alone:
        if not alone:
            return
        async with services.database.read() as connection:
            rows = await fill_history.rows(connection)
        if not len(rows.end):
            return
        model = await asyncio.to_thread(fill_model.fit, rows)
        async with services.database.transaction() as connection:
            await fill_history.keep(connection, model)
            await reliability.learn(connection)
            await fill_history.forget(connection)

"""What the passing of time does: claims and tasks end, reviews fall due, earnings are released."""

from collections.abc import Awaitable, Callable

from app import idempotency
from app.db import EVENTS, Connection, wake
from app.jobs import sweep
from app.services import Services
from market import claims, earnings, review, tasks

Step = Callable[[Connection], Awaitable[int]]


async def until_done(services: Services, step: Step) -> None:
    """One transaction a batch, so that locks are short, until nothing is due."""
    while True:
        async with services.database.transaction() as connection:
            done = await step(connection)
            if done:
                wake(EVENTS)
        if not done:
            return


@sweep("claims", every_s=2)
async def expire_claims(services: Services) -> None:
    """End claims whose time is over."""
    await until_done(services, claims.expire_due)


@sweep("tasks", every_s=2)
async def expire_tasks(services: Services) -> None:
    """End tasks whose time is over."""
    await until_done(services, tasks.expire_due)


@sweep("reviews", every_s=5)
async def accept_overdue(services: Services) -> None:
    """Accept what no buyer has reviewed in time."""
    hold_s = services.config.hold_window_s
    await until_done(services, lambda connection: review.accept_overdue(connection, hold_s=hold_s))


@sweep("earnings", every_s=5)
async def release_earnings(services: Services) -> None:
    """Make payable what the hold window has passed for."""
    await until_done(services, earnings.release_due)


@sweep("idempotency", every_s=600)
async def forget_answers(services: Services) -> None:
    """Drop answers kept for repeated requests, a day after."""
    async with services.database.transaction() as connection:
        await idempotency.forget_old(connection)

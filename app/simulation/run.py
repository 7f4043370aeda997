"""A whole simulated market: a database of its own, everybody's life in it, the audit, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from app.simulation import buying, outcome
from app.simulation.buying import Plan
from app.simulation.life import Life
from app.simulation.outcome import Result, Story
from app.simulation.parameters import Parameters, Pricing
from app.simulation.quoting import Quoting
from app.simulation.service import Service, opened, scratch
from app.simulation.world import World, made
from app.worker import fast_loop
from market import effort
from market.audit import audit


class Run(NamedTuple):
    """What came of it; and how long it took in real seconds, in all and by act (seconds, times)."""

    result: Result
    stories: list[Story]
    seconds: float
    acts: dict[str, tuple[float, int]]


Joining = Callable[[Life], None]
Reading = Callable[[Life], Awaitable[None]]
Planning = Callable[[World, list[Plan]], list[Plan]]


def simulate(
    parameters: Parameters,
    *,
    pricing: Pricing | None = None,
    planning: Planning | None = None,
    quotes: bool = False,
    fitted_until: float | None = None,
) -> Run:
    """Run a market to its end, on a database that is thrown away.

    pricing: one way to price all tasks. planning: other tasks than those of the parameters, made from them. quotes:
    forecasts are made and scored, by a model that is fitted for the last time on day `fitted_until`.
    """
    with scratch() as url, asyncio.Runner(loop_factory=fast_loop()) as runner:
        living = lived(
            url, parameters, pricing=pricing, planning=planning, quotes=quotes, fitted_until=fitted_until
        )  # fmt: skip
        return runner.run(living)


async def lived(
    url: str,
    parameters: Parameters,
    *,
    pricing: Pricing | None = None,
    planning: Planning | None = None,
    quotes: bool = False,
    fitted_until: float | None = None,
    fit_days: int = 1,
    joining: Joining | None = None,
    reading: Reading | None = None,
) -> Run:
    """The same inside an event loop, on the empty database at `url`. joining: told of the life before it begins;
    reading: when all is over."""
    begun = time.perf_counter()
    world = made(parameters)
    plans = buying.plans(parameters, world)
    if planning is not None:
        plans = planning(world, plans)
    async with opened(url) as service:
        life = Life(service, parameters, world, plans, pricing)
        quoting = Quoting(life, fitted_until, fit_days) if quotes else None
        if joining is not None:
            joining(life)
        await life.run()
        calibration = None if quoting is None else await quoting.calibration()
        if reading is not None:
            await reading(life)
        told = await outcome.stories(service.connection, plans, expected(plans))
        found = await outcome.result(
            service.connection, told, life.counts, await audit(service.connection), parameters, pricing, calibration
        )
        return Run(found, told, time.perf_counter() - begun, _acts(service))


def expected(plans: Sequence[Plan]) -> list[float]:
    """The minutes that each task is expected to take."""
    return [effort.expected(buying.wanted(plan), has_place=plan.place is not None) for plan in plans]


def _acts(service: Service) -> dict[str, tuple[float, int]]:
    return {act: (service.spent[act], service.times[act]) for act in sorted(service.spent)}

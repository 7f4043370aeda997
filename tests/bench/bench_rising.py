"""Rising prices against the best fixed price: the same tasks and the same people, money spent at an equal share filled.

For each seed one market is lived through at every price of a fine grid, and at each rising schedule. What a fixed
price costs at the share that a schedule reaches is read between the two prices around it, or from a dearer one that is
cheaper. Money is what was paid for all accepted answers, with fees, those too late included; the share counts those
handed in by the deadline. The schedules were chosen on seeds 101 to 103, which are not among those measured.
BENCH_SEEDS: how many; BENCH_WORLDS=0 leaves out how far it depends on the population.
"""

from __future__ import annotations

import asyncio
import math
import os
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from typing import NamedTuple

import asyncpg

from app.simulation.buying import Plan
from app.simulation.parameters import Parameters, Pricing
from app.simulation.run import lived
from app.simulation.service import scratch
from app.simulation.world import World

SEEDS = int(os.environ.get("BENCH_SEEDS", "4"))
WORLDS = os.environ.get("BENCH_WORLDS", "1") != "0"
AT_ONCE = int(os.environ.get("BENCH_PROCESSES", str(os.cpu_count() or 1)))
BAR = 0.10
WORLD_SEEDS = (1, 2)
LONGEST_S = 86_400  # deadlines: longer tasks are asked for this long instead
SIZE = Parameters(tasks=300, days=2, people=240, cities=2)
FIXED = tuple(round(0.45 * 1.2**n, 3) for n in range(10))
FEW_FIXED = FIXED[1::2]
SCHEDULES = {
    "0.4 to 2.0, 50% in each 16th": Pricing(start=0.4, top=2.0, percent=50, steps=16),
    "0.4 to 2.0, 100% in each 10th": Pricing(start=0.4, top=2.0, percent=100, steps=10),
    "0.3 to 2.0, 100% in each 12th": Pricing(start=0.3, top=2.0, percent=100, steps=12),
}
BEST = "0.4 to 2.0, 50% in each 16th"
OTHERS = {
    "half as many people": {"people": 120},
    "all on foot": {"speed_m_a_minute": 75.0, "speed_spread": 0.12, "reach_m": 1500.0},
    "nobody waits": {"strategic_share": 0.0},
    "all may wait": {"strategic_share": 1.0},
    "all have one wage": {"wage_spread": 0.0, "taste_spread": 0.0},
}


class Job(NamedTuple):
    """A market to be lived through."""

    world: str
    seed: int
    name: str
    pricing: Pricing


class Lived(NamedTuple):
    """share: of the slots filled in time · cost: cents for all that was accepted · waits: for a rise."""

    share: float
    cost: int
    waits: int


def main() -> None:
    """All markets, then the savings of each schedule with their interval, then how far other populations differ."""
    jobs = [
        Job("", seed, *each)
        for seed in range(1, SEEDS + 1)
        for each in [(f"{price}", Pricing(start=price)) for price in FIXED] + list(SCHEDULES.items())
    ]
    if WORLDS:
        few = [(f"{price}", Pricing(start=price)) for price in FEW_FIXED] + [(BEST, SCHEDULES[BEST])]
        jobs += [Job(world, seed, *each) for world in OTHERS for seed in WORLD_SEEDS for each in few]
    # One in so many, so that every process has as much to do.
    parts = [jobs[n::AT_ONCE] for n in range(AT_ONCE)]
    with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as processes:
        found = {job[:3]: lived for part in processes.map(_live, parts) for job, lived in part}
    print(f"{SIZE.tasks} tasks in {SIZE.days} days, {SIZE.people} people in {SIZE.cities} cities, seeds 1 to {SEEDS}")
    print("fixed, in parts of the usual pay: share filled in time, usd")
    for price in FIXED:
        own = [found["", seed, f"{price}"] for seed in range(1, SEEDS + 1)]
        print(f"  {price:6.3f} {_mean(own, 'share'):7.1%} {_mean(own, 'cost') / 100:10.2f}")
    print(f"rising: share, usd, and less than the best fixed price at that share (bar {BAR:.0%})")
    for name in SCHEDULES:
        own = [found["", seed, name] for seed in range(1, SEEDS + 1)]
        savings = [_saving(found, "", seed, name, FIXED) for seed in range(1, SEEDS + 1)]
        print(
            f"  {name:31s} {_mean(own, 'share'):6.1%} {_mean(own, 'cost') / 100:9.2f}  {_spread(savings)}, "
            f"{_mean(own, 'waits'):.0f} waits"
        )
    if WORLDS:
        print(f"the same with other people, seeds {WORLD_SEEDS}, {BEST}:")
        for world in OTHERS:
            savings = [_saving(found, world, seed, BEST, FEW_FIXED) for seed in WORLD_SEEDS]
            share = statistics.mean(found[world, seed, BEST].share for seed in WORLD_SEEDS)
            print(f"  {world:24s} share {share:6.1%}, saves {' and '.join(_percent(each) for each in savings)}")


def _live(jobs: Sequence[Job]) -> list[tuple[Job, Lived]]:
    """These markets one after the other, on one server, each in a database of its own."""
    with scratch() as url:
        return [(job, asyncio.run(_one(job, url, f"market_{n}"))) for n, job in enumerate(jobs)]


async def _one(job: Job, url: str, name: str) -> Lived:
    await _sql(url, f"CREATE DATABASE {name} TEMPLATE sensorium STRATEGY FILE_COPY")
    parameters = {
        **{each: getattr(SIZE, each) for each in SIZE.__struct_fields__},
        **OTHERS.get(job.world, {}),
        "seed": job.seed,
    }
    own = url.replace("/sensorium?", f"/{name}?", 1)
    run = await lived(own, Parameters(**parameters), pricing=job.pricing, planning=_short)
    await _sql(url, f"DROP DATABASE {name} WITH (FORCE)")
    if run.result.broken:
        raise AssertionError(f"the books are wrong: {run.result.broken}")
    whole = run.result.whole
    found = Lived(whole.share, whole.paid + whole.fees, run.result.counts.get("waits for a rise", 0))
    print(f"  {job.world} seed {job.seed}, {job.name}: {found}", file=sys.stderr, flush=True)
    return found


async def _sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("/sensorium?", "/postgres?", 1))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _short(_: World, plans: list[Plan]) -> list[Plan]:
    return [plan._replace(lasts_s=min(plan.lasts_s, LONGEST_S)) for plan in plans]


def _saving(
    found: dict[tuple[str, int, str], Lived], world: str, seed: int, name: str, prices: Sequence[float]
) -> float | None:
    """Which part of the money a schedule saves; None where no fixed price reaches its share."""
    fixed = [found[world, seed, f"{price}"] for price in prices]
    rising = found[world, seed, name]
    costs: list[float] = [each.cost for each in fixed if each.share >= rising.share]
    for one, two in pairwise(fixed):
        low, high = sorted((one, two), key=lambda each: each.share)
        if low.share <= rising.share < high.share:
            part = (rising.share - low.share) / (high.share - low.share)
            costs.append(low.cost ** (1 - part) * high.cost**part)
    return 1 - rising.cost / min(costs) if costs else None


def _mean(own: Sequence[Lived], field: str) -> float:
    return statistics.mean(getattr(each, field) for each in own)


def _percent(saving: float | None) -> str:
    return "none reaches it" if saving is None else f"{saving:.1%}"


def _spread(savings: Sequence[float | None]) -> str:
    """The mean with its 95 % interval (Student's t), and each."""
    known = [each for each in savings if each is not None]
    each = " ".join(_percent(one) for one in savings)
    if len(known) < 2:
        return f"saves {each}"
    t = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}.get(len(known), 2.26)
    half = t * statistics.stdev(known) / math.sqrt(len(known))
    mean = statistics.mean(known)
    return f"saves {mean:.1%}, from {mean - half:.1%} to {mean + half:.1%} ({each})"

"""Quotes in a simulated month: what was foretold of the last week's tasks by a model of the three weeks before.

Each forecast is the market's own, stored when the task was posted, with the model that was fitted for the last time on
the evening of day 21. Beside it: each kind's own share of the same tasks, known only afterwards, and the prior without
any history. BENCH_TASKS and BENCH_SEED for another run.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import asyncpg

from app.db import Connection
from app.simulation import pictures
from app.simulation.buying import Plan
from app.simulation.life import Life
from app.simulation.parameters import Parameters
from app.simulation.run import lived
from app.simulation.service import BEGINS, scratch
from app.simulation.world import DAY_S
from app.worker import fast_loop
from market import fill_history, fill_model, forecasts, prices, quotes
from market.terms import TaskDraft

TASKS = int(os.environ.get("BENCH_TASKS", "20000"))
PARAMETERS = Parameters(
    seed=int(os.environ.get("BENCH_SEED", "1")), tasks=TASKS, people=max(150, TASKS * 3 // 40), days=28
)  # fmt: skip
HELD_OUT = 21
SAMPLE = 20  # one task in so many is asked about through the endpoint's own path as well
INSIDE_BAR, BETTER_BAR = (0.75, 0.85), 0.20


class Point(NamedTuple):
    """A chance by a horizon, and whether it came true. at: the horizon, 0 for the task's end."""

    kind: str
    at: int
    chance: float
    came: bool


def main() -> None:
    """One simulated month, then the figures."""
    with scratch() as url, asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_measure(url))


async def _measure(url: str) -> None:
    quoted: dict[int, quotes.Quote] = {}

    def join(life: Life) -> None:
        async def ask(conn: Connection, plan: Plan, draft: TaskDraft) -> TaskDraft:
            if plan.at >= HELD_OUT * DAY_S and plan.number % SAMPLE == 0:
                asking = quotes.QuoteDraft(**{each: getattr(draft, each) for each in draft.__struct_fields__})
                quoted[plan.number] = await quotes.quote(conn, "usd", asking, rates=life.rates, known=[])
            return draft

        life.asked.append(ask)

    async def read(life: Life) -> None:
        rows = await life.service.connection.fetch(
            """SELECT f.*, q.lon, q.near, q.city, q.minutes, q.reward, q.top, q.step, q.step_s, q.quantity, q.people,
                 q.way, t.external_id
               FROM forecast f JOIN task_fill q ON q.task_id = f.task_id JOIN task t ON t.id = f.task_id
               WHERE f.opened_at >= $1::timestamptz + make_interval(days => $2) ORDER BY f.opened_at""",
            BEGINS, HELD_OUT,
        )  # fmt: skip
        posted = sum(plan.at >= HELD_OUT * DAY_S for plan in life.plans)
        models = {row["model_id"] for row in rows}
        print(f"{posted} tasks of the last week, {len(rows)} foretold, by {len(models)} model(s)")
        _scores(rows)
        _endpoint(rows, quoted)

    run = await lived(url, PARAMETERS, quotes=True, fitted_until=HELD_OUT, fit_days=7, joining=join, reading=read)
    whole = run.result.whole
    print(
        f"seed {PARAMETERS.seed}: {whole.tasks} tasks, {PARAMETERS.people} people, {PARAMETERS.days} days in "
        f"{run.seconds:.0f} s; {whole.share:.1%} of {whole.slots} slots filled in time; audit: "
        f"{'clean' if not run.result.broken else run.result.broken}, {run.result.rules} rules"
    )
    print("  ms per act: " + ", ".join(f"{act} {1000 * s / n:.2f} x {n}" for act, (s, n) in run.acts.items()))


def _scores(rows: Sequence[asyncpg.Record]) -> None:
    scored = [row for row in rows if row["scored_at"] is not None]
    inside = sum(row["inside"] for row in scored) / len(scored)
    ended = [row for row in scored if row["deciles"][-1] is not None]
    within = [
        row["filled_s"] is not None and row["deciles"][0] <= row["filled_s"] <= row["deciles"][-1] for row in ended
    ]  # fmt: skip
    print(f"80 % interval of the fill time: covers {inside:.1%} of {len(scored)} (bar 75-85 %); of {len(ended)} whose")
    print(f"  interval ends before the task does: {sum(within) / len(within):.1%}")
    points = _points(scored, [row["chances"] for row in scored])
    model, shares = _brier(points), _base_rate(points)
    first = scored[::10]
    prior = _brier(_points(first, [_prior_chances(row) for row in first]))
    same = _brier(_points(first, [row["chances"] for row in first]))
    print(f"Brier score {model:.4f}, each kind's own share {shares:.4f}: {1 - model / shares:.1%} better (bar 20 %)")
    print(f"  one in ten: the model {same:.4f}, the prior alone {prior:.4f}")
    for kind in sorted({point.kind for point in points}):
        own = [point for point in points if point.kind == kind]
        score, share = _brier(own), _base_rate(own)
        print(f"  {kind:8s} {len(own):6d} chances: {score:.4f}, share {share:.4f}: {1 - score / share:.1%} better")
    print("  foretold      came true    chances")
    for foretold, came, count in reliability(points):
        print(f"  {foretold:8.3f} {came:14.3f} {count:10d}  {'#' * round(40 * came)}")


def _points(rows: Sequence[asyncpg.Record], chances: Sequence[Sequence[float]]) -> list[Point]:
    """All horizons up to which it is known what became of the task, as the published calibration counts them."""
    found = []
    for row, foretold in zip(rows, chances, strict=True):
        for horizon, chance in zip(row["horizons"], foretold, strict=True):
            if row["filled_s"] is not None or row["known_s"] >= horizon:
                came = row["filled_s"] is not None and row["filled_s"] <= horizon
                found.append(Point(row["kind"], horizon if horizon in forecasts.HORIZONS_S else 0, chance, came))
    return found


def _brier(points: Sequence[Point]) -> float:
    return sum((point.chance - point.came) ** 2 for point in points) / len(points)


def _base_rate(points: Sequence[Point]) -> float:
    """The Brier score of the share of each kind by each horizon."""
    of: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for point in points:
        of[point.kind, point.at].append(point.came)
    return sum(len(came) * (p := sum(came) / len(came)) * (1 - p) for came in of.values()) / len(points)


def _prior_chances(row: asyncpg.Record) -> list[float]:
    path = prices.Path(row["reward"], row["top"], row["step_s"] or None, row["step"])
    asked = fill_history.one_row(
        row["kind"], "usd", row["opened_at"], row["lon"], row["near"], row["city"], row["minutes"], path,
        row["quantity"], fill_history.Around(row["people"], row["way"]), row["horizons"][-1],
    )  # fmt: skip
    curve = fill_model.unfitted().curve(asked)
    return [curve.at(horizon).probability for horizon in row["horizons"]]


def reliability(points: Sequence[Point]) -> list[pictures.Tenth]:
    """The mean chance, the share that came true, and how many, in tenths of the chance."""
    found = []
    for low, high in pairwise([n / 10 for n in range(10)] + [1.01]):
        own = [point for point in points if low <= point.chance < high]
        if own:
            foretold, came = (sum(values) / len(own) for values in zip(*((p.chance, p.came) for p in own), strict=True))
            found.append(pictures.Tenth(foretold, came, len(own)))
    return found


def _endpoint(rows: Sequence[asyncpg.Record], quoted: dict[int, quotes.Quote]) -> None:
    """The endpoint's answers just before posting, beside what was stored of the same tasks just after."""
    of = {int(row["external_id"].rpartition("-")[2]): row for row in rows}
    both = [(quote, of[number]) for number, quote in quoted.items() if number in of]
    apart, inside = [], []
    for quote, row in both:
        last = quote.fill[-1]
        apart.append(abs(last.probability - row["chances"][-1]))
        if row["scored_at"] is not None and quote.fill_time.late_s is not None and quote.fill_time.early_s is not None:
            filled = row["filled_s"]
            inside.append(filled is not None and quote.fill_time.early_s <= filled <= quote.fill_time.late_s)
    print(
        f"the endpoint itself, {len(both)} tasks: chances by the end apart from the stored by {max(apart):.4f} at most,"
    )
    print(
        f"  {sum(apart) / len(apart):.5f} on average; its intervals that end in time cover "
        f"{sum(inside) / len(inside):.1%}"
    )
    suggested = [quote.price_suggested.amount for quote, _ in both if quote.price_suggested is not None]
    print(f"  a price for an 80 % chance was named for {len(suggested)} of them")

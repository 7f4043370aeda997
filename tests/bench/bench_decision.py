"""Buying by the value of an observation, against always buying and never buying, in the simulated market.

1,000 agents with a decision to take about a place: acts whose payoffs depend on how it is there, of which they know the
chances. Who buys by value asks for a quote and posts as many replicates as it says, or nothing; the others post one
answer, or three, for every problem, or none. All then read what came in time, and do what is best by their belief. What
answers cost is what was paid for them, those too late included. The same world, people, problems and truths for all.
BENCH_PROBLEMS and BENCH_SEED for another run.
"""

from __future__ import annotations

import asyncio
import math
import os
import statistics
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.db import Connection
from app.simulation.buying import ANSWERS, Plan
from app.simulation.life import Life
from app.simulation.outcome import Story
from app.simulation.parameters import Parameters
from app.simulation.run import Run, lived
from app.simulation.service import scratch
from app.simulation.world import DAY_S, World
from app.worker import fast_loop
from market import decision_value, quotes, reliability
from market.terms import TaskDraft

PROBLEMS = int(os.environ.get("BENCH_PROBLEMS", "1000"))
SEED = int(os.environ.get("BENCH_SEED", "1"))
LEARNING, ASKING = 6, 6  # days in which the market learns how reliable answers are, then days of problems
PARAMETERS = Parameters(
    seed=SEED, tasks=3 * PROBLEMS, days=LEARNING + ASKING, people=max(60, PROBLEMS // 2), cities=3
)  # fmt: skip
STAKE, STAKE_SPREAD = 500.0, 1.0  # cents: the spread of payoffs, itself log-normal over the problems
PAYS = 1.1

Quantity = Callable[[quotes.Quote], int]
# How many answers each way of buying wants, given the quote.
WAYS: dict[str, Quantity] = {
    "by value": lambda quote: quote.decision.replicates if quote.decision is not None else 0,
    "always one": lambda _: 1,
    "always three": lambda _: 3,
}


class Choice(NamedTuple):
    """A decision to take. payoffs: (acts, answers) in cents."""

    plan: Plan
    payoffs: NDArray[np.floating[Any]]


class Net(NamedTuple):
    """What a problem brought: payoff less cost, the cost, answers bought, and what the quote said it would gain."""

    net: float
    cost: float
    answers: int
    foretold: float


def main() -> None:
    """Each way of buying in its own run of the same world; then the means and the differences problem by problem."""
    nets: dict[str, list[Net]] = {}
    choices: list[Choice] = []
    for way, quantity in WAYS.items():
        with scratch() as url, asyncio.Runner(loop_factory=fast_loop()) as runner:
            choices, nets[way] = runner.run(_lived(url, quantity))
    never, best = [], []
    for choice in choices:
        prior, truth = np.array(choice.plan.prior), choice.plan.truth
        never.append(Net(float(choice.payoffs[(choice.payoffs @ prior).argmax(), truth]), 0.0, 0, 0.0))
        best.append(float(choice.payoffs[:, truth].max()))
    nets["never"] = never
    print(f"{len(choices)} problems, seed {SEED}, {PARAMETERS.people} people; usd per problem, 95 % interval")
    for way, own in nets.items():
        bought = sum(each.answers for each in own) / len(own)
        cost = statistics.mean(each.cost for each in own) / 100
        print(f"  {way:13s} {_interval([each.net for each in own])}, {bought:.2f} answers for {cost:.2f}")
    print(f"  {'the truth free':13s} {_interval(best)}")
    value = nets["by value"]
    for way in ("never", "always one", "always three"):
        apart = [a.net - b.net for a, b in zip(value, nets[way], strict=True)]
        print(f"by value less {way:13s} {_interval(apart)} (bar: above 0)")
    asked = [each for each in value if each.foretold > 0]
    gained = [a.net - b.net for a, b in zip(value, never, strict=True) if a.foretold > 0]
    print(
        f"asked for {len(asked)} of them: foretold to gain "
        f"{statistics.mean(each.foretold for each in asked) / 100:.2f} if all answers come, gained {_interval(gained)}"
    )


async def _lived(url: str, quantity: Quantity) -> tuple[list[Choice], list[Net]]:
    """One way of buying: the problems, and what each brought."""
    choices: dict[int, Choice] = {}
    quoted: dict[int, quotes.Quote] = {}

    def planning(_: World, plans: list[Plan]) -> list[Plan]:
        draws = Random(f"{SEED}:payoffs")
        for plan in plans:
            late = plan.at >= LEARNING * DAY_S and len(choices) < PROBLEMS
            if late and plan.truth >= 0 and plan.kind in ("photo", "answer"):
                problem = _problem(plan)
                plans[plan.number] = problem
                choices[plan.number] = Choice(problem, _payoffs(len(plan.prior), draws))
        return plans

    def join(life: Life) -> None:
        async def ask(conn: Connection, plan: Plan, draft: TaskDraft) -> TaskDraft | None:
            if plan.number not in choices:
                return draft
            quote = quoted[plan.number] = await _quote(conn, life, choices[plan.number], draft)
            wanted = quantity(quote)
            kept = {name: getattr(draft, name) for name in draft.__struct_fields__}
            return TaskDraft(**{**kept, "quantity": wanted}) if wanted else None

        async def learn(at: float) -> None:
            async with life.service.at(at, "learn") as conn:
                await reliability.learn(conn)

        life.asked.append(ask)
        life.every.append((DAY_S, learn))

    run: Run = await lived(url, PARAMETERS, planning=planning, joining=join)
    if run.result.broken:
        raise AssertionError(f"the books are wrong: {run.result.broken}")
    told = {story.plan.number: story for story in run.stories}
    ordered = [choices[number] for number in sorted(choices)]
    return ordered, [_net(each, told.get(each.plan.number), quoted[each.plan.number]) for each in ordered]


def _problem(plan: Plan) -> Plan:
    """A task that one answer is asked for, at a fixed price, looked at by machine, with half a day at least."""
    return plan._replace(rises=False, pays=PAYS, manual=False, quantity=1, lasts_s=max(plan.lasts_s, 12 * 3600))


def _payoffs(answers: int, draws: Random) -> NDArray[np.floating[Any]]:
    stake = STAKE * math.exp(draws.gauss(0, STAKE_SPREAD))
    return np.array([[round(draws.gauss(0, stake)) for _ in range(answers)] for _ in range(draws.randint(2, 4))])


async def _quote(conn: Connection, life: Life, choice: Choice, draft: TaskDraft) -> quotes.Quote:
    names = ANSWERS[: len(choice.plan.prior)]
    decision = quotes.Decision(
        prior=dict(zip(names, choice.plan.prior, strict=True)),
        acts={f"act {n}": dict(zip(names, map(float, row), strict=True)) for n, row in enumerate(choice.payoffs)},
    )
    given = {name: getattr(draft, name) for name in draft.__struct_fields__}
    return await quotes.quote(conn, "usd", quotes.QuoteDraft(**given, decision=decision), rates=life.rates, known=[])


def _net(choice: Choice, story: Story | None, quote: quotes.Quote) -> Net:
    """Act on what came in time, by Bayes' rule with the reliability that the quote named."""
    assert quote.decision is not None and quote.decision.reliability is not None
    answers = len(choice.plan.prior)
    channel = decision_value.one_coin(answers, quote.decision.reliability.accuracy)
    belief = np.array(choice.plan.prior)
    taken = [] if story is None else story.taken
    for answer in taken:
        if story is not None and answer.handed_in <= story.closes and answer.found is not None and answer.found >= 0:
            belief = belief * channel[:, answer.found]
    act = int((choice.payoffs @ belief).argmax())
    cost = sum(answer.reward + answer.fee for answer in taken)
    foretold = quote.decision.gain if quote.decision.worth_asking else 0.0
    return Net(float(choice.payoffs[act, choice.plan.truth]) - cost, cost, len(taken), foretold)


def _interval(values: Sequence[float]) -> str:
    """The mean with its 95 % interval, in usd."""
    mean = statistics.mean(values)
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{mean / 100:6.2f} ± {half / 100:.2f}"

"""What became of a simulated market, read from its tables when all is over: numbers that a seed always gives again."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import msgspec

from app.db import Connection
from app.simulation.buying import ANSWERS, Plan
from app.simulation.parameters import Parameters, Pricing
from app.simulation.service import BEGINS
from market.audit import RULES, Finding
from market.forecasts import Calibration
from market.prices import Path, step_of

# Prices in parts of the usual pay, between which tasks are taken together.
STEPS = (0.5, 0.75, 1.0, 1.4, 2.0)
HOURS = (0.5, 1, 2, 3, 4, 6, 9, 12, 18, 24, 36, 48, 72)


class Answer(NamedTuple):
    """One that was handed in. Seconds since the beginning, cents; found: index of what was said, -1 for an honest
    negative, None for a reading; number: of the person who gave it."""

    claimed: float
    handed_in: float
    status: str
    reward: int
    fee: int
    found: int | None
    person: int


class Story(NamedTuple):
    """A task and what came of it. closes: seconds since the beginning; path: of its price; minutes: expected."""

    plan: Plan
    status: str
    closes: float
    path: Path
    minutes: float
    answers: list[Answer]

    @property
    def taken(self) -> list[Answer]:
        """Accepted answers in the order in which they were handed in."""
        return sorted((each for each in self.answers if each.status == "accepted"), key=lambda each: each.handed_in)

    @property
    def in_time(self) -> int:
        """How many of them were handed in by the deadline."""
        return sum(each.handed_in <= self.closes for each in self.taken)

    @property
    def filled_s(self) -> float | None:
        """Seconds after the posting at which the last slot was filled; None where one never was in time."""
        return self.taken[-1].handed_in - self.plan.at if self.in_time == self.plan.quantity else None


class Group(msgspec.Struct, frozen=True):
    """Tasks taken together. filled: slots with an accepted answer in time; share: of all slots; median_h: from the
    posting to a task's last answer, of those that were filled; paid: cents to people; fees: cents to the market."""

    tasks: int
    slots: int
    filled: int
    share: float
    median_h: float | None
    paid: int
    fees: int


class Curve(msgspec.Struct, frozen=True):
    """Which part of the slots was filled after so many hours, of tasks whose fixed price was in this range."""

    low: float
    high: float | None
    slots: int
    hours: list[float]
    shares: list[float]


class RisingPath(msgspec.Struct, frozen=True):
    """A rising price as it went: hours from the posting, cents; and where somebody claimed, None where nobody did."""

    hours: list[float]
    cents: list[int]
    claimed_h: float | None
    claimed_at: int | None


class Result(msgspec.Struct, frozen=True):
    """A whole run. No ids and no real time: the same parameters always give the same.

    counts: what happened · claims, submissions: by how they ended · right: part of the accepted answers that were the
    truth · earnings: cents per person who earned, in tenths of the people from the least to the most · broken: rules
    of the audit that do not hold, with one example each.
    """

    parameters: Parameters
    pricing: Pricing | None
    whole: Group
    by_kind: dict[str, Group]
    by_price: list[Curve]
    rising: list[RisingPath]
    counts: dict[str, int]
    claims: dict[str, int]
    submissions: dict[str, int]
    right: float | None
    earners: int
    earnings: list[float]
    calibration: Calibration | None
    rules: int
    broken: dict[str, str]


async def stories(conn: Connection, plans: Sequence[Plan], minutes: Sequence[float]) -> list[Story]:
    """Every task that was posted, by number. minutes: expected for each plan."""
    given: dict[str, list[Answer]] = defaultdict(list)
    for row in await conn.fetch(
        """SELECT s.task_id::text AS task, c.created_at AS claimed, s.submitted_at, s.status, s.outcome,
             s.answers->>'state' AS state, coalesce(e.amount, 0) AS amount, coalesce(e.fee, 0) AS fee, p.display_name
           FROM submission s JOIN claim c ON c.id = s.claim_id JOIN person p ON p.id = s.person_id
             LEFT JOIN earning e ON e.submission_id = s.id"""
    ):
        state = row["state"]
        found = -1 if row["outcome"] == "honest_negative" else None if state is None else ANSWERS.index(state)
        number = int(row["display_name"].rpartition(" ")[2])
        given[row["task"]].append(
            Answer(
                since(row["claimed"]), since(row["submitted_at"]), row["status"], row["amount"], row["fee"], found,
                number,
            )
        )  # fmt: skip
    found_tasks = await conn.fetch(
        """SELECT id::text, external_id, status, closes_at, reward, top, step_s, step_percent FROM task
           WHERE external_id IS NOT NULL"""
    )
    told = []
    for row in found_tasks:
        number = int(row["external_id"].rpartition("-")[2])
        step = 0 if row["step_s"] is None else step_of(row["reward"], row["step_percent"])
        path = Path(row["reward"], row["top"], row["step_s"], step)
        answers = sorted(given[row["id"]], key=lambda each: (each.handed_in, each.person))
        told.append(Story(plans[number], row["status"], since(row["closes_at"]), path, minutes[number], answers))
    return sorted(told, key=lambda story: story.plan.number)


def since(at: datetime) -> float:
    """Seconds since the beginning."""
    return (at - BEGINS).total_seconds()


def group(told: Sequence[Story]) -> Group:
    """These tasks taken together."""
    slots, filled = sum(story.plan.quantity for story in told), sum(story.in_time for story in told)
    hours = [story.filled_s / 3600 for story in told if story.filled_s is not None]
    taken = [answer for story in told for answer in story.taken]
    return Group(
        len(told), slots, filled, round(filled / slots, 4) if slots else 0.0,
        round(median(hours), 3) if hours else None, sum(each.reward for each in taken), sum(each.fee for each in taken),
    )  # fmt: skip


def curves(told: Sequence[Story], parameters: Parameters) -> list[Curve]:
    """Fill curves by the fixed price in parts of the usual pay, for ranges in which there are tasks."""
    sorted_in: dict[int, list[Story]] = defaultdict(list)
    for story in told:
        if story.path.step_s is not None:
            continue
        part = story.path.reward / (parameters.usual_a_minute * story.minutes)
        sorted_in[bisect_right(STEPS, part)].append(story)
    found = []
    for place, those in sorted(sorted_in.items()):
        slots = sum(story.plan.quantity for story in those)
        at = [(answer.handed_in - story.plan.at) / 3600 for story in those for answer in story.taken]
        shares = [round(sum(hours <= limit for hours in at) / slots, 4) for limit in HOURS]
        low = STEPS[place - 1] if place else 0.0
        found.append(Curve(low, STEPS[place] if place < len(STEPS) else None, slots, list(HOURS), shares))
    return found


def rising_paths(told: Sequence[Story], most: int = 40) -> list[RisingPath]:
    """The first rising prices of a run, of tasks with one slot and a day at most, as they went."""
    found: list[RisingPath] = []
    for story in told:
        if story.path.step_s is None or story.plan.quantity > 1 or story.plan.lasts_s > 86_400 or len(found) == most:
            continue
        claimed = story.taken[0].claimed - story.plan.at if story.taken else None
        until = story.closes - story.plan.at if claimed is None else claimed
        steps = story.path.rises(until)
        found.append(
            RisingPath(
                [round(at / 3600, 3) for at, _ in steps], [cents for _, cents in steps],
                None if claimed is None else round(claimed / 3600, 3),
                None if claimed is None else story.path.at(claimed),
            )
        )  # fmt: skip
    return found


async def result(
    conn: Connection,
    told: Sequence[Story],
    counts: Counter[str],
    findings: Sequence[Finding],
    parameters: Parameters,
    pricing: Pricing | None,
    calibration: Calibration | None,
) -> Result:
    """All of it. findings: of the audit."""
    said = [
        (answer.found, story.plan.truth) for story in told for answer in story.taken if answer.found is not None
    ]  # fmt: skip
    earned = sorted(
        row["sum"] for row in await conn.fetch("SELECT sum(amount)::bigint FROM earning GROUP BY person_id")
    )  # fmt: skip
    return Result(
        parameters=parameters, pricing=pricing, whole=group(told),
        by_kind={
            kind: group([story for story in told if story.plan.kind == kind])
            for kind in sorted({story.plan.kind for story in told})
        },
        by_price=curves(told, parameters), rising=rising_paths(told), counts=dict(sorted(counts.items())),
        claims=await _counted(conn, "claim"), submissions=await _counted(conn, "submission"),
        right=round(sum(found == truth for found, truth in said) / len(said), 4) if said else None,
        earners=len(earned), earnings=_tenths(earned), calibration=calibration, rules=RULES,
        broken={finding.rule: finding.examples[0] for finding in findings},
    )  # fmt: skip


async def _counted(conn: Connection, table: str) -> dict[str, int]:
    rows = await conn.fetch(f"SELECT status::text, count(*) FROM {table} GROUP BY 1 ORDER BY 1")
    return {row["status"]: row["count"] for row in rows}


def _tenths(earned: list[int]) -> list[float]:
    """The mean of each tenth of a sorted list."""
    if not earned:
        return []
    edges = [round(i * len(earned) / 10) for i in range(11)]
    return [round(sum(earned[a:b]) / (b - a), 1) if b > a else 0.0 for a, b in pairwise(edges)]

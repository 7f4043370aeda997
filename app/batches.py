"""What of a device's batch each standing task may buy: nothing twice, nothing too old, alone what is paid for so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from app import judging
from app.errors import Problem
from market.standing import Sale, Sold, Wanted
from market.submissions import Answering
from sensors.readings import alike, hint, last_segment, meant, quantity_of

Record: TypeAlias = dict[str, Any]

ELSEWHERE = "were sold to another buyer, who has them alone"
COMMON = "were sold to others already, and this task pays to be the only one"


class Planned(NamedTuple):
    """A task with what it is to get, or why it gets nothing."""

    task: Wanted
    sale: Sale | None
    detail: str = ""


def candidates(pack: list[Record]) -> list[str]:
    """The names in a resolved pack, and those that they may have been meant for."""
    names = {last_segment(each["n"]) for each in pack}
    return sorted(names.union(*map(meant, names)))


def plan(found: list[Wanted], pack: list[Record], sold: dict[str, Sold], now: datetime) -> Iterator[Planned]:
    """Each task in turn, the best paid first, and what is then left for the next.

    pack: in normalised form · sold: up to when the device's samples of each quantity are sold; brought up to date.
    """
    by_name: dict[str, list[Record]] = {}
    for record in pack:
        by_name.setdefault(last_segment(record["n"]), []).append(record)
    for task in found:
        if task.refusal is not None:
            yield Planned(task, None, task.refusal)
            continue
        asked = [each.name for each in task.evidence.readings]
        own, left_out = _unsold(task, asked, by_name, sold)
        try:
            judging.require_fitting(Answering(readings=own), task.evidence, now)
        except Problem as problem:
            told = problem.errors[0].detail if problem.errors else problem.detail
            guesses = alike(asked, by_name.keys() - set(asked))
            hints = [hint(name, guesses).removeprefix("; ") + "." for name in asked if name in guesses]
            yield Planned(task, None, " ".join([told, *left_out, *hints]))
            continue
        until = {quantity_of(last_segment(each["n"])): datetime.fromtimestamp(each["t"], UTC) for each in own}
        for quantity, at in until.items():
            before = sold.get(quantity, Sold())
            sold[quantity] = Sold(_later(at, before.to_any), _later(at, before.alone) if task.alone else before.alone)
        yield Planned(task, Sale(own, until, task.alone))


def _unsold(
    task: Wanted, asked: list[str], by_name: dict[str, list[Record]], sold: dict[str, Sold]
) -> tuple[list[Record], list[str]]:
    """What a task may buy, oldest first, and a sentence on each kind of what it asks for and may not.

    Whoever pays for one quantity gets no other.
    """
    own: list[Record] = []
    left_out: Counter[tuple[str, str]] = Counter()
    since = f"were measured before {task.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}, {task.because}"
    for name in asked:
        known = sold.get(quantity_of(name), Sold())
        floors = [(task.since, since), (known.alone, ELSEWHERE), (known.to_any if task.alone else None, COMMON)]
        bars = [(at.timestamp(), why) for at, why in floors if at is not None]
        for record in by_name.get(name, []):
            why = next((why for bar, why in bars if record["t"] <= bar), None)
            if why is None:
                own.append(record)
            else:
                left_out[name, why] += 1
    own.sort(key=lambda record: record["t"])
    return own, [f"Of {name}, {count} {why}." for (name, why), count in left_out.items()]


def _later(at: datetime, other: datetime | None) -> datetime:
    return at if other is None else max(at, other)

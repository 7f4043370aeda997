"""What people hand in, and what the machine says of it: drawn from their skill and honesty instead of from pixels."""

from __future__ import annotations

from typing import Any

from app.simulation import buying
from app.simulation.buying import Plan
from app.simulation.parameters import Parameters
from app.simulation.world import Person
from market.submissions import Answering
from sensors.verdict import SENSORS_VERSION


def evidence(person: Person, plan: Plan, parameters: Parameters) -> tuple[bool, Answering]:
    """Whether a person's evidence is usable, and what they say: the truth as often as they are right.

    Who cheats was never there, and guesses. Where the place is gone, an honest negative says so.
    """
    draws = person.random
    if person.cheats:
        guess = _said(plan, draws.randrange(len(plan.prior)), draws.gauss(20, 8))
        return draws.random() < parameters.cheats_pass, guess
    usable = draws.random() < person.usable
    if plan.truth < 0:
        return usable, Answering(outcome="honest_negative", notes="It is gone.")
    found = plan.truth
    if draws.random() >= right(person, len(plan.prior)):
        found = draws.choice([each for each in range(len(plan.prior)) if each != plan.truth])
    return usable, _said(plan, found, plan.value + draws.gauss(0, 1.5))


def right(person: Person, answers: int) -> float:
    """How often somebody is right: `person.right` between two answers, less between more, at chance where that is."""
    return max(1 / answers, 1 - (1 - person.right) * (1 + 0.15 * (answers - 2)))


def _said(plan: Plan, found: int, measured: float) -> Answering:
    if plan.kind == "reading":
        return Answering(readings=[{"n": "temperature", "u": "Cel", "v": round(measured, 1)}])
    return Answering(answers={"state": buying.named(found)})


def verdict(person: Person, plan: Plan, usable: bool, parameters: Parameters) -> tuple[dict[str, Any], str | None]:
    """The machine's verdict, with the check that failed where one did."""
    draws = person.random
    if draws.random() < parameters.unclear:
        return _verdict("review", draws.uniform(0.35, 0.7), "pass"), None
    if usable:
        return _verdict("pass", draws.uniform(0.85, 0.99), "pass"), None
    return _verdict("fail", draws.uniform(0.02, 0.3), "fail"), "answers" if plan.place is None else "at_place"


def _verdict(outcome: str, score: float, status: str) -> dict[str, Any]:
    check = {"name": "at_place", "status": status, "weight": 0.0, "detail": "Simulated.", "data": {}}
    return {"score": round(score, 3), "outcome": outcome, "version": SENSORS_VERSION, "checks": [check]}

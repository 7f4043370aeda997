"""The outcome of looking at one submission: named findings, a probability, and what follows from them."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import msgspec

from sensors.weights import PRIOR, log_odds

SENSORS_VERSION: Final = "sensors-2.1"
"""Changes whenever a check, a limit or a weight does; stored with every verdict."""

Status = Literal["pass", "warn", "fail", "not_applicable", "inconclusive"]
Outcome = Literal["pass", "review", "fail"]

ALWAYS_DECLARED: Final = ("complete", "decodes", "answers")
"""Every task declares these without naming them: what was required is there, the photos open, the answers fit the
questions. Nobody can be paid for a file that nobody can open, and everybody is told the questions beforehand."""
DECLARABLE: Final = ("fresh", "at_place", "live", "not_duplicate", "quality", "readings", "shows", "unedited",
    "not_recaptured", "consistent", "before_after",
)  # fmt: skip
"""Checks that reject only when the task names them. Otherwise their findings still move the score."""
SIGNALS: Final = ("not_recaptured", "shows", "consistent")
"""Checks that never fail, because they can be wrong about honest evidence. A task that names one wants a human to look
where it warns."""
OPEN: Final = ("not_recaptured", "consistent")
"""Those of them that most honest evidence leaves open: a far scene has no parallax, a browser's file no EXIF. Left open
they are no ground to keep anybody waiting."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. weight: its log-odds in nats; detail: a sentence for the person; data: numbers for machines."""

    name: str
    status: Status
    weight: float
    detail: str
    data: dict[str, Any] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """score: probability that the evidence is genuine, 0–1. version: SENSORS_VERSION of the code that judged."""

    score: float
    outcome: Outcome
    version: str
    checks: list[Check]

    @property
    def reasons(self) -> list[Check]:
        """The failed checks of a failed verdict; those that the task did not declare are no ground to reject it."""
        return [check for check in self.checks if check.status == "fail"] if self.outcome == "fail" else []


def finding(name: str, status: Status, detail: str, **data: Any) -> Check:
    """A Check with its weight from the table."""
    return Check(name=name, status=status, weight=log_odds(name, status), detail=detail, data=data)


def conclude(checks: list[Check], declared: list[str], min_score: float) -> Verdict:
    """Add the findings up.

    fail: a check failed that the task declared, or one of ALWAYS_DECLARED. An undeclared failure only lowers the score.
    pass: score ≥ min_score, no declared check but those of OPEN was left undecided, and no declared one of SIGNALS
    warns. review: everything else, for a human to look at.
    """
    binding = {*declared, *ALWAYS_DECLARED}
    score = 1 / (1 + math.exp(-(PRIOR.log_odds + sum(check.weight for check in checks))))
    undecided = any(
        (check.status == "warn" and check.name in SIGNALS)
        or (check.status == "inconclusive" and check.name not in OPEN)
        for check in checks
        if check.name in binding
    )
    outcome: Outcome
    if any(check.status == "fail" and check.name in binding for check in checks):
        outcome = "fail"
    elif score >= min_score and not undecided:
        outcome = "pass"
    else:
        outcome = "review"
    return Verdict(score=round(score, 4), outcome=outcome, version=SENSORS_VERSION, checks=checks)

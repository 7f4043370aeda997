"""How much each finding says, in one table: log-likelihood ratios, genuine against not, in nats.

A weight of +0.7 doubles the odds that the evidence is genuine, −3 divides them by 20. Findings of different checks are
added as if independent (naive Bayes). "assumed" means a careful guess that no data stands behind yet; a figure measured
on labelled submissions replaces both the number and the word.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Weight(NamedTuple):
    log_odds: float
    source: str


ASSUMED: Final = "assumed"
MODELLED: Final = (
    "python -m tests.bench evidence: none of 4,440 honest captures, all of 300 of each lie (-8 by these figures; held "
    "back, since both are modelled)"
)

PRIOR: Final = Weight(1.4, ASSUMED)
"""Before any check: four of five submissions of signed-in people are genuine."""

WEIGHTS: Final[dict[str, dict[str, Weight]]] = {
    "complete": {"pass": Weight(0.0, "says nothing about truth"), "fail": Weight(-1.0, ASSUMED)},
    "decodes": {"pass": Weight(0.0, ASSUMED), "warn": Weight(-0.1, ASSUMED), "fail": Weight(-3.0, ASSUMED)},
    "fresh": {"pass": Weight(0.6, ASSUMED), "warn": Weight(-0.4, ASSUMED), "fail": Weight(-5.0, MODELLED)},
    "before_after": {"pass": Weight(0.1, ASSUMED), "warn": Weight(-0.3, ASSUMED), "fail": Weight(-2.0, ASSUMED)},
    "at_place": {"pass": Weight(0.7, ASSUMED), "warn": Weight(-0.5, ASSUMED), "fail": Weight(-5.0, MODELLED)},
    "live": {"pass": Weight(0.9, ASSUMED), "warn": Weight(-0.5, ASSUMED), "fail": Weight(-5.0, MODELLED)},
    "not_duplicate": {
        "pass": Weight(0.4, ASSUMED),
        "warn": Weight(-1.0, ASSUMED),
        "fail": Weight(-5.0, "PDQ at radius 31: no false match in 17.9 million pairs of photos, docs/evidence.md"),
    },
    "quality": {"pass": Weight(0.1, ASSUMED), "warn": Weight(-0.2, ASSUMED), "fail": Weight(-0.5, ASSUMED)},
    "readings": {"pass": Weight(0.4, ASSUMED), "warn": Weight(-0.6, ASSUMED), "fail": Weight(-3.0, ASSUMED)},
    "answers": {
        "pass": Weight(0.0, "says nothing about truth"),
        "warn": Weight(-0.8, ASSUMED),
        "fail": Weight(-1.0, ASSUMED),
    },
    "shows": {"pass": Weight(0.2, ASSUMED), "warn": Weight(-0.5, ASSUMED)},
    "not_recaptured": {"pass": Weight(0.3, ASSUMED), "warn": Weight(-0.5, ASSUMED)},
    "consistent": {"pass": Weight(0.05, ASSUMED), "warn": Weight(-0.4, ASSUMED)},
    "unedited": {
        "pass": Weight(0.0, "most honest files say nothing about it"),
        "trusted": Weight(1.5, "a pass whose every photo is signed by a trusted maker; assumed"),
        "warn": Weight(-0.4, ASSUMED),
        "fail": Weight(-3.0, ASSUMED),
    },
}
"""Findings that are missing here (inconclusive, not_applicable) weigh nothing."""


def log_odds(check: str, status: str) -> float:
    """The weight of one finding; KeyError for a check that the table does not know."""
    found = WEIGHTS[check].get(status)
    return 0.0 if found is None else found.log_odds

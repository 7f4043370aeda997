"""How long an answer takes: what people see before they claim, and what the minimum pay is counted by."""

import math

from market.terms import Evidence

# Minutes beside the way, assumed; people walk 80 m a minute.
MINUTES = {"start": 1.0, "photo": 0.5, "reading": 2.0, "question": 0.25}
WALK_M = 80.0
# The way to a place where nobody has claimed yet: most who take a task have not far to go.
TYPICAL_WAY_M = 400.0


def at_work(evidence: Evidence, own: int | None = None) -> float:
    """Minutes of the work itself, without the way; `own`: what the buyer expects, which counts where it is more."""
    minutes = MINUTES["start"] + MINUTES["question"] * len(evidence.questions)
    minutes += MINUTES["reading"] * len(evidence.readings)
    if evidence.photos is not None:
        minutes += MINUTES["photo"] * evidence.photos.min + math.ceil((evidence.photos.work_s or 0) / 60)
    return max(minutes, float(own or 0))


def expected(evidence: Evidence, *, has_place: bool, own: int | None = None) -> float:
    """Minutes of the work and of the way there, before anybody is known who goes it."""
    return at_work(evidence, own) + (TYPICAL_WAY_M / WALK_M if has_place else 0.0)


def looking(evidence: Evidence, *, has_place: bool) -> float:
    """Minutes of whoever finds nothing to answer: the way there included, and a photo where some are asked."""
    photo = MINUTES["photo"] if evidence.photos is not None else 0.0
    return MINUTES["start"] + photo + (TYPICAL_WAY_M / WALK_M if has_place else 0.0)


def from_here(evidence: Evidence, metres: float | None, own: int | None = None) -> int:
    """Whole minutes for somebody who is `metres` away (None: nowhere to go), at least one."""
    return max(1, round(at_work(evidence, own) + (metres or 0.0) / WALK_M))

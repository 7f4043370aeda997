"""When it was: the evidence's own time where the checks believe it, else the time when it was handed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sensors.evidence import Capture
from sensors.readings import Gathered
from sensors.verdict import Verdict


def captured_at(
    captures: Sequence[Capture | None], gathered: Gathered, verdict: Verdict, submitted_at: datetime
) -> datetime:
    """The time that the first photo was taken, where `fresh` passed; without photos that of the newest asked sample,
    where `readings` passed; else, and never later than, submitted_at.

    captures: one for each photo, by its number; None where nothing was said of it.
    """
    passed = {check.name for check in verdict.checks if check.status == "pass"}
    own: datetime | None = None
    if captures:
        own = captures[0].taken_at if captures[0] is not None and "fresh" in passed else None
    elif "readings" in passed:
        own = max((sample.at for samples in gathered.by_name.values() for sample in samples), default=None)
    return submitted_at if own is None else min(own, submitted_at)

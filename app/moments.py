"""Moments as they are asked for, in queries and on the command line: a day in UTC, or a day with a time and a zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from app.strict import YEARS

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
WANTED = "This is neither a day, such as 2026-03-31, nor a moment, such as 2026-03-31T09:00:00Z."


def moment(text: str, *, last: bool = False, zone: tzinfo | None = None) -> datetime:
    """The first moment that `text` covers; last: the first one after it, so that a day is covered to its end.
    zone: of a time that names none; without it each must name its own.

    Raises ValueError, with what to write instead.
    """
    try:
        if _DAY.fullmatch(text):
            found = datetime.combine(date.fromisoformat(text), time(), UTC)
            after = timedelta(days=1) if last else timedelta()
        else:
            found, after = datetime.fromisoformat(text), timedelta()
    except ValueError:
        raise ValueError(WANTED) from None
    if found.tzinfo is None and zone is not None:
        found = found.replace(tzinfo=zone)
    if found.tzinfo is None:
        raise ValueError("A time needs its zone, such as 2026-03-31T09:00:00Z; a `+` in an address is written %2B.")
    if found.year not in YEARS:
        raise ValueError(f"Times lie between the years {YEARS[0]} and {YEARS[-1]}.")
    return found + after

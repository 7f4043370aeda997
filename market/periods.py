"""Whole days, in UTC, for statements."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from market.errors import Invalid

FIRST, LAST = date(2000, 1, 1), date(2999, 12, 31)
LONGEST_DAYS = 366


class Period(NamedTuple):
    """From the beginning of `first` to the end of `last`, both in UTC."""

    first: date
    last: date

    @property
    def begins(self) -> datetime:
        """The first moment."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)


def period(now: datetime, first: date | None, last: date | None) -> Period:
    """The days from `first` to `last`; without one of them: to today, and from the beginning of the last's month.

    Raises Invalid for days that nobody means, an end before the beginning, and more than a year.
    """
    for day, pointer in ((first, "/from"), (last, "/to")):
        if day is not None and not FIRST <= day <= LAST:
            raise Invalid(f"Days lie between {FIRST} and {LAST}.", pointer=pointer)
    if last is None:
        last = max(now.astimezone(UTC).date(), first or FIRST)
    if first is None:
        first = last.replace(day=1)
    if last < first:
        raise Invalid("The last day lies before the first.", pointer="/to")
    if (last - first).days >= LONGEST_DAYS:
        raise Invalid(f"A statement covers {LONGEST_DAYS} days at most.", pointer="/from")
    return Period(first, last)

"""Days and moments in queries: a day is covered to its end, a moment needs its zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.moments import moment

MARCH, APRIL = datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
NINE = datetime(2026, 3, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "last", "found"),
    [
        ("2026-03-31", False, MARCH), ("2026-03-31", True, APRIL), ("2026-03-31T00:00:00Z", True, MARCH),
        ("2026-03-31T09:00:00Z", False, NINE), ("2026-03-31T11:00:00+02:00", True, NINE),
        ("2026-03-31T09:00:00.000000Z", True, NINE),
    ],
)  # fmt: skip
def test_a_day_begins_at_midnight_and_lasts_to_the_next(text: str, last: bool, found: datetime) -> None:
    assert moment(text, last=last) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither a day"), ("2026-02-30", "neither a day"), ("31.3.2026", "neither a day"), ("now", "neither"),
        ("2026-03-31T09:00:00", "needs its zone"), ("2026-03-31T09:00:00 02:00", "neither"),
        ("0001-01-01", "between the years 1900"), ("9999-12-31", "between the years 1900"),
        ("9999-12-31T23:59:59Z", "between the years 1900"), ("٢٠٢٦-03-31", "neither a day"),
    ],
)  # fmt: skip
def test_anything_else_is_told_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        moment(text, last=True)


def test_where_all_times_are_utc_none_needs_its_zone() -> None:
    assert moment("2026-03-31T09:00:00", zone=UTC) == NINE

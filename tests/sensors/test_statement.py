"""The statement that a phone signs holds whatever time came, even one that no calendar has in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sensors.evidence import Capture
from sensors.statement import message, statement


@pytest.mark.parametrize(("year", "hours"), [(9999, -23), (1, 23)])
def test_a_time_beyond_the_calendar_is_stated_as_it_came(year: int, hours: int) -> None:
    edge = datetime.max if year == 9999 else datetime.min
    moment = edge.replace(tzinfo=timezone(timedelta(hours=hours)))
    said = statement(Capture(taken_at=moment))
    assert said["taken_at"] == moment.isoformat()
    assert moment.isoformat().encode() in message(said)


def test_a_time_is_spelled_in_utc_to_the_millisecond() -> None:
    moment = datetime(2026, 11, 25, 12, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))
    assert statement(Capture(taken_at=moment))["taken_at"] == "2026-11-25T10:00:00.250Z"
    assert statement(Capture(taken_at=moment.astimezone(UTC)))["taken_at"] == "2026-11-25T10:00:00.250Z"

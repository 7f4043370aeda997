"""Time: within the claim by the phone's clock; the file's own date may only contradict by a lot, and may be absent."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sensors.evidence import Photo
from sensors.freshness import fresh, spoken
from tests.sensors.cast import NOON, dated, photo, seen, window

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def statuses(*photos: Photo) -> list[str]:
    return [check.status for check in fresh(list(photos), window())]


@pytest.mark.parametrize(
    ("after_claim", "status"),
    [
        (-6 * MINUTE, "fail"),
        (-4 * MINUTE, "pass"),
        (0 * MINUTE, "pass"),
        (20 * MINUTE, "pass"),
        (24 * MINUTE, "pass"),
        (26 * MINUTE, "warn"),
        (64 * MINUTE, "warn"),
        (66 * MINUTE, "fail"),
    ],
)
def test_the_phones_time_lies_within_the_claim(after_claim: timedelta, status: str) -> None:
    assert statuses(photo(taken_at=NOON + after_claim)) == [status]


def test_the_reason_says_how_stale_a_photo_is() -> None:
    (check,) = fresh([photo(taken_at=NOON - timedelta(days=3))], window())
    assert check.detail == "Photo 1 was taken 3 days before you claimed the task. Take a new one."


def test_no_time_at_all_is_a_signal() -> None:
    assert statuses(photo(taken_at=None)) == ["warn"] and statuses(Photo(n=1, inspection=seen())) == ["warn"]


@pytest.mark.parametrize(
    ("wall", "offset", "expected"),
    [
        (None, None, ["pass"]),
        # Without a zone the clock may stand anywhere from 12 h behind to 14 h ahead of UTC.
        (datetime(2026, 5, 4, 2, 10), None, ["pass"]),
        (datetime(2026, 5, 3, 0, 10), None, ["pass"]),
        (datetime(2026, 5, 2, 20, 0), None, ["pass", "warn"]),
        (datetime(2026, 5, 1, 23, 0), None, ["pass", "fail"]),
        (datetime(2026, 5, 5, 3, 0), None, ["pass", "fail"]),
        # With one it stands where it says.
        (datetime(2026, 5, 3, 14, 10), 7200, ["pass"]),
        (datetime(2026, 5, 3, 10, 10), 7200, ["pass", "warn"]),
        (datetime(2026, 5, 2, 13, 0), 7200, ["pass", "fail"]),
    ],
)
def test_the_files_own_date_contradicts_only_beyond_a_day(
    wall: datetime | None, offset: int | None, expected: list[str]
) -> None:
    assert statuses(photo(inspection=dated(taken_at=wall, offset=offset))) == expected


def test_without_photos_there_is_nothing_to_date() -> None:
    assert statuses() == ["not_applicable"]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=3, hours=2), "3 days"),
        (timedelta(minutes=90), "2 hours"),
        (HOUR, "1 hour"),
        (7 * MINUTE, "7 minutes"),
        (timedelta(seconds=9), "less than a minute"),
        (timedelta(days=-1), "1 day"),
    ],
)
def test_durations_are_spoken(span: timedelta, words: str) -> None:
    assert spoken(span) == words


@pytest.mark.parametrize(
    ("satellites", "camera", "expected"),
    [
        (NOON + 10 * MINUTE, None, ["pass"]),
        (NOON + 10 * MINUTE, NOON + 2 * HOUR, ["pass"]),
        # A camera's clock a day off, as some are: its own date is 10 h before the claim in the most favourable zone.
        (NOON + 10 * MINUTE, NOON - 22 * HOUR, ["pass", "warn", "warn"]),
        # The position is old, and the camera speaks for the claim: phones keep the last position they had.
        (NOON - 3 * HOUR, NOON + 2 * HOUR, ["pass", "warn"]),
        (NOON - 72 * HOUR, NOON + 2 * HOUR, ["pass", "warn"]),
        (NOON - 3 * HOUR, None, ["pass", "warn"]),
        # Nothing speaks for the claim.
        (NOON - 72 * HOUR, None, ["pass", "fail"]),
        (NOON - 72 * HOUR, NOON - 70 * HOUR, ["pass", "fail", "fail"]),
        (NOON + 72 * HOUR, None, ["pass", "fail"]),
    ],
)
def test_the_satellites_time_is_heard_as_well(
    satellites: datetime, camera: datetime | None, expected: list[str]
) -> None:
    wall = None if camera is None else camera.replace(tzinfo=None)
    assert statuses(photo(1, dated(gps_at=satellites, taken_at=wall))) == expected

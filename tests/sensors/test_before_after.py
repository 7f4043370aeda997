"""Photos of before must have been taken before those of after."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from sensors.before_after import before_after
from sensors.check import check
from sensors.evidence import Photo, PhotosAsked
from tests.sensors.cast import NOON, asked, dated, evidence, photo, window

TWO = PhotosAsked(min=2, max=4, before=1)
THREE = PhotosAsked(min=3, max=4, before=2)
LONG = PhotosAsked(min=3, max=4, before=2, work_s=300)


def noted(number: int, minutes: float | None) -> Photo:
    """A photo whose time the app has noted, in minutes after noon."""
    return photo(number, taken_at=None if minutes is None else NOON + timedelta(minutes=minutes))


def filed(number: int, minutes: float | None, offset: int | None = None) -> Photo:
    """A photo of which only the file knows its time."""
    wall = None if minutes is None else (NOON + timedelta(minutes=minutes)).replace(tzinfo=None)
    return msgspec.structs.replace(photo(number, dated(taken_at=wall, offset=offset)), capture=None)


@pytest.mark.parametrize(
    ("wanted", "photos", "status"),
    [
        (TWO, [noted(1, 1), noted(2, 9)], "pass"),
        (TWO, [noted(1, 1), noted(2, 9), noted(3, 12)], "pass"),
        (TWO, [noted(2, 9), noted(1, 1)], "pass"),  # their numbers decide, not the order they came in
        (TWO, [noted(1, 9), noted(2, 1)], "fail"),
        (TWO, [noted(1, 5), noted(2, 5)], "fail"),
        (TWO, [noted(1, 5), noted(2, 9), noted(3, 4)], "fail"),  # one of after is earlier
        (THREE, [noted(1, 1), noted(2, 2), noted(3, 9)], "pass"),
        (THREE, [noted(1, 1), noted(2, 12), noted(3, 9)], "warn"),
        (THREE, [noted(1, 10), noted(2, 12), noted(3, 9)], "fail"),
        (THREE, [noted(1, 9), noted(2, 9), noted(3, 9)], "fail"),
        (TWO, [noted(1, None), noted(2, 9)], "warn"),
        (TWO, [noted(1, 1), filed(2, 9)], "warn"),  # of different clocks
        (TWO, [filed(1, 1), filed(2, 9)], "pass"),
        (TWO, [filed(1, 9), filed(2, 1)], "fail"),
        (TWO, [filed(1, 1, 3600), filed(2, 9, 3600)], "pass"),
        (TWO, [filed(1, 1, 3600), filed(2, 9)], "warn"),  # perhaps of different zones
        (TWO, [filed(1, None), filed(2, None)], "warn"),
        (TWO, [noted(2, 1), noted(3, 9)], "fail"),  # nothing of before
        (THREE, [noted(1, 1), noted(3, 9), noted(4, 10)], "fail"),  # half of before
        (THREE, [noted(1, 1), noted(2, 2)], "fail"),  # nothing of after
        (PhotosAsked(min=2, max=2), [noted(1, 9), noted(2, 1)], "not_applicable"),
        (LONG, [noted(1, 0), noted(2, 1), noted(3, 6)], "pass"),
        (LONG, [noted(1, 0), noted(2, 1.1), noted(3, 6)], "warn"),  # the first is early enough
        (LONG, [noted(1, 0), noted(2, 1), noted(3, 4.9)], "fail"),
        (LONG, [noted(1, 0), noted(2, 1), noted(3, 2), noted(4, 9)], "warn"),
        (LONG, [noted(1, None), noted(2, 1), noted(3, 2)], "warn"),
        (None, [], "not_applicable"),
    ],
)
def test_the_order_of_the_photos_decides(wanted: PhotosAsked | None, photos: list[Photo], status: str) -> None:
    assert before_after(wanted, evidence(*photos)).status == status


def test_whoever_was_too_quick_is_told_how_long_it_takes() -> None:
    found = before_after(LONG, evidence(noted(1, 0), noted(2, 1), noted(3, 4)))
    assert found.detail == "The work takes 5 minutes at least; 3 minutes lie between the photos."
    assert found.data == {"apart_s": 180}


def test_what_is_not_there_has_no_after() -> None:
    negative = evidence(noted(1, 1), outcome="honest_negative")
    assert before_after(TWO, negative).status == "not_applicable"


@pytest.mark.parametrize(("checks", "outcome"), [(["before_after"], "fail"), ([], "pass")])
def test_it_rejects_only_where_it_was_declared(checks: list[str], outcome: str) -> None:
    sent = evidence(noted(1, 9), noted(2, 1))
    verdict = check(sent, asked(photos=TWO, checks=checks, min_score=0.3), window(), [])
    assert verdict.outcome == outcome

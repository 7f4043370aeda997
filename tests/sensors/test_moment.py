"""The evidence's own time counts where the checks believe it, and nowhere else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sensors.evidence import Capture, ReadingAsked
from sensors.moment import captured_at
from sensors.readings import gather
from sensors.verdict import Check, Status, Verdict, finding
from tests.sensors.cast import NOON

LATER = NOON + timedelta(hours=2)
TAKEN = Capture(taken_at=NOON)
NOTHING = gather([], None, LATER)
PM = [ReadingAsked(name="pm25", unit="ug/m3")]


def verdict(**statuses: Status) -> Verdict:
    checks: list[Check] = [finding(name, status, "") for name, status in statuses.items()]
    return Verdict(score=0.9, outcome="pass", version="1", checks=checks)


@pytest.mark.parametrize(
    ("captures", "fresh", "at"),
    [
        ([TAKEN], "pass", NOON),
        ([TAKEN, Capture(taken_at=LATER)], "pass", NOON),
        ([TAKEN], "warn", LATER),
        ([TAKEN], "fail", LATER),
        ([Capture()], "pass", LATER),
        ([None, TAKEN], "pass", LATER),
        ([Capture(taken_at=LATER + timedelta(minutes=4))], "pass", LATER),
    ],
)
def test_a_photo_has_the_time_that_fresh_believes(captures: list[Capture | None], fresh: Status, at: object) -> None:
    assert captured_at(captures, NOTHING, verdict(fresh=fresh, readings="pass"), LATER) == at


@pytest.mark.parametrize("status", ["pass", "warn", "fail", "inconclusive", "not_applicable"])
def test_readings_have_the_time_of_the_newest_sample(status: Status) -> None:
    pack = [{"n": "pm25", "u": "ug/m3", "v": 1, "t": t} for t in (-600, -60, -300)] + [
        {"n": "other", "u": "Cel", "v": 1}
    ]
    found = captured_at([], gather(PM, pack, LATER), verdict(readings=status), LATER)
    assert found == (LATER - timedelta(minutes=1) if status == "pass" else LATER)


def test_a_sample_from_the_future_is_of_now() -> None:
    ahead = gather(PM, [{"n": "pm25", "u": "ug/m3", "v": 1, "t": 240}], LATER)
    assert captured_at([], ahead, verdict(readings="pass"), LATER) == LATER
    assert captured_at([], gather(PM, None, LATER), verdict(readings="pass"), LATER) == LATER

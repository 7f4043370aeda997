"""A finding that is left open says what was left open, and what was found of the rest: nothing reads as passed."""

from __future__ import annotations

import msgspec
import pytest

from sensors.check import worst
from sensors.consistent import consistent
from sensors.duplicates import not_duplicate
from sensors.evidence import Asked, Duplicate, Evidence, Fix, PhotosAsked, ReadingAsked, Shown
from sensors.inspection import Parallax
from sensors.place import at_place
from sensors.readings import gather, readings
from sensors.recapture import not_recaptured
from sensors.shows import shows
from sensors.verdict import Check
from tests.sensors.cast import BAKERY, NOON, photo, seen, window

FAR = Fix(lat=53.5, lon=13.4, accuracy_m=10, at=NOON)
PM = [ReadingAsked(name="pm25", unit="ug/m3")]


def asking() -> Asked:
    return Asked(photos=PhotosAsked(shows=Shown(question="Is it open?")), checks=["shows"])


@pytest.mark.parametrize(
    "found",
    [
        not_recaptured([photo(1, seen(1, moire=2.0))]),
        consistent(BAKERY, [photo(1)], window()),
        not_duplicate([photo(1)], [Duplicate(photo=1, kind="part", undecided=True)]),
        at_place(BAKERY, [], window()),
        at_place(BAKERY, [], window(claim_fix=FAR)),
        at_place(BAKERY, [], window(claim_fix=Fix(lat=52.52, lon=13.405, at=NOON), earlier=[msgspec.structs.replace(
            FAR, lat=10.0)])),
        at_place(BAKERY, [photo(1, lat=52.523, accuracy_m=900.0)], window()),
        readings(gather(PM, None, NOON), window()),
        readings(gather(PM, [{"n": "x", "v": 1}], NOON), window()),
        [shows(asking(), Evidence(submitted_at=NOON, photos=[photo(1)]))],
    ],
)  # fmt: skip
def test_what_is_left_open_is_said(found: list[Check]) -> None:
    one = worst(found)
    assert one.status == "inconclusive"
    assert "left open" in one.detail or "could be judged" in one.detail


def test_each_photo_is_mentioned() -> None:
    deep = msgspec.structs.replace(photo(2), parallax=Parallax(state="depth"))
    one = worst(not_recaptured([photo(1, seen(1, moire=2.0)), deep]))
    assert one.status == "inconclusive" and one.data == {"moire": 2.0}
    assert one.detail.startswith("Whether it is the scene itself") and "for photo 1" in one.detail
    assert "around photo 2 show a scene with depth" in one.detail
    both = worst(not_recaptured([photo(n, seen(n, moire=2.0)) for n in (1, 2)]))
    assert "for photo 1" in both.detail and "for photo 2" in both.detail


def test_nothing_is_added_to_what_fails() -> None:
    quiet, loud = photo(1, seen(1, moire=2.0)), photo(2, seen(2, moire=9.0))
    one = worst(not_recaptured([quiet, loud]))
    assert one.status == "warn" and "photo 1" not in one.detail.lower()

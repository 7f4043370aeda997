"""Position: near enough is fine, accuracy helps only so far, and nobody travels faster than an airliner."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.evidence import Capture, Fix, Photo
from sensors.place import EARTH_RADIUS_M, at_place, haversine, speed_between
from tests.sensors.cast import BAKERY, NOON, dated, photo, seen, window

DEGREE_M = EARTH_RADIUS_M * math.pi / 180
LAT, LON = st.floats(-90, 90), st.floats(-180, 180)


def north_of_bakery(metres: float) -> dict[str, float]:
    return {"lat": BAKERY.lat + metres / DEGREE_M, "lon": BAKERY.lon}


def statuses(*photos: Photo, **known: object) -> list[str]:
    return [check.status for check in at_place(BAKERY, list(photos), window(**known))]


def test_known_distances_come_out() -> None:
    berlin, paris, sydney = (52.5200, 13.4050), (48.8566, 2.3522), (-33.8688, 151.2093)
    assert haversine(*berlin, *paris) == pytest.approx(877_460, rel=0.002)
    assert haversine(*berlin, *sydney) == pytest.approx(16_096_000, rel=0.005)
    assert haversine(0, 179.9, 0, -179.9) == pytest.approx(0.2 * DEGREE_M, rel=1e-6)
    assert haversine(90, 0, -90, 77) == pytest.approx(math.pi * EARTH_RADIUS_M)


@given(LAT, LON, LAT, LON)
def test_distance_is_a_metric_on_the_globe(a: float, b: float, c: float, d: float) -> None:
    there, back = haversine(a, b, c, d), haversine(c, d, a, b)
    assert there == pytest.approx(back, abs=1e-3) and 0 <= there <= math.pi * EARTH_RADIUS_M + 1
    assert haversine(a, b, a, b) == 0


@pytest.mark.parametrize(
    ("metres", "accuracy", "status"),
    [
        (0, 10, "pass"),
        (79, 10, "pass"),
        (99, 10, "pass"),
        (101, 10, "fail"),
        (140, 31, "pass"),
        (200, 30, "fail"),
        (50, 150, "warn"),
        (300, 150, "warn"),
        (400, 150, "fail"),
        (900, 3_000, "inconclusive"),
        (30, 3_000, "warn"),
        (1_100, 100_000, "fail"),
        (50, 0, "warn"),
        (50, -5, "warn"),
        (50, None, "pass"),
        (130, None, "pass"),
        (150, None, "fail"),
        (50, math.nan, "warn"),
    ],
)
def test_the_radius_is_stretched_by_twice_the_accuracy_within_reason(
    metres: float, accuracy: float | None, status: str
) -> None:
    assert statuses(photo(accuracy_m=accuracy, **north_of_bakery(metres))) == [status]


def test_a_claimed_accuracy_of_a_continent_is_not_everywhere() -> None:
    (check,) = at_place(BAKERY, [photo(lat=48.8566, lon=2.3522, accuracy_m=2_000_000)], window())
    assert check.status == "fail" and "877 km" in check.detail


@pytest.mark.parametrize(
    "missing", [{"lat": None}, {"lon": None}, {"lat": 0.0, "lon": 0.0}, {"lat": math.nan}, {"lat": 95.0}]
)
def test_no_position_fails_unless_the_claim_was_made_at_the_place(missing: dict[str, float | None]) -> None:
    here, away = Fix(lat=BAKERY.lat, lon=BAKERY.lon, accuracy_m=20), Fix(lat=53.0, lon=13.4, accuracy_m=20)
    assert statuses(photo(**missing)) == ["fail"]
    assert statuses(photo(**missing), claim_fix=away) == ["fail"]
    assert statuses(photo(**missing), claim_fix=here) == ["warn"]
    assert statuses(Photo(n=1, inspection=seen(), capture=None), claim_fix=here) == ["warn"]


def test_travelling_faster_than_an_airliner_fails() -> None:
    paris = Fix(lat=48.8566, lon=2.3522, accuracy_m=20, at=NOON + timedelta(minutes=0))
    (check,) = at_place(BAKERY, [photo()], window(earlier=[paris]))
    assert check.status == "fail" and "877 km" in check.detail and check.data["speed_m_s"] > 1000
    yesterday = Fix(lat=48.8566, lon=2.3522, accuracy_m=20, at=NOON - timedelta(days=1))
    assert statuses(photo(), earlier=[yesterday]) == ["pass"]
    # Without a time of its own the photo counts as taken when it arrived.
    assert statuses(photo(taken_at=None), earlier=[paris]) == ["fail"]


def test_a_fix_that_jumps_across_town_is_no_teleport() -> None:
    a_moment_ago = Fix(lat=BAKERY.lat + 900 / DEGREE_M, lon=BAKERY.lon, accuracy_m=50, at=NOON + timedelta(minutes=10))
    assert statuses(photo(), earlier=[a_moment_ago]) == ["pass"]


@given(LAT, LON, LAT, LON, st.integers(0, 100_000))
def test_speed_never_exceeds_distance_over_time(a: float, b: float, c: float, d: float, seconds: int) -> None:
    earlier = Fix(lat=a, lon=b, at=NOON)
    later = Fix(lat=c, lon=d, at=NOON + timedelta(seconds=seconds))
    assert 0 <= speed_between(earlier, later) <= haversine(a, b, c, d) / max(1, seconds)
    assert speed_between(earlier, Fix(lat=c, lon=d)) == 0


def test_a_file_that_names_another_place_is_a_signal_only() -> None:
    elsewhere = photo(inspection=dated(lat=48.8566, lon=2.3522))
    here = photo(inspection=dated(lat=52.5203, lon=13.4049))
    assert statuses(elsewhere) == ["pass", "warn"] and statuses(here) == ["pass"]


def test_without_photos_only_the_claim_tells_and_never_against_anyone() -> None:
    here, away = Fix(lat=BAKERY.lat, lon=BAKERY.lon, accuracy_m=20), Fix(lat=53.0, lon=13.4, accuracy_m=20)
    assert statuses(claim_fix=here) == ["pass"]
    assert statuses(claim_fix=away) == ["inconclusive"] and statuses() == ["inconclusive"]


def test_a_task_for_anywhere_has_no_place_to_check() -> None:
    (check,) = at_place(None, [Photo(n=1, capture=Capture())], window())
    assert check.status == "not_applicable"

"""Instruments at one place tell each other's clocks, drifts and names."""

from __future__ import annotations

import numpy as np
import pytest

from sensors.faults import Floats
from sensors.limits import QUANTITIES
from sensors.peers import clock_shift, compare, dew_point, swapped, usual_pressure

HOUR_S = 3600.0
AIR, HUMID = QUANTITIES["air_temperature"], QUANTITIES["relative_humidity"]


def street(days: float = 5, seed: int = 1, every_s: float = 1200) -> tuple[Floats, Floats]:
    """A daily cycle with weather of its own, the same at every seed, and an instrument's noise by seed."""
    seconds = np.arange(0, days * 86_400, every_s)
    weather = np.cumsum(np.random.default_rng(99).normal(0, 0.15, seconds.size))
    noise = np.random.default_rng(seed).normal(0, 0.2, seconds.size)
    return seconds, 12 + 4 * np.sin(seconds * 2 * np.pi / 86_400) + weather + noise


@pytest.mark.parametrize("hours", [-12, -3, -1, 0, 1, 2, 7])
def test_a_clock_off_by_hours_is_told_by_another_instrument(hours: int) -> None:
    (when, what), (peer_when, peer) = street(seed=1), street(seed=2)
    found = clock_shift(when - hours * HOUR_S, what, peer_when, peer)
    assert found is not None and found.hours == hours


def test_a_related_quantity_serves_as_well_whatever_its_sign() -> None:
    (when, what), (peer_when, peer) = street(seed=1), street(seed=2)
    found = clock_shift(when + 2 * HOUR_S, what, peer_when, 100 - 3 * peer)
    assert found is not None and found.hours == -2


def test_unrelated_or_short_series_say_nothing_of_a_clock() -> None:
    when, what = street()
    noise = np.random.default_rng(8).normal(0, 1, what.size)
    assert clock_shift(when, what, when, noise) is None
    assert clock_shift(when[:20], what[:20], when, what) is None
    assert clock_shift(when, what, when + 30 * 86_400, what) is None


def test_of_three_devices_the_one_that_drifts_is_named_with_its_slope() -> None:
    series = {name: street(seed=seed) for name, seed in (("a", 1), ("b", 2), ("c", 3))}
    when, what = series["b"]
    series["b"] = when, what + 0.5 * when / 86_400
    found = compare(series)
    assert [found[name].state for name in "abc"] == ["agrees", "drifts", "agrees"]
    assert found["b"].slope_low <= 0.5 <= found["b"].slope_high
    assert found["b"].slope == pytest.approx(0.5, abs=0.1)


def test_an_offset_is_no_drift() -> None:
    series = {name: street(seed=seed) for name, seed in (("a", 1), ("b", 2), ("c", 3))}
    series["c"] = series["c"][0], series["c"][1] + 2
    found = compare(series)
    assert [found[name].state for name in "abc"] == ["agrees", "agrees", "offset"]
    assert found["c"].offset == pytest.approx(2, abs=0.1)


def test_two_devices_differ_and_nobody_knows_which_is_wrong() -> None:
    (when, one), (_, other) = street(seed=1), street(seed=2)
    found = compare({"a": (when, one), "b": (when, other + when / 86_400)})
    assert [each.state for each in found.values()] == ["differs", "differs"]
    assert found["a"].slope == pytest.approx(-found["b"].slope)


def test_too_short_an_overlap_is_inconclusive() -> None:
    when, what = street()
    assert {each.state for each in compare({"a": (when[:20], what[:20]), "b": (when, what)}).values()} == {
        "inconclusive"
    }
    apart = compare({"a": (when, what), "b": (when + 20 * 86_400, what)})
    assert {each.state for each in apart.values()} == {"inconclusive"}
    assert compare({"a": (when, what)})["a"].state == "inconclusive"
    empty = np.zeros(0)
    assert compare({"a": (when, what), "b": (empty, empty)})["b"].state == "inconclusive"


def test_exchanged_names_are_found_where_they_are() -> None:
    _, warm = street(days=2)
    humid = 75 - 2 * (warm - 12) + np.random.default_rng(4).normal(0, 0.5, warm.size)
    part = slice(40, 90)
    one, other = warm.copy(), humid.copy()
    one[part], other[part] = humid[part], warm[part]
    assert [int(index) for index in np.flatnonzero(swapped(one, other, (AIR, HUMID)))] == list(range(40, 90))
    assert not swapped(warm, humid, (AIR, HUMID)).any()
    # From beginning to end, only the limits of the quantities tell.
    assert swapped(humid, warm, (AIR, HUMID)).all()


@pytest.mark.parametrize(("celsius", "humidity", "expected"), [(20, 50, 9.27), (30, 80, 26.17), (0, 100, 0.0)])
def test_dew_points_of_the_tables(celsius: float, humidity: float, expected: float) -> None:
    assert dew_point(np.array([celsius], dtype=float), np.array([humidity], dtype=float))[0] == pytest.approx(
        expected, abs=0.05
    )


def test_pressure_falls_with_height() -> None:
    assert usual_pressure(0) == 1010 and usual_pressure(1017) == pytest.approx(910)

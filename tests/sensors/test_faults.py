"""Faults of a series are labelled where they are, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.faults import Floats, jumps, label, mixups, out_of_range, spikes, stuck
from sensors.limits import QUANTITIES

AIR, HUMID, PRESSURE, LIGHT = (
    QUANTITIES[name] for name in ("air_temperature", "relative_humidity", "pressure", "illuminance")
)
DAY = 144  # samples, ten minutes apart


def weather(days: int = 2, mean: float = 15.0, swing: float = 4.0) -> tuple[Floats, Floats]:
    """A calm, slightly noisy daily cycle."""
    seconds = np.arange(days * DAY) * 600.0
    noise = np.random.default_rng(5).normal(0, 0.05, seconds.size)
    return seconds, mean + swing * np.sin(seconds * 2 * np.pi / 86_400) + noise


def where(marks: Any) -> list[int]:
    return [int(index) for index in np.flatnonzero(marks)]


def test_calm_weather_has_no_labels() -> None:
    seconds, values = weather()
    assert not any(marks.any() for marks in label(seconds, values, AIR, "temperature").values())


def test_a_spike_is_its_own_sample_and_a_step_is_none() -> None:
    _, values = weather()
    values[50] += 8
    values[120] -= 8
    assert where(spikes(values)) == [50, 120]
    stepped = weather()[1]
    stepped[100:] += 8
    assert where(spikes(stepped)) == []


def test_a_dead_sensor_is_labelled_from_its_first_to_its_last_sample() -> None:
    seconds, values = weather()
    values[60:100] = values[60]
    found = label(seconds, values, AIR, "temperature")
    assert where(found["stuck"]) == list(range(60, 100))
    # Where the table has no time for a quantity, the series itself says what is unusual.
    assert where(stuck(seconds, values)) == list(range(60, 100))


def test_a_coarse_display_and_the_night_are_not_stuck() -> None:
    seconds, values = weather()
    assert where(stuck(seconds, np.round(values))) == []
    light = np.maximum(0.0, np.sin(seconds * 2 * np.pi / 86_400)) * 500
    assert where(stuck(seconds, light, LIGHT)) == []
    assert where(stuck(seconds, np.full(seconds.size, 99.0), HUMID)) == []


@pytest.mark.parametrize(
    ("dimension", "quantity", "mean", "spoil", "name"),
    [
        ("temperature", AIR, 15.0, lambda v: v * 1.8 + 32, "degF as Cel"),
        ("temperature", AIR, 15.0, lambda v: v + 273.15, "K as Cel"),
        ("temperature", None, 15.0, lambda v: v * 1.8 + 32, "degF as Cel"),
        ("pressure", PRESSURE, 1010.0, lambda v: v * 100, "Pa as hPa"),
        ("humidity", HUMID, 60.0, lambda v: v / 100, "fraction as %RH"),
        ("amount_fraction", None, 400.0, lambda v: v * 1000, "ppb as ppm"),
        ("amount_fraction", None, 400.0, lambda v: v / 1000, "ppm as ppb"),
        ("mass_concentration", None, 20.0, lambda v: v / 1000, "mg/m3 as ug/m3"),
        ("length", None, 5.0, lambda v: v * 1000, "a thousand times too large"),
    ],
)
def test_a_stretch_in_another_unit_is_found_and_named(
    dimension: str, quantity: Any, mean: float, spoil: Any, name: str
) -> None:
    seconds, values = weather(mean=mean, swing=mean / 8)
    values[90:170] = spoil(values[90:170])
    assert mixups(values, dimension, quantity)[1] == [name]
    found = label(seconds, values, quantity, dimension)
    assert where(found["unit_mixup"]) == list(range(90, 170))
    assert not found["spike"].any() and not found.get("jump", found["spike"])[90:170].any()


def test_a_whole_series_in_another_unit_shows_only_where_the_quantity_has_limits() -> None:
    _, values = weather(mean=20)
    assert mixups(values * 1.8 + 32, "temperature", AIR)[0].all()
    assert not mixups(values * 1.8 + 32, "temperature", None)[0].any()


def test_a_spike_to_what_another_unit_would_be_is_a_spike() -> None:
    seconds, values = weather()
    values[80] = values[80] * 1.8 + 32
    found = label(seconds, values, AIR, "temperature")
    assert where(found["spike"]) == [80] and not found["unit_mixup"].any()


def slow_jumps(seconds: Floats, values: Floats) -> list[int]:
    """What `jumps` should find for air temperature, each sample against each earlier one."""
    found = []
    for index in range(values.size):
        for hours, most in AIR.rates:
            within = (seconds <= seconds[index]) & (seconds >= seconds[index] - hours * 3600)
            within[index + 1 :] = False
            if np.abs(values[within] - values[index]).max() > most:
                found.append(index)
                break
    return found


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 7200), st.floats(-30, 40)), min_size=1, max_size=40))
def test_jumps_are_those_of_every_pair_within_the_hours(steps: list[tuple[float, float]]) -> None:
    seconds = np.cumsum([step for step, _ in steps])
    values = np.array([value for _, value in steps])
    assert where(jumps(seconds, values, AIR)) == slow_jumps(seconds, values)


def test_humidity_moves_less_than_ten_percent_a_step() -> None:
    seconds = np.arange(5) * 600.0
    assert where(jumps(seconds, np.array([50, 59, 70, 71, 60.5]), HUMID)) == [2, 4]
    assert where(jumps(seconds * 6, np.array([50, 59, 70, 71, 60.5]), HUMID)) == []


def test_soft_ranges() -> None:
    assert where(out_of_range(np.array([-51, 0, 50, 50.1]), AIR)) == [0, 3]


@settings(max_examples=100)
@given(
    st.lists(st.floats(-1e15, 1e15), max_size=60),
    st.sampled_from([None, "temperature", "humidity", "mass_concentration", "length", "sound"]),
    st.sampled_from([None, AIR, HUMID, PRESSURE, LIGHT]),
)
def test_any_series_is_labelled_at_its_own_length(values: list[float], dimension: str | None, quantity: Any) -> None:
    seconds = np.arange(len(values)) * 60.0
    for marks in label(seconds, np.array(values, dtype=float), quantity, dimension).values():
        assert marks.shape == (len(values),) and marks.dtype == bool

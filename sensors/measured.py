"""One asked quantity as it was measured: a series in its canonical unit, with a label on each sample that is odd."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from sensors import faults
from sensors.calibration import calibrated
from sensors.evidence import Calibration, ReadingAsked
from sensors.faults import Floats, Marks
from sensors.limits import DIMENSION_LIMITS, Quantity, find_quantity
from sensors.peers import (
    HOTTEST_DEW_POINT,
    PRESSURE_BAND,
    clock_shift,
    compare,
    dew_point,
    swapped,
    usual_pressure,
)
from sensors.senml import Sample
from sensors.units import CANONICAL, UNITS, convert

MOST_LISTED: Final = 50
"""So many records are named under a label; how many there are is said in any case."""
SAME_MOMENT_S: Final = 300.0
DEW_SLACK: Final = 0.5


class Measured(NamedTuple):
    """A series, oldest first: seconds since 1970, values (calibrated) and raw ones in the unit, and whose records.

    low, high: the hard range. labels: which samples are odd in what way.
    """

    asked: ReadingAsked
    seconds: Floats
    values: Floats
    raw: Floats
    records: list[int]
    unit: str
    dimension: str
    quantity: Quantity | None
    low: float
    high: float
    labels: dict[str, Marks]

    def with_label(self, name: str, marks: Marks) -> Measured:
        """The same with one more label, where any sample has it."""
        return self._replace(labels=self.labels | {name: marks}) if marks.any() else self

    def listed(self) -> dict[str, Any]:
        """The labels for a verdict: how many samples, and the indexes of the first records."""
        told: dict[str, Any] = {}
        for name, marks in self.labels.items():
            found = np.flatnonzero(marks)
            records = sorted(self.records[index] for index in found)
            told[name] = {"count": len(records), "records": records[:MOST_LISTED]}
        return told


def measured(asked: ReadingAsked, samples: list[Sample], calibration: Calibration | None) -> Measured:
    """Samples whose units fit what is asked as a series, not yet labelled. Raises ValueError for a calibration in a
    unit that measures another thing."""
    dimension = UNITS[asked.unit.strip()].dimension
    quantity = find_quantity(asked.name, dimension)
    unit = CANONICAL[dimension] if quantity is None else quantity.unit
    low, high = DIMENSION_LIMITS.get(dimension, (-1e15, 1e15)) if quantity is None else (quantity.low, quantity.high)
    ordered = sorted(samples, key=lambda sample: sample.at)
    raw, values = [], []
    for sample in ordered:
        sent = sample.unit or asked.unit
        factor, offset = _affine(sent, unit)
        raw.append(factor * float(sample.value) + offset)
        values.append(raw[-1] if calibration is None else calibrated(raw[-1], unit, calibration))
    return Measured(
        asked, np.array([sample.at.timestamp() for sample in ordered]), np.array(values), np.array(raw),
        [sample.record for sample in ordered], unit, dimension, quantity, low, high, {},
    )  # fmt: skip


@lru_cache(maxsize=256)
def _affine(unit: str, to: str) -> tuple[float, float]:
    """Factor and offset from one unit to another of its dimension."""
    offset = convert(0.0, unit, to)
    return (1.0, 0.0) if UNITS[unit.strip()] is UNITS[to] else (UNITS[unit.strip()].factor / UNITS[to].factor, offset)


def labelled(series: Measured) -> Measured:
    """With the faults that it shows by itself."""
    found = faults.label(series.seconds, series.values, series.quantity, series.dimension)
    return series._replace(labels={name: marks for name, marks in found.items() if marks.any()})


def at_altitude(series: Measured, altitude_m: float | None) -> Measured:
    """A pressure is labelled `altitude` where it cannot be the air's at that height."""
    if altitude_m is None or series.quantity is None or series.quantity.name != "pressure":
        return series
    return series.with_label("altitude", np.abs(series.values - usual_pressure(altitude_m)) > PRESSURE_BAND)


def together(every: list[Measured]) -> list[Measured]:
    """What quantities of the same moments say of each other: names exchanged, a dew point above the temperature, or
    above any that air has had."""
    places = {each.quantity.name: index for index, each in enumerate(every) if each.quantity is not None}
    air, humid, dew = (places.get(name) for name in ("air_temperature", "relative_humidity", "dew_point"))
    every = list(every)
    if air is not None and dew is not None:
        near, partner = _partners(every[dew], every[air])
        wet = near & (every[dew].values > every[air].values[partner] + DEW_SLACK)
        every[dew] = every[dew].with_label("dew_point", wet)
    if air is not None and humid is not None:
        near, partner = _partners(every[humid], every[air])
        warm, wet = every[air].values[partner][near], every[humid].values[near]
        exchanged = np.zeros(near.shape, dtype=bool)
        exchanged[near] = swapped(warm, wet, (every[air].quantity, every[humid].quantity))
        steamy = np.zeros(near.shape, dtype=bool)
        steamy[near] = dew_point(warm, np.clip(wet, 0, 100)) > HOTTEST_DEW_POINT
        for name, marks in (("swapped", exchanged), ("dew_point", steamy & ~exchanged)):
            there = np.zeros(every[air].values.shape, dtype=bool)
            there[partner[marks]] = True
            every[air] = every[air].with_label(name, there)
            every[humid] = every[humid].with_label(name, marks)
    return every


def _partners(one: Measured, other: Measured) -> tuple[Marks, Any]:
    """For each sample of one the nearest of the other, and whether it is of the same moment."""
    after = np.clip(np.searchsorted(other.seconds, one.seconds), 0, other.seconds.size - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(other.seconds[before] - one.seconds) < np.abs(other.seconds[after] - one.seconds)
    partner = np.where(nearer, before, after)
    return np.abs(other.seconds[partner] - one.seconds) <= SAME_MOMENT_S, partner


def against(series: Measured, others: list[Measured]) -> Measured:
    """Labelled `time_shift` where at least two instruments beside it, and none against them, say that its clock is off
    by the same hours; `drift` where it moves away from the consensus of at least two. One alone may itself be wrong."""
    whole = np.ones(series.values.shape, dtype=bool)
    told = [clock_shift(series.seconds, series.values, each.seconds, each.values) for each in others]
    hours = [each.hours for each in told if each is not None]
    if len(hours) > 1 and len(set(hours)) == 1 and hours[0] != 0:
        return series.with_label("time_shift", whole)
    if len(others) > 1:
        beside = {str(number): (each.seconds, each.values) for number, each in enumerate(others)}
        if compare({"own": (series.seconds, series.values), **beside})["own"].state == "drifts":
            return series.with_label("drift", whole)
    return series


def sentences(series: Measured) -> list[str]:
    """What is odd, in words for the person; none where nothing is."""
    return [_sentence(series, label, marks) for label, marks in series.labels.items()]


def _sentence(series: Measured, label: str, marks: Marks) -> str:
    name, unit = series.asked.name.replace("_", " "), series.unit
    first, count = int(np.flatnonzero(marks)[0]), int(marks.sum())
    value, samples = float(series.values[first]), f"{count} sample{'s' if count > 1 else ''} of {name}"
    if label == "jump":
        return _jump(series, first, name)
    if label == "stuck":
        return f"{name} did not change at all for {_still(series, marks):.0f} minutes."
    if label == "unit_mixup":
        return f"{samples} seemed to be in another unit than said: {', '.join(_mixed(series))}."
    return {
        "range": f"{value:g} {unit} is {_hint(series.quantity)} for {name}.",
        "spike": f"{samples} stood far out from those before and after.",
        "altitude": f"{value:g} {unit} cannot be the air's pressure at that height.",
        "dew_point": f"{samples} would mean a dew point that air does not have.",
        "swapped": f"{samples} seemed to stand under another quantity's name.",
        "time_shift": f"The times of {name} fit the instruments beside it only when moved by hours.",
        "drift": f"{name} drifts against the instruments beside it.",
    }[label]


def _hint(quantity: Quantity | None) -> str:
    return "unusual" if quantity is None else quantity.hint


def _mixed(series: Measured) -> list[str]:
    return faults.mixups(series.values[~faults.spikes(series.values)], series.dimension, series.quantity)[1]


def _still(series: Measured, marks: Marks) -> float:
    """Minutes that the longest labelled run of one value lasted."""
    edges = np.concatenate(([0], np.flatnonzero(np.diff(series.values) != 0) + 1, [series.values.size]))
    return max(
        float(series.seconds[end - 1] - series.seconds[start]) / 60 for start, end in pairwise(edges) if marks[start]
    )


def _jump(series: Measured, index: int, name: str) -> str:
    """The shortest time in which it changed by more than the quantity allows, up to this sample."""
    now, when = float(series.values[index]), float(series.seconds[index])
    quantity = series.quantity
    for hours, most in () if quantity is None else quantity.rates:
        start = int(np.searchsorted(series.seconds, when - hours * 3600))
        change = float(np.max(np.abs(series.values[start : index + 1] - now)))
        if change > most:
            return f"{name} changed by {change:g} {series.unit} within {hours:g} h."
    change = abs(now - float(series.values[index - 1]))
    return f"{name} changed by {change:g} {series.unit} from one sample to the next."


class Labelled(NamedTuple):
    """One sample as a buyer gets it: time, value in the asked unit (calibrated where a calibration is known), the value
    as it was sent in that unit, its record in the pack, and what is odd about it."""

    at: datetime
    value: float
    raw: float
    record: int
    labels: tuple[str, ...]

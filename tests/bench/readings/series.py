"""The real series of ../shared/data/sensors in canonical units, and faults put into windows of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sensors.faults import Floats, Marks, mends_of
from sensors.limits import QUANTITIES, Quantity

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "sensors"
MISSING = -200.0  # in the Italian file
HOUR_S, DAY_S = 3600.0, 86_400.0


class Series(NamedTuple):
    """One column of one file. window: samples that a trial looks at."""

    source: str
    name: str
    seconds: Floats
    values: Floats
    quantity: Quantity | None
    dimension: str | None
    window: int

    def part(self, start: int, end: int) -> Series:
        return self._replace(seconds=self.seconds[start:end], values=self.values[start:end])


# file → time column, days a window has, then column → (quantity, dimension, factor and offset to the canonical unit)
_FILES: dict[str, tuple[str, float, dict[str, tuple[str | None, str | None, float, float]]]] = {
    "air_quality_italy": ("datetime", 14, {
        "T": ("air_temperature", "temperature", 1, 0),
        "RH": ("relative_humidity", "humidity", 1, 0),
        "CO(GT)": (None, "mass_concentration", 1000, 0),
        "C6H6(GT)": (None, "mass_concentration", 1, 0),
        "NO2(GT)": (None, "mass_concentration", 1, 0),
        "NOx(GT)": (None, "amount_fraction", 0.001, 0),
        "PT08.S1(CO)": (None, "count", 1, 0),
        "PT08.S2(NMHC)": (None, "count", 1, 0),
    }),
    # The unit is not stated; it is taken for °F.
    "machine_temperature_faults": ("timestamp", 4, {"value": (None, "temperature", 5 / 9, -160 / 9)}),
    "occupancy_room": ("date", 2, {
        "temperature_C": ("air_temperature", "temperature", 1, 0),
        "humidity_pct": ("relative_humidity", "humidity", 1, 0),
        "light_lux": ("illuminance", "illuminance", 1, 0),
        "co2_ppm": ("co2", "amount_fraction", 1, 0),
    }),
}  # fmt: skip


def load(half: int) -> Iterator[Series]:
    """Every column: its first half by time (0), where thresholds are chosen, or its second (1), which is reported."""
    for source, (clock, days, columns) in _FILES.items():
        with (DATA / f"{source}.csv").open(newline="") as file:
            # One-digit hours occur.
            rows = [(_seconds(row[clock]), row) for row in csv.DictReader(file)]
        rows.sort(key=lambda row: row[0])
        for name, (quantity, dimension, factor, offset) in columns.items():
            known: dict[float, float] = {}
            for seconds, row in rows:
                if row[name] and float(row[name]) != MISSING:
                    known.setdefault(seconds, float(row[name]) * factor + offset)
            times, values = np.array(list(known)), np.array(list(known.values()))
            middle = (rows[0][0] + rows[-1][0]) / 2
            mine = times < middle if half == 0 else times >= middle
            window = int(days * DAY_S / np.median(np.diff(times)))
            yield Series(
                source, name, times[mine], values[mine], QUANTITIES[quantity] if quantity else None, dimension, window
            )


def _seconds(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()


class Injected(NamedTuple):
    """values with a fault; where: the samples that have it."""

    values: Floats
    where: Marks


def _stretch(size: int, random: np.random.Generator, shortest: int, longest: int) -> slice:
    length = int(random.integers(shortest, min(longest, size // 2) + 1))
    start = int(random.integers(1, size - length))
    return slice(start, start + length)


def stuck(series: Series, random: np.random.Generator) -> Injected:
    """The sensor repeats one value for 5 to 24 hours; not while it rests at nothing, which nobody could see."""
    step = float(np.median(np.diff(series.seconds)))
    values, where = series.values.copy(), np.zeros(series.values.shape, dtype=bool)
    for _ in range(50):
        part = _stretch(values.size, random, int(5 * HOUR_S / step) + 1, int(24 * HOUR_S / step))
        if values[part.start] != 0 and not (series.name in ("RH", "humidity_pct") and values[part.start] >= 95):
            break
    values[part] = values[part.start]
    where[part] = True
    return Injected(values, where)


def spike(series: Series, random: np.random.Generator) -> Injected:
    """One to four single samples off by 3 to 10 standard deviations of the window; never below nothing."""
    values, where = series.values.copy(), np.zeros(series.values.shape, dtype=bool)
    floor = -273.15 if series.dimension == "temperature" else 0.0
    for index in random.integers(0, values.size, int(random.integers(1, 5))):
        height = float(random.uniform(3, 10)) * float(np.std(series.values))
        down = random.random() < 0.5 and series.values[index] - height >= floor
        values[index] = series.values[index] + (-height if down else height)
        where[index] = height > 0
    return Injected(values, where)


def mixup(series: Series, random: np.random.Generator, whole: bool = False) -> Injected:
    """Another unit under the same name: for a stretch of at most half of the window, or for all of it."""
    mends = mends_of(series.dimension)
    mend = mends[int(random.integers(len(mends)))]
    values, where = series.values.copy(), np.zeros(series.values.shape, dtype=bool)
    part = _stretch(values.size, random, max(6, values.size // 20), values.size)
    if whole:
        part = slice(0, values.size)
    values[part] = (values[part] - mend.offset) / mend.factor
    # Nothing is nothing in every unit: no light at night is not wrong.
    where[part] = values[part] != series.values[part]
    return Injected(values, where)


def copy(series: Series, random: np.random.Generator) -> Floats:
    """What a second, cheaper instrument beside it would show: other gain and offset, noise with a memory, made up."""
    spread = float(np.std(series.values)) or 1.0
    noise = np.zeros(series.values.size)
    shocks = random.normal(0, 0.1 * spread, series.values.size)
    for index in range(1, noise.size):
        noise[index] = 0.7 * noise[index - 1] + shocks[index]
    return np.asarray(series.values * random.uniform(0.95, 1.05) + random.normal(0, 0.1 * spread) + noise)

"""What several sensors at one place say of each other: a clock that is off by hours, a slow drift, names swapped.

One series alone shows none of the first two: a clock that is off by three hours and a slow drift look like other
weather. Two series show that they differ and not which of them is wrong; three and more show which one.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensors.faults import MOST_BREAKS, Floats, Marks, scatter, strangeness
from sensors.limits import Quantity

HOUR_S: Final = 3600.0
FURTHEST_H: Final = 14
"""Time zones lie within 14 hours of UTC."""
MOST_POINTS: Final = 2_000
LEAST_POINTS: Final = 24
DAY_S: Final = 86_400.0
SHIFT_CORRELATION: Final = 0.5
SHIFT_EVIDENCE: Final = 0.5
SWAP_GAIN: Final = 6.0


class Shift(NamedTuple):
    """hours: what to add to the series' times so that they fit the peer's; 0 when nothing speaks for a shift.

    correlation: at that shift, −1…1, and as_is: without. None as a whole: the two do not overlap enough, or do not
    resemble each other at any shift.
    """

    hours: int
    correlation: float
    as_is: float


def _level(seconds: Floats, values: Floats) -> Floats:
    """The values with their straight trend taken out: a drift must not look like a clock."""
    when = seconds - seconds.mean()
    slope = float((when * values).sum()) / max(float((when**2).sum()), 1e-9)
    return np.asarray(values - slope * when)


def _ranks(values: Floats) -> Floats:
    ranks = np.empty(values.size)
    ranks[np.argsort(values, kind="stable")] = np.arange(values.size)
    return ranks


def _correlation(one: Floats, other: Floats) -> float:
    """Spearman's, ties in the order they came."""
    if one.size < LEAST_POINTS or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return abs(float(np.corrcoef(_ranks(one), _ranks(other))[0, 1]))


def clock_shift(
    seconds: Floats, values: Floats, peer_seconds: Floats, peer_values: Floats, *, evidence: float = SHIFT_EVIDENCE
) -> Shift | None:
    """The whole hours by which a series' clock is off against a co-located peer's of any related quantity.

    The rank correlation, whatever its sign, is taken at each shift from −14 to 14 h; the best counts when it is at
    least SHIFT_CORRELATION and better than none by `evidence` standard errors of one correlation (Fisher's z, with as
    many independent samples as the series' own memory leaves). Two shifts of one series err alike, so that half a
    standard error is much: chosen on the first half of the series of tests/bench/bench_readings.py.
    """
    if min(seconds.size, peer_seconds.size) < LEAST_POINTS:
        return None
    thin = max(1, math.ceil(seconds.size / MOST_POINTS))
    when, what = seconds[::thin], values[::thin]
    gap = 3 * max(float(np.median(np.diff(peer_seconds))), HOUR_S / 2)
    found: dict[int, float] = {}
    for hours in range(-FURTHEST_H, FURTHEST_H + 1):
        moved = when + hours * HOUR_S
        after = np.clip(np.searchsorted(peer_seconds, moved), 1, peer_seconds.size - 1)
        known = (moved >= peer_seconds[0]) & (moved <= peer_seconds[-1])
        known &= peer_seconds[after] - peer_seconds[after - 1] <= gap
        if known.sum() < max(LEAST_POINTS, when.size // 4):
            continue
        there = _level(moved[known], np.interp(moved[known], peer_seconds, peer_values))
        found[hours] = _correlation(_level(moved[known], what[known]), there)
    usable = {hours: each for hours, each in found.items() if not math.isnan(each)}
    if 0 not in usable:
        return None
    best = max(usable, key=lambda hours: (usable[hours], -abs(hours)))
    if usable[best] < SHIFT_CORRELATION:
        return None
    as_is = usable[0]
    independent = max(4.0, what.size / _memory(what))
    gain = (math.atanh(min(usable[best], 0.9999)) - math.atanh(min(as_is, 0.9999))) * math.sqrt(independent - 3)
    return Shift(best if gain > evidence else 0, usable[best], as_is)


def _memory(values: Floats) -> float:
    """For how many samples a series remembers: (1 + ρ)/(1 − ρ) of its lag-one correlation, at most a sixth of it."""
    centred = values - values.mean()
    power = float((centred**2).sum())
    if power == 0:
        return values.size / 6
    rho = min(max(float((centred[1:] * centred[:-1]).sum()) / power, 0.0), 0.999)
    return float(min((1 + rho) / (1 - rho), values.size / 6))


class Agreement(NamedTuple):
    """A device against the consensus of the others. offset: its median difference, in the series' unit; slope: change
    of that difference a day, between slope_low and slope_high with 95 %. blocks: how many spans were compared.

    state: inconclusive when the overlap is too short or the interval says too little; differs: two devices disagree,
    and two alone do not tell which of them is wrong.
    """

    state: Literal["agrees", "drifts", "offset", "differs", "inconclusive"]
    offset: float = 0.0
    slope: float = 0.0
    slope_low: float = 0.0
    slope_high: float = 0.0
    blocks: int = 0


LEAST_BLOCKS: Final = 12
MOST_BLOCKS: Final = 120
TOLERANCE: Final = 3.0
"""Changes below so many times the ordinary difference of two blocks are not called a drift."""


def compare(series: dict[str, tuple[Floats, Floats]], *, tolerance: float = TOLERANCE) -> dict[str, Agreement]:
    """Each device's offset and drift against the median of the others that hold together, over spans that they share.

    series: name → (seconds, values), one unit for all. The time is cut into at most MOST_BLOCKS spans of an hour or
    more; a span's value is its median. The slope is Theil and Sen's, its interval Sen's (1968) widened by how much
    successive differences resemble each other. A block that fewer than two devices share is left out.
    """
    names = list(series)
    if len(names) < 2 or any(times.size == 0 for times, _ in series.values()):
        return {name: Agreement("inconclusive") for name in names}
    begins = min(float(times[0]) for times, _ in series.values())
    ends = max(float(times[-1]) for times, _ in series.values())
    length = max(HOUR_S, (ends - begins) / MOST_BLOCKS)
    count = int((ends - begins) / length) + 1
    table = np.full((len(names), count), np.nan)
    for row, (times, values) in enumerate(series.values()):
        table[row] = _medians(times, values, begins, length, count)
    days: Floats = np.asarray((begins + (np.arange(count) + 0.5) * length) / DAY_S, dtype=np.float64)
    return {names[row]: each for row, each in _judged(table, days, tolerance).items()}


def _judged(table: Floats, days: Floats, tolerance: float) -> dict[int, Agreement]:
    """Row by row of the table (devices, spans). The one that is furthest off is told first and then left out of the
    consensus, since it draws the others' median after itself; of the last two nobody knows which is right."""
    judged: dict[int, Agreement] = {}
    left = list(range(len(table)))
    while left:
        found = {row: _agreement(table, row, [each for each in left if each != row], days, tolerance) for row in left}
        off = [row for row in left if found[row][0].state in ("drifts", "offset")]
        if not off:
            return judged | {row: agreement for row, (agreement, _) in found.items()}
        worst = max(off, key=lambda row: found[row][1])
        judged[worst] = found[worst][0]
        left.remove(worst)
    return judged


def _medians(times: Floats, values: Floats, begins: float, length: float, count: int) -> Floats:
    blocks = ((times - begins) / length).astype(int)
    found = np.full(count, np.nan)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(blocks)) + 1, [times.size]))
    for start, end in pairwise(starts):
        found[blocks[start]] = np.median(values[start:end])
    return found


def _agreement(table: Floats, row: int, beside: list[int], days: Floats, tolerance: float) -> tuple[Agreement, float]:
    """One device against the median of others, and by how many times the ordinary difference it is off."""
    others = table[beside]
    shared = ~np.isnan(table[row]) & ~np.isnan(others).all(axis=0)
    blocks = int(shared.sum())
    if blocks < LEAST_BLOCKS:
        return Agreement("inconclusive", blocks=blocks), 0.0
    difference = table[row, shared] - np.nanmedian(others[:, shared], axis=0)
    slope, low, high, noise = _trend(days[shared], difference)
    span = float(np.ptp(days[shared]))
    offset = float(np.median(difference))
    # What two differences of this series scatter by, and never less than a hundredth of what is measured varies by.
    usual = max(noise, 0.01 * float(np.subtract(*np.quantile(table[row, shared], (0.75, 0.25)))), 1e-12)
    moves = (low > 0 or high < 0) and abs(slope) * span > tolerance * usual
    state: Literal["agrees", "drifts", "offset", "differs", "inconclusive"]
    if moves:
        state = "drifts" if len(beside) > 1 else "differs"
    elif (high - low) * span > 8 * tolerance * usual:
        state = "inconclusive"
    elif abs(offset) > tolerance * usual:
        state = "offset" if len(beside) > 1 else "differs"
    else:
        state = "agrees"
    return Agreement(state, offset, slope, low, high, blocks), max(abs(slope) * span, abs(offset)) / usual


def _trend(days: Floats, difference: Floats) -> tuple[float, float, float, float]:
    """Slope a day, its 95 % interval, and the residuals' scatter."""
    one, other = np.triu_indices(days.size, 1)
    slopes = np.sort((difference[other] - difference[one]) / (days[other] - days[one]))
    slope = float(np.median(slopes))
    left = difference - slope * days
    left -= np.median(left)
    noise = 1.4826 * float(np.median(np.abs(left)))
    count = days.size
    spread = math.sqrt(count * (count - 1) * (2 * count + 5) / 18 * _memory(left))
    half = min(1.96 * spread / slopes.size / 2, 0.5)
    low, high = np.quantile(slopes, (0.5 - half, 0.5 + half))
    return slope, float(low), float(high), noise


def swapped(one: Floats, other: Floats, quantities: tuple[Quantity | None, Quantity | None]) -> Marks:
    """Stretches where two sensors' values of the same moments stand under each other's name.

    A stretch begins and ends where both jump and neither does once they change places. As for units, the cheapest
    reading is found over such stretches; values outside a quantity's soft range cost. Both in canonical units.
    """
    marks = np.zeros(one.shape, dtype=bool)
    if one.size < 2:
        return marks
    scales = max(scatter(one), 1e-9), max(scatter(other), 1e-9)
    straight = np.abs(np.diff(one)) / scales[0], np.abs(np.diff(other)) / scales[1]
    crossed = np.abs(one[1:] - other[:-1]) / scales[0], np.abs(other[1:] - one[:-1]) / scales[1]
    as_is = np.log1p(straight[0] ** 2) + np.log1p(straight[1] ** 2)
    exchanged = np.log1p(crossed[0] ** 2) + np.log1p(crossed[1] ** 2)
    gain = as_is - exchanged
    likely = np.flatnonzero(gain > 2)
    if likely.size > MOST_BREAKS:
        likely = np.sort(likely[np.argsort(gain[likely])[-MOST_BREAKS:]])
    bounds = np.concatenate(([0], likely + 1, [one.size]))
    costs = np.array([_range_costs(one, other, quantities), _range_costs(other, one, quantities)])
    sums = np.concatenate((np.zeros((2, 1)), np.cumsum(costs, axis=1)), axis=1)
    cost, came = np.zeros(2), []
    for number in range(bounds.size - 1):
        start, end = int(bounds[number]), int(bounds[number + 1])
        own = np.minimum(sums[:, end] - sums[:, start], 60.0)
        own = own + np.array([0.0, SWAP_GAIN * (end - start) / one.size])
        if number == 0:
            cost = own + np.array([0.0, SWAP_GAIN / 2])
            continue
        stay, change = as_is[start - 1], exchanged[start - 1] + SWAP_GAIN / 2
        paths = cost[:, None] + np.array([[stay, change], [change, stay]])
        came.append(np.argmin(paths, axis=0))
        cost = np.min(paths, axis=0) + own
    states = [int(np.argmin(cost))]
    for choice in reversed(came):
        states.append(int(choice[states[-1]]))
    for number, state in enumerate(reversed(states)):
        if state:
            marks[bounds[number] : bounds[number + 1]] = True
    return marks


def _range_costs(one: Floats, other: Floats, quantities: tuple[Quantity | None, Quantity | None]) -> Floats:
    cost = np.zeros(one.shape)
    for values, quantity in zip((one, other), quantities, strict=True):
        cost += strangeness(values, quantity)
    return cost


HOTTEST_DEW_POINT: Final = 36.0
"""The highest dew point measured is 35 °C (Dhahran, 8 July 2003); one degree for the instruments."""


def dew_point(celsius: Floats, humidity: Floats) -> Floats:
    """Dew point in °C from air temperature and %RH (Magnus; Sonntag 1990: 17.62, 243.12 °C, −45…60 °C)."""
    ratio: NDArray[np.float64] = np.log(np.maximum(humidity, 0.1) / 100) + 17.62 * celsius / (243.12 + celsius)
    return 243.12 * ratio / (17.62 - ratio)


def usual_pressure(altitude_m: float) -> float:
    """hPa to be expected at a height: 1010 − h/10.17, within 50; good to some 2,500 m."""
    return 1010 - altitude_m / 10.17


PRESSURE_BAND: Final = 50.0

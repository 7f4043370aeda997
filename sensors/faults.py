"""Faults of one sensor's series, sample by sample: stuck, spike, a wrong unit, a jump that air does not make.

Nothing is dropped or mended: each sample gets labels, and whoever buys the series decides. Times are seconds, oldest
first; values stand in the quantity's canonical unit. All of it is linear in the number of samples, save for sorting.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensors.limits import STEP_S, Quantity

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]


class Thresholds(NamedTuple):
    """Chosen on the first half of the series of tests/bench/bench_readings.py, reported there on the second.

    spike: height over the local scatter, so many times. spike_share: of the series' spread, at least. stuck: a run's
    length over the longest other run of the series. stuck_odds: the chance of such a run in a series that repeats
    itself as often as this one. mixup_fit: the jump left over once the unit is mended, against the jump as it came.
    mixup_gain: by how much the mended series must explain the data better (nats).
    """

    spike: float = 6.0
    spike_share: float = 2.0
    stuck: float = 3.0
    stuck_odds: float = 1e-4
    mixup_fit: float = 0.3
    mixup_gain: float = 3.0


THRESHOLDS: Final = Thresholds()
SHORTEST_RUN: Final = 5
SHORTEST_MIXUP: Final = 3
NEAR: Final = 3
"""Neighbours on each side that a spike is measured against."""
LOCAL: Final = 24
"""Samples on each side that say how much a series scatters here."""
MOST_BREAKS: Final = 300


class Mend(NamedTuple):
    """true value = factor × reported + offset, both in the canonical unit; name: what was taken for what."""

    name: str
    factor: float
    offset: float = 0.0


_AS_IS: Final = Mend("", 1.0)
_THOUSAND: Final = (Mend("a thousand times too large", 1e-3), Mend("a thousand times too small", 1e3))
MENDS: Final[dict[str, tuple[Mend, ...]]] = {
    "temperature": (
        Mend("degF as Cel", 5 / 9, -160 / 9),
        Mend("K as Cel", 1.0, -273.15),
        Mend("Cel as degF", 9 / 5, 32.0),
        Mend("Cel as K", 1.0, 273.15),
    ),
    "humidity": (Mend("fraction as %RH", 100.0),),
    "ratio": (Mend("fraction as %", 100.0), Mend("% as fraction", 0.01)),
    "pressure": (Mend("Pa as hPa", 0.01), Mend("hPa as Pa", 100.0), Mend("kPa as hPa", 10.0)),
    "mass_concentration": (Mend("ug/m3 as mg/m3", 1e-3), Mend("mg/m3 as ug/m3", 1e3)),
    "amount_fraction": (Mend("ppb as ppm", 1e-3), Mend("ppm as ppb", 1e3)),
    "speed": (Mend("km/h as m/s", 1 / 3.6),),
    "acidity": (),
    "sound": (),
    "count": (),
}
"""The mix-ups looked for, by dimension; any other dimension is looked at for a factor of a thousand (mm as m)."""


def scatter(values: Floats) -> float:
    """How much neighbouring samples differ where nothing is wrong: three times the lower quartile of the changes.

    The quartile rather than the median holds when up to three quarters of a series are of another scale; three times it
    is about the standard deviation of normal changes. Changes of nothing (a coarse display) are left out.
    """
    changes = np.abs(np.diff(values))
    changes = changes[changes > 0]
    return float(3 * np.quantile(changes, 0.25)) if changes.size else 0.0


def _windows(values: Floats, reach: int) -> Floats:
    """(n, 2·reach + 1): each sample among its neighbours, the ends mirrored."""
    padded = np.pad(values, reach, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)


def spikes(values: Floats, limits: Thresholds = THRESHOLDS) -> Marks:
    """Single samples, or two, far from neighbours that agree with each other on both sides.

    The distance is measured from the median of the NEAR samples before and after; the scale is the median such distance
    of the surroundings (Hampel's identifier, Davies and Gather 1993), and never less than a share of the whole spread.
    """
    none = np.zeros(values.shape, dtype=bool)
    if values.size < 2 * NEAR + 3:
        return none
    near = _windows(values, NEAR)
    before, after = np.median(near[:, :NEAR], axis=1), np.median(near[:, NEAR + 1 :], axis=1)
    distance = np.abs(values - (before + after) / 2)
    reach = min(LOCAL, values.size - 1)
    local = 1.4826 * np.median(_windows(distance, reach), axis=1)
    low, high = np.quantile(values, (0.05, 0.95))
    scale = np.maximum(local, 1.4826 * np.median(distance))
    far = (distance > limits.spike * scale) & (distance > limits.spike_share * (high - low) / 3.29)
    # It returns: what comes after is again what came before. A step that stays is no spike.
    returns = np.abs(after - before) < 0.4 * distance
    alone = np.minimum(np.abs(values - before), np.abs(values - after)) > 0.5 * distance
    found: Marks = far & returns & alone & (distance > 0)
    return found


def _runs(values: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and lengths of the runs of one and the same value."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(values) != 0) + 1))
    return starts, np.diff(np.concatenate((starts, [values.size])))


def stuck(seconds: Floats, values: Floats, quantity: Quantity | None = None, limits: Thresholds = THRESHOLDS) -> Marks:
    """Runs of one value longer than the quantity's time, or than this series makes by chance.

    By chance: a run of n in a series that repeats itself with the probability p is expected N(1 − p)p^(n−1) times; and
    it must be longer than the longest ordinary run besides. What rests at its floor (no light at night) is not stuck.
    """
    marks = np.zeros(values.shape, dtype=bool)
    if values.size < SHORTEST_RUN:
        return marks
    starts, lengths = _runs(values)
    here = values[starts]
    saturated = np.zeros(here.shape, dtype=bool)
    if quantity is not None:
        if quantity.stuck_unless_above is not None:
            saturated = here >= quantity.stuck_unless_above
        if quantity.low == 0.0:
            saturated |= here == 0.0
    ordinary = np.sort(lengths[~saturated])
    if ordinary.size < 2:
        ordinary = np.array([1, 1])
    # A fault or two must not make itself the custom: the longest run is left out, and of many runs one in a hundred.
    usual = ordinary[: -max(1, ordinary.size // 100)]
    longest = int(usual[-1])
    repeats = float(np.clip((usual - 1).sum() / max(1, usual.sum()), 0.02, 0.98))
    expected = values.size * (1 - repeats) * repeats ** (lengths - 1.0)
    long = (lengths >= SHORTEST_RUN) & (expected < limits.stuck_odds) & (lengths > limits.stuck * longest)
    if quantity is not None and quantity.stuck_minutes is not None:
        minutes = (seconds[starts + lengths - 1] - seconds[starts]) / 60
        long = (long & (minutes > quantity.stuck_minutes / 2)) | (minutes > quantity.stuck_minutes)
    for start, length in zip(starts[long & ~saturated], lengths[long & ~saturated], strict=True):
        marks[start : start + length] = True
    return marks


def jumps(seconds: Floats, values: Floats, quantity: Quantity) -> Marks:
    """Samples that differ from one at most 1, 2, 3, 6, 12 h older by more than the quantity's rate for that time; and
    from the sample just before, at most STEP_S older, by more than its step.

    The largest and smallest of each span come from two queues of candidates, so that each sample is met twice at most.
    """
    marks = np.zeros(values.shape, dtype=bool)
    if quantity.step is not None and values.size > 1:
        marks[1:] |= (np.abs(np.diff(values)) > quantity.step) & (np.diff(seconds) <= STEP_S)
    if quantity.rates and values.size and np.ptp(values) > min(most for _, most in quantity.rates):
        when, what = seconds.tolist(), values.tolist()
        for hours, most in quantity.rates:
            marks |= _changes(when, what, hours * 3600, most)
    return marks


def _changes(when: list[float], what: list[float], span_s: float, most: float) -> Marks:
    marks = np.zeros(len(what), dtype=bool)
    high: list[int] = []
    low: list[int] = []
    first_high = first_low = 0
    for index, value in enumerate(what):
        while len(high) > first_high and what[high[-1]] <= value:
            high.pop()
        while len(low) > first_low and what[low[-1]] >= value:
            low.pop()
        high.append(index)
        low.append(index)
        oldest = when[index] - span_s
        while when[high[first_high]] < oldest:
            first_high += 1
        while when[low[first_low]] < oldest:
            first_low += 1
        marks[index] = what[high[first_high]] - value > most or value - what[low[first_low]] > most
    return marks


def out_of_range(values: Floats, quantity: Quantity) -> Marks:
    """Beyond the soft range."""
    marks = np.zeros(values.shape, dtype=bool)
    if quantity.soft_low is not None:
        marks |= values < quantity.soft_low
    if quantity.soft_high is not None:
        marks |= values > quantity.soft_high
    return marks


def strangeness(values: Floats, quantity: Quantity | None) -> Floats:
    """What each value costs in nats for lying outside the hard range (4), or the soft one where that is rare (1)."""
    if quantity is None:
        return np.zeros(values.shape)
    rare = out_of_range(values, quantity) if quantity.soft_is_rare else np.zeros(values.shape)
    return rare + 3.0 * ((values < quantity.low) | (values > quantity.high))


def mends_of(dimension: str | None) -> tuple[Mend, ...]:
    """The mix-ups to look for in a dimension; None: unknown."""
    return _THOUSAND if dimension is None else MENDS.get(dimension, _THOUSAND)


def mixups(
    values: Floats, dimension: str | None, quantity: Quantity | None = None, limits: Thresholds = THRESHOLDS
) -> tuple[Marks, list[str]]:
    """Stretches reported in another unit than the rest, or than the whole series can be in; and what was mixed up.

    A stretch begins and ends where a jump vanishes once the unit is mended. The cheapest reading of the series is found
    by dynamic programming over the stretches between such jumps: each jump costs log(1 + (height/scatter)²), each value
    outside the quantity's range costs too, and so does every change of unit. Units that differ by a factor alone are
    told apart in logarithms; zero is zero in all of them, so zeros get no mark. Spikes are to be taken out before.
    """
    mends = mends_of(dimension)
    marks = np.zeros(values.shape, dtype=bool)
    factors = all(mend.offset == 0 for mend in mends)
    told = values > 0 if factors else np.ones(values.shape, dtype=bool)
    if told.sum() < SHORTEST_MIXUP or not mends:
        return marks, []
    given = values[told]
    strange = np.array([strangeness(mend.factor * given + mend.offset, quantity) for mend in (_AS_IS, *mends)])
    if factors:
        given = np.log(given)
        mends = tuple(Mend(mend.name, 1.0, float(np.log(mend.factor))) for mend in mends)
    bounds = [0, *_breaks(given, mends, limits), given.size]
    states = _cheapest(given, (_AS_IS, *mends), bounds, strange, limits)
    mended = np.zeros(given.shape, dtype=bool)
    for state, (start, end) in zip(states, pairwise(bounds), strict=True):
        mended[start:end] = state > 0
    marks[told] = mended
    return marks, sorted({mends[state - 1].name for state in states if state})


def _breaks(values: Floats, mends: tuple[Mend, ...], limits: Thresholds) -> list[int]:
    """Where a large change would be a small one if one side were mended; at most MOST_BREAKS, the largest changes."""
    before, after = values[:-1], values[1:]
    change = np.abs(after - before)
    left_over = change.copy()
    for mend in mends:
        left_over = np.minimum(left_over, np.abs(mend.factor * after + mend.offset - before))
        left_over = np.minimum(left_over, np.abs(after - mend.factor * before - mend.offset))
    found = np.flatnonzero((left_over < limits.mixup_fit * change) & (change > scatter(values)))
    if found.size > MOST_BREAKS:
        found = np.sort(found[np.argsort(change[found])[-MOST_BREAKS:]])
    return [int(index) + 1 for index in found]


def _cheapest(
    values: Floats, mends: tuple[Mend, ...], bounds: list[int], strange: Floats, limits: Thresholds
) -> list[int]:
    """The state of each stretch between bounds: 0 as reported, else the mend it needs. strange (states, n): in nats."""
    factors = np.array([mend.factor for mend in mends])
    offsets = np.array([mend.offset for mend in mends])
    least = max(scatter(values), 1e-3 * float(np.median(np.abs(values))), 1e-12)
    usual = np.array([scatter(values[start:end]) if end - start >= 12 else least for start, end in pairwise(bounds)])
    usual = np.maximum(usual, 1e-2 * least)
    # Each stretch's own cost a state: every value outside the range counts, yet no stretch for more than 60 nats.
    sums = np.concatenate((np.zeros((len(mends), 1)), np.cumsum(strange, axis=1)), axis=1)
    mended = np.where(np.arange(len(mends)) > 0, limits.mixup_gain, 0.0)
    cost = np.zeros(len(mends))
    came: list[NDArray[np.intp]] = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        # Of two readings that fit as well, the one that leaves most as it was reported.
        own = np.minimum(sums[:, end] - sums[:, start], 60.0) + mended * (end - start) / values.size
        if number == 0:
            cost = own + mended / 2
            continue
        left = factors * float(np.median(values[max(bounds[number - 1], start - 2) : start])) + offsets
        right = factors * float(np.median(values[start : min(end, start + 2)])) + offsets
        # In the scale of either side once it is mended, so that shrinking both is no gain.
        scale = np.maximum(usual[number] * factors[None, :], usual[number - 1] * factors[:, None])
        step = np.log1p(((right[None, :] - left[:, None]) / scale) ** 2)
        paths = cost[:, None] + step + (limits.mixup_gain / 2) * (1 - np.eye(len(mends)))
        came.append(np.argmin(paths, axis=0))
        cost = np.min(paths, axis=0) + own
    states = [int(np.argmin(cost))]
    for choice in reversed(came):
        states.append(int(choice[states[-1]]))
    return states[::-1]


def label(
    seconds: Floats,
    values: Floats,
    quantity: Quantity | None = None,
    dimension: str | None = None,
    limits: Thresholds = THRESHOLDS,
) -> dict[str, Marks]:
    """Every fault that one series shows by itself: stuck, spike, unit_mixup, jump, range; each (n,), true where it is.

    seconds (n,) ascending · values (n,) in the quantity's canonical unit · quantity None: a series of anything.
    A change of unit, a spike or a dead sensor is named as that and not as a jump as well.
    """
    spike = spikes(values, limits)
    mixed = np.zeros(values.shape, dtype=bool)
    if values.size:
        mixed[~spike] = mixups(values[~spike], dimension, quantity, limits)[0]
    still = stuck(seconds, values, quantity, limits) & ~mixed
    found = {"stuck": still, "spike": spike & ~mixed, "unit_mixup": mixed}
    if quantity is not None:
        clean = ~(mixed | spike)
        jump = np.zeros(values.shape, dtype=bool)
        jump[clean] = jumps(seconds[clean], values[clean], quantity)
        # The first sample after a stretch of another unit, or of a sensor that did not move, is where it comes back.
        found["jump"] = jump & ~still
        found["range"] = out_of_range(values, quantity) & clean
    return found

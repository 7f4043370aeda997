"""How the thresholds of sensors/faults.py and sensors/peers.py were chosen: a grid, on the first half of each series.

python -m tests.bench.readings.choose. The second half, which bench_readings.py reports, is never read here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from sensors import faults, peers
from sensors.faults import Thresholds
from tests.bench.bench_readings import Count, _window
from tests.bench.readings import series as real
from tests.bench.readings.series import Injected, Series

TRIALS = 15


def main() -> None:
    """Print F1 and the share of clean rows flagged for each point of the grid."""
    found = list(real.load(0))
    for height, share in product((4, 5, 6, 7, 9), (0.5, 1, 2)):
        _try(found, "spike", real.spike, Thresholds(spike=height, spike_share=share))
    for length in (1.2, 1.5, 2, 3, 4):
        _try(found, "stuck", real.stuck, Thresholds(stuck=length))
    for fit, gain in product((0.1, 0.2, 0.3), (3, 6, 9)):
        _try(found, "unit_mixup", real.mixup, Thresholds(mixup_fit=fit, mixup_gain=gain))
    for evidence in (0.25, 0.5, 1, 1.5, 2):
        _shift(found, evidence)


def _try(found: list[Series], kind: str, inject: Callable[..., Injected], limits: Thresholds) -> None:
    total, rows, flagged = Count(), 0, 0
    for number, series in enumerate(found):
        if kind == "unit_mixup" and not faults.mends_of(series.dimension):
            continue
        random = np.random.default_rng((7, number))
        for _ in range(TRIALS):
            window = _window(series, random)
            given = inject(window, random)
            marks = faults.label(window.seconds, given.values, window.quantity, window.dimension, limits)[kind]
            total.add(given.where, marks)
        clean = faults.label(series.seconds, series.values, series.quantity, series.dimension, limits)[kind]
        rows, flagged = rows + clean.size, flagged + int(clean.sum())
    print(f"{kind:<10} {total.row()} · clean rows {flagged / rows:.3%} · {limits}")


def _shift(found: list[Series], evidence: float) -> None:
    total = Count()
    for number, series in enumerate(found):
        random = np.random.default_rng((13, number))
        for trial in range(TRIALS):
            window = _window(series, random)
            hours = int(random.choice([-1, 1]) * random.integers(1, 13)) if trial % 2 else 0
            peer = real.copy(window, random)
            shift = peers.clock_shift(
                window.seconds - hours * 3600, window.values, window.seconds, peer, evidence=evidence
            )
            off = shift is not None and shift.hours != 0
            total.add(np.full(peer.shape, hours != 0), np.full(peer.shape, off))
    print(f"time shift {total.row()} · evidence {evidence}")


if __name__ == "__main__":
    main()

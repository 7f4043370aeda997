"""Faults put into real series, found again sample by sample; and what judging the largest pack costs.

python -m tests.bench readings. Thresholds were chosen on the first half of each series by time (BENCH_HALF=0 looks at
that half); what is printed by default comes from the second half alone. Trials are random with a fixed seed.
Single-series faults are looked for without any peer. Time shift and drift need one: real co-located instruments where
the Italian file has two for one gas, else a noisy copy of the series, which is said in the line.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from sensors import faults, peers
from sensors.evidence import ReadingAsked, Window
from sensors.faults import Marks
from sensors.readings import gather, readings
from tests.bench.readings import series as real
from tests.bench.readings.series import Injected, Series

HALF = int(os.environ.get("BENCH_HALF", "1"))
TRIALS = int(os.environ.get("BENCH_TRIALS", "30"))
REAL_PEERS = (("CO(GT)", "PT08.S1(CO)"), ("C6H6(GT)", "PT08.S2(NMHC)"), ("CO(GT)", "C6H6(GT)"))
F1_BAR, CLEAN_BAR = 0.8, 0.01


class Count:
    """Samples rightly found, wrongly flagged and missed."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = 0

    def add(self, truth: Marks, found: Marks) -> None:
        self.right += int((truth & found).sum())
        self.wrong += int((found & ~truth).sum())
        self.missed += int((truth & ~found).sum())

    def row(self) -> str:
        precision = self.right / max(1, self.right + self.wrong)
        recall = self.right / max(1, self.right + self.missed)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        return f"precision {precision:6.1%} · recall {recall:6.1%} · F1 {f1:.3f}"


def main() -> None:
    """Print a line for each fault and each series, then the clean rows, then the cost."""
    if not real.DATA.exists():
        print("needs the series of ../shared/data/sensors")
        return
    found = list(real.load(HALF))
    print(f"the {('first', 'second')[HALF]} half of each series by time, {TRIALS} windows a series and fault")
    _alone(found)
    _swapped(found)
    _shifted(found)
    _drifting(found)
    _clean(found)
    _cost()


def _window(series: Series, random: np.random.Generator) -> Series:
    start = int(random.integers(0, max(1, series.values.size - series.window)))
    return series.part(start, start + series.window)


def _label(series: Series, values: Any) -> dict[str, Marks]:
    return faults.label(series.seconds, values, series.quantity, series.dimension)


def _alone(found: list[Series]) -> None:
    def whole(series: Series, random: np.random.Generator) -> Injected:
        return real.mixup(series, random, whole=True)

    kinds: dict[str, tuple[str, Callable[..., Injected]]] = {
        "stuck": ("stuck", real.stuck),
        "spike": ("spike", real.spike),
        "unit mix-up, a stretch": ("unit_mixup", real.mixup),
        "unit mix-up, whole window": ("unit_mixup", whole),
    }
    clean = flagged = 0
    for title, (kind, inject) in kinds.items():
        total, lines = Count(), []
        for number, series in enumerate(found):
            if kind == "unit_mixup" and not faults.mends_of(series.dimension):
                continue
            random, own = np.random.default_rng((7, number)), Count()
            for _ in range(TRIALS):
                window = _window(series, random)
                given = inject(window, random)
                marks = _label(window, given.values)
                own.add(given.where, marks[kind])
                total.add(given.where, marks[kind])
                clean += int((~given.where).sum())
                flagged += int((np.logical_or.reduce(list(marks.values())) & ~given.where).sum())
            lines.append(f"    {series.source[:9]} {series.name:<16} {own.row()}")
        print(f"{title:<26} {total.row()}", *lines, sep="\n")
    print(f"rows without a fault in these windows, with any label: {flagged / clean:.2%} of {clean}")


def _swapped(found: list[Series]) -> None:
    total, random = Count(), np.random.default_rng(11)
    for one, other in _pairs(found, (("T", "RH"), ("temperature_C", "humidity_pct"))):
        for _ in range(TRIALS):
            window = _window(one, random)
            second = np.interp(window.seconds, other.seconds, other.values)
            where = np.zeros(second.shape, dtype=bool)
            where[real._stretch(second.size, random, max(6, second.size // 20), second.size)] = True
            first = np.where(where, second, window.values)
            second = np.where(where, window.values, second)
            total.add(where, peers.swapped(first, second, (one.quantity, other.quantity)))
    print(f"{'swapped T and RH, a stretch':<26} {total.row()}")


def _pairs(found: list[Series], names: tuple[tuple[str, str], ...]) -> list[tuple[Series, Series]]:
    by_name = {series.name: series for series in found}
    return [(by_name[one], by_name[other]) for one, other in names]


def _shifted(found: list[Series]) -> None:
    """Half of the windows keep their times, so that a wrong alarm costs precision."""
    totals: dict[str, Count] = defaultdict(Count)
    exact = {"real peer": [0, 0], "noisy copy": [0, 0]}
    cases: list[tuple[str, Series, Series | None]] = [("noisy copy", each, None) for each in found]
    cases += [("real peer", one, other) for one, other in _pairs(found, REAL_PEERS)]
    for number, (kind, series, other) in enumerate(cases):
        random = np.random.default_rng((13, number))
        for trial in range(TRIALS):
            window = _window(series, random)
            hours = int(random.choice([-1, 1]) * random.integers(1, 13)) if trial % 2 else 0
            peer = real.copy(window, random) if other is None else other.values
            when = window.seconds if other is None else other.seconds
            shift = peers.clock_shift(window.seconds - hours * 3600, window.values, when, peer)
            off = shift is not None and shift.hours != 0
            truth = np.full(window.values.shape, hours != 0)
            totals[kind].add(truth, np.full(truth.shape, off))
            totals["both"].add(truth, np.full(truth.shape, off))
            exact[kind][0] += bool(hours and off and shift is not None and shift.hours == hours)
            exact[kind][1] += bool(hours)
    for kind, count in totals.items():
        told = f" · the very hour in {exact[kind][0]} of {exact[kind][1]}" if kind in exact else ""
        print(f"{'time shift, ' + kind:<26} {count.row()}{told}")


def _drifting(found: list[Series]) -> None:
    """Against two noisy copies; half of the windows drift, by 0.5 to 3 standard deviations over their whole length."""
    total, states = Count(), defaultdict(int)
    for number, series in enumerate(found):
        random = np.random.default_rng((17, number))
        for trial in range(TRIALS):
            window = _window(series, random)
            ramp = np.linspace(0, float(random.uniform(0.5, 3)) * float(np.std(window.values)), window.values.size)
            values = window.values + (ramp * random.choice([-1, 1]) if trial % 2 else 0)
            devices = {name: (window.seconds, real.copy(window, random)) for name in ("second", "third")}
            told = peers.compare({"first": (window.seconds, values), **devices})
            states[told["first"].state, trial % 2] += 1
            total.add(np.full(values.shape, trial % 2 == 1), np.full(values.shape, told["first"].state == "drifts"))
    print(f"{'drift, two noisy copies':<26} {total.row()}")
    print(
        "    "
        + ", ".join(f"{'drifting' if bad else 'clean'} → {state} {n}" for (state, bad), n in sorted(states.items()))
    )


def _clean(found: list[Series]) -> None:
    """Whole series as they are, faults of their own included: the share of rows with any label."""
    rows = flagged = 0
    print("rows of the series as they came, with any label:")
    for series in found:
        marks = _label(series, series.values)
        any_label = np.logical_or.reduce(list(marks.values()))
        told = ", ".join(f"{kind} {share:.2%}" for kind, each in marks.items() if (share := each.mean()) > 0)
        print(
            f"    {series.source[:9]} {series.name:<16} {any_label.mean():7.2%} of {any_label.size}: {told or 'none'}"
        )
        rows += any_label.size
        flagged += int(any_label.sum())
    print(f"    together {flagged / rows:.2%} (bar: {CLEAN_BAR:.0%})")


def _cost() -> None:
    """The largest pack, judged; beside decoding it from JSON in the same run."""
    import msgspec

    now = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
    random = np.random.default_rng(3)
    walk = 20 + np.cumsum(random.normal(0, 0.02, 5_000))
    humid = 50 + np.cumsum(random.normal(0, 0.05, 5_000))
    pack: list[dict[str, Any]] = []
    for index in range(5_000):
        pack.append({"n": "temperature", "u": "Cel", "v": round(float(walk[index]), 3), "t": index - 5_000})
        pack.append({"n": "humidity", "u": "%RH", "v": round(float(humid[index]), 3), "t": index - 5_000})
    window = Window(
        claimed_at=now - timedelta(hours=2), expires_at=now + timedelta(hours=1), received_at=now, nonce="n"
    )
    asked = [ReadingAsked(name="temperature", unit="Cel"), ReadingAsked(name="humidity", unit="%RH")]
    body = msgspec.json.encode(pack)
    began = time.process_time()
    msgspec.json.decode(body)
    decoded = time.process_time() - began
    took = []
    for _ in range(5):
        began = time.process_time()
        checks = readings(gather(asked, pack, now), window)
        took.append(time.process_time() - began)
    told = ", ".join(check.status for check in checks)
    print(f"10,000 records judged ({told}) in {min(took) * 1000:.0f} ms of processor time;", end=" ")
    print(f"decoding their JSON alone takes {decoded * 1000:.0f} ms")


if __name__ == "__main__":
    main()

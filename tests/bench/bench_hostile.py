"""Hostile files against the service and against its decode children; exits with 1 when a bar is missed.

BENCH_EVERY=n takes each n-th file only. Bars: no 5xx, no process of the service ended, every request and every verdict
of a decode child within 2 s, a decode child within 400 MB, the service grown by 50 MB at most.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter

from tests.bench.hostile import children, service

EVERY = int(os.environ.get("BENCH_EVERY", "1"))
SLOWEST_S, CHILD_MB, GROWN_MB = 2.0, 400.0, 50.0


def main() -> None:
    """Both measurements, and what was missed."""
    missed = alone() + together()
    print("\nevery bar is met" if not missed else "\nMISSED: " + "; ".join(missed))
    if missed:
        sys.exit(1)


def alone() -> list[str]:
    """Each photo through the decode pool, one child."""
    looks = asyncio.run(children.look_at_all(every=EVERY))
    print(f"{'family':22}{'files':>6}{'read':>6}{'slowest s':>11}{'processor s':>12}{'most MB':>9}")
    for family in dict.fromkeys(each.family for each in looks):
        these = [each for each in looks if each.family == family]
        read = sum(each.outcome.startswith("read") for each in these)
        most = [max(getattr(each, name) for each in these) for name in ("wall_s", "processor_s", "peak_mb")]
        print(f"{family:22}{len(these):>6}{read:>6}{most[0]:>11.2f}{most[1]:>12.2f}{most[2]:>9.0f}")
    slowest, largest = max(looks, key=lambda each: each.wall_s), max(looks, key=lambda each: each.peak_mb)
    print(f"\n{len(looks)} files through one child; slowest: {slowest.wall_s:.2f} s, {slowest.family}/{slowest.name}")
    print(f"most memory: {largest.peak_mb:.0f} MB, {largest.family}/{largest.name}")
    lost = [f"{each.family}/{each.name}" for each in looks if each.crashed]
    print(f"files that ended their child twice, and were refused for it: {len(lost)} {lost}")
    return _missed(
        ("decode child's answer", slowest.wall_s, SLOWEST_S), ("decode child's memory", largest.peak_mb, CHILD_MB)
    )


def together() -> list[str]:
    """Everything through HTTP."""
    found = service.run(EVERY)
    print(f"\nthrough HTTP: {found.files.total()} files of {len(found.files)} families")
    print("answers by status:", dict(sorted(found.statuses.items())))
    for title, seconds in (("slowest requests", found.slowest), ("slowest from handing in to verdict", found.judged)):
        top = ", ".join(f"{each:.2f} s {label}" for each, label in sorted(seconds, reverse=True)[:3])
        print(f"{title}: {top}")
    grown = sum(found.grown_mb.values())
    print(f"most memory of a decode child: {found.decode_peak_mb:.0f} MB; service grown by:", end=" ")
    print(", ".join(f"{part} {each:+.0f} MB" for part, each in found.grown_mb.items()))
    refused = Counter(label.partition("/")[0] for _, label in found.judged)
    print(f"handed in and judged: {refused.total()}, without a verdict: {len(found.undecided)} {found.undecided[:5]}")
    print(f"5xx and broken connections: {len(found.failures)} {found.failures[:5]}; ended: {found.restarted}")
    counted = len(found.failures) + len(found.restarted) + len(found.undecided)
    return _missed(
        ("5xx, processes ended, files without a verdict", counted, 0),
        ("request", max(found.slowest)[0], SLOWEST_S),
        ("verdict", max(found.judged)[0], SLOWEST_S),
        ("decode child's memory", found.decode_peak_mb, CHILD_MB),
        ("service's growth", grown, GROWN_MB),
    )


def _missed(*bars: tuple[str, float, float]) -> list[str]:
    return [f"{name}: {value:.2f}, bar {bar:g}" for name, value, bar in bars if value > bar]


if __name__ == "__main__":
    main()

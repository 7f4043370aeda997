"""Processor time by part of the service: which processes there are is read from their command lines."""

from __future__ import annotations

import psutil

# The first that is found in a command line names the part; a process without one belongs to its parent's part. Granian
# renames its processes, PostgreSQL renames all but the first.
MARKS = {"app.decode_worker": "decode", "/bin/postgres": "postgres", "postgres:": "postgres", "pgbench": "pgbench",
         "app.cli serve": "http", "sensorium serve": "http", "app.cli worker": "worker",
         "app.sandbox.stripe": "stripe"}  # fmt: skip


def seconds_by_part() -> dict[str, float]:
    """Processor seconds (user and system) that this process ("client") and its descendants have used so far."""
    ourselves = psutil.Process()
    spent = {"client": _seconds(ourselves)}
    _add(ourselves, "client", spent)
    return spent


def between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was used meanwhile, the largest first."""
    used = {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}
    return dict(sorted(used.items(), key=lambda item: -item[1]))


def _add(parent: psutil.Process, part: str, spent: dict[str, float]) -> None:
    for child in parent.children():
        try:
            line = " ".join(child.cmdline())
            its = next((name for mark, name in MARKS.items() if mark in line), part)
            spent[its] = spent.get(its, 0.0) + _seconds(child)
            _add(child, its, spent)
        except psutil.NoSuchProcess:
            continue  # ended meanwhile


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    # Of children that have ended and were waited for: PostgreSQL's short-lived ones among them.
    return float(times.user + times.system + times.children_user + times.children_system)

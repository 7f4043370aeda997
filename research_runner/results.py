"""The two logs of a workspace: results.tsv, one line an experiment, and runs.jsonl, one line a training run.

Both are append-only, written line by line and flushed to disk before anything else follows from them. A line that was
cut off by a kill has no newline at its end and is dropped at the next start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from research_runner.errors import RunnerError

Status = Literal["keep", "discard", "crash", "timeout"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training run: metric and accuracy on val, and the same on the public test where there is one."""

    commit: str
    seed: int
    steps: int
    threads: int
    status: Literal["ok", "crash", "timeout"]
    metric: float | None = None
    accuracy: float | None = None
    test_metric: float | None = None
    test_accuracy: float | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    detail: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment as results.tsv has it. The metric's mean and std are over seeds; lower is better.

    effect, low, high: mean improvement over the incumbent on the same seeds and its 95 % interval. cost is in
    millionths of the currency unit. test is the public score as the Ladder lets it out. passed: whether the screen
    was passed, that is, whether a test was spent on it.
    """

    experiment: int
    commit: str
    metric: float | None
    std: float | None
    seeds: int
    seconds: float
    memory_mb: float
    cost: int
    status: Status
    accuracy: float | None
    effect: float | None
    low: float | None
    high: float | None
    test: float | None
    passed: bool
    description: str


COLUMNS = Row.__struct_fields__


class RunLog:
    """runs.jsonl: every training run, by (commit, seed)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        drop_torn_line(path)
        lines = path.read_bytes().splitlines() if path.exists() else []
        self.runs: dict[tuple[str, int], Run] = {}
        for line in lines:
            run = msgspec.json.decode(line, type=Run)
            self.runs[run.commit, run.seed] = run

    def append(self, run: Run) -> None:
        append_line(self.path, msgspec.json.encode(run).decode())
        self.runs[run.commit, run.seed] = run

    def of(self, commit: str, seeds: list[int]) -> list[Run]:
        """The runs of a commit on these seeds, in this order, as far as there are any."""
        return [self.runs[commit, seed] for seed in seeds if (commit, seed) in self.runs]


def append_row(path: Path, row: Row) -> None:
    if not path.exists():
        append_line(path, "\t".join(COLUMNS))
    append_line(path, "\t".join(_cell(getattr(row, column)) for column in COLUMNS))


def read_rows(path: Path) -> list[Row]:
    """All experiments in order; RunnerError when somebody has edited the log into another shape."""
    if not path.exists():
        return []
    header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    rows = []
    for number, line in enumerate(lines, 2):
        cells = dict(zip(header.split("\t"), line.split("\t"), strict=False))
        try:
            rows.append(msgspec.convert({key: value or None for key, value in cells.items()}, Row, strict=False))
        except msgspec.ValidationError as problem:
            raise RunnerError(f"{path}, line {number}: {problem}") from problem
    return rows


def append_line(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def drop_torn_line(path: Path) -> None:
    """Cut off what follows the last newline."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).split())

"""program.md: what a loop is for and what it may spend, as front matter that machines read, then prose."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from research_runner.errors import RunnerError

Auto = Literal["auto"]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The front matter. Every field has a default, so an empty program is a valid one."""

    goal: str = "name what a photo shows"
    # probability that a whole loop keeps anything that is not truly better
    risk: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.05
    # smallest improvement of the metric worth keeping; auto: a quarter of the noise between seeds
    min_effect: Annotated[float, msgspec.Meta(ge=0)] | Auto = "auto"
    proposer: Literal["search"] = "search"
    fixed: list[str] = []  # constants that experiments leave alone
    # steps of one training run; auto: as many as fit into seconds_per_run of CPU, measured once and then fixed
    steps: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | Auto = "auto"
    seconds_per_run: Annotated[float, msgspec.Meta(gt=0)] = 3.0
    memory_mb: Annotated[int, msgspec.Meta(ge=100)] = 3000  # of one run
    threads: Count = 1  # of one run; changes the weights, so it is recorded
    workers: Count | Auto = "auto"  # runs at the same time; auto: cores / threads
    # side of the square that photos are resized to; auto: the smallest that keeps what the photos show
    image_px: Annotated[int, msgspec.Meta(ge=16, le=224)] | Auto = "auto"
    ensemble: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4  # members of the published model
    # share of right answers, among those given, below which the published model should rather abstain
    answer_accuracy: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.98
    cpu_hour_price_micro: Annotated[int, msgspec.Meta(ge=0)] = 40_000  # millionths of the currency unit


DEFAULT = """---
goal: name what a photo shows
risk: 0.05                # probability that the whole loop keeps anything that is not truly better
min_effect: auto          # smallest improvement of the metric worth keeping
proposer: search          # Optuna over the ALL_CAPS constants of train.py
fixed: []                 # constants to leave alone, as in [FLIP, DIAL]
steps: auto               # of one training run; auto fits seconds_per_run, measured once
seconds_per_run: 3        # CPU seconds
ensemble: 4               # members of the published model
---

Find the small model that names photos best. Everything that may change stands in train.py; data, split and metric
stand in prepare.py and are frozen. A change is kept when paired runs on the same seeds show that it is better, or when
it is equal and simpler. Prefer few constants near plain values over many tuned ones.
"""


def parse(text: str, where: str = "program.md") -> Program:
    """Front matter between two `---` lines: `key: value` with numbers, words and [lists], `  # ` starts a comment."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return Program()
    try:
        end = next(number for number, line in enumerate(lines[1:], 1) if line.strip() == "---")
    except StopIteration as problem:
        raise RunnerError(f"{where}: the front matter has no closing ---") from problem
    fields: dict[str, Any] = {}
    for number, line in enumerate(lines[1:end], 2):
        body = line.split(" #")[0].strip()
        if not body or body.startswith("#"):
            continue
        key, separator, value = body.partition(":")
        if not separator:
            raise RunnerError(f"{where}, line {number}: expected `key: value`, found {body!r}")
        fields[key.strip()] = _value(value.strip())
    try:
        return msgspec.convert(fields, Program)
    except msgspec.ValidationError as problem:
        raise RunnerError(f"{where}: {problem}") from problem


def read(path: Path) -> Program:
    return parse(path.read_text(encoding="utf-8"), str(path))


def _value(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [part.strip().strip("\"'") for part in text[1:-1].split(",") if part.strip()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)

"""Where changes come from. Every proposer has the same interface: history in, one change out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from research_runner.results import Row


@dataclass(frozen=True)
class Change:
    """A whole new train.py and, in one line, what is different about it."""

    source: str
    description: str


@dataclass(frozen=True)
class History:
    """What is known when experiment `number` is proposed: every row so far and the source of any commit."""

    number: int
    rows: Sequence[Row]
    incumbent: str
    source_of: Callable[[str], str]
    fixed: frozenset[str]


class Proposer(Protocol):
    def propose(self, history: History) -> Change | None:
        """The next change to the incumbent, or None when it has nothing new to try."""
        ...

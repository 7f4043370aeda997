"""How webhooks go astray on purpose: late, doubled, shuffled, dropped, and beside them stale, forged and live ones."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter

import msgspec

NEVER = 1e18
"""A due time that no clock reaches: it waits for something else."""
SHUFFLED_WITHIN_S = 1.0
# Not the event itself but what an attacker or a mistake would send; its answer counts nothing.
STRANGE = ("stale", "forge", "wrong_mode")


class WebhookRules(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What happens to every event from now on. Probabilities are 0 … 1 and drawn from `seed`, event by event.

    `drop`: never sent, yet in the list of events. `duplicate`: times that each is sent. `shuffle`: in another order,
    each within `delay_s` (or a second). `stale`: sent besides with a signature six minutes old; `forge`: besides with
    a signature of somebody else and an id of its own; `wrong_mode`: besides as a live event with an id of its own.
    """

    delay_s: float = 0.0
    duplicate: int = 1
    shuffle: bool = False
    drop: float = 0.0
    stale: float = 0.0
    forge: float = 0.0
    wrong_mode: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("drop", *STRANGE):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, 0 to 1")
        if not 0 <= self.delay_s <= 30 * 86400:
            raise ValueError("delay_s is 0 to 30 days")
        if not 1 <= self.duplicate <= 20:
            raise ValueError("duplicate is 1 to 20")


class WebhookQueue:
    """Places events into the delivery queue by the rules in force; without rules each goes at once and once."""

    def __init__(self) -> None:
        self.rules: WebhookRules | None = None
        self.answers: Counter[str] = Counter()
        """How often the receiver answered what to which: `genuine 200`, `forge 400`."""
        self._random = random.Random(0)

    def follow(self, rules: WebhookRules | None) -> None:
        self.rules = rules
        self._random = random.Random(rules.seed if rules else 0)

    def queue(self, db: sqlite3.Connection, event_seq: int) -> None:
        if self.rules is None:
            db.execute("INSERT INTO delivery (event_seq, due) VALUES (?, 0)", (event_seq,))
            return
        rules, draw = self.rules, self._random.random
        # Every draw is made for every event, so that one rule more does not change what the others do.
        dropped, rank, wait = draw() < rules.drop, draw(), draw()
        strange = [name for name in STRANGE if draw() < getattr(rules, name)]
        if dropped:
            self._insert(db, event_seq, "dropped", 0.0, NEVER)
            return
        delay = wait * (rules.delay_s or SHUFFLED_WITHIN_S) if rules.shuffle else rules.delay_s
        due = time.time() + delay if delay else 0.0
        for manner in (*strange, *[""] * rules.duplicate):
            self._insert(db, event_seq, manner, rank if rules.shuffle else 0.0, due)

    @staticmethod
    def _insert(db: sqlite3.Connection, event_seq: int, manner: str, rank: float, due: float) -> None:
        db.execute(
            "INSERT INTO delivery (event_seq, manner, rank, due) VALUES (?, ?, ?, ?)", (event_seq, manner, rank, due)
        )

"""What happens later by itself: pending money that becomes available, payouts that fail days after they were paid."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from app.sandbox.stripe.operations import Call
from app.sandbox.stripe.store import State

Action = Callable[[State, Call, str, dict[str, Any]], None]
ACTIONS: dict[str, Action] = {}


def later(name: str) -> Callable[[Action], Action]:
    """Register what `State.schedule(due, name, object_id, **details)` does when its time has come."""

    def register(action: Action) -> Action:
        ACTIONS[name] = action
        return action

    return register


def perform_due(state: State, call: Call) -> None:
    """Do everything whose time has come, in the order of the times, also what that brings with it."""
    while True:
        row = state.db.execute(
            "SELECT seq, action, object_id, details FROM scheduled WHERE due <= ? ORDER BY due, seq LIMIT 1",
            (state.now,),
        ).fetchone()
        if row is None:
            return
        state.db.execute("DELETE FROM scheduled WHERE seq = ?", (row[0],))
        ACTIONS[row[1]](state, call, row[2], json.loads(row[3]))

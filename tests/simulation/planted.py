"""Bugs of the kinds that payment systems have, put in on purpose: a simulation that finds none proves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any


def a_fresh_key_at_each_try() -> None:
    """What was done and not heard of is done again."""
    from market.stripe_ops import Op

    Op.key = property(lambda op: f"{op.kind}:{op.subject}:{op.attempt}:{op.tries}")  # type: ignore[assignment, misc]
    Op.look_first = property(lambda op: False)  # type: ignore[assignment, misc]


def silence_taken_for_a_refusal() -> None:
    """A time-out gives the money back, and the transfer stands."""
    from app.gateways.stripe import calls, failures

    class Wrong:
        @staticmethod
        def of(error: Any) -> Exception:
            return failures.Definite("no_answer", str(error))

    calls.failures = Wrong  # type: ignore[assignment]


def transactions_that_are_none() -> None:
    """Each statement stands alone: a death in the middle leaves one half."""
    from app.db import Database

    @asynccontextmanager
    async def transaction(self: Database, connection: Any = None) -> AsyncIterator[Any]:
        if connection is not None:
            yield connection
        else:
            async with self.read() as fresh:
                yield fresh

    Database.transaction = transaction  # type: ignore[assignment, method-assign]


def events_forgotten_before_they_are_acted_on() -> None:
    """A death between the two loses what Stripe has told."""
    from market import stripe_inbox

    unhandled = stripe_inbox.unhandled

    async def taken(conn: Any, event: str) -> Any:
        notice = await unhandled(conn, event)
        await stripe_inbox.handled(conn, event)
        return notice

    stripe_inbox.unhandled = taken


BUGS: dict[str, Callable[[], None]] = {
    "fresh-keys": a_fresh_key_at_each_try,
    "silence-is-refusal": silence_taken_for_a_refusal,
    "no-transactions": transactions_that_are_none,
    "events-forgotten": events_forgotten_before_they_are_acted_on,
}

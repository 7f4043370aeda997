"""What an operator does about an operation of which nobody knows whether it has happened: look it up, or give it up.

Both ask Stripe by our ids in the object's metadata while they hold the operation's lease. What is found settles it.
Nothing found proves something only when nothing can be on its way any more; then, and by an operator's word, it is
given up: it counts as refused for certain, so its money goes back, and doing the thing again is a new attempt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple
from uuid import UUID

from app.db import EVENTS, Connection, wake
from app.errors import Problem
from app.gateways.stripe import Ambiguous, Definite, RateLimited
from app.money.outgoing import SENDERS, Outcome, lease_s, settle
from app.services import Services
from market import operations_desk
from market.errors import WrongState
from market.operations_desk import QUIET_S, InHand
from market.stripe_ops import LeaseLost, Op

LOOKS_LONGER = 3  # a look may take several calls

Keep = Callable[[Connection], Awaitable[None]]  # notes in the transaction that settles it that an operator did
Came = Literal["found", "refused", "nothing_found", "given_up"]


class Looked(NamedTuple):
    """What came of it, and the key of the next attempt once there may be one."""

    came: Came
    next_key: str | None = None


async def look(services: Services, op: UUID, operator: UUID, keep: Keep) -> Looked:
    """Look an operation up at Stripe now; what is found settles it. Raises NotFound, WrongState, Problem."""
    held = await _take(services, op, operator)
    return await _settled(services, held.op, operator, await _ask(services, held.op, operator), keep)


async def give_up(services: Services, op: UUID, operator: UUID, reason: str, keep: Keep) -> Looked:
    """Give an operation up, unless this very look finds it. Raises NotFound, WrongState, Problem."""
    held = await _take(services, op, operator)
    answer = await _ask(services, held.op, operator)
    if answer is not None:
        return await _settled(services, held.op, operator, answer, keep)
    if not held.quiet:
        await _put_back(services, held.op, operator, "nothing found, too early to give up")
        raise WrongState(
            f"It was sent less than {QUIET_S // 60} minutes ago and may yet arrive at Stripe; nothing was found so far."
        )
    refusal = Definite("operator", reason)
    try:
        async with services.database.transaction() as connection:
            await settle(connection, held.op, refusal)
            await operations_desk.note(connection, "stripe_op.given_up", held.op, operator, {"reason": reason})
            wake(EVENTS)
            await keep(connection)
    except LeaseLost:
        raise _LOST from None
    await _afterwards(services, held.op)
    return Looked("given_up", _next_key(held.op))


_LOST = Problem("conflict", "It was settled or taken up by another meanwhile: look again.")


async def _take(services: Services, op: UUID, operator: UUID) -> InHand:
    async with services.database.transaction() as connection:
        return await operations_desk.take(connection, op, operator, LOOKS_LONGER * lease_s(services))


async def _ask(services: Services, op: Op, operator: UUID) -> Outcome | Definite | None:
    """What Stripe has of it; None: nothing. When Stripe does not say, the operation is as it was before."""
    try:
        return await SENDERS[op.kind].look_up(services, op)
    except (Definite, Ambiguous, RateLimited) as failure:
        if isinstance(failure, Definite) and failure.object_id:
            return failure  # the object is there, and was refused
        await _put_back(services, op, operator, f"the look-up failed: {failure}")
        raise Problem("unavailable", "Stripe does not answer just now; the operation is as it was.") from failure


async def _settled(services: Services, op: Op, operator: UUID, answer: Outcome | Definite | None, keep: Keep) -> Looked:
    if answer is None:
        await _put_back(services, op, operator, "looked up by an operator: nothing found", keep)
        return Looked("nothing_found")
    try:
        async with services.database.transaction() as connection:
            await settle(connection, op, answer)
            found = answer.object_id
            await operations_desk.note(
                connection, "stripe_op.looked_up", op, operator, {"outcome": "found", "is": found}
            )
            wake(EVENTS)
            await keep(connection)
    except LeaseLost:
        raise _LOST from None
    await _afterwards(services, op)
    return Looked("found") if isinstance(answer, Outcome) else Looked("refused", _next_key(op))


async def _put_back(services: Services, op: Op, operator: UUID, what: str, keep: Keep | None = None) -> None:
    try:
        async with services.database.transaction() as connection:
            await operations_desk.put_back(connection, op, operator, what)
            wake(EVENTS)
            if keep is not None:
                await keep(connection)
    except LeaseLost:
        raise _LOST from None


async def _afterwards(services: Services, op: Op) -> None:
    done = SENDERS[op.kind].done
    if done is not None:
        await done(services, op)


def _next_key(op: Op) -> str:
    return f"{op.kind}:{op.subject}:{op.attempt + 1}"

"""Stripe's events come in: kept when they arrive, acted on afterwards.

What an event is about is fetched again and moves by the state that it has now, so order, repetition and age do not
matter; ends are never undone, which the database sees to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from app.db import EVENTS, Connection, wake
from app.gateways.stripe import Ambiguous, Definite, RateLimited
from app.jobs import Payload, enqueue, handler
from app.money.outgoing import Write, nothing
from app.services import Services
from market import stripe_inbox
from market.stripe_inbox import Notice

log = structlog.get_logger()

PATIENCE_S = 10.0  # an event whose job was lost waits so long
LONGEST_WAIT_S = 600.0

Look = Callable[[Services, Notice], Awaitable[Write]]
# By the type of the object: fetch it, and say what to write.
LOOKS: dict[str, Look] = {}
# What to do after an event about such an object, outside of the transaction; harmless when left out or done twice.
AFTERWARDS: dict[str, Callable[[Services], Awaitable[None]]] = {}


class NotSettled(Exception):
    """Stripe's side, or ours, is not as far as the event said; it is tried again."""


async def queue_event(connection: Connection, event: str) -> None:
    """Act on a kept event soon after this transaction has committed."""
    await enqueue(connection, "stripe_event", {"event": event}, only_one=f"stripe_event:{event}")


@handler("stripe_event")
async def act_on_event(services: Services, payload: Payload) -> None:
    """Act on one event. One that means nothing to us just ends; one that cannot be acted on yet says why, and waits."""
    async with services.database.read() as connection:
        notice = await stripe_inbox.unhandled(connection, payload["event"])
    if notice is None:
        return
    try:
        write = await _looked(services, notice)
        async with services.database.transaction() as connection:
            await write(connection)
            await stripe_inbox.handled(connection, notice.id)
            wake(EVENTS)
    except Exception as failure:
        # Whatever it was, the event stays, with its reason, and the sweep brings it again.
        log.warning("event not acted on", notice=notice.id, type=notice.type, failure=str(failure))
        async with services.database.transaction() as connection:
            why = f"{type(failure).__name__}: {failure}"
            await stripe_inbox.failed(connection, notice.id, why, LONGEST_WAIT_S)
        if not isinstance(failure, Ambiguous | RateLimited | NotSettled):
            log.error("event failed", notice=notice.id, type=notice.type, exc_info=failure)
        return
    if write is not nothing and notice.object_type in AFTERWARDS:
        await AFTERWARDS[notice.object_type](services)


async def _looked(services: Services, notice: Notice) -> Write:
    look = LOOKS.get(notice.object_type)
    if look is None:
        return nothing
    try:
        return await look(services, notice)
    except Definite as refusal:
        log.warning("event about nothing we can see", notice=notice.id, type=notice.type, code=refusal.code)
        return nothing


def uuid_or_none(text: str) -> UUID | None:
    """Our id in somebody's metadata; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None

"""Operations go out: one try of each, and what Stripe's answer proves decides how it is settled.

What a try does to Stripe goes under the operation's key; what it writes goes in one transaction with the operation's
end, and only while it still holds the lease. A worker that wakes up late writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from app.db import EVENTS, Connection, wake
from app.gateways.stripe import Ambiguous, BalanceTxn, Definite, RateLimited, StripeGateway, gateway_for
from app.jobs import Payload, enqueue, handler
from app.services import Services
from market import stripe_ops
from market.stripe_balance import BalanceLine
from market.stripe_ops import LeaseLost, Op

log = structlog.get_logger()

LEASE_SPARE_S = 5.0
MOST_SWEPT = 200

Write = Callable[[Connection], Awaitable[None]]


class Outcome(NamedTuple):
    """What Stripe made of an operation: the object's id, and what to write in the transaction that settles it.

    line: of a transfer, its line of the platform's balance, so that many can be written together.
    """

    object_id: str
    write: Write
    line: BalanceLine | None = None


class Sender(NamedTuple):
    """One kind of operation.

    send: do it, under the operation's key · look_up: find what an earlier try has done, by our ids in its metadata;
    None when nothing is there · refused: what to write after a definite refusal · done: afterwards, outside of
    the transaction; it must be harmless when it is left out, or done twice.
    """

    send: Callable[[Services, Op], Awaitable[Outcome]]
    look_up: Callable[[Services, Op], Awaitable[Outcome | None]]
    refused: Callable[[Connection, Op, Definite], Awaitable[None]]
    done: Callable[[Services, Op], Awaitable[None]] | None = None


SENDERS: dict[str, Sender] = {}


def stripe_of(services: Services) -> StripeGateway:
    """The way to Stripe of this process."""
    config = services.config
    return gateway_for(
        config.stripe_api_key, config.stripe_webhook_secret, config.stripe_api_base, float(config.stripe_timeout_s)
    )


def lease_s(services: Services) -> float:
    """How long a worker holds an operation: a call to look it up and one to send it, and some time to wait its turn."""
    return 2 * services.config.stripe_timeout_s + LEASE_SPARE_S


async def queue_op(connection: Connection, op: UUID) -> None:
    """Send a planned operation soon after this transaction has committed."""
    await enqueue(connection, "stripe_op", {"op": str(op)}, only_one=f"stripe_op:{op}")


@handler("stripe_op")
async def send_op(services: Services, payload: Payload) -> None:
    """One try of one operation."""
    until = asyncio.get_running_loop().time() + lease_s(services)
    async with services.database.transaction() as connection:
        op = await stripe_ops.take(connection, UUID(payload["op"]), lease_s(services))
    if op is not None:
        await try_op(services, op, until)


async def try_op(services: Services, op: Op, until: float) -> None:
    """Send an operation that we hold until then, and settle it."""
    sender = SENDERS[op.kind]
    try:
        answer = await ask(services, op, until)
        async with services.database.transaction() as connection:
            await settle(connection, op, answer)
            wake(EVENTS)
    except LeaseLost as lost:
        log.warning("operation settled by another", op=str(op.id), kind=op.kind, reason=str(lost))
        return
    if sender.done is not None:
        await sender.done(services, op)


Answered = Outcome | Definite | Ambiguous | RateLimited


async def ask(services: Services, op: Op, until: float | None = None) -> Answered:
    """What Stripe says to an operation: nothing is written yet.

    until: the loop's time at which our lease on it ends. What could be sent, or looked up, only past that is left: the
    operation may be another's by then, and what arrives late is worse than what waits.
    """
    sender, call_s = SENDERS[op.kind], services.config.stripe_timeout_s
    loop = asyncio.get_running_loop()
    try:
        if op.look_first:
            # Stripe may have forgotten the key, or answers for a day what it answered once: has it been done?
            found = await sender.look_up(services, op)
            if found is not None:
                return found
        if until is not None and loop.time() + call_s > until:
            return RateLimited("its turn came too late in our lease: not sent")
        return await sender.send(services, op)
    except (Definite, Ambiguous, RateLimited) as failure:
        return failure


async def settle(connection: Connection, op: Op, answer: Answered) -> None:
    """Write what the answer proves. Raises LeaseLost, and then nothing may be kept."""
    if isinstance(answer, Outcome):
        await stripe_ops.succeeded(connection, op, answer.object_id)
        await answer.write(connection)
    elif isinstance(answer, Definite):
        log.info("stripe refused", op=str(op.id), kind=op.kind, code=answer.code, message=answer.message)
        await stripe_ops.rejected(connection, op, answer.code, answer.message)
        await SENDERS[op.kind].refused(connection, op, answer)
    else:
        log.warning("stripe did not say", op=str(op.id), kind=op.kind, tries=op.tries, failure=str(answer))
        if isinstance(answer, RateLimited):
            await stripe_ops.not_begun(connection, op, str(answer))
        else:
            await stripe_ops.unknown(connection, op, str(answer))


async def nothing(_: Connection) -> None:
    """For operations whose effect comes by an event."""


async def just_refused(_: Connection, _op: Op, _refusal: Definite) -> None:
    """For operations whose refusal is read from the operation itself."""


def balance_line(txn: BalanceTxn) -> BalanceLine:
    """Stripe's balance transaction in the words of the market."""
    created = datetime.fromtimestamp(txn.created, UTC)
    return BalanceLine(
        txn.id, txn.type, txn.source, txn.currency, txn.amount, txn.fee, txn.net, created, txn.category,
        txn.description,
    )  # fmt: skip

"""What moves money outside our database: operations go out to Stripe, its events come in, runs are paid.

Each job runs at least once and may die at any line. What it does to Stripe goes under the operation's key; what it
writes goes in one transaction with the operation's end, and only while it still holds the lease.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from app.db import Connection
from app.gateways.stripe import Ambiguous, BalanceTxn, Definite, Intent, RateLimited, StripeGateway, gateway_for
from app.jobs import Payload, enqueue, handler, sweep
from app.services import Services
from market import funding, payout_accounts, payouts, stripe_ops
from market.stripe_ops import BalanceLine, LeaseLost, Op

log = structlog.get_logger()

LINES_AT_ONCE = 50
SWEEP_S = 2.0
MOST_SWEPT = 200
EVENT_PATIENCE_S = 10.0

Write = Callable[[Connection], Awaitable[None]]


class Outcome(NamedTuple):
    """What Stripe made of an operation: the object's id, and what to write in the transaction that settles it."""

    object_id: str
    write: Write


class NotSettled(Exception):
    """Stripe's side is not as far as its event said; the job is tried again."""


def stripe_of(services: Services) -> StripeGateway:
    """The way to Stripe of this process."""
    config = services.config
    return gateway_for(config.stripe_api_key, config.stripe_webhook_secret, config.stripe_api_base)


# ---- operations out


async def queue_op(connection: Connection, op: UUID) -> None:
    """Send a planned operation soon after this transaction has committed."""
    await enqueue(connection, "stripe_op", {"op": str(op)}, only_one=f"stripe_op:{op}")


@handler("stripe_op")
async def send_op(services: Services, payload: Payload) -> None:
    """One try of one operation. What Stripe's answer proves decides how it is settled."""
    async with services.database.transaction() as connection:
        op = await stripe_ops.take(connection, UUID(payload["op"]))
    if op is None:
        return
    try:
        try:
            outcome = await _SENDERS[op.kind](services, op)
        except Definite as refusal:
            await _reject(services, op, refusal)
        except (Ambiguous, RateLimited) as failure:
            await _put_off(services, op, failure)
        else:
            async with services.database.transaction() as connection:
                await stripe_ops.succeeded(connection, op, outcome.object_id)
                await outcome.write(connection)
    except LeaseLost as lost:
        log.warning("operation settled by another", op=str(op.id), kind=op.kind, reason=str(lost))
        return
    if op.kind == "transfer":
        await _finish_run_of(services, op)


async def _reject(services: Services, op: Op, refusal: Definite) -> None:
    log.info("stripe refused", op=str(op.id), kind=op.kind, code=refusal.code, message=refusal.message)
    async with services.database.transaction() as connection:
        await stripe_ops.rejected(connection, op, refusal.code, refusal.message)
        if op.kind in ("charge", "checkout"):
            await funding.fail(connection, op.subject, refusal.code)
        elif op.kind == "transfer":
            await payouts.returned(connection, op.subject, refusal.code, refusal.message)


async def _put_off(services: Services, op: Op, failure: Ambiguous | RateLimited) -> None:
    log.warning("stripe did not say", op=str(op.id), kind=op.kind, tries=op.tries, failure=str(failure))
    async with services.database.transaction() as connection:
        if isinstance(failure, RateLimited):
            await stripe_ops.not_begun(connection, op, str(failure))
        elif op.key_is_old:
            await stripe_ops.set_aside(connection, op, str(failure))
        else:
            await stripe_ops.unknown(connection, op, str(failure))


async def _nothing(_: Connection) -> None:
    """For operations whose effect comes by an event."""


async def _send_customer(services: Services, op: Op) -> Outcome:
    customer = await stripe_of(services).create_customer(op.key, str(op.subject), op.params["email"], op.params["name"])
    return Outcome(customer, lambda connection: funding.keep_customer(connection, op.subject, customer))


async def _customer_of(services: Services, account: UUID) -> str:
    """The account's customer at Stripe, made by an operation of its own when there is none yet."""
    async with services.database.transaction() as connection:
        known = await funding.customer(connection, account)
        if known is not None:
            return known
        email, name = await funding.contact(connection, account)
        op = await stripe_ops.plan(connection, "customer", account, {"email": email, "name": name})
    await send_op(services, {"op": str(op)})
    async with services.database.read() as connection:
        known = await funding.customer(connection, account)
        refusal = await stripe_ops.refusal(connection, op)
    if refusal is not None:
        raise Definite(*refusal)
    if known is None:
        raise RateLimited("the account's customer at Stripe is still being made")
    return known


async def _send_charge(services: Services, op: Op) -> Outcome:
    _refuse_old_key(op)
    intent = await stripe_of(services).charge(
        op.key,
        amount=op.params["amount"],
        currency=op.params["currency"],
        customer=await _customer_of(services, UUID(op.params["account"])),
        method=op.params["method"],
        metadata={"funding": str(op.subject)},
    )
    return Outcome(intent.id, _nothing)  # the balance moves when the event has come and the intent was fetched again


async def _send_checkout(services: Services, op: Op) -> Outcome:
    here = f"{services.config.public_url}/checkout/{op.subject.hex}/done"
    checkout = await stripe_of(services).create_checkout(
        op.key,
        amount=op.params["amount"],
        currency=op.params["currency"],
        customer=await _customer_of(services, UUID(op.params["account"])),
        metadata={"funding": str(op.subject)},
        success=here,
        cancel=here,
    )
    return Outcome(checkout.id, lambda conn: funding.set_checkout(conn, op.subject, checkout.id, checkout.url))


async def _send_recipient(services: Services, op: Op) -> Outcome:
    made = await stripe_of(services).create_recipient(
        op.key, str(op.subject), op.params["email"], op.params["name"], op.params["country"]
    )
    return Outcome(
        made.id, lambda conn: payout_accounts.keep(conn, op.subject, made.id, made.transfers, made.requirements)
    )


async def _send_transfer(services: Services, op: Op) -> Outcome:
    stripe = stripe_of(services)
    group, metadata = op.params["run"], {"payout": str(op.subject), "person": op.params["person"]}
    if op.key_is_old:
        # Stripe may have forgotten the key, so sending it could pay twice: has it been done?
        transfer = await stripe.find_transfer(group, metadata)
        if transfer is None:
            raise Ambiguous("no transfer found, and the key may be forgotten: an operator decides")
    else:
        transfer = await stripe.create_transfer(
            op.key,
            amount=op.params["amount"],
            currency=op.params["currency"],
            destination=op.params["destination"],
            group=group,
            metadata=metadata,
        )
    line = balance_line(transfer.txn)

    async def write(connection: Connection) -> None:
        await payouts.paid(connection, op.subject, transfer.id, line)

    return Outcome(transfer.id, write)


def _refuse_old_key(op: Op) -> None:
    if op.key_is_old:
        raise Ambiguous("the key may be forgotten, and sending it could charge twice: an operator decides")


_SENDERS: dict[str, Callable[[Services, Op], Awaitable[Outcome]]] = {
    "customer": _send_customer,
    "charge": _send_charge,
    "checkout": _send_checkout,
    "recipient": _send_recipient,
    "transfer": _send_transfer,
}


def balance_line(txn: BalanceTxn) -> BalanceLine:
    """Stripe's balance transaction in the words of the market."""
    created = datetime.fromtimestamp(txn.created, UTC)
    return BalanceLine(txn.id, txn.type, txn.source, txn.currency, txn.amount, txn.fee, txn.net, created)


# ---- events in


async def queue_event(connection: Connection, event: str) -> None:
    """Act on a kept event soon after this transaction has committed."""
    await enqueue(connection, "stripe_event", {"event": event}, only_one=f"stripe_event:{event}")


@handler("stripe_event")
async def act_on_event(services: Services, payload: Payload) -> None:
    """Fetch again what an event is about and move by its state; an event that means nothing to us just ends."""
    async with services.database.read() as connection:
        notice = await stripe_ops.unhandled(connection, payload["event"])
    if notice is None:
        return
    look = _LOOKS.get(notice.object_type)
    try:
        write = await look(services, notice.object_id) if look is not None else _nothing
    except Definite as refusal:
        log.warning("event about nothing we can see", event=notice.id, type=notice.type, code=refusal.code)
        write = _nothing
    async with services.database.transaction() as connection:
        await write(connection)
        await stripe_ops.handled(connection, notice.id)
    if notice.object_type == "transfer":
        async with services.database.read() as connection:
            under_way = await payouts.executing(connection)
        for run in under_way:  # it may have been the last line of one
            await _finish(services, run)


async def _look_at_intent(services: Services, intent_id: str) -> Write:
    return await _write_of_intent(await stripe_of(services).retrieve_intent(intent_id))


async def _write_of_intent(intent: Intent) -> Write:
    about = _uuid(intent.metadata.get("funding", ""))
    if about is None:
        return _nothing  # a payment of somebody else's on the same Stripe account

    async def write(connection: Connection) -> None:
        if intent.status == "succeeded":
            if intent.txn is None:
                raise NotSettled(f"{intent.id} has no balance transaction yet")
            await stripe_ops.found(connection, "charge", about, intent.id)
            await funding.credit(connection, about, intent.id, intent.amount, balance_line(intent.txn))
        elif intent.status == "canceled":
            await funding.fail(connection, about, "canceled")
        # A declined attempt is settled by its operation, and on a checkout page the next card may work.

    return write


async def _look_at_checkout(services: Services, checkout_id: str) -> Write:
    stripe = stripe_of(services)
    checkout = await stripe.retrieve_checkout(checkout_id)
    if checkout.status == "complete" and checkout.intent_id:
        return await _write_of_intent(await stripe.retrieve_intent(checkout.intent_id))

    async def write(connection: Connection) -> None:
        about = await funding.of_checkout(connection, checkout_id)
        if about is not None and checkout.status == "expired":
            await funding.expire(connection, about)

    return write


async def _look_at_account(services: Services, account_id: str) -> Write:
    found = await stripe_of(services).retrieve_recipient(account_id)

    async def write(connection: Connection) -> None:
        await payout_accounts.update(connection, found.id, found.transfers, found.requirements)

    return write


async def _look_at_transfer(services: Services, transfer_id: str) -> Write:
    stripe = stripe_of(services)
    transfer = await stripe.retrieve_transfer(transfer_id)
    about = _uuid(transfer.metadata.get("payout", ""))
    if about is None:
        return _nothing
    line = balance_line(transfer.txn)

    async def write(connection: Connection) -> None:
        if await stripe_ops.found(connection, "transfer", about, transfer.id):
            await payouts.paid(connection, about, transfer.id, line)

    return write


_LOOKS: dict[str, Callable[[Services, str], Awaitable[Write]]] = {
    "payment_intent": _look_at_intent,
    "checkout.session": _look_at_checkout,
    "v2.core.account": _look_at_account,
    "transfer": _look_at_transfer,
}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# ---- payout runs


async def queue_run(connection: Connection, run: UUID) -> None:
    """Go on with an executing run soon after this transaction has committed."""
    await enqueue(connection, "payout_run", {"run": str(run)}, only_one=f"payout_run:{run}")


@handler("payout_run")
async def pay_run(services: Services, payload: Payload) -> None:
    """Set money aside and plan transfers, some lines in each transaction, until no line is left."""
    run, looked = UUID(payload["run"]), LINES_AT_ONCE
    while looked == LINES_AT_ONCE:
        async with services.database.transaction() as connection:
            looked, ops = await payouts.plan_lines(connection, run, LINES_AT_ONCE)
            for op in ops:
                await queue_op(connection, op)
    await _finish(services, run)


async def _finish_run_of(services: Services, op: Op) -> None:
    await _finish(services, UUID(op.params["run"]))


async def _finish(services: Services, run: UUID) -> None:
    async with services.database.transaction() as connection:
        status = await payouts.finish(connection, run)
    if status is not None:
        log.info("payout run ended", run=str(run), status=status)


@sweep("stripe", every_s=SWEEP_S)
async def take_up_what_waits(services: Services) -> None:
    """Queue operations that are due again, events whose job was lost, and runs that a crash has left under way."""
    async with services.database.transaction() as connection:
        for op in await stripe_ops.due(connection, MOST_SWEPT):
            await queue_op(connection, op)
        for event in await stripe_ops.waiting_events(connection, EVENT_PATIENCE_S, MOST_SWEPT):
            await queue_event(connection, event)
        for run in await payouts.executing(connection):
            await queue_run(connection, run)

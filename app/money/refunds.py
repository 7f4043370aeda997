"""Refunds: unused balance goes back to the card that it came from; and what their events say.

A refund that somebody makes in Stripe's dashboard carries no id of ours. Nothing is posted for it: its line of Stripe's
balance has no posting, goes into suspense with the mirror, and two operators decide whose it is.
What it has taken of its payment is counted, so that no refund of ours is of the same money: when Stripe tells of it,
and when Stripe refuses ours.
"""

from __future__ import annotations

from uuid import UUID

import structlog

from app.amounts import money
from app.db import Connection
from app.gateways import mail
from app.gateways.stripe import BalanceTxn, Definite, Refund
from app.jobs import Payload, enqueue, handler
from app.money.incoming import LOOKS, NotSettled, uuid_or_none
from app.money.outgoing import SENDERS, Outcome, Sender, Write, balance_line, stripe_of
from app.services import Services
from market import funding, refunds, stripe_ops
from market.stripe_balance import BalanceLine
from market.stripe_inbox import Notice
from market.stripe_ops import Op

log = structlog.get_logger()

OVER = ("failed", "canceled")


def _metadata(refund: UUID) -> dict[str, str]:
    """What leads from a refund back to our row."""
    return {"refund": str(refund)}


async def _send(services: Services, op: Op) -> Outcome:
    charge, amount = op.params["charge"], op.params["amount"]
    made = await stripe_of(services).refund(op.key, charge=charge, amount=amount, metadata=_metadata(op.subject))
    return _outcome(services, op, made)


async def _find(services: Services, op: Op) -> Outcome | None:
    found = await stripe_of(services).find_refund(op.params["charge"], _metadata(op.subject))
    return None if found is None else _outcome(services, op, found)


def _outcome(services: Services, op: Op, made: Refund) -> Outcome:
    settle = _write(services, op.subject, made)

    async def write(connection: Connection) -> None:
        try:
            async with connection.transaction():
                await settle(connection)
        except refunds.Mismatch as mismatch:
            # It has been made, whatever it is: the operation is over. Its events go on saying what is wrong.
            log.error("refund does not fit", refund=str(op.subject), failure=str(mismatch))

    return Outcome(made.id, write)


async def _refused(connection: Connection, op: Op, refusal: Definite) -> None:
    await refunds.refused(connection, op.subject, refusal.code)
    charge = op.params["charge"]
    await enqueue(connection, "count_refunds", {"charge": charge}, only_one=f"count_refunds:{charge}")


@handler("count_refunds")
async def count_refunds(services: Services, payload: Payload) -> None:
    """Ask Stripe what has gone back of a charge without us, after a refusal that this may explain."""
    write = await _write_elsewhere(services, payload["charge"])
    async with services.database.transaction() as connection:
        await write(connection)


async def _write_elsewhere(services: Services, charge: str) -> Write:
    made = [one for one in await stripe_of(services).refunds_of(charge) if one.status not in OVER]
    amount = sum(one.amount for one in made if uuid_or_none(one.metadata.get("refund", "")) is None)

    async def write(connection: Connection) -> None:
        await refunds.went_elsewhere(connection, charge, amount)

    return write


def _write(services: Services, refund: UUID, made: Refund) -> Write:
    seen = refunds.Seen(made.id, made.status, made.failure, _line(made.txn), _line(made.failure_txn))

    async def write(connection: Connection) -> None:
        if await refunds.settle(connection, refund, seen) == "failed":
            await _tell(services, connection, refund)

    return write


def _line(txn: BalanceTxn | None) -> BalanceLine | None:
    return None if txn is None else balance_line(txn)


async def _tell(services: Services, connection: Connection, refund: UUID) -> None:
    """A bank did not take it: the owner hears of it, since nobody looks at a refund days later."""
    found, account = await refunds.with_owner(connection, refund)
    email, name = await funding.contact(connection, account)
    text = f"""Hello {name},

The refund {found.id} of {money(found.amount)} did not arrive at {found.paid_with or "your card"}:
{(found.failure or "unknown").replace("_", " ")}. The amount is in your balance again.
"""
    await mail.write(connection, services, email, "A refund did not arrive", text)


# ---- what their events say


async def _look(services: Services, notice: Notice) -> Write:
    found = await stripe_of(services).retrieve_refund(notice.object_id)
    about = uuid_or_none(found.metadata.get("refund", ""))
    if about is None:
        return await _write_elsewhere(services, found.charge)  # somebody's in the dashboard, or of another service
    came_back = found.txn is None or found.failure_txn is not None
    if (found.status == "succeeded" and found.txn is None) or (found.status in OVER and not came_back):
        raise NotSettled(f"{found.id} is {found.status} and its balance transaction is still to come")
    settle = _write(services, about, found)

    async def write(connection: Connection) -> None:
        await stripe_ops.found(connection, "refund", about, found.id)
        await settle(connection)

    return write


SENDERS["refund"] = Sender(_send, _find, _refused)
LOOKS["refund"] = _look

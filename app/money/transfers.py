"""Transfers: one line of a payout run goes to a person's account at Stripe; and what its events say."""

from __future__ import annotations

from uuid import UUID

from app.db import Connection
from app.gateways.stripe import Definite, Transfer
from app.money import runs
from app.money.incoming import AFTERWARDS, LOOKS, NotSettled, uuid_or_none
from app.money.outgoing import SENDERS, Outcome, Sender, Write, balance_line, nothing, stripe_of
from app.money.reversals import write_reversals
from app.services import Services
from market import payout_lines, stripe_ops
from market.stripe_inbox import Notice
from market.stripe_ops import Op


def _metadata(op: Op) -> dict[str, str]:
    """What leads from a transfer back to our rows."""
    return {"payout": str(op.subject), "person": op.params["person"]}


def _made(op: Op, transfer: Transfer) -> Outcome:
    line = balance_line(transfer.txn)

    async def write(connection: Connection) -> None:
        await payout_lines.paid(connection, op.subject, transfer.id, line)

    return Outcome(transfer.id, write, line)


async def _send(services: Services, op: Op) -> Outcome:
    transfer = await stripe_of(services).create_transfer(
        op.key,
        amount=op.params["amount"],
        currency=op.params["currency"],
        destination=op.params["destination"],
        group=op.params["run"],
        metadata=_metadata(op),
    )
    return _made(op, transfer)


async def _find(services: Services, op: Op) -> Outcome | None:
    found = await stripe_of(services).find_transfer(op.params["run"], _metadata(op), op.params["destination"])
    return None if found is None else _made(op, found)


async def _refused(connection: Connection, op: Op, refusal: Definite) -> None:
    await payout_lines.returned(connection, op.subject, refusal.code, refusal.message)


async def _finish_run(services: Services, op: Op) -> None:
    await runs.finish(services, UUID(op.params["run"]))


async def _look(services: Services, notice: Notice) -> Write:
    if notice.type == "transfer.created":
        async with services.database.read() as connection:
            if await payout_lines.is_paid_by(connection, notice.object_id):
                return nothing  # the answer came before the event, as it mostly does: nothing to fetch
    transfer = await stripe_of(services).retrieve_transfer(notice.object_id)
    about = uuid_or_none(transfer.metadata.get("payout", ""))
    if about is None:
        return nothing  # a transfer of somebody else's on the same Stripe account
    line = balance_line(transfer.txn)
    come_back = await write_reversals(services, transfer)

    async def write(connection: Connection) -> None:
        if await payout_lines.is_returned(connection, about):
            # Given up, and it arrived after all. Going on with the run finds it, so it is not paid twice.
            raise NotSettled(f"{transfer.id} stands at Stripe for a line that was given up: execute its run again")
        if await stripe_ops.found(connection, "transfer", about, transfer.id):
            await payout_lines.paid(connection, about, transfer.id, line)
        await come_back(connection)

    return write


SENDERS["transfer"] = Sender(_send, _find, _refused, _finish_run)
LOOKS["transfer"] = _look
AFTERWARDS["transfer"] = runs.finish_all

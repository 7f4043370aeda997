"""People's payouts: their accounts at Stripe, transfers to them; and what their events say."""

from __future__ import annotations

from uuid import UUID

from app.db import Connection
from app.gateways.stripe import Definite, Recipient, Transfer
from app.money import runs
from app.money.incoming import AFTERWARDS, LOOKS, uuid_or_none
from app.money.outgoing import SENDERS, Outcome, Sender, Write, balance_line, just_refused, nothing, stripe_of
from app.services import Services
from market import payout_accounts, payout_lines, stripe_ops
from market.stripe_inbox import Notice
from market.stripe_ops import Op


def _recipient(op: Op, made: Recipient) -> Outcome:
    return Outcome(
        made.id, lambda conn: payout_accounts.keep(conn, op.subject, made.id, made.transfers, made.requirements)
    )


async def _send_recipient(services: Services, op: Op) -> Outcome:
    made = await stripe_of(services).create_recipient(
        op.key, str(op.subject), op.params["email"], op.params["name"], op.params["country"]
    )
    return _recipient(op, made)


async def _find_recipient(_services: Services, _op: Op) -> Outcome | None:
    return None  # its key lives for 30 days, and a second empty account would harm nobody


def metadata_of(op: Op) -> dict[str, str]:
    """What leads from a transfer back to our rows."""
    return {"payout": str(op.subject), "person": op.params["person"]}


def _transfer(op: Op, transfer: Transfer) -> Outcome:
    line = balance_line(transfer.txn)

    async def write(connection: Connection) -> None:
        await payout_lines.paid(connection, op.subject, transfer.id, line)

    return Outcome(transfer.id, write)


async def send_transfer(services: Services, op: Op) -> Outcome:
    """Pay one line of a run."""
    transfer = await stripe_of(services).create_transfer(
        op.key,
        amount=op.params["amount"],
        currency=op.params["currency"],
        destination=op.params["destination"],
        group=op.params["run"],
        metadata=metadata_of(op),
    )
    return _transfer(op, transfer)


async def _find_transfer(services: Services, op: Op) -> Outcome | None:
    found = await stripe_of(services).find_transfer(op.params["run"], metadata_of(op), op.params["destination"])
    return None if found is None else _transfer(op, found)


async def _refuse_transfer(connection: Connection, op: Op, refusal: Definite) -> None:
    await payout_lines.returned(connection, op.subject, refusal.code, refusal.message)


async def _finish_run(services: Services, op: Op) -> None:
    await runs.finish(services, UUID(op.params["run"]))


SENDERS["recipient"] = Sender(_send_recipient, _find_recipient, just_refused)
SENDERS["transfer"] = Sender(send_transfer, _find_transfer, _refuse_transfer, _finish_run)


# ---- what their events say


async def _look_at_account(services: Services, notice: Notice) -> Write:
    found = await stripe_of(services).retrieve_recipient(notice.object_id)

    async def write(connection: Connection) -> None:
        await payout_accounts.update(connection, found.id, found.transfers, found.requirements)

    return write


async def _look_at_transfer(services: Services, notice: Notice) -> Write:
    stripe = stripe_of(services)
    transfer = await stripe.retrieve_transfer(notice.object_id)
    about = uuid_or_none(transfer.metadata.get("payout", ""))
    if about is None:
        return nothing
    line = balance_line(transfer.txn)

    async def write(connection: Connection) -> None:
        if await stripe_ops.found(connection, "transfer", about, transfer.id):
            await payout_lines.paid(connection, about, transfer.id, line)

    return write


LOOKS["v2.core.account"] = _look_at_account
LOOKS["transfer"] = _look_at_transfer
AFTERWARDS["transfer"] = runs.finish_all

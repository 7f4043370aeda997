"""Automatic top-ups: begun by a sweep or a nudge, and handed to the account's owner when the card is refused."""

from __future__ import annotations

from uuid import UUID

from app.amounts import money
from app.db import EVENTS, Connection, wake
from app.gateways import mail
from app.jobs import Payload, enqueue, handler, sweep
from app.money.outgoing import queue_op
from app.services import Services
from market import top_ups
from market.top_ups import Refused

EVERY_S = 2.0
AT_ONCE = 200


@sweep("top_ups", every_s=EVERY_S)
async def top_up_what_is_low(services: Services) -> None:
    """Charge the cards of accounts whose balance has fallen below their threshold, each in a transaction of its own."""
    async with services.database.read() as connection:
        due = await top_ups.due(connection, AT_ONCE)
    for account in due:
        async with services.database.transaction() as connection:
            await begin(connection, account)


async def begin(connection: Connection, account: UUID) -> None:
    """Begin one for the account if it is time."""
    begun = await top_ups.begin(connection, account)
    if begun is not None:
        await queue_op(connection, begun[1])
        wake(EVENTS)


async def refused(connection: Connection, funding: UUID, code: str) -> None:
    """A charge was refused: when it was an automatic one, no more follow, and the owner is written to."""
    if await top_ups.pause(connection, funding, code):
        await enqueue(connection, "top_up_refused", {"funding": str(funding)}, only_one=f"top_up_refused:{funding}")


@handler("top_up_refused")
async def hand_to_owner(services: Services, payload: Payload) -> None:
    """Write to the account's owner, once, with a page where the amount can be paid instead."""
    async with services.database.transaction() as connection:
        found = await top_ups.hand_over(connection, UUID(payload["funding"]))
        if found is None:
            return
        await queue_op(connection, found.op)
        page = f"{services.config.public_url}/checkout/{found.page.hex}"
        wanted = found.failure == "authentication_required"
        subject = "Your bank wants you to confirm a top-up" if wanted else "A top-up of your balance was declined"
        await mail.write(connection, services, found.email, subject, _text(found, page))
        wake(EVENTS)


def _text(found: Refused, page: str) -> str:
    why = (
        "Your bank wants you to confirm this payment yourself."
        if found.failure == "authentication_required"
        else f"Your bank, or Stripe, has declined it: {found.failure.replace('_', ' ')}."
    )
    return f"""Hello {found.name},

The balance of your Sensorium account is low, and the automatic top-up of {money(found.amount)} with the card
{found.card} did not go through. {why} Nothing was charged.

You can pay this amount here, with this card or another one:

{page}

Automatic top-ups are paused until they are set again: PUT /v1/auto-top-up.
"""

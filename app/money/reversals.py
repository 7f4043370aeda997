"""Transfers that have come back: each of Stripe's reversals is posted once, and the person hears of it."""

from __future__ import annotations

from app import amounts
from app.db import Connection
from app.gateways import mail
from app.gateways.stripe import Transfer
from app.money.outgoing import Write, balance_line, nothing, stripe_of
from app.services import Services
from market import payout_accounts, reversals
from market.money import Money
from market.reversals import Returned, Reversal


async def write_reversals(services: Services, transfer: Transfer) -> Write:
    """What to write of a transfer's reversals, whoever made them; after the line that it paid is settled."""
    if not transfer.amount_reversed:
        return nothing
    found = [
        Reversal(each.id, each.amount, balance_line(each.txn))
        for each in await stripe_of(services).reversals(transfer.id)
    ]

    async def write(connection: Connection) -> None:
        returned = await reversals.apply(connection, transfer.id, found)
        if returned is not None:
            await _tell(connection, services, returned)

    return write


async def _tell(connection: Connection, services: Services, returned: Returned) -> None:
    email = await payout_accounts.email_of(connection, returned.person)
    if email is None:
        return
    amount = amounts.money(Money(returned.amount, returned.currency))
    await mail.write(
        connection, services, email, f"{amount} of a payout was taken back",
        f"{amount} of a payout to your account at Stripe was taken back. It is yours all the same: it is among your "
        "earnings again, and goes out with the next payout, less what you may owe.\n\n"
        f"Your earnings: {services.config.public_url}/w/earnings\n",
    )  # fmt: skip

"""Too little money, in numbers: what is needed, what is there, and what is still on its way."""

from typing import Any

from app.db import Connection, Database
from app.errors import Problem
from app.money import top_ups
from market import funding, ledger
from market.errors import InsufficientFunds
from market.keys import Actor
from market.money import Money


async def explain(
    connection: Connection, actor: Actor, refusal: InsufficientFunds, *, database: Database | None = None
) -> Problem:
    """The refusal of a buyer's wish with `available`, `needed` and `pending_funding` as members, and in words.

    database: where no transaction runs any more; then an automatic top-up that it is time for is begun at once, and
    counts among what is pending. Within one, the sweep does that.
    """
    if database is not None:
        async with database.transaction(connection):
            await top_ups.begin(connection, actor.owner)
    [available] = await ledger.balances(connection, [ledger.buyer(actor.owner)], actor.currency)
    pending = await funding.pending(connection, actor.owner)
    detail = f"{refusal.detail} Available: {available} {actor.currency}"
    if refusal.needed is not None:
        detail += f", needed: {refusal.needed}"
    detail += "."
    members: dict[str, Any] = {"available": Money(available, actor.currency)}
    if refusal.needed is not None:
        members["needed"] = Money(refusal.needed, actor.currency)
    members["pending_funding"] = Money(pending, actor.currency)
    if pending:
        detail += f" A top-up of {pending} is still pending: it counts once Stripe says that it has arrived."
    return Problem("insufficient-funds", detail, **members)

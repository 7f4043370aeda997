"""The ledger beside Stripe's own books."""

from __future__ import annotations

import msgspec

from app.db import Database
from app.gateways.stripe import StripeGateway
from app.money import mirror
from market import matching, suspense
from market.matching import MatchedLine, Side

LOOKS = 3  # as long as something moves while we look
SHOWN = 200


class Reconciliation(msgspec.Struct, frozen=True):
    """The ledger's `stripe:clearing` beside what Stripe holds, in minor units by currency.

    agrees: they are the same, and something stands for every line of Stripe's balance · unmatched: ids of lines that
    nothing stands for · sides: where a difference comes from · states: how many lines are in which state · suspense,
    waiting, contradictory: the lines in these states, the first 200 of each, with their age · explained: what differs
    does so only by what is under way.
    """

    agrees: bool
    ledger: dict[str, int]
    stripe: dict[str, int]
    unmatched: list[str]
    explained: bool
    sides: list[Side]
    states: dict[str, int]
    suspense: list[MatchedLine]
    waiting: list[MatchedLine]
    contradictory: list[MatchedLine]


async def reconcile(database: Database, stripe: StripeGateway) -> Reconciliation:
    """Read Stripe's balance and its lines up to now, and compare. Raises what the gateway raises."""
    held, sides = await compare(database, stripe)
    async with database.read() as connection:
        states = await matching.counts(connection)
        unmatched = await matching.lines(connection, state="unmatched", limit=SHOWN)
        wrong = await matching.lines(connection, state="contradictory", limit=SHOWN) if states["contradictory"] else []
        put = await suspense.items(connection, SHOWN)
    return Reconciliation(
        agrees=not states["unmatched"] and all(side.difference == 0 for side in sides),
        ledger={side.currency: side.ledger for side in sides if side.ledger or side.currency in held},
        stripe=held,
        unmatched=sorted(line.id for line in unmatched),
        explained=all(side.unexplained == 0 and side.without_line == 0 for side in sides),
        sides=sides,
        states=states,
        suspense=put,
        waiting=unmatched,
        contradictory=wrong,
    )


async def compare(database: Database, stripe: StripeGateway) -> tuple[dict[str, int], list[Side]]:
    """What Stripe holds, and the two books side by side; what moved at Stripe during a look is looked at again."""
    for _ in range(LOOKS):
        await mirror.mirror_balance(database, stripe)
        held = await stripe.balance()
        moved = await mirror.mirror_balance(database, stripe)
        async with database.read() as connection:
            sides = await matching.sides(connection, held)
        if not moved and all(side.unexplained == 0 for side in sides):
            break
    return held, sides

"""What a crash, a lost job or a lost webhook has left is taken up again."""

from __future__ import annotations

from app.jobs import sweep
from app.money.incoming import PATIENCE_S, queue_event
from app.money.outgoing import MOST_SWEPT, queue_op
from app.services import Services
from market import stripe_inbox, stripe_ops

SWEEP_S = 2.0


@sweep("stripe", every_s=SWEEP_S)
async def take_up_what_waits(services: Services) -> None:
    """Queue operations that are due again, and events whose job was lost."""
    async with services.database.transaction() as connection:
        for op in await stripe_ops.due(connection, MOST_SWEPT):
            await queue_op(connection, op)
        for event in await stripe_inbox.waiting_events(connection, PATIENCE_S, MOST_SWEPT):
            await queue_event(connection, event)

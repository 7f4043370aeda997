"""Stripe's own books are copied: each line of the platform's balance, and each event whose webhook did not come.

Both are read from where the last look ended, less an hour, for Stripe's lists may show something late. Everything is
kept by its id, so what is read again is kept once; and how far a list has been read moves only after all of it is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog

from app.db import Database
from app.gateways.stripe import Ambiguous, Definite, RateLimited, StripeGateway, Webhook
from app.jobs import sweep
from app.money.incoming import LOOKS, queue_event
from app.money.outgoing import balance_line, stripe_of
from app.services import Services
from market import matching, stripe_inbox, suspense
from market.stripe_inbox import Notice

log = structlog.get_logger()

EVERY_S = 60.0
OVERLAP = timedelta(hours=1)
FIRST_LOOK = timedelta(days=3)  # at events: so long Stripe itself goes on delivering one that nobody takes
BEGINNING = datetime(2011, 1, 1, tzinfo=UTC)  # before any balance at Stripe: the books begin with its first line
AT_ONCE = 100

T = TypeVar("T")


@sweep("mirror", every_s=EVERY_S)
async def mirror(services: Services) -> None:
    """Copy what is new at Stripe, then put into suspense what nothing has explained in time."""
    stripe = stripe_of(services)
    for look in (mirror_balance, mirror_events, mirror_notices):
        try:
            await look(services.database, stripe)
        except (Ambiguous, RateLimited, Definite) as failure:
            # The next round reads on from the same place.
            log.warning("stripe's books not read", look=look.__name__, failure=str(failure))
    await put_into_suspense(services.database)


async def mirror_balance(database: Database, stripe: StripeGateway) -> int:
    """Keep each line of Stripe's balance, and post those that explain themselves; how many are new.

    Raises what the gateway raises; what was read until then is kept.
    """
    since = await _since(database, "balance", BEGINNING)
    newest, new = since, 0
    async for batch in _batches(stripe.balance_txns_since(since)):
        async with database.transaction() as connection:
            new += await matching.see(connection, [balance_line(txn) for txn in batch])
        newest = max(newest, *(_time(txn.created) for txn in batch))
    await _has_read(database, "balance", newest)
    return new


async def mirror_events(database: Database, stripe: StripeGateway) -> int:
    """Keep each event of Stripe's list that no webhook has brought, and have it acted on; how many. Raises likewise."""
    since = await _since(database, "events", datetime.now(UTC) - FIRST_LOOK)
    return await _keep_events(database, stripe, "events", since, stripe.events_since(since))


async def mirror_notices(database: Database, stripe: StripeGateway) -> int:
    """The same of the thin events, which have a list of their own."""
    since = await _since(database, "notices", datetime.now(UTC) - FIRST_LOOK)
    return await _keep_events(database, stripe, "notices", since, stripe.notices_since(since))


async def _keep_events(
    database: Database, stripe: StripeGateway, name: str, since: datetime, found: AsyncIterator[Webhook]
) -> int:
    begun = datetime.now(UTC)
    newest, new = since, 0
    async for batch in _batches(found):
        # A list is as good as a signature: we have asked for it. What means nothing to us needs no job.
        kept = [each for each in batch if stripe.same_mode(each) and each.object_type in LOOKS]
        notices = [Notice(each.id, each.type, each.object_type, each.object_id, each.account) for each in kept]
        async with database.transaction() as connection:
            unseen = await stripe_inbox.receive_all(connection, notices, "list")
            for event in unseen:
                await queue_event(connection, event)
        new += len(unseen)
        newest = max(newest, *(_time(each.created) if each.created else begun for each in batch))
    await _has_read(database, name, newest)
    return new


async def put_into_suspense(database: Database) -> int:
    """Post what has waited too long; how many lines."""
    whole = 0
    while True:
        async with database.transaction() as connection:
            put = await suspense.put_overdue(connection)
        if not put:
            return whole
        whole += put


async def _since(database: Database, name: str, first: datetime) -> datetime:
    async with database.read() as connection:
        read_to = await stripe_inbox.read_to(connection, name)
    return first if read_to is None else read_to - OVERLAP


async def _has_read(database: Database, name: str, to: datetime) -> None:
    async with database.transaction() as connection:
        await stripe_inbox.has_read(connection, name, to)


def _time(created: int) -> datetime:
    return datetime.fromtimestamp(created, UTC)


async def _batches(found: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The same, some at a time."""
    batch: list[T] = []
    async for one in found:
        batch.append(one)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch

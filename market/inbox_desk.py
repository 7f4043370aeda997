"""Stripe's events as operators see them: what has come in, and what could not be acted on."""

import re
from datetime import datetime

import asyncpg
import msgspec

from market.errors import Invalid, NotFound, WrongState

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")


class StripeEvent(msgspec.Struct, frozen=True):
    """An event of Stripe's. source: webhook, or list when its webhook was lost and it was found in Stripe's list.

    tries, failure: how often acting on it has failed, and why the last time · due_at: when it is tried again.
    """

    id: str
    type: str
    object_type: str
    object_id: str
    account: str
    source: str
    received_at: datetime
    handled_at: datetime | None
    tries: int
    failure: str
    due_at: datetime | None


async def listed(
    conn: asyncpg.Connection, *, after: str | None, limit: int, waiting: bool, failed: bool
) -> list[StripeEvent]:
    """Events in order of their ids. waiting: those not acted on yet · failed: those of which acting has failed."""
    if after is not None and not _ID.fullmatch(after):
        raise Invalid("This is no cursor of this list.", pointer="/cursor")
    rows = await conn.fetch(
        f"""SELECT * FROM stripe_event WHERE ($1::text IS NULL OR id > $1)
              {"AND handled_at IS NULL" if waiting else ""} {"AND failure <> ''" if failed else ""}
            ORDER BY id LIMIT $2""",
        after, limit,
    )  # fmt: skip
    return [
        StripeEvent(
            row["id"], row["type"], row["object_type"], row["object_id"], row["account"], row["source"],
            row["received_at"], row["handled_at"], row["tries"], row["failure"],
            row["due_at"] if row["handled_at"] is None else None,
        )
        for row in rows
    ]  # fmt: skip


async def retry(conn: asyncpg.Connection, event: str) -> None:
    """Due now. Raises NotFound; WrongState for one that has been acted on."""
    if not _ID.fullmatch(event):
        raise NotFound("There is no such event.")
    due = await conn.fetchval(
        "UPDATE stripe_event SET due_at = now() WHERE id = $1 AND handled_at IS NULL RETURNING id", event
    )
    if due is not None:
        return
    if await conn.fetchval("SELECT true FROM stripe_event WHERE id = $1", event) is None:
        raise NotFound("There is no such event.")
    raise WrongState("This event has been acted on.")

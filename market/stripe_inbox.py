"""What Stripe says has happened (inbox): that there is news of an object, never its content, which is fetched again.

So order and repetition do not matter. An event comes by a webhook, or is found in Stripe's list when that was lost.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec


class Notice(msgspec.Struct, frozen=True):
    """Something has happened to an object at Stripe."""

    id: str
    type: str
    object_type: str
    object_id: str
    account: str = ""  # the connected account that it is about


async def receive(conn: asyncpg.Connection, notice: Notice, source: str = "webhook") -> bool:
    """Keep a verified event; False when it came before. source: webhook | list."""
    return bool(await receive_all(conn, [notice], source))


async def receive_all(conn: asyncpg.Connection, notices: Sequence[Notice], source: str) -> list[str]:
    """Keep events; the ids of those that are new."""
    rows = await conn.fetch(
        """INSERT INTO stripe_event (id, type, object_type, object_id, account, source)
           SELECT *, $6 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
           ON CONFLICT (id) DO NOTHING RETURNING id""",
        [each.id for each in notices], [each.type for each in notices], [each.object_type for each in notices],
        [each.object_id for each in notices], [each.account for each in notices], source,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def unhandled(conn: asyncpg.Connection, event: str) -> Notice | None:
    """A kept event that nobody has acted on yet."""
    row = await conn.fetchrow("SELECT * FROM stripe_event WHERE id = $1 AND handled_at IS NULL", event)
    if row is None:
        return None
    return Notice(row["id"], row["type"], row["object_type"], row["object_id"], row["account"])


async def handled(conn: asyncpg.Connection, event: str) -> None:
    """The event has had its effect, in this transaction."""
    await conn.execute(
        "UPDATE stripe_event SET handled_at = now(), failure = '' WHERE id = $1 AND handled_at IS NULL", event
    )


async def failed(conn: asyncpg.Connection, event: str, why: str, longest_s: float) -> None:
    """Acting on it did not work: it is tried again after 1, 2, 4 … s, and `why` stands where operators look."""
    await conn.execute(
        """UPDATE stripe_event SET tries = tries + 1, failure = $2,
             due_at = now() + make_interval(secs => least($3, power(2, least(tries, 20))))
           WHERE id = $1 AND handled_at IS NULL""",
        event, why[:500], longest_s,
    )  # fmt: skip


async def waiting_events(conn: asyncpg.Connection, older_than_s: float, limit: int) -> list[str]:
    """Events that have waited too long for their job, oldest first."""
    rows = await conn.fetch(
        """SELECT id FROM stripe_event
           WHERE handled_at IS NULL AND due_at <= now() AND received_at < now() - make_interval(secs => $1)
           ORDER BY received_at LIMIT $2""",
        older_than_s, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


# ---- how far Stripe's own lists have been read


async def read_to(conn: asyncpg.Connection, name: str) -> datetime | None:
    """Everything created before this has been seen; None before the first look. name: events | notices | balance."""
    found: datetime | None = await conn.fetchval("SELECT read_to FROM stripe_cursor WHERE name = $1", name)
    return found


async def has_read(conn: asyncpg.Connection, name: str, to: datetime) -> None:
    """The list has been read up to what was created before `to`; it never goes back."""
    await conn.execute(
        """INSERT INTO stripe_cursor (name, read_to) VALUES ($1, $2)
           ON CONFLICT (name) DO UPDATE SET read_to = greatest(stripe_cursor.read_to, excluded.read_to),
             looked_at = now()""",
        name, to,
    )  # fmt: skip

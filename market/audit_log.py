"""What operators did and what they looked at, as a chain: each row holds the hash of the one before.

Rows are written by one transaction at a time, so `record` comes last, after all other locks. `sensorium audit` follows
the chain from its beginning, and each daily close holds its head.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec


class Record(msgspec.Struct, frozen=True):
    """One act: who (`operator:<uuid>` or `command line`), what (the operation's name), about what, with which input."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    data: dict[str, Any]
    request_id: str
    hash: str


async def record(
    conn: asyncpg.Connection,
    actor: str,
    action: str,
    *,
    subject: str = "",
    data: Mapping[str, Any] | None = None,
    request_id: str = "",
) -> int:
    """Append one act in the transaction of its effect; its number. `subject` is a public id, '' for none."""
    seq: int = await conn.fetchval(
        "SELECT audit_append($1, $2, $3, $4, $5)", actor, action, subject, dict(data or {}), request_id
    )
    return seq


async def listed(
    conn: asyncpg.Connection, *, before: int | None, limit: int, subject: str | None = None, actor: str | None = None
) -> list[Record]:
    """Acts, newest first; those about one thing, or by one operator (`operator:<uuid>`)."""
    rows = await conn.fetch(
        """SELECT * FROM audit_log WHERE ($1::bigint IS NULL OR seq < $1) AND ($3::text IS NULL OR subject = $3)
             AND ($4::text IS NULL OR actor = $4) ORDER BY seq DESC LIMIT $2""",
        before, limit, subject, actor,
    )  # fmt: skip
    return [
        Record(
            row["seq"], row["at"], row["actor"], row["action"], row["subject"], row["data"], row["request_id"],
            row["hash"].hex(),
        )
        for row in rows
    ]  # fmt: skip


async def head(conn: asyncpg.Connection) -> tuple[int, bytes]:
    """(number, hash) of the newest act; (0, the hash that the first one follows) when there is none."""
    row = await conn.fetchrow("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1")
    if row is None:
        first: bytes = await conn.fetchval("SELECT sha256('sensorium')")
        return 0, first
    return row["seq"], row["hash"]


# Acts whose number, predecessor or content is not as their hash says: from the first on nothing is to be trusted.
BROKEN = """
    SELECT seq::text AS what FROM (
      SELECT *, row_number() OVER w AS n, lag(hash) OVER w AS before FROM audit_log WINDOW w AS (ORDER BY seq)) a
    WHERE seq <> n OR previous <> coalesce(before, sha256('sensorium'))
       OR hash <> audit_hash(seq, at, actor, action, subject, data, request_id, previous)"""


async def broken(conn: asyncpg.Connection) -> int:
    """The number of the first act at which the chain breaks; 0 when it is whole. It reads the whole log."""
    found: int | None = await conn.fetchval(f"SELECT min(what::bigint) FROM ({BROKEN}) AS acts")
    return found or 0

"""The one append-only log of what happened: audit, long-poll, webhooks and notices all read it.

An event's id is `evt_` + transaction number + sequence number, both in hex of fixed width: ids sort as read.
Readers stop before the oldest transaction still running; see the table's comment.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import Invalid


class Subject(msgspec.Struct, frozen=True):
    """What an event is about."""

    type: str
    id: str


class Event(msgspec.Struct, frozen=True):
    """Something that happened. `id` is also the cursor to read on from."""

    id: str
    type: str
    created_at: datetime
    subject: Subject
    data: dict[str, Any]


async def append(
    conn: asyncpg.Connection,
    type: str,
    subject: tuple[str, UUID],
    actor: str,
    *,
    account: UUID | None = None,
    person: UUID | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Write one event in the transaction of its cause. `data` is shown to the account and the person alike."""
    await conn.execute(
        """INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        type, account, person, subject[0], subject[1], actor, data or {},
    )  # fmt: skip


async def after(
    conn: asyncpg.Connection, *, account: UUID | None = None, person: UUID | None = None, cursor: str | None, limit: int
) -> list[Event]:
    """Up to `limit` events of one reader that follow `cursor` (None: from the beginning), oldest first."""
    xid, seq = _place(cursor)
    column, reader = ("account_id", account) if account is not None else ("person_id", person)
    rows = await conn.fetch(
        f"""SELECT seq, xid::text::bigint AS xid, type, subject_type, subject_id, data, created_at FROM event
            WHERE {column} = $1 AND (xid, seq) > ($2::text::xid8, $3) AND xid < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xid, seq LIMIT $4""",
        reader, str(xid), seq, limit,
    )  # fmt: skip
    return [
        Event(
            f"evt_{row['xid']:016x}{row['seq']:016x}",
            row["type"],
            row["created_at"],
            Subject(row["subject_type"], ids.show(row["subject_type"], row["subject_id"])),
            row["data"],
        )
        for row in rows
    ]


ReaderKind = Literal["account", "person"]


class Place(NamedTuple):
    """How far a reader has read."""

    reader: UUID
    kind: ReaderKind
    xid: int
    seq: int


def place(reader: UUID, kind: ReaderKind, cursor: str | None) -> Place:
    """The place of a reader who has seen the event `cursor`. Raises Invalid."""
    return Place(reader, kind, *_place(cursor))


async def news(conn: asyncpg.Connection, places: Sequence[Place]) -> tuple[list[int], list[int]]:
    """Which of the places have an event after them: indices of those who can read it now, and of those who soon can."""
    rows = await conn.fetch(
        """SELECT w.n - 1 AS n, e.xid < pg_snapshot_xmin(pg_current_snapshot()) AS shown
           FROM unnest($1::uuid[], $2::bool[], $3::text[]::xid8[], $4::bigint[])
                  WITH ORDINALITY AS w (reader, is_account, xid, seq, n)
             CROSS JOIN LATERAL (
               (SELECT xid FROM event WHERE w.is_account AND account_id = w.reader AND (xid, seq) > (w.xid, w.seq)
                  ORDER BY xid, seq LIMIT 1)
               UNION ALL
               (SELECT xid FROM event WHERE NOT w.is_account AND person_id = w.reader AND (xid, seq) > (w.xid, w.seq)
                  ORDER BY xid, seq LIMIT 1)) AS e""",
        [each.reader for each in places], [each.kind == "account" for each in places],
        [str(each.xid) for each in places], [each.seq for each in places],
    )  # fmt: skip
    return [row["n"] for row in rows if row["shown"]], [row["n"] for row in rows if not row["shown"]]


def _place(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    try:
        digits = cursor.removeprefix("evt_")
        if len(digits) != 32:
            raise ValueError
        xid, seq = int(digits[:16], 16), int(digits[16:], 16)
        if xid >= 2**63 or seq >= 2**63:
            raise ValueError
    except ValueError:
        raise Invalid("`after` takes the id of an event.", pointer="/after") from None
    return xid, seq

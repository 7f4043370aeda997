"""Holds: an operator keeps a person out of payouts, or an account from buying and from refunds, for a reason.

One hold at a time for each; a new one takes the place of the one before, which stays in the event log. One with an end
ends by itself. Accounts' holds are looked at in market/spending.py, people's where payouts are made and executed.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids
from market.errors import Invalid, NotFound

Held = Literal["person", "account"]
_TABLES: dict[Held, tuple[str, str]] = {
    "person": ("payout_hold", "person_id"),
    "account": ("account_hold", "account_id"),
}
_EVENTS: dict[Held, tuple[str, str]] = {
    "person": ("payout.held", "payout.released"),
    "account": ("account.held", "account.released"),
}


class Owner(msgspec.Struct, frozen=True):
    """The operator who set it."""

    id: str
    name: str


class Hold(msgspec.Struct, frozen=True):
    """A hold on a person (kept out of payouts) or an account (posts no tasks, is refunded nothing).

    owner: null where the market itself holds an account, for what it has fronted for it (market/awards.py) ·
    expires_at: it ends by itself then; null: when it is released · expired: it has ended so, and holds nobody.
    """

    kind: Held
    id: str
    name: str
    reason: str
    owner: Owner | None
    created_at: datetime
    expires_at: datetime | None
    expired: bool


async def put(
    conn: asyncpg.Connection, kind: Held, held: UUID, operator: UUID, reason: str, until: datetime | None
) -> None:
    """Hold somebody until `until`, or until released; replaces an earlier hold. Raises NotFound; Invalid for an end
    that is over already."""
    reason = reason.strip()
    if not reason:
        raise Invalid("A hold needs a reason.", pointer="/reason")
    await _require_ahead(conn, until)
    table, column = _TABLES[kind]
    if not await conn.fetchval(f"SELECT true FROM {kind} WHERE id = $1", held):
        raise NotFound(f"There is no such {kind}.")
    await conn.execute(
        f"""INSERT INTO {table} ({column}, reason, operator_id, expires_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT ({column}) DO UPDATE SET reason = excluded.reason, operator_id = excluded.operator_id,
              expires_at = excluded.expires_at, created_at = market_now()""",
        held, reason, operator, until,
    )  # fmt: skip
    data = {"reason": reason} | ({"expires_at": until.isoformat()} if until else {})
    # For operators alone: why somebody is looked at is not for them to read while it lasts.
    await events.append(conn, _EVENTS[kind][0], (kind, held), f"operator:{operator}", data=data)


async def release(conn: asyncpg.Connection, kind: Held, held: UUID, operator: UUID) -> None:
    """End a hold. Raises NotFound when there is none."""
    table, column = _TABLES[kind]
    ended = await conn.fetchrow(f"DELETE FROM {table} WHERE {column} = $1 RETURNING reason", held)
    if ended is None:
        raise NotFound(f"This {kind} is not held.")
    await events.append(
        conn, _EVENTS[kind][1], (kind, held), f"operator:{operator}", data={"reason": ended["reason"]}
    )  # fmt: skip


_ALL = """
    SELECT * FROM (
      SELECT 'person' AS kind, h.person_id AS held, p.display_name AS name, h.reason, h.operator_id, h.created_at,
             h.expires_at FROM payout_hold h JOIN person p ON p.id = h.person_id
      UNION ALL
      SELECT 'account', h.account_id, a.name, h.reason, h.operator_id, h.created_at, h.expires_at
      FROM account_hold h JOIN account a ON a.id = h.account_id) AS hold
    LEFT JOIN (SELECT id AS operator_id, name AS operator_name FROM operator) AS o USING (operator_id)
"""


async def find(conn: asyncpg.Connection, kind: Held, held: UUID) -> Hold | None:
    """The hold on one person or account, also one that has expired."""
    row = await conn.fetchrow(
        f"SELECT *, expires_at <= market_now() AS over FROM ({_ALL}) AS h WHERE kind = $1 AND held = $2", kind, held
    )
    return None if row is None else _hold(row)


async def listed(conn: asyncpg.Connection, *, after: UUID | None, limit: int, kind: Held | None = None) -> list[Hold]:
    """Holds in order of whom they hold, also those that have expired and are still there."""
    rows = await conn.fetch(
        f"""SELECT *, expires_at <= market_now() AS over FROM ({_ALL}) AS h
            WHERE ($1::uuid IS NULL OR held > $1) AND ($3::text IS NULL OR kind = $3) ORDER BY held LIMIT $2""",
        after, limit, kind,
    )  # fmt: skip
    return [_hold(row) for row in rows]


def _hold(row: asyncpg.Record) -> Hold:
    by = row["operator_id"]
    owner = None if by is None else Owner(ids.show("operator", by), row["operator_name"])
    return Hold(
        row["kind"], ids.show(row["kind"], row["held"]), row["name"], row["reason"], owner, row["created_at"],
        row["expires_at"], bool(row["over"]),
    )  # fmt: skip


async def _require_ahead(conn: asyncpg.Connection, until: datetime | None) -> None:
    if until is None:
        return
    if until.tzinfo is None:
        raise Invalid("Times need an offset, such as Z.", pointer="/expires_at")
    if not await conn.fetchval("SELECT $1::timestamptz > market_now()", until):
        raise Invalid("This time is over already; a hold ends in the future.", pointer="/expires_at")

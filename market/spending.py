"""What an account as a whole may set aside: its cap for a day, counted over all its keys, and holds by operators.

Counted in the transaction that moves the money. Locks: task, the account's day, the keys' days, then the ledger.
"""

from uuid import UUID

import asyncpg
import msgspec

from market.errors import AccountHeld, OverCap


class Limits(msgspec.Struct, frozen=True):
    """Of an account: what it may set aside in a UTC day over all its keys, in minor units (null: no cap), and has
    today. on_hold: an operator has stopped it."""

    max_per_day: int | None
    used_today: int
    on_hold: bool


# An operator holds the account, or an award is due from it (market/awards.py), which nobody can lift.
_HELD = """(EXISTS (SELECT FROM account_hold h WHERE h.account_id = {account}
    AND (h.expires_at IS NULL OR h.expires_at > market_now()))
  OR EXISTS (SELECT FROM appeal d WHERE d.account_id = {account} AND (d.fronted > 0 OR d.owed > 0)
    AND d.collected_at IS NULL))"""


async def count(conn: asyncpg.Connection, account: UUID, amount: int) -> None:
    """Count `amount` against the account's day. Raises AccountHeld and OverCap, and then only a rollback takes back
    what else was counted."""
    counted = await conn.fetchval(
        f"""INSERT INTO account_spend AS s (account_id, day, spent)
              SELECT a.id, (market_now() AT TIME ZONE 'utc')::date, $2::bigint FROM account a
              WHERE a.id = $1 AND (a.max_per_day IS NULL OR $2::bigint <= a.max_per_day)
                AND NOT {_HELD.format(account="a.id")}
            ON CONFLICT (account_id, day) DO UPDATE SET spent = s.spent + excluded.spent
              WHERE (SELECT max_per_day IS NULL OR s.spent + excluded.spent <= max_per_day
                     FROM account WHERE id = s.account_id)
            RETURNING true""",
        account, amount,
    )  # fmt: skip
    if counted is None:
        limits = await limits_of(conn, account)
        if limits.on_hold:
            raise AccountHeld
        raise OverCap(
            f"This account may hold at most {limits.max_per_day} a day over all its keys; {amount} more would exceed "
            "that."
        )


async def require_free(conn: asyncpg.Connection, account: UUID) -> None:
    """Raises AccountHeld while an operator holds the account."""
    if await conn.fetchval(f"SELECT {_HELD.format(account='$1')}", account):
        raise AccountHeld


async def limits_of(conn: asyncpg.Connection, account: UUID) -> Limits:
    """The account's cap, what counts against it today, and whether it is held."""
    row = await conn.fetchrow(
        f"""SELECT a.max_per_day, {_HELD.format(account="a.id")} AS held,
              coalesce((SELECT spent FROM account_spend s WHERE s.account_id = a.id
                          AND s.day = (market_now() AT TIME ZONE 'utc')::date), 0) AS used
            FROM account a WHERE a.id = $1""",
        account,
    )  # fmt: skip
    return Limits(row["max_per_day"], row["used"], row["held"])

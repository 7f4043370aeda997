"""Kill switches: while one is on, operations of its kinds are not sent, and no payout run begins.

Anybody who operates the market may stop at once and alone, and start again, with a reason each time. What is on its way
to Stripe at that moment arrives; everything else waits as it is and goes on afterwards.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids
from market.errors import Invalid

Name = Literal["payouts", "refunds", "top_ups"]
_SWITCH_OF = {"transfer": "payouts", "refund": "refunds", "charge": "top_ups", "checkout": "top_ups"}


class Switch(msgspec.Struct, frozen=True):
    """Whether one kind of payment is stopped. reason, changed_by, changed_at: of the last change, if any."""

    name: Name
    stopped: bool
    reason: str
    changed_by: str | None
    changed_at: datetime | None


async def listed(conn: asyncpg.Connection) -> list[Switch]:
    """All switches, in order of their names."""
    return [_switch(row) for row in await conn.fetch("SELECT * FROM money_switch ORDER BY name")]


async def turn(conn: asyncpg.Connection, operator: UUID, name: Name, *, stopped: bool, reason: str) -> Switch:
    """Stop, or start again. Turning it to where it stands, for the same reason, changes nothing. Raises Invalid."""
    reason = reason.strip()
    if not reason:
        raise Invalid("Why? Whoever comes next will ask.", pointer="/reason")
    before = await conn.fetchrow("SELECT * FROM money_switch WHERE name = $1 FOR UPDATE", name)
    if (before["stopped"], before["reason"]) == (stopped, reason):
        return _switch(before)
    row = await conn.fetchrow(
        """UPDATE money_switch SET stopped = $2, reason = $3, operator_id = $4, changed_at = market_now()
           WHERE name = $1 RETURNING *""",
        name, stopped, reason, operator,
    )  # fmt: skip
    await events.append(
        conn, "money.stopped" if stopped else "money.started", ("operator", operator), f"operator:{operator}",
        data={"switch": name, "reason": reason},
    )  # fmt: skip
    return _switch(row)


async def is_stopped(conn: asyncpg.Connection, op_kind: str) -> bool:
    """Whether operations of this kind are stopped: transfer, refund, charge, checkout …"""
    return bool(await conn.fetchval("SELECT money_stopped($1)", op_kind))


def switch_of(op_kind: str) -> str | None:
    """The switch that stops operations of this kind; None for those that none does."""
    return _SWITCH_OF.get(op_kind)


def _switch(row: asyncpg.Record) -> Switch:
    by = None if row["operator_id"] is None else ids.show("operator", row["operator_id"])
    return Switch(row["name"], row["stopped"], row["reason"], by, row["changed_at"])

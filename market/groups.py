"""Groups: tasks that were posted together and are looked at, and ended, together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys, posting, tasks
from market.errors import GroupOver, NotFound
from market.money import Money
from market.terms import TaskDraft

Kind = Literal["series", "route", "area"]
SamePerson = Literal["any", "preferred", "forbidden"]


class Tour(NamedTuple):
    """What only a route has: metres from its first to its last place, minutes of way and work, seconds to do it in."""

    length_m: float
    minutes: int
    claim_ttl_s: int


class Counts(msgspec.Struct, frozen=True):
    """How many of a group's tasks stand how."""

    open: int
    completed: int
    expired: int
    cancelled: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group as its owner sees it. held: what its tasks still have set aside, together; spent: what was paid for
    answers to them, bonuses and fees included.

    status: open while a task of it is · cancelled: all that were open at `cancelled_at` were ended · ended.
    """

    id: str
    kind: Kind
    status: Literal["open", "ended", "cancelled"]
    title: str
    total: int
    counts: Counts
    held: Money
    spent: Money
    same_person: SamePerson
    head_start_s: int | None
    length_m: int | None
    minutes: int | None
    created_at: datetime
    cancelled_at: datetime | None


class WholeGroup(Group, frozen=True, kw_only=True):
    """A group, with the ids of its tasks in their order: in time, along the route, by the cells' names."""

    tasks: list[str]


async def open_group(
    conn: asyncpg.Connection,
    actor: keys.Actor,
    kind: Kind,
    title: str,
    spec: Any,
    *,
    same_person: SamePerson = "any",
    head_start_s: int | None = None,
    tour: Tour | None = None,
) -> UUID:
    """A group without tasks, for `post_members`. spec: what was asked for, as it is kept (JSON).

    head_start_s: seconds, only where the same person is preferred; tour: only of a route.
    """
    group = ids.new()
    await conn.execute(
        """INSERT INTO task_group (id, account_id, kind, title, spec, currency, same_person, head_start_s, length_m,
             minutes, claim_ttl_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        group, actor.owner, kind, title.strip(), spec, actor.currency, same_person, head_start_s,
        *(tour or (None, None, None)),
    )  # fmt: skip
    return group


async def post_members(
    conn: asyncpg.Connection,
    actor: keys.Actor,
    group: UUID,
    drafts: Sequence[TaskDraft],
    *,
    rates: posting.Rates,
    cells: Sequence[str] | None = None,
    at: Sequence[str] | None = None,
) -> list[tasks.Task]:
    """Post the tasks of a group in their order, and hold what each may cost. cells: of an area, one for each task.

    at: the JSON pointer of each draft in what was sent; without it all of them are `/task`. Raises what
    posting.post_all does; what was posted before is then to be rolled back.
    """
    given = [
        posting.Draft(draft, at[n] if at else "/task", posting.Member(group, n + 1, cells[n] if cells else None))
        for n, draft in enumerate(drafts)
    ]
    posted = await posting.post_all(conn, actor, given, rates=rates)
    kind = await conn.fetchval("SELECT kind FROM task_group WHERE id = $1", group)
    await events.append(
        conn, "group.posted", ("group", group), actor.name, account=actor.owner,
        data={"kind": kind, "tasks": len(posted)},
    )  # fmt: skip
    return posted


def shown(group: UUID) -> str:
    """The id of a group as callers see it."""
    return ids.show("group", group)


_SELECT = """SELECT g.*, t.*, p.spent FROM task_group g CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE status = 'open') AS open,
      count(*) FILTER (WHERE status = 'completed') AS completed,
      count(*) FILTER (WHERE status = 'expired') AS expired,
      count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
      coalesce(sum(bonds + (top + top_fee) *
        (appealed + CASE WHEN status = 'open' THEN quantity - done ELSE claimed END)), 0)::bigint AS held,
      coalesce(array_agg(task.id ORDER BY place_in_group), '{}') AS members
    FROM task WHERE task.group_id = g.id) AS t
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount + e.fee), 0)::bigint AS spent FROM task m JOIN submission s ON s.task_id = m.id
      JOIN earning e ON e.submission_id = s.id AND e.kind = 'reward' WHERE m.group_id = g.id) AS p"""


async def get(conn: asyncpg.Connection, account: UUID, group: str) -> WholeGroup:
    """One group of the account. Raises NotFound."""
    row = await conn.fetchrow(f"{_SELECT} WHERE g.id = $1 AND g.account_id = $2", ids.read("group", group), account)
    if row is None:
        raise NotFound("There is no such group.")
    return WholeGroup(**_shown(row), tasks=[ids.show("task", id) for id in row["members"]])


async def listed(
    conn: asyncpg.Connection, account: UUID, *, kind: Kind | None = None, before: str | None = None, limit: int
) -> list[Group]:
    """The account's groups, newest first; `before`: those older than the group with this id."""
    rows = await conn.fetch(
        f"""{_SELECT} WHERE g.account_id = $1 AND ($2::text IS NULL OR g.kind = $2) AND ($3::uuid IS NULL OR g.id < $3)
            ORDER BY g.id DESC LIMIT $4""",
        account, kind, before and ids.read("group", before), limit,
    )  # fmt: skip
    return [Group(**_shown(row)) for row in rows]


async def cancel(conn: asyncpg.Connection, actor: keys.Actor, group: str) -> WholeGroup:
    """End all tasks of a group that are open, at once; claims in progress may finish and are paid.

    Raises NotFound; GroupOver when none of its tasks is open.
    """
    id = ids.read("group", group)
    if not await conn.fetchval("SELECT true FROM task_group WHERE id = $1 AND account_id = $2", id, actor.owner):
        raise NotFound("There is no such group.")
    ended = await tasks.cancel_group(conn, actor.name, id)
    if not ended:
        raise GroupOver
    # Its tasks are locked, and those of a cancelled group are never open again: so nobody else can have set it.
    await conn.execute("UPDATE task_group SET cancelled_at = market_now() WHERE id = $1 AND cancelled_at IS NULL", id)
    await events.append(
        conn, "group.cancelled", ("group", id), actor.name, account=actor.owner, data={"tasks": ended}
    )  # fmt: skip
    return await get(conn, actor.owner, group)


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    status = "open" if row["open"] else "cancelled" if row["cancelled_at"] is not None else "ended"
    return {
        "id": shown(row["id"]),
        "kind": row["kind"],
        "status": status,
        "title": row["title"],
        "total": row["total"],
        "counts": Counts(row["open"], row["completed"], row["expired"], row["cancelled"]),
        "held": Money(row["held"], row["currency"]),
        "spent": Money(row["spent"], row["currency"]),
        "same_person": row["same_person"],
        "head_start_s": row["head_start_s"],
        "length_m": None if row["length_m"] is None else round(row["length_m"]),
        "minutes": row["minutes"],
        "created_at": row["created_at"],
        "cancelled_at": row["cancelled_at"],
    }

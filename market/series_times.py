"""When a task of a series is asked again, and for how long it is kept for somebody, as people read it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from market import groups


class Round(NamedTuple):
    """One time that a series asks: when its task opens, and when it closes."""

    opens_at: datetime
    closes_at: datetime


class Times(NamedTuple):
    """same_person: the rule of the series · opens_at: when the task opens · free_from: from when on anybody may take
    it, where some have a head start · later: the next times it is asked, the first one first · left: how many there
    are yet, those included."""

    same_person: groups.SamePerson
    opens_at: datetime
    free_from: datetime | None
    later: list[Round]
    left: int


async def of_task(conn: asyncpg.Connection, task: UUID, *, most: int = 3) -> Times | None:
    """The series that a task is of, from this task on; None where it is of none."""
    row = await conn.fetchrow(
        """SELECT g.id, g.same_person, t.opens_at, t.opens_at + make_interval(secs => g.head_start_s) AS free_from
           FROM task t JOIN task_group g ON g.id = t.group_id WHERE t.id = $1 AND g.kind = 'series'""",
        task,
    )
    if row is None:
        return None
    rows = await conn.fetch(
        """SELECT opens_at, closes_at, count(*) OVER () AS of_all FROM task
           WHERE group_id = $1 AND status = 'open' AND opens_at > $2 AND closes_at > market_now()
           ORDER BY opens_at LIMIT $3""",
        row["id"], row["opens_at"], most,
    )  # fmt: skip
    later = [Round(each["opens_at"], each["closes_at"]) for each in rows]
    return Times(row["same_person"], row["opens_at"], row["free_from"], later, rows[0]["of_all"] if rows else 0)

"""Payout runs as operators see them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import NotFound
from market.money import Money

SHOWN = 500  # lines and exclusions in the view of a run; totals cover all


class Line(msgspec.Struct, frozen=True):
    """What one person gets. `code` and `message` say why it was returned or skipped."""

    id: str
    person_id: str
    amount: Money
    status: str
    attempt: int
    transfer_id: str | None
    code: str | None
    message: str | None


class Exclusion(msgspec.Struct, frozen=True):
    """Somebody with earnings who is not in the run: held | no_payout_account | capability_inactive | in_another_run |
    below_minimum."""

    person_id: str
    amount: Money
    reason: str


class Total(msgspec.Struct, frozen=True):
    """How many, and how much."""

    count: int
    amount: Money


class Run(msgspec.Struct, frozen=True):
    """A payout run. `totals` by status of the line, `excluded` by reason; the first lines and exclusions are listed."""

    id: str
    status: str
    currency: str
    minimum: Money
    lines_sha256: str
    made_by: str
    submitted_by: str | None
    approved_by: str | None
    executed_by: str | None
    created_at: datetime
    finished_at: datetime | None
    total: Total
    totals: dict[str, Total]
    excluded: dict[str, Total]
    lines: list[Line]
    exclusions: list[Exclusion]


async def get(conn: asyncpg.Connection, run: UUID) -> Run:
    """A run with its totals, and its first lines and exclusions. Raises NotFound."""
    row = await conn.fetchrow("SELECT * FROM payout_run WHERE id = $1", run)
    if row is None:
        raise NotFound("There is no such payout run.")
    sums = await conn.fetch(
        """SELECT true AS line, status::text AS name, count(*), sum(amount)::bigint AS amount FROM payout
           WHERE run_id = $1 GROUP BY status
           UNION ALL SELECT false, reason, count(*), sum(amount)::bigint FROM payout_exclusion
           WHERE run_id = $1 GROUP BY reason""",
        run,
    )
    exclusions = await conn.fetch(
        "SELECT * FROM payout_exclusion WHERE run_id = $1 ORDER BY person_id LIMIT $2", run, SHOWN
    )
    return _shown(row, sums, await lines(conn, run, after=None, limit=SHOWN), exclusions)


async def lines(conn: asyncpg.Connection, run: UUID, *, after: UUID | None, limit: int) -> list[Line]:
    """A run's lines in order of their ids."""
    rows = await conn.fetch(
        "SELECT * FROM payout WHERE run_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        run, after, limit,
    )  # fmt: skip
    return [
        Line(
            ids.show("payout", row["id"]), ids.show("person", row["person_id"]), Money(row["amount"], row["currency"]),
            row["status"], row["attempt"], row["transfer_id"], row["code"], row["message"],
        )
        for row in rows
    ]  # fmt: skip


async def listed(conn: asyncpg.Connection, *, before: UUID | None, limit: int) -> list[Run]:
    """Runs, newest first, with totals and without their lines."""
    rows = await conn.fetch(
        "SELECT * FROM payout_run WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2", before, limit
    )
    sums = await conn.fetch(
        """SELECT run_id, true AS line, status::text AS name, count(*), sum(amount)::bigint AS amount FROM payout
           WHERE run_id = ANY ($1::uuid[]) GROUP BY run_id, status
           UNION ALL SELECT run_id, false, reason, count(*), sum(amount)::bigint FROM payout_exclusion
           WHERE run_id = ANY ($1::uuid[]) GROUP BY run_id, reason""",
        [row["id"] for row in rows],
    )
    return [_shown(row, [one for one in sums if one["run_id"] == row["id"]], [], []) for row in rows]


def _shown(
    row: asyncpg.Record, sums: Sequence[asyncpg.Record], shown: list[Line], exclusions: Sequence[asyncpg.Record]
) -> Run:
    def money(amount: int) -> Money:
        return Money(amount, row["currency"])

    def operator(name: str) -> str | None:
        return None if row[name] is None else ids.show("operator", row[name])

    totals = {one["name"]: Total(one["count"], money(one["amount"])) for one in sums if one["line"]}
    return Run(
        id=ids.show("payout_run", row["id"]),
        status=row["status"],
        currency=row["currency"],
        minimum=money(row["minimum"]),
        lines_sha256=row["lines_hash"].hex(),
        made_by=ids.show("operator", row["made_by"]),
        submitted_by=operator("submitted_by"),
        approved_by=operator("approved_by"),
        executed_by=operator("executed_by"),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        total=Total(
            sum(one.count for one in totals.values()), money(sum(one.amount.amount for one in totals.values()))
        ),
        totals=totals,
        excluded={one["name"]: Total(one["count"], money(one["amount"])) for one in sums if not one["line"]},
        lines=shown,
        exclusions=[
            Exclusion(ids.show("person", one["person_id"]), money(one["amount"]), one["reason"]) for one in exclusions
        ],
    )

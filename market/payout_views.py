"""Payout runs as operators see them."""

from __future__ import annotations

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
    """What one person gets. `code` and `message` say why it was returned or skipped.

    gross: earnings released and unpaid when the run was made, with the market's fee on them · adjustments: what else
    makes `amount` differ from those earnings: debts netted, reversals, rounding, and what is rolled over · rolled_over:
    payable, and left for the next run · items: how many earnings · reversed: paid, and come back.
    """

    id: str
    person_id: str
    amount: Money
    status: str
    attempt: int
    transfer_id: str | None
    code: str | None
    message: str | None
    gross: Money
    fee: Money
    adjustments: Money
    rolled_over: Money
    items: int
    reversed: Money


class Exclusion(msgspec.Struct, frozen=True):
    """Somebody with earnings who is not in the run: held | no_payout_account | capability_inactive | in_another_run |
    owes | below_minimum | over_run_cap | excluded. The last is an operator's decision, with a note."""

    person_id: str
    amount: Money
    reason: str
    note: str = ""


class Total(msgspec.Struct, frozen=True):
    """How many, and how much."""

    count: int
    amount: Money


class Sums(msgspec.Struct, frozen=True):
    """Over all lines: net = gross - fee + adjustments. The parts are explained at the line."""

    gross: Money
    fee: Money
    net: Money
    adjustments: Money
    rolled_over: Money
    items: int

    @classmethod
    def of(
        cls, currency: str, *, net: int = 0, earned: int = 0, fee: int = 0, rolled_over: int = 0, items: int = 0
    ) -> Sums:
        """From sums over lines, in minor units."""

        def money(amount: int) -> Money:
            return Money(amount, currency)

        return cls(money(earned + fee), money(fee), money(net), money(net - earned), money(rolled_over), items)


class Approval(msgspec.Struct, frozen=True):
    """Who has approved the run as it is, and until when that holds. expired: it must be given anew before executing."""

    by: str
    at: datetime
    expires_at: datetime
    expired: bool


class Run(msgspec.Struct, frozen=True):
    """A payout run: draft | frozen | submitted | approved | executing | partial | done. `totals` by status of the line,
    `excluded` by reason; the first lines and exclusions are listed. A draft has no `lines_sha256`.
    """

    id: str
    status: str
    currency: str
    minimum: Money
    most_per_line: Money | None
    most_in_all: Money | None
    note: str
    lines_sha256: str | None
    made_by: str
    submitted_by: str | None
    approved_by: str | None
    executed_by: str | None
    created_at: datetime
    submitted_at: datetime | None
    executed_at: datetime | None
    finished_at: datetime | None
    approval: Approval | None
    total: Total
    sums: Sums
    totals: dict[str, Total]
    excluded: dict[str, Total]
    lines: list[Line]
    exclusions: list[Exclusion]


_RUN = """SELECT r.*, a.created_at AS approved_at, a.expires_at, a.expires_at <= market_now() AS expired
          FROM payout_run r LEFT JOIN payout_approval a ON a.run_id = r.id"""
_SUMS = """SELECT run_id, true AS line, status::text AS name, count(*), sum(amount)::bigint AS amount,
             sum(earned)::bigint AS earned, sum(fee)::bigint AS fee, sum(rolled_over)::bigint AS rolled_over,
             sum(items)::bigint AS items
           FROM payout WHERE run_id = ANY ($1::uuid[]) GROUP BY run_id, status
           UNION ALL SELECT run_id, false, reason, count(*), sum(amount)::bigint, 0, 0, 0, 0
           FROM payout_exclusion WHERE run_id = ANY ($1::uuid[]) GROUP BY run_id, reason"""


async def get(conn: asyncpg.Connection, run: UUID) -> Run:
    """A run with its totals, and its first lines and exclusions. Raises NotFound."""
    row = await conn.fetchrow(f"{_RUN} WHERE r.id = $1", run)
    if row is None:
        raise NotFound("There is no such payout run.")
    sums = await conn.fetch(_SUMS, [run])
    first = await lines(conn, run, after=None, limit=SHOWN)
    return _shown(row, sums, first, await exclusions(conn, run, after=None, limit=SHOWN))


async def lines(conn: asyncpg.Connection, run: UUID, *, after: UUID | None, limit: int) -> list[Line]:
    """A run's lines in order of their ids."""
    rows = await conn.fetch(
        "SELECT * FROM payout WHERE run_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        run, after, limit,
    )  # fmt: skip
    return [line(row) for row in rows]


async def exclusions(conn: asyncpg.Connection, run: UUID, *, after: UUID | None, limit: int) -> list[Exclusion]:
    """Who is not in the run, in order of their ids."""
    rows = await conn.fetch(
        """SELECT e.*, r.currency FROM payout_exclusion e JOIN payout_run r ON r.id = e.run_id
           WHERE e.run_id = $1 AND ($2::uuid IS NULL OR e.person_id > $2) ORDER BY e.person_id LIMIT $3""",
        run, after, limit,
    )  # fmt: skip
    return [
        Exclusion(
            ids.show("person", row["person_id"]), Money(row["amount"], row["currency"]), row["reason"], row["note"]
        )
        for row in rows
    ]  # fmt: skip


async def listed(conn: asyncpg.Connection, *, before: UUID | None, limit: int) -> list[Run]:
    """Runs, newest first, with totals and without their lines."""
    rows = await conn.fetch(f"{_RUN} WHERE $1::uuid IS NULL OR r.id < $1 ORDER BY r.id DESC LIMIT $2", before, limit)
    sums = await conn.fetch(_SUMS, [row["id"] for row in rows])
    return [_shown(row, [one for one in sums if one["run_id"] == row["id"]], [], []) for row in rows]


def line(row: asyncpg.Record) -> Line:
    """A row of payout as operators see it."""

    def money(amount: int) -> Money:
        return Money(amount, row["currency"])

    return Line(
        ids.show("payout", row["id"]), ids.show("person", row["person_id"]), money(row["amount"]), row["status"],
        row["attempt"], row["transfer_id"], row["code"], row["message"], money(row["earned"] + row["fee"]),
        money(row["fee"]), money(row["amount"] - row["earned"]), money(row["rolled_over"]), row["items"],
        money(row["reversed"]),
    )  # fmt: skip


def _shown(row: asyncpg.Record, sums: Sequence[asyncpg.Record], first: list[Line], others: list[Exclusion]) -> Run:
    def money(amount: int) -> Money:
        return Money(amount, row["currency"])

    def cap(name: str) -> Money | None:
        return None if row[name] is None else money(row[name])

    def operator(name: str) -> str | None:
        return None if row[name] is None else ids.show("operator", row[name])

    taken = [one for one in sums if one["line"]]
    approver = operator("approved_by")

    def over_all(name: str) -> int:
        return sum(one[name] for one in taken)

    return Run(
        id=ids.show("payout_run", row["id"]),
        status=row["status"],
        currency=row["currency"],
        minimum=money(row["minimum"]),
        most_per_line=cap("most_per_line"),
        most_in_all=cap("most_in_all"),
        note=row["note"],
        lines_sha256=None if row["lines_hash"] is None else row["lines_hash"].hex(),
        made_by=ids.show("operator", row["made_by"]),
        submitted_by=operator("submitted_by"),
        approved_by=approver,
        executed_by=operator("executed_by"),
        created_at=row["created_at"],
        submitted_at=row["submitted_at"],
        executed_at=row["executed_at"],
        finished_at=row["finished_at"],
        approval=Approval(approver, row["approved_at"], row["expires_at"], row["expired"]) if approver else None,
        total=Total(over_all("count"), money(over_all("amount"))),
        sums=Sums.of(
            row["currency"], net=over_all("amount"), earned=over_all("earned"), fee=over_all("fee"),
            rolled_over=over_all("rolled_over"), items=over_all("items"),
        ),
        totals={one["name"]: Total(one["count"], money(one["amount"])) for one in taken},
        excluded={one["name"]: Total(one["count"], money(one["amount"])) for one in sums if not one["line"]},
        lines=first,
        exclusions=others,
    )  # fmt: skip

"""Tasks as people see them: what is asked near by, what it pays, how it is checked."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import claims, effort, ids, near, tasks
from market.errors import Invalid, NotFound
from market.money import Money
from market.terms import Acceptance, Evidence, Place, Standing

FARTHEST_M = 100_000.0


class Offer(msgspec.Struct, frozen=True):
    """A task before it is claimed: everything that will decide payment.

    reward: the price now, which whoever claims now has; next_rise_at: when it rises, up to `most`, where it does.
    """

    id: str
    kind: str
    title: str
    instructions: str
    purpose: str
    place: Place | None
    distance_m: float | None
    minutes: int
    closes_at: datetime
    evidence: Evidence
    acceptance: Acceptance
    reward: Money
    next_rise_at: datetime | None
    most: Money
    fee: Money
    slots_open: int
    claim_ttl_s: int
    standing: Standing | None


async def near_by(
    conn: asyncpg.Connection,
    person: UUID | None,
    *,
    lat: float,
    lon: float,
    radius_m: float = 5_000,
    kind: str | None = None,
    min_reward: int | None = None,
    offset: int = 0,
    limit: int,
) -> list[Offer]:
    """Open tasks in reach that this person may claim, nearest first, then those that may be done anywhere.

    One that has rejected them is offered again while they have tries left.
    """
    if radius_m > FARTHEST_M:
        raise Invalid(f"At most {FARTHEST_M:.0f} metres.", pointer="/radius_m")
    boxes = near.box(lat, lon, radius_m)
    wanted = f"""status = 'open' AND claimed + done < quantity AND opens_at <= market_now() AND closes_at > market_now()
        AND ($1::uuid IS NULL OR ({claims.unanswered_by("$1")}))
        AND {claims.ROUND_OPEN}
        AND ($2::text IS NULL OR kind = $2) AND ($3::bigint IS NULL OR {tasks.PRICE} >= $3)"""
    rows = []
    for each in boxes:
        # Across ±180° there are two; seen from the other side, the person stands 360° further on.
        x, y = near.project(lat, lon)
        x += 360 if x < each[0] - 180 else -360 if x > each[2] + 180 else 0
        rows += await conn.fetch(
            # The index knows who is nearest in the projection; on the sphere the order may differ by its stretch.
            f"""SELECT {tasks.COLUMNS} FROM task WHERE loc <@ $4::text::box AND {wanted}
                AND loc <@ circle($5, least(1e-9 + $7::float8 * (SELECT max(far) FROM (
                  SELECT loc <-> $5 AS far FROM task WHERE loc <@ $4::text::box AND {wanted}
                  ORDER BY loc <-> $5 LIMIT $6) AS nearest), 1000))""",
            person, kind, min_reward, "({2},{3}),({0},{1})".format(*each), asyncpg.Point(x, y), offset + limit,
            near.stretch(lat, radius_m),
        )  # fmt: skip
    found = sorted((near.distance_m(lat, lon, row["lat"], row["lon"]), row["id"], row) for row in rows)
    offers = [_offer(row, metres) for metres, _, row in found if metres <= radius_m]
    if len(offers) < offset + limit:
        rows = await conn.fetch(
            f"SELECT {tasks.COLUMNS} FROM task WHERE loc IS NULL AND {wanted} ORDER BY id DESC LIMIT $4",
            person, kind, min_reward, offset + limit - len(offers),
        )  # fmt: skip
        offers += [_offer(row, None) for row in rows]
    return offers[offset : offset + limit]


async def get(conn: asyncpg.Connection, task: str, *, lat: float | None = None, lon: float | None = None) -> Offer:
    """One task as people see it; also after it has ended, for whoever has claimed it."""
    row = await conn.fetchrow(f"SELECT {tasks.COLUMNS} FROM task WHERE id = $1", ids.read("task", task))
    if row is None:
        raise NotFound("There is no such task.")
    metres = None
    if lat is not None and lon is not None and row["lat"] is not None:
        metres = near.distance_m(lat, lon, row["lat"], row["lon"])
    return _offer(row, metres)


def _offer(row: asyncpg.Record, metres: float | None) -> Offer:
    evidence = msgspec.convert(row["evidence"], Evidence)
    minutes = effort.from_here(evidence, metres, row["expected_minutes"])
    return Offer(
        ids.show("task", row["id"]), row["kind"], row["title"], row["instructions"], row["purpose"],
        tasks.place_of(row), None if metres is None else round(metres), minutes, row["closes_at"],
        evidence, msgspec.convert(row["acceptance"], Acceptance), Money(row["price_now"], row["currency"]),
        row["next_rise_at"], Money(row["top"], row["currency"]), Money(row["fee_now"], row["currency"]),
        row["quantity"] - row["claimed"] - row["done"] if row["status"] == "open" else 0, row["claim_ttl_s"],
        tasks.standing_of(row),
    )  # fmt: skip

"""Tasks as people see them: what is asked near by, what it pays, how it is checked."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import claims, effort, ids, membership, near, tasks
from market.errors import Invalid, NotFound
from market.money import Money
from market.terms import Acceptance, Evidence, License, Place, Standing

FARTHEST_M = 100_000.0
# Rows read beyond those asked for: near the edge of what is shown, the projection's order is not quite the sphere's.
SLACK = 8
ROWS_STEP = 30
ROUNDING = 1e-9  # degrees


class Offer(msgspec.Struct, frozen=True):
    """A task before it is claimed: everything that will decide payment.

    reward: the price now, which whoever claims now has; next_rise_at, next_price: when it rises and to what, up to
    `most`, where it does. route: that it is a part of, and is taken with while that is whole. same_person: `preferred`
    or `forbidden`, in a series that wants it. license: whether the buyer may sell the
    observation on, which pays a royalty. A standing task has `slots_open` in its round of now; next_round_at: when the
    next one begins, where it does.
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
    license: License
    next_round_at: datetime | None = None
    route: str | None = None
    next_price: Money | None = None
    same_person: str | None = None
    opens_at: datetime | None = None


# SQL: what of a task is shown, and where it is read from. Only these columns: of fifty rows the rest is half the work.
SHOWN = f"""task.id, task.status, task.kind, task.title, task.instructions, task.purpose, task.lat, task.lon,
  task.radius_m, task.opens_at, task.closes_at, task.evidence, task.acceptance, task.expected_minutes, task.currency,
  task.top, task.quantity, task.claimed, task.done, task.claim_ttl_s, task.every_s, task.per_round, task.per_person,
  task.license, {claims.ROUND_TAKEN} AS in_round, {claims.NEXT_ROUND} AS next_round_at,
  {tasks.PRICES}, least(task.top, priced.price_now + greatest(1, task.reward * task.step_percent / 100)) AS next_price,
  CASE WHEN task.group_id IS NOT NULL THEN
    (SELECT g.same_person FROM task_group g WHERE g.id = task.group_id AND g.same_person <> 'any') END AS same_person,
  CASE WHEN task.group_id IS NOT NULL THEN
    (SELECT g.id FROM task_group g WHERE g.id = task.group_id AND g.kind = 'route') END AS route_id"""
# SQL: of so many nearest to the point $4, whatever they are, those that are wanted and lie in the box $5; and how far
# that look has reached. In a city that is all one needs to look at, however much there is.
NEAREST = f"""WITH nearest AS MATERIALIZED (
    SELECT *, loc <-> $4 AS far FROM task WHERE status = 'open' AND loc IS NOT NULL ORDER BY loc <-> $4 LIMIT {{most}})
  SELECT {SHOWN}, far, (SELECT max(far) FROM nearest) AS reach FROM nearest AS task {tasks.PRICED}
  WHERE {{wanted}} AND loc <@ $5::text::box ORDER BY far"""
# SQL: so many nearest to the point $4 of those in the box $5 that are wanted. Only what orders them is sorted.
IN_BOX = f"""WITH fits AS MATERIALIZED (
    SELECT ctid AS row, loc <-> $4 AS far FROM task WHERE loc <@ $5::text::box AND {{wanted}}
    ORDER BY loc <-> $4 LIMIT {{most}})
  SELECT {SHOWN}, far FROM fits JOIN task ON task.ctid = fits.row {tasks.PRICED} ORDER BY far"""


class Wish(NamedTuple):
    """Who looks, if it is known, and for what: one kind, a price now of so many minor units at least.

    Statements take these as $1 to $3. What is not wished for is left out of them, and numbers of rows are written into
    them: so the plan for any values is as good as one for these, and PostgreSQL makes it once. To plan such a statement
    takes as long as to carry it out.
    """

    person: UUID | None = None
    kind: str | None = None
    least: int | None = None

    @property
    def sql(self) -> str:
        """A task that may be claimed now and is wished for. The time is asked once, not for each row; a highest price
        below what is wanted leaves before the price of the moment is worked out."""
        who = "$1::uuid" if self.person is not None else "NULL"
        return f"""status = 'open' AND claimed + done < quantity AND NOT devices_only
          AND opens_at <= (SELECT market_now()) AND closes_at > (SELECT market_now())
          AND {"$2::text IS NULL" if self.kind is None else "kind = $2::text"}
          AND {"$3::bigint IS NULL" if self.least is None else _PAYS}
          AND {"$1::uuid IS NULL" if self.person is None else claims.unanswered_by("$1")}
          AND {membership.free_to(who)} AND {claims.ROUND_OPEN}"""


_PAYS = f"(top >= $3::bigint AND (reward >= $3 OR {tasks.PRICE} >= $3))"


def at_least(number: int) -> int:
    """How many rows to ask for where so many are wanted: of few different numbers, so that statements recur."""
    return -(-number // ROWS_STEP) * ROWS_STEP


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
    wish = Wish(person, kind, min_reward)
    stretch, number = near.stretch(lat, radius_m), offset + limit
    found: list[tuple[float, UUID, asyncpg.Record]] = []
    for each in near.box(lat, lon, radius_m):
        # Across ±180° there are two; seen from the other side, the person stands 360° further on.
        x, y = near.project(lat, lon)
        x += 360 if x < each[0] - 180 else -360 if x > each[2] + 180 else 0
        rows = await _nearest(conn, wish, each, (x, y), stretch, number)
        found += [(near.distance_m(lat, lon, row["lat"], row["lon"]), row["id"], row) for row in rows]
    offers = [_offer(row, metres) for metres, _, row in sorted(found) if metres <= radius_m][:number]
    if len(offers) < number:
        rows = await conn.fetch(
            f"""SELECT {SHOWN} FROM task {tasks.PRICED} WHERE loc IS NULL AND {wish.sql}
                ORDER BY id DESC LIMIT {at_least(number - len(offers))}""",
            *wish,
        )
        offers += [_offer(row, None) for row in rows[: number - len(offers)]]
    return offers[offset:]


async def _nearest(
    conn: asyncpg.Connection,
    wish: Wish,
    box: tuple[float, float, float, float],
    at: tuple[float, float],
    stretch: float,
    number: int,
) -> list[asyncpg.Record]:
    """Rows among which the `number` nearest on the sphere, of those in the box, are.

    The index knows who is nearest in the projection; on the sphere the order may differ by its stretch: what is read
    must reach that much farther than the last one wanted.
    """
    point, corners, most = asyncpg.Point(*at), "({2},{3}),({0},{1})".format(*box), at_least(number + SLACK)
    if wish.kind is None and wish.least is None:
        rows: list[asyncpg.Record] = await conn.fetch(
            NEAREST.format(wanted=wish.sql, most=most), *wish, point, corners
        )  # fmt: skip
        reach = rows[0]["reach"] if rows else 0.0
        if reach > near.farthest(box, at) or _reaches(rows, number, reach, stretch):
            return rows
    while True:
        rows = await conn.fetch(IN_BOX.format(wanted=wish.sql, most=most), *wish, point, corners)
        if len(rows) < most or _reaches(rows, number, rows[-1]["far"], stretch):
            return rows
        most *= 4


def _reaches(rows: list[asyncpg.Record], number: int, reach: float, stretch: float) -> bool:
    """Whether what was read as far as `reach` (in the projection) holds the `number` nearest on the sphere."""
    return len(rows) >= number and bool(stretch * rows[number - 1]["far"] + ROUNDING < reach)


async def get(conn: asyncpg.Connection, task: str, *, lat: float | None = None, lon: float | None = None) -> Offer:
    """One task as people see it; also after it has ended, for whoever has claimed it."""
    row = await conn.fetchrow(f"SELECT {SHOWN} FROM task {tasks.PRICED} WHERE id = $1", ids.read("task", task))
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
        _slots(row), row["claim_ttl_s"], tasks.standing_of(row), msgspec.convert(row["license"], License),
        row["next_round_at"], row["route_id"] and ids.show("group", row["route_id"]),
        row["next_rise_at"] and Money(row["next_price"], row["currency"]), row["same_person"],
        row["opens_at"],
    )  # fmt: skip


def _slots(row: asyncpg.Record) -> int:
    """How many may be claimed now; of a standing task, in this round."""
    if row["status"] != "open":
        return 0
    free: int = row["quantity"] - row["claimed"] - row["done"]
    return free if row["per_round"] is None else max(0, min(free, row["per_round"] - row["in_round"]))

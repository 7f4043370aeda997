"""Routes: near-by tasks that one person does on one way, claimed together or not at all."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import claims, effort, groups, ids, keys, ledger, membership, near, offers, posting, tasks
from market.errors import ClaimOver, Invalid, NotFound, RouteTaken, TaskNotOpen
from market.money import Money
from market.terms import Place, Strict, TaskDraft

FARTHEST_APART_M = 25_000.0
MOST_PARTS = 20  # what one person may hold at once, too
GAIN_M = 1e-6  # less is rounding, and could go on for ever


class RouteDraft(Strict, frozen=True, kw_only=True):
    """Tasks for one way, in any order: each at a place, within 25 km of each other, for one person each.

    claim_ttl_s: how many seconds whoever takes the route has for all of it.
    """

    title: Annotated[str, msgspec.Meta(min_length=3, max_length=200, examples=["The shops of Main St"])]
    tasks: Annotated[list[TaskDraft], msgspec.Meta(min_length=2, max_length=MOST_PARTS)]
    claim_ttl_s: Annotated[int, msgspec.Meta(ge=60, le=7 * 86_400, examples=[14_400])]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route that may be taken now. reward: for all of it, at the prices now; fee: the market's, beside it.

    tasks: how many. length_m: from the first to the last place, as the crow flies; minutes: of that way and the work.
    distance_m: to the nearest of its places.
    """

    id: str
    title: str
    tasks: int
    length_m: int
    minutes: int
    reward: Money
    fee: Money
    claim_ttl_s: int
    distance_m: int


class WholeRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route with its tasks in the order of the way."""

    id: str
    title: str
    length_m: int
    minutes: int
    claim_ttl_s: int
    tasks: list[offers.Offer]


# ---- the order of the way


def order(points: Sequence[tuple[float, float]]) -> list[int]:
    """A short open way through points (lat, lon in degrees): their indices. The same points give the same way.

    From each of them to the nearest not visited yet, then stretches turned round while that shortens it; the shortest
    of these ways, of equal ones the one that begins first.
    """
    far = [[near.distance_m(*a, *b) for b in points] for a in points]
    ways = [_improved(nearest_first(far, start), far) for start in range(len(points))]
    return min(ways, key=lambda way: (round(_length(way, far), 3), way[0]))


def nearest_first(far: list[list[float]], start: int) -> list[int]:
    """The way that goes on to the nearest place left, of equally near ones the first. far: metres between each two."""
    way, left = [start], [n for n in range(len(far)) if n != start]
    while left:
        left.sort(key=lambda n: (far[way[-1]][n], n))
        way.append(left.pop(0))
    return way


def _improved(way: list[int], far: list[list[float]]) -> list[int]:
    """2-opt: turn round any stretch of the way, at its ends too, while that makes it shorter."""
    better = True
    while better:
        better = False
        for i in range(len(way) - 1):
            for j in range(i + 1, len(way)):
                if _gain(way, far, i, j) > GAIN_M:
                    way = way[:i] + way[i : j + 1][::-1] + way[j + 1 :]
                    better = True
    return way


def _gain(way: list[int], far: list[list[float]], i: int, j: int) -> float:
    """Metres saved by turning round the places i to j."""
    gain = 0.0
    if i > 0:
        gain += far[way[i - 1]][way[i]] - far[way[i - 1]][way[j]]
    if j < len(way) - 1:
        gain += far[way[j]][way[j + 1]] - far[way[i]][way[j + 1]]
    return gain


def _length(way: list[int], far: list[list[float]]) -> float:
    return sum(far[a][b] for a, b in pairwise(way))


def length_m(points: Sequence[tuple[float, float]]) -> float:
    """Metres along points (lat, lon in degrees) in their order."""
    return sum(near.distance_m(*a, *b) for a, b in pairwise(points))


# ---- posting


async def post(
    conn: asyncpg.Connection, actor: keys.Actor, draft: RouteDraft, *, rates: posting.Rates
) -> groups.WholeGroup:
    """Post the tasks of a route in the order of the way, and hold what each may cost.

    All are posted, or it raises what posting.post does; what was posted before is then to be rolled back.
    """
    points = [_point(place) for place in _places(draft)]
    way = order(points)
    parts = [draft.tasks[n] for n in way]
    length = length_m([points[n] for n in way])
    minutes = sum(effort.at_work(part.evidence, part.expected_minutes) for part in parts) + length / effort.WALK_M
    tour = groups.Tour(length, max(1, round(minutes)), draft.claim_ttl_s)
    group = await groups.open_group(conn, actor, "route", draft.title, msgspec.to_builtins(draft), tour=tour)
    await groups.post_members(conn, actor, group, parts, rates=rates, at=[f"/tasks/{n}" for n in way])
    return await groups.get(conn, actor.owner, groups.shown(group))


def _places(draft: RouteDraft) -> list[Place]:
    """Where its tasks are. Raises Invalid naming what cannot be part of a route."""
    if len(draft.title.strip()) < 3:
        raise Invalid("At least 3 characters, white space around them left out.", pointer="/title")
    places: list[Place] = []
    for n, task in enumerate(draft.tasks):
        if task.place is None:
            raise Invalid("Each task of a route has a place.", pointer=f"/tasks/{n}/place")
        if task.quantity != 1:
            raise Invalid("One person goes a route: each of its tasks has one slot.", pointer=f"/tasks/{n}/quantity")
        if task.standing is not None:
            raise Invalid("A route is gone once: leave this out.", pointer=f"/tasks/{n}/standing")
        for name in ("opens_at", "closes_at"):
            if getattr(task, name) != getattr(draft.tasks[0], name):
                raise Invalid("All tasks of a route are open at the same time.", pointer=f"/tasks/{n}/{name}")
        if any(near.distance_m(*_point(task.place), *_point(other)) > FARTHEST_APART_M for other in places):
            raise Invalid("At most 25 km from all others of the route.", pointer=f"/tasks/{n}/place")
        places.append(task.place)
    return places


def _point(place: Place) -> tuple[float, float]:
    return place.lat, place.lon


# ---- finding and taking


# SQL: the routes that $1 (NULL: anybody) may take as a whole, with a place in one of the boxes $2.
NEAR_BY = f"""WITH found AS MATERIALIZED (
     SELECT DISTINCT task.group_id FROM unnest($2::text[]) AS b (corners) JOIN task
       ON task.status = 'open' AND task.loc IS NOT NULL AND task.group_id IS NOT NULL
         AND task.loc <@ b.corners::box)
   SELECT g.*, t.* FROM found
     JOIN task_group g ON g.id = found.group_id AND g.kind = 'route' CROSS JOIN LATERAL (
     SELECT count(*) AS tasks, sum({tasks.PRICE})::bigint AS reward, sum({tasks.FEE})::bigint AS fee,
       array_agg(lat ORDER BY place_in_group) AS lats, array_agg(lon ORDER BY place_in_group) AS lons,
       bool_and({membership.UNTOUCHED} AND ($1::uuid IS NULL OR ({claims.unanswered_by("$1")}))) AS free
     FROM task WHERE task.group_id = g.id) AS t WHERE t.free"""


async def near_by(
    conn: asyncpg.Connection,
    person: UUID | None,
    *,
    lat: float,
    lon: float,
    radius_m: float = 5_000,
    offset: int = 0,
    limit: int,
) -> list[Route]:
    """Routes with a place in reach that this person may take as a whole, the nearest first."""
    boxes = ["({2},{3}),({0},{1})".format(*each) for each in near.box(lat, lon, radius_m)]
    rows = await conn.fetch(NEAR_BY, person, boxes)
    found = []
    for row in rows:
        metres = min(near.distance_m(lat, lon, *at) for at in zip(row["lats"], row["lons"], strict=True))
        if metres <= radius_m:
            found.append((metres, row["id"], row))
    return [_route(row, metres) for metres, _, row in sorted(found, key=lambda each: each[:2])[offset : offset + limit]]


async def get(
    conn: asyncpg.Connection, route: str, *, lat: float | None = None, lon: float | None = None
) -> WholeRoute:
    """One route as people see it, with all that decides payment; also once it is taken. Raises NotFound."""
    row = await conn.fetchrow("SELECT * FROM task_group WHERE id = $1 AND kind = 'route'", ids.read("group", route))
    if row is None:
        raise NotFound("There is no such route.")
    parts = await conn.fetch("SELECT id FROM task WHERE group_id = $1 ORDER BY place_in_group", row["id"])
    shown = [await offers.get(conn, ids.show("task", part["id"]), lat=lat, lon=lon) for part in parts]
    return WholeRoute(
        id=route, title=row["title"], length_m=round(row["length_m"]), minutes=row["minutes"],
        claim_ttl_s=row["claim_ttl_s"], tasks=shown,
    )  # fmt: skip


async def claim(
    conn: asyncpg.Connection, person: UUID, route: str, position: claims.Position | None, country: str | None = None
) -> list[claims.Claim]:
    """Take all of a route: a claim on each of its tasks, in the order of the way. Or it raises, and nothing is to stay.

    Raises NotFound, TaskNotOpen, RouteTaken, and what claims.claim does, of each task.
    """
    group = ids.read("group", route)
    await claims.lock_person(conn, person)
    rows = await conn.fetch(
        """SELECT task.id, task.status, task.place_in_group FROM task JOIN task_group g ON g.id = task.group_id
           WHERE g.id = $1 AND g.kind = 'route' ORDER BY task.id FOR NO KEY UPDATE OF task""",
        group,
    )
    if not rows:
        raise NotFound("There is no such route.")
    if all(row["status"] != "open" for row in rows):
        raise TaskNotOpen("This route is over.")
    # A statement after the one that has locked them: it sees what whoever held them has done.
    if not await conn.fetchval(f"SELECT bool_and({membership.UNTOUCHED}) FROM task WHERE group_id = $1", group):
        raise RouteTaken
    parts = sorted(rows, key=lambda row: int(row["place_in_group"]))
    return [await claims.take(conn, person, part["id"], position, country, tour=True) for part in parts]


async def release(conn: asyncpg.Connection, person: UUID, route: str) -> int:
    """Give back all of a route that one holds and has not handed in; how many tasks. Raises NotFound, ClaimOver."""
    group = ids.read("group", route)
    held = await conn.fetch(
        # Tasks in id order, as wherever several are locked.
        """SELECT c.id AS claim_id, t.id, t.status, t.account_id, t.currency
           FROM task t JOIN claim c ON c.task_id = t.id JOIN task_group g ON g.id = t.group_id AND g.kind = 'route'
           WHERE g.id = $1 AND c.person_id = $2 AND c.status = 'active'
             AND NOT EXISTS (SELECT FROM submission s WHERE s.claim_id = c.id)
           ORDER BY t.id FOR NO KEY UPDATE OF t""",
        group, person,
    )  # fmt: skip
    if not held:
        mine = "SELECT true FROM claim c JOIN task t ON t.id = c.task_id WHERE t.group_id = $1 AND c.person_id = $2"
        if await conn.fetchval(f"{mine} LIMIT 1", group, person):
            raise ClaimOver
        raise NotFound("You hold nothing of such a route.")
    await ledger.lock(conn, tasks.touched([row for row in held if row["status"] != "open"]))
    for row in held:
        await claims.release(conn, person, ids.show("claim", row["claim_id"]))
    return len(held)


def _route(row: asyncpg.Record, metres: float) -> Route:
    return Route(
        id=ids.show("group", row["id"]), title=row["title"], tasks=row["tasks"], length_m=round(row["length_m"]),
        minutes=row["minutes"], reward=Money(row["reward"], row["currency"]), fee=Money(row["fee"], row["currency"]),
        claim_ttl_s=row["claim_ttl_s"], distance_m=round(metres),
    )  # fmt: skip

"""What is near: the index finds exactly what brute force finds, nearest first, page by page, all over the globe."""

import math
import random
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import claims, clock, ids, keys, near, offers, tasks
from market.errors import Invalid, Refusal
from tests.market.conftest import Cast

HOUR = timedelta(hours=1)
LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
RADII = st.floats(1, 100_000)
Point = tuple[float, float]


def away(origin: Point, metres: float, bearing: float) -> Point:
    """The point at a distance and a bearing (radians) along the great circle."""
    lat, lon, reach = math.radians(origin[0]), math.radians(origin[1]), metres / near.EARTH_M
    to = math.asin(math.sin(lat) * math.cos(reach) + math.cos(lat) * math.sin(reach) * math.cos(bearing))
    turn = math.atan2(
        math.sin(bearing) * math.sin(reach) * math.cos(lat), math.cos(reach) - math.sin(lat) * math.sin(to)
    )
    return math.degrees(to), (math.degrees(lon + turn) + 540) % 360 - 180


def inside(boxes: list[tuple[float, float, float, float]], point: Point) -> bool:
    x, y = near.project(*point)
    return any(left <= x <= right and bottom <= y <= top for left, bottom, right, top in boxes)


@given(LATITUDES, LONGITUDES, RADII, st.floats(0, 0.999999), st.floats(0, 2 * math.pi))
def test_the_boxes_hold_all_within_the_radius(lat: float, lon: float, radius: float, part: float, turn: float) -> None:
    assert inside(near.box(lat, lon, radius), away((lat, lon), radius * part, turn))


@given(LATITUDES, LONGITUDES, RADII)
def test_boxes_are_made_for_the_index(lat: float, lon: float, radius: float) -> None:
    for left, bottom, right, top in near.box(lat, lon, radius):
        assert -180 <= left <= right <= 180
        assert bottom <= top
        assert all(map(math.isfinite, (left, bottom, right, top)))


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_distances_are_those_of_the_sphere(a: float, b: float, c: float, d: float) -> None:
    metres = near.distance_m(a, b, c, d)
    assert 0 <= metres <= math.pi * near.EARTH_M
    assert metres == pytest.approx(near.distance_m(c, d, a, b), abs=1e-6)
    x, y = (
        (math.cos(math.radians(lat)) * math.cos(math.radians(lon)), math.cos(math.radians(lat)) *
         math.sin(math.radians(lon)), math.sin(math.radians(lat)))
        for lat, lon in ((a, b), (c, d))
    )  # fmt: skip
    assert metres == pytest.approx(2 * near.EARTH_M * math.asin(min(1, math.dist(x, y) / 2)), rel=1e-6, abs=0.01)


def test_known_distances() -> None:
    berlin, potsdam = (52.5200, 13.4050), (52.3906, 13.0645)
    assert near.distance_m(*berlin, *potsdam) == pytest.approx(27_200, rel=0.01)
    assert near.distance_m(0, 179.999, 0, -179.999) == pytest.approx(222.4, rel=0.01)
    assert near.distance_m(90, 0, 90, 123) == pytest.approx(0, abs=1e-6)


async def scatter(cast: Cast, ada: keys.Actor, points: list[Point]) -> dict[str, Point]:
    """A task at each point, cheaply: the same row again and again."""
    model = await cast.post(ada, quantity=1)
    found = {}
    for point in points:
        made = ids.new()
        await cast.conn.execute(
            """INSERT INTO task SELECT (jsonb_populate_record(t, jsonb_build_object('id', $2::uuid, 'lat', $3::float8,
                 'lon', $4::float8, 'loc', $5::point))).* FROM task t WHERE id = $1""",
            ids.read("task", model.id), made, *point, asyncpg.Point(*near.project(*point)),
        )  # fmt: skip
        found[ids.show("task", made)] = point
    await cast.conn.execute("DELETE FROM task WHERE id = $1", ids.read("task", model.id))
    return found


async def seen(conn: asyncpg.Connection, point: Point, radius: float, **given: Any) -> list[offers.Offer]:
    asked = {"limit": 1000} | given
    return await offers.near_by(conn, asked.pop("person", None), lat=point[0], lon=point[1], radius_m=radius, **asked)


CENTRES = [
    (52.52, 13.405), (0.0, 0.0), (-33.9, 18.4), (12.0, 179.9999), (-17.7, -179.95), (65.0, 180.0), (-8.0, -180.0),
    (78.2, 15.6), (84.9, -70.0), (89.7, 45.0), (90.0, 0.0), (-90.0, 0.0), (-89.95, -170.0),
]  # fmt: skip


@pytest.mark.parametrize("centre", CENTRES, ids=str)
async def test_near_by_finds_what_brute_force_finds_in_its_order(cast: Cast, ada: keys.Actor, centre: Point) -> None:
    randomly = random.Random(str(centre))
    points = [away(centre, 130_000 * randomly.random() ** 2, randomly.uniform(0, 2 * math.pi)) for _ in range(120)]
    tasks_at = await scatter(cast, ada, points)
    for radius in (500.0, 20_000.0, 100_000.0):
        start = away(centre, 3_000 * randomly.random(), randomly.uniform(0, 2 * math.pi))
        metres = {task: near.distance_m(*start, *point) for task, point in tasks_at.items()}
        expected = sorted((task for task in tasks_at if metres[task] <= radius), key=lambda task: metres[task])
        assert [offer.id for offer in await seen(cast.conn, start, radius)] == expected
        paged = []
        for offset in range(0, len(expected) + 7, 7):
            paged += [offer.id for offer in await seen(cast.conn, start, radius, offset=offset, limit=7)]
        assert paged == expected, "pages neither repeat nor leave out"


async def test_the_distance_shown_is_the_real_one(cast: Cast, ada: keys.Actor) -> None:
    at = (12.0, 179.9995)
    await scatter(cast, ada, [(12.0, -179.9995)])
    [offer] = await seen(cast.conn, at, 1000)
    assert offer.distance_m == round(near.distance_m(*at, 12.0, -179.9995))


async def test_tasks_for_anywhere_follow_those_near_by(cast: Cast, ada: keys.Actor) -> None:
    here = await cast.post(ada)
    anywhere = [(await cast.post(ada, place=None)).id for _ in range(3)]
    await cast.post(ada, place={"lat": 10, "lon": 10, "radius_m": 50})
    found = await seen(cast.conn, (52.52, 13.405), 5000)
    assert found[0].id == here.id and {offer.id for offer in found[1:]} == set(anywhere)
    assert [offer.distance_m for offer in found] == [0, None, None, None]
    pages = [await seen(cast.conn, (52.52, 13.405), 5000, offset=n, limit=1) for n in range(5)]
    assert [offer.id for page in pages for offer in page] == [offer.id for offer in found]
    assert [earlier.id > later.id for earlier, later in pairwise(found[1:])] == [True, True], "the newest first"


async def test_filters_by_kind_and_reward(cast: Cast, ada: keys.Actor) -> None:
    photo = await cast.post(ada)
    dear = await cast.post(ada, reward={"amount": 900, "currency": "usd"}, kind="action")
    at = (52.52, 13.405)
    assert [offer.id for offer in await seen(cast.conn, at, 500, kind="photo")] == [photo.id]
    assert [offer.id for offer in await seen(cast.conn, at, 500, min_reward=900)] == [dear.id]
    assert await seen(cast.conn, at, 500, min_reward=901) == []
    assert await seen(cast.conn, at, 500, kind="reading") == []


async def test_only_what_can_be_claimed_now_is_offered(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    at = (52.52, 13.405)
    cy = await cast.person("cy")
    open_one = await cast.post(ada, quantity=2)
    cancelled = await cast.post(ada)
    await tasks.cancel(cast.conn, ada, cancelled.id)
    later = await clock.now(cast.conn)
    await cast.post(ada, opens_at=later.replace(year=later.year + 1).isoformat())
    taken = await cast.post(ada)
    await claims.claim(cast.conn, cy, taken.id, None)
    assert [offer.id for offer in await seen(cast.conn, at, 500)] == [open_one.id]
    held = await claims.claim(cast.conn, bo, open_one.id, None)
    assert await seen(cast.conn, at, 500, person=bo) == [], "what one has taken is offered to others only"
    assert [offer.id for offer in await seen(cast.conn, at, 500, person=cy)] == [open_one.id]
    await claims.release(cast.conn, bo, held.id)
    assert [offer.id for offer in await seen(cast.conn, at, 500, person=bo)] == [open_one.id]
    await clock.advance(cast.conn, 8 * 86_400)
    assert await seen(cast.conn, at, 500) == []


async def test_a_standing_task_shows_the_places_of_its_round(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    cy = await cast.person("cy")
    task = await cast.post(ada, standing={"every_s": 3600, "per_round": 1}, quantity=3, license={"resale": False})
    [offer] = await seen(cast.conn, (52.52, 13.405), 500)
    assert (offer.slots_open, offer.next_round_at, offer.license.resale) == (1, task.opens_at + HOUR, False)
    await claims.claim(cast.conn, bo, task.id, None)
    assert await seen(cast.conn, (52.52, 13.405), 500, person=cy) == []
    assert (await offers.get(cast.conn, task.id)).slots_open == 0
    for person, why in ((bo, "You hold a claim in this round"), (cy, "This round has all its answers")):
        with pytest.raises(Refusal, match=f"{why}.*; the next begins at {task.opens_at + HOUR:%Y-%m-%dT%H:%M:%S}Z"):
            await claims.claim(cast.conn, person, task.id, None)
    await clock.advance(cast.conn, 3600)
    assert (await offers.get(cast.conn, task.id)).slots_open == 1
    await clock.advance(cast.conn, 7 * 86_400 - 2 * 3600)
    assert (await offers.get(cast.conn, task.id)).next_round_at is None, "the task ends before"


async def test_nobody_asks_for_the_whole_earth(cast: Cast) -> None:
    with pytest.raises(Invalid):
        await seen(cast.conn, (0.0, 0.0), offers.FARTHEST_M + 1)

"""Coarse positions: whoever knows however many of them knows the cell of about 1 km, and nothing more."""

import math
import random
import statistics
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as some

from market import near

MIGRATION = Path(__file__).resolve().parents[2] / "alembic" / "sql"

latitudes = some.floats(-90, 90)
longitudes = some.floats(-180, 180)


@given(latitudes, longitudes)
def test_a_cells_middle_is_in_the_cell_and_not_far(lat: float, lon: float) -> None:
    middle = near.coarse(lat, lon)
    assert near.coarse(*middle) == middle
    assert near.distance_m(lat, lon, *middle) <= 1_100
    assert -90 < middle[0] < 90 and -180 < middle[1] < 180


def test_a_thousand_positions_at_one_place_average_to_the_cells_middle_alone() -> None:
    dice = random.Random(4)
    place = (48.13743, 11.57549)
    # Fixes scatter by some metres around the place; the mean of exact ones would tell it to within a metre.
    fixes = [(place[0] + dice.gauss(0, 3e-5), place[1] + dice.gauss(0, 3e-5)) for _ in range(1000)]
    exact = tuple(statistics.fmean(axis) for axis in zip(*fixes, strict=True))
    assert near.distance_m(*place, *exact) < 1
    coarse = {near.coarse(*fix) for fix in fixes}
    assert coarse == {near.coarse(*place)}
    assert near.distance_m(*place, *coarse.pop()) > 100


def test_two_places_in_one_cell_cannot_be_told_apart() -> None:
    corner = near.coarse(52.5195, 13.40756)
    assert {near.coarse(52.5195 + dy, 13.40756 + dx) for dy in (-0.004, 0.004) for dx in (-0.007, 0.007)} == {corner}


@pytest.mark.parametrize("lat", [0.0, 33.3, 52.52, 69.7, 84.0])
def test_cells_are_about_a_kilometre_wide_and_high(lat: float) -> None:
    middle = near.coarse(lat, 13.4)
    step = 1e-4
    east = next(n for n in range(1, 10**6) if near.coarse(lat, 13.4 + n * step) != middle)
    following = near.coarse(lat, 13.4 + east * step)
    beyond = next(n for n in range(east + 1, 10**6) if near.coarse(lat, 13.4 + n * step) != following)
    width = (beyond - east) * step * near.DEGREE_M * math.cos(math.radians(lat))
    assert 950 < width < 1_060


def test_the_date_line_is_one_place_from_both_sides_and_the_poles_have_cells() -> None:
    assert near.coarse(10, 180) == near.coarse(10, -180)
    assert near.coarse(90, 77) == near.coarse(89.9999, 77)
    assert near.coarse(-90, 0) == near.coarse(-89.9999, 0)


async def test_what_the_migration_gives_to_older_observations_is_the_same(conn: asyncpg.Connection) -> None:
    dice = random.Random(5)
    places = [(dice.uniform(-90, 90), dice.uniform(-180, 180)) for _ in range(500)]
    places += [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0), (52.52, 13.405)]
    script = (MIGRATION / "0006_evidence.sql").read_text()
    update = script[script.index("WITH rows AS (") : script.index("ALTER TABLE observation ADD CHECK (num_nulls(lat")]
    await conn.execute(
        """CREATE TEMP TABLE observation (id int, lat double precision, lon double precision,
             coarse_lat double precision, coarse_lon double precision) ON COMMIT DROP"""
    )
    await conn.executemany("INSERT INTO observation VALUES ($1, $2, $3)", [(i, *each) for i, each in enumerate(places)])
    await conn.execute(update)
    rows = await conn.fetch("SELECT coarse_lat, coarse_lon FROM observation ORDER BY id")
    assert [(row["coarse_lat"], row["coarse_lon"]) for row in rows] == [near.coarse(*each) for each in places]

"""The order of a route's way: the same every time, and nearly the shortest."""

import random
from itertools import pairwise, permutations

import pytest

from market import near, tours

Point = tuple[float, float]


def scattered(count: int, seed: int) -> list[Point]:
    """Points within some kilometres, at a place that differs by the seed, across ±180° too."""
    chance = random.Random(seed)
    lat, lon = chance.choice([(52.52, 13.4), (0.0, 180.0), (-33.9, 18.4), (70.0, 25.0)])
    spread = [(lat + chance.uniform(-0.05, 0.05), lon + chance.uniform(-0.05, 0.05)) for _ in range(count)]
    return [(y, x - 360 if x > 180 else x) for y, x in spread]


def length(points: list[Point], way: list[int] | tuple[int, ...]) -> float:
    return tours.length_m([points[n] for n in way])


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7])
def test_the_way_is_nearly_the_shortest_there_is(count: int) -> None:
    for seed in range(12):
        points = scattered(count, 100 * count + seed)
        way = tours.order(points)
        assert sorted(way) == list(range(count))
        far = [[near.distance_m(*a, *b) for b in points] for a in points]
        shortest = min(sum(far[a][b] for a, b in pairwise(every)) for every in permutations(range(count)))
        assert length(points, way) <= 1.25 * shortest


@pytest.mark.parametrize("count", [2, 7, 20])
def test_the_way_is_never_longer_than_going_to_the_nearest_each_time(count: int) -> None:
    for seed in range(20):
        points = scattered(count, seed)
        far = [[near.distance_m(*a, *b) for b in points] for a in points]
        greedy = min(length(points, tours.nearest_first(far, start)) for start in range(count))
        assert length(points, tours.order(points)) <= greedy + 1e-6


def test_the_same_points_give_the_same_way_in_any_order() -> None:
    points = scattered(12, 5)
    way = [points[n] for n in tours.order(points)]
    for seed in range(5):
        shuffled = random.Random(seed).sample(points, len(points))
        again = [shuffled[n] for n in tours.order(shuffled)]
        assert tours.length_m(again) == pytest.approx(tours.length_m(way), abs=0.01)
    assert [points[n] for n in tours.order(points)] == way


def test_crossing_ways_are_untangled_and_one_place_may_hold_several() -> None:
    corners = [(0.0, 0.0), (0.01, 0.01), (0.0, 0.01), (0.01, 0.0)]
    assert length(corners, tours.order(corners)) == pytest.approx(3 * 1112, abs=3)
    assert sorted(tours.order([(1.0, 1.0)] * 4)) == [0, 1, 2, 3]

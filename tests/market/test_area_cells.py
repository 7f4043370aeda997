"""The cells of an area: those whose centre lies in it, each with a circle that covers it."""

import math
import random
from itertools import pairwise

import h3
import msgspec
import pytest

from market import areas, near
from market.errors import Invalid
from market.polygons import Polygon

BERLIN = (13.405, 52.52)
RATIO = 0.6  # degrees of latitude in one of longitude there, about


def polygon(*rings: list[tuple[float, float]]) -> Polygon:
    return msgspec.convert({"type": "Polygon", "coordinates": [[list(at) for at in ring] for ring in rings]}, Polygon)


def star(seed: int, size: float = 0.03, spikes: int = 9) -> list[tuple[float, float]]:
    """A ring of irregular spikes around Berlin's middle that never crosses itself."""
    chance = random.Random(seed)
    turns = [2 * math.pi * i / spikes for i in range(spikes)]
    away = [size * chance.uniform(0.3, 1) for _ in turns]
    ring = [
        (BERLIN[0] + r / RATIO * math.cos(t), BERLIN[1] + r * math.sin(t)) for t, r in zip(turns, away, strict=True)
    ]
    return [*ring, ring[0]]


def winds(at: tuple[float, float], ring: list[tuple[float, float]]) -> bool:
    """Whether a ring goes around a point, by the sum of its angles."""
    turned = 0.0
    for a, b in pairwise(ring):
        from_, to = (math.atan2(each[1] - at[1], each[0] - at[0]) for each in (a, b))
        turned += (to - from_ + math.pi) % (2 * math.pi) - math.pi
    return abs(turned) > math.pi


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("resolution", [7, 8, 9])
def test_they_are_all_whose_centre_lies_in_it(seed: int, resolution: int) -> None:
    outer, hole = star(seed, 0.03 if resolution < 9 else 0.012), star(seed, 0.003)
    found = {cell.id for cell in areas.cells(polygon(outer, hole), resolution)}
    around = h3.grid_disk(h3.latlng_to_cell(BERLIN[1], BERLIN[0], resolution), 30)
    middles = {cell: h3.cell_to_latlng(cell)[::-1] for cell in around}
    assert found == {cell for cell, at in middles.items() if winds(at, outer) and not winds(at, hole)}


def test_the_circle_of_a_cell_covers_it_and_little_more() -> None:
    for cell in areas.cells(polygon(star(1)), 8):
        at = cell.place.lat, cell.place.lon
        farthest = max(near.distance_m(*at, *vertex) for vertex in h3.cell_to_boundary(cell.id))
        assert farthest <= cell.place.radius_m < farthest + 1
        assert (cell.place.lat, cell.place.lon) == h3.cell_to_latlng(cell.id)


@pytest.mark.parametrize(
    ("resolution", "said"),
    [
        (10, r"has \d{3} cells of resolution 10; at most 500"),
        (11, r"has [\d,]{5} cells of resolution 11; at most 500"),
        (5, "No cell has its centre"),
    ],
)
def test_too_many_and_none_are_refused_saying_how_many(resolution: int, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        areas.cells(polygon(star(2, 0.025)), resolution)
    assert refused.value.pointer == "/resolution"


def test_a_continent_is_refused_without_counting_its_cells() -> None:
    whole = polygon([(-20.0, -35.0), (50.0, -35.0), (50.0, 35.0), (-20.0, 35.0), (-20.0, -35.0)])
    with pytest.raises(Invalid, match=r"about [\d,]{13,} cells"):
        areas.cells(whole, 11)
    sliver = polygon([(-20.0, -35.0), (50.0, 35.0), (50.0, 35.00001), (-20.0, -35.0)])
    with pytest.raises(Invalid, match="cells of resolution 11"):
        areas.cells(sliver, 11)


def test_a_cell_across_180_degrees_is_outlined_in_one_piece() -> None:
    edge = polygon([(179.0, -1.0), (180.0, -1.0), (180.0, 1.0), (179.0, 1.0), (179.0, -1.0)])
    outlines = [areas.outline(cell.id) for cell in areas.cells(edge, 5)]
    assert any(lon > 180 for ring in outlines for lon, _ in ring)
    assert all(abs(a[0] - b[0]) < 1 for ring in outlines for a, b in pairwise(ring))
    assert all(ring[0] == ring[-1] for ring in outlines)

"""GeoJSON polygons: what is refused, and where the fault is."""

import msgspec
import pytest

from market.errors import Invalid
from market.polygons import MOST_VERTICES, Polygon, require_sound

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
HOLE = [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]
NOTCHED = [[0, 0], [10, 0], [10, 10], [5, 2], [0, 10], [0, 0]]


def polygon(*rings: list[list[float]]) -> Polygon:
    return msgspec.convert({"type": "Polygon", "coordinates": list(rings)}, Polygon)


def moved(ring: list[list[float]], by: float) -> list[list[float]]:
    return [[x + by, y + by] for x, y in ring]


def comb(vertices: int) -> list[list[float]]:
    """A ring of so many vertices that does not cross itself."""
    teeth = [[i / 10, 5 + i % 2] for i in range(vertices - 2)]
    ring = [[-1, 0], [60, 0], *teeth[::-1]]
    return [*ring, ring[0]]


@pytest.mark.parametrize(
    "rings",
    [
        [SQUARE], [SQUARE[::-1]], [NOTCHED], [SQUARE, HOLE], [SQUARE, HOLE[::-1], moved(HOLE, 3)],
        [comb(MOST_VERTICES)], [[[170, 0], [180, 0], [180, 5], [170, 5], [170, 0]]],
        [[[0, 80], [120, 80], [120, 90], [0, 90], [0, 80]]],
    ],
)  # fmt: skip
def test_what_is_drawn_as_it_must_be_passes(rings: list[list[list[float]]]) -> None:
    require_sound(polygon(*rings), "/area")


@pytest.mark.parametrize(
    ("rings", "said", "where"),
    [
        ([SQUARE[:-1]], "ends where it begins", "/0"),
        ([SQUARE, HOLE[:-1]], "ends where it begins", "/1"),
        ([[[0, 0], [0, 0], [10, 0], [10, 10], [0, 0]]], "twice in a row", "/0"),
        ([[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]], "crosses or touches itself", "/0"),
        ([[[0, 0], [10, 0], [10, 10], [5, 0], [0, 10], [0, 0]]], "crosses or touches itself", "/0"),  # touches
        ([[[0, 0], [10, 0], [10, 10], [10, 5], [10, 10], [0, 10], [0, 0]]], "crosses or touches itself", "/0"),
        ([[[0, 0], [10, 0], [5, 0], [5, 5], [0, 0]]], "crosses or touches itself", "/0"),  # back on its own line
        ([[[0, 0], [5, 0], [10, 0], [0, 0]]], "crosses or touches itself", "/0"),  # without inside
        ([SQUARE, moved(HOLE, 7)], "another", "/1"),
        ([SQUARE, HOLE, moved(HOLE, 1)], "another", "/2"),
        ([SQUARE, moved(HOLE, 20)], "in the outer ring", "/1"),
        ([SQUARE, HOLE, [[2.5, 2.5], [3, 2.5], [3, 3], [2.5, 2.5]]], "no other hole", "/2"),
        ([[[170, 0], [-170, 0], [-170, 5], [170, 5], [170, 0]]], "two, one on each side", "/0"),
        ([comb(MOST_VERTICES - 2), moved(HOLE, 0)], "vertices in all", ""),
    ],
)
def test_what_is_badly_drawn_is_refused_by_its_ring(rings: list[list[list[float]]], said: str, where: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        require_sound(polygon(*rings), "/area")
    assert refused.value.pointer == f"/area/coordinates{where}"


def test_the_size_of_an_area_is_that_on_the_sphere_without_holes() -> None:
    octant = polygon([[0, 0], [90, 0], [90, 90], [0, 90], [0, 0]])
    assert octant.km2 == pytest.approx(510_065_622 / 8, rel=1e-6)
    assert polygon(SQUARE, HOLE).km2 == pytest.approx(polygon(SQUARE).km2 - polygon(HOLE).km2)

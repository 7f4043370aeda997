"""Areas as GeoJSON polygons: whether one is drawn as it must be, and how large it is. Pure."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import msgspec

from market.errors import Invalid
from market.near import EARTH_M
from market.terms import Strict

MOST_VERTICES = 500
_Lon = Annotated[float, msgspec.Meta(ge=-180, le=180)]
_Lat = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Position = tuple[_Lon, _Lat]
Ring = Annotated[list[Position], msgspec.Meta(min_length=4, max_length=MOST_VERTICES + 1)]


class Polygon(Strict, frozen=True, kw_only=True):
    """A GeoJSON polygon (RFC 7946): longitude, latitude in degrees (WGS 84); the first ring is the outer one, the
    others are holes in it. Each ends where it begins."""

    type: Literal["Polygon"]
    coordinates: Annotated[
        list[Ring],
        msgspec.Meta(
            min_length=1, max_length=50,
            examples=[[[[13.40, 52.51], [13.42, 52.51], [13.42, 52.52], [13.40, 52.52], [13.40, 52.51]]]],
        ),
    ]  # fmt: skip

    @property
    def km2(self) -> float:
        """Its size on the sphere, without its holes."""
        outer, *holes = [_km2(ring) for ring in self.coordinates]
        return outer - sum(holes)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north, in degrees."""
        lons, lats = zip(*self.coordinates[0], strict=True)
        return min(lons), min(lats), max(lons), max(lats)


class _Edge(NamedTuple):
    ring: int
    n: int
    a: Position
    b: Position


def require_sound(polygon: Polygon, pointer: str) -> None:
    """Raise Invalid, naming the ring, for one that is not closed, crosses itself, another or ±180°, or is no hole of
    the first; for more vertices than `MOST_VERTICES` in all."""
    rings = polygon.coordinates
    if sum(len(ring) - 1 for ring in rings) > MOST_VERTICES:
        raise Invalid(f"At most {MOST_VERTICES} vertices in all.", pointer=f"{pointer}/coordinates")
    for i, ring in enumerate(rings):
        where = f"{pointer}/coordinates/{i}"
        if ring[0] != ring[-1]:
            raise Invalid("A ring ends where it begins: its last position is its first.", pointer=where)
        if any(a == b for a, b in pairwise(ring)):
            raise Invalid("The same position stands here twice in a row.", pointer=where)
        if any(abs(a[0] - b[0]) > 180 for a, b in pairwise(ring)):
            raise Invalid("An area across ±180° is posted as two, one on each side.", pointer=where)
    crossing = _crossing(rings)
    if crossing is not None:
        first, second = crossing
        told = "This ring crosses or touches itself." if first == second else "This ring crosses or touches another."
        raise Invalid(told, pointer=f"{pointer}/coordinates/{max(first, second)}")
    for i, hole in enumerate(rings[1:], 1):
        if not _inside(hole[0], rings[0]) or any(_inside(hole[0], ring) for ring in rings[1:] if ring is not hole):
            raise Invalid("A hole lies in the outer ring, and in no other hole.", pointer=f"{pointer}/coordinates/{i}")


def _edges(rings: list[list[Position]]) -> Iterator[_Edge]:
    for i, ring in enumerate(rings):
        yield from (_Edge(i, n, a, b) for n, (a, b) in enumerate(pairwise(ring)))


def _crossing(rings: list[list[Position]]) -> tuple[int, int] | None:
    """The rings of two edges that have a point in common and do not follow each other; from west to east, so that each
    edge is compared only with those that are as far east as it begins."""
    near: list[_Edge] = []
    for edge in sorted(_edges(rings), key=lambda each: min(each.a[0], each.b[0])):
        west = min(edge.a[0], edge.b[0])
        near = [other for other in near if max(other.a[0], other.b[0]) >= west]
        for other in near:
            if _meet(edge, other, len(rings[edge.ring]) - 1):
                return other.ring, edge.ring
        near.append(edge)
    return None


def _meet(one: _Edge, two: _Edge, count: int) -> bool:
    if one.ring == two.ring:
        if two.n == (one.n + 1) % count:
            return _back(one.a, one.b, two.b)
        if one.n == (two.n + 1) % count:
            return _back(two.a, two.b, one.b)
    return _touch(one.a, one.b, two.a, two.b)


def _side(a: Position, b: Position, c: Position) -> int:
    """1 where c lies left of the way from a to b, −1 right of it, 0 on its line."""
    turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (turn > 0) - (turn < 0)


def _back(a: Position, b: Position, c: Position) -> bool:
    """Whether the way from a to b goes back on itself to c."""
    return _side(a, b, c) == 0 and (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0


def _touch(a: Position, b: Position, c: Position, d: Position) -> bool:
    """Whether the stretches a–b and c–d have a point in common."""
    if _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0:
        return True
    return _on(a, b, c) or _on(a, b, d) or _on(c, d, a) or _on(c, d, b)


def _on(a: Position, b: Position, c: Position) -> bool:
    within = min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])
    return within and _side(a, b, c) == 0


def _inside(at: Position, ring: list[Position]) -> bool:
    """Whether a ray to the east leaves the ring an odd number of times."""
    x, y = at
    odd = False
    for (ax, ay), (bx, by) in pairwise(ring):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            odd = not odd
    return odd


def _km2(ring: list[Position]) -> float:
    """The size of a ring on the sphere (Chamberlain & Duquette 2007, equation 7, for edges in longitude and sine of
    latitude)."""
    total = 0.0
    for (ax, ay), (bx, by) in pairwise(ring):
        total += math.radians(bx - ax) * (2 + math.sin(math.radians(ay)) + math.sin(math.radians(by)))
    return abs(total) / 2 * (EARTH_M / 1000) ** 2

"""Distances, and the projection in which the index looks for what is near."""

import math

# Web Mercator's own limit: beyond it the projection runs off to infinity.
LIMIT = 85.051129
EARTH_M = 6_371_008.8
DEGREE_M = math.pi * EARTH_M / 180


def project(lat: float, lon: float) -> tuple[float, float]:
    """Mercator degrees (lon, ln tan(π/4 + φ/2)): near points keep their order of distance. Poles are clamped."""
    clamped = max(-LIMIT, min(LIMIT, lat))
    return lon, math.degrees(math.log(math.tan(math.pi / 4 + math.radians(clamped) / 2)))


def box(lat: float, lon: float, radius_m: float) -> list[tuple[float, float, float, float]]:
    """Rectangles (left, bottom, right, top) in the projection that hold all within `radius_m`; two across ±180°."""
    reach = radius_m / DEGREE_M
    bottom, top = project(lat - reach, 0)[1], project(lat + reach, 0)[1]
    widest = max(abs(lat - reach), abs(lat + reach))
    across = 360.0 if widest >= 89 else reach / math.cos(math.radians(widest))
    left, right = lon - across, lon + across
    if across >= 180:
        return [(-180, bottom, 180, top)]
    if left < -180:
        return [(-180, bottom, right, top), (left + 360, bottom, 180, top)]
    if right > 180:
        return [(left, bottom, 180, top), (-180, bottom, right - 360, top)]
    return [(left, bottom, right, top)]


def stretch(lat: float, radius_m: float) -> float:
    """How much the projection's scale (sec φ) varies within `radius_m`, as a factor >= 1; infinite near the poles.

    What is among the n nearest on the sphere is, in the projection, no farther than the n-th there times this.
    """
    reach = radius_m / DEGREE_M
    widest = abs(lat) + reach
    if widest >= LIMIT:
        return math.inf
    return math.cos(math.radians(max(0.0, abs(lat) - reach))) / math.cos(math.radians(widest))


def farthest(box: tuple[float, float, float, float], at: tuple[float, float]) -> float:
    """How far, in the projection, the farthest point of a box (left, bottom, right, top) is from a point."""
    left, bottom, right, top = box
    return math.hypot(max(at[0] - left, right - at[0]), max(at[1] - bottom, top - at[1]))


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance in metres (haversine)."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(half)))


# Cells that positions are coarsened to: rows of 0.009 degrees of latitude (1,001 m), each divided into as many columns
# of equal width, about as wide, as fit around the globe there.
ROW_DEGREES = 0.009
ROWS = 20_000
COLUMNS_AT_EQUATOR = 40_000


def coarse(lat: float, lon: float) -> tuple[float, float]:
    """The middle (degrees, five decimals) of the cell of about 1 km x 1 km that a position lies in.

    All positions in a cell have the same, so however many are known, they tell the cell and nothing more.
    """
    row = min(math.floor((lat + 90) / ROW_DEGREES), ROWS - 1)
    middle = -90 + (row + 0.5) * ROW_DEGREES
    columns = max(1, math.floor(COLUMNS_AT_EQUATOR * math.cos(math.radians(middle)) + 0.5))
    east = (-180.0 if lon >= 180 else lon) + 180
    column = min(math.floor(east / 360 * columns), columns - 1)
    return round(middle, 5), round(-180 + (column + 0.5) * 360 / columns, 5)

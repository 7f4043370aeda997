"""Where the sun stands: NOAA's solar calculator (after Meeus, Astronomical Algorithms, 2nd edition, chapter 25), good
to some hundredths of a degree between 1900 and 2100; refraction is left out."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

_J2000: Final = datetime(2000, 1, 1, 12, tzinfo=UTC)


def elevation(lat: float, lon: float, at: datetime) -> float:
    """Degrees of the sun's centre above the horizon at a place (degrees, north and east positive) and a moment."""
    days = (at - _J2000).total_seconds() / 86_400
    century = days / 36_525
    mean = math.radians((280.46646 + century * (36_000.76983 + century * 0.0003032)) % 360)
    anomaly = math.radians(357.52911 + century * (35_999.05029 - 0.0001537 * century))
    centre = (
        math.sin(anomaly) * (1.914602 - century * (0.004817 + 0.000014 * century))
        + math.sin(2 * anomaly) * (0.019993 - 0.000101 * century)
        + math.sin(3 * anomaly) * 0.000289
    )
    node = math.radians(125.04 - 1934.136 * century)
    apparent = mean + math.radians(centre - 0.00569 - 0.00478 * math.sin(node))
    tilt = math.radians(23.4392911 - 0.0130042 * century + 0.00256 * math.cos(node))
    declination = math.asin(math.sin(tilt) * math.sin(apparent))
    ascension = math.atan2(math.cos(tilt) * math.sin(apparent), math.cos(apparent))
    sidereal = math.radians((280.46061837 + 360.98564736629 * days) % 360)
    hour = sidereal + math.radians(lon) - ascension
    phi = math.radians(lat)
    sine = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))


def highest(lat: float, lon: float, begins: datetime, ends: datetime) -> float:
    """The highest elevation between two moments, to half a degree: the sun climbs by at most a degree in 4 minutes."""
    # One day holds every height that the sun reaches at a place in that season.
    span = min(max(ends - begins, timedelta(0)), timedelta(days=1))
    steps = max(1, math.ceil(span / timedelta(minutes=4)))
    return max(elevation(lat, lon, begins + span * step / steps) for step in range(steps + 1))

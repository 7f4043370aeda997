"""Was the person there: distance on the sphere, the fix's own uncertainty, and how fast one can travel."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from sensors import fixes
from sensors.evidence import Capture, Fix, Photo, Place, Window
from sensors.verdict import Check, finding

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius (IUGG); the sphere is off by at most 0.6 %."""
MAX_SPEED_M_S: Final = 300.0
"""Faster than any airliner over the ground."""
ROUGH_ACCURACY_M: Final = 100.0
USELESS_ACCURACY_M: Final = 500.0
"""No fix may stretch the place by more than twice this: a claimed accuracy of 100 km would otherwise be everywhere."""
UNSTATED_ACCURACY_M: Final = 30.0
UNKNOWN: Final = "Whether this is from the place was left open"
JUMP_SLACK_M: Final = 1_000.0
"""Assumed: a fix by mobile cell jumps this far without anyone moving."""


def haversine(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Metres along the great circle between two points in degrees (Sinnott 1984)."""
    phi, other_phi = math.radians(lat), math.radians(other_lat)
    half_north, half_east = (other_phi - phi) / 2, math.radians(other_lon - lon) / 2
    a = math.sin(half_north) ** 2 + math.cos(phi) * math.cos(other_phi) * math.sin(half_east) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, a)))


def _sane(lat: float | None, lon: float | None) -> bool:
    """Finite, on the globe, and not the 0, 0 of a receiver without a fix."""
    return lat is not None and lon is not None and abs(lat) <= 90 and abs(lon) <= 180 and (lat, lon) != (0, 0)


def capture_fix(capture: Capture | None) -> Fix | None:
    """The position reported with a photo, None when there is none or it is no position."""
    if capture is None or capture.lat is None or capture.lon is None or not _sane(capture.lat, capture.lon):
        return None
    return Fix(lat=capture.lat, lon=capture.lon, accuracy_m=capture.accuracy_m, at=capture.taken_at)


def uncertainty(fix: Fix) -> float:
    """The accuracy to reckon with in metres, at most USELESS_ACCURACY_M; nonsense counts as unstated."""
    accuracy = fix.accuracy_m
    if accuracy is None or not accuracy > 0:
        return UNSTATED_ACCURACY_M
    return min(accuracy, USELESS_ACCURACY_M)


def speed_between(earlier: Fix, later: Fix) -> float:
    """The least speed in m/s that explains both fixes, given their uncertainty; 0 when either has no time."""
    if earlier.at is None or later.at is None:
        return 0.0
    apart = haversine(earlier.lat, earlier.lon, later.lat, later.lon)
    surely = apart - 2 * uncertainty(earlier) - 2 * uncertainty(later)
    if surely <= JUMP_SLACK_M:
        return 0.0
    return surely / max(1.0, abs((later.at - earlier.at).total_seconds()))


def _metres(distance: float) -> str:
    return f"{distance:.0f} m" if distance < 2_000 else f"{distance / 1000:.0f} km"


def _judge_fix(place: Place, fix: Fix, what: str) -> Check:
    """One fix against the place."""
    away = haversine(place.lat, place.lon, fix.lat, fix.lon)
    accuracy = uncertainty(fix)
    data = {"distance_m": round(away, 1), "radius_m": place.radius_m, "accuracy_m": fix.accuracy_m}
    if away > place.radius_m + 2 * accuracy:
        beyond = f"{what} was taken {_metres(away)} from the place; at most {_metres(place.radius_m)} is asked."
        return finding("at_place", "fail", f"{beyond} Go closer and take a new one.", **data)
    if fix.accuracy_m is not None and fix.accuracy_m > USELESS_ACCURACY_M and away > place.radius_m:
        rough = f"{UNKNOWN}: the position of {what.lower()} is known only to {_metres(fix.accuracy_m)}."
        return finding("at_place", "inconclusive", rough, **data)
    if fix.accuracy_m is not None and not 0 < fix.accuracy_m <= ROUGH_ACCURACY_M:
        stated = f"The position of {what.lower()} comes with an accuracy of {fix.accuracy_m:.0f} m."
        return finding("at_place", "warn", stated, **data)
    return finding("at_place", "pass", f"{what} was taken at the place.", **data)


def believable(at: datetime | None, earliest: datetime, latest: datetime) -> datetime:
    """The time of a position: as the phone says it, but not before its claim and not after it reached us.

    A clock that is wrong, or that is said to be, cannot make a journey longer than it may have been.
    """
    return latest if at is None else min(max(at, earliest), latest)


def _judge_speed(fix: Fix, window: Window, what: str, received_at: datetime) -> Check | None:
    """A failure when any of the positions before is too far away for the time between."""
    at = believable(fix.at, window.claimed_at, received_at)
    timed = Fix(lat=fix.lat, lon=fix.lon, accuracy_m=fix.accuracy_m, at=at)
    speed, before = max(((speed_between(each, timed), each) for each in window.earlier), key=_fast, default=(0.0, fix))
    if speed <= MAX_SPEED_M_S:
        return None
    away = haversine(before.lat, before.lon, fix.lat, fix.lon)
    detail = f"{what} is {_metres(away)} from where you were shortly before; nobody travels that fast."
    return finding("at_place", "fail", detail, speed_m_s=round(speed), distance_m=round(away))


def _fast(journey: tuple[float, Fix]) -> float:
    return journey[0]


def _judge_photo(place: Place, photo: Photo, window: Window) -> Check:
    what = f"Photo {photo.n}"
    fix = capture_fix(photo.capture)
    if fix is None:
        if window.claim_fix is not None and _judge_fix(place, window.claim_fix, what).status in ("pass", "warn"):
            return finding("at_place", "warn", f"{what} came without a position; you claimed the task at the place.")
        return finding("at_place", "fail", f"{what} came without a position. Allow your position and take a new one.")
    reached_us = photo.uploaded_at or window.received_at
    return _judge_speed(fix, window, what, reached_us) or _judge_fix(place, fix, what)


def _judge_site(place: Place, site: Fix) -> Check:
    """Where a device stands as it was enrolled: its owner says so, and it moves nowhere."""
    away = haversine(place.lat, place.lon, site.lat, site.lon)
    data = {"distance_m": round(away, 1), "radius_m": place.radius_m}
    if away <= place.radius_m:
        return finding("at_place", "pass", "The device is registered at the place.", **data)
    most = f"at most {_metres(place.radius_m)} is asked"
    detail = f"{UNKNOWN}: the device is registered {_metres(away)} from the place; {most}."
    return finding("at_place", "inconclusive", detail, **data)


def _judge_exif(place: Place, photo: Photo) -> Check | None:
    """A warning when the file itself names another place; files may carry an old fix, hence no more than that."""
    if photo.inspection is None or photo.inspection.exif.lat is None or photo.inspection.exif.lon is None:
        return None
    away = haversine(place.lat, place.lon, photo.inspection.exif.lat, photo.inspection.exif.lon)
    if away <= place.radius_m + JUMP_SLACK_M:
        return None
    detail = f"Photo {photo.n} carries a position {_metres(away)} from the place in its own data."
    return finding("at_place", "warn", detail, exif_distance_m=round(away))


def at_place(place: Place | None, photos: list[Photo], window: Window) -> list[Check]:
    """All findings about position: one or more for each photo, or one for the claim when no photo came.

    A claim's own fix never rejects: one may claim from afar and then walk there.
    """
    if place is None:
        return [finding("at_place", "not_applicable", "This task can be done anywhere.")]
    if photos:
        judged = [_judge_photo(place, photo, window) for photo in photos]
        judged += [warning for photo in photos if (warning := _judge_exif(place, photo)) is not None]
        doubts = fixes.oddities([fix for photo in photos if (fix := capture_fix(photo.capture)) is not None], window)
        return judged + [finding("at_place", "warn", doubt) for doubt in doubts]
    if window.claim_fix is None:
        return [finding("at_place", "inconclusive", f"{UNKNOWN}: no position came.")]
    if window.instrument is not None:
        return [_judge_site(place, window.claim_fix)]
    jumped = _judge_speed(window.claim_fix, window, "The position of your claim", window.claimed_at)
    if jumped is not None:
        return [finding("at_place", "inconclusive", f"{UNKNOWN}. {jumped.detail}", **jumped.data)]
    check = _judge_fix(place, window.claim_fix, "Your claim")
    if check.status == "fail":
        away = f"{UNKNOWN}: you claimed the task away from it, and nothing shows that you went there."
        return [finding("at_place", "inconclusive", away, **check.data)]
    return [finding("at_place", check.status, "You claimed the task at the place.", **check.data)]

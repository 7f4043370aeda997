"""Light against the sun, the kind of file against its story: signals that never reject."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from sensors.consistent import consistent
from sensors.inspection import ExifSummary, JpegTraits
from sensors.moire import moire
from sensors.recapture import MOIRE, not_recaptured
from sensors.sun import elevation
from tests.sensors.cast import BAKERY, NOON, photo, seen, window


@pytest.mark.parametrize(
    ("lat", "lon", "at", "degrees"),
    [
        # NOAA's table of solstices and equinoxes: at local noon the elevation is 90 − |latitude − declination|.
        (23.44, 0.0, "2024-06-20T12:02:00", 90.0),
        (52.52, 13.405, "2024-06-21T11:08:00", 60.9),
        (52.52, 13.405, "2024-12-21T11:04:30", 14.0),
        (0.0, 0.0, "2024-03-20T12:07:30", 89.85),  # nine hours after the equinox
        (-33.87, 151.21, "2024-12-21T01:53:00", 79.6),
        # Worked example of NREL's solar position algorithm (Reda & Andreas 2003): topocentric zenith 50.11 degrees.
        (39.742476, -105.1786, "2003-10-17T19:30:30", 39.89),
        (90.0, 0.0, "2024-06-21T00:00:00", 23.44),
    ],
)
def test_the_sun_stands_where_the_tables_have_it(lat: float, lon: float, at: str, degrees: float) -> None:
    assert elevation(lat, lon, datetime.fromisoformat(at).replace(tzinfo=UTC)) == pytest.approx(degrees, abs=0.1)


def written(**changes: Any) -> JpegTraits:
    """A JPEG as a messenger writes it: the usual tables, and nothing but a JFIF segment."""
    plain = JpegTraits(
        tables="0" * 32, each=[], quality=80, standard=True, subsampling="4:2:0", progressive=False,
        restart_interval=0, segments="0" * 32, applications=["APP0 JFIF"],
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def file(nonce: str | None = None, **changes: Any) -> Any:
    return photo(1, seen(**changes), nonce=nonce)


def test_daylight_at_night_is_a_signal_and_a_lamp_at_night_is_none() -> None:
    midnight = NOON.replace(hour=23)
    for exposure, at, status in ((14.0, midnight, "warn"), (6.0, midnight, "pass"), (14.0, NOON, "pass")):
        shot = photo(1, seen(exif=ExifSummary(make="Canon", exposure_ev=exposure)), taken_at=at)
        found = consistent(BAKERY, [shot], window())
        assert [each.status for each in found] == [status], found
    assert consistent(BAKERY, [photo()], window())[0].status == "inconclusive"


@pytest.mark.parametrize(
    ("shot", "kind"),
    [
        (file(width=1080, height=2400), "screenshot"),
        (file(width=1080, height=2400, jpeg=written()), "screenshot"),
        (file(width=1080, height=1920, media_type="image/png", strips=0.05), "screenshot"),
        (file(width=1080, height=1920, media_type="image/png"), None),
        (file(exif=ExifSummary(make="Apple", screenshot=True)), "screenshot"),
        (file(width=1600, height=1200, jpeg=written()), "messenger"),
        (file(width=1600, height=1200, jpeg=written(progressive=True, quality=50, standard=False)), "messenger"),
        (file(width=1600, height=1200, jpeg=written(standard=False)), None),
        (file(width=1600, height=1200, jpeg=written(), exif=ExifSummary(make="Sony")), None),
        (file(width=1300, height=900, jpeg=written(applications=["APP13 FBMD"])), "messenger"),
        (file(width=1300, height=900, jpeg=written(progressive=True)), None),
        (file(width=1080, height=2400, exif=ExifSummary(make="Google")), None),
        (file(width=4000, height=3000), None),
        (photo(1, seen(width=1080, height=1920)), None),  # by the app's camera, for this claim
    ],
)
def test_a_file_that_looks_like_a_screenshot_or_a_messengers_is_a_signal(shot: Any, kind: str | None) -> None:
    (found,) = consistent(BAKERY, [shot], window())
    assert found.data.get("kind") == kind
    assert found.status == ("warn" if kind else "inconclusive")


def grid(period: float, strength: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A soft scene with the beat of a display's pixels on it, turned by seven degrees."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:768, :1024].astype(np.float32)
    scene = 120 + 50 * np.sin(x / 130) + 40 * np.cos(y / 90) + random.normal(0, 4, (768, 1024))
    along, across = x * np.cos(0.12) + y * np.sin(0.12), y * np.cos(0.12) - x * np.sin(0.12)
    beat = np.cos(2 * np.pi * along / period) * np.cos(2 * np.pi * across / period)
    return (scene + strength * beat).clip(0, 255).astype(np.uint8)


def test_the_grid_of_a_screen_stands_out_and_a_plain_scene_has_none() -> None:
    plain, screened = moire(grid(5, 0)), moire(grid(5, 8))
    assert plain is not None and screened is not None
    assert plain < MOIRE < screened
    assert moire(np.zeros((300, 400), np.uint8)) is None


def test_a_screens_grid_warns_and_never_more() -> None:
    quiet, loud, small = (photo(n, seen(n, moire=value)) for n, value in ((1, 2.0), (2, MOIRE), (3, None)))
    assert [each.status for each in not_recaptured([quiet, loud, small])] == [
        "inconclusive", "warn", "not_applicable",
    ]  # fmt: skip


def test_the_edges_of_a_day_are_no_contradiction() -> None:
    """At dusk a bright sky is bright."""
    dusk = NOON
    while elevation(BAKERY.lat, BAKERY.lon, dusk) > -5:
        dusk += timedelta(minutes=5)
    shot = photo(1, msgspec.structs.replace(seen(), exif=ExifSummary(exposure_ev=12.5)), taken_at=dusk)
    assert [each.status for each in consistent(BAKERY, [shot], window())] == ["pass"]


def test_who_photographs_by_day_may_send_at_night() -> None:
    evening = window(claimed_at=NOON, received_at=NOON.replace(hour=23))
    shot = photo(1, seen(exif=ExifSummary(exposure_ev=14.0)), taken_at=None)
    assert [each.status for each in consistent(BAKERY, [shot], evening)] == ["pass"]
    night = window(claimed_at=NOON.replace(hour=22), received_at=NOON.replace(hour=23))
    assert [each.status for each in consistent(BAKERY, [shot], night)] == ["warn"]


@pytest.mark.parametrize(
    ("sent", "claimed", "status"), [("DE", "FR", "warn"), ("DE", "DE", "inconclusive"), (None, "DE", "inconclusive")]
)
def test_a_photo_from_another_country_than_its_claim_is_a_signal(
    sent: str | None, claimed: str | None, status: str
) -> None:
    shot = msgspec.structs.replace(photo(), country=sent)
    assert [each.status for each in consistent(BAKERY, [shot], window(country=claimed))] == [status]

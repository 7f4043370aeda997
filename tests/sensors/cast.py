"""Bo's claim on Ada's task, as the market would describe it; tests change one thing at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from sensors.evidence import Asked, Capture, Evidence, Photo, PhotosAsked, Place, Window
from sensors.inspection import ExifSummary, Inspection

NOON = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
BAKERY = Place(lat=52.52, lon=13.405, radius_m=80)
WINDOW = Window(
    claimed_at=NOON, expires_at=NOON + timedelta(hours=1), received_at=NOON + timedelta(minutes=20), nonce="n-1"
)
CAPTURE = Capture(taken_at=NOON + timedelta(minutes=10), lat=52.5201, lon=13.4051, accuracy_m=12.0, nonce="n-1")


def seen(number: int = 1, **changes: Any) -> Inspection:
    """What reading a fine photo yields; each number another photo."""
    fine = Inspection(
        width=1200,
        height=900,
        format="JPEG",
        media_type="image/jpeg",
        sha256=bytes([number]) * 32,
        pdq=bytes([number]) * 32,
        pdq_quality=100,
        brightness=0.5,
        contrast=0.2,
        sharpness=20.0,
    )
    return msgspec.structs.replace(fine, **changes)


def dated(**exif: Any) -> Inspection:
    """A fine photo with these EXIF fields."""
    return seen(exif=ExifSummary(**exif))


def photo(number: int = 1, inspection: Inspection | None = None, **capture: Any) -> Photo:
    """Bo's photo, taken at the bakery ten minutes after the claim, except for what is said."""
    return Photo(n=number, inspection=inspection or seen(number), capture=msgspec.structs.replace(CAPTURE, **capture))


def evidence(*photos: Photo, **changes: Any) -> Evidence:
    return msgspec.structs.replace(Evidence(submitted_at=WINDOW.received_at, photos=list(photos)), **changes)


def asked(**changes: Any) -> Asked:
    """One live photo at the bakery, all photo checks declared."""
    return msgspec.structs.replace(
        Asked(
            place=BAKERY,
            photos=PhotosAsked(min=1, max=3, live_capture=True),
            checks=["fresh", "at_place", "live", "not_duplicate"],
        ),
        **changes,
    )


def window(**changes: Any) -> Window:
    return msgspec.structs.replace(WINDOW, **changes)

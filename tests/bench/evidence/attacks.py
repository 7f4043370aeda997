"""What cheats do to a capture, each as a change of an honest one: the photo may be real, the claim about it is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import msgspec

from sensors.evidence import Capture, Duplicate, Fix, Photo
from tests.bench.evidence.honest import Case, shifted

Attack = Callable[[Case, random.Random], tuple[Case, list[Duplicate]]]


def _captured(case: Case, **changes: object) -> Case:
    photo = case.evidence.photos[0]
    capture = msgspec.structs.replace(photo.capture or Capture(), **changes)
    return _with(case, msgspec.structs.replace(photo, capture=capture))


def _with(case: Case, photo: Photo) -> Case:
    return case._replace(evidence=msgspec.structs.replace(case.evidence, photos=[photo]))


def _plain(case: Case) -> tuple[Case, list[Duplicate]]:
    return case, []


def stale(case: Case, rng: random.Random) -> tuple[Case, list[Duplicate]]:
    """Taken hours or days before the claim, and the app's own time says so."""
    return _plain(_captured(case, taken_at=case.window.claimed_at - timedelta(seconds=rng.uniform(600, 86_400 * 30))))


def late(case: Case, rng: random.Random) -> tuple[Case, list[Duplicate]]:
    """Taken after the claim had run out."""
    return _plain(_captured(case, taken_at=case.window.expires_at + timedelta(seconds=rng.uniform(600, 86_400))))


def elsewhere(case: Case, rng: random.Random) -> tuple[Case, list[Duplicate]]:
    """From another place: a sofa some kilometres away, with the phone's true position."""
    place = case.asked.place
    assert place is not None
    lat, lon = shifted(place.lat, place.lon, rng.uniform(2_000, 50_000), rng)
    return _plain(_captured(case, lat=lat, lon=lon, accuracy_m=rng.uniform(4, 60)))


def teleported(case: Case, rng: random.Random) -> tuple[Case, list[Duplicate]]:
    """At the place by a typed position, minutes after having been accepted on another continent."""
    place = case.asked.place
    assert place is not None
    far = Fix(
        lat=max(-80.0, min(80.0, -place.lat)), lon=(place.lon + 340) % 360 - 180,
        at=case.window.claimed_at - timedelta(minutes=rng.uniform(1, 30)),
    )  # fmt: skip
    moved = _captured(case, lat=place.lat, lon=place.lon, accuracy_m=5.0)
    return _plain(moved._replace(window=msgspec.structs.replace(moved.window, earlier=[far])))


def other_nonce(case: Case, rng: random.Random) -> tuple[Case, list[Duplicate]]:
    """Taken in the app for another claim."""
    return _plain(_captured(case, nonce=f"other{rng.random()}"))


def no_nonce(case: Case, rng: random.Random) -> tuple[Case, list[Duplicate]]:
    """A file of the gallery handed in where the app's camera was asked."""
    return _plain(_captured(case, nonce=None))


ATTACKS: dict[str, tuple[Attack, str]] = {
    "stale": (stale, "fresh"),
    "too late": (late, "fresh"),
    "wrong place": (elsewhere, "at_place"),
    "teleport": (teleported, "at_place"),
    "another claim's nonce": (other_nonce, "live"),
    "gallery for camera": (no_nonce, "live"),
}
"""Name of each attack, what it does, and the check that must refuse it."""

"""Honest photos, honestly captured: every sample that decodes, in the circumstances that people really photograph in.

The circumstances are modelled, the photos are real. Fixes scatter as their stated accuracy says (68 % within it); the
clocks of phones are off by seconds, now and then by minutes; a file's own date and place, where it has them, are those
of the claim, because an honest person claims, walks there and photographs. What is assumed stands beside each number.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from sensors.decode import inspect
from sensors.evidence import Asked, Capture, Enrolled, Evidence, Fix, Photo, PhotosAsked, Place, Window
from sensors.inspection import Inspection, Undecodable
from sensors.statement import spelled
from tests.hands import hand
from tests.keys import Key, sha256

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
METRES_A_DEGREE = 111_195.0
PHONE = Key()
SIGNED = 0.8  # assumed: the share of captures in the app that a device signs
# Assumed: open sky, street, among houses, indoors; share, median accuracy in metres, spread of its logarithm.
RECEPTION = ((0.35, 5.0, 0.3), (0.35, 10.0, 0.4), (0.2, 25.0, 0.5), (0.1, 60.0, 0.5))


class Sample(NamedTuple):
    """A photo that opens: its name, its bytes and what was read from it."""

    name: str
    data: bytes
    inspection: Inspection


class Case(NamedTuple):
    """One submission with all that judging knows."""

    evidence: Evidence
    asked: Asked
    window: Window


def decodable(folder: Path, limit: int | None = None, seed: int = 4) -> tuple[list[Sample], int]:
    """The photos of a folder that open, at most `limit` of them drawn at random; and how many do not open."""
    names = sorted(path for path in folder.rglob("*") if path.suffix.lower() not in (".csv", ".md", ""))
    if limit is not None and len(names) > limit:
        names = sorted(random.Random(seed).sample(names, limit))
    found, closed = [], 0
    for path in names:
        data = path.read_bytes()
        try:
            found.append(Sample(path.name, data, inspect(data)))
        except Undecodable:
            closed += 1
    return found, closed


def shifted(lat: float, lon: float, metres: float, rng: random.Random) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * math.pi)
    lat += metres * math.cos(angle) / METRES_A_DEGREE
    return lat, lon + metres * math.sin(angle) / (METRES_A_DEGREE * max(0.01, math.cos(math.radians(lat))))


def _accuracy(rng: random.Random) -> float:
    share = rng.random()
    for weight, middle, spread in RECEPTION:
        if share < weight:
            return middle * math.exp(rng.gauss(0, spread))
        share -= weight
    return 30.0


def _moment(sample: Sample, rng: random.Random) -> datetime:
    """When the photo was taken, in UTC: as the file says, in the zone that it states or that its place lies in."""
    exif = sample.inspection.exif
    if exif.taken_at is None:
        return datetime(2026, 6, 1, tzinfo=UTC) + timedelta(seconds=rng.uniform(0, 86_400 * 150))
    zone = exif.offset
    if zone is None:
        zone = round((exif.lon if exif.lon is not None else rng.uniform(-120, 150)) / 15) * 3600
    return exif.taken_at.replace(tzinfo=UTC) - timedelta(seconds=zone)


def capture(sample: Sample, rng: random.Random, *, live: bool) -> Case:
    """One honest capture of a photo. live: in the app, else a file of the gallery, taken in the time of the claim."""
    taken = _moment(sample, rng)
    claimed = taken - timedelta(seconds=rng.uniform(30, 2400))
    received = taken + timedelta(seconds=rng.uniform(10, 900))
    exif = sample.inspection.exif
    lat, lon = (exif.lat, exif.lon) if exif.lat is not None and exif.lon is not None else (
        math.degrees(math.asin(rng.uniform(-0.85, 0.95))), rng.uniform(-180, 180),
    )  # fmt: skip
    radius = rng.choice((50.0, 80.0, 100.0, 200.0))
    stands = shifted(lat, lon, radius * 0.8 * math.sqrt(rng.random()), rng)
    accuracy = _accuracy(rng)
    # Rayleigh with 68 % within the stated accuracy.
    error = accuracy * math.sqrt(-2 * math.log(1 - rng.random())) / 1.51
    fix = shifted(*stands, error, rng)
    clock = rng.gauss(0, 20) if rng.random() < 0.98 else rng.uniform(-240, 240)
    positioned = live or rng.random() < 0.9
    taken_at = taken + timedelta(seconds=clock) if live or rng.random() < 0.7 else None
    given = Capture(
        claim="claim_1", n=1, taken_at=taken_at, lat=fix[0] if positioned else None, lon=fix[1] if positioned else None,
        accuracy_m=round(accuracy, 3) if positioned else None, nonce="nonce" if live else None,
        heading=round(rng.uniform(0, 360), 1),
    )  # fmt: skip
    signed = live and rng.random() < SIGNED
    motion = hand(np.random.default_rng(rng.randrange(2**32))) if signed else None
    given = (
        _signed(given, sample, motion) if signed and motion is not None else msgspec.structs.replace(given, claim=None)
    )
    window = Window(
        claimed_at=claimed, expires_at=claimed + timedelta(hours=1), received_at=received, nonce="nonce",
        claim_fix=Fix(lat=fix[0], lon=fix[1], accuracy_m=accuracy),
        earlier=_earlier(lat, lon, claimed, rng), claim="claim_1",
        devices=[Enrolled(id="dev_1", public_key=PHONE.point, own=True)],
    )  # fmt: skip
    checks = ["fresh", "at_place", "not_duplicate"] + ["live"] * live
    asked = Asked(place=Place(lat=lat, lon=lon, radius_m=radius), photos=PhotosAsked(live_capture=live), checks=checks)
    photo = Photo(n=1, inspection=sample.inspection, capture=given, motion=motion)
    return Case(Evidence(submitted_at=received, photos=[photo]), asked, window)


def _signed(given: Capture, sample: Sample, motion: bytes) -> Capture:
    """The capture as a phone of today sends it: every word of it signed, with the motion of the hand."""
    stated = {
        "v": 1, "claim": given.claim, "n": 1, "nonce": given.nonce, "photo_sha256": sha256(sample.data),
        "taken_at": None if given.taken_at is None else spelled(given.taken_at), "lat": given.lat, "lon": given.lon,
        "accuracy_m": given.accuracy_m, "heading": given.heading, "motion_sha256": sha256(motion), "frames_sha256": [],
        "device": "dev_1",
    }  # fmt: skip
    return msgspec.structs.replace(
        given, photo_sha256=stated["photo_sha256"], motion_sha256=stated["motion_sha256"], device="dev_1",
        signature=PHONE.sign_capture(stated),
    )  # fmt: skip


def _earlier(lat: float, lon: float, at: datetime, rng: random.Random) -> list[Fix]:
    """Where the person was before: near by some hours ago, or nowhere."""
    if rng.random() < 0.3:
        return []
    hours = rng.uniform(0.2, 48)
    where = shifted(lat, lon, min(30_000.0 * hours, 200_000.0) * rng.random(), rng)
    return [Fix(lat=where[0], lon=where[1], at=at - timedelta(hours=hours))]


def captures(samples: list[Sample], rounds: int, seed: int) -> Iterator[tuple[Sample, Case]]:
    """Each sample so many times, two of three in the app."""
    rng = random.Random(seed)
    for number in range(rounds):
        for sample in samples:
            yield sample, capture(sample, rng, live=number % 3 < 2)

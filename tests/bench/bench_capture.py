"""Honest captures and lies about them, through the checks: what share of each is refused, flagged, or passes.

python -m tests.bench capture

Facts must be refused always; signals flagged in at least 90 %, and in at most 2 % of honest captures. Hands and the
programs that imitate them are modelled (tests/hands.py), and so are fixes: 60 % of people have phones that state their
accuracy to the millimetre, 25 % to the metre, 15 % in a few levels that stay for a while; 5 % were at the same place
before, and a tenth of those were given a stored position again. All of that is assumed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from sensors.check import check
from sensors.evidence import Capture, CaptureCamera, Enrolled, Fix, Frame, Photo, Window
from sensors.statement import spelled
from sensors.verdict import Verdict
from tests.hands import EMULATORS, hand
from tests.keys import Key, sha256
from tests.sensors.cast import BAKERY, NOON, asked, evidence, seen, window

HONEST, LIES = 3000, 300
LABELS = (
    "camera2 0, facing back", "camera 0, facing back", "Back Camera", "Back Dual Wide Camera", "Back Triple Camera",
    "Rückkamera", "后置摄像头", "Caméra arrière", "Cámara trasera", "", "Integrated Camera", "FaceTime HD Camera",
)  # fmt: skip
PROGRAMS = (
    "OBS Virtual Camera", "OBS-Camera", "ManyCam Virtual Webcam", "DroidCam Source 3", "Iriun Webcam", "EpocCam Camera",
    "XSplit VCam", "Snap Camera", "v4l2loopback", "Dummy video device (0x0000)", "fake_device_0", "Unity Video Capture",
    "SplitCam Video Driver", "SparkoCam Video", "CyberLink YouCam 10", "mmhmm Camera", "NVIDIA Broadcast",
    "e2eSoft VCam", "Android emulated camera", "Virtual Scene",
)  # fmt: skip
LEVELS = (5.0, 10.0, 15.0, 35.0, 65.0)

Json = dict[str, Any]
Random = np.random.Generator


@dataclass
class Shot:
    """One capture with all that a lie may change: before it is signed, after it, or around it."""

    random: Random
    key: Key = field(default_factory=Key)
    stated: Json = field(default_factory=dict)
    altered: Json = field(default_factory=dict)
    camera: Json = field(default_factory=dict)
    motion: bytes = b""
    moved: bytes | None = None
    frames: list[Frame] = field(default_factory=list)
    device: Json = field(default_factory=dict)
    known: Json = field(default_factory=dict)
    repeated: bool = False
    signed: bool = True
    recent: list[Fix] = field(default_factory=list)

    def verdict(self) -> Verdict:
        """What the checks say of it."""
        statement = {**self.stated, "motion_sha256": sha256(self.motion) if self.motion else None}
        said = {**statement, "signature": self.key.sign_capture(statement), **self.altered}
        said.pop("v", None)
        if not self.signed:
            said |= {"signature": None, "device": None}
        seen_by = {"label": str(self.random.choice(LABELS)), "width": 1200, "height": 900, **self.camera}
        capture = msgspec.convert({**said, "camera": CaptureCamera(**seen_by)}, Capture)
        photo = Photo(
            n=1, inspection=seen(), capture=capture, motion=self.motion if self.moved is None else self.moved,
            motion_repeated=self.repeated, frames=self.frames,
        )  # fmt: skip
        enrolled = {"id": "dev_1", "public_key": self.key.point, "own": True, **self.device}
        known: Window = window(claim="claim_1", devices=[Enrolled(**enrolled)], recent=self.recent, **self.known)
        return check(evidence(photo), asked(), known, [])


def accuracies(random: Random, count: int) -> list[float]:
    kind = random.random()
    if kind < 0.85:
        return [round(float(each), 3 if kind < 0.6 else 0) for each in random.lognormal(2.3, 0.6, count).clip(1.5, 95)]
    found = [float(random.choice(LEVELS, p=(0.4, 0.25, 0.1, 0.1, 0.15)))]
    while len(found) < count:
        other = float(random.choice(LEVELS, p=(0.4, 0.25, 0.1, 0.1, 0.15)))
        found.append(found[-1] if random.random() < 0.3 else other)
    return found


def near(random: Random) -> tuple[float, float]:
    north, east = random.normal(0, 15, 2).clip(-45, 45) / 111_320
    return round(BAKERY.lat + float(north), 7), round(BAKERY.lon + float(east) / 0.61, 7)


def honest(random: Random) -> Shot:
    """A capture as Bo takes it, with up to a dozen before it at other places."""
    shot = Shot(random)
    before = int(random.integers(0, 13))
    known = accuracies(random, before + 1)
    lat, lon = near(random)
    shot.recent = [
        Fix(
            lat=round(BAKERY.lat + float(random.normal(0, 0.05)), 7),
            lon=round(BAKERY.lon + float(random.normal(0, 0.05)), 7),
            accuracy_m=known[index + 1], at=NOON - timedelta(hours=2 * index + 2),
        )
        for index in range(before)
    ]  # fmt: skip
    if before and random.random() < 0.05:
        again = (lat, lon) if random.random() < 0.1 else near(random)
        shot.recent[0] = Fix(lat=again[0], lon=again[1], accuracy_m=known[1], at=shot.recent[0].at)
    burst = [sha256(random.bytes(8)) for _ in range(int(random.integers(0, 4)))]
    shot.frames = [Frame(k=k, sha256=bytes.fromhex(each)) for k, each in enumerate(burst, start=1)]
    shot.motion = hand(random)
    at = NOON + timedelta(seconds=float(random.uniform(30, 1100)))
    shot.stated = {
        "v": 1, "claim": "claim_1", "n": 1, "nonce": "n-1", "photo_sha256": seen().sha256.hex(),
        "taken_at": spelled(at), "lat": lat, "lon": lon, "accuracy_m": known[0],
        "heading": None if random.random() < 0.5 else round(float(random.uniform(0, 360)), 2),
        "frames_sha256": burst, "device": "dev_1",
    }  # fmt: skip
    return shot


def before_signing(**changes: Any) -> Callable[[Shot], None]:
    return lambda shot: shot.stated.update(changes)


def after_signing(**changes: Any) -> Callable[[Shot], None]:
    return lambda shot: shot.altered.update(changes)


def around(**changes: Any) -> Callable[[Shot], None]:
    def change(shot: Shot) -> None:
        for name, value in changes.items():
            setattr(shot, name, value)

    return change


def another_key(shot: Shot) -> None:
    shot.device = {"public_key": Key().point}


def teleported(shot: Shot) -> None:
    far = Fix(lat=40.7, lon=-74.0, accuracy_m=8.0, at=NOON - timedelta(minutes=float(shot.random.uniform(1, 240))))
    shot.known = {"earlier": [far]}


def elsewhere(shot: Shot) -> None:
    away = float(shot.random.uniform(0.02, 2))  # degrees: from 2.2 km on
    shot.stated |= {"lat": BAKERY.lat + away}


def another_motion(shot: Shot) -> None:
    shot.moved = hand(shot.random)


def another_frame(shot: Shot) -> None:
    shot.stated["frames_sha256"] = ["00" * 32]
    shot.frames = [Frame(k=1, sha256=bytes(range(32)))]


FACTS: dict[str, Callable[[Shot], None]] = {
    "stale: taken an hour before the claim": before_signing(taken_at=spelled(NOON - timedelta(hours=1))),
    "too early: six minutes before the claim": before_signing(taken_at=spelled(NOON - timedelta(minutes=6))),
    "late: six minutes after the claim": before_signing(taken_at=spelled(NOON + timedelta(minutes=66))),
    "wrong place: 2 to 220 km away": elsewhere,
    "teleport: New York up to 4 h before": teleported,
    "nonce of another claim": before_signing(nonce="n-2"),
    "no nonce": before_signing(nonce=None),
    "statement of another claim, nonce stolen": before_signing(claim="claim_2"),
    "statement of another photo number": before_signing(n=2),
    "photo swapped": before_signing(photo_sha256="ab" * 32),
    "motion swapped": another_motion,
    "frame swapped": another_frame,
    "device of another person": around(device={"own": False}),
    "device that nobody enrolled": around(device={"id": "dev_2"}),
    "device revoked": around(device={"revoked_at": NOON}),
    "signed by another key": another_key,
    "signature is no signature": after_signing(signature="AAAA"),
    "altered claim": after_signing(claim="claim_2"),
    "altered number": after_signing(n=2),
    "altered nonce": after_signing(nonce="n-2"),
    "altered photo hash": after_signing(photo_sha256="ab" * 32),
    "altered time": after_signing(taken_at=spelled(NOON + timedelta(seconds=29))),
    "altered latitude": after_signing(lat=BAKERY.lat + 0.0006),
    "altered longitude": after_signing(lon=BAKERY.lon + 0.0009),
    "altered accuracy": after_signing(accuracy_m=3.21),
    "altered heading": after_signing(heading=361.0 - 360.5),
    "altered motion hash": after_signing(motion_sha256="cd" * 32),
    "altered frames": after_signing(frames_sha256=["ef" * 32]),
    "altered device": after_signing(device="dev_2"),
}


def frozen(accuracy: float, *, place: bool) -> Callable[[Shot], None]:
    """A dozen captures before, all of one accuracy, at other places (jittered) or at the very same."""

    def change(shot: Shot) -> None:
        shot.stated |= {"accuracy_m": accuracy}
        here = shot.stated["lat"], shot.stated["lon"]
        away = [(here[0] + float(shot.random.normal(0, 0.01)), here[1]) for _ in range(12)]
        shot.recent = [
            Fix(lat=lat, lon=lon, accuracy_m=accuracy, at=NOON - timedelta(hours=index + 1))
            for index, (lat, lon) in enumerate([here] * 12 if place else away)
        ]

    return change


def emulated(imitate: Callable[[Random], bytes]) -> Callable[[Shot], None]:
    def change(shot: Shot) -> None:
        shot.motion = imitate(shot.random)

    return change


def program(shot: Shot) -> None:
    shot.camera = {"label": str(shot.random.choice(PROGRAMS))}


SIGNALS: dict[str, Callable[[Shot], None]] = {
    "accuracy frozen at 7.3 m, place to place": frozen(7.3, place=False),
    "accuracy frozen at 5 m, place to place": frozen(5.0, place=False),
    "accuracy and place frozen": frozen(20.0, place=True),
    "accuracy of 1 mm": before_signing(accuracy_m=0.001),
    "not signed": around(signed=False),
    "no motion": around(motion=b""),
    "motion of an earlier photo": around(repeated=True),
    "camera is a program": program,
    "picture of another size than the camera's": around(camera={"width": 1920, "height": 1080}),
    **{f"motion: {name}": emulated(imitate) for name, imitate in EMULATORS.items()},
}


def statuses(verdict: Verdict) -> tuple[str, str]:
    found = {each.name: each.status for each in verdict.checks}
    return found["live"], found["at_place"]


def share(lie: Callable[[Shot], None], caught: Callable[[Verdict], bool], seed: int) -> float:
    random = np.random.default_rng(seed)
    count = 0
    for _ in range(LIES):
        shot = honest(random)
        lie(shot)
        count += caught(shot.verdict())
    return 100 * count / LIES


def main() -> None:
    random = np.random.default_rng(20260503)
    started = time.process_time()
    verdicts = [honest(random).verdict() for _ in range(HONEST)]
    spent = (time.process_time() - started) / HONEST * 1000
    flagged = 100 * sum("warn" in statuses(each) for each in verdicts) / HONEST
    refused = 100 * sum(each.outcome == "fail" for each in verdicts) / HONEST
    print(
        f"honest captures: {HONEST}, refused {refused:.2f} %, flagged {flagged:.2f} % (bar: 2 %); {spent:.1f} ms each,"
    )
    for name, index in (("live", 0), ("at_place", 1)):
        warned = 100 * sum(statuses(each)[index] == "warn" for each in verdicts) / HONEST
        print(f"  of these {name} warns: {warned:.2f} %")
    good = flagged <= 2 and refused == 0
    print(f"facts, {LIES} each, refused (bar: 100 %):")
    for number, (name, lie) in enumerate(FACTS.items()):
        caught = share(lie, lambda verdict: verdict.outcome == "fail", number)
        good &= caught == 100
        print(f"  {caught:6.2f} %  {name}")
    print(f"signals, {LIES} each, flagged (bar: 90 %):")
    for number, (name, lie) in enumerate(SIGNALS.items()):
        caught = share(lie, lambda verdict: "warn" in statuses(verdict), 1000 + number)
        good &= caught >= 90
        print(f"  {caught:6.2f} %  {name}")
    print("every bar is met" if good else "a bar is missed")
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()

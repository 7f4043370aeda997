"""Live capture without a server: statements, motion, cameras, and fixes that programs make."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import pytest

from sensors import fixes, motion
from sensors.evidence import Capture, CaptureCamera, Enrolled, Fix, Photo
from sensors.live import PROGRAMS, live
from sensors.signatures import verify
from sensors.statement import is_signed, message, spelled, statement
from sensors.verdict import Check
from tests.hands import EMULATORS, hand
from tests.keys import Key, base64url, sha256
from tests.sensors.cast import CAPTURE, NOON, asked, photo, seen, window


def test_the_statement_is_these_bytes() -> None:
    capture = Capture(
        taken_at=NOON, lat=52.52, lon=13.0, accuracy_m=8.5, nonce="n", claim="claim_1", n=1, photo_sha256="ab" * 32,
        frames_sha256=["cd" * 32], device="dev_1", signature="x", camera=CaptureCamera(label="Back"),
    )  # fmt: skip
    assert message(statement(capture)) == (
        b'sensorium capture 1\n{"accuracy_m":8.5,"claim":"claim_1","device":"dev_1","frames_sha256":["'
        + b"cd" * 32
        + b'"],"heading":null,"lat":52.52,"lon":13,"motion_sha256":null,"n":1,"nonce":"n","photo_sha256":"'
        + b"ab" * 32
        + b'","taken_at":"2026-05-03T12:00:00.000Z","v":1}'
    )


def test_times_have_one_spelling() -> None:
    east = datetime(2026, 5, 3, 14, 0, 0, 7000, tzinfo=timezone(timedelta(hours=2)))
    assert spelled(east) == "2026-05-03T12:00:00.007Z"
    assert spelled(datetime(2026, 5, 3, 12, 0, 0, 7, tzinfo=UTC)) == "2026-05-03T12:00:00.000007Z"


def test_signatures_have_one_form_and_either_s_is_good() -> None:
    key, other = Key(), Key()
    signed = key.sign(b"yes")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = signed[:32] + (order - int.from_bytes(signed[32:])).to_bytes(32)
    assert verify(key.point, b"yes", signed) and verify(key.point, b"yes", twin)
    assert not verify(key.point, b"no", signed) and not verify(other.point, b"yes", signed)
    for wrong in (b"", signed[:-1], signed + b"\0", b"\0" * 64, b"\xff" * 64):
        assert not verify(key.point, b"yes", wrong)
    for point in (b"", key.point[:33], b"\x04" + b"\0" * 64, b"\0" + key.point[1:]):
        assert not verify(point, b"yes", signed)
    assert not is_signed({"a": 1}, "§", key.point)


KEY = Key()


def signed(moved: bytes, repeated: bool = False, camera: CaptureCamera | None = None, **changes: Any) -> Photo:
    """Bo's photo, signed by his device."""
    stated = msgspec.structs.replace(
        CAPTURE, claim="claim_1", n=1, photo_sha256=seen().sha256.hex(), motion_sha256=sha256(moved) if moved else None,
        device="dev_1", **changes,
    )  # fmt: skip
    signature = base64url(KEY.sign(message(statement(stated))))
    capture = msgspec.structs.replace(stated, signature=signature, camera=camera)
    return Photo(n=1, inspection=seen(), capture=capture, motion=moved or None, motion_repeated=repeated)


def judged(taken: Photo, **changes: Any) -> Check:
    device = Enrolled(id="dev_1", public_key=KEY.point, own=True)
    known = window(claim="claim_1", devices=[device], **changes)
    return live(asked().photos, [taken], known)[0]


def test_an_honest_capture_is_live() -> None:
    random = np.random.default_rng(1)
    assert (
        judged(signed(hand(random), camera=CaptureCamera(label="Back Camera", width=900, height=1200))).status == "pass"
    )
    assert live(None, [photo()], window())[0].status == "not_applicable"
    assert live(asked().photos, [photo()], window())[0].status == "warn"  # nobody signed it


def test_what_was_signed_and_did_not_arrive_is_no_fault() -> None:
    random = np.random.default_rng(1)
    taken = signed(hand(random), frames_sha256=["ab" * 32])
    assert judged(taken).status == "pass"
    assert judged(msgspec.structs.replace(taken, motion=None)).status == "warn"


@pytest.mark.parametrize("name", EMULATORS)
def test_a_program_does_not_move_as_a_hand_does(name: str) -> None:
    random = np.random.default_rng(7)
    flagged = [bool(motion.oddities(motion.read(EMULATORS[name](random)))) for _ in range(40)]
    assert sum(flagged) >= 38


def test_hands_are_hands() -> None:
    random = np.random.default_rng(11)
    odd = [motion.oddities(motion.read(hand(random))) for _ in range(300)]
    assert sum(map(bool, odd)) <= 6, [each for each in odd if each]


def test_the_same_samples_with_other_times_have_one_shape() -> None:
    first = json.loads(hand(np.random.default_rng(3)))
    later = {"v": 1, "samples": [[row[0] + 17.3, *row[1:]] for row in first["samples"]]}
    other = {"v": 1, "samples": [[row[0], row[1] + 0.1, *row[2:]] for row in first["samples"]]}
    shapes = [motion.shape(motion.read(json.dumps(each).encode())) for each in (first, later, other)]
    assert shapes[0] == shapes[1] != shapes[2]


def test_a_short_record_tells_nothing() -> None:
    few = b'{"v":1,"samples":[[0,0.1,9.8,0.2],[16,0.2,9.7,0.1]]}'
    assert judged(signed(few)).status == "warn"
    assert judged(signed(b"{}")).status == "warn"


@pytest.mark.parametrize(
    "label",
    [
        "Back Camera",
        "camera2 1, facing front",
        "Rückkamera",
        "后置摄像头",
        "Logitech HD Pro Webcam C920",
        "",
        "Observer 3",
    ],
)
def test_cameras_are_no_programs(label: str) -> None:
    assert not PROGRAMS.search(label)


def at(hours: float, lat: float, accuracy: float | None = 7.25) -> Fix:
    return Fix(lat=lat, lon=13.0, accuracy_m=accuracy, at=NOON - timedelta(hours=hours))


def test_an_accuracy_that_never_changes_is_odd_after_some_places() -> None:
    now = at(0, 52.0)
    before = [at(hour, 52.0 + hour) for hour in range(1, 9)]
    assert not fixes.oddities([now], window(recent=before[:2]))
    assert fixes.oddities([now], window(recent=before[:3]))
    assert not fixes.oddities([now], window(recent=[at(1, 53.0, 7.24), *before[1:]]))
    level = [msgspec.structs.replace(each, accuracy_m=5.0) for each in [now, *before]]
    assert not fixes.oddities(level[:1], window(recent=level[1:4]))  # some phones know only a few levels
    assert fixes.oddities(level[:1], window(recent=level[1:]))
    assert not fixes.oddities([now] * 9, window())  # one fix, used for all photos of a claim
    assert not fixes.oddities([at(0, 52.0, None)], window(recent=[at(h, 52.0 + h, None) for h in range(1, 9)]))


def test_the_same_place_to_the_last_digit_is_odd_only_after_a_while() -> None:
    now = at(0, 52.1234567)
    assert not fixes.oddities([now], window(recent=[at(-0.2, 52.1234567)]))
    assert fixes.oddities([now], window(recent=[at(2, 52.1234567)]))
    assert not fixes.oddities([now], window(recent=[at(2, 52.1234568)]))


def test_no_phone_knows_its_place_to_the_millimetre() -> None:
    assert fixes.oddities([at(0, 52.0, 0.001)], window()) and not fixes.oddities([at(0, 52.0, 1.5)], window())

"""Bursts: what shows that a scene has depth, what shows that it has none, and what shows neither."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from sensors import decode
from sensors.evidence import Capture, Enrolled, Photo
from sensors.inspection import Parallax, Undecodable
from sensors.live import live
from sensors.motion import Motion, read
from sensors.parallax import agrees_with_motion, parallax
from sensors.statement import statement
from tests.bursts import burst, grey, jpeg, room, sheet
from tests.hands import body
from tests.keys import Key, sha256
from tests.sensors.cast import NOON, asked, seen, window


def of_rooms(moved_m: float, turned_deg: float, distance: float = 2.0) -> list[str]:
    found = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        frames = burst(random, room(random, distance), moved_m=moved_m, turned_deg=turned_deg, noise=2.0)
        found.append(parallax(grey(frames)).state)
    return found


def of_sheets(moved_m: float, turned_deg: float) -> list[str]:
    found = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        frames = burst(random, sheet(random), moved_m=moved_m, turned_deg=turned_deg, noise=2.0)
        found.append(parallax(grey(frames)).state)
    return found


def test_a_room_seen_from_a_hand_that_moves_has_depth() -> None:
    found = Counter(of_rooms(moved_m=0.05, turned_deg=1.0))
    assert found["depth"] >= 5 and found["plane"] == 0, found


def test_a_screen_seen_from_a_hand_that_moves_is_a_plane() -> None:
    found = Counter(of_sheets(moved_m=0.04, turned_deg=1.5))
    assert found["plane"] >= 4 and found["depth"] == 0, found


def test_a_camera_that_only_turns_learns_nothing() -> None:
    assert set(of_rooms(moved_m=0.0, turned_deg=4.0)) == {"inconclusive"}
    assert set(of_sheets(moved_m=0.0, turned_deg=4.0)) == {"inconclusive"}


def test_a_camera_that_stands_still_learns_nothing() -> None:
    assert set(of_rooms(moved_m=0.0, turned_deg=0.0)) == {"inconclusive"}
    assert set(of_sheets(moved_m=0.0, turned_deg=0.0)) == {"inconclusive"}


def test_a_street_too_far_away_is_no_plane() -> None:
    assert set(of_rooms(moved_m=0.04, turned_deg=2.0, distance=60.0)) == {"inconclusive"}


def test_the_turn_and_the_pan_are_the_cameras() -> None:
    random = np.random.default_rng(3)
    scene = room(random, 50.0)
    frames = grey(burst(random, scene, moved_m=0.0, turned_deg=0.0, noise=1.0))
    rows, columns = np.mgrid[0:240, 0:320]
    angle = np.radians(5.0)
    x, y = columns - 159.5, rows - 119.5
    # The content of the second turns by 5 degrees clockwise, as seen.
    from_x = np.clip(np.round(np.cos(angle) * x + np.sin(angle) * y + 159.5), 0, 319).astype(int)
    from_y = np.clip(np.round(-np.sin(angle) * x + np.cos(angle) * y + 119.5), 0, 239).astype(int)
    found = parallax([frames[0], frames[0][from_y, from_x], np.roll(frames[0], 20, axis=1)])
    assert found.spans[0][0] == pytest.approx(5.0, abs=0.3) and found.spans[0][1] < 0.3
    assert found.spans[1][0] == pytest.approx(0.0, abs=0.3)
    assert found.spans[1][1] == pytest.approx(np.degrees(np.arctan(20 / (0.9 * 320))), abs=0.3)


def test_something_that_passes_a_still_camera_gives_no_depth() -> None:
    random = np.random.default_rng(4)
    frames = grey(burst(random, room(random), moved_m=0.0, turned_deg=0.0, noise=1.0))
    passing = np.random.default_rng(5).integers(0, 255, (14, 14)).repeat(6, axis=0).repeat(6, axis=1).astype(np.uint8)
    for k, frame in enumerate(frames):
        frame[80:164, 60 + 8 * k : 144 + 8 * k] = passing
    assert parallax(frames).state == "inconclusive"


NOISE = np.random.default_rng(1).integers(0, 255, (240, 320)).astype(np.uint8)
HOSTILE = {
    "nothing": [],
    "two": [np.zeros((240, 320), np.uint8)] * 2,
    "nine": [np.zeros((240, 320), np.uint8)] * 9,
    "black": [np.zeros((240, 320), np.uint8)] * 3,
    "specks": [np.zeros((1, 1), np.uint8)] * 3,
    "a strip": [np.random.default_rng(1).integers(0, 255, (12, 320)).astype(np.uint8)] * 3,
    "shapes": [np.zeros((240, 320), np.uint8), np.zeros((320, 240), np.uint8), np.zeros((240, 320), np.uint8)],
    "noise": [np.random.default_rng(k).integers(0, 255, (240, 320)).astype(np.uint8) for k in range(4)],
    "stripes": [np.tile(np.arange(320, dtype=np.uint8) % 16 * 15, (240, 1)) for _ in range(4)],
    "mirrored": [NOISE, NOISE[::-1], NOISE[:, ::-1]],
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_pictures_that_show_nothing_give_no_finding(name: str) -> None:
    found = parallax([np.ascontiguousarray(each) for each in HOSTILE[name]])
    assert found.state == "inconclusive" and found.reason


def test_a_burst_is_judged_alike_each_time_and_from_its_files() -> None:
    random = np.random.default_rng(6)
    frames = burst(random, room(random, 1.8), moved_m=0.06, turned_deg=1.0, noise=1.0)
    found = decode.burst(frames[2], frames)
    assert found == decode.burst(frames[2], frames) and found.state == "depth"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Parallax) == found


def test_a_burst_with_a_file_that_is_no_picture_is_refused() -> None:
    good = jpeg(np.zeros((240, 320), np.uint8))
    with pytest.raises(Undecodable):
        decode.burst(good, [good, good[: len(good) // 3], good])


def test_a_burst_of_another_scene_than_the_photos_gives_no_finding() -> None:
    random = np.random.default_rng(6)
    frames = burst(random, room(random, 1.8), moved_m=0.06, turned_deg=1.0, noise=1.0)
    elsewhere = burst(random, room(random, 1.8), moved_m=0.06, turned_deg=1.0, noise=1.0)[0]
    assert decode.burst(elsewhere, frames).state == "inconclusive"
    larger = np.kron(grey(frames)[1], np.ones((4, 4), np.uint8))
    assert decode.burst(jpeg(larger), frames).state == "depth"


def turning(rate: float) -> Motion:
    """Two seconds at 60 Hz of a phone that turns about its z axis, in degrees a second."""
    times = np.arange(120) * 1000 / 60
    rotation = np.column_stack([np.full(120, rate), np.zeros(120), np.zeros(120)])
    return read(body(times, np.tile([0.0, 0.0, 9.81], (120, 1)), rotation))


STILL = turning(0.0)
TURNED = Parallax(spans=[(1.0, 0.2), (2.1, 0.2), (2.9, 0.3)])


def test_pictures_that_turn_as_the_phone_does_agree_by_either_camera() -> None:
    assert agrees_with_motion(TURNED, turning(3.0)) is True
    assert agrees_with_motion(TURNED, turning(-3.0)) is True


def test_pictures_that_turn_while_the_phone_does_not_disagree() -> None:
    assert agrees_with_motion(TURNED, STILL) is False
    to_and_fro = Parallax(spans=[(3.0, 0.0), (-3.0, 0.0), (3.0, 0.0)])
    assert agrees_with_motion(to_and_fro, turning(3.0)) is False


def test_without_a_gyroscope_or_a_turn_there_is_nothing_to_compare() -> None:
    bare = Motion(STILL.times, STILL.acceleration, None)
    assert agrees_with_motion(TURNED, bare) is None
    assert agrees_with_motion(Parallax(spans=[(0.3, 5.0), (-0.4, 6.0)]), turning(3.0)) is None
    assert agrees_with_motion(Parallax(), turning(3.0)) is None


def said(parallax: Parallax | None, moved: bytes) -> str:
    key = Key()
    capture = Capture(
        taken_at=NOON, lat=52.52, lon=13.0, accuracy_m=8.5, nonce="n-1", claim="claim_1", n=1,
        photo_sha256=seen().sha256.hex(), motion_sha256=sha256(moved), device="dev_1",
    )  # fmt: skip
    signed = msgspec.structs.replace(capture, signature=key.sign_capture(statement(capture)))
    photo = Photo(n=1, inspection=seen(), capture=signed, motion=moved, parallax=parallax)
    wanted = asked().photos
    assert wanted is not None
    known = window(claim="claim_1", devices=[Enrolled(id="dev_1", public_key=key.point, own=True)])
    return live(msgspec.structs.replace(wanted, live_capture=True), [photo], known)[0].detail


def test_a_capture_whose_pictures_turn_otherwise_than_the_phone_is_flagged() -> None:
    random = np.random.default_rng(8)
    times = np.arange(120) * 1000 / 60
    sway = np.cumsum(random.normal(0, 0.05, (120, 3)), axis=0)
    moved = body(times, np.tile([0.0, 0.0, 9.81], (120, 1)) + random.normal(0, 0.05, (120, 3)), sway)
    turned = Parallax(spans=[(8.0, 0.2), (-8.0, 0.2), (8.0, 0.3)])
    assert "turned otherwise" in said(turned, moved)
    assert "turned otherwise" not in said(None, moved)
    assert "turned otherwise" not in said(Parallax(spans=[(0.1, 0.0), (0.1, 0.1)]), moved)

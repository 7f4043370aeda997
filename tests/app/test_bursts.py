"""Bursts over HTTP: what the frames around a photo show of depth reaches its verdict."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sensors import decode
from sensors.inspection import Parallax, Undecodable
from tests.app.conftest import Caller, Json, claim, ok, post_task, submit
from tests.app.phone import phone
from tests.bursts import burst, grey, jpeg, room, sheet
from tests.hands import body

Random = np.random.Generator


def off_a_room(seed: int) -> list[bytes]:
    random = np.random.default_rng(seed)
    return burst(random, room(random, 1.8), moved_m=0.06, turned_deg=1.0, noise=1.0)


def off_a_screen(seed: int) -> list[bytes]:
    random = np.random.default_rng(seed)
    return burst(random, sheet(random), moved_m=0.04, turned_deg=1.5, noise=1.0)


def large(frame: bytes, seed: int) -> bytes:
    """A photo of 640 by 480 of what the frame shows, other bytes for each seed."""
    picture = grey([frame])[0].repeat(2, axis=0).repeat(2, axis=1)
    grain = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return jpeg(np.clip(picture + grain, 0, 255).astype(np.uint8))


async def checks(owner: Caller, claimed: Json) -> dict[str, Json]:
    submitted = await submit(owner, claimed)
    await owner.world.jobs()
    found = ok(await owner.get(f"/v1/people/submissions/{submitted['id']}"))
    return {each["name"]: each for each in found["verdict"]["checks"]}


async def test_a_burst_off_a_screen_is_a_signal_and_one_off_a_room_speaks_for_it(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    screen, bakery, kitchen = off_a_screen(1), off_a_room(6), off_a_room(7)
    said = []
    for photo, frames in ((screen, screen), (bakery, bakery), (bakery, bakery[:2]), (bakery, kitchen)):
        claimed = await claim(bo, await post_task(ada))
        await pixel.capture(claimed, large(photo[1], len(said)), frames=frames)
        said.append((await checks(bo, claimed))["not_recaptured"]["status"])
    assert said[:2] == ["warn", "pass"] and not {*said[2:]} & {"warn", "pass", "fail"}, said


async def test_frames_that_the_capture_does_not_name_speak_for_nothing(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    bakery = off_a_room(6)
    await pixel.capture(claimed, large(bakery[1], 9), frames=bakery, frames_sha256=[])
    assert (await checks(bo, claimed))["not_recaptured"]["status"] not in ("pass", "warn")


async def test_frames_that_have_nothing_in_common_cost_nobody_a_verdict(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, frames=8)
    assert (await checks(bo, claimed))["live"]["status"] == "pass"


async def test_a_burst_that_turns_while_the_phone_does_not_is_a_signal(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    random = np.random.default_rng(9)
    sway = np.cumsum(random.normal(0, 0.05, (120, 3)), axis=0)
    pull = np.tile([0.0, 0.0, 9.81], (120, 1)) + np.cumsum(random.normal(0, 0.01, (120, 3)), axis=0)
    still = body(np.arange(120) * 1000 / 60, pull, sway)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, moved=still, frames=rocked())
    live = (await checks(bo, claimed))["live"]
    assert live["status"] == "warn" and "turned otherwise" in live["detail"]


def rocked() -> list[bytes]:
    """One picture of a room, rocked by eight degrees to and fro about the lens's axis."""
    random = np.random.default_rng(10)
    first = grey(off_a_room(10)[:1])[0]
    found = []
    for angle in (0.0, 8.0, -8.0, 8.0):
        turn = cv2.getRotationMatrix2D((159.5, 119.5), angle, 1.0)
        turned = cv2.warpAffine(first, turn, (320, 240)) + random.normal(0, 1, (240, 320))
        found.append(jpeg(np.clip(turned, 0, 255).astype(np.uint8)))
    return found


async def test_the_pool_looks_at_a_burst_as_one_does_here(bo: Caller) -> None:
    frames = off_a_room(6)
    found = await bo.world.services.decode_pool.burst(frames[0], frames)
    assert isinstance(found, Parallax) and found == decode.burst(frames[0], frames)
    with pytest.raises(Undecodable):
        await bo.world.services.decode_pool.burst(frames[0], [frames[0], frames[1][:400], frames[2]])

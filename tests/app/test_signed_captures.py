"""Signed captures over HTTP: what a phone says of a photo, and every way to lie about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.app.conftest import (
    Caller,
    Json,
    World,
    claim,
    is_problem,
    ok,
    person,
    photo,
    picture,
    post_task,
    submit,
)
from tests.app.phone import Phone, phone
from tests.hands import EMULATORS, hand
from tests.keys import Key, base64url

MANY: Json = {"quantity": 20}


async def judged(owner: Caller, claimed: Json) -> Json:
    submitted = await submit(owner, claimed)
    await owner.world.jobs()
    found: Json = ok(await owner.get(f"/v1/people/submissions/{submitted['id']}"))
    return found


def found(submission: Json, name: str = "live") -> Json:
    return next(each for each in submission["verdict"]["checks"] if each["name"] == name)


async def test_an_honest_signed_capture_is_live_and_paid(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, frames=3, heading=271.25)
    await pixel.capture(claimed, n=2)  # the nonce is the claim's: it may sign several photos
    answer = await judged(bo, claimed)
    assert answer["status"] == "accepted" and found(answer)["status"] == "pass", answer["verdict"]


async def test_without_a_device_it_is_a_signal_and_no_fault(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada, acceptance={"checks": ["live", "fresh", "at_place"]}))
    ok(await photo(bo, claimed))
    answer = await judged(bo, claimed)
    assert answer["status"] == "accepted" and found(answer)["status"] == "warn"


OTHER: dict[str, Any] = {
    "claim": "claim_" + "0" * 32, "n": 2, "nonce": "x" * 22, "photo_sha256": "ab" * 32,
    "taken_at": "2026-01-01T00:00:00.000Z", "lat": 52.5200001, "lon": 13.4050001, "accuracy_m": 3.0, "heading": 1.0,
    "motion_sha256": "cd" * 32, "frames_sha256": ["ef" * 32], "device": "dev_" + "0" * 32,
}  # fmt: skip


@pytest.mark.parametrize("field", OTHER)
async def test_whatever_is_altered_after_signing_is_refused(ada: Caller, bo: Caller, field: str) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, altered={field: OTHER[field]})
    answer = await judged(bo, claimed)
    assert answer["status"] == "rejected" and answer["rejection"]["failed_check"] in ("live", "fresh")
    assert found(answer)["data"]["fact"] == {"nonce": "nonce", "device": "device"}.get(field, "signature")


async def test_a_field_left_out_after_signing_is_refused(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    for field in ("lat", "accuracy_m", "motion_sha256"):
        claimed = await claim(bo, await post_task(ada))
        await pixel.capture(claimed, altered={field: None})
        assert found(await judged(bo, claimed))["status"] == "fail"


@pytest.mark.parametrize("field", ["claim", "photo_sha256"])
async def test_what_is_signed_and_untrue_is_refused(ada: Caller, bo: Caller, field: str) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, **{field: OTHER[field]})
    answer = await judged(bo, claimed)
    assert answer["status"] == "rejected"
    assert found(answer)["data"]["fact"] == {"photo_sha256": "photo"}.get(field, field)


async def test_a_capture_of_one_claim_is_none_of_another(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    first, second = await claim(bo, await post_task(ada)), await claim(bo, await post_task(ada))
    content = picture(77)
    header = await pixel.capture(first, content)
    # The whole capture again, then with the other claim's stolen nonce.
    ok(await pixel.upload(second, content, header))
    ok(await pixel.upload(second, picture(78), {**header, "nonce": second["challenge"]["nonce"]}, n=2))
    answer = await judged(bo, second)
    assert answer["status"] == "rejected" and found(answer)["status"] == "fail"
    assert {each["fact"] for each in found(answer)["data"]["each"]} == {"nonce", "signature"}


async def test_a_statement_serves_one_photo_number(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    content = picture(79)
    header = await pixel.capture(claimed, content)
    ok(await pixel.upload(claimed, content, header, n=2))
    assert found(await judged(bo, claimed))["data"]["fact"] == "number"


async def test_a_photo_swapped_for_another_is_refused(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, sent=picture(80))
    assert found(await judged(bo, claimed))["data"]["fact"] == "photo"


async def test_motion_and_frames_swapped_after_signing_are_refused(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    first, second = await claim(bo, await post_task(ada)), await claim(bo, await post_task(ada))
    await pixel.capture(first)
    ok(await pixel.motion(first, hand(pixel.random)))
    assert found(await judged(bo, first))["data"]["fact"] == "motion"
    await pixel.capture(second, frames=2)
    ok(await pixel.frame(second, 2, picture(81, size=(320, 240))))
    assert found(await judged(bo, second))["data"]["fact"] == "frames"


@pytest.mark.parametrize("minutes", [-30, 70, 30])
async def test_a_capture_signed_outside_its_claim_is_refused(ada: Caller, bo: Caller, minutes: int) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    await pixel.capture(claimed, taken_at=f"{at:%Y-%m-%dT%H:%M:%S}.000Z")
    answer = await judged(bo, claimed)
    assert answer["status"] == "rejected" and found(answer)["data"]["fact"] == "time"


async def test_anothers_key_signs_nothing_for_bo(world: World, ada: Caller, bo: Caller) -> None:
    pixel, cleo = await phone(bo), await person(world, "Cleo")
    hers = await phone(cleo, seed=2)
    first, second = await claim(bo, await post_task(ada)), await claim(bo, await post_task(ada))
    await Phone(bo, hers.id, hers.key, pixel.random).capture(first)  # her device, even with her key
    assert found(await judged(bo, first))["data"]["fact"] == "device"
    await Phone(bo, pixel.id, Key(), pixel.random).capture(second)  # his device, another key
    assert found(await judged(bo, second))["data"]["fact"] == "signature"


async def test_two_devices_of_one_person_may_share_a_claim(ada: Caller, bo: Caller) -> None:
    pixel, tablet = await phone(bo), await phone(bo, seed=3)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed)
    await tablet.capture(claimed, n=2)
    assert found(await judged(bo, claimed))["status"] == "pass"


async def test_a_revoked_key_signs_no_more(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    before, after = await claim(bo, await post_task(ada)), await claim(bo, await post_task(ada))
    await pixel.capture(before)
    handed_in = await judged(bo, before)
    ok(await bo.delete(f"/v1/devices/{pixel.id}"), 204)
    await pixel.capture(after)
    assert found(handed_in)["status"] == "pass"
    assert found(await judged(bo, after))["data"]["fact"] == "revoked"


@pytest.mark.parametrize(
    "label", ["OBS Virtual Camera", "ManyCam Video Source", "DroidCam", "fake_device_0", "Snap Camera"]
)
async def test_a_camera_that_is_a_program_is_a_signal(ada: Caller, bo: Caller, label: str) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, camera={"label": label})
    answer = await judged(bo, claimed)
    assert answer["status"] == "accepted" and "program" in found(answer)["detail"]


async def test_a_picture_of_another_size_than_the_cameras_is_a_signal(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    await pixel.capture(claimed, camera={"width": 1920, "height": 1080})
    assert found(await judged(bo, claimed))["status"] == "warn"


async def test_motion_that_is_missing_or_made_up_or_repeated_is_a_signal(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    again = hand(pixel.random)
    said = []
    for moved in (b"", EMULATORS["two sines"](pixel.random), again, again):
        claimed = await claim(bo, await post_task(ada))
        await pixel.capture(claimed, moved=moved)
        said.append(found(await judged(bo, claimed)))
    assert [each["status"] for each in said] == ["warn", "warn", "pass", "warn"]
    assert "exactly as in an earlier photo" in said[-1]["detail"]


async def test_positions_frozen_over_hours_are_a_signal(world: World, ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    seen = []
    for _ in range(5):
        claimed = await claim(bo, await post_task(ada))
        await pixel.capture(claimed, accuracy_m=7.123)
        seen.append(found(await judged(bo, claimed), "at_place")["status"])
    assert seen == ["pass", "pass", "pass", "warn", "warn"]
    same = {"lat": 52.5200123, "lon": 13.4050456}
    for expected in ("pass", "warn"):
        claimed = await claim(bo, await post_task(ada))
        await pixel.capture(claimed, **same)
        assert found(await judged(bo, claimed), "at_place")["status"] == expected
        await world.later(7200)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"v":1,"samples":[]}', b'{"v":2,"samples":[[0,0,0,9]]}', b'{"v":1,"samples":[[0,0,0]]}',
     b'{"v":1,"samples":[[0,0,0,9],[1,0,0,9,0,0,0]]}', b'{"v":1,"samples":[[1,0,0,9],[0,0,0,9]]}',
     b'{"v":1,"samples":[[0,0,0,1e400]]}', b'{"v":1,"samples":[[0,0,0,"9"]]}', b"[" * 60_000, b"\xff"],
)  # fmt: skip
async def test_what_is_no_record_of_motion_is_refused(ada: Caller, bo: Caller, body: bytes) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    is_problem(await pixel.motion(claimed, body), 422, "validation")


async def test_frames_and_motion_have_limits(world: World, ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    small = picture(5, size=(320, 240))
    is_problem(await pixel.motion(claimed, b" " * 65_537), 413, "too-large")
    is_problem(await pixel.frame(claimed, 9, small), 422, "validation")
    is_problem(await pixel.frame(claimed, 1, picture(6, size=(1300, 200))), 422, "validation")
    is_problem(await pixel.frame(claimed, 1, small + b"x" * 500_000), 413, "too-large")
    is_problem(await pixel.frame(claimed, 1, picture(6, size=(200, 150), kind="PNG")), 415, "unsupported-media")
    is_problem(await pixel.frame(claimed, 1, small, n=4), 422, "validation")
    cleo = await person(world, "Cleo")
    theirs = Phone(cleo, pixel.id, pixel.key, pixel.random)
    is_problem(await theirs.motion(claimed, hand(pixel.random)), 404, "not-found")
    is_problem(await theirs.frame(claimed, 1, small), 404, "not-found")


async def test_a_signature_names_its_device_and_hashes_are_hexadecimal(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada))
    content = picture(7)
    stated = pixel.stated(claimed, content)
    for wrong, pointer in (
        ({"device": None}, "/device"),
        ({"photo_sha256": "AB" * 32}, "/photo_sha256"),
        ({"v": 2}, "/v"),
    ):
        header = {**stated, "signature": pixel.key.sign_capture(stated), **wrong}
        refused = is_problem(await pixel.upload(claimed, content, header), 422, "validation")
        assert [each["pointer"] for each in refused["errors"]] == [pointer]


async def test_a_signature_in_another_form_is_none(ada: Caller, bo: Caller) -> None:
    pixel = await phone(bo)
    for text in ("", "AAAA", base64url(b"\0" * 64), base64url(b"\xff" * 64), "§"):
        claimed = await claim(bo, await post_task(ada))
        await pixel.capture(claimed, altered={"signature": text})
        assert found(await judged(bo, claimed))["data"]["fact"] == "signature"

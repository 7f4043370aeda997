"""What is asked is also checked: which checks a task declares by what it asks, and which it cannot declare."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.app.conftest import Caller, Json, World, a_task, claim, is_problem, ok, photo, picture, post_task, submit

PM = {"name": "pm25", "unit": "ug/m3"}
QUESTIONS: Json = {"questions": [{"id": "open", "type": "boolean"}]}


@pytest.mark.parametrize(
    ("evidence", "place", "checks"),
    [
        ({"photos": {}}, True, ["fresh", "at_place", "not_duplicate"]),
        ({"photos": {"live_capture": True}}, False, ["fresh", "not_duplicate", "live"]),
        ({"photos": {"min_sharpness": 6}}, False, ["fresh", "not_duplicate", "quality"]),
        ({"photos": {"min_width": 640}}, False, ["fresh", "not_duplicate", "quality"]),
        ({"photos": {"min_height": 640}}, False, ["fresh", "not_duplicate", "quality"]),
        ({"photos": {"min_brightness": 0.2}}, False, ["fresh", "not_duplicate", "quality"]),
        ({"photos": {"max_brightness": 0.9}}, False, ["fresh", "not_duplicate", "quality"]),
        ({"photos": {"min": 2, "max": 2, "before": 1}}, False, ["fresh", "not_duplicate", "before_after"]),
        ({"readings": [PM]}, True, ["at_place", "readings"]),
        (
            {"photos": {"live_capture": True, "min_width": 9}, "readings": [PM]},
            True,
            ["fresh", "at_place", "not_duplicate", "live", "quality", "readings"],
        ),
        (QUESTIONS, False, []),
    ],
)
async def test_what_is_asked_is_declared(ada: Caller, evidence: Json, place: bool, checks: list[str]) -> None:
    task = {key: value for key, value in a_task(kind="action", evidence=evidence).items() if key != "acceptance"}
    if not place:
        task["place"] = None
    assert ok(await ada.post("/v1/tasks", task), 201)["acceptance"]["checks"] == checks
    # What the buyer says, holds, and so does half of it.
    assert (await post_task(ada, **task, acceptance={"checks": []}))["acceptance"]["checks"] == []
    half = await post_task(ada, **task, acceptance={"mode": "manual"})
    assert half["acceptance"]["checks"] == checks and half["acceptance"]["mode"] == "manual"


@pytest.mark.parametrize("name", ["quality", "unedited", "not_recaptured", "consistent"])
async def test_checks_of_photos_need_photos(ada: Caller, name: str) -> None:
    asked = a_task(kind="action", evidence=QUESTIONS, acceptance={"checks": ["fresh", name]})
    told = is_problem(await ada.post("/v1/tasks", asked), 422, "validation")
    assert [each["pointer"] for each in told["errors"]] == ["/acceptance/checks/1"]
    asked["evidence"] = {**QUESTIONS, "photos": {"min": 1}}
    ok(await ada.post("/v1/tasks", asked), 201)


@pytest.mark.parametrize(
    ("kind", "photos", "checks", "pointer"),
    [
        ("photo", {"min": 2, "max": 2, "before": 1}, ["fresh"], "/evidence/photos/before"),
        ("action", {"min": 2, "max": 3, "before": 2}, ["fresh"], "/evidence/photos/before"),
        ("action", {"min": 2, "max": 2, "before": 0}, ["fresh"], "/evidence/photos/before"),
        ("action", {"min": 2, "max": 2}, ["before_after"], "/evidence/photos/before"),
        ("action", {"min": 2, "max": 2, "work_s": 60}, ["fresh"], "/evidence/photos/work_s"),
        ("action", {"min": 2, "max": 2, "before": 1, "work_s": 3600}, ["fresh"], "/evidence/photos/work_s"),
    ],
)
async def test_only_an_action_has_a_before_and_an_after(
    ada: Caller, kind: str, photos: Json, checks: list[str], pointer: str
) -> None:
    asked = a_task(kind=kind, evidence={"photos": photos}, acceptance={"checks": checks})
    told = is_problem(await ada.post("/v1/tasks", asked), 422, "validation")
    assert [each["pointer"] for each in told["errors"]] == [pointer]


async def test_photos_taken_in_the_wrong_order_are_rejected_and_the_page_says_which_is_which(
    world: World, ada: Caller, bo: Caller
) -> None:
    asked = {"photos": {"min": 2, "max": 2, "before": 1}}
    task = await post_task(ada, kind="action", evidence=asked, acceptance={"checks": ["before_after"]}, quantity=2)
    claimed = await claim(bo, task)
    cookie = {"cookie": f"sensorium_session={bo.secret}"}
    page = (await world.client.get(f"/w/claims/{claimed['id']}", headers=cookie)).text
    assert "Photo 1, before" in page and "Photo 2, after" in page and 'data-before="1"' in page
    moment = datetime.now(UTC)
    for n, minutes in ((1, 5), (2, 0)):
        taken = {"taken_at": (moment + timedelta(minutes=minutes)).isoformat()}
        ok(await photo(bo, claimed, picture(n), n=n, capture=taken))
    submitted = await submit(bo, claimed, answers={})
    await world.jobs()
    seen = ok(await ada.get(f"/v1/submissions/{submitted['id']}"))
    assert seen["status"] == "rejected" and seen["rejection"]["failed_check"] == "before_after"


async def test_the_check_of_readings_needs_readings(ada: Caller) -> None:
    asked = a_task(evidence={"photos": {"min": 1}}, acceptance={"checks": ["readings"]})
    told = is_problem(await ada.post("/v1/tasks", asked), 422, "validation")
    assert [each["pointer"] for each in told["errors"]] == ["/acceptance/checks/0"]


async def test_a_value_that_cannot_be_is_rejected_without_the_buyer(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, kind="reading", evidence={"readings": [PM]}, acceptance={"mode": "auto"})
    given: Json = {"answers": {}, "readings": [{"n": "pm25", "u": "ug/m3", "v": -500}]}
    submitted = await submit(bo, await claim(bo, task), **given)
    await world.jobs()
    judged = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    assert judged["status"] == "rejected" and judged["rejection"]["failed_check"] == "readings"


async def test_a_gallery_file_and_a_small_one_are_rejected_without_the_buyer(
    world: World, ada: Caller, bo: Caller
) -> None:
    refused: list[tuple[Json, Json, str]] = [
        ({"live_capture": True}, {"nonce": None}, "live"),
        ({"min_width": 900}, {}, "quality"),
    ]
    for photos, capture, check in refused:
        task = await post_task(ada, evidence={"photos": photos}, acceptance={"mode": "auto"})
        claimed = await claim(bo, task)
        ok(await photo(bo, claimed, picture(len(check)), capture=capture))
        submitted = await submit(bo, claimed, answers={})
        await world.jobs()
        judged = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
        assert judged["status"] == "rejected" and judged["rejection"]["failed_check"] == check


async def test_whoever_finds_nothing_needs_no_readings_to_be_paid(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, evidence={"photos": {}, "readings": [PM]}, acceptance={"min_score": 0.5})
    assert task["acceptance"]["checks"] == ["fresh", "at_place", "not_duplicate", "readings"]
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed, answers={}, outcome="honest_negative")
    await world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"


async def test_people_read_the_minima_before_they_claim(world: World, ada: Caller) -> None:
    photos = {"min_width": 800, "min_height": 600, "min_sharpness": 6, "min_brightness": 0.15, "max_brightness": 0.9}
    implied = await post_task(ada, evidence={"photos": photos}, acceptance={"mode": "auto"})
    chosen = await post_task(ada, evidence={"photos": photos}, acceptance={"checks": ["fresh"]})
    for task, times in ((implied, 2), (chosen, 1)):
        page = (await world.client.get(f"/w/tasks/{task['id']}")).text
        for words in ("800 × 600 pixels", "sharpness of 6", "darker than 15%", "brighter than 90%"):
            assert page.count(words) == times, words
    one_side = await post_task(ada, evidence={"photos": {"min_height": 700}}, acceptance={"checks": []})
    assert "700 pixels on its longer side" in (await world.client.get(f"/w/tasks/{one_side['id']}")).text

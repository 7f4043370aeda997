"""Fix-ups, appeals and disputes over HTTP: with real photos, and with nothing of what is locked for the buyer."""

import json
from typing import Any

import pytest

from app.docs import endpoints
from market import audit, ids
from tests.app.conftest import Caller, World, answer, claim, is_problem, ok, person, photo, picture, post_task, submit
from tests.app.test_console import Desk, hidden

SECRET = "quagga-0815"
MANUAL = {"mode": "manual", "checks": ["fresh", "not_duplicate"]}
SHOP = {
    "photos": {"min": 1, "max": 3, "live_capture": True},
    "questions": [{"id": "open", "type": "text", "text": "What does the sign say?"}],
}
REJECTED = {"reason_code": "unreadable", "comment": "Too dark."}
FIX = {"reason_code": "incomplete", "comment": "The whole door, please.", "within_s": 3600}


async def handed_in(ada: Caller, bo: Caller, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """Something of Bo's, with a secret in it, that waits for Ada's review or is accepted: as Bo sees it."""
    task = await post_task(ada, **({"acceptance": MANUAL, "evidence": SHOP} | changes))
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, picture(seed)))
    found = await submit(bo, claimed, answers={"open": SECRET}, notes=SECRET)
    await bo.world.jobs()
    return dict(ok(await bo.get(f"/v1/people/submissions/{found['id']}")))


async def test_a_mended_photo_is_judged_again_and_is_no_copy_of_what_it_replaces(
    world: World, ada: Caller, bo: Caller
) -> None:
    found = await handed_in(ada, bo)
    path = f"/v1/submissions/{found['id']}"
    asked = ok(await ada.post(f"{path}/fix-up", FIX))
    assert (asked["status"], asked["fix_up"]["comment"], len(asked["photos"])) == ("fix_up", FIX["comment"], 1)
    is_problem(await ada.post(f"{path}/accept", {}), 409, "wrong-state")
    held = ok(await bo.get(f"/v1/people/claims/{found['claim_id']}"))
    assert held["status"] == "active"
    # Nearly the same picture: a likeness of the one before, which is no use of somebody's photo twice.
    ok(await photo(bo, held, picture(1, size=(648, 486))))
    again = await submit(bo, held, answers={"open": "Back at nine"})
    assert (again["id"], again["status"], again["verdict"]) == (found["id"], "checking", None)
    await world.jobs()
    judged = ok(await ada.get(path))
    assert (judged["status"], judged["answers"]) == ("needs_review", {"open": "Back at nine"})
    checks = {each["name"]: each["status"] for each in judged["verdict"]["checks"]}
    assert checks["not_duplicate"] == "pass", judged["verdict"]
    async with world.services.database.read() as connection:
        rows = await connection.fetch("SELECT n, sha256 FROM photo_hash ORDER BY seq")
    assert [row["n"] for row in rows] == [1, 1] and rows[0]["sha256"] != rows[1]["sha256"], "both stay known"
    # What was replaced is known still: nobody else sells it.
    dee = await person(world, "Dee")
    assert (await answer(dee, await post_task(ada), picture(1)))["status"] == "rejected"


async def test_a_fix_up_that_is_not_mended_is_judged_again_where_photos_were_replaced(
    world: World, ada: Caller, bo: Caller
) -> None:
    found = await handed_in(ada, bo)
    ok(await ada.post(f"/v1/submissions/{found['id']}/fix-up", FIX))
    held = ok(await bo.get(f"/v1/people/claims/{found['claim_id']}"))
    ok(await photo(bo, held, picture(2)))
    await world.later(3601)
    await world.jobs()
    seen = ok(await ada.get(f"/v1/submissions/{found['id']}"))
    assert (seen["status"], seen["answers"]) == ("needs_review", {"open": SECRET})
    assert [each["n"] for each in seen["photos"]] == [1] and seen["verdict"] is not None


async def test_each_way_to_the_evidence_is_shut_for_the_buyer(world: World, ada: Caller, bo: Caller) -> None:
    """Every operation of an agent that only looks, asked for what was refused and for what is contested."""
    refused = await handed_in(ada, bo)
    ok(await ada.post(f"/v1/submissions/{refused['id']}/reject", REJECTED))
    appealed = await handed_in(ada, bo, 2)
    ok(await ada.post(f"/v1/submissions/{appealed['id']}/reject", REJECTED))
    ok(await bo.post(f"/v1/people/submissions/{appealed['id']}/appeal", {"words": "It is light."}), 201)
    disputed = await handed_in(ada, bo, 3, acceptance={**MANUAL, "mode": "auto"})
    assert disputed["status"] == "accepted"
    [observation] = ok(await ada.get("/v1/observations"))["items"]
    assert SECRET in json.dumps(observation), "until then it is there to be read"
    opened = ok(await ada.post(f"/v1/submissions/{disputed['id']}/dispute", _wrong()), 201)
    snapshot = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    tried = 0
    for each in (refused, appealed, disputed):
        names = {
            "submission_id": each["id"], "task_id": each["task_id"], "observation_id": observation["id"],
            "dataset_id": snapshot["id"], "appeal_id": opened["id"], "n": "1",
        }  # fmt: skip
        for spec in endpoints(world.app):
            if spec.method != "GET" or "agent" not in spec.by or not set(spec.parameters) <= set(names):
                continue
            if spec.name in ("stream_events",):
                continue
            told = await ada.get(spec.path.format(**names))
            tried += 1
            assert SECRET not in told.text, spec.path
            assert not told.headers["content-type"].startswith("image/"), spec.path
            if told.status_code == 200 and "submissions/{submission_id}" in spec.path:
                assert (told.json()["photos"], told.json()["answers"], told.json()["readings"]) == ([], {}, None)
    assert tried > 30
    for path in (f"/v1/observations/{observation['id']}", f"/v1/observations/{observation['id']}/photos/1",
                 f"/v1/observations/{observation['id']}/receipt"):  # fmt: skip
        is_problem(await ada.get(path), 403, "evidence-locked")
    explicit = {"observation_ids": [observation["id"]]}
    is_problem(await ada.post("/v1/datasets", explicit), 403, "evidence-locked")
    assert ok(await ada.get(f"/v1/datasets/{snapshot['id']}"))["status"] == "failed"
    # Whoever took it reads it as ever.
    for each in (refused, appealed, disputed):
        assert SECRET in (await bo.get(f"/v1/people/submissions/{each['id']}")).text
        assert (await bo.get(f"/v1/submissions/{each['id']}/photos/1")).status_code == 200


def _wrong() -> dict[str, Any]:
    return {"reason_code": "not_what_was_asked", "words": "The shop next door."}


async def test_an_appeal_from_the_form_to_the_console(world: World, ada: Caller, bo: Caller, olu: Caller) -> None:
    found = await handed_in(ada, bo)
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", REJECTED))
    own = {"cookie": f"sensorium_session={bo.secret}", "sec-fetch-site": "same-origin", "accept": "text/html"}
    page = await world.client.get(f"/w/submissions/{found['id']}", headers=own)
    assert "Is this wrong?" in page.text
    sent = await world.client.post(f"/w/submissions/{found['id']}/appeal", headers=own, data={"words": "It was noon."})
    assert sent.status_code == 303, sent.text
    [appeal] = ok(await ada.get("/v1/disputes"))["items"]
    assert (appeal["by"], appeal["stage"], appeal["bond"]) == ("person", "words", {"amount": 60, "currency": "usd"})
    words = {"words": "Look at photo 1.", "photos": [1]}
    said = ok(await ada.post(f"/v1/disputes/{appeal['id']}/statements", words), 201)
    assert [each["by"] for each in said["statements"]] == ["person", "buyer"]
    answered = await world.client.post(f"/w/disputes/{appeal['id']}/statements", headers=own, data={"words": "I did."})
    assert answered.status_code == 303, answered.text
    page = await world.client.get(f"/w/submissions/{found['id']}", headers=own)
    assert "You have appealed" in page.text and "Look at photo 1." in page.text
    early = {"award_percent": 100, "reason": "It can be read."}
    path = f"/v1/operator/appeals/{appeal['id']}"
    is_problem(await olu.post(f"{path}/decide", early), 409, "not-in-review")
    assert ok(await olu.get("/v1/operator/appeals"))["items"] == []
    await world.later(48 * 3600)
    [waiting] = ok(await olu.get("/v1/operator/appeals", params={"open": "true"}))["items"]
    assert waiting["id"] == appeal["id"]
    case = await olu.get(path)
    assert not any(each in case.text for each in (ada.id, bo.id, found["id"], "buyer"))
    assert (await olu.get(f"{path}/photos/1")).headers["content-type"] == "image/jpeg"
    desk = await Desk(world, olu.secret).sign_in()
    assert appeal["id"] in (await desk.open("/operator/appeals")).text
    shown = await desk.open(f"/operator/appeals/{appeal['id']}")
    assert "It was noon." in shown.text and SECRET in shown.text
    form = {"once": hidden(shown.text, "once"), "reason": "Half of it can be read."}
    wrong = await desk.send(f"/operator/appeals/{appeal['id']}/decide", **form, award_percent="101")
    assert wrong.status_code == 422 and form["reason"] in wrong.text
    done = await desk.send(f"/operator/appeals/{appeal['id']}/decide", **form, award_percent="50", sums_seen="50")
    assert done.status_code == 303, done.text
    page = await world.client.get(f"/w/submissions/{found['id']}", headers=own)
    assert "50 % of the pay is yours" in page.text and "Half of it can be read." in page.text
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 150 + 30
    [observation] = ok(await ada.get("/v1/observations"))["items"]
    receipt = ok(await ada.get(f"/v1/observations/{observation['id']}/receipt"))
    assert "review" in json.dumps(receipt)
    kinds = [each["type"] for each in ok(await ada.get("/v1/events"))["items"]]
    assert [each for each in kinds if each.startswith("appeal.")] == [
        "appeal.opened", "appeal.statement", "appeal.statement", "appeal.decided",
    ]  # fmt: skip
    async with world.services.database.read() as connection:
        assert await audit.audit(connection) == []


async def hal_on_the_pages(hal: Caller, appeal: str) -> None:
    """Whoever was drawn finds it from their work, looks at it without names, and decides."""
    html = {"accept": "text/html"}
    assert "/w/reviews" in (await hal.get("/w/submissions", headers=html)).text
    assert f"/w/reviews/{appeal}" in (await hal.get("/w/reviews", headers=html)).text
    read = (await hal.get(f"/w/reviews/{appeal}", headers=html)).text
    assert SECRET in read and "It is light." in read and "Bo" not in read and "Ada" not in read
    assert f"/v1/people/reviews/{appeal}/photos/1?variant=thumb" in read
    wrong = await hal.post(f"/w/reviews/{appeal}", data={"award_percent": "50", "reason": "Half."}, headers=html)
    assert wrong.status_code == 422
    given = await hal.post(
        f"/w/reviews/{appeal}", data={"award_percent": "100", "reason": "It can be read."}, headers=html
    )
    assert (given.status_code, given.headers["location"]) == (303, "/w/reviews")
    assert "Nothing waits for you" in (await hal.get("/w/reviews", headers=html)).text


async def test_people_review_over_the_api(world: World, ada: Caller, bo: Caller) -> None:
    gil, hal = await person(world, "Gil"), await person(world, "Hal")
    found = await handed_in(ada, bo)
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", REJECTED))
    appeal = ok(await bo.post(f"/v1/people/submissions/{found['id']}/appeal", {"words": "It is light."}), 201)
    await world.later(48 * 3600)
    async with world.services.database.transaction() as connection:
        # Far from Bo's network, and drawn.
        await connection.execute("UPDATE login_code SET used_from = person_id::text")
        await connection.executemany(
            "INSERT INTO appeal_reviewer (appeal_id, person_id) VALUES ($1, $2)",
            [(ids.read("appeal", appeal["id"]), ids.read("person", who.id)) for who in (gil, hal)],
        )
    is_problem(await (await person(world, "Ida")).get(f"/v1/people/reviews/{appeal['id']}"), 404, "not-found")
    path = f"/v1/people/reviews/{appeal['id']}"
    is_problem(await bo.get(path), 404, "not-found")
    assert [each["id"] for each in ok(await gil.get("/v1/people/reviews"))["items"]] == [appeal["id"]]
    assert ok(await gil.get(path))["answers"] == {"open": SECRET}
    assert (await gil.get(f"{path}/photos/1")).headers["content-type"] == "image/jpeg"
    given = {"award_percent": 100, "reason": "It can be read."}
    is_problem(await gil.post(path, given | {"award_percent": 50}), 422, "validation")
    assert ok(await gil.post(path, given), 201) == {"decided": False}
    is_problem(await gil.post(path, given), 409, "review-taken")
    await hal_on_the_pages(hal, appeal["id"])
    assert ok(await bo.get(f"/v1/disputes/{appeal['id']}"))["award_percent"] == 100


@pytest.mark.parametrize("field", ["within_s", "comment", "reason_code"])
async def test_what_is_wrong_with_a_fix_up_is_named(ada: Caller, bo: Caller, field: str) -> None:
    wrong = {"within_s": 599, "comment": "x", "reason_code": "ugly"}[field]
    found = is_problem(
        await ada.post(f"/v1/submissions/sub_{'0' * 32}/fix-up", FIX | {field: wrong}), 422, "validation"
    )
    assert [each["pointer"] for each in found["errors"]] == [f"/{field}"]

"""Bo decides what others see of a photo; Ada gets copies without metadata, and the file only if she said so."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.media import copy_path, original_path
from market.photos import name_of
from tests.app.conftest import (
    Caller,
    World,
    answer,
    claim,
    is_problem,
    ok,
    person,
    photo,
    picture,
    post_task,
    submit,
)
from tests.sensors.test_copies import MARKERS, a_face, encoded, laden

BOX = {"x": 0.25, "y": 0.25, "w": 0.5, "h": 0.5}


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(BytesIO(content)).convert("L"), int)


def busy(content: bytes) -> float:
    """How much goes on in the middle of a picture: the mean step from one pixel to the next."""
    grey = pixels(content)
    height, width = grey.shape
    return float(np.abs(np.diff(grey[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8])).mean())


async def links(ada: Caller, task: Any) -> dict[str, str]:
    [observed] = ok(await ada.get("/v1/observations", params={"task_id": task["id"]}))["items"]
    found: dict[str, str] = observed["photos"][0]["links"]
    return found


async def sold(ada: Caller, bo: Caller, content: bytes, **evidence: Any) -> Any:
    asked = {"photos": {"min": 1, "max": 1, **evidence}}
    task = await post_task(ada, evidence=asked, acceptance={"mode": "manual", "checks": []})
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, content))
    submitted = ok(await bo.post(f"/v1/people/claims/{claimed['id']}/submission", {}), 201)
    await bo.world.jobs()
    state = ok(await ada.get(f"/v1/submissions/{submitted['id']}"))["status"]
    if state == "needs_review":
        ok(await ada.post(f"/v1/submissions/{submitted['id']}/accept", {}))
    return task


async def test_the_file_itself_is_only_for_a_buyer_who_asked_for_it_beforehand(ada: Caller, bo: Caller) -> None:
    content = laden("JPEG")
    plain, asking = await sold(ada, bo, content), None
    asking = await sold(ada, await person(ada.world, "Dee"), laden("PNG"), originals=True)
    assert set(await links(ada, plain)) == {"full", "display", "thumb"}
    display = (await links(ada, plain))["display"]
    is_problem(await ada.get(display.replace("display", "original")), 403, "original-not-asked")
    original = await ada.get((await links(ada, asking))["original"])
    assert original.content == laden("PNG")
    assert original.headers["content-disposition"].startswith("attachment")
    assert original.headers["x-content-type-options"] == "nosniff"


async def test_people_see_before_claiming_that_the_file_itself_is_asked_for(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, evidence={"photos": {"min": 1, "max": 1, "originals": True, "live_capture": True}})
    assert ok(await bo.get(f"/v1/people/tasks/{task['id']}"))["evidence"]["photos"]["originals"] is True
    shown = await bo.get(f"/w/tasks/{task['id']}", headers={"accept": "text/html"})
    assert "as they came" in shown.text
    other = await post_task(ada)
    assert "as they came" not in (await bo.get(f"/w/tasks/{other['id']}", headers={"accept": "text/html"})).text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_no_served_copy_holds_metadata(ada: Caller, bo: Caller, kind: str) -> None:
    task = await sold(ada, bo, laden(kind))
    for link in (await links(ada, task)).values():
        copy = await ada.get(link)
        assert [marker for marker in MARKERS if marker in copy.content] == []
        assert Image.open(BytesIO(copy.content)).size == (240, 320)  # it lay on its side
        assert copy.headers["content-type"] == "image/jpeg"
        assert copy.headers["x-content-type-options"] == "nosniff"
        assert copy.headers["content-disposition"].startswith("inline")


async def test_a_manifest_tells_of_the_copy_that_is_downloaded(world: World, ada: Caller, bo: Caller) -> None:
    await sold(ada, bo, laden("JPEG"))
    await sold(ada, await person(world, "Dee"), laden("WEBP"), originals=True)
    begun = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    items = ok(await ada.get(f"/v1/datasets/{begun['id']}/files"))["items"]
    assert len(items) == 2
    for item, evidence in zip(items, (laden("JPEG"), laden("WEBP")), strict=True):
        [listed] = item["photos"]
        content = (await ada.get(listed["url"])).content
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (listed["sha256"], listed["bytes"])
        assert listed["evidence_sha256"] == hashlib.sha256(evidence).hexdigest()
        assert Image.open(BytesIO(content)).get_format_mimetype() == listed["media_type"]
    assert b"SECRET" not in (await ada.get(items[0]["photos"][0]["url"])).content
    assert b"SECRET" in (await ada.get(items[1]["photos"][0]["url"])).content


# ---- what others shall not see


async def test_bo_is_shown_where_faces_may_be_with_no_promise(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, encoded(a_face())))
    found = ok(await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1/regions"))
    assert [each["kind"] for each in found["suggested"]] == ["face"]
    assert found["hidden"] == []
    assert "guesses" in found["note"]


async def test_a_preview_hides_what_it_is_asked_to_and_keeps_nothing(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(5)))
    path = f"/v1/people/claims/{claimed['id']}/photos/1"
    plain = await bo.get(f"{path}/preview")
    hidden = await bo.get(f"{path}/preview", params={"regions": "0.25,0.25,0.5,0.5"})
    assert hidden.headers["cache-control"] == "no-store"
    assert busy(hidden.content) < busy(plain.content) / 3
    assert ok(await bo.get(f"{path}/regions"))["hidden"] == []


@pytest.mark.parametrize(
    "regions", ["1,2,3", "a,b,c,d", "0,0,2,1", "0,0,0,0", "nan,0,1,1", "0,0,1,1,1", "0,0,.1,.1;" * 101]
)
async def test_regions_that_make_no_sense_are_refused(ada: Caller, bo: Caller, regions: str) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(5)))
    answered = await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1/preview", params={"regions": regions})
    is_problem(answered, 422, "validation")


async def hide(bo: Caller, claimed: Any, *regions: dict[str, float], **more: Any) -> httpx.Response:
    body = {"regions": list(regions), "confirmed": True, **more}
    return await bo.ask("PUT", f"/v1/people/claims/{claimed['id']}/photos/1/blur", json=body)


async def test_what_bo_hides_is_in_no_copy_that_anybody_else_gets(world: World, ada: Caller, bo: Caller) -> None:
    content = picture(6)
    task = await post_task(ada)
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, content))
    before = await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1")
    assert ok(await hide(bo, claimed, BOX)) == {"n": 1, "hidden": [BOX]}
    submitted = await submit(bo, claimed)
    await world.jobs()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "accepted"
    reviewed = await ada.get(f"/v1/submissions/{submitted['id']}/photos/1")
    copies = [(await ada.get(link)).content for link in (await links(ada, task)).values()]
    for copy in (reviewed.content, *copies):
        assert busy(copy) < busy(before.content) / 3
    begun = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    [item] = ok(await ada.get(f"/v1/datasets/{begun['id']}/files"))["items"]
    downloaded = (await ada.get(item["photos"][0]["url"])).content
    assert hashlib.sha256(downloaded).hexdigest() == item["photos"][0]["sha256"]
    assert busy(downloaded) < busy(before.content) / 3


async def test_both_versions_are_kept_apart_and_the_evidence_keeps_its_name(
    world: World, ada: Caller, bo: Caller
) -> None:
    content = picture(6)
    task = await post_task(ada)
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, content))
    ok(await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1/regions"))
    ok(await hide(bo, claimed, BOX))
    await submit(bo, claimed)
    await world.jobs()
    await ada.get((await links(ada, task))["thumb"])
    sha256 = hashlib.sha256(content).digest()
    media = world.services.media
    assert await media.get(original_path(sha256)) == content
    assert await media.get(copy_path(sha256, "full")) is None
    assert await media.get(copy_path(name_of(sha256, [BOX]), "full")) is not None
    [observed] = ok(await ada.get("/v1/observations"))["items"]
    assert observed["photos"][0]["sha256"] == sha256.hex()
    assert (await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1?variant=original")).content == content


async def test_a_copy_made_before_the_hiding_goes(world: World, ada: Caller, bo: Caller) -> None:
    content = picture(6)
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, content))
    await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1?variant=thumb")
    plain = copy_path(hashlib.sha256(content).digest(), "thumb")
    assert await world.services.media.exists(plain)
    ok(await hide(bo, claimed, BOX))
    await world.later(1)
    assert not await world.services.media.exists(plain)
    assert await world.services.media.exists(original_path(hashlib.sha256(content).digest()))


async def test_hiding_can_be_taken_back_and_a_new_photo_begins_anew(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(6)))
    path = f"/v1/people/claims/{claimed['id']}/photos/1/regions"
    ok(await hide(bo, claimed, BOX))
    assert ok(await hide(bo, claimed))["hidden"] == []
    ok(await hide(bo, claimed, BOX))
    ok(await photo(bo, claimed, picture(7)))
    assert ok(await bo.get(path))["hidden"] == []


async def test_hiding_needs_a_confirmation_an_active_claim_and_ones_own_photo(
    world: World, ada: Caller, bo: Caller
) -> None:
    claimed = await claim(bo, await post_task(ada))
    is_problem(await hide(bo, claimed, BOX), 404, "not-found")
    ok(await photo(bo, claimed, picture(6)))
    body = is_problem(await hide(bo, claimed, BOX, confirmed=False), 422, "validation")
    assert body["errors"][0]["pointer"] == "/confirmed"
    is_problem(await hide(bo, claimed, {**BOX, "w": 1.5}), 422, "validation")
    dee = await person(world, "Dee")
    is_problem(await hide(dee, claimed, BOX), 404, "not-found")
    is_problem(await dee.get(f"/v1/people/claims/{claimed['id']}/photos/1?variant=original"), 404, "not-found")
    is_problem(await dee.get(f"/v1/people/claims/{claimed['id']}/photos/1/preview"), 404, "not-found")
    await submit(bo, claimed)
    is_problem(await hide(bo, claimed, BOX), 409, "claim-expired")
    is_problem(await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1/regions"), 409, "claim-expired")


async def test_nothing_can_be_hidden_where_the_file_itself_was_asked_for(ada: Caller, bo: Caller) -> None:
    claimed = await claim(
        bo, await post_task(ada, evidence={"photos": {"min": 1, "max": 1, "originals": True, "live_capture": True}})
    )
    ok(await photo(bo, claimed, picture(6)))
    body = is_problem(await hide(bo, claimed, BOX), 403, "policy-refused")
    assert "as they came" in body["detail"]


async def test_two_who_send_the_same_bytes_hide_each_for_themselves(world: World, ada: Caller, bo: Caller) -> None:
    content = picture(6)
    dee = await person(world, "Dee")
    task = await post_task(ada, quantity=2, acceptance={"mode": "manual", "checks": []})
    mine, hers = await claim(bo, task), await claim(dee, task)
    ok(await photo(bo, mine, content))
    ok(await photo(dee, hers, content))
    ok(await hide(bo, mine, BOX))
    await world.later(1)
    seen_by_bo = await bo.get(f"/v1/people/claims/{mine['id']}/photos/1")
    seen_by_dee = await dee.get(f"/v1/people/claims/{hers['id']}/photos/1")
    assert busy(seen_by_bo.content) < busy(seen_by_dee.content) / 3


# ---- where


async def test_an_observation_says_once_and_coarsely_where_others_may_know_it_is(
    world: World, ada: Caller, bo: Caller
) -> None:
    first = await post_task(ada, place={"lat": 52.52, "lon": 13.405, "radius_m": 80})
    near = await post_task(ada, place={"lat": 52.5203, "lon": 13.4052, "radius_m": 80})
    for task in (first, near):
        assert (await answer(bo, task))["status"] == "accepted"
    items = ok(await ada.get("/v1/observations"))["items"]
    assert items[0]["place"] != items[1]["place"]
    assert items[0]["coarse_place"] == items[1]["coarse_place"] == {"lat": 52.5195, "lon": 13.40756}
    stored = await world.services.database.pool.fetch("SELECT coarse_lat, coarse_lon FROM observation")
    assert {tuple(row) for row in stored} == {(52.5195, 13.40756)}

"""Bo leaves: what is about Bo goes, files and rows; what Ada bought stays; what Bo earned is still paid."""

from __future__ import annotations

import json
from typing import Any

import httpx

from market import ids, ledger
from tests.app.conftest import (
    BAKERY,
    Caller,
    World,
    agent,
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
from tests.app.phone import enrol
from tests.app.test_people import code_for
from tests.keys import Key

MEANT = {"confirm": "erase everything about me"}
LEAVING = {**MEANT, "leave_unpaid": True}
NAME = "Bonifatius Xylander"


async def leave(who: Caller, body: Any = LEAVING) -> httpx.Response:
    return await who.ask("DELETE", "/v1/people/me", json=body)


def files(world: World) -> dict[str, bytes]:
    """Every file in the object storage."""
    folder = world.services.config.data_dir / "media"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def rows(world: World, query: str, *given: Any) -> list[tuple[Any, ...]]:
    async with world.services.database.read() as connection:
        return [tuple(row) for row in await connection.fetch(query, *given)]


async def everything(world: World) -> str:
    """All rows of all tables, as one text."""
    async with world.services.database.read() as connection:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        found = [await connection.fetch(f"SELECT t::text FROM {row['relname']} t") for row in tables]
    return "\n".join(row[0] for table in found for row in table)


async def sold_and_seen(ada: Caller, bo: Caller, content: bytes, **given: Any) -> str:
    """Bo's photo of the bakery is Ada's observation, and has been looked at in every form."""
    task = await post_task(ada)
    assert (await answer(bo, task, content, **given))["status"] == "accepted"
    [seen] = ok(await ada.get("/v1/observations", params={"task_id": task["id"]}))["items"]
    for link in seen["photos"][0]["links"].values():
        assert (await ada.get(link)).status_code == 200
    return str(seen["id"])


async def test_nothing_of_bo_is_left_in_any_table_or_file(world: World, ada: Caller, bo: Caller) -> None:
    ok(await bo.patch("/v1/people/me", {"display_name": NAME}))
    ok(await enrol(bo, Key(), name="Bonifatius' Pixel"), 201)
    await sold_and_seen(ada, bo, picture(1), lat=52.520123, lon=13.405123)
    task = await post_task(ada, acceptance={"mode": "manual", "checks": []})
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, picture(2)))
    await submit(bo, claimed, notes=f"Ask for {NAME}")
    await world.jobs()
    assert files(world)
    done = ok(await leave(bo))
    await world.jobs()
    assert (done["photos"], done["submissions_withdrawn"], done["devices"], done["observations"]) == (2, 1, 1, 1)
    assert files(world) == {}
    left = await everything(world)
    for trace in ("bo@example.com", NAME, "Bonifatius", "52.520123", "13.405123"):
        assert trace not in left, trace
    assert await rows(world, "SELECT count(*) FROM photo") == [(0,)]
    assert await rows(world, "SELECT count(*) FROM doomed_media") == [(0,)]
    assert set(await rows(world, "SELECT person_id, submission_id FROM photo_hash")) == {(None, None)}


async def test_bos_doors_are_shut_and_the_address_is_free_again(world: World, ada: Caller, bo: Caller) -> None:
    ok(await leave(bo))
    is_problem(await bo.get("/v1/people/me"), 401, "unauthenticated")
    is_problem(await leave(bo), 401, "unauthenticated")
    again = await person(world, "Bo")
    assert again.id != bo.id
    assert ok(await again.get("/v1/people/submissions"))["items"] == []


async def test_it_must_be_meant(bo: Caller) -> None:
    is_problem(await bo.delete("/v1/people/me"), 400, "malformed")
    is_problem(await leave(bo, {"confirm": "yes"}), 422, "validation")
    assert ok(await bo.get("/v1/people/me"))["display_name"] == "Bo"


async def test_a_code_that_was_mailed_before_opens_nothing_after(world: World, bo: Caller) -> None:
    await world.later(60)
    draft = {"email": "bo@example.com", "display_name": "Bo", "accept_terms": True}
    ok(await world.client.post("/v1/people", json=draft), 202)
    code = await code_for(world, "bo@example.com")
    ok(await leave(bo))
    tried = await world.client.post("/v1/people/session", json={"email": "bo@example.com", "code": code})
    is_problem(tried, 401, "unauthenticated")


async def test_ada_keeps_the_answers_and_is_told_that_the_photos_go(world: World, ada: Caller, bo: Caller) -> None:
    observation = await sold_and_seen(ada, bo, picture(1))
    before = ok(await ada.get(f"/v1/observations/{observation}"))
    ok(await leave(bo))
    # The links are dead from the commit on, whether the bytes are removed by then or not.
    for link in before["photos"][0]["links"].values():
        is_problem(await ada.get(link), 410, "erased")
    await world.jobs()
    after = ok(await ada.get(f"/v1/observations/{observation}"))
    assert (after["photos"], after["erased_photos"], after["answers"]) == ([], 1, before["answers"])
    assert after["person"] == before["person"]
    told = [each for each in ok(await ada.get("/v1/events"))["items"] if each["type"] == "observation.erased"]
    assert [(each["subject"]["id"], each["data"]) for each in told] == [(observation, {"photos": 1})]
    cy = await agent(world, "Cy")
    is_problem(await cy.get(before["photos"][0]["links"]["full"]), 404, "not-found")


async def test_a_browser_that_kept_a_photo_is_told_too(ada: Caller, bo: Caller) -> None:
    observation = await sold_and_seen(ada, bo, picture(1))
    link = ok(await ada.get(f"/v1/observations/{observation}"))["photos"][0]["links"]["display"]
    tag = (await ada.get(link)).headers["etag"]
    assert (await ada.get(link, headers={"if-none-match": tag})).status_code == 304
    ok(await leave(bo))
    is_problem(await ada.get(link, headers={"if-none-match": tag}), 410, "erased")


async def test_a_dataset_keeps_its_lines_and_hash_and_says_how_many_photos_are_gone(
    world: World, ada: Caller, bo: Caller
) -> None:
    dee = await person(world, "Dee")
    await sold_and_seen(ada, bo, picture(1))
    await sold_and_seen(ada, dee, picture(2))
    begun = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    before = ok(await ada.get(f"/v1/datasets/{begun['id']}"))
    lines = ok(await ada.get(f"/v1/datasets/{begun['id']}/files"))["items"]
    ok(await leave(bo))
    await world.jobs()
    after = ok(await ada.get(f"/v1/datasets/{begun['id']}"))
    assert after == {**before, "erased": 1}
    assert ok(await ada.get(f"/v1/datasets/{begun['id']}/files"))["items"] == lines
    answers = [(await ada.get(line["photos"][0]["url"])).status_code for line in lines]
    assert sorted(answers) == [200, 410]
    anew = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    assert ok(await ada.get(f"/v1/datasets/{anew['id']}"))["status"] == "ready"
    assert [len(line["photos"]) for line in ok(await ada.get(f"/v1/datasets/{anew['id']}/files"))["items"]] == [0, 1]


async def test_what_is_in_progress_is_given_back_and_withdrawn(world: World, ada: Caller, bo: Caller) -> None:
    held = await post_task(ada)
    await claim(bo, held)
    checking, waiting = await post_task(ada), await post_task(ada, acceptance={"mode": "manual", "checks": []})
    for task in (waiting, checking):
        claimed = await claim(bo, task)
        ok(await photo(bo, claimed))
        submitted = await submit(bo, claimed)
        if task is waiting:
            await world.jobs()
    done = ok(await leave(bo))
    assert (done["claims_released"], done["submissions_withdrawn"]) == (1, 2)
    await world.jobs()
    for task in (held, checking, waiting):
        assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"] == {"open": 1, "claimed": 0, "done": 0}
    seen = ok(await ada.get(f"/v1/submissions/{submitted['id']}"))
    assert (seen["status"], seen["rejection"]["reason_code"]) == ("rejected", "withdrawn")
    is_problem(await ada.post(f"/v1/submissions/{submitted['id']}/accept", {}), 409, "wrong-state")
    dee = await person(world, "Dee")
    assert (await answer(dee, checking))["status"] == "accepted"
    assert ok(await ada.get("/v1/account"))["balance"]["held"]["amount"] == 2 * 330


async def test_money_of_a_task_that_has_ended_goes_back_to_ada(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    await claim(bo, task)
    ok(await ada.post(f"/v1/tasks/{task['id']}/cancel"))
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000 - 330
    ok(await leave(bo))
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000


async def test_nobody_else_sells_what_bo_had_sold(world: World, ada: Caller, bo: Caller) -> None:
    await sold_and_seen(ada, bo, picture(1))
    task = await post_task(ada, quantity=2)
    assert (await answer(bo, task, picture(2)))["status"] == "accepted"
    ok(await leave(bo))
    await world.jobs()
    dee, eve = await person(world, "Dee"), await person(world, "Eve")
    for thief, other, stolen in ((dee, await post_task(ada), picture(1)), (eve, task, picture(2))):
        refused = await answer(thief, other, stolen)
        assert (refused["status"], refused["rejection"]["failed_check"]) == ("rejected", "not_duplicate")


async def test_the_same_bytes_of_somebody_else_stay_until_they_go_too(world: World, ada: Caller, bo: Caller) -> None:
    content = picture(1)
    dee = await person(world, "Dee")
    task = await post_task(ada, quantity=2, acceptance={"mode": "manual", "checks": []})
    hers = await claim(dee, task)
    ok(await photo(dee, hers, content))
    mine = await claim(bo, task)
    ok(await photo(bo, mine, content))
    assert (await bo.get(f"/v1/people/claims/{mine['id']}/photos/1")).status_code == 200
    ok(await leave(bo))
    await world.jobs()
    own = f"/v1/people/claims/{hers['id']}/photos/1?variant="
    assert (await dee.get(own + "original")).content == content
    assert (await dee.get(own + "display")).status_code == 200
    ok(await leave(dee))
    await world.jobs()
    assert files(world) == {}


async def test_both_versions_of_a_photo_go_and_those_that_were_replaced(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    body = {"regions": [{"x": 0.1, "y": 0.1, "w": 0.5, "h": 0.5}], "confirmed": True}
    for n in (1, 2):
        ok(await photo(bo, claimed, picture(n)))
        ok(await bo.ask("PUT", f"/v1/people/claims/{claimed['id']}/photos/1/blur", json=body))
        await bo.get(f"/v1/people/claims/{claimed['id']}/photos/1?variant=thumb")
    ok(await leave(bo))
    await world.jobs()
    assert files(world) == {}
    assert await rows(world, "SELECT count(*) FROM photo_copy") == [(0,)]


# ---- money


async def test_earned_money_without_an_account_to_pay_it_to_is_not_left_behind_by_accident(
    world: World, ada: Caller, bo: Caller
) -> None:
    await sold_and_seen(ada, bo, picture(1))
    told = is_problem(await leave(bo, MEANT), 409, "wrong-state")
    assert "leave_unpaid" in told["detail"]
    assert ok(await bo.get("/v1/people/me"))["display_name"] == "Bo"
    assert ok(await leave(bo))["owed"] == [{"amount": 300, "currency": "usd"}]


async def test_what_bo_earned_stays_owed_and_is_released_as_ever(world: World, ada: Caller, bo: Caller) -> None:
    await sold_and_seen(ada, bo, picture(1))
    person_id = ids.read("person", bo.id)
    before = await rows(world, "SELECT * FROM ledger_entry ORDER BY tx_id, line")
    async with world.services.database.transaction() as connection:
        await connection.execute(
            """INSERT INTO payout_account (person_id, stripe_id, transfers, country)
               VALUES ($1, 'acct_1', 'active', 'DE')""",
            person_id,
        )
    ok(await leave(bo, MEANT))
    assert await rows(world, "SELECT * FROM ledger_entry ORDER BY tx_id, line") == before
    await world.later(world.services.config.hold_window_s + 1)
    async with world.services.database.read() as connection:
        assert await ledger.balances(connection, [ledger.person(person_id, "payable")], "usd") == [300]
        assert await connection.fetchval("SELECT transfers FROM payout_account") == "active"


# ---- by the page


async def test_bo_leaves_by_the_page_once_it_is_meant(world: World, ada: Caller, bo: Caller) -> None:
    await sold_and_seen(ada, bo, picture(1))
    page = {"accept": "text/html", "sec-fetch-site": "same-origin"}

    async def press(**form: str) -> httpx.Response:
        return await bo.ask("POST", "/w/me/erase", data=form, headers=page)

    assert "3.00" in (await bo.get("/w/me", headers=page)).text
    assert (await press(sure="no")).status_code == 422
    refused = await press(sure="yes")
    assert refused.status_code == 409 and "named no account" in refused.text
    gone = await press(sure="yes", leave_unpaid="yes")
    assert (gone.status_code, gone.headers["location"]) == (303, "/w")
    assert "Max-Age=0" in gone.headers["set-cookie"]
    is_problem(await bo.get("/v1/people/me"), 401, "unauthenticated")


# ---- everything about oneself


async def test_bo_takes_everything_along(world: World, ada: Caller, bo: Caller) -> None:
    ok(await enrol(bo, Key(), name="Pixel"), 201)
    await sold_and_seen(ada, bo, picture(1))
    answered = await bo.get("/v1/people/me/export")
    assert answered.headers["content-disposition"].startswith("attachment")
    assert answered.headers["cache-control"] == "no-store"
    found = ok(answered)
    assert found["person"]["email"] == "bo@example.com"
    tables = found["tables"]
    assert {
        name: len(tables[name]) for name in ("devices", "claims", "photos", "submissions", "earnings")
    } == dict.fromkeys(("devices", "claims", "photos", "submissions", "earnings"), 1)
    assert (await bo.get(tables["photos"][0]["link"])).content == picture(1)
    assert tables["photos"][0]["capture"]["lat"] == BAKERY["lat"]
    assert tables["submissions"][0]["verdict"]["outcome"] == "pass"
    assert any(mail["subject"].endswith("is your Sensorium code") for mail in tables["mails"])
    assert "photo.stored" in {each["type"] for each in tables["events"]}


async def test_nobody_else_is_in_bos_export(world: World, ada: Caller, bo: Caller) -> None:
    dee = await person(world, "Dee")
    await sold_and_seen(ada, dee, picture(1))
    found = ok(await bo.get("/v1/people/me/export"))
    assert found["tables"]["photos"] == found["tables"]["submissions"] == []
    assert "dee@example.com" not in json.dumps(found)
    assert dee.id not in json.dumps(found)


async def test_dee_stays_when_bo_leaves(world: World, ada: Caller, bo: Caller) -> None:
    dee = await person(world, "Dee")
    observation = await sold_and_seen(ada, dee, picture(1))
    active = await claim(dee, await post_task(ada))
    before = files(world)
    ok(await leave(bo))
    await world.jobs()
    assert files(world) == before
    assert ok(await dee.get(f"/v1/people/claims/{active['id']}"))["status"] == "active"
    assert len(ok(await ada.get(f"/v1/observations/{observation}"))["photos"]) == 1

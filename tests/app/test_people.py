"""People over HTTP: signing in by mailed codes, what is near, claims, an honest negative."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from app.serve import behind_proxies
from market import people
from tests.app.conftest import (
    BAKERY,
    Caller,
    World,
    a_task,
    answer,
    claim,
    fund,
    is_problem,
    ok,
    person,
    photo,
    post_task,
    submit,
)

SIGN_UP = {"email": "bo@example.com", "display_name": "Bo", "languages": ["en"], "accept_terms": True}


async def code_for(world: World, email: str) -> str:
    mail = ok(await world.client.get("/sandbox/outbox", params={"to": email}))["items"][0]
    assert mail["to"] == email
    return str(mail["text"].split("Your code is ")[1][:6])


async def try_code(world: World, code: str, email: str = "bo@example.com") -> int:
    return (await world.client.post("/v1/people/session", json={"email": email, "code": code})).status_code


async def test_a_code_opens_one_session_once(world: World) -> None:
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)
    code = await code_for(world, "bo@example.com")
    token = ok(await world.client.post("/v1/people/session", json={"email": "Bo@Example.com", "code": code}), 201)
    assert token["token"].startswith("wk_")
    assert await try_code(world, code) == 401


async def test_five_wrong_codes_end_the_right_one_too(world: World) -> None:
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)
    code = await code_for(world, "bo@example.com")
    wrong = "000000" if code != "000000" else "111111"
    assert [await try_code(world, wrong) for _ in range(5)] == [401] * 5
    assert await try_code(world, code) == 401


async def test_a_code_expires(world: World) -> None:
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)
    code = await code_for(world, "bo@example.com")
    await world.later(601)
    assert await try_code(world, code) == 401


async def test_nobody_learns_whether_an_address_is_known(world: World) -> None:
    first = await world.client.post("/v1/people", json=SIGN_UP)
    await world.later(31)
    again = await world.client.post("/v1/people", json={**SIGN_UP, "display_name": "Mallory"})
    assert (first.status_code, first.content) == (again.status_code, again.content) == (202, b"")
    unknown = {"email": "nobody@example.com", "code": "123456"}
    is_problem(await world.client.post("/v1/people/session", json=unknown), 401, "unauthenticated")


async def test_codes_are_not_mailed_more_often_than_twice_a_minute(world: World) -> None:
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)
    refused = await world.client.post("/v1/people", json=SIGN_UP)
    is_problem(refused, 429, "rate-limited")
    assert int(refused.headers["retry-after"]) > 0
    assert len(ok(await world.client.get("/sandbox/outbox"))["items"]) == 1


@asynccontextmanager
async def on_network(world: World, address: str, trusted: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests come from `address`, to a service that believes the proxies `trusted`."""
    app = cast(Any, behind_proxies(world.app, trusted))
    transport = httpx.ASGITransport(app=app, client=(address, 40_000), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=world.client.base_url) as client:
        yield client


async def test_whoever_asks_for_bos_codes_all_day_neither_spoils_his_nor_locks_him_out(world: World) -> None:
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)
    code = await code_for(world, "bo@example.com")
    async with on_network(world, "198.51.100.1") as mallory:
        for n in range(30):
            asked = await mallory.post("/v1/people", json=SIGN_UP)
            assert asked.status_code in (202, 429)
            for guess in ("000001", "000002"):
                answer = await mallory.post("/v1/people/session", json={"email": "bo@example.com", "code": guess})
                wrong = (401, "unauthenticated") if n < 25 else (429, "rate-limited")
                is_problem(answer, *wrong)
        ok(await world.client.post("/v1/people/session", json={"email": "bo@example.com", "code": code}), 201)
        for _ in range(100):
            await world.later(31)
            await mallory.post("/v1/people", json=SIGN_UP)
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)
    code = await code_for(world, "bo@example.com")
    ok(await world.client.post("/v1/people/session", json={"email": "bo@example.com", "code": code}), 201)


async def test_a_known_and_an_unknown_address_are_answered_alike(world: World, bo: Caller) -> None:
    """Until the limit and beyond: what a stranger sees says nothing of who has signed up."""
    seen = []
    async with on_network(world, "198.51.100.1") as mallory:
        for email in ("bo@example.com", "nobody@example.com"):
            for _ in range(7):
                asked = await mallory.post("/v1/people", json={**SIGN_UP, "email": email})
                tried = await mallory.post("/v1/people/session", json={"email": email, "code": "1"})
                told = [answer.json() if answer.content else {} for answer in (asked, tried)]
                seen.append([asked.status_code, tried.status_code, *[each.get("detail") for each in told]])
                await world.later(31)
    assert seen[:7] == seen[7:]
    assert [each[0] for each in seen[:7]] == [202] * 5 + [429] * 2


async def test_a_network_that_tries_many_wrong_codes_is_refused_for_every_address(world: World, bo: Caller) -> None:
    await world.later(31)
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)
    code = await code_for(world, "bo@example.com")
    known, unknown = ({"email": f"{name}@example.com", "code": code} for name in ("bo", "nobody"))
    async with on_network(world, "198.51.100.1") as mallory:
        for n in range(people.WRONG_TRIES_OF_NETWORK):
            guess = {"email": f"n{n}@example.com", "code": "1"}
            is_problem(await mallory.post("/v1/people/session", json=guess), 401, "unauthenticated")
        seen = [await mallory.post("/v1/people/session", json=each) for each in (known, unknown)]
        assert [is_problem(each, 429, "rate-limited")["detail"] for each in seen] == [seen[0].json()["detail"]] * 2
        site = {"sec-fetch-site": "same-origin", "accept": "text/html"}
        page = await mallory.post("/w/sign-in/code", data=known, headers=site)
        assert page.status_code == 429 and "Too many wrong codes" in page.text and 'name="code"' in page.text
    ok(await world.client.post("/v1/people/session", json=known), 201)


async def test_a_network_has_few_codes_sent_that_nobody_uses(world: World) -> None:
    async with on_network(world, "198.51.100.1") as mallory:
        for n in range(people.CODES_A_DAY_OF_NETWORK):
            ok(await mallory.post("/v1/people", json={**SIGN_UP, "email": f"n{n}@example.com"}), 202)
        seen = [await mallory.post("/v1/people", json={**SIGN_UP, "email": f"n{n}@example.com"}) for n in (99, 0)]
        assert [is_problem(each, 429, "rate-limited")["detail"] for each in seen] == [seen[0].json()["detail"]] * 2
    assert ok(await world.client.get("/sandbox/outbox", params={"to": "n99@example.com"}))["items"] == []
    ok(await world.client.post("/v1/people", json=SIGN_UP), 202)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("a-socket", "unknown"),
    ],
)
async def test_limits_go_by_the_network_that_asks(world: World, address: str, network: str) -> None:
    async with on_network(world, address) as client:
        ok(await client.post("/v1/people", json=SIGN_UP), 202)
    async with world.services.database.read() as connection:
        assert await connection.fetchval("SELECT network FROM login_code") == network


@pytest.mark.parametrize(
    ("peer", "forwarded", "network"),
    [
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),  # what the client made up comes first
        ("10.0.0.1", "somebody", "unknown"),
        ("198.51.100.1", "203.0.113.5", "198.51.100.1"),
    ],
)
async def test_only_a_trusted_proxy_is_believed_where_a_request_comes_from(
    world: World, peer: str, forwarded: str, network: str
) -> None:
    async with on_network(world, peer, trusted="10.0.0.0/8,::1/128") as client:
        ok(await client.post("/v1/people", json=SIGN_UP, headers={"x-forwarded-for": forwarded}), 202)
    async with world.services.database.read() as connection:
        assert await connection.fetchval("SELECT network FROM login_code") == network


async def test_the_terms_must_be_accepted(world: World) -> None:
    refused = await world.client.post("/v1/people", json={**SIGN_UP, "accept_terms": False})
    assert is_problem(refused, 422, "validation")["errors"][0]["pointer"] == "/accept_terms"


async def test_a_person_changes_what_they_say_of_themselves(bo: Caller) -> None:
    changed = ok(await bo.patch("/v1/people/me", {"languages": ["de", "en"]}))
    assert (changed["display_name"], changed["languages"]) == ("Bo", ["de", "en"])
    assert ok(await bo.get("/v1/people/me")) == changed
    is_problem(await bo.patch("/v1/people/me", {"email": "x@example.com"}), 422, "validation")


async def test_signing_out_ends_this_session_only(world: World, bo: Caller) -> None:
    await world.later(31)
    elsewhere = await person(world, "Bo")
    ok(await bo.delete("/v1/people/session"), 204)
    is_problem(await bo.get("/v1/people/me"), 401, "unauthenticated")
    assert ok(await elsewhere.get("/v1/people/me"))["display_name"] == "Bo"


async def test_what_is_near_comes_nearest_first_and_for_guests_too(world: World, ada: Caller, bo: Caller) -> None:
    for n, lat in enumerate((52.60, 52.53, 52.521, 48.0)):
        await post_task(ada, external_id=f"{n}", place={"lat": lat, "lon": 13.405, "radius_m": 50}, title=f"Task {n}")
    await post_task(ada, place=None, title="Anywhere", acceptance={"checks": ["fresh"]})
    query = {"lat": 52.52, "lon": 13.405, "radius_m": 20_000}
    for ask in (bo.get, world.client.get):
        offers = ok(await ask("/v1/people/tasks", params=query))["items"]
        assert [offer["title"] for offer in offers] == ["Task 2", "Task 1", "Task 0", "Anywhere"]
    assert offers[0]["distance_m"] == 111
    assert offers[0]["reward"]["amount"] == 300 and offers[0]["fee"]["amount"] == 30
    assert "metadata" not in offers[0] and "external_id" not in offers[0]
    pages = []
    cursor: str | None = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        page = ok(await bo.get("/v1/people/tasks", params={**query, "limit": 3, **more}))
        pages += [offer["title"] for offer in page["items"]]
        cursor = page["next_cursor"]
    assert pages == ["Task 2", "Task 1", "Task 0", "Anywhere"]
    rich = ok(await bo.get("/v1/people/tasks", params={**query, "min_reward": 301}))
    assert rich["items"] == []


async def test_a_claimed_task_is_no_longer_offered_and_comes_back_when_released(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    claimed = await claim(bo, task)
    assert len(claimed["challenge"]["code"]) == 4
    where = {"lat": 52.52, "lon": 13.405}
    assert ok(await bo.get("/v1/people/tasks", params=where))["items"] == []
    assert [each["id"] for each in ok(await bo.get("/v1/people/claims"))["items"]] == [claimed["id"]]
    ok(await bo.delete(f"/v1/people/claims/{claimed['id']}"), 204)
    assert len(ok(await bo.get("/v1/people/tasks", params=where))["items"]) == 1
    assert (await claim(bo, task))["id"] != claimed["id"]


async def test_an_honest_negative_is_paid(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed, answers={}, outcome="honest_negative", notes="The shop is gone.")
    await world.jobs()
    judged = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    assert (judged["status"], judged["outcome"]) == ("accepted", "honest_negative")
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 300


async def test_earnings_show_every_currency_that_was_earned(world: World, ada: Caller, bo: Caller) -> None:
    nothing = ok(await bo.get("/v1/people/earnings"))
    assert [each["paid"] for each in nothing["by_currency"]] == [{"amount": 0, "currency": "usd"}]
    opened = await world.client.post(
        "/v1/accounts", json={"name": "Dee", "email": "dee@example.com", "currency": "eur"}
    )
    dee = Caller(world, opened.json()["account"]["id"], opened.json()["api_key"])
    await fund(dee, 100_000, "eur")
    assert (await answer(bo, await post_task(dee, reward={"amount": 250, "currency": "eur"})))["status"] == "accepted"
    seen = ok(await bo.get("/v1/people/earnings"))
    assert seen["pending"] == {"amount": 250, "currency": "eur"}
    assert [each["pending"]["currency"] for each in seen["by_currency"]] == ["eur"]

    for _ in range(2):
        assert (await answer(bo, await post_task(ada)))["status"] == "accepted"
    seen = ok(await bo.get("/v1/people/earnings"))
    assert [each["pending"]["amount"] for each in seen["by_currency"]] == [600, 250]
    await world.later(world.services.config.hold_window_s + 1)
    seen = ok(await bo.get("/v1/people/earnings"))
    sums = [{name: (each["amount"], each["currency"]) for name, each in sums.items()} for sums in seen["by_currency"]]
    assert sums == [
        {"pending": (0, "usd"), "payable": (600, "usd"), "held": (0, "usd"), "paid": (0, "usd"), "owed": (0, "usd")},
        {"pending": (0, "eur"), "payable": (250, "eur"), "held": (0, "eur"), "paid": (0, "eur"), "owed": (0, "eur")},
    ]
    assert {name: seen[name] for name in ("pending", "payable", "held", "paid", "owed")} == seen["by_currency"][0]
    assert [line["amount"] for line in seen["lines"]] == [
        {"amount": 300, "currency": "usd"}, {"amount": 300, "currency": "usd"}, {"amount": 250, "currency": "eur"}
    ]  # fmt: skip
    page = (await bo.get("/w/earnings")).text
    assert 'id="payable">$6.00<' in page and 'id="payable-eur">€2.50<' in page, page


async def test_readings_are_judged_by_unit_and_range(world: World, ada: Caller, bo: Caller) -> None:
    asked = {
        "kind": "reading",
        "evidence": {"readings": [{"name": "pm25", "unit": "ug/m3"}]},
        "acceptance": {"checks": ["readings"], "min_score": 0.3},
    }
    for value, unit, status in ((12.5, "ug/m3", "accepted"), (13.5, "µg/m³", "accepted"), (-4, "ug/m3", "rejected")):
        task = ok(await ada.post("/v1/tasks", a_task(**asked)), 201)
        position = {**BAKERY, "accuracy_m": 5}
        claimed = ok(await bo.post(f"/v1/people/tasks/{task['id']}/claims", position), 201)
        pack = [{"n": "pm25", "u": unit, "v": value}]
        submitted = await submit(bo, claimed, answers={}, readings=pack)
        await world.jobs()
        judged = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
        assert judged["status"] == status, judged["verdict"]


async def test_the_same_photo_number_again_replaces_the_photo(world: World, ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed))
    second = ok(await photo(bo, claimed))
    submitted = await submit(bo, claimed)
    assert [each["sha256"] for each in submitted["photos"]] == [second["sha256"]]
    thumb = await bo.get(submitted["photos"][0]["links"]["thumb"])
    assert thumb.headers["content-type"] == "image/jpeg"

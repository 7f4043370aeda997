"""Over HTTP: what is offered is found, previewed and bought, and is the buyer's then; each refusal has its problem."""

import asyncio
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from market.audit import audit
from tests.app.conftest import (
    BAKERY,
    Caller,
    Json,
    World,
    a_task,
    agent,
    answer,
    fund,
    is_problem,
    ok,
    picture,
    post_task,
)

CC_BY = {"id": "CC-BY-4.0"}


def usd(amount: int) -> Json:
    return {"amount": amount, "currency": "usd"}


async def observed(ada: Caller, bo: Caller, seed: int = 1, **task: Any) -> str:
    """A photo of Bo's that Ada has paid for: the observation's id."""
    judged = await answer(bo, await post_task(ada, **task), picture(seed))
    assert judged["status"] == "accepted"
    found: str = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    return found


async def offer(seller: Caller, observation: str, price: int = 500, **terms: Any) -> Json:
    draft = {"observation_id": observation, "price": usd(price), "license": CC_BY, **terms}
    found: Json = ok(await seller.post("/v1/listings", draft), 201)
    return found


async def buy(buyer: Caller, listing: Json, most: int = 10_000, **asked: Any) -> Json:
    found: Json = ok(await buyer.post(listing["links"]["buy"], {"max_price": usd(most), **asked}), 201)
    return found


@pytest.fixture
async def seen(ada: Caller, bo: Caller) -> str:
    return await observed(ada, bo)


@pytest.fixture
async def rich_cy(cy: Caller) -> Caller:
    await fund(cy, 100_000)
    return cy


async def test_what_is_offered_is_found_looked_at_and_bought(
    world: World, ada: Caller, bo: Caller, rich_cy: Caller, seen: str
) -> None:
    listing = await offer(ada, seen, royalty_percent=20)
    cy = rich_cy
    found = ok(await cy.get(f"/v1/listings?near={BAKERY['lat']},{BAKERY['lon']}&what=bakery&kind=photo&max_price=500"))
    [shown] = found["items"]
    assert shown["id"] == listing["id"] and shown["price_now"] == usd(500) and shown["distance_m"] < 750
    assert [each["id"] for each in shown["asks"]] == ["open"] and "answers" not in shown
    assert shown["coarse_places"] != [BAKERY] and len(shown["coarse_places"]) == 1
    preview = await cy.get(shown["previews"][0])
    assert preview.status_code == 200 and preview.headers["content-type"] == "image/jpeg"
    image = Image.open(BytesIO(preview.content))
    assert max(image.size) == 320 and not image.getexif()
    again = await cy.get(shown["previews"][0], headers={"if-none-match": preview.headers["etag"]})
    assert again.status_code == 304

    is_problem(await cy.get(f"/v1/observations/{seen}"), 404, "not-found")
    balance = ok(await cy.get("/v1/account"))["balance"]["available"]["amount"]
    sale = await buy(cy, listing)
    assert (sale["price"], sale["royalty"], sale["role"]) == (usd(500), usd(100), "buyer")
    assert sale["fee"]["amount"] + sale["proceeds"]["amount"] == 400
    assert ok(await cy.get("/v1/account"))["balance"]["available"]["amount"] == balance - 500
    mine = ok(await cy.get(f"/v1/observations/{seen}"))
    assert (mine["answers"], mine["license"], mine["sale_id"]) == ({"open": "open"}, "CC-BY-4.0", sale["id"])
    assert (mine["title"], mine["asks"][0]["id"]) == (shown["title"], "open")
    assert mine["task_external_id"] is None and mine["place"] == BAKERY
    photo = await cy.get(mine["photos"][0]["links"]["full"])
    thumb = await cy.get(mine["photos"][0]["links"]["thumb"])
    assert photo.status_code == 200 and thumb.content != preview.content
    assert ok(await cy.get(f"/v1/observations/{seen}/receipt"))["content"]["observation"] == seen
    assert [each["id"] for each in ok(await ada.get("/v1/sales?role=seller"))["items"]] == [sale["id"]]
    assert ok(await ada.get(f"/v1/sales/{sale['id']}"))["role"] == "seller"
    assert ok(await ada.get("/v1/sales?role=buyer"))["items"] == []
    told = [each["type"] for each in ok(await ada.get("/v1/events"))["items"]]
    assert "sale.sold" in told and "listing.created" in told
    lines = ok(await bo.get("/v1/people/earnings"))["lines"]
    assert [(each["kind"], each["amount"]) for each in lines] == [("royalty", usd(100)), ("reward", usd(300))]
    page = await world.client.get("/w/earnings", headers={"cookie": f"sensorium_session={bo.secret}"})
    assert page.status_code == 200 and "royalty" in page.text
    async with world.services.database.read() as connection:
        assert await audit(connection) == []


async def test_a_data_set_that_is_bought_is_built_and_served(
    world: World, ada: Caller, bo: Caller, rich_cy: Caller, seen: str
) -> None:
    await observed(ada, bo, 2)
    made = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    draft = {"dataset_id": made["id"], "price": usd(900), "license": CC_BY}
    listing = ok(await ada.post("/v1/listings", draft), 201)
    assert (listing["items"], listing["photos"], len(listing["previews"])) == (2, 2, 2)
    assert (await rich_cy.get(listing["previews"][1])).status_code == 200
    is_problem(await rich_cy.get(f"/v1/listings/{listing['id']}/preview/3"), 404, "not-found")
    sale = await buy(rich_cy, listing)
    await world.jobs()
    theirs = ok(await rich_cy.get(f"/v1/datasets/{sale['dataset_id']}"))
    assert (theirs["status"], theirs["rows"], theirs["licenses"]) == ("ready", 2, ["CC-BY-4.0"])
    files = ok(await rich_cy.get(f"/v1/datasets/{sale['dataset_id']}/files"))["items"]
    assert [(await rich_cy.get(each["photos"][0]["url"])).status_code for each in files] == [200, 200]
    assert [(each["title"], each["asks"]) for each in files] == [(listing["title"].split(": ")[1], listing["asks"])] * 2
    is_problem(await rich_cy.get(f"/v1/datasets/{made['id']}"), 404, "not-found")


async def test_each_refusal_has_a_problem_of_its_own(
    ada: Caller, bo: Caller, rich_cy: Caller, world: World, seen: str
) -> None:
    cy, listing = rich_cy, await offer(ada, seen)
    offered = {"observation_id": seen, "price": usd(500), "license": CC_BY}
    purchase = {"max_price": usd(500)}
    at = f"/v1/listings/{listing['id']}"
    there = is_problem(await ada.post("/v1/listings", offered), 409, "already-listed")
    assert listing["id"] in there["detail"]
    is_problem(await ada.post(f"{at}/buy", purchase), 409, "already-owned")
    is_problem(await cy.post(f"{at}/buy", {"max_price": usd(499)}), 409, "price-changed")
    is_problem(await cy.post(f"{at}/buy", {"max_price": {"amount": 500, "currency": "eur"}}), 422, "validation")
    is_problem(await cy.patch(at, {"status": "paused"}), 404, "not-found")
    ok(await ada.patch(at, {"status": "paused"}))
    is_problem(await ada.patch(at, {"status": "paused"}), 409, "wrong-state")
    is_problem(await cy.post(f"{at}/buy", purchase), 409, "listing-not-active")
    is_problem(await cy.get(f"{at}/preview/1"), 409, "listing-not-active")
    ok(await ada.patch(at, {"status": "active", "price": usd(450)}))
    await buy(cy, listing, 450)
    is_problem(await cy.post("/v1/listings", offered), 403, "not-for-resale")
    ok(await ada.post(f"{at}/end"))
    is_problem(await ada.patch(at, {"price": usd(1)}), 409, "listing-over")
    never = await observed(ada, bo, 4, license={"exclusive_s": 0, "resale": False})
    own = await observed(ada, bo, 3, license={"exclusive_s": 600, "resale": True})
    waiting = await offer(ada, own)
    assert waiting["available_from"] is not None
    is_problem(await cy.post(waiting["links"]["buy"], purchase), 409, "exclusive")
    await world.later(601)
    poor = await agent(world, "Poor")
    is_problem(await poor.post(waiting["links"]["buy"], purchase), 402, "insufficient-funds")
    capped = Caller(world, "", ok(await cy.post("/v1/keys", {"max_per_task": 499}), 201)["api_key"])
    is_problem(await capped.post(waiting["links"]["buy"], purchase), 402, "over-cap")
    is_problem(await ada.post("/v1/listings", offered | {"observation_id": never}), 403, "not-for-resale")


async def test_the_same_purchase_twice_is_made_once(ada: Caller, rich_cy: Caller, seen: str) -> None:
    listing = await offer(ada, seen)
    asked = {"json": {"max_price": usd(500)}, "headers": {"idempotency-key": "one-purchase"}}
    first = ok(await rich_cy.ask("POST", listing["links"]["buy"], **asked), 201)
    second = await rich_cy.ask("POST", listing["links"]["buy"], **asked)
    assert ok(second, 201) == first and second.headers["idempotent-replayed"] == "true"
    assert len(ok(await rich_cy.get("/v1/sales"))["items"]) == 1


async def test_of_many_who_buy_it_alone_at_once_one_has_it(world: World, ada: Caller, bo: Caller, seen: str) -> None:
    terms = {"exclusive": {"for_s": 600, "price": usd(900)}}
    listing = await offer(ada, seen, **terms)
    buyers = [await agent(world, f"Buyer{n}") for n in range(6)]
    for each in buyers:
        await fund(each, 10_000)
    asked = {"max_price": usd(900), "exclusive": True}
    answers = await asyncio.gather(*(each.post(listing["links"]["buy"], asked) for each in buyers))
    assert sorted(each.status_code for each in answers) == [201, *[409] * 5]
    for each in answers:
        if each.status_code != 201:
            is_problem(each, 409, "exclusive")
    assert len(ok(await ada.get("/v1/sales"))["items"]) == 1
    async with world.services.database.read() as connection:
        assert await audit(connection) == []


async def test_an_erasure_and_sales_at_once_leave_nothing_for_sale(
    world: World, ada: Caller, bo: Caller, seen: str
) -> None:
    listing = await offer(ada, seen)
    buyers = [await agent(world, f"Buyer{n}") for n in range(4)]
    for each in buyers:
        await fund(each, 10_000)
    gone = bo.ask("DELETE", "/v1/people/me", json={"confirm": "erase everything about me", "leave_unpaid": True})
    erased, *answers = await asyncio.gather(
        gone, *(each.post(listing["links"]["buy"], {"max_price": usd(500)}) for each in buyers)
    )
    assert erased.status_code == 200, erased.text
    assert {each.status_code for each in answers} <= {201, 409}
    assert ok(await ada.get(f"/v1/listings/{listing['id']}"))["status"] == "withdrawn"
    for each, bought in zip(buyers, answers, strict=True):
        photo = await each.get(f"/v1/observations/{seen}/photos/1")
        if bought.status_code == 201:
            is_problem(photo, 410, "erased")
        else:
            is_problem(bought, 409, "listing-not-active")
            is_problem(photo, 404, "not-found")
    async with world.services.database.read() as connection:
        assert await audit(connection) == []


@pytest.mark.parametrize(
    "query",
    ["near=nan,13", "near=52", "near=91,0", "near=x,y", "near=1,2,3", "radius_m=1", "radius_m=500", "kind=other",
     "max_price=0", "since=2026-01-01T00:00:00", "cursor=eA", "limit=0", "what=", "max_age_s=0", "colour=red"],
)  # fmt: skip
async def test_an_unclear_search_is_refused(ada: Caller, query: str) -> None:
    is_problem(await ada.get(f"/v1/listings?{query}"), 422, "validation")


async def test_lists_go_on_by_cursors(ada: Caller, bo: Caller, rich_cy: Caller, seen: str) -> None:
    made = [
        await offer(ada, seen),
        await offer(ada, await observed(ada, bo, 5)),
        await offer(ada, await observed(ada, bo, 6)),
    ]
    for each in made:
        await buy(rich_cy, each)
    for path in ("/v1/listings?limit=1", f"/v1/listings?limit=1&near={BAKERY['lat']},{BAKERY['lon']}",
                 "/v1/sales?limit=1", "/v1/observations?limit=1"):  # fmt: skip
        found, cursor = [], ""
        while True:
            answered = ok(await rich_cy.get(path + cursor))
            found += [each["id"] for each in answered["items"]]
            if answered["next_cursor"] is None:
                break
            cursor = f"&cursor={answered['next_cursor']}"
        assert len(found) == len(set(found)) == 3, path


async def test_a_quote_says_what_is_known_already(ada: Caller, rich_cy: Caller, seen: str) -> None:
    listing = await offer(ada, seen)
    draft = {name: value for name, value in a_task().items() if name != "external_id"}
    known = ok(await rich_cy.post("/v1/quotes", draft))["already_known"]
    assert [each["id"] for each in known] == [listing["id"]]
    assert ok(await ada.post("/v1/quotes", draft))["already_known"] == []

"""Bo looks at photos of his own, too often or at ones that are too much: others go on, and hiding by hand works."""

from __future__ import annotations

import asyncio

import pytest

from app.decode_pool import TOO_SLOW, Crowded, DecodePool
from app.media import Media
from app.routes.own_photos import NONE_FOUND, NOT_LOOKED
from market import ids
from sensors.inspection import Undecodable
from tests.app.conftest import Caller, World, answer, claim, is_problem, ok, person, photo, picture, post_task
from tests.sensors.pictures import photo as sample

SPOT = {"x": 0.25, "y": 0.25, "w": 0.5, "h": 0.5}


async def test_one_person_has_two_looks_at_once_and_the_third_is_told_to_wait(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleo = await person(world, "Cleo")
    theirs = await claim(cleo, await post_task(ada))
    ok(await photo(cleo, theirs, picture(3)))
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(4)))
    base = f"/v1/people/claims/{claimed['id']}/photos/1"
    pool, go_on = world.services.decode_pool, asyncio.Event()
    render, fetched = pool.render, 0
    get = Media.get

    async def slowly(*given: object) -> bytes:
        await go_on.wait()
        return await render(*given)  # type: ignore[arg-type]

    async def counted(self: Media, path: str) -> bytes | None:
        nonlocal fetched
        fetched += path.startswith("originals/")
        return await get(self, path)

    monkeypatch.setattr(pool, "render", slowly)
    monkeypatch.setattr(Media, "get", counted)
    flood = [
        asyncio.create_task(bo.get(f"{base}/preview", params={"regions": f"0.{n},0,.1,.1"})) for n in range(10, 40)
    ]
    done, waiting = await asyncio.wait(flood, timeout=2)
    refused = [each.result() for each in done]
    assert (len(refused), len(waiting)) == (28, 2)
    for each in refused:
        assert is_problem(each, 429, "rate-limited")["detail"].startswith("At most 2 of your photos")
        assert each.headers["retry-after"] == "1"
    assert fetched == 0  # nobody who waits holds bytes
    is_problem(await bo.get(f"{base}/regions"), 429, "rate-limited")
    monkeypatch.setattr(pool, "render", render)
    # Others are served before them: there is a child left that no person's own looks take.
    shown = await cleo.get(f"/v1/people/claims/{theirs['id']}/photos/1", params={"variant": "display"})
    assert shown.status_code == 200
    assert (await answer(await person(world, "Dee"), await post_task(ada), picture(5)))["status"] == "accepted"
    go_on.set()
    assert [each.status_code for each in await asyncio.gather(*waiting)] == [200, 200]
    assert (await bo.get(f"{base}/preview")).status_code == 200


async def test_bytes_are_fetched_once_a_child_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = most = 0

    async def fetch() -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        return sample(64, 64)

    async with DecodePool(workers=2) as pool:
        attempt = pool._attempt

        async def attempted(*given: object) -> object:
            nonlocal at_once
            try:
                return await attempt(*given)  # type: ignore[arg-type]
            finally:
                at_once -= 1

        monkeypatch.setattr(pool, "_attempt", attempted)
        await asyncio.gather(*(pool.render(fetch, 32) for _ in range(12)))
        assert most == 2
        at_once = -100  # two pictures for one attempt
        assert (await pool.alike(fetch, fetch, whole=True)).same


async def test_what_people_look_at_leaves_a_child_to_judging() -> None:
    entered = []

    async def look(pool: DecodePool, who: bytes) -> None:
        async with pool.turn(ids.new()):
            entered.append(who)
            await asyncio.sleep(3600)

    async with DecodePool(workers=3) as pool:
        looking = [asyncio.create_task(look(pool, bytes([n]))) for n in range(5)]
        await asyncio.sleep(0.05)
        assert len(entered) == 2
        assert (await pool.inspect(sample())).width == 320
        for each in looking:
            each.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        person = ids.new()
        async with pool.turn(person), pool.turn(person):
            with pytest.raises(Crowded):
                await pool.turn(person).__aenter__()
        async with pool.turn(person):
            pass
        assert not pool._looking


async def test_a_photo_that_cannot_be_looked_at_can_still_be_blurred_by_hand(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(5)))
    base = f"/v1/people/claims/{claimed['id']}/photos/1"
    assert ok(await bo.get(f"{base}/regions")) == {"suggested": [], "hidden": [], "note": NONE_FOUND}

    async def too_slow(*given: object) -> None:
        raise Undecodable(TOO_SLOW)

    monkeypatch.setattr(world.services.decode_pool, "suggest", too_slow)
    assert ok(await bo.get(f"{base}/regions")) == {"suggested": [], "hidden": [], "note": NOT_LOOKED}
    ok(await bo.ask("PUT", f"{base}/blur", json={"regions": [SPOT], "confirmed": True}))
    assert ok(await bo.get(f"{base}/regions"))["hidden"] == [SPOT]
    is_problem(await bo.get(f"{base[:-1]}2/regions"), 404, "not-found")


async def test_a_copy_that_many_ask_for_at_once_is_made_by_few(
    world: World, ada: Caller, bo: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = await claim(bo, await post_task(ada))
    ok(await photo(bo, claimed, picture(6)))
    pool, made = world.services.decode_pool, 0
    attempt = pool._attempt

    async def counted(*given: object) -> object:
        nonlocal made
        made += 1
        return await attempt(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(pool, "_attempt", counted)
    asked = [bo.get(f"/v1/people/claims/{claimed['id']}/photos/1?variant=thumb") for _ in range(12)]
    found = await asyncio.gather(*asked)
    assert {each.status_code for each in found} == {200} and len({each.content for each in found}) == 1
    assert made < 12

"""The country of an address counts only where a proxy of ours says it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from app import config as configuration
from app.config import BadSetting
from app.serve import behind_proxies
from market import ids
from tests.app.conftest import Caller, Json, World, claim, ok, photo, post_task, submit

PROXY, STRANGER = "10.0.0.1", "198.51.100.7"


@asynccontextmanager
async def sent_from(
    bo: Caller, said: list[str], peer: str = PROXY, header: str = "CF-IPCountry"
) -> AsyncIterator[Caller]:
    """Bo, whose requests come from `peer` with these countries in the header, to a service that believes 10.0.0.0/8."""
    app = cast(Any, behind_proxies(bo.world.app, "10.0.0.0/8", header))
    transport = httpx.ASGITransport(app=app, client=(peer, 40_000), raise_app_exceptions=False)
    headers = [("cf-ipcountry", each) for each in said]
    async with httpx.AsyncClient(transport=transport, base_url=bo.world.client.base_url, headers=headers) as client:
        yield Caller(World(bo.world.app, client), bo.id, bo.secret)


async def country_of(world: World, claimed: Json) -> str | None:
    async with world.services.database.read() as connection:
        number = ids.read("claim", claimed["id"])
        found: str | None = await connection.fetchval("SELECT country FROM claim WHERE id = $1", number)
    return found


@pytest.mark.parametrize(
    ("peer", "said", "kept"),
    [
        (PROXY, ["de"], "DE"),
        (PROXY, ["XX"], None),
        (PROXY, ["T1"], None),
        (PROXY, ["Germany"], None),
        (PROXY, ["DE", "FR"], None),
        (PROXY, [], None),
        (STRANGER, ["DE"], None),
    ],
)
async def test_only_a_trusted_proxy_is_believed_on_the_country(
    world: World, ada: Caller, bo: Caller, peer: str, said: list[str], kept: str | None
) -> None:
    task = await post_task(ada)
    async with sent_from(bo, said, peer) as there:
        assert await country_of(world, await claim(there, task)) == kept


async def test_without_the_setting_nobody_is_believed(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    async with sent_from(bo, ["DE"], header="") as there:
        assert await country_of(world, await claim(there, task)) is None


async def test_a_photo_from_another_country_than_its_claim_is_a_signal_and_rejects_nothing(
    world: World, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada)
    async with sent_from(bo, ["DE"]) as at_home:
        claimed = await claim(at_home, task)
    async with sent_from(bo, ["fr"]) as abroad:
        ok(await photo(abroad, claimed))
    submitted = await submit(bo, claimed)
    await world.jobs()
    judged = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    (found,) = [each for each in judged["verdict"]["checks"] if each["name"] == "consistent"]
    assert found["status"] == "warn" and "(FR)" in found["detail"] and "(DE)" in found["detail"]
    assert judged["status"] != "rejected"
    mine = ok(await bo.get("/v1/people/me/export"))["tables"]
    assert [each["country"] for each in mine["claims"] + mine["photos"]] == ["DE", "FR"]


def test_a_header_without_a_proxy_to_set_it_stops_the_start(tmp_path: Any) -> None:
    environment = {"SENSORIUM_DATA_DIR": str(tmp_path), "SENSORIUM_COUNTRY_HEADER": "CF-IPCountry"}
    with pytest.raises(BadSetting, match="SENSORIUM_TRUSTED_PROXIES is missing"):
        configuration.load(environment)
    assert configuration.load({**environment, "SENSORIUM_TRUSTED_PROXIES": "::1"}).country_header == "CF-IPCountry"
    with pytest.raises(BadSetting, match="must be the name of a header"):
        configuration.load({**environment, "SENSORIUM_COUNTRY_HEADER": "CF IPCountry:"})

"""Webhooks three times, shuffled, one in ten lost, forged ones and old ones between them: the end is as if all had come
once and in order."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.embedded_postgres import EmbeddedPostgres
from app.money.mirror import mirror
from app.sandbox.stripe.delivery import sign
from market import ids
from tests.app.conftest import Caller, agent, ok, operator, person
from tests.app.stripe_sandbox import SECRET, Desk, open_desk
from tests.app.test_payout_runs import RUNS, earn
from tests.conftest import named, run_sql

ACCOUNTS = """
    SELECT replace(replace(a.code, $1, 'ada'), $2, 'bo') AS code, sum(e.amount)::bigint AS balance
    FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id
    WHERE a.code !~ '^(payout|refund|dispute):' GROUP BY 1 ORDER BY 1"""
STATES = """
    SELECT 'funding ' || status || ' ' || amount || ' ' || refunded || ' ' || disputed AS state FROM funding
    UNION ALL SELECT 'refund ' || status || ' ' || amount || ' ' || returned FROM refund
    UNION ALL SELECT 'payout ' || status || ' ' || amount || ' ' || reversed FROM payout
    UNION ALL SELECT 'run ' || status FROM payout_run
    UNION ALL SELECT 'dispute ' || status || ' ' || amount || ' ' || frozen || ' ' || covered FROM dispute
    UNION ALL SELECT 'account ' || transfers FROM payout_account
    UNION ALL SELECT 'posted ' || kind || ' ' || count(*) FROM ledger_tx GROUP BY kind
    UNION ALL SELECT 'told ' || type || ' ' || count(*) FROM event
      WHERE type ~ '^(funding|refund|payout|dispute)' GROUP BY type
    ORDER BY 1"""


UNSETTLED = """
    SELECT EXISTS (SELECT FROM stripe_op WHERE status NOT IN ('succeeded', 'rejected'))
      OR EXISTS (SELECT FROM stripe_event WHERE handled_at IS NULL)"""


@pytest.fixture
def other_database_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A second database of the same test."""
    run_sql(postgres.dsn, f"CREATE DATABASE weather TEMPLATE {template} STRATEGY FILE_COPY")
    yield named(postgres, "weather")
    run_sql(postgres.dsn, "DROP DATABASE weather WITH (FORCE)")


class Weather:
    """How what Stripe has sent arrives. None of it is bad with seed None."""

    def __init__(self, desk: Desk, seed: int | None) -> None:
        self.desk, self.random = desk, None if seed is None else random.Random(seed)
        self.refused = self.lost = 0

    async def passes(self) -> None:
        """Everything is done, and what Stripe has to say arrives, or is found in its list."""
        for _ in range(100):
            if self.random is None:
                await self.desk.rest()
            else:
                await self._round()
            if not await self._unsettled():
                return
            await asyncio.sleep(0.1)  # something is due in a second
        raise AssertionError("the service does not come to rest")

    async def _round(self) -> None:
        assert self.random is not None
        await self.desk.rest(deliver=False)
        fresh = self.desk.receiver.received[self.desk.brought :]
        self.desk.brought += len(fresh)
        kept = [each for each in fresh if self.random.random() >= 0.1]
        self.lost += len(fresh) - len(kept)
        await self._arrive(kept)
        await mirror(self.desk.world.services)
        await self.desk.rest(deliver=False)

    async def _unsettled(self) -> bool:
        if self.desk.brought < len(self.desk.receiver.received):
            return True
        async with self.desk.world.services.database.read() as connection:
            return bool(await connection.fetchval(UNSETTLED))

    async def _arrive(self, kept: list[tuple[bytes, str]]) -> None:
        assert self.random is not None
        now = int(time.time())
        for body, signature in self.random.sample(kept * 3, len(kept) * 3):
            text = body.decode()
            lie = json.dumps({**json.loads(text), "id": f"evt_forged{self.random.randrange(10**9)}"})
            for forged in (
                (lie.encode(), sign(lie, "whsec_" + "00" * 32, now)),
                (lie.encode(), sign(lie, SECRET, now - 360)),
                (body, signature[:-2] + ("00" if signature[-2:] != "00" else "11")),
            ):
                if self.random.random() < 0.3:
                    assert (await self.desk.bring(forged)).status_code == 400
                    self.refused += 1
            assert (await self.desk.bring((body, signature))).status_code == 200


async def story(desk: Desk, weather: Weather) -> list[Any]:
    """Money in, or refused; out by a run; back by a reversal and by a refund that fails; a dispute won and one lost."""
    ada, bo = await agent(desk.world, "Ada"), await person(desk.world, "Bo")
    olu, pia = await operator(desk.world, "Olu"), await operator(desk.world, "Pia")
    for amount, card in ((9_000, "visa"), (4_000, "visa"), (2_000, "chargeCustomerFail"), (3_000, "mastercard")):
        body = {"amount": {"amount": amount, "currency": "usd"}, "payment_method": f"pm_card_{card}"}
        ok(await ada.post("/v1/funding", body), 201)
        await weather.passes()
    link = ok(await bo.post("/v1/people/payout-account"), 201)
    await desk.press(link["onboarding_url"], action="finish")
    await weather.passes()
    await earn(desk.world, ada, bo, 1_250)
    await _paid(olu, pia, weather)
    refunds = ok(await ada.post("/v1/refunds", {"amount": {"amount": 3_500, "currency": "usd"}}), 201)["items"]
    await weather.passes()
    async with desk.world.services.database.read() as connection:
        charges = {row["amount"]: row["charge_id"] for row in await connection.fetch("SELECT * FROM funding")}
        back = await connection.fetchval(
            "SELECT stripe_id FROM refund WHERE id = $1", ids.read("refund", refunds[0]["id"])
        )
        transfer = await connection.fetchval("SELECT transfer_id FROM payout")
    await desk.control(f"/refunds/{back}/fail")
    await weather.passes()  # what is frozen for a dispute goes by what there is when it is heard of
    await desk.control(f"/transfers/{transfer}/reverse", amount=400)
    await weather.passes()
    won = await desk.control(f"/charges/{charges[9_000]}/dispute")
    await weather.passes()
    lost = await desk.control(f"/charges/{charges[4_000]}/dispute")
    await weather.passes()
    await desk.control(f"/disputes/{won['id']}/win")
    await weather.passes()
    await desk.control(f"/disputes/{lost['id']}/lose")
    await weather.passes()
    await desk.agrees()
    async with desk.world.services.database.read() as connection:
        names = str(ids.read("account", ada.id)), str(ids.read("person", bo.id))
        accounts = [tuple(row) for row in await connection.fetch(ACCOUNTS, *names)]
        return [*accounts, *(row["state"] for row in await connection.fetch(STATES))]


async def _paid(olu: Caller, pia: Caller, weather: Weather) -> None:
    run = ok(await olu.post(RUNS, {}), 201)
    ok(await olu.post(f"{RUNS}/{run['id']}/submit"))
    ok(await pia.post(f"{RUNS}/{run['id']}/approve"))
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    await weather.passes()


@asynccontextmanager
async def lived(url: str, folder: Path, seed: int | None) -> AsyncIterator[tuple[list[Any], Weather]]:
    async with open_desk(url, folder) as desk:
        weather = Weather(desk, seed)
        yield await story(desk, weather), weather


async def test_in_any_weather_the_end_is_the_same(database_url: str, other_database_url: str, tmp_path: Path) -> None:
    async with lived(database_url, tmp_path / "calm", None) as (calm, _):
        pass
    async with lived(other_database_url, tmp_path / "storm", 7) as (stormy, weather):
        pass
    assert weather.lost >= 2 and weather.refused >= 10
    assert "dispute won 9000 0 0" in calm and any(str(each).startswith("payout paid 1250 400") for each in calm)
    assert stormy == calm

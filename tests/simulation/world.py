"""The service in one process for one life: its routes, jobs and sweeps on a database of its own, Stripe beside it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import asyncpg
import httpx
from litestar import Litestar

from app import config as configuration
from app import jobs
from app.config import Config
from app.db import Database, Signals, create_pool
from app.gateways.stripe import reach_by
from app.idempotency import KEPT_S
from app.main import all_routes
from app.problems import handle
from app.sandbox.stripe.in_process import URL, InProcess, Sent, open_sandbox
from app.services import Services
from app.worker import modules_with_work
from tests.simulation import points
from tests.simulation.points import Crash, Strikes

SECRET = "whsec_" + "5a" * 32
ROUNDS = 80
STEP_S = 700  # longer than any wait of ours, the lease included
Json = dict[str, Any]


class Stuck(Exception):
    """Something does not come to rest."""


_app: Litestar | None = None


def _application(config: Config) -> Litestar:
    """The routes; their services are put in anew for every life."""
    global _app
    if _app is None:
        _app = Litestar(
            all_routes(config), exception_handlers={Exception: handle}, openapi_config=None, logging_config=None,
            include_in_schema=False,
        )  # fmt: skip
    return _app


class World:
    """One life's service, sandbox and dice."""

    def __init__(self, services: Services, sandbox: InProcess, app: Litestar, seed: int, strikes: Strikes) -> None:
        self.services, self.sandbox, self.app = services, sandbox, app
        self.random = random.Random(seed)
        self.strikes = strikes
        self.deaths = 0
        self.failures: list[str] = []
        self._numbers = itertools.count(1)
        self.kept: list[Sent] = []  # every webhook that was ever sent, for those that come again
        transport = httpx.ASGITransport(app=cast(Any, app))
        self.client = httpx.AsyncClient(transport=transport, base_url=services.config.public_url, verify=False)
        self.door = httpx.AsyncClient(transport=sandbox.transport, base_url=sandbox.url, verify=False)

    # ---- living and dying

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something that may die. None when it did."""
        task = asyncio.ensure_future(work)
        points.begin(self.strikes, task)
        try:
            return await task
        except (Crash, asyncio.CancelledError):
            self.deaths += 1
        except BaseExceptionGroup as group:
            if group.split((Crash, asyncio.CancelledError))[0] is None:
                raise
            self.deaths += 1
        finally:
            points.begin(None, None)
        return None

    # ---- HTTP

    async def ask(
        self, method: str, path: str, secret: str = "", body: Any = None, key: str = "", accept: str = ""
    ) -> httpx.Response:
        """One request; Crash and cancellation pass."""
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        if accept:
            headers["accept"] = accept
        if method == "POST":
            headers["idempotency-key"] = key or f"key-{next(self._numbers)}"
        return await self.client.request(method, path, headers=headers, json=body)

    async def insist(
        self, method: str, path: str, secret: str, body: Any = None, *, mistaken: bool = False
    ) -> httpx.Response:
        """One request as a careful client makes it: again under the same key until there is an answer.

        mistaken: it is a mistake of the client's, on purpose.
        """
        key = f"key-{next(self._numbers)}"
        for n in range(40):
            answer = await self.run(self.ask(method, path, secret, body, key))
            if answer is not None and (answer.status_code != 503 or n > 3):
                wrong = answer.status_code in (400, 401, 403, 404, 405, 422, 500)
                told = mistaken or method in ("DELETE", "GET")
                assert not wrong or (told and answer.status_code < 500) or _is_refusal(answer), (path, answer.text)
                return cast(httpx.Response, answer)
        raise Stuck(f"{method} {path} is never answered")

    # ---- the sandbox

    async def control(self, path: str, body: Json | None = None, method: str = "POST") -> Json:
        """The sandbox's door."""
        answer = await self.door.request(method, f"/control/{path}", json=body or {})
        assert answer.status_code == 200, (path, answer.text)
        return cast(Json, answer.json())

    async def press(self, url: str, **form: str) -> None:
        """Fill in one of Stripe's pages."""
        answer = await self.door.post(url, data=form)
        assert answer.status_code in (303, 402) or "expired" in answer.text, answer.text

    async def stripe(self, path: str, **form: str) -> None:
        """Another program that has the account's key asks Stripe for something, again while there is no answer."""
        for _ in range(20):
            try:
                answer = await self.door.post(path, data=form, headers={"authorization": "Bearer sk_test_another"})
            except httpx.TransportError:
                continue
            if answer.status_code < 500 and answer.status_code not in (409, 429):
                return

    def objects(self, kind: str) -> list[Json]:
        """All of Stripe's objects of one kind, oldest first."""
        rows = self.sandbox.api.store._db.execute("SELECT body FROM object WHERE kind = ? ORDER BY seq", (kind,))
        return [json.loads(row[0]) for row in rows]

    async def webhooks(self, *, all_of_them: bool) -> None:
        """What Stripe has sent arrives: in disorder, twice, or not at all until the end."""
        arrived = await self.sandbox.take_webhooks()
        self.kept += arrived
        if not all_of_them:
            arrived = [each for each in arrived if self.random.random() > 0.1]  # dropped
            arrived += [each for each in self.kept if self.random.random() < 0.02]  # again, perhaps days later
            self.random.shuffle(arrived)
        for body, signature in arrived:
            await self.run(self._bring(body, signature))

    async def _bring(self, body: bytes, signature: str) -> None:
        headers = {"stripe-signature": signature, "content-type": "application/json"}
        answer = await self.client.post("/stripe/webhooks", content=body, headers=headers)
        if answer.status_code not in (200, 400):  # 400: signed too long ago, when it comes again days later
            raise AssertionError(answer.text)

    # ---- jobs and sweeps

    async def jobs(self) -> int:
        """Run each job that is due once, in some order. One whose worker dies stays and is run again."""
        async with self.services.database.read() as connection:
            rows = await connection.fetch(
                "SELECT id, entrypoint, payload FROM pgqueuer WHERE execute_after <= now() ORDER BY id"
            )
        waiting = list(rows)
        self.random.shuffle(waiting)
        for row in waiting:
            await self.run(self._job(row["id"], row["entrypoint"], row["payload"]))
        return len(waiting)

    async def _job(self, number: int, kind: str, payload: bytes) -> None:
        done = True
        try:
            await jobs._handlers[kind].run(self.services, json.loads(payload or b"{}"))
        except Exception as error:  # as the queue does: kept, and tried again
            self.failures.append(f"{kind}: {type(error).__name__}: {error}")
            done = False
        if done:
            async with self.services.database.statement() as connection:
                await connection.execute("DELETE FROM pgqueuer WHERE id = $1", number)

    async def sweep(self, *names: str, but: str = "") -> None:
        """Do these sweeps once, or all but one."""
        for name, each in jobs._sweeps.items():
            if (not names or name in names) and name not in ("job log", but):
                await self.run(self._sweep(name, each))

    async def _sweep(self, name: str, each: Any) -> None:
        try:
            await each.run(self.services)
        except Exception as error:  # as the worker does: the next round may succeed
            self.failures.append(f"sweep {name}: {type(error).__name__}: {error}")

    # ---- time

    async def later(self, seconds: int) -> None:
        """Time passes, here and at Stripe."""
        await self.control("clock", {"advance_s": seconds})
        async with self.services.database.transaction() as connection:
            await connection.execute("UPDATE market_clock SET ahead = ahead + make_interval(secs => $1)", seconds)
            ago = f"interval '{int(seconds)} seconds'"
            await connection.execute(
                f"""UPDATE stripe_op SET due_at = due_at - {ago}, leased_until = leased_until - {ago},
                      first_sent_at = first_sent_at - {ago} WHERE status IN ('planned', 'sending', 'unknown')"""
            )
            await connection.execute(
                f"""UPDATE stripe_event SET due_at = due_at - {ago}, received_at = received_at - {ago}
                    WHERE handled_at IS NULL"""
            )
            await connection.execute(f"UPDATE pgqueuer SET execute_after = execute_after - {ago}")
            if seconds > KEPT_S:
                await connection.execute(f"UPDATE idempotency SET created_at = created_at - {ago}")
            await connection.execute(
                f"""UPDATE stripe_op_log SET at = at - {ago} WHERE op_id IN (
                      SELECT id FROM stripe_op WHERE status IN ('planned', 'sending', 'unknown'))"""
            )

    async def rest(self) -> None:
        """No more faults, deaths or losses: everything comes to rest within some hours of the world's time."""
        self.strikes.armed = False
        await self.control("faults", method="DELETE")
        await self.control("webhooks", {})
        await self.control("lists", {})
        for number in range(ROUNDS):
            await self.webhooks(all_of_them=True)
            await self.sweep()
            if await self.jobs() == 0 and await self._still() and number > 3:
                return
            await self.later(STEP_S)
        async with self.services.database.read() as connection:
            what = await connection.fetch(_WAITING)
        raise Stuck(f"{[tuple(row) for row in what]} {self.failures[-5:]}")

    async def _still(self) -> bool:
        async with self.services.database.read() as connection:
            return not await connection.fetch(_WAITING)


def _is_refusal(answer: httpx.Response) -> bool:
    """Whether the rules said no; anything else that is refused is a mistake of the simulation's, or of ours."""
    told = answer.json()["type"]
    if answer.status_code == 422:  # more than there is to give back
        return {each["pointer"] for each in answer.json().get("errors", [])} <= {"/amount", "/target"}
    return bool(answer.status_code == 403 and told.endswith(("policy-refused", "stopped", "account-held")))


_WAITING = """
    SELECT 'operation ' || kind || ' ' || status || ' ' || coalesce(message, '') FROM stripe_op
      WHERE status NOT IN ('succeeded', 'rejected') AND NOT money_stopped(kind)
    UNION ALL SELECT 'event ' || type || ' ' || failure FROM stripe_event WHERE handled_at IS NULL
    UNION ALL SELECT 'run ' || status FROM payout_run WHERE status = 'executing' AND NOT money_stopped('transfer')
    UNION ALL SELECT 'job ' || entrypoint FROM pgqueuer
    UNION ALL SELECT 'balance line ' || id FROM stripe_balance_txn WHERE ledger_key IS NULL AND suspense_key IS NULL
"""


@asynccontextmanager
async def open_world(database_url: str, folder: Path, seed: int, strikes: Strikes) -> AsyncIterator[World]:
    """A life on an empty, migrated database."""
    config = configuration.load(
        {
            "DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(folder), "SENSORIUM_SANDBOX": "true",
            "SENSORIUM_STRIPE_API_BASE": URL, "STRIPE_WEBHOOK_SECRET": SECRET,
        }
    )  # fmt: skip
    import importlib

    for module in modules_with_work():
        importlib.import_module(module)
    async with open_sandbox(SECRET) as sandbox:
        reach_by(URL, sandbox.transport)
        pool = await create_pool(database_url, smallest=1, largest=6, name="simulation")
        try:
            async with Signals(database_url, pool) as signals:
                database = Database(pool, signals)
                # The log of operations lets nobody change it; here it is moved back as time passes.
                await execute(database_url, "ALTER TABLE stripe_op_log DISABLE TRIGGER stripe_op_log_keep")
                signals.send = lambda channel: None  # type: ignore[method-assign]
                nobody: Any = None
                services = Services(config, database, nobody, nobody, nobody, nobody, nobody)
                app = _application(config)
                app.state.services = services
                yield World(services, sandbox, app, seed, strikes)
        finally:
            reach_by(URL, None)
            pool.terminate()


async def execute(dsn: str, sql: str) -> None:
    """One statement on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()

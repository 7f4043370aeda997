"""The real sandbox process for tests, and a small receiver of its webhooks."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import config as configuration
from app.gateways.stripe import StripeGateway
from app.money.runs import resume
from app.money.sweeps import take_up_what_waits
from app.reconciliation import reconcile
from market import audit
from tests.app.conftest import Caller, World, ok, running

SECRET = "whsec_" + "5a" * 32
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Sandbox:
    """One running sandbox; `kill` and `start` again keep its state file."""

    state: Path
    webhook_url: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "app.sandbox.stripe", "--port", str(self.port), "--state", str(self.state)]
        if self.webhook_url:
            command += ["--webhook-url", self.webhook_url]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "STRIPE_WEBHOOK_SECRET": SECRET})

    def start(self) -> None:
        self.process = self.launch()
        until = time.monotonic() + 20
        while True:
            try:
                if httpx.get(f"{self.url}/health", trust_env=False, timeout=2).is_success:
                    return
            except httpx.HTTPError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the Stripe sandbox did not start") from None
                time.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)

    def gateway(self, timeout_s: float = 10) -> StripeGateway:
        return StripeGateway("sk_test_tests", SECRET, self.url, timeout_s)

    def press(self, url: str, **fields: str) -> httpx.Response:
        """Fill in one of the hosted forms, as a browser would."""
        return httpx.post(url, data=fields, trust_env=False)


@contextmanager
def running_sandbox(webhook_url: str = "", port: int = 0) -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory(prefix="stripe-sandbox-") as folder:
        sandbox = Sandbox(Path(folder) / "stripe.sqlite", webhook_url)
        sandbox.port = port or sandbox.port
        sandbox.start()
        try:
            yield sandbox
        finally:
            if sandbox.process is not None and sandbox.process.poll() is None:
                sandbox.end()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Shared by the tests of one file; it sends no webhooks."""
    with running_sandbox() as one:
        yield one


@dataclass
class Receiver:
    """What arrived at the webhook address. `failing` first answers are 500."""

    url: str = ""
    received: list[tuple[bytes, str]] = field(default_factory=list)
    failing: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, count: int, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                self.arrived.clear()
                await self.arrived.wait()


@asynccontextmanager
async def webhook_receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """A bare HTTP/1.1 server that keeps every POST and answers 200, or 500 while `failing` lasts."""
    receiver = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                headers: dict[str, str] = {}
                while (raw := await reader.readline()).strip():
                    name, _, value = raw.decode().partition(":")
                    headers[name.strip().lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                assert line.startswith(b"POST")
                status = b"200 OK"
                if receiver.failing > 0:
                    receiver.failing -= 1
                    status = b"500 Internal Server Error"
                else:
                    receiver.received.append((body, headers["stripe-signature"]))
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                receiver.arrived.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stripe/webhooks"
    try:
        yield receiver
    finally:
        server.close()


class Desk:
    """The service beside a real sandbox: brings Stripe's webhooks to it and lets everything come to rest."""

    def __init__(self, world: World, sandbox: Sandbox, receiver: Receiver) -> None:
        self.world, self.sandbox, self.receiver = world, sandbox, receiver
        self.brought = 0

    async def bring(self, webhook: tuple[bytes, str]) -> httpx.Response:
        body, signature = webhook
        headers = {"stripe-signature": signature, "content-type": "application/json"}
        return await self.world.client.post("/stripe/webhooks", content=body, headers=headers)

    async def rest(self, *, deliver: bool = True) -> None:
        """Jobs, sweeps and webhooks, until none is left; without `deliver` the webhooks wait at the receiver."""
        for _ in range(50):
            await take_up_what_waits(self.world.services)
            await resume(self.world.services)
            await self.world.jobs()
            await self._arrived()
            if not deliver or self.brought == len(self.receiver.received):
                return
            for webhook in self.receiver.received[self.brought :]:
                assert (await self.bring(webhook)).status_code == 200
                self.brought += 1
        raise AssertionError("the service does not come to rest")

    async def _arrived(self) -> None:
        with closing(sqlite3.connect(self.sandbox.state)) as state:
            # What rules of the control door hold back for longer, or dropped, is not waited for.
            waiting = "SELECT count(*) FROM delivery WHERE due < ? + 15"
            while state.execute(waiting, (time.time(),)).fetchone()[0]:  # noqa: ASYNC110  another process
                await asyncio.sleep(0.01)

    async def press(self, url: str, **fields: str) -> httpx.Response:
        return await asyncio.to_thread(self.sandbox.press, url, **fields)

    async def control(self, path: str, **body: Any) -> Any:
        """What the sandbox's control door answers; it must not refuse."""
        async with httpx.AsyncClient(base_url=self.sandbox.url, trust_env=False) as client:
            answer = await client.post(f"/control{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def fund(self, caller: Caller, amount: int) -> str:
        """Fund an account by a card, up to the credit."""
        body = {"amount": {"amount": amount, "currency": "usd"}, "payment_method": "pm_card_visa"}
        funding: str = ok(await caller.post("/v1/funding", body), 201)["id"]
        await self.rest()
        return funding

    async def onboard(self, caller: Caller) -> None:
        """Open a payout account and finish Stripe's form."""
        link = ok(await caller.post("/v1/people/payout-account"), 201)
        assert (await self.press(link["onboarding_url"], action="finish")).status_code == 303
        await self.rest()

    async def agrees(self) -> None:
        """The ledger holds what Stripe holds, each line of Stripe's is posted, and every invariant stands."""
        found = await reconcile(self.world.services.database, self.sandbox.gateway())
        assert found.agrees, found
        async with self.world.services.database.read() as connection:
            assert await audit.audit(connection) == []


@asynccontextmanager
async def open_desk(database_url: str, folder: Path) -> AsyncIterator[Desk]:
    async with webhook_receiver() as receiver:
        manager = running_sandbox(receiver.url)
        sandbox = await asyncio.to_thread(manager.__enter__)
        try:
            settings = {
                "DATABASE_URL": database_url,
                "SENSORIUM_DATA_DIR": str(folder / "data"),
                "SENSORIUM_STRIPE_API_BASE": sandbox.url,
                "STRIPE_WEBHOOK_SECRET": SECRET,
                "SENSORIUM_SANDBOX": "true",
            }
            async with running(configuration.load(settings)) as world:
                yield Desk(world, sandbox, receiver)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def world(desk: Desk) -> World:
    """So that the cast of conftest lives at this desk."""
    return desk.world

"""The real sandbox process for tests, and a small receiver of its webhooks."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from app.gateways.stripe import StripeGateway

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
            command += ["--webhook-url", self.webhook_url, "--webhook-secret", SECRET]
        return subprocess.Popen(command, cwd=ROOT)

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

"""The sandbox without a port: a transport for httpx in the same process, so that a simulation can run hundreds of them.

    async with open_sandbox(secret) as sandbox:
        gateway = StripeGateway("sk_test_1", secret, sandbox.url, transport=sandbox.transport)

Faults come at once: silence is `httpx.ReadTimeout`, a lost connection `httpx.ReadError`. Nothing here waits for a
clock, a thread or a disk, and the only awaits that yield stand before a call begins and after it is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import httpx

from app.sandbox.stripe import api, control, delivery
from app.sandbox.stripe.faults import ConnectionLost, NoAnswer
from app.sandbox.stripe.server import Settings, create_app
from app.sandbox.stripe.store import Store, new_id

URL = "http://stripe-sandbox.in-process"
Sent = tuple[bytes, str]
"""A webhook as it arrives: its body and its Stripe-Signature."""


class InProcessTransport(httpx.AsyncBaseTransport):
    """Carries requests to an `Api`: /v1, /v2, /control and the hosted pages."""

    def __init__(self, served: api.Api) -> None:
        self._api = served

    @cached_property
    def _pages(self) -> httpx.ASGITransport:
        return httpx.ASGITransport(create_app(Settings(Path(":memory:"), URL, "", ""), self._api))  # type: ignore[arg-type]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path, verb, body = request.url.path, request.method.lower(), await request.aread()
        await asyncio.sleep(0)  # a caller may be cancelled here: nothing has happened
        if path.startswith("/control/"):
            reply = await control.answer(self._api, verb, path, body)
        elif path.startswith(("/v1/", "/v2/")):
            reply = await self._ask(request, api.Request(verb, path, request.url.query.decode(), body, _named(request)))
        else:
            return await self._pages.handle_async_request(request)
        await asyncio.sleep(0)  # or here: it has happened, and nobody hears of it
        headers = {"Content-Type": "application/json", **({"Idempotent-Replayed": "true"} if reply.replayed else {})}
        return httpx.Response(reply.status, headers=headers, content=reply.body.encode(), request=request)

    async def _ask(self, request: httpx.Request, asked: api.Request) -> api.Reply:
        try:
            return await self._api.answer(asked, new_id("req"))
        except NoAnswer:
            raise httpx.ReadTimeout("the sandbox keeps silent", request=request) from None
        except ConnectionLost:
            raise httpx.ReadError("the sandbox broke the connection", request=request) from None


def _named(request: httpx.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


@dataclass(frozen=True)
class InProcess:
    """One sandbox of this process. `api.script` has the faults, `api.store` the file."""

    api: api.Api
    transport: InProcessTransport
    secret: str
    url: str = URL

    def client(self) -> httpx.AsyncClient:
        """For the control door and for pressing buttons on the hosted pages."""
        return httpx.AsyncClient(transport=self.transport, base_url=self.url)

    async def take_webhooks(self) -> list[Sent]:
        """Take everything that is due off the queue, in the order in which it would arrive."""
        taken: list[Sent] = []
        while due := await self.api.store.run_quietly(delivery.next_due):
            for webhook in due:
                body, signature = webhook.sent(self.secret)
                taken.append((body.encode(), signature))
            await self.api.store.run_quietly(partial(delivery.settle, outcomes=[(webhook, "") for webhook in due]))
        return taken


@asynccontextmanager
async def open_sandbox(secret: str, state: Path = Path(":memory:")) -> AsyncIterator[InProcess]:
    """state: a file, when other processes shall see it; it is not synced to the disk."""
    store = Store(state, inline=True)
    served = api.Api(store, URL, webhooks=True)
    try:
        yield InProcess(served, InProcessTransport(served), secret)
    finally:
        await store.close()

"""The sandbox over HTTP: Stripe's API under /v1 and /v2, the hosted pages, and a health check."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, get, post, route
from litestar.datastructures import State as AppState
from litestar.enums import HttpMethod, MediaType
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseStartEvent, Receive, Scope, Send

from app.sandbox.stripe import api, control, control_money, pages
from app.sandbox.stripe.delivery import deliver_forever
from app.sandbox.stripe.errors import CardRefusal, StripeRefusal
from app.sandbox.stripe.faults import ConnectionLost, NoAnswer
from app.sandbox.stripe.operations import Call
from app.sandbox.stripe.store import Store, new_id

# Importing it fills the control door.
MODULES = (control_money,)
NOT_FROM_HERE = ("origin", "sec-fetch-site", "x-forwarded-for", "forwarded")
MAX_BODY_BYTES = 1_000_000
PlainRequest = Request[Any, Any, AppState]


@dataclass(frozen=True)
class Settings:
    state: Path
    public_url: str
    """What the hosted pages are reached at, without a slash at the end."""
    webhook_url: str
    """'' sends no webhooks."""
    webhook_secret: str


def create_app(settings: Settings, served: api.Api | None = None) -> Litestar:
    """served: one that lives longer than the application, in place of one of its own."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
        store = Store(settings.state)
        app.state.api = api.Api(store, settings.public_url, bool(settings.webhook_url))
        sender = None
        if settings.webhook_url:
            sender = asyncio.create_task(deliver_forever(store, settings.webhook_url, settings.webhook_secret))
        try:
            yield
        finally:
            if sender is not None:
                sender.cancel()
                with suppress(asyncio.CancelledError):
                    await sender
            await store.close()

    return Litestar(
        [serve_api, serve_control, health, show_checkout, send_checkout, show_onboarding, send_onboarding],
        state=AppState({"api": served} if served else {}),
        lifespan=[] if served else [lifespan],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_BODY_BYTES,
        exception_handlers={StripeRefusal: _refusal_page, HTTPException: _problem},
    )


@route(
    ["/v1/{rest:path}", "/v2/{rest:path}"],
    http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE],
    status_code=200,
)
async def serve_api(request: PlainRequest) -> Response[bytes]:
    served: api.Api = request.app.state.api
    request_id = new_id("req")
    scope = request.scope
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    asked = api.Request(request.method.lower(), scope["path"], query, await request.body(), headers)
    try:
        reply = await served.answer(asked, request_id)
    except NoAnswer as silence:
        await _silence(request, silence.seconds)
        return Severed(b"")
    except ConnectionLost:
        return Severed(b"")
    answer_headers = {"Request-Id": request_id}
    if reply.replayed:
        answer_headers["Idempotent-Replayed"] = "true"
    if "idempotency-key" in headers:
        answer_headers["Idempotency-Key"] = headers["idempotency-key"]
    return Response(reply.body.encode(), status_code=reply.status, media_type=MediaType.JSON, headers=answer_headers)


class BrokenOff(ASGIResponse):
    """An answer that ends before its content does: the server drops the connection, and the client sees it lost."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: HTTPResponseStartEvent = {
            "type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")],
        }  # fmt: skip
        await send(start)
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class Severed(Response[bytes]):
    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return BrokenOff()


async def _silence(request: PlainRequest, seconds: float) -> None:
    """Until the caller goes away, at most so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            message = await request.receive()
            while message["type"] != "http.disconnect":
                message = await request.receive()


@route("/control/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE], status_code=200)
async def serve_control(request: PlainRequest) -> Response[bytes]:
    """For programs on this machine only: a browser says where it comes from, a proxy for whom it asks."""
    near = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    if near and not any(name in request.headers for name in NOT_FROM_HERE):
        verb, path = request.method.lower(), request.url.path
        reply = await control.answer(request.app.state.api, verb, path, await request.body())
    else:
        reply = api.refused(StripeRefusal(403, "The control door opens to programs on the same machine only."))
    return Response(reply.body.encode(), status_code=reply.status, media_type=MediaType.JSON)


@get("/health", media_type=MediaType.JSON)
async def health(request: PlainRequest) -> dict[str, str]:
    await request.app.state.api.store.run_quietly(lambda state: state.balances(""))
    return {"status": "ok"}


def _page_call(request: PlainRequest) -> Call:
    """What a page does has no API request behind it, hence no idempotency key."""
    served: api.Api = request.app.state.api
    return served.own_call(request.url.path, new_id("req"))


@get("/checkout/{identifier:str}", media_type=MediaType.HTML)
async def show_checkout(request: PlainRequest, identifier: str) -> str:
    store: Store = request.app.state.api.store
    return await store.run(lambda state: pages.checkout_page(state, identifier))


@post("/checkout/{identifier:str}", status_code=200)
async def send_checkout(request: PlainRequest, identifier: str) -> Response[Any]:
    store: Store = request.app.state.api.store
    form, call = pages.chosen(await request.body()), _page_call(request)
    try:
        target = await store.run(lambda state: pages.submit_checkout(state, call, identifier, form))
    except CardRefusal as refusal:
        problem = str(refusal)
        text = await store.run(lambda state: pages.checkout_page(state, identifier, problem))
        return Response(text, status_code=402, media_type=MediaType.HTML)
    return Redirect(target, status_code=303)


@get("/onboarding/{token:str}", media_type=MediaType.HTML)
async def show_onboarding(request: PlainRequest, token: str) -> str:
    store: Store = request.app.state.api.store
    return await store.run(lambda state: pages.onboarding_page(state, token))


@post("/onboarding/{token:str}", status_code=200)
async def send_onboarding(request: PlainRequest, token: str) -> Response[Any]:
    store: Store = request.app.state.api.store
    form, call = pages.chosen(await request.body()), _page_call(request)
    return Redirect(await store.run(lambda state: pages.submit_onboarding(state, call, token, form)), status_code=303)


def _refusal_page(_: PlainRequest, refusal: StripeRefusal) -> Response[str]:
    return Response(pages.refusal_page(str(refusal)), status_code=refusal.status, media_type=MediaType.HTML)


def _problem(_: PlainRequest, problem: HTTPException) -> Response[bytes]:
    """Whatever the framework refuses (a path unknown, a body too large), in Stripe's shape."""
    body = {"error": {"type": "invalid_request_error", "message": problem.detail}}
    return Response(json.dumps(body).encode(), status_code=problem.status_code, media_type=MediaType.JSON)

"""One call to Stripe through the SDK: our time-outs, our failures, plain dicts as answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import stripe

from app.gateways.stripe import failures
from app.gateways.stripe.failures import Ambiguous

CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 20.0
Params = Mapping[str, Any]


class Calls:
    """One Stripe account over one HTTP connection pool.

    The SDK does not retry: an operation's row decides when it is sent again and under which key.
    """

    def __init__(
        self,
        api_key: str,
        webhook_secrets: str,
        api_base: str,
        timeout_s: float = CALL_TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`webhook_secrets`: whsec_…, several with commas between, as snapshot and thin events have one each.
        `transport`: in place of the network."""
        stripe.enable_telemetry = False
        self._secrets = [secret.strip() for secret in webhook_secrets.split(",") if secret.strip()]
        self._live = "_live_" in api_key
        self._timeout_s = timeout_s
        self._http = stripe.HTTPXClient(timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)))
        if transport is not None:
            self._http._client_async = httpx.AsyncClient(transport=transport)
        elif urlsplit(api_base).hostname in ("127.0.0.1", "localhost", "::1"):
            # A proxy named in the environment is for the way to Stripe, never for the sandbox beside us.
            self._http._client_async = httpx.AsyncClient(trust_env=False)
        self._client = stripe.StripeClient(
            api_key, base_addresses={"api": api_base}, max_network_retries=0, http_client=self._http
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def _ask(
        self,
        call: Callable[..., Awaitable[Any]],
        params: Params,
        key: str | None,
        *names: str,
        account: str = "",
    ) -> Any:
        """Call the SDK; answers are plain dicts, failures are ours. account: the connected account to act for."""
        options: dict[str, str] = {"idempotency_key": key} if key else {}
        if account:
            options["stripe_account"] = account
        try:
            async with asyncio.timeout(self._timeout_s):
                return (await call(*names, dict(params), options)).to_dict()
        except TimeoutError as error:
            raise Ambiguous(f"no answer within {self._timeout_s} s") from error
        except stripe.StripeError as error:
            raise failures.of(error) from error

    async def _all(self, call: Callable[..., Awaitable[Any]], params: Params, account: str = "") -> AsyncIterator[Any]:
        """Each object of a v1 list, page by page, newest first. Listing reads its own writes, searching does not."""
        after: dict[str, str] = {}
        while True:
            page = await self._ask(call, {"limit": 100, **params, **after}, None, account=account)
            for one in page["data"]:
                yield one
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    async def _next_page(self, url: str) -> Any:
        """What `next_page_url` of a v2 list leads to."""

        async def read(_params: Any, _options: Any) -> Any:
            return self._client.deserialize(await self._client.raw_request_async("get", url), api_mode="V2")

        return await self._ask(read, {}, None)

"""Calls that read Stripe's own books: the platform's balance, its lines, and the log of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from app.gateways.stripe import objects
from app.gateways.stripe.calls import Calls
from app.gateways.stripe.objects import BalanceTxn, Webhook


class Books(Calls):
    """What Stripe says that it holds, and that has happened."""

    async def balance(self) -> dict[str, int]:
        """Available + pending by currency, minor units."""
        available, pending = await self.balance_parts()
        return {code: available.get(code, 0) + pending.get(code, 0) for code in available | pending}

    async def balance_parts(self) -> tuple[dict[str, int], dict[str, int]]:
        """(available, pending) by currency, minor units."""
        found = await self._ask(self._client.v1.balance.retrieve_async, {}, None)
        return _sums(found["available"]), _sums(found["pending"])

    async def balance_txns_since(self, since: datetime) -> AsyncIterator[BalanceTxn]:
        """Every line created at `since` or later, newest first."""
        params = {"created": {"gte": int(since.timestamp())}}
        async for one in self._all(self._client.v1.balance_transactions.list_async, params):
            yield objects.txn(one)

    async def events_since(self, since: datetime) -> AsyncIterator[Webhook]:
        """Every snapshot event created at `since` or later, newest first; Stripe keeps them for 30 days."""
        params = {"created": {"gte": int(since.timestamp())}}
        async for one in self._all(self._client.v1.events.list_async, params):
            yield objects.event(one)

    async def notices_since(self, since: datetime) -> AsyncIterator[Webhook]:
        """Every thin event (API v2) created at `since` or later."""
        stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        params: dict[str, Any] = {"limit": 100, "created": {"gte": stamp}}
        page = await self._ask(self._client.v2.core.events.list_async, params, None)
        while True:
            for one in page["data"]:
                yield objects.event(one)
            following = page.get("next_page_url")
            if not following or not page["data"]:
                return
            page = await self._next_page(str(following))


def _sums(parts: list[dict[str, Any]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for part in parts:
        sums[part["currency"]] = sums.get(part["currency"], 0) + part["amount"]
    return sums

"""Stripe as the service sees it: a few calls, our own structs, three kinds of failure. The one file that imports it.

The SDK does not retry: an operation's row decides when it is sent again and under which key. What a failure proves is
the whole point: `Definite` says that nothing moved, `Ambiguous` that it may have, `RateLimited` that it was not begun.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx
import msgspec
import stripe

CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 30.0
WEBHOOK_TOLERANCE_S = 300
Params = Mapping[str, Any]

# Refused before Stripe looks at the idempotency key, so they prove nothing about an earlier attempt under that key.
_PROVE_NOTHING = (401, 403, 409, 429)


class Definite(Exception):
    """Stripe refused, and nothing moved. `code` is Stripe's, `object_id` what the refusal left behind, or ''."""

    def __init__(self, code: str, message: str, object_id: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.object_id = object_id


class Ambiguous(Exception):
    """Nobody knows whether it happened: connection lost, time-out, 409, 5xx. Only the same key may be sent again."""


class RateLimited(Exception):
    """Too many calls; nothing was begun. The same key, later."""


class BadSignature(Exception):
    """The webhook was not signed by Stripe with our secret, or too long ago."""


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent. `status` is Stripe's; `txn` is there once a charge has succeeded."""

    id: str
    status: str
    amount: int
    currency: str
    metadata: dict[str, str]
    failure_code: str
    txn: BalanceTxn | None


class BalanceTxn(msgspec.Struct, frozen=True):
    """One line of the platform's balance: `net` = `amount` - `fee`, minor units, signed."""

    id: str
    type: str
    source: str
    amount: int
    fee: int
    net: int
    currency: str
    created: int


class Checkout(msgspec.Struct, frozen=True):
    """A Checkout Session: `status` open | complete | expired; `url` while open."""

    id: str
    status: str
    url: str
    intent_id: str


class Recipient(msgspec.Struct, frozen=True):
    """Somebody to pay. `transfers` is the capability's status (active | pending | restricted | …), '' before asking."""

    id: str
    transfers: str
    requirements: tuple[str, ...]


class Transfer(msgspec.Struct, frozen=True):
    """Money sent to a recipient, with its line of the platform's balance."""

    id: str
    amount: int
    currency: str
    destination: str
    reversed: bool
    txn: BalanceTxn
    metadata: dict[str, str]


class Webhook(msgspec.Struct, frozen=True):
    """What an event is about. Its content is not believed: the object is fetched again."""

    id: str
    type: str
    object_type: str
    object_id: str
    live: bool


class StripeGateway:
    """One Stripe account over one HTTP connection pool."""

    def __init__(self, api_key: str, webhook_secrets: str, api_base: str, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """`webhook_secrets`: whsec_…, several with commas between, as snapshot and thin events have one each."""
        stripe.enable_telemetry = False
        self._secrets = [secret.strip() for secret in webhook_secrets.split(",") if secret.strip()]
        self._live = "_live_" in api_key
        self._timeout_s = timeout_s
        self._http = stripe.HTTPXClient(timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)))
        if urlsplit(api_base).hostname in ("127.0.0.1", "localhost", "::1"):
            # A proxy named in the environment is for the way to Stripe, never for the sandbox beside us.
            self._http._client_async = httpx.AsyncClient(trust_env=False)
        self._client = stripe.StripeClient(
            api_key, base_addresses={"api": api_base}, max_network_retries=0, http_client=self._http
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    # ---- money in

    async def create_customer(self, key: str, account_id: str, email: str, name: str) -> str:
        params = {"email": email, "name": name, "metadata": {"account": account_id}}
        customer = await self._ask(self._client.v1.customers.create_async, params, key)
        return str(customer["id"])

    async def charge(
        self, key: str, *, amount: int, currency: str, customer: str, method: str, metadata: dict[str, str]
    ) -> Intent:
        """Charge a card while its owner is away. A decline is `Definite`, with the intent as its object."""
        params = {
            "amount": amount,
            "currency": currency,
            "customer": customer,
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
            "off_session": True,
            "metadata": metadata,
            "expand": ["latest_charge.balance_transaction"],
        }
        return _intent(await self._ask(self._client.v1.payment_intents.create_async, params, key))

    async def retrieve_intent(self, intent_id: str) -> Intent:
        params = {"expand": ["latest_charge.balance_transaction"]}
        return _intent(await self._ask(self._client.v1.payment_intents.retrieve_async, params, None, intent_id))

    async def create_checkout(
        self,
        key: str,
        *,
        amount: int,
        currency: str,
        customer: str,
        metadata: dict[str, str],
        success: str,
        cancel: str,
    ) -> Checkout:
        """A hosted page that charges a card once and keeps it for later charges."""
        price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Balance"}}
        params = {
            "mode": "payment",
            "customer": customer,
            "allowed_payment_method_types": ["card"],
            "line_items": [{"quantity": 1, "price_data": price}],
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata, "setup_future_usage": "off_session"},
            "success_url": success,
            "cancel_url": cancel,
        }
        return _checkout(await self._ask(self._client.v1.checkout.sessions.create_async, params, key))

    async def retrieve_checkout(self, session_id: str) -> Checkout:
        return _checkout(await self._ask(self._client.v1.checkout.sessions.retrieve_async, {}, None, session_id))

    # ---- recipients and money out

    async def create_recipient(self, key: str, person_id: str, email: str, name: str, country: str) -> Recipient:
        params = {
            "contact_email": email,
            "display_name": name,
            "dashboard": "express",
            "identity": {"country": country, "entity_type": "individual"},
            "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
            "configuration": {
                "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
            },
            "metadata": {"person": person_id},
            "include": ["configuration.recipient", "requirements"],
        }
        return _recipient(await self._ask(self._client.v2.core.accounts.create_async, params, key))

    async def retrieve_recipient(self, recipient_id: str) -> Recipient:
        params = {"include": ["configuration.recipient", "requirements"]}
        return _recipient(await self._ask(self._client.v2.core.accounts.retrieve_async, params, None, recipient_id))

    async def onboarding_link(self, key: str, recipient_id: str, refresh_url: str, return_url: str) -> str:
        """A page of Stripe's, good for some minutes, where the person says how to be paid."""
        onboarding = {"refresh_url": refresh_url, "return_url": return_url}
        params = {
            "account": recipient_id,
            "use_case": {"type": "account_onboarding", "account_onboarding": onboarding},
        }
        link = await self._ask(self._client.v2.core.account_links.create_async, params, key)
        return str(link["url"])

    async def create_transfer(
        self, key: str, *, amount: int, currency: str, destination: str, group: str, metadata: dict[str, str]
    ) -> Transfer:
        params = {
            "amount": amount,
            "currency": currency,
            "destination": destination,
            "transfer_group": group,
            "metadata": metadata,
            "expand": ["balance_transaction"],
        }
        return _transfer(await self._ask(self._client.v1.transfers.create_async, params, key))

    async def retrieve_transfer(self, transfer_id: str) -> Transfer:
        params = {"expand": ["balance_transaction"]}
        return _transfer(await self._ask(self._client.v1.transfers.retrieve_async, params, None, transfer_id))

    async def find_transfer(self, group: str, metadata: dict[str, str]) -> Transfer | None:
        """The transfer of a group that carries all of `metadata`. Listing reads its own writes, searching does not."""
        after: dict[str, str] = {}
        while True:
            page = await self._ask(
                self._client.v1.transfers.list_async,
                {"transfer_group": group, "limit": 100, "expand": ["data.balance_transaction"], **after},
                None,
            )
            for one in page["data"]:
                if metadata.items() <= one["metadata"].items():
                    return _transfer(one)
            if not page["has_more"]:
                return None
            after = {"starting_after": page["data"][-1]["id"]}

    # ---- the platform's balance

    async def balance(self) -> dict[str, int]:
        """Available + pending by currency, minor units."""
        found = await self._ask(self._client.v1.balance.retrieve_async, {}, None)
        sums: dict[str, int] = {}
        for part in (*found["available"], *found["pending"]):
            sums[part["currency"]] = sums.get(part["currency"], 0) + part["amount"]
        return sums

    async def balance_txns(self, after: str = "", limit: int = 100) -> list[BalanceTxn]:
        """Newest first; `after` is the id of the last one of the page before."""
        params: dict[str, Any] = {"limit": limit, **({"starting_after": after} if after else {})}
        page = await self._ask(self._client.v1.balance_transactions.list_async, params, None)
        return [_txn(one) for one in page["data"]]

    # ---- webhooks

    def read_webhook(self, payload: bytes, signature: str | None) -> Webhook:
        """Verify and read. Raises `BadSignature`, also for one signed more than five minutes ago."""
        for secret in self._secrets:
            try:
                stripe.WebhookSignature.verify_header(payload, signature, secret, WEBHOOK_TOLERANCE_S)
            except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError):
                continue
            return _webhook(payload)
        raise BadSignature("The signature does not belong to this content and our secret, or it is too old.")

    def same_mode(self, webhook: Webhook) -> bool:
        """Whether the event comes from the mode (live or test) that our key belongs to."""
        return webhook.live == self._live

    async def _ask(self, call: Callable[..., Awaitable[Any]], params: Params, key: str | None, *names: str) -> Any:
        """Call the SDK; answers are plain dicts, failures are ours."""
        options = {"idempotency_key": key} if key else {}
        try:
            async with asyncio.timeout(self._timeout_s):
                return (await call(*names, dict(params), options)).to_dict()
        except TimeoutError as error:
            raise Ambiguous(f"no answer within {self._timeout_s} s") from error
        except stripe.RateLimitError as error:
            raise RateLimited(_said(error)) from error
        except stripe.IdempotencyError as error:
            # The key has been used for something else: what that did is what must be found out.
            raise Ambiguous(_said(error)) from error
        except stripe.StripeError as error:
            status = error.http_status
            if status is not None and 400 <= status < 500 and status not in _PROVE_NOTHING:
                raise _definite(error) from error
            raise Ambiguous(_said(error)) from error


def _said(error: stripe.StripeError) -> str:
    return f"{type(error).__name__} {error.http_status or ''} {error.user_message or error}"[:500]


def _definite(error: stripe.StripeError) -> Definite:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    detail = body.get("error", {})
    code = detail.get("decline_code") or detail.get("code") or detail.get("type") or "unknown"
    intent = detail.get("payment_intent")
    return Definite(str(code), str(detail.get("message", error))[:500], intent["id"] if intent else "")


def _intent(found: Any) -> Intent:
    charge = found["latest_charge"]
    txn = charge.get("balance_transaction") if isinstance(charge, dict) else None
    failure = found.get("last_payment_error") or {}
    return Intent(
        found["id"],
        found["status"],
        found["amount"],
        found["currency"],
        dict(found["metadata"]),
        str(failure.get("decline_code") or failure.get("code") or ""),
        _txn(txn) if isinstance(txn, dict) else None,
    )


def _txn(found: Any) -> BalanceTxn:
    return BalanceTxn(
        found["id"],
        found["type"],
        found["source"] or "",
        found["amount"],
        found["fee"],
        found["net"],
        found["currency"],
        found["created"],
    )


def _checkout(found: Any) -> Checkout:
    intent = found["payment_intent"]
    intent_id = intent["id"] if isinstance(intent, dict) else intent
    return Checkout(found["id"], found["status"], found["url"] or "", intent_id or "")


def _recipient(found: Any) -> Recipient:
    parts = ("configuration", "recipient", "capabilities", "stripe_balance", "stripe_transfers", "status")
    node: Any = found
    for part in parts:
        node = (node or {}).get(part)
    entries = (found.get("requirements") or {}).get("entries") or []
    return Recipient(found["id"], node or "", tuple(entry["description"] for entry in entries))


def _transfer(found: Any) -> Transfer:
    if not isinstance(found["balance_transaction"], dict):
        # The transfer stands; only its line is missing. Asking again under the same key brings it.
        raise Ambiguous(f"{found['id']} came without its balance transaction")
    return Transfer(
        found["id"],
        found["amount"],
        found["currency"],
        found["destination"],
        found["reversed"],
        _txn(found["balance_transaction"]),
        dict(found["metadata"]),
    )


def _webhook(payload: bytes) -> Webhook:
    try:
        event = json.loads(payload)
        if event["object"] == "v2.core.event":
            about = event.get("related_object") or {"type": "", "id": ""}
            kind = about["type"]
        else:
            about = event["data"]["object"]
            kind = about["object"]
        return Webhook(event["id"], event["type"], kind, cast("str", about.get("id", "")), bool(event["livemode"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadSignature("The signed content is not an event.") from error


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str, str], StripeGateway]] = WeakKeyDictionary()


def gateway_for(api_key: str, webhook_secrets: str, api_base: str) -> StripeGateway:
    """The process's gateway with these settings. Connections belong to an event loop, so each loop has its own."""
    gateways = _shared.setdefault(asyncio.get_running_loop(), {})
    settings = (api_key, webhook_secrets, api_base)
    if settings not in gateways:
        gateways[settings] = StripeGateway(*settings)
    return gateways[settings]

"""Stripe as the service sees it: a few calls, our own structs, three kinds of failure. The one place that imports it.

What a failure proves is the whole point: `Definite` says that nothing moved, `Ambiguous` that it may have,
`RateLimited` that it was not begun.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

import httpx
import stripe

from app.gateways.stripe import objects
from app.gateways.stripe.books import Books
from app.gateways.stripe.failures import Ambiguous, BadSignature, Definite, Failure, RateLimited
from app.gateways.stripe.money_in import MoneyIn
from app.gateways.stripe.money_out import MoneyOut
from app.gateways.stripe.objects import (
    BalanceTxn,
    BankPayout,
    Card,
    Checkout,
    Dispute,
    FraudWarning,
    Intent,
    Recipient,
    Refund,
    Reversal,
    Transfer,
    Webhook,
)

__all__ = [
    "Ambiguous",
    "BadSignature",
    "BalanceTxn",
    "BankPayout",
    "Card",
    "Checkout",
    "Definite",
    "Dispute",
    "Failure",
    "FraudWarning",
    "Intent",
    "RateLimited",
    "Recipient",
    "Refund",
    "Reversal",
    "StripeGateway",
    "Transfer",
    "Webhook",
    "gateway_for",
    "reach_by",
]
WEBHOOK_TOLERANCE_S = 300


class StripeGateway(MoneyIn, MoneyOut, Books):
    """All calls to one Stripe account, and its webhooks."""

    def read_webhook(self, payload: bytes, signature: str | None) -> Webhook:
        """Verify and read. Raises `BadSignature`, also for one signed more than five minutes ago."""
        for secret in self._secrets:
            try:
                stripe.WebhookSignature.verify_header(payload, signature, secret, WEBHOOK_TOLERANCE_S)
            except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError):
                continue
            return objects.webhook(payload)
        raise BadSignature("The signature does not belong to this content and our secret, or it is too old.")

    def same_mode(self, webhook: Webhook) -> bool:
        """Whether the event comes from the mode (live or test) that our key belongs to."""
        return webhook.live == self._live


Settings = tuple[str, str, str, float]
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Settings, StripeGateway]] = WeakKeyDictionary()
_transports: dict[str, httpx.AsyncBaseTransport] = {}


def gateway_for(api_key: str, webhook_secrets: str, api_base: str, timeout_s: float) -> StripeGateway:
    """The process's gateway with these settings. Connections belong to an event loop, so each loop has its own."""
    gateways = _shared.setdefault(asyncio.get_running_loop(), {})
    settings = (api_key, webhook_secrets, api_base, timeout_s)
    if settings not in gateways:
        gateways[settings] = StripeGateway(*settings, transport=_transports.get(api_base))
    return gateways[settings]


def reach_by(api_base: str, transport: httpx.AsyncBaseTransport | None) -> None:
    """Reach the Stripe at `api_base` by a transport in place of the network, or (None) by the network again.

    For a sandbox in the same process, which needs no port.
    """
    if transport is None:
        _transports.pop(api_base, None)
    else:
        _transports[api_base] = transport
    for gateways in _shared.values():
        for settings in [each for each in gateways if each[2] == api_base]:
            del gateways[settings]

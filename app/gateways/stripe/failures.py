"""What an answer of Stripe's, or none, proves: that is the whole point of the gateway."""

from __future__ import annotations

import stripe

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


Failure = (Definite, Ambiguous, RateLimited)


def of(error: stripe.StripeError) -> Exception:
    """Which of ours an error of the SDK is."""
    if isinstance(error, stripe.RateLimitError):
        return RateLimited(_said(error))
    if isinstance(error, stripe.IdempotencyError):
        # The key has been used for something else: what that did is what must be found out.
        return Ambiguous(_said(error))
    status = error.http_status
    if status is not None and 400 <= status < 500 and status not in _PROVE_NOTHING:
        return _definite(error)
    return Ambiguous(_said(error))


def _said(error: stripe.StripeError) -> str:
    return f"{type(error).__name__} {error.http_status or ''} {error.user_message or error}"[:500]


def _definite(error: stripe.StripeError) -> Definite:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    detail = body.get("error", {})
    code = detail.get("decline_code") or detail.get("code") or detail.get("type") or "unknown"
    intent = detail.get("payment_intent")
    return Definite(str(code), str(detail.get("message", error))[:500], intent["id"] if intent else "")

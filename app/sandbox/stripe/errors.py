"""Refusals shaped like Stripe's: `{"error": {type, code, message, param, …}}` with Stripe's status codes."""

from __future__ import annotations

from typing import Any


class StripeRefusal(Exception):
    """An answer other than 2xx. What the call did before is undone, unless the refusal says otherwise."""

    keeps_effects = False

    def __init__(
        self, status: int, message: str, *, type: str = "invalid_request_error", code: str = "", param: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"type": type, "message": message}}
        if code:
            self.body["error"]["code"] = code
        if param:
            self.body["error"]["param"] = param


class CardRefusal(StripeRefusal):
    """A declined card: 402, and the failed charge stays on the books as it does at Stripe."""

    keeps_effects = True

    def __init__(self, message: str, *, code: str, decline_code: str, **details: Any) -> None:
        super().__init__(402, message, type="card_error", code=code)
        self.body["error"]["decline_code"] = decline_code
        self.body["error"].update(details)


class KeyReused(StripeRefusal):
    """An idempotency key came again with another request. The answer that it has stands."""

    def __init__(self, key: str) -> None:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with."
            f" Try using a key other than '{key}' if you meant to execute a different request."
        )
        super().__init__(400, message, type="idempotency_error")


def invalid(message: str, *, code: str = "", param: str = "") -> StripeRefusal:
    return StripeRefusal(400, message, code=code, param=param)


def missing(kind: str, identifier: str) -> StripeRefusal:
    return StripeRefusal(404, f"No such {kind}: '{identifier}'", code="resource_missing", param="id")


def unsupported(name: str, operation: str) -> StripeRefusal:
    """Known to Stripe, not to the sandbox: refused aloud, since ignoring it would answer something untrue."""
    message = f"The Stripe sandbox does not implement the parameter '{name}' of {operation}."
    return invalid(message, code="sandbox_unsupported_parameter", param=name)

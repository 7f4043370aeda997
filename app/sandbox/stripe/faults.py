"""Faults by a script: what Stripe and the network may do to a call, before it begins or after it was committed.

Without rules no call pays for them. With rules everything is drawn from their seeds, so a run can be had again.
"""

from __future__ import annotations

import random
import re
from typing import Any, Literal

import msgspec

from app.sandbox.stripe.errors import StripeRefusal, invalid

Kind = Literal[
    "rate_limit", "error_before", "conflict", "reset_before",
    "balance_insufficient", "inactive_capability",
    "error_after", "timeout_after", "reset_after",
]  # fmt: skip
LONGEST_SILENCE_S = 600.0


class NoAnswer(Exception):
    """The call is done, and its caller never hears of it: silence until the caller goes, or for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__("no answer")
        self.seconds = seconds


class ConnectionLost(Exception):
    """The connection breaks, before or after the call was done."""


class FaultRule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One line of the script: calls of this verb whose path the expression matches get this fault.

    `after` matching calls go unharmed first, then `times` (None: all) are hit, each with `probability`.
    """

    fault: Kind
    path: str = ""
    """A regular expression, searched in the path; '' is every path of the API."""
    verb: Literal["", "get", "post", "delete"] = ""
    probability: float = 1.0
    times: int | None = None
    after: int = 0
    seed: int = 0
    delay_s: float = LONGEST_SILENCE_S
    """How long a `timeout_after` stays silent to a caller who does not go."""

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError("probability is 0 to 1")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError("after is 0 or more, times is 1 or more")
        if not 0 <= self.delay_s <= LONGEST_SILENCE_S:
            raise ValueError(f"delay_s is 0 to {LONGEST_SILENCE_S:.0f}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from None


class Line:
    """A rule at work: how often it matched and struck, and its own dice."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.matched = self.struck = 0
        self._path = re.compile(rule.path)
        self._random = random.Random(rule.seed)

    def strikes(self, verb: str, path: str) -> bool:
        rule = self.rule
        if (rule.verb and rule.verb != verb) or not self._path.search(path):
            return False
        self.matched += 1
        if self.matched <= rule.after or (rule.times is not None and self.struck >= rule.times):
            return False
        if self._random.random() >= rule.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """The script in force. It lives in memory: a restarted sandbox is an honest one."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def follow(self, rules: list[FaultRule]) -> None:
        self.lines = [Line(rule) for rule in rules]

    def pick(self, verb: str, path: str) -> FaultRule | None:
        """The first rule that strikes this call."""
        return next((line.rule for line in self.lines if line.strikes(verb, path)), None)

    def shown(self) -> list[dict[str, Any]]:
        return [
            {**msgspec.to_builtins(line.rule), "matched": line.matched, "struck": line.struck} for line in self.lines
        ]


def before(rule: FaultRule) -> None:
    """What happens before Stripe looks at the request; no key remembers it."""
    if rule.fault == "rate_limit":
        raise StripeRefusal(429, "Too many requests. Try again in a moment.", code="rate_limit")
    if rule.fault == "error_before":
        raise server_error()
    if rule.fault == "conflict":
        message = "There is currently another in-progress request using this Idempotent Key."
        raise StripeRefusal(409, message, type="idempotency_error", code="idempotency_key_in_use")
    if rule.fault == "reset_before":
        raise ConnectionLost


def instead(rule: FaultRule) -> None:
    """Refusals in the place of what the call would do. Execution had begun, so v1 remembers them under the key."""
    if rule.fault == "balance_insufficient":
        raise balance_insufficient()
    if rule.fault == "inactive_capability":
        raise inactive_capability()


def after(rule: FaultRule) -> None:
    """What becomes of an answer that was committed and remembered."""
    if rule.fault == "timeout_after":
        raise NoAnswer(rule.delay_s)
    if rule.fault == "reset_after":
        raise ConnectionLost


def server_error() -> StripeRefusal:
    return StripeRefusal(500, "An unknown error occurred.", type="api_error")


def balance_insufficient() -> StripeRefusal:
    return invalid("You have insufficient available funds in your Stripe account.", code="balance_insufficient")


def inactive_capability() -> StripeRefusal:
    return invalid(
        "Your destination account needs to have at least one of the following capabilities enabled: transfers",
        code="insufficient_capabilities_for_transfer",
        param="destination",
    )

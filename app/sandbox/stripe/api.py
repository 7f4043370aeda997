"""One API request: authenticate, judge by the schema, replay or execute, remember the answer.

The steps stand apart on purpose (`admit` → `replayed` → operation → `remember`): whatever may go wrong at Stripe goes
wrong between two of them. All but the first are one transaction, unless the operation is refused and thereby undone.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import msgspec

from app.sandbox.stripe import (
    accounts,
    books,
    checkout,
    customers,
    disputes,
    events,
    faults,
    fraud,
    methods,
    payments,
    payouts,
    refunds,
    reversals,
    setup,
    transfers,
)
from app.sandbox.stripe.errors import KeyReused, StripeRefusal, invalid
from app.sandbox.stripe.form import decode
from app.sandbox.stripe.operations import OPERATIONS, Call, Operation, expand, match
from app.sandbox.stripe.schedule import perform_due
from app.sandbox.stripe.schema import Schemas
from app.sandbox.stripe.store import DEFAULT_LIMIT, Object, State, Store, copied, text_of

logger = logging.getLogger(__name__)
# Importing these files fills OPERATIONS.
MODULES = (
    accounts, books, checkout, customers, disputes, events, fraud, methods,
    payments, payouts, refunds, reversals, setup, transfers,
)  # fmt: skip
CONNECTED = ("/v1/balance", "/v1/balance_transactions", "/v1/payouts")
"""What is served for connected accounts too, reading only."""
KEY_LIFE_S = {"/v1/": 24 * 3600, "/v2/": 30 * 24 * 3600}
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class Request:
    verb: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]
    """Names in lower case."""


@dataclass(frozen=True)
class Reply:
    status: int
    body: str
    replayed: bool = False


@dataclass(frozen=True)
class Admitted:
    """A request that may execute: the operation, what it was called with, and its idempotency."""

    operation: Operation
    call: Call
    scope: str
    """Keys are remembered per API key, connected account and API generation."""
    fingerprint: str
    fault: faults.FaultRule | None = None

    @property
    def remembers(self) -> bool:
        return self.operation.verb == "post" and bool(self.call.idempotency_key)

    @property
    def remembers_failures(self) -> bool:
        return self.remembers and self.operation.path.startswith("/v1/")


def refused(refusal: StripeRefusal) -> Reply:
    return Reply(refusal.status, json.dumps(refusal.body))


@cache
def _schemas() -> Schemas:
    return Schemas(OPERATIONS)


@dataclass
class Api:
    """The sandbox's API over one store."""

    store: Store
    public_url: str
    webhooks: bool
    schemas: Schemas = field(default_factory=_schemas)
    script: faults.Faults = field(default_factory=faults.Faults)
    _in_flight: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store.perform_due = partial(perform_due, call=self.own_call())

    def own_call(self, path: str = "", request_id: str = "") -> Call:
        """What happens without an API request: on a page, at the control door, or by itself."""
        return Call({}, {}, path, "", request_id, "", self.public_url, self.webhooks)

    async def answer(self, request: Request, request_id: str) -> Reply:
        """Raises `faults.NoAnswer` and `faults.ConnectionLost` where the script wants them."""
        rule = self.script.pick(request.verb, request.path) if self.script.lines else None
        try:
            if rule is not None:
                faults.before(rule)
            admitted = self.admit(request, request_id, rule)
            if admitted.remembers:
                reply = await self._once(admitted, admitted.call.idempotency_key)
            else:
                reply = await self.execute(admitted)
        except StripeRefusal as refusal:
            reply = refused(refusal)
        if rule is not None:
            faults.after(rule)
        return reply

    async def _once(self, admitted: Admitted, key: str) -> Reply:
        slot = (admitted.scope, key)
        if slot in self._in_flight:
            message = "There is currently another in-progress request using this Idempotent Key."
            raise StripeRefusal(409, message, type="idempotency_error", code="idempotency_key_in_use")
        self._in_flight.add(slot)
        try:
            return await self.execute(admitted)
        finally:
            self._in_flight.discard(slot)

    def admit(self, request: Request, request_id: str, rule: faults.FaultRule | None = None) -> Admitted:
        """Raises `StripeRefusal` for anything that never begins to execute; such answers are not remembered."""
        api_key = authenticate(request)
        found = match(request.verb, request.path)
        if found is None:
            message = f"Unrecognized request URL ({request.verb.upper()}: {request.path}), or not in the sandbox."
            raise StripeRefusal(404, message)
        one, names = found
        given = self._params(request)
        # What a list of v2 calls its next page is no parameter of the SDK's: it follows `next_page_url` as it stands.
        page = given.pop("page", "") if request.path.startswith("/v2/") and request.verb == "get" else ""
        params = self.schemas.request(one.verb, one.path, given)
        one.refuse_unsupported(params)
        most = self.store.conditions.most_listed
        if most and one.verb == "get" and "limit" in one.supports:
            params["limit"] = min(int(params.get("limit", DEFAULT_LIMIT)), most)
        account = request.headers.get("stripe-account", "")
        if account and not (one.verb == "get" and one.path.startswith(CONNECTED)):
            message = f"The sandbox acts for connected accounts only in GET of {', '.join(CONNECTED)}."
            raise invalid(message, param="Stripe-Account")
        key = request.headers.get("idempotency-key", "")
        if len(key) > MAX_KEY_LENGTH:
            raise invalid(f"Idempotency keys are at most {MAX_KEY_LENGTH} characters.")
        whose = (account, request_id, key, self.public_url, self.webhooks)
        call = Call(params, names, request.path, *whose, request.query, str(page))
        content = f"{request.verb} {request.path} {json.dumps(given, sort_keys=True)}"
        scope = f"{request.path[:4]} {hashlib.sha256(api_key.encode()).hexdigest()[:16]} {account}"
        return Admitted(one, call, scope, hashlib.sha256(content.encode()).hexdigest(), rule)

    def _params(self, request: Request) -> dict[str, Any]:
        if request.path.startswith("/v2/"):
            if "stripe-version" not in request.headers:
                raise invalid("API v2 needs a Stripe-Version header.")
            if request.verb == "post":
                return _json_object(request.body)
        try:
            text = request.body.decode() if request.verb == "post" else request.query
        except UnicodeDecodeError:
            raise invalid("The request body is not UTF-8.") from None
        return decode(text)

    async def execute(self, admitted: Admitted) -> Reply:
        """Replay the answer that the key has, or run the operation and remember its answer, in one transaction.

        v1 remembers refusals and failures too, since execution had begun; v2 remembers successes only, so that a
        retry executes again.
        """
        try:
            return await self.store.run(lambda state: _perform(state, admitted))
        except KeyReused as refusal:
            return refused(refusal)
        except StripeRefusal as refusal:
            reply = refused(refusal)
            if refusal.keeps_effects:
                return reply  # remembered with them
        except Exception:
            logger.exception("the operation %s %s failed", admitted.operation.verb, admitted.operation.path)
            failure = {"error": {"type": "api_error", "message": "An unknown error occurred in the sandbox."}}
            reply = Reply(500, json.dumps(failure))
        if admitted.remembers_failures:
            await self.store.run(lambda state: remember(state, admitted, reply))
        return reply


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(body or b"{}")
    except ValueError:
        raise invalid("The request body is not valid JSON.") from None
    if not isinstance(parsed, dict):
        raise invalid("The request body must be a JSON object.")
    return parsed


def authenticate(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not key:
        raise StripeRefusal(401, "You did not provide an API key.")
    if key.startswith(("sk_live_", "rk_live_")):
        raise StripeRefusal(401, "A live key was sent to the sandbox. Use a key that begins with sk_test_.")
    if not key.startswith("sk_test_"):
        raise StripeRefusal(401, "Invalid API Key provided.")
    return key


def replayed(state: State, admitted: Admitted) -> Reply | None:
    """The answer that its key has had, None when it is new. Raises `KeyReused` when it was used for something else."""
    key = admitted.call.idempotency_key
    row = state.db.execute(
        "SELECT fingerprint, status, body FROM idempotency WHERE scope = ? AND key = ? AND created >= ?",
        (admitted.scope, key, _oldest(state, admitted)),
    ).fetchone()
    if row is None:
        return None
    if row[0] != admitted.fingerprint:
        raise KeyReused(key)
    return Reply(row[1], row[2], replayed=True)


def _oldest(state: State, admitted: Admitted) -> int:
    """When the oldest key that is not forgotten yet was made."""
    return state.now - KEY_LIFE_S[admitted.scope[:4]]


def remember(state: State, admitted: Admitted, reply: Reply) -> None:
    """Keep the answer under its key, in place of all that is forgotten by now."""
    state.db.execute(
        "DELETE FROM idempotency WHERE scope = ? AND created < ?", (admitted.scope, _oldest(state, admitted))
    )
    state.db.execute(
        "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
        (admitted.scope, admitted.call.idempotency_key, admitted.fingerprint, reply.status, reply.body, state.now),
    )


def _perform(state: State, admitted: Admitted) -> Reply:
    call, rule = admitted.call, admitted.fault
    if admitted.remembers and (earlier := replayed(state, admitted)) is not None:
        return earlier
    if rule is not None:
        faults.instead(rule)
    try:
        thing: Object = copied(admitted.operation.function(state, call))
    except StripeRefusal as refusal:
        if refusal.keeps_effects and admitted.remembers_failures:
            remember(state, admitted, refused(refusal))
        raise
    if call.params.get("expand"):
        expand(state, thing, call.params["expand"])
    reply = kept = Reply(200, text_of(thing))
    if rule is not None and rule.fault == "error_after":
        # The effect stands. v1 replays the 500 for as long as the key lives; v2 answers with what was done after all.
        reply = refused(faults.server_error())
        kept = reply if admitted.remembers_failures else kept
    if admitted.remembers:
        remember(state, admitted, kept)
    return reply

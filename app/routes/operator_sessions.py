"""Operators' sessions in browsers: signing in with a passkey, proving once more who sits there, passkeys, signing out.

Programs need none of this: they send `Authorization: Bearer op_…`, and each such request is its own proof.
"""

import time
from collections import Counter
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import audit
from app import passkeys as browser
from app.auth import EVERYONE, LONGEST_SECRET, OPERATOR, operator_cookie, require_own_site
from app.db import Connection
from app.edge import Call, endpoint
from app.errors import Problem
from app.routes.people import network_of
from market import audit_log, ids, operator_sessions, operators, passkeys
from market.errors import Invalid, NotFound
from market.keys import OPERATOR_SESSION_S
from market.operator_sessions import OperatorSession
from market.passkeys import Passkey, Purpose

Json = dict[str, Any]

WRONG_KEYS_A_MINUTE = 20
EXAMPLE = {"passkey": {"id": "AQIDBA", "rawId": "AQIDBA", "type": "public-key", "response": {"clientDataJSON": "e30"}}}

_A_PASSKEY = msgspec.Meta(
    description="What `navigator.credentials` gave, as its `toJSON()` writes it.", examples=[{"type": "public-key"}]
)


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who somebody is: a passkey's answer to a challenge of the last five minutes, or, in the sandbox, a key."""

    passkey: Annotated[Json, _A_PASSKEY] | None = None
    key: Annotated[str, msgspec.Meta(max_length=LONGEST_SECRET, description="op_…; in the sandbox only.")] | None = None


class NewPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A passkey to be enrolled."""

    passkey: Annotated[Json, _A_PASSKEY]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80, examples=["Olu's laptop"])]


class Asked(msgspec.Struct, frozen=True):
    """What to hand to `navigator.credentials`, in the form that `parse…OptionsFromJSON` reads."""

    options: Json


class Opened(msgspec.Struct, frozen=True):
    """Whose session was opened. Its secret is in the cookie alone."""

    operator: str


class _WrongKeys:
    """How many wrong keys a network has sent in this minute, in this process.

    Nobody guesses 256 bits: this keeps the database from being busy with those who try, and no more than that.
    """

    def __init__(self) -> None:
        self.minute, self.counts = 0, Counter[str]()

    def require_few(self, network: str) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self.minute:
            self.minute, self.counts = minute, Counter()
        if self.counts[network] >= WRONG_KEYS_A_MINUTE:
            raise Problem("rate-limited", "Too many wrong keys from your network. Wait a minute.")

    def count(self, network: str) -> None:
        self.counts[network] += 1


_wrong_keys = _WrongKeys()


# ---- signing in


@endpoint("POST", "/v1/operator/session/challenge", by=EVERYONE, uses="own", status=201, problems=("rate-limited",))
async def ask_operator_in(call: Call) -> Asked:
    """Ask for a challenge to sign in with a passkey. It is good once, for five minutes."""
    where = browser.site(call.services.config)
    async with call.services.database.transaction() as connection:
        challenge = await passkeys.sign_in_challenge(connection, network_of(call))
    return Asked(browser.request(where, challenge))


@endpoint(
    "POST", "/v1/operator/session", by=EVERYONE, uses="own", status=201,
    problems=("unauthenticated", "forbidden", "policy-refused", "rate-limited"), example=EXAMPLE,
)  # fmt: skip
async def open_operator_session(call: Call, data: Proof) -> Opened:
    """Sign a browser in, with a passkey or, in the sandbox, with a key.

    The session is in a cookie that our own pages alone can use. It ends after twelve hours, or half an hour without a
    request.
    """
    return Opened(ids.show("operator", await sign_in(call, data)))


async def sign_in(call: Call, proof: Proof) -> UUID:
    """Open a session for whom `proof` shows, in the answer's cookie; who it is. Raises Problem."""
    require_own_site(call.request)
    operator = await _whose(call, proof, "sign_in", None)
    async with call.services.database.transaction() as connection:
        way = "key" if proof.passkey is None else "passkey"
        secret = await operator_sessions.open(connection, operator, way)
        shown = ids.show("operator", operator)
        await audit_log.record(
            connection, f"operator:{operator}", "open_operator_session", subject=shown, data={"by": way}
        )
    call.headers["set-cookie"] = cookie(call, secret, OPERATOR_SESSION_S)
    call.headers["cache-control"] = "no-store"
    return operator


def cookie(call: Call, secret: str, age_s: int) -> str:
    """The Set-Cookie value for an operator's browser."""
    return operator_cookie(secret, max_age_s=age_s, secure=call.services.config.public_url.startswith("https:"))


async def _whose(call: Call, proof: Proof, purpose: Purpose, operator: UUID | None) -> UUID:
    """The operator whom `proof` shows to be there; operator: nobody else will do. Raises Problem, Invalid."""
    if (proof.passkey is None) == (proof.key is None):
        raise Invalid("Send either `passkey` or `key`.", pointer="/passkey")
    found = await (_by_key(call, proof.key) if proof.key is not None else _by_passkey(call, proof, purpose, operator))
    if operator is not None and found != operator:
        raise Problem("unauthenticated", "This is another operator's.")
    return found


async def _by_key(call: Call, key: str) -> UUID:
    if not call.services.config.sandbox:
        raise Problem(
            "policy-refused", "Keys sign in to a sandbox only. With your key, enrol a passkey, and sign in with that."
        )
    network = network_of(call)
    _wrong_keys.require_few(network)
    async with call.services.database.read() as connection:
        found = await operator_sessions.holder(connection, key.strip())
    if found is None:
        _wrong_keys.count(network)
        raise Problem("unauthenticated", "This is no operator's key, or it is revoked.")
    return found


async def _by_passkey(call: Call, proof: Proof, purpose: Purpose, operator: UUID | None) -> UUID:
    given = proof.passkey or {}
    challenge = await _used_up(call, given, purpose, operator)
    where, credential = browser.site(call.services.config), browser.credential_of(given)
    async with call.services.database.transaction() as connection:
        known = await passkeys.find(connection, credential)
        if known is None:
            raise browser.refused("It is not enrolled here, or was removed.")
        count = browser.verify(where, given, challenge, known.public_key, known.sign_count, known.operator)
        await passkeys.used(connection, credential, count)
        return known.operator


async def _used_up(call: Call, given: Json, purpose: Purpose, operator: UUID | None) -> bytes:
    """The challenge that is answered. It is used up by this, whatever the answer is worth. Raises Problem."""
    challenge = browser.challenge_of(given)
    async with call.services.database.transaction() as connection:
        if not await passkeys.use_challenge(connection, challenge, purpose, operator):
            raise browser.refused("Its challenge was used before, or is older than five minutes: try once more.")
    return challenge


@endpoint("DELETE", "/v1/operator/session", by=OPERATOR, status=204, problems=("not-found",))
async def close_operator_session(call: Call) -> None:
    """Sign out: the session that asks ends."""
    call.headers["set-cookie"] = cookie(call, "", 0)
    await operator_sessions.end(call.connection, call.actor.owner, call.actor.key)


# ---- proving it once more


@endpoint("POST", "/v1/operator/session/proof/challenge", by=OPERATOR, uses="own", status=201)
async def ask_operator_again(call: Call) -> Asked:
    """Ask for a challenge to prove once more, with a passkey of one's own, who sits there."""
    where, operator = browser.site(call.services.config), call.actor.owner
    async with call.services.database.transaction() as connection:
        challenge = await passkeys.challenge(connection, "prove", operator)
        allowed = await passkeys.credentials(connection, operator)
        await audit.within(connection, call, "ask_operator_again")
    return Asked(browser.request(where, challenge, allowed))


@endpoint(
    "POST", "/v1/operator/session/proof", by=OPERATOR, uses="own", status=204,
    problems=("not-found", "policy-refused", "rate-limited"), example=EXAMPLE,
)  # fmt: skip
async def prove_operator(call: Call, data: Proof) -> None:
    """Prove once more who sits at this session. What needs a fresh proof takes it for the next five minutes."""
    await prove(call, data)


async def prove(call: Call, proof: Proof) -> None:
    """The session that asks is proven from now on. Raises Problem, and NotFound where a key asks, not a session."""
    if not call.actor.session:
        raise NotFound("A key has no session: each request with it is its own proof.")
    await _whose(call, proof, "prove", call.actor.owner)
    async with call.services.database.transaction() as connection:
        await operator_sessions.prove(connection, call.actor.key)
        await audit.within(connection, call, "prove_operator")
    call.actor_or_none = msgspec.structs.replace(call.actor, proven=True)


# ---- passkeys


@endpoint("GET", "/v1/operator/passkeys", by=OPERATOR)
async def list_passkeys(call: Call) -> list[Passkey]:
    """One's own passkeys."""
    return await passkeys.listed(call.connection, call.actor.owner)


@endpoint("POST", "/v1/operator/passkeys/challenge", by=OPERATOR, status=201, proven=True, problems=("policy-refused",))
async def ask_for_passkey(call: Call) -> Asked:
    """Ask for a challenge to enrol a passkey. A key enrols the first one only, but for the sandbox."""
    where, operator = browser.site(call.services.config), call.actor.owner
    await _require_may_enrol(call, call.connection)
    challenge = await passkeys.challenge(call.connection, "enrol", operator)
    known = await passkeys.credentials(call.connection, operator)
    who = await operators.get(call.connection, operator)
    return Asked(browser.creation(where, challenge, operator, who.email, known))


@endpoint(
    "POST", "/v1/operator/passkeys", by=OPERATOR, uses="own", status=201, proven=True,
    problems=("policy-refused", "wrong-state"),
)  # fmt: skip
async def enrol_passkey(call: Call, data: NewPasskey) -> Passkey:
    """Enrol a passkey of one's own."""
    operator = call.actor.owner
    challenge = await _used_up(call, data.passkey, "enrol", operator)
    new = browser.read_new(browser.site(call.services.config), data.passkey, challenge)
    async with call.services.database.transaction() as connection:
        await _require_may_enrol(call, connection)
        name = data.name.strip() or "passkey"
        made = await passkeys.enrol(connection, operator, new.credential, new.public_key, new.sign_count, name)
        await audit.within(connection, call, "enrol_passkey", subject=made.id, data={"name": name})
        return made


async def _require_may_enrol(call: Call, connection: Connection) -> None:
    """A key that was stolen must not make itself a way in that outlives it."""
    if call.actor.session or call.services.config.sandbox:
        return
    if await passkeys.count(connection, call.actor.owner):
        raise Problem("policy-refused", "A key enrols the first passkey only. Sign in with one that you have.")


@endpoint("DELETE", "/v1/operator/passkeys/{passkey_id}", by=OPERATOR, status=204, proven=True)
async def remove_passkey(call: Call, passkey_id: str) -> None:
    """Remove a passkey of one's own for good; the last one only in the sandbox, where a key opens the door."""
    sandbox = call.services.config.sandbox
    await passkeys.remove(call.connection, call.actor.owner, passkey_id, even_the_last=sandbox)


# ---- sessions


@endpoint("GET", "/v1/operator/sessions", by=OPERATOR)
async def list_operator_sessions(call: Call) -> list[OperatorSession]:
    """One's own open sessions."""
    return await operator_sessions.listed(call.connection, call.actor.owner, call.actor.key)


@endpoint("DELETE", "/v1/operator/sessions/{session_id}", by=OPERATOR, status=204)
async def end_operator_session(call: Call, session_id: str) -> None:
    """End one of one's own sessions, such as that of a machine that was lost."""
    await operator_sessions.end(call.connection, call.actor.owner, ids.read("key", session_id))


ROUTES: list[HTTPRouteHandler] = [
    ask_operator_in, open_operator_session, close_operator_session, ask_operator_again, prove_operator, list_passkeys,
    ask_for_passkey, enrol_passkey, remove_passkey, list_operator_sessions, end_operator_session,
]  # fmt: skip

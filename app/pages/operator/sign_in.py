"""Signing in and out of the console, and what an operator sees of themselves: passkeys and sessions."""

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import auth, passkeys
from app.answers import Answer, redirect
from app.auth import EVERYONE, OPERATOR
from app.edge import Call, endpoint
from app.errors import Problem
from app.pages.operations import FORM_LIMIT, fields, perform, view
from app.pages.operator.frame import HOME, elsewhere, guarded, onward, show, taken
from app.routes import operator_sessions as operations
from market import operators
from market import passkeys as held
from market.terms import Strict


class Coming(Strict, frozen=True, kw_only=True):
    """Where to go on: a page of the console, so that no link sends an operator elsewhere from here."""

    next: Annotated[str, msgspec.Meta(pattern=r"^/operator(/[A-Za-z0-9_:/-]*)?$(?!\n)", max_length=200)] = HOME
    key: Annotated[str, msgspec.Meta(max_length=auth.LONGEST_SECRET)] = ""


@endpoint("GET", "/operator/sign-in", by=EVERYONE, hidden=True)
async def operator_sign_in_page(call: Call) -> Answer:
    """Asks for a passkey, or in the sandbox for a key."""
    asked = dict(call.request.query_params)
    try:
        onto = msgspec.convert({"next": asked.get("next", HOME)}, Coming).next
    except msgspec.ValidationError:
        onto = HOME
    return await _sign_in_page(call, onto, None, status=200)


async def _sign_in_page(call: Call, onto: str, problem: str | None, *, status: int) -> Answer:
    config = call.services.config
    try:
        passkeys.console_url(config)
        why_not = ""
    except Problem as none:
        why_not = none.detail
    other = elsewhere(call.request)
    async with call.services.database.read() as connection:
        # Outside the sandbox no key opens the door, and whether there are passkeys is nobody's to know.
        key_first = config.sandbox and (bool(other or why_not) or not await held.any_enrolled(connection))
        return await show(
            call, connection, "sign_in.html", status=status, next=onto, problem=problem, elsewhere=other,
            why_not=why_not, key_first=key_first,
        )  # fmt: skip


@endpoint("POST", "/operator/sign-in", by=EVERYONE, uses="own", limit=FORM_LIMIT, hidden=True)
async def operator_sign_in(call: Call) -> Answer:
    """Sign in with a key, in the sandbox."""
    coming = await fields(call, Coming)
    try:
        await operations.sign_in(call, operations.Proof(key=coming.key))
    except Problem as problem:
        return await _sign_in_page(call, coming.next, problem.detail, status=problem.status)
    return redirect(coming.next, headers=call.headers)


@endpoint("GET", "/operator/me/proof", by=OPERATOR, hidden=True)
async def proof_page(call: Call) -> Answer:
    """Asks who sits there, for what a script asks for next."""
    raise Problem("proof-required", "To go on, show once more who you are.")


@endpoint("POST", "/operator/me/proof", by=OPERATOR, uses="own", limit=FORM_LIMIT, hidden=True)
async def prove_by_form(call: Call) -> Answer:
    """Takes the proof."""
    await taken(call)
    auth.require_proof(call.actor)
    return onward("/operator/me", "proven")


@endpoint("POST", "/operator/me/sign-out", by=OPERATOR, uses="own", limit=FORM_LIMIT, hidden=True)
async def operator_sign_out(call: Call) -> Answer:
    """End this session."""
    await perform(operations.close_operator_session, call)
    return redirect("/operator/sign-in", headers=call.headers)


@endpoint("GET", "/operator/me", by=OPERATOR, hidden=True)
async def operator_me_page(call: Call) -> Answer:
    """One's own passkeys and sessions."""
    me = await operators.get(call.connection, call.actor.owner)
    own = await view(operations.list_passkeys, call)
    sessions = await view(operations.list_operator_sessions, call)
    return await show(call, call.connection, "me.html", me=me, passkeys=own, sessions=sessions)


@endpoint("POST", "/operator/me/remove-passkey", by=OPERATOR, uses="own", limit=FORM_LIMIT, hidden=True)
async def remove_passkey_by_form(call: Call) -> Answer:
    """Remove one of one's passkeys."""
    form = await taken(call)
    await perform(operations.remove_passkey, call, passkey_id=form.first("passkey"))
    return onward("/operator/me", "removed")


@endpoint("POST", "/operator/me/end-session", by=OPERATOR, uses="own", limit=FORM_LIMIT, hidden=True)
async def end_session_by_form(call: Call) -> Answer:
    """End one of one's sessions."""
    form = await taken(call)
    await perform(operations.end_operator_session, call, session_id=form.first("session"))
    return onward("/operator/me", "ended")


ROUTES: list[HTTPRouteHandler] = guarded(
    [
        operator_sign_in_page,
        operator_sign_in,
        proof_page,
        prove_by_form,
        operator_sign_out,
        operator_me_page,
        remove_passkey_by_form,
        end_session_by_form,
    ]
)

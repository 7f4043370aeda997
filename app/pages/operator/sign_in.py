"""Signing in and out of the console, and what an operator sees of themselves: passkeys and sessions."""

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import auth, passkeys
from app.answers import Answer, redirect
from app.auth import EVERYONE, OPERATOR
from app.edge import Call, endpoint
from app.errors import Problem
from app.pages.operations import fields, perform, read_form, view
from app.pages.operator import forms
from app.pages.operator.forms import form_at
from app.pages.operator.frame import AGAIN, HOME, KEEP, elsewhere, guarded, onward, show, taken
from app.routes import operator_sessions as operations
from market import operators
from market import passkeys as held
from market.terms import Strict

# A page of the console, with what it is asked for.
_PAGE = r"^/operator(/[A-Za-z0-9_:/-]*)?(\?[A-Za-z0-9_.~%&=+:-]*)?$(?!\n)"
KEPT_LIMIT = 2_500_000  # the longest form (EVIDENCE_LIMIT), as a text in a field of another


class Coming(Strict, frozen=True, kw_only=True):
    """Where to go on: a page of the console, so that no link sends an operator elsewhere from here. kept: a form that
    came too late (forms.py), to be shown there as it was."""

    next: Annotated[str, msgspec.Meta(pattern=_PAGE, max_length=2_000)] = HOME
    key: Annotated[str, msgspec.Meta(max_length=auth.LONGEST_SECRET)] = ""
    kept: Annotated[str, msgspec.Meta(max_length=KEPT_LIMIT)] = ""


@endpoint("GET", "/operator/sign-in", by=EVERYONE, hidden=True)
async def operator_sign_in_page(call: Call) -> Answer:
    """Asks for a passkey, or in the sandbox for a key."""
    return await _sign_in_page(call, _onto(call.request.query_params.get("next", HOME)), None, status=200)


def _onto(asked: str) -> str:
    """Where to go on, when that is a page of the console; else the overview."""
    try:
        return msgspec.convert({"next": asked}, Coming).next
    except msgspec.ValidationError:
        return HOME


async def _sign_in_page(call: Call, onto: str, problem: str | None, *, status: int, kept: str = "") -> Answer:
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
            why_not=why_not, key_first=key_first, kept=kept, again=AGAIN,
            as_person=call.request.query_params.get("person") == "yes",
        )  # fmt: skip


@endpoint("POST", "/operator/sign-in", by=EVERYONE, uses="own", limit=KEPT_LIMIT, hidden=True)
async def operator_sign_in(call: Call) -> Answer:
    """Sign in with a key, in the sandbox."""
    coming = await fields(call, Coming)
    try:
        await operations.sign_in(call, operations.Proof(key=coming.key))
    except Problem as problem:
        return await _sign_in_page(call, coming.next, problem.detail, status=problem.status, kept=coming.kept)
    if coming.kept:
        return Answer(status=307, media_type="text/plain", headers={"location": AGAIN, **call.headers})
    return redirect(coming.next, headers=call.headers)


@endpoint("POST", KEEP, by=EVERYONE, uses="own", limit=KEPT_LIMIT, hidden=True)
async def keep_form(call: Call) -> Answer:
    """Asks who sits there, and keeps the form that was sent when the session had ended already."""
    auth.require_own_site(call.request)
    form = await read_form(call)
    action = call.request.query_params.get("to", "")
    kept = form.first("kept") if action == AGAIN else forms.keep(action, form.texts)
    return await _sign_in_page(call, _onto(action.rpartition("/")[0]), None, status=401, kept=kept)


@endpoint("POST", AGAIN, by=OPERATOR, uses="own", limit=KEPT_LIMIT, hidden=True)
async def form_again(call: Call) -> Answer:
    """A form that was kept, on its page, as it was. Nothing of it is done."""
    return await forms.restore(call, (await read_form(call)).first("kept"))


@endpoint("GET", "/operator/me/proof", by=OPERATOR, hidden=True)
async def proof_page(call: Call) -> Answer:
    """Asks who sits there, for what a script asks for next."""
    raise Problem("proof-required", "To go on, show once more who you are.")


@form_at("/operator/me/proof")
async def prove_by_form(call: Call) -> Answer:
    """Takes the proof."""
    await taken(call)
    auth.require_proof(call.actor)
    return onward("/operator/me", "proven")


@form_at("/operator/me/sign-out")
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


@form_at("/operator/me/remove-passkey")
async def remove_passkey_by_form(call: Call) -> Answer:
    """Remove one of one's passkeys."""
    form = await taken(call)
    await perform(operations.remove_passkey, call, passkey_id=form.first("passkey"))
    return onward("/operator/me", "removed")


@form_at("/operator/me/end-session")
async def end_session_by_form(call: Call) -> Answer:
    """End one of one's sessions."""
    form = await taken(call)
    await perform(operations.end_operator_session, call, session_id=form.first("session"))
    return onward("/operator/me", "ended")


ROUTES: list[HTTPRouteHandler] = guarded(
    [
        operator_sign_in_page,
        operator_sign_in,
        keep_form,
        form_again,
        proof_page,
        prove_by_form,
        operator_sign_out,
        operator_me_page,
        remove_passkey_by_form,
        end_session_by_form,
    ]
)

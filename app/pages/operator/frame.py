"""What all pages of the console have in common: their frame, how forms are taken, and what a refusal looks like.

Where a fresh proof of who sits there is wanted, the page that asks for it holds the whole form, and sends it on. Where
nobody is signed in any more, the browser takes the form along to the page that asks who they are.
"""

import secrets
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from app.answers import SAFE_HEADERS, Answer, redirect, request_id
from app.auth import COOKIE, OPERATOR_COOKIE, SAFE_METHODS, operator_cookie, require_own_site
from app.db import Connection
from app.edge import Call, endpoint_of
from app.errors import PROBLEMS, Problem
from app.pages import render
from app.pages.operations import Form, perform, perform_once, read_form
from app.pages.operator import forms, phrases
from app.pages.operator.forms import PROOF_KEY
from app.passkeys import console_url
from app.problems import handle, to_problem, wants_page
from app.routes import operator_sessions
from market import ids, passkeys, switches
from market.terms import Strict

HOME, SIGN_IN = "/operator", "/operator/sign-in"
KEEP, AGAIN = "/operator/sign-in/kept", "/operator/again"  # where a form goes that nobody signed in has sent; and after

SECTIONS = [
    ("Today", [("/operator", "Overview"), ("/operator/switches", "Switches")]),
    ("Paying", [
        ("/operator/runs", "Payout runs"), ("/operator/operations", "Operations"), ("/operator/holds", "Holds"),
    ]),
    ("Paid in", [("/operator/disputes", "Disputes"), ("/operator/fraud-warnings", "Fraud warnings")]),
    ("Answers", [("/operator/appeals", "Appeals")]),
    ("Who", [("/operator/people", "People"), ("/operator/accounts", "Accounts")]),
    ("Books", [
        ("/operator/reconciliation", "Reconciliation"), ("/operator/ledger", "Ledger"),
        ("/operator/trial-balance", "Trial balance"), ("/operator/closes", "Daily closes"),
        ("/operator/events", "Stripe events"),
    ]),
    ("Control", [("/operator/decisions", "Decisions"), ("/operator/audit", "Audit log"), ("/operator/me", "Me")]),
]  # fmt: skip
_ADDRESSES = [address for _, pages in SECTIONS for address, _ in pages]
_BELONGS = {"payouts": "/operator/runs"}  # pages under an address that is no section's

render.teach(
    said=phrases.said, acted=phrases.acted, why=phrases.why, tone=phrases.tone, short=phrases.short,
    place=phrases.place, book=phrases.book,
    stamp=phrases.stamp, uuid=phrases.uuid, owner=phrases.owner, sum_of=phrases.sum_of, typed=phrases.typed,
    left=phrases.left, late=phrases.late, exactly=phrases.exactly, odd=phrases.odd,
)  # fmt: skip

Cursor = Annotated[str, msgspec.Meta(max_length=200)]
Done = Annotated[str, msgspec.Meta(max_length=40)]


class At(Strict, frozen=True, kw_only=True):
    """Which part of a list; done: what the page before has just done."""

    cursor: Cursor | None = None
    done: Done = ""


async def show(call: Call, connection: Connection, template: str, *, status: int = 200, **shown: Any) -> Answer:
    """The console's page of `template` with `shown`; who sits there, and what is stopped, stand on each."""
    names: dict[str, str] = {}
    stopped: list[switches.Switch] = []
    if call.actor_or_none is not None:
        rows = await connection.fetch("SELECT id, name FROM operator")
        names = {ids.show("operator", row["id"]): row["name"] for row in rows}
        names |= {f"operator:{row['id']}": row["name"] for row in rows}
        stopped = [each for each in await switches.listed(connection) if each.stopped]
    sitting = names.get(call.actor.name, "") if names else ""
    sent: forms.Sent = shown.pop("sent", None) or forms.sent_with(call)
    done = phrases.DONE.get(call.request.query_params.get("done", ""), "")
    here = _section(sent.action or call.request.scope["path"])
    return await render.show(
        call, connection, f"operator/{template}", status=status, sections=SECTIONS, here=here, sitting=sitting,
        names=names, stopped=stopped, once=sent.once or secrets.token_hex(16), done=done, sent=sent, **shown,
    )  # fmt: skip


def _section(path: str) -> str:
    """The section that a page belongs to: the one at its address, or that it stands under."""
    part = "/".join(path.partition("?")[0].split("/")[:3])
    part = _BELONGS.get(part.rpartition("/")[2], part)
    return part if part in _ADDRESSES else HOME


async def taken(call: Call) -> Form:
    """The form, with the proof that came with it used. Raises proof-required when that is wrong."""
    form = await read_form(call)
    key = form.first(PROOF_KEY)
    form.texts.pop(PROOF_KEY, None)
    call.request.scope["state"]["form"] = dict(form.texts)
    if call.services.config.sandbox and call.actor_or_none is not None:
        async with call.services.database.read() as connection:
            call.request.scope["state"]["no_passkey"] = not await passkeys.count(connection, call.actor.owner)
    if key:
        try:
            await operator_sessions.prove(call, operator_sessions.Proof(key=key))
        except Problem as problem:
            raise Problem("proof-required", problem.detail) from None
    return form


def onward(path: str, done: str = "", **query: str) -> Answer:
    """On to a page, which says what was done."""
    given = {**query, **({"done": done} if done else {})}
    return redirect(f"{path}?{urlencode(given)}" if given else path)


async def pressed(call: Call, route: HTTPRouteHandler, done: str, *, onto: str = "", **named: str) -> Answer:
    """A form that is a button alone: the operation `route` is done to what is named, once where it moves money; then
    the page on which the button stands says so, or the one at `onto`."""
    form, spec = await taken(call), endpoint_of(route)
    if spec is not None and spec.once:
        await perform_once(route, call, form.first("once"), **named)
    else:
        await perform(route, call, **named)
    return onward(onto or _way_back(call.request).page, done)


def refuse(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What an operator's browser gets for a refusal: the way in, a page that asks for a proof, or what is wrong."""
    problem = to_problem(error)
    if not wants_page(request.headers) or problem.status >= 500:
        return handle(request, error)
    config = request.app.state.services.config
    identity = request_id(request.scope)
    headers = {**SAFE_HEADERS, **render.PAGE_HEADERS, **problem.headers, "x-request-id": identity}
    back = _way_back(request)
    persons = _with_a_persons_session(request, problem)
    if problem.status == 401 or persons:
        if not persons:  # a person's session goes on; the console's has a cookie of its own
            headers["set-cookie"] = operator_cookie("", max_age_s=0, secure=config.public_url.startswith("https:"))
        so = "&person=yes" if persons else ""
        if back.form == AGAIN or forms.is_form(endpoint_of(request.route_handler)):
            # The same request once more, with all that was typed, to the page that asks who sits there.
            return Response(b"", status_code=307, headers={**headers, "location": f"{KEEP}?to={quote(back.form)}{so}"})
        return Response(b"", status_code=303, headers={**headers, "location": f"{SIGN_IN}?next={quote(back.page)}{so}"})
    state = request.scope["state"]
    form = state.get("form", {})
    text = render.render(
        "operator/proof.html" if problem.slug == "proof-required" else "operator/problem.html",
        now=None, signed_in=True, sandbox=config.sandbox, sections=SECTIONS, here=_section(back.page), sitting="",
        names={}, stopped=[], once="", done="", sent=forms.NOTHING, problem=problem, kind=PROBLEMS[problem.slug],
        mistakes=forms.mistakes(problem), back=back.page, identity=identity, action=back.form, form=form,
        kept=forms.keep(back.form, form) if form else "",
        no_passkey=state.get("no_passkey", False), elsewhere=elsewhere(request),
    )  # fmt: skip
    return Response(text.encode(), status_code=problem.status, media_type="text/html", headers=headers)


def _with_a_persons_session(request: Request[Any, Any, Any], problem: Problem) -> bool:
    """Whether somebody was refused for being signed in as a person alone: they may be an operator beside that."""
    cookies = request.cookies
    if problem.slug != "forbidden" or "authorization" in request.headers:
        return False
    if cookies.get(OPERATOR_COOKIE) or not cookies.get(COOKIE):
        return False
    if request.method in SAFE_METHODS:
        return True
    try:
        require_own_site(request)
    except Problem:  # it was refused for where it came from
        return False
    return True


def elsewhere(request: Request[Any, Any, Any]) -> str:
    """Where the console's passkeys work, when that is not the address asked; "" when it is, or they work nowhere."""
    try:
        console = console_url(request.app.state.services.config)
    except Problem:
        return ""
    return "" if f"//{request.headers.get('host', '')}/" in console else console


def refuse_anywhere(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """As the service refuses; at an unknown address under the console's or the people's pages, as those do."""
    path: str = request.scope["path"]
    if path.startswith(f"{render.HOME}/"):
        return render.refuse(request, error)
    return refuse(request, error) if path.startswith(f"{HOME}/") else handle(request, error)


class _Back(NamedTuple):
    """form: the address asked · page: the one to go back to."""

    form: str
    page: str


def _way_back(request: Request[Any, Any, Any]) -> _Back:
    """Where one was: the page that a form stood on, or the page asked for, with what it was asked for."""
    path: str = request.scope["path"]  # request.url would read the Host header, which may be what is wrong
    spec = endpoint_of(request.route_handler) if request.scope.get("route_handler") is not None else None
    if spec is None:
        return _Back(path, HOME)  # nothing is there
    if spec.method != "GET":
        return _Back(path, forms.way_back(spec, request.path_params))
    query = request.scope["query_string"].decode("latin-1")
    return _Back(path, f"{path}?{query}" if query else path)


def guarded(routes: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """The routes, with refusals as pages of the console."""
    for route in routes:
        route.exception_handlers = {Exception: refuse}
        forms.know(route)
    return routes

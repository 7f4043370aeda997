"""Pages for whoever has a phone: what this is, tasks near by, one task, signing in, oneself."""

from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import auth
from app.answers import Answer, redirect
from app.auth import EVERYONE, PERSON, session_cookie
from app.db import Connection
from app.edge import Call, endpoint
from app.errors import Problem
from app.pages import facts, words
from app.pages.operations import FORM_LIMIT, asked, fields, perform
from app.pages.render import refuse, show
from app.paging import MOST_BEFORE
from app.routes import people as operations
from app.routes.claims import From, Latitude, Longitude, Reach
from market import claims, erasure, ids, keys, offers, payout_accounts, people, questions, series_times, tours
from market.accounts import Email
from market.errors import Invalid, TooOften, WrongState
from market.terms import Kind, Strict

ON_A_PAGE = 20
ROUTES_SHOWN = 5
REACHES_M = (1_000, 5_000, 20_000, 100_000)
LONGEST_NAME = 80


class Near(Strict, frozen=True, kw_only=True):
    """Where somebody looks, and for what; without a position only tasks that may be done anywhere are shown."""

    lat: Latitude | None = None
    lon: Longitude | None = None
    radius_m: Annotated[float, msgspec.Meta(gt=0, le=offers.FARTHEST_M)] = 5_000
    kind: Kind | None = None
    skip: Annotated[int, msgspec.Meta(ge=0, le=MOST_BEFORE)] = 0


class Next(Strict, frozen=True, kw_only=True):
    """The page to go on to after signing in: one of ours, so that nobody is led astray."""

    next: Annotated[str, msgspec.Meta(pattern=r"^/w(/[\w-]+)*$", max_length=200, description="A page of ours.")] = "/w"


class Coming(Next, frozen=True, kw_only=True):
    """Somebody asks for a code."""

    email: Email
    name: people.DisplayName | None = None
    terms: Literal["yes"] | None = None


class Expected(Next, frozen=True, kw_only=True):
    """Somebody waits for a code; one may have been sent just before, and is not replaced."""

    email: Email
    sent: Literal["before"] | None = None


class Entering(Next, frozen=True, kw_only=True):
    """Somebody has a code."""

    email: Email
    code: Annotated[str, msgspec.Meta(max_length=20)]


class Changing(Strict, frozen=True, kw_only=True):
    """What somebody changes of themselves; languages as one text."""

    display_name: people.DisplayName
    languages: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Erasing(Strict, frozen=True, kw_only=True):
    """Somebody leaves for good."""

    sure: Literal["yes"]
    leave_unpaid: Literal["yes"] | None = None


@endpoint("GET", "/", by=EVERYONE, hidden=True)
async def front_page(call: Call) -> Answer:
    """What this is, for agents and for people."""
    return await show(call, call.connection, "front.html", base=call.services.config.public_url)


@endpoint("GET", "/w", by=PERSON, optional=True, hidden=True)
async def near_page(call: Call) -> Answer:
    """Tasks near by, nearest first; also for guests."""
    near = asked(call, Near)
    person = None if call.actor_or_none is None else call.actor.owner
    found: list[offers.Offer] | None = None
    routes: list[tours.Route] = []
    if near.lat is not None and near.lon is not None:
        reach = Reach(lat=near.lat, lon=near.lon, radius_m=near.radius_m, kind=near.kind)
        found = await offers.near_by(
            call.connection, person, lat=reach.lat, lon=reach.lon, radius_m=reach.radius_m, kind=reach.kind,
            offset=near.skip, limit=ON_A_PAGE + 1,
        )  # fmt: skip
        if near.skip == 0 and near.kind is None:
            routes = await tours.near_by(
                call.connection, person, lat=reach.lat, lon=reach.lon, radius_m=reach.radius_m, limit=ROUTES_SHOWN
            )
    working = [] if person is None else await claims.active(call.connection, person)
    held = [(claim, await offers.get(call.connection, claim.task_id)) for claim in working]
    return await show(
        call, call.connection, "near.html", near=near, offers=None if found is None else found[:ON_A_PAGE],
        more=near.skip + ON_A_PAGE if found is not None and len(found) > ON_A_PAGE else None,
        held=held, reaches=REACHES_M, kinds=words.KINDS, asked_for=words.asked_for, routes=routes,
    )  # fmt: skip


@endpoint("GET", "/w/tasks/{task_id}", by=PERSON, optional=True, hidden=True)
async def task_page(call: Call, task_id: str) -> Answer:
    """Everything that will decide payment, before claiming."""
    return await show_task(call, call.connection, task_id, asked(call, From))


async def show_task(call: Call, connection: Connection, task_id: str, here: From, *, claiming: bool = False) -> Answer:
    """The page of one task; claiming: its button has been pressed, and only the position is still missing."""
    offer = await offers.get(connection, task_id, lat=here.lat, lon=here.lon)
    mine, chance, number = None, None, ids.read("task", task_id)
    person = None if call.actor_or_none is None else call.actor.owner
    asked_before = await questions.public(connection, person, task_id)
    if call.actor_or_none is not None:
        working = await claims.active(connection, call.actor.owner)
        mine = next((claim for claim in working if claim.task_id == offer.id), None)
        chance = await claims.chance(connection, call.actor.owner, number)
    return await show(
        call, connection, "task.html", offer=offer, here=here, mine=mine, chance=chance, facts=facts.of(offer),
        rules=facts.Rules(call.services.config.hold_window_s), series=await series_times.of_task(connection, number),
        kinds=words.KINDS, spoken=words.spoken, claiming=claiming, asked_before=asked_before,
        most_asked=questions.MOST_OF_PERSON, own_asked=sum(each.own for each in asked_before),
    )  # fmt: skip


@endpoint("GET", "/w/terms", by=PERSON, optional=True, hidden=True)
async def terms_page(call: Call) -> Answer:
    """What somebody agrees to who takes part."""
    return await show(call, call.connection, "terms.html", hold_s=call.services.config.hold_window_s)


# ---- signing in


@endpoint("GET", "/w/sign-in", by=EVERYONE, hidden=True)
async def sign_in_page(call: Call) -> Answer:
    """Asks for an e-mail address."""
    return await show(call, call.connection, "sign_in.html", next=asked(call, Next).next)


@endpoint("POST", "/w/sign-in", by=EVERYONE, uses="own", limit=FORM_LIMIT, hidden=True)
async def ask_for_code(call: Call) -> Answer:
    """Send a code, and go on to where it is entered: an address that a phone can load anew after the mail was read."""
    auth.require_own_site(call.request)
    coming = await fields(call, Coming)
    draft = people.PersonDraft(
        email=coming.email,
        display_name=coming.name or coming.email.partition("@")[0][:LONGEST_NAME],
        accept_terms=coming.terms == "yes",
    )
    onward = {"email": coming.email, "next": coming.next}
    try:
        await perform(operations.sign_up, call, data=draft)
    except TooOften:
        onward["sent"] = "before"
    return redirect(f"/w/sign-in/code?{urlencode(onward)}")


@endpoint("GET", "/w/sign-in/code", by=EVERYONE, uses="own", hidden=True)
async def code_page(call: Call) -> Answer:
    """Asks for the code."""
    expected = asked(call, Expected)
    problem = (
        "No new code was sent: there was one a moment ago, or there were too many today. Use the last one you have."
        if expected.sent
        else None
    )
    return await _code_page(call, expected.email, expected.next, problem, status=200)


@endpoint("POST", "/w/sign-in/code", by=EVERYONE, uses="own", limit=FORM_LIMIT, hidden=True)
async def enter_code(call: Call) -> Answer:
    """Sign in with the code."""
    auth.require_own_site(call.request)
    entering = await fields(call, Entering)
    try:
        secret = await operations.try_code(call, entering.email, entering.code)
    except Problem as problem:
        return await _code_page(call, entering.email, entering.next, problem.detail, status=problem.status)
    return redirect(entering.next, headers={"set-cookie": _cookie(call, secret, keys.SESSION_S)})


async def _code_page(call: Call, email: str, onward: str, problem: str | None, *, status: int) -> Answer:
    async with call.services.database.read() as connection:
        return await show(
            call, connection, "code.html", status=status, next=onward, email=email, problem=problem,
            minutes=people.CODE_S // 60,
        )  # fmt: skip


@endpoint("POST", "/w/sign-out", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def sign_out(call: Call) -> Answer:
    """End this session."""
    await perform(operations.close_session, call)
    return redirect("/w", headers={"set-cookie": _cookie(call, "", 0)})


def _cookie(call: Call, secret: str, age_s: int) -> str:
    return session_cookie(secret, max_age_s=age_s, secure=call.services.config.public_url.startswith("https:"))


# ---- oneself


@endpoint("GET", "/w/me", by=PERSON, hidden=True)
async def me_page(call: Call) -> Answer:
    """What is known of oneself."""
    return await _me_page(call, call.connection, saved="saved" in call.request.query_params)


async def _me_page(
    call: Call, connection: Connection, *, saved: bool = False, problem: str | None = None, status: int = 200
) -> Answer:
    person = call.actor.owner
    return await show(
        call, connection, "me.html", status=status, me=await people.get(connection, person), saved=saved,
        problem=problem, owed=await erasure.owed(connection, person),
        payable=await payout_accounts.find(connection, person) is not None,
    )  # fmt: skip


@endpoint("POST", "/w/me/erase", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def erase_by_form(call: Call) -> Answer:
    """Erase oneself; the next page is a guest's."""
    given = await fields(call, Erasing)
    leaving = operations.Leaving(confirm="erase everything about me", leave_unpaid=given.leave_unpaid == "yes")
    try:
        await perform(operations.erase_me, call, data=leaving)
    except WrongState as refusal:
        async with call.services.database.read() as connection:
            return await _me_page(call, connection, problem=refusal.detail, status=409)
    return redirect("/w", headers={"set-cookie": _cookie(call, "", 0)})


@endpoint("POST", "/w/me", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def save_me(call: Call) -> Answer:
    """Change one's name or languages."""
    given = await fields(call, Changing)
    languages = [text.strip() for text in given.languages.split(",") if text.strip()]
    try:
        change = msgspec.convert({"display_name": given.display_name, "languages": languages}, people.PersonChange)
    except msgspec.ValidationError:
        raise Invalid(
            "Languages are codes such as en, de or pt-BR, with commas between.", pointer="/languages"
        ) from None
    await perform(operations.change_me, call, data=change)
    return redirect("/w/me?saved")


ROUTES: list[HTTPRouteHandler] = [
    front_page, near_page, task_page, terms_page, sign_in_page, ask_for_code, code_page, enter_code, sign_out, me_page,
    save_me, erase_by_form,
]  # fmt: skip
for route in ROUTES:
    route.exception_handlers = {Exception: refuse}

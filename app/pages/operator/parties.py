"""People, accounts, and holds on either. Looking is kept in the audit log, as with the JSON operations."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages.operations import Form, asked, perform, view
from app.pages.operator.forms import form_at
from app.pages.operator.frame import Cursor, Done, guarded, onward, pressed, show, taken
from app.routes.operator import holds, parties
from app.strict import decode_query
from market import clock
from market.errors import Invalid
from market.terms import Strict


class Looking(Strict, frozen=True, kw_only=True):
    """search: a part of a name or an address, or an id · held: those on hold alone."""

    search: Annotated[str, msgspec.Meta(max_length=200)] = ""
    held: Literal["", "yes"] = ""
    cursor: Cursor | None = None
    done: Done = ""

    def query(self) -> parties.Search:
        """As the JSON operations take it."""
        return parties.Search(search=self.search.strip(), held=bool(self.held), cursor=self.cursor)


class Which(Strict, frozen=True, kw_only=True):
    """Holds on people, on accounts, or on both."""

    kind: Literal["", "person", "account"] = ""
    cursor: Cursor | None = None
    done: Done = ""


class Holding(Strict, frozen=True, kw_only=True):
    """Why, and for how many days; none: until it is released."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] | None = None


@endpoint("GET", "/operator/people", by=OPERATOR, hidden=True)
async def people_page(call: Call) -> Answer:
    """Who answers."""
    looking = asked(call, Looking)
    found = await view(parties.find_people, call, query=looking.query())
    return await show(call, call.connection, "people.html", found=found, looking=looking)


@endpoint("GET", "/operator/people/{person_id}", by=OPERATOR, hidden=True)
async def person_page(call: Call, person_id: str) -> Answer:
    """One person."""
    found = await view(parties.get_person_for_operator, call, person_id=person_id)
    return await show(call, call.connection, "person.html", found=found, person=found.person)


@endpoint("GET", "/operator/accounts", by=OPERATOR, hidden=True)
async def accounts_page(call: Call) -> Answer:
    """Who buys."""
    looking = asked(call, Looking)
    found = await view(parties.find_accounts, call, query=looking.query())
    return await show(call, call.connection, "accounts.html", found=found, looking=looking)


@endpoint("GET", "/operator/accounts/{account_id}", by=OPERATOR, hidden=True)
async def account_page(call: Call, account_id: str) -> Answer:
    """One account."""
    found = await view(parties.get_account_for_operator, call, account_id=account_id)
    return await show(call, call.connection, "account.html", found=found, account=found.account)


@endpoint("GET", "/operator/holds", by=OPERATOR, hidden=True)
async def holds_page(call: Call) -> Answer:
    """Who is on hold."""
    which = asked(call, Which)
    query = holds.HoldsQuery(kind=which.kind or None, cursor=which.cursor)
    found = await view(holds.list_holds, call, query=query)
    return await show(call, call.connection, "holds.html", found=found, which=which)


async def _hold(call: Call, form: Form) -> holds.HoldDraft:
    given = decode_query(form.filled(), Holding)
    if given.days is None:
        return holds.HoldDraft(reason=given.reason)
    async with call.services.database.read() as connection:
        now: datetime = await clock.now(connection)
    try:
        return holds.HoldDraft(reason=given.reason, expires_at=now.astimezone(UTC) + timedelta(days=given.days))
    except OverflowError:
        raise Invalid("That is too far away.", pointer="/days") from None


@form_at("/operator/people/{person_id}/hold")
async def hold_person_by_form(call: Call, person_id: str) -> Answer:
    """Put somebody on hold."""
    given = await _hold(call, await taken(call))
    await perform(holds.hold_person, call, person_id=person_id, data=given)
    return onward(f"/operator/people/{person_id}", "held")


@form_at("/operator/people/{person_id}/release")
async def release_person_by_form(call: Call, person_id: str) -> Answer:
    """End a hold on somebody."""
    return await pressed(call, holds.release_person, "released", person_id=person_id)


@form_at("/operator/accounts/{account_id}/hold")
async def hold_account_by_form(call: Call, account_id: str) -> Answer:
    """Put an account on hold."""
    given = await _hold(call, await taken(call))
    await perform(holds.hold_account, call, account_id=account_id, data=given)
    return onward(f"/operator/accounts/{account_id}", "held")


@form_at("/operator/accounts/{account_id}/release")
async def release_account_by_form(call: Call, account_id: str) -> Answer:
    """End a hold on an account."""
    return await pressed(call, holds.release_account, "released", account_id=account_id)


ROUTES: list[HTTPRouteHandler] = guarded(
    [
        people_page, person_page, accounts_page, account_page, holds_page, hold_person_by_form, release_person_by_form,
        hold_account_by_form, release_account_by_form,
    ]
)  # fmt: skip

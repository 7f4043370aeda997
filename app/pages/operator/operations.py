"""What was asked of Stripe, above all what is in doubt, and what Stripe has told us and could not be acted on."""

from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages.operations import asked, perform, view
from app.pages.operator.forms import form_at
from app.pages.operator.frame import Cursor, Done, guarded, onward, pressed, show, taken
from app.routes.operator import operations
from app.strict import decode_query
from market.operations_desk import Status
from market.terms import Strict


class Which(Strict, frozen=True, kw_only=True):
    """The doubtful ones unless all, or those in one state, are asked for."""

    all: Literal["", "yes"] = ""
    status: Status | None = None
    cursor: Cursor | None = None
    done: Done = ""


class WhichEvents(Strict, frozen=True, kw_only=True):
    """Those of which acting has failed and that still wait, unless all are asked for."""

    all: Literal["", "yes"] = ""
    cursor: Cursor | None = None
    done: Done = ""


class Reason(Strict, frozen=True, kw_only=True):
    """Why an operation is given up."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    sure: Literal["yes"]


@endpoint("GET", "/operator/operations", by=OPERATOR, hidden=True)
async def operations_page(call: Call) -> Answer:
    """The queue of those in doubt, or all."""
    which = asked(call, Which)
    doubtful = not which.all and which.status is None
    query = operations.OperationsQuery(status=which.status, doubtful=doubtful, cursor=which.cursor)
    found = await view(operations.list_operations, call, query=query)
    return await show(call, call.connection, "operations.html", found=found, which=which, doubtful=doubtful)


@endpoint("GET", "/operator/operations/{operation_id}", by=OPERATOR, hidden=True)
async def operation_page(call: Call, operation_id: str) -> Answer:
    """One operation with every try, and what can be done about it."""
    found = await view(operations.get_operation, call, operation_id=operation_id)
    return await show(call, call.connection, "operation.html", op=found.operation, all_attempts=found.attempts)


@form_at("/operator/operations/{operation_id}/look")
async def look_by_form(call: Call, operation_id: str) -> Answer:
    """Look it up at Stripe."""
    await taken(call)
    looked = await perform(operations.look_up_operation, call, operation_id=operation_id)
    return onward(f"/operator/operations/{operation_id}", looked.outcome)


@form_at("/operator/operations/{operation_id}/retry")
async def retry_by_form(call: Call, operation_id: str) -> Answer:
    """Send it again under its key."""
    return await pressed(call, operations.retry_operation, "retried", operation_id=operation_id)


@form_at("/operator/operations/{operation_id}/give-up")
async def give_up_by_form(call: Call, operation_id: str) -> Answer:
    """Give it up."""
    reason = decode_query((await taken(call)).filled(), Reason).reason
    given = operations.GiveUp(reason=reason, confirm_absent=True)
    looked = await perform(operations.give_up_operation, call, operation_id=operation_id, data=given)
    return onward(f"/operator/operations/{operation_id}", looked.outcome)


@endpoint("GET", "/operator/events", by=OPERATOR, hidden=True)
async def events_page(call: Call) -> Answer:
    """Events of Stripe's: those that could not be acted on, or all."""
    which = asked(call, WhichEvents)
    query = operations.EventsQuery(waiting=not which.all, failed=not which.all, cursor=which.cursor)
    found = await view(operations.list_stripe_events, call, query=query)
    return await show(call, call.connection, "events.html", found=found, which=which)


@form_at("/operator/events/{event_id}/retry")
async def retry_event_by_form(call: Call, event_id: str) -> Answer:
    """Act on it again."""
    return await pressed(call, operations.retry_stripe_event, "event", event_id=event_id)


ROUTES: list[HTTPRouteHandler] = guarded(
    [
        operations_page, operation_page, look_by_form, retry_by_form, give_up_by_form, events_page, retry_event_by_form,
    ]
)  # fmt: skip

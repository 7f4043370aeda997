"""Operations at Stripe of which nobody knows whether they have happened, and events that could not be acted on."""

from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import audit
from app.auth import OPERATOR
from app.db import Connection
from app.edge import Call, endpoint
from app.money import by_hand
from app.money.by_hand import Looked
from app.money.incoming import queue_event
from app.money.outgoing import queue_op
from app.paging import Cursor, Limit, Page, page, read_text
from market import ids, inbox_desk, operations_desk
from market.inbox_desk import StripeEvent
from market.operations_desk import Kind, Operation, OperationHistory, Status

OPERATIONS = "/v1/operator/operations"
EVENTS = "/v1/operator/stripe-events"


class OperationsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """doubtful: those alone of which nobody has known for a while whether they have happened, oldest first."""

    status: Status | None = None
    kind: Kind | None = None
    doubtful: bool = False
    limit: Limit = 50
    cursor: Cursor | None = None


class LookedUp(msgspec.Struct, frozen=True):
    """outcome: found (it has happened, and is settled so) · refused (Stripe has refused it) · nothing_found · given_up.

    next_key: the key of the next attempt at the same thing, which is a new one; null while there can be none.
    """

    outcome: str
    operation: Operation
    next_key: str | None
    next_key_is_new: bool


class Retried(msgspec.Struct, frozen=True):
    """key: under which it is sent again; never a new one."""

    operation: Operation
    key: str
    key_is_new: bool


class GiveUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """confirm_absent: you are sure that Stripe has nothing of it."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=300, examples=["not at Stripe; their support agrees"])]
    confirm_absent: Literal[True]


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """waiting: those that were not acted on yet · failed: those of which acting has failed."""

    waiting: bool = False
    failed: bool = False
    limit: Limit = 50
    cursor: Cursor | None = None


@endpoint("GET", OPERATIONS, by=OPERATOR)
async def list_operations(call: Call, query: OperationsQuery) -> Page[Operation]:
    """What was asked of Stripe, newest first, with key, age, and what happens next."""
    found = await operations_desk.listed(
        call.connection, cursor=read_text(query.cursor), limit=query.limit + 1, status=query.status, kind=query.kind,
        doubtful=query.doubtful,
    )  # fmt: skip
    return page(found, query.limit, operations_desk.place, lambda one: one)


@endpoint("GET", f"{OPERATIONS}/{{operation_id}}", by=OPERATOR)
async def get_operation(call: Call, operation_id: str) -> OperationHistory:
    """One operation, with every attempt at the same thing and each try, its key, and what came of it."""
    return await operations_desk.get(call.connection, ids.read("stripe_op", operation_id))


@endpoint("POST", f"{OPERATIONS}/{{operation_id}}/look", by=OPERATOR, uses="own", problems=("wrong-state", "conflict"))
async def look_up_operation(call: Call, operation_id: str) -> LookedUp:
    """Look an operation up at Stripe now, by our ids in its metadata.

    For one that is in doubt and that nobody holds. When it is found, it is settled as succeeded; nothing is sent.
    """
    op = ids.read("stripe_op", operation_id)

    async def keep(connection: Connection) -> None:
        await audit.within(connection, call, "look_up_operation", subject=operation_id)

    return await _looked_up(call, operation_id, await by_hand.look(call.services, op, call.actor.owner, keep))


@endpoint("POST", f"{OPERATIONS}/{{operation_id}}/retry", by=OPERATOR, problems=("wrong-state", "stopped"))
async def retry_operation(call: Call, operation_id: str) -> Retried:
    """Send an operation again now, under the same key: what Stripe has done already it does not do twice.

    What may be too old for its key, or was tried often, is looked up first.
    """
    op = ids.read("stripe_op", operation_id)
    key = await operations_desk.retry(call.connection, op, call.actor.owner)
    await queue_op(call.connection, op)
    return Retried((await operations_desk.get(call.connection, op)).operation, key, key_is_new=False)


@endpoint(
    "POST", f"{OPERATIONS}/{{operation_id}}/give-up", by=OPERATOR, uses="own", proven=True,
    problems=("wrong-state", "conflict"),
)  # fmt: skip
async def give_up_operation(call: Call, operation_id: str, data: GiveUp) -> LookedUp:
    """Give an operation up that Stripe has nothing of.

    It is looked up once more in this very call, and its last try must be two minutes old. Then it counts as refused:
    its money goes back, and executing the run again pays by a new attempt under a new key. When it is found after all,
    it is settled as succeeded instead.
    """
    op = ids.read("stripe_op", operation_id)

    async def keep(connection: Connection) -> None:
        given = msgspec.to_builtins(data)
        await audit.within(connection, call, "give_up_operation", subject=operation_id, data=given)

    looked = await by_hand.give_up(call.services, op, call.actor.owner, data.reason.strip(), keep)
    return await _looked_up(call, operation_id, looked)


async def _looked_up(call: Call, operation_id: str, looked: Looked) -> LookedUp:
    async with call.services.database.read() as connection:
        found = await operations_desk.get(connection, ids.read("stripe_op", operation_id))
    return LookedUp(looked.came, found.operation, looked.next_key, next_key_is_new=looked.next_key is not None)


@endpoint("GET", EVENTS, by=OPERATOR)
async def list_stripe_events(call: Call, query: EventsQuery) -> Page[StripeEvent]:
    """What Stripe has told us; with `waiting` what was not acted on yet, with the reason where there is one."""
    found = await inbox_desk.listed(
        call.connection, after=read_text(query.cursor), limit=query.limit + 1, waiting=query.waiting,
        failed=query.failed,
    )  # fmt: skip
    return page(found, query.limit, lambda event: event.id, lambda event: event)


@endpoint("POST", f"{EVENTS}/{{event_id}}/retry", by=OPERATOR, status=204, problems=("wrong-state",))
async def retry_stripe_event(call: Call, event_id: str) -> None:
    """Act on an event again now. What it is about is fetched anew, so doing it twice does no harm."""
    await inbox_desk.retry(call.connection, event_id)
    await queue_event(call.connection, event_id)


ROUTES: list[HTTPRouteHandler] = [
    list_operations,
    get_operation,
    look_up_operation,
    retry_operation,
    give_up_operation,
    list_stripe_events,
    retry_stripe_event,
]

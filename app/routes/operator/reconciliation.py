"""Whether the books agree with Stripe's, and what stands for each line of Stripe's balance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.gateways.stripe import Ambiguous, Definite, RateLimited
from app.money.outgoing import stripe_of
from app.paging import Cursor, Limit, Page, page, read_text
from app.reconciliation import Reconciliation, reconcile
from market import matching, money_decisions, suspense
from market.errors import Invalid, NotFound
from market.matching import MatchedLine, State
from market.money_decisions import Decision

LINES = "/v1/operator/balance-lines"


class LinesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """In one state, or all."""

    state: State | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the line was: the ledger account on its other side.

    stripe:fees, platform:losses, platform:bank, platform:capital, platform:fee or buyer:<account>:available.
    """

    target: Annotated[str, msgspec.Meta(min_length=1, max_length=100, examples=["platform:losses"])]
    reason: Annotated[
        str, msgspec.Meta(min_length=1, max_length=1000, examples=["refunded in the dashboard by mistake"])
    ]


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Stripe that does not answer is nobody's mistake here."""
    try:
        yield
    except (Definite, Ambiguous, RateLimited) as failure:
        raise Problem("unavailable", "Stripe does not answer just now.") from failure


@endpoint("GET", "/v1/operator/reconciliation", by=OPERATOR, uses="own", problems=("unavailable",))
async def get_reconciliation(call: Call) -> Reconciliation:
    """The ledger's `stripe:clearing` beside what Stripe holds, why they differ, and every line that is not in order.

    Stripe's books are read up to now first.
    """
    async with answering():
        return await reconcile(call.services.database, stripe_of(call.services))


@endpoint("GET", LINES, by=OPERATOR)
async def list_balance_lines(call: Call, query: LinesQuery) -> Page[MatchedLine]:
    """Lines of Stripe's balance, newest first, each with what stands for it in the books."""
    found = await matching.lines(
        call.connection, state=query.state, after=_place(query.cursor), limit=query.limit + 1
    )  # fmt: skip
    return page(found, query.limit, lambda line: f"{line.created_at.isoformat()} {line.id}", lambda line: line)


@endpoint("GET", f"{LINES}/{{line_id}}", by=OPERATOR)
async def get_balance_line(call: Call, line_id: str) -> MatchedLine:
    """One line of Stripe's balance, by its id at Stripe (txn_…)."""
    found = await matching.line(call.connection, line_id)
    if found is None:
        raise Problem("not-found", "There is no such line in the mirror of Stripe's balance.")
    return found


@endpoint(
    "POST", f"{LINES}/{{line_id}}/resolution", by=OPERATOR, once=True, status=201, problems=("wrong-state",)
)  # fmt: skip
async def ask_for_resolution(call: Call, line_id: str, data: Resolution) -> Decision:
    """Say what a line in suspense was.

    Nothing moves until another operator approves it: POST /v1/operator/decisions/{decision_id}/approve.
    """
    reason = data.reason.strip()
    if not reason:
        raise Invalid("A decision needs a reason.", pointer="/reason")
    if await matching.line(call.connection, line_id) is None:
        raise Problem("not-found", "There is no such line in the mirror of Stripe's balance.")
    try:
        decision = await suspense.ask(call.connection, call.actor.owner, line_id, data.target, reason)
    except NotFound as missing:
        raise Invalid(str(missing), pointer="/target") from missing
    return await money_decisions.get(call.connection, decision)


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    text = read_text(cursor)
    if text is None:
        return None
    at, _, id = text.partition(" ")
    try:
        place = datetime.fromisoformat(at)
        if place.tzinfo is None or not id:
            raise ValueError
    except ValueError:
        wrong = FieldError("/cursor", "This is no cursor of this list.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong]) from None
    return place, id


ROUTES: list[HTTPRouteHandler] = [get_reconciliation, list_balance_lines, get_balance_line, ask_for_resolution]

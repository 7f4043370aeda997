"""Whether the books agree with Stripe's, what is in suspense, and the days that were closed and signed."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages.operations import asked, perform, perform_once, view
from app.pages.operator.forms import form_at
from app.pages.operator.frame import At, Cursor, Done, guarded, onward, show, taken
from app.paging import Window
from app.routes.operator import closes, reconciliation
from app.strict import decode_query
from market import ids, matching
from market.errors import Invalid, NotFound
from market.matching import State
from market.terms import Strict

BUYER = "buyer"
TARGETS = {
    "": "Choose what it was",
    BUYER: "a buyer’s money: it changes their balance",
    "platform:losses": "a loss of ours (platform:losses)",
    "stripe:fees": "a fee of Stripe’s (stripe:fees)",
    "platform:bank": "paid out to our own bank, or back from it (platform:bank)",
    "platform:capital": "money that we put in, or took out (platform:capital)",
    "platform:fee": "income of ours (platform:fee)",
}


class Lines(Strict, frozen=True, kw_only=True):
    """Lines of Stripe's balance in one state, or all."""

    state: State | Literal[""] = ""
    cursor: Cursor | None = None
    done: Done = ""


class Resolving(Strict, frozen=True, kw_only=True):
    """What a line was: one of our own accounts, or the balance of a buyer, who is named by the account's id."""

    target: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    account: Annotated[str, msgspec.Meta(max_length=60)] = ""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

    def code(self) -> str:
        """The ledger account. Raises Invalid for a buyer who is not named, or named for nothing."""
        if self.target != BUYER:
            if self.account:
                raise Invalid("A buyer is named, but it was said to be something else.", pointer="/account")
            return self.target
        try:
            ids.read("account", self.account)
        except NotFound:
            raise Invalid("Say whose balance it is, by the account's id: acct_…", pointer="/account") from None
        return f"buyer:{self.account}:available"


class Closing(Strict, frozen=True, kw_only=True):
    """Which day."""

    day: date


@endpoint("GET", "/operator/reconciliation", by=OPERATOR, uses="own", hidden=True)
async def reconciliation_page(call: Call) -> Answer:
    """The two books side by side, as of now: Stripe is asked."""
    found = await perform(reconciliation.get_reconciliation, call)
    async with call.services.database.read() as connection:
        return await show(call, connection, "reconciliation.html", found=found)


@endpoint("GET", "/operator/reconciliation/lines", by=OPERATOR, hidden=True)
async def balance_lines_page(call: Call) -> Answer:
    """Lines of Stripe's balance, newest first."""
    which = asked(call, Lines)
    query = reconciliation.LinesQuery(state=which.state or None, cursor=which.cursor)
    found = await view(reconciliation.list_balance_lines, call, query=query)
    return await show(
        call, call.connection, "balance_lines.html", found=found, which=which, states=matching.STATES
    )  # fmt: skip


@endpoint("GET", "/operator/reconciliation/lines/{line_id}", by=OPERATOR, hidden=True)
async def balance_line_page(call: Call, line_id: str) -> Answer:
    """One line of Stripe's balance, what stands for it, and what can be done when nothing does."""
    line = await view(reconciliation.get_balance_line, call, line_id=line_id)
    return await show(call, call.connection, "balance_line.html", line=line, targets=TARGETS)


@form_at("/operator/reconciliation/lines/{line_id}/resolve")
async def resolve_line_by_form(call: Call, line_id: str) -> Answer:
    """Say what a line in suspense was; another operator decides."""
    texts = (await taken(call)).filled()
    once = texts.pop("once", "")
    given = decode_query(texts, Resolving)
    resolution = reconciliation.Resolution(target=given.code(), reason=given.reason)
    made = await perform_once(reconciliation.ask_for_resolution, call, once, line_id=line_id, data=resolution)
    return onward(f"/operator/decisions/{made['id']}", "asked")


@endpoint("GET", "/operator/closes", by=OPERATOR, hidden=True)
async def closes_page(call: Call) -> Answer:
    """Closed days, newest first, and the one that is next."""
    found = await view(closes.list_closes, call, query=Window(cursor=asked(call, At).cursor))
    due = await view(closes.get_next_day, call)
    today = await call.connection.fetchval("SELECT (market_now() AT TIME ZONE 'utc')::date")
    return await show(call, call.connection, "closes.html", found=found, day=due.day, today=today)


@form_at("/operator/closes")
async def close_day_by_form(call: Call) -> Answer:
    """Close and sign a day."""
    day = decode_query((await taken(call)).filled(), Closing).day
    await perform(closes.close_day, call, data=closes.CloseDraft(day=day))
    return onward(f"/operator/closes/{day}", "closed")


@endpoint("GET", "/operator/closes/{day}", by=OPERATOR, hidden=True)
async def close_page(call: Call, day: str) -> Answer:
    """One closed day with its signature."""
    found = await view(closes.get_close, call, day=day)
    return await show(call, call.connection, "close.html", close=found)


ROUTES: list[HTTPRouteHandler] = guarded(
    [
        reconciliation_page, balance_lines_page, balance_line_page, resolve_line_by_form, closes_page,
        close_day_by_form, close_page,
    ]
)  # fmt: skip

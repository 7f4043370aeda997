"""Daily closes: a day's books as they were at its end, signed."""

from datetime import date
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import audit, signing
from app.auth import OPERATOR
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.money.outgoing import stripe_of
from app.paging import Page, Window, page, read_text
from app.reconciliation import compare
from app.routes.operator.reconciliation import answering
from market import closing
from market.closing import Close, CloseSummary

CLOSES = "/v1/operator/closes"


class CloseDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The day to be closed (UTC): the one after the last closed one."""

    day: Annotated[date, msgspec.Meta(examples=["2026-03-31"])]


class SigningKey(msgspec.Struct, frozen=True):
    """Ed25519, 32 bytes in hex. Keep a copy elsewhere: whoever has it can verify every close that it signed."""

    public_key: str
    algorithm: str = "Ed25519"


class NextDay(msgspec.Struct, frozen=True):
    """The day to be closed next; null while nothing was ever posted."""

    day: date | None


@endpoint(
    "POST", CLOSES, by=OPERATOR, uses="own", proven=True, status=201, problems=("wrong-state", "unavailable")
)  # fmt: skip
async def close_day(call: Call, data: CloseDraft) -> Close:
    """Close a day that is over, and sign its books.

    Days are closed in order, each once, and nothing is posted into a closed day. Refused while a line of Stripe's
    balance from that day has nothing that stands for it, and while the ledger and Stripe differ unexplained. What is in
    suspense is listed in the close.
    """
    database = call.services.database
    async with answering():
        _, sides = await compare(database, stripe_of(call.services))
    sign = signing.signer(call.services.config.secret_key)
    async with database.transaction() as connection:
        await closing.close(connection, call.actor.owner, data.day, sides, sign)
        wake(EVENTS)
        closed = await closing.get(connection, data.day)
        await audit.within(connection, call, "close_day", data={"day": data.day.isoformat()})
        return closed


@endpoint("GET", CLOSES, by=OPERATOR)
async def list_closes(call: Call, query: Window) -> Page[CloseSummary]:
    """Closed days, newest first."""
    found = await closing.listed(call.connection, before=_day_or_none(query.cursor), limit=query.limit + 1)
    return page(found, query.limit, lambda one: one.day.isoformat(), lambda one: one)


@endpoint("GET", f"{CLOSES}/key", by=OPERATOR)
async def get_signing_key(call: Call) -> SigningKey:
    """The public key of the closes that this installation signs now."""
    return SigningKey(signing.public_key(call.services.config.secret_key).hex())


@endpoint("GET", f"{CLOSES}/next", by=OPERATOR)
async def get_next_day(call: Call) -> NextDay:
    """Which day is to be closed next."""
    return NextDay(await closing.next_day(call.connection))


@endpoint("GET", f"{CLOSES}/{{day}}", by=OPERATOR)
async def get_close(call: Call, day: str) -> Close:
    """One closed day, such as 2026-03-31: what was signed, its hash and signature."""
    try:
        return await closing.get(call.connection, date.fromisoformat(day))
    except ValueError:
        raise Problem("not-found", "There is no such day.") from None


def _day_or_none(cursor: str | None) -> date | None:
    text = read_text(cursor)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        wrong = FieldError("/cursor", "This is no cursor of this list.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong]) from None


ROUTES: list[HTTPRouteHandler] = [close_day, list_closes, get_signing_key, get_next_day, get_close]

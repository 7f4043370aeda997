"""Refunds: unused balance back to the card, or the bank, that it came from."""

from __future__ import annotations

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import AGENT
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.money.outgoing import queue_op
from app.paging import Page, Window, page, read_uuid
from market import ids, refunds
from market.refunds import Refund, RefundDraft


class Refunds(msgspec.Struct, frozen=True):
    """What one request has set under way: one refund for each payment that something goes back to."""

    items: list[Refund]


@endpoint(
    "POST", "/v1/refunds", by=AGENT, scope="funding:write", once=True, status=201,
    problems=("insufficient-funds", "wrong-state", "account-held", "stopped"),
    example={"amount": {"amount": 2_000, "currency": "usd"}, "reason": "project ended"},
)  # fmt: skip
async def ask_refund(call: Call, data: RefundDraft) -> Refunds:
    """Take unused balance back.

    It goes to where it came from, the newest payment first, and leaves the balance at once; without an amount, all that
    can go back. It is over when Stripe says so: see the events `refund.succeeded` and `refund.failed`. What fails, also
    days later, is in the balance again.
    """
    asked = await refunds.begin(call.connection, call.actor, data)
    for _, op in asked:
        await queue_op(call.connection, op)
    wake(EVENTS)
    return Refunds(await refunds.some(call.connection, [refund for refund, _ in asked]))


@endpoint("GET", "/v1/refunds", by=AGENT, scope="funding:write")
async def list_refunds(call: Call, query: Window) -> Page[Refund]:
    """The account's refunds, newest first."""
    before = read_uuid(query.cursor)
    rows = await refunds.listed(call.connection, call.actor.owner, before=before, limit=query.limit + 1)
    return page(rows, query.limit, lambda row: ids.read("refund", row.id), lambda row: row)


@endpoint("GET", "/v1/refunds/{refund_id}", by=AGENT, scope="funding:write")
async def get_refund(call: Call, refund_id: str) -> Refund:
    """One refund: whether it has arrived, and why not."""
    return await refunds.get(call.connection, ids.read("refund", refund_id), call.actor.owner)


ROUTES: list[HTTPRouteHandler] = [ask_refund, list_refunds, get_refund]

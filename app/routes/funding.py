"""Funding: money for an agent's account, by a card or by a page where somebody pays."""

import asyncio
from datetime import datetime
from uuid import UUID

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, html_answer, redirect
from app.auth import AGENT, EVERYONE
from app.edge import Call, endpoint
from app.links import OfReceipt
from app.money.outgoing import queue_op
from app.pages.render import show
from app.paging import Page, Window, page, read_uuid
from app.problems import page as html_page
from app.problems import wants_page
from app.routes.documents import Seller, linked, seller
from market import funding, ids, receipts
from market.errors import NotFound
from market.funding import FundingDraft
from market.money import Money

LOOKS = 40
PAUSE_S = 0.1


class FundingView(msgspec.Struct, frozen=True):
    """pending | processing | succeeded | failed | expired. The balance moves when the status is `succeeded`, not
    before; processing: somebody has paid, and their bank takes days. `cause`: asked, or auto for an automatic top-up.
    `refunded` has gone back to where it came from, or is on its way there."""

    id: str
    status: str
    amount: Money
    cause: str
    checkout_url: str | None
    failure: str | None
    paid_with: str
    refunded: Money
    created_at: datetime
    settled_at: datetime | None


def _view(call: Call, found: funding.Funding) -> FundingView:
    number = ids.read("funding", found.id).hex
    payable = found.by_checkout and found.status == "pending"
    return FundingView(
        found.id,
        found.status,
        found.amount,
        found.cause,
        f"{call.services.config.public_url}/checkout/{number}" if payable else None,
        found.failure,
        found.paid_with,
        found.refunded,
        found.created_at,
        found.settled_at,
    )


@endpoint(
    "POST", "/v1/funding", by=AGENT, scope="funding:write", once=True, status=201, problems=("stopped",),
    example={"amount": {"amount": 5_000, "currency": "usd"}},
)  # fmt: skip
async def fund_account(call: Call, data: FundingDraft) -> FundingView:
    """Add funds.

    With `payment_method`, a saved or test card, that card is charged. Without, open `checkout_url` and pay there, by
    one of `methods`. In both cases the balance moves when Stripe says that the money has arrived: see the event
    `funding.succeeded`. A card that somebody has paid with there is kept: see GET /v1/cards.
    """
    begun, op = await funding.begin(call.connection, call.actor, data)
    await queue_op(call.connection, op)
    return _view(call, await funding.get(call.connection, begun))


@endpoint("GET", "/v1/funding", by=AGENT, scope="funding:write")
async def list_funding(call: Call, query: Window) -> Page[FundingView]:
    """The account's fundings, newest first, with the pages where they can be paid."""
    before = read_uuid(query.cursor)
    rows = await funding.listed(call.connection, call.actor.owner, before=before, limit=query.limit + 1)
    return page(rows, query.limit, lambda row: ids.read("funding", row.id), lambda row: _view(call, row))


@endpoint("GET", "/v1/funding/{funding_id}", by=AGENT, scope="funding:write")
async def get_funding(call: Call, funding_id: str) -> FundingView:
    """One funding: whether it has arrived, and why not."""
    return _view(call, await funding.get(call.connection, ids.read("funding", funding_id), call.actor.owner))


class ReceiptView(receipts.Receipt, frozen=True, kw_only=True):
    """A receipt, with whom it is from. html_url: the same as a page, for a browser, without a key; whoever has the
    address can read this receipt until `html_url_expires_at`."""

    seller: Seller
    html_url: str
    html_url_expires_at: datetime


@endpoint("GET", "/v1/funding/{funding_id}/receipt", by=AGENT, scope="funding:write", problems=("wrong-state",))
async def get_receipt(call: Call, funding_id: str) -> ReceiptView | Answer:
    """The receipt of a funding that has succeeded.

    With what has gone back since. Whoever asks for text/html gets a page to print; `html_url` is one that a browser
    opens without a key, for seven days.
    """
    identity, account = ids.read("funding", funding_id), call.actor.owner
    found = await receipts.get(call.connection, identity, account)
    call.headers["vary"] = "accept"
    if wants_page(call.request.headers):
        call.headers["vary"] = "accept, accept-encoding, cookie"
        return await show(call, call.connection, "receipt.html", receipt=found, seller=seller(call))
    link = await linked(call, lambda until: OfReceipt(account=account, until=until, funding=identity))
    return ReceiptView(**msgspec.structs.asdict(found), seller=seller(call), **msgspec.structs.asdict(link))


# ---- where somebody pays: whoever has the address may


@endpoint("GET", "/checkout/{number}", by=EVERYONE, uses="own", hidden=True)
async def open_checkout(call: Call, number: str) -> Answer:
    """Send a browser to Stripe's page, as soon as the worker has made one."""
    for _ in range(LOOKS):
        async with call.services.database.read() as connection:
            found = await funding.get(connection, _number(number))
        if not found.by_checkout:
            raise NotFound("There is no such page.")
        if found.status != "pending":
            return _told(found.status)
        if found.stripe_url is not None:
            return redirect(found.stripe_url)
        await asyncio.sleep(PAUSE_S)
    body = "<p>The payment page is being prepared. This page looks again by itself.</p>"
    return html_answer(html_page("One moment", body), status=503, headers={"retry-after": "2", "refresh": "2"})


@endpoint("GET", "/checkout/{number}/done", by=EVERYONE, hidden=True)
async def close_checkout(call: Call, number: str) -> Answer:
    """Where Stripe sends a browser back to, whether it has paid or not."""
    found = await funding.get(call.connection, _number(number))
    if not found.by_checkout:
        raise NotFound("There is no such page.")
    return _told(found.status, f'<p><a href="/checkout/{_number(number).hex}">Pay</a></p>')


def _number(text: str) -> UUID:
    return ids.read("funding", f"{ids.PREFIXES['funding']}_{text}")


def _told(status: str, more: str = "") -> Answer:
    if status == "pending":
        body = f"<p>The payment has not arrived yet. This page looks again by itself.</p>{more}"
        return html_answer(html_page("Waiting for the payment", body), headers={"refresh": "3"})
    if status == "processing":
        body = "<p>The bank takes some days. The balance moves when the money has arrived. You can close this page.</p>"
        return html_answer(html_page("The payment is under way", body))
    titles = {"succeeded": "Paid", "failed": "The payment failed", "expired": "This page has expired"}
    return html_answer(html_page(titles[status], "<p>You can close this page.</p>"))


ROUTES: list[HTTPRouteHandler] = [
    fund_account, list_funding, get_funding, get_receipt, open_checkout, close_checkout
]  # fmt: skip

"""Receipts and statements as pages, for whoever has the link: a browser carries no key."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import links, statement_tables
from app.answers import Answer
from app.auth import EVERYONE
from app.edge import Call, endpoint
from app.links import Document, OfReceipt
from app.pages.render import show
from market import account_statements, answers_desk, clock, ids, receipts
from market.periods import Period

# The address is the secret: it goes to nobody else, and no search engine keeps it.
HEADERS = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex, noarchive"}


SELLER = "Sensorium"


class Seller(msgspec.Struct, frozen=True):
    """Who has sold it."""

    name: str
    url: str


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """html_url: the same as a page, for a browser; whoever has the address can read it until it is over."""

    html_url: str
    html_url_expires_at: datetime


async def linked(call: Call, document: Callable[[int], Document]) -> Linked:
    """The link to a document, which is made with when it is over (Unix time)."""
    until = links.until(await clock.now(call.connection))
    config = call.services.config
    token = links.token(config.secret_key, document(int(until.timestamp())))
    return Linked(html_url=f"{config.public_url}/documents/{token}", html_url_expires_at=until)


def seller(call: Call) -> Seller:
    """Whose receipts these are."""
    return Seller(SELLER, call.services.config.public_url)


@endpoint("GET", "/documents/{token}", by=EVERYONE, hidden=True)
async def open_document(call: Call, token: str) -> Answer:
    """The receipt or statement that the link was made for, as it stands now, to read or print."""
    found = links.document(call.services.config.secret_key, token, await clock.now(call.connection))
    call.headers.update(HEADERS)
    if isinstance(found, OfReceipt):
        receipt = await receipts.get(call.connection, found.funding, found.account)
        return await show(call, call.connection, "receipt.html", receipt=receipt, seller=seller(call))
    days = Period(found.first, found.last)
    statement = await account_statements.of_account(call.connection, found.account, days, found.currency)
    account = ids.show("account", found.account)
    name = (await answers_desk.names(call.connection, [account])).get(account, "")
    table = statement_tables.of_account(statement, name)
    return await show(call, call.connection, "statement.html", table=table, for_person=False)


ROUTES: list[HTTPRouteHandler] = [open_document]

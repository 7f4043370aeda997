"""The books to be looked through: any number of the console opens here into what it is made of."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages.operations import asked, view
from app.pages.operator.frame import Cursor, guarded, show
from app.paging import page, read_number, read_uuid
from app.routes.operator import books as operations
from market import audit_log, books, today
from market.money import Currency
from market.terms import Strict


class Chart(Strict, frozen=True, kw_only=True):
    """Accounts of one kind of the trial balance, or whose code begins so, or of one owner."""

    kind: Annotated[str, msgspec.Meta(max_length=100)] = ""
    prefix: Annotated[str, msgspec.Meta(max_length=100)] = ""
    currency: Currency | None = None
    cursor: Cursor | None = None


class Entries(Strict, frozen=True, kw_only=True):
    """The currency may be left out where the account has only one."""

    currency: Currency | None = None
    cursor: Cursor | None = None


class Postings(Strict, frozen=True, kw_only=True):
    """Of one kind and day, or of all."""

    kind: Annotated[str, msgspec.Meta(max_length=60)] = ""
    day: date | None = None
    cursor: Cursor | None = None


class Acts(Strict, frozen=True, kw_only=True):
    """Acts of one operator, about one thing, or all; check: follow the chain of hashes."""

    actor: Annotated[str, msgspec.Meta(max_length=60)] = ""
    subject: Annotated[str, msgspec.Meta(max_length=100)] = ""
    check: Literal["", "yes"] = ""
    cursor: Cursor | None = None


@endpoint("GET", "/operator/trial-balance", by=OPERATOR, hidden=True)
async def trial_balance_page(call: Call) -> Answer:
    """The chart of accounts with its sums."""
    found = await view(operations.get_trial_balance, call, query=operations.TrialQuery())
    return await show(call, call.connection, "trial_balance.html", found=found)


@endpoint("GET", "/operator/ledger", by=OPERATOR, hidden=True)
async def ledger_page(call: Call) -> Answer:
    """Accounts with their balances."""
    which = asked(call, Chart)
    query = operations.AccountsQuery(
        prefix=which.prefix.strip(), kind=which.kind or None, currency=which.currency, cursor=which.cursor, limit=100
    )
    found = await view(operations.list_ledger_accounts, call, query=query)
    return await show(call, call.connection, "ledger.html", found=found, which=which)


@endpoint("GET", "/operator/ledger/accounts/{code}", by=OPERATOR, hidden=True)
async def book_page(call: Call, code: str) -> Answer:
    """One account's entries, newest first."""
    which = asked(call, Entries)
    currency = which.currency or await books.currency_of(call.connection, code)
    query = operations.EntriesQuery(currency=currency, cursor=which.cursor, limit=100)
    found = await view(operations.list_ledger_entries, call, code=code, query=query)
    [book] = await books.accounts(call.connection, prefix=code, currency=currency, limit=1)
    return await show(call, call.connection, "book.html", book=book, found=found)


@endpoint("GET", "/operator/ledger/transactions", by=OPERATOR, hidden=True)
async def transactions_page(call: Call) -> Answer:
    """Transactions, newest first."""
    which = asked(call, Postings)
    rows = await today.postings(
        call.connection, kind=which.kind.strip(), day=which.day, before=read_uuid(which.cursor), limit=101
    )
    found = page(rows, 100, lambda one: one[0], lambda one: one[1])
    return await show(call, call.connection, "transactions.html", found=found, which=which)


@endpoint("GET", "/operator/ledger/transactions/{tx_id}", by=OPERATOR, hidden=True)
async def transaction_page(call: Call, tx_id: str) -> Answer:
    """One transaction: both sides, why, and by whom."""
    tx = await view(operations.get_ledger_transaction, call, transaction_id=tx_id)
    return await show(call, call.connection, "transaction.html", tx=tx)


@endpoint("GET", "/operator/audit", by=OPERATOR, hidden=True)
async def audit_page(call: Call) -> Answer:
    """What operators did and looked at, newest first; and whether the chain is whole, when that is asked."""
    which = asked(call, Acts)
    acts = await audit_log.listed(
        call.connection, before=read_number(which.cursor), limit=51, subject=which.subject.strip() or None,
        actor=which.actor or None,
    )  # fmt: skip
    found = page(acts, 50, lambda one: one.seq, lambda one: one)
    broken = await audit_log.broken(call.connection) if which.check else None
    head, _ = await audit_log.head(call.connection)
    return await show(call, call.connection, "audit.html", found=found, which=which, broken=broken, head=head)


ROUTES: list[HTTPRouteHandler] = guarded(
    [trial_balance_page, ledger_page, transactions_page, book_page, transaction_page, audit_page]
)

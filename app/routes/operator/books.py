"""The ledger to read: sums, accounts, entries, transactions; every number opens into what it is made of."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.paging import Cursor, Limit, Page, page, read_text, read_uuid
from market import books
from market.books import AccountPlace, LedgerAccount, LedgerEntry, LedgerTransaction, TrialBalance
from market.money import Currency

LEDGER = "/v1/operator/ledger"

At = Annotated[
    datetime,
    msgspec.Meta(tz=True, description="Of what was posted before this; left out: of everything by now."),
]


class TrialQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As of when."""

    at: At | None = None


class AccountsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Codes that begin with `prefix`; of one `kind` of the trial balance, such as buyer:available."""

    prefix: Annotated[str, msgspec.Meta(max_length=100, examples=["person:"])] = ""
    kind: Annotated[str, msgspec.Meta(max_length=100, examples=["buyer:available"])] | None = None
    currency: Currency | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class EntriesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The currency may be left out where the account has only one."""

    currency: Currency | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


@endpoint("GET", f"{LEDGER}/trial-balance", by=OPERATOR)
async def get_trial_balance(call: Call, query: TrialQuery) -> TrialBalance:
    """All debits, credits and balances by kind of account and currency; each currency sums to zero.

    `kind` opens into its accounts: GET /v1/operator/ledger/accounts?kind=….
    """
    return await books.trial_balance(call.connection, query.at)


@endpoint("GET", f"{LEDGER}/accounts", by=OPERATOR)
async def list_ledger_accounts(call: Call, query: AccountsQuery) -> Page[LedgerAccount]:
    """Ledger accounts with their balances, by code."""
    found = await books.accounts(
        call.connection, prefix=query.prefix, kind=query.kind, currency=query.currency, after=_place(query.cursor),
        limit=query.limit + 1,
    )  # fmt: skip
    return page(found, query.limit, lambda one: f"{one.code} {one.currency}", lambda one: one)


@endpoint("GET", f"{LEDGER}/accounts/{{code}}/entries", by=OPERATOR)
async def list_ledger_entries(call: Call, code: str, query: EntriesQuery) -> Page[LedgerEntry]:
    """An account's entries, newest first. Each opens into its transaction."""
    currency = query.currency or await books.currency_of(call.connection, code)
    found = await books.entries(
        call.connection, code, currency, before=read_uuid(query.cursor), limit=query.limit + 1
    )  # fmt: skip
    return page(found, query.limit, lambda one: one[0], lambda one: one[1])


@endpoint("GET", f"{LEDGER}/transactions/{{transaction_id}}", by=OPERATOR)
async def get_ledger_transaction(call: Call, transaction_id: str) -> LedgerTransaction:
    """One transaction (ltx_…): its lines, what it is about, and the lines of Stripe's balance that it stands for."""
    return await books.transaction(call.connection, books.read_tx(transaction_id))


def _place(cursor: str | None) -> AccountPlace | None:
    text = read_text(cursor)
    if text is None:
        return None
    code, _, currency = text.rpartition(" ")
    if not code or "\0" in text:
        wrong = FieldError("/cursor", "This is no cursor of this list.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong])
    return AccountPlace(code, currency)


ROUTES: list[HTTPRouteHandler] = [
    get_trial_balance, list_ledger_accounts, list_ledger_entries, get_ledger_transaction,
]  # fmt: skip

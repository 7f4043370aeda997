"""Statements: what a person was owed and what a buyer had, day by day, and a person's tax years."""

from datetime import datetime

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import statement_tables
from app.answers import Answer
from app.auth import AGENT, PERSON
from app.csv_out import csv_answer
from app.edge import Call, endpoint
from app.links import OfStatement
from app.pages.render import show
from app.routes.documents import linked
from app.statement_tables import Asked, Table
from market import account_statements, accounts, clock, people, statements
from market.account_statements import AccountStatement
from market.periods import Period, period
from market.statements import Statement

NOTE = (
    "Sums of our books, by calendar year in UTC, as a help with your tax return. This is no tax certificate: nothing "
    "was withheld, costs of yours are not in it, and amounts in other currencies are not converted. What counts as "
    "income, and when, is for the law where you live: some go by `earned`, some by `paid`."
)


class TaxYears(msgspec.Struct, frozen=True):
    """Sums by calendar year and currency, and what they are and are not."""

    note: str
    years: list[statements.TaxYear]


@endpoint("GET", "/v1/people/earnings/statement", by=PERSON)
async def get_own_statement(call: Call, query: Asked) -> Statement | Answer:
    """A statement of one's earnings: opening balance, every line, closing balance.

    Straight from the ledger, so the opening balance and all changes make the closing one to the cent. At most 366 days
    and 5,000 lines. As JSON, as CSV, or as a page to print.
    """
    found = await own_statement(call, query)
    if query.format == "html":
        return await statement_page(call, statement_tables.of_person(found, await _name(call)))
    if query.format == "csv":
        name = f"earnings-{found.first}-{found.last}-{found.currency}.csv"
        return csv_answer(name, statement_tables.PERSON_COLUMNS, statement_tables.person_rows(found))
    return found


async def own_statement(call: Call, query: Asked) -> Statement:
    """The statement that is asked for, of whoever asks."""
    person = call.actor.owner
    currency = query.currency or (await statements.currencies(call.connection, person))[0]
    return await statements.of_person(call.connection, person, await _period(call, query), currency)


async def _name(call: Call) -> str:
    return (await people.get(call.connection, call.actor.owner)).display_name


async def _period(call: Call, query: Asked) -> Period:
    return period(await clock.now(call.connection), query.first, query.last)


async def statement_page(call: Call, table: Table) -> Answer:
    """A statement as a page that can be printed."""
    return await show(call, call.connection, "statement.html", table=table, for_person=call.actor.kind == "person")


@endpoint("GET", "/v1/people/earnings/tax-years", by=PERSON)
async def list_tax_years(call: Call) -> TaxYears:
    """What one has earned and been paid in each calendar year, with a note of what that is and is not."""
    return TaxYears(NOTE, await statements.tax_years(call.connection, call.actor.owner))


class AccountStatementView(AccountStatement, frozen=True, kw_only=True):
    """A statement of an account. html_url: the same as a page, for a browser, without a key; whoever has the address
    can read these days in this currency until `html_url_expires_at`."""

    html_url: str
    html_url_expires_at: datetime


@endpoint("GET", "/v1/account/statement", by=AGENT)
async def get_account_statement(call: Call, query: Asked) -> AccountStatementView | Answer:
    """A statement of the account: opening balance, what happened each day by kind, closing balance.

    The balance, what is held for tasks and what is frozen, straight from the ledger, to the cent; GET /v1/ledger has
    the postings one by one. At most 366 days. As JSON, as CSV, or as a page to print; `html_url` is one that a browser
    opens without a key, for seven days.
    """
    account = await accounts.get(call.connection, call.actor)
    currency = query.currency or account.currency
    found = await account_statements.of_account(
        call.connection, call.actor.owner, await _period(call, query), currency
    )  # fmt: skip
    if query.format == "html":
        return await statement_page(call, statement_tables.of_account(found, account.name))
    if query.format == "csv":
        file = f"account-{found.first}-{found.last}-{found.currency}.csv"
        return csv_answer(file, statement_tables.ACCOUNT_COLUMNS, statement_tables.account_rows(found))
    link = await linked(
        call,
        lambda until: OfStatement(
            account=call.actor.owner, until=until, first=found.first, last=found.last, currency=currency
        ),
    )
    return AccountStatementView(**msgspec.structs.asdict(found), **msgspec.structs.asdict(link))


ROUTES: list[HTTPRouteHandler] = [get_own_statement, list_tax_years, get_account_statement]

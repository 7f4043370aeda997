"""Pages about what somebody has earned: balances, where it is paid, payouts, statements."""

from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import payout_words, statement_tables
from app.answers import Answer, redirect
from app.auth import PERSON
from app.countries import COUNTRIES
from app.edge import Call, endpoint
from app.pages import words
from app.pages.operations import FORM_LIMIT, asked, fields, perform
from app.pages.render import refuse, show
from app.routes import payout_account as payouts
from app.routes import statements as reports
from app.statement_tables import Asked
from market import bank_payouts, earnings, own_payouts, payout_accounts, people, statements
from market.errors import WrongState
from market.terms import Strict

PAYOUTS_SHOWN = 10


class Back(Strict, frozen=True, kw_only=True):
    """Whether somebody comes back from Stripe's page."""

    back: Literal["stripe"] | None = None


class Bank(Strict, frozen=True, kw_only=True):
    """Where somebody has their bank."""

    country: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z]{2}$", description="A country's two letters.")] = "us"


@endpoint("GET", "/w/earnings", by=PERSON, uses="own", hidden=True)
async def earnings_page(call: Call, query: Back) -> Answer:
    """What is pending, payable and paid, where it goes, and what has been sent."""
    # Looks at Stripe, so without a connection in hand.
    account = await payouts.account_now(call, look=query.back is not None)
    person = call.actor.owner
    async with call.services.database.read() as connection:
        found = await earnings.of_person(connection, person)
        currencies = [sums.paid.currency for sums in found.by_currency]
        return await show(
            call, connection, "earnings.html", found=found, account=account, back=query.back,
            terms=await own_payouts.terms(connection, person, currencies),
            sent=await own_payouts.listed(connection, person, before=None, limit=PAYOUTS_SHOWN),
            bank=await bank_payouts.of_person(connection, person, limit=PAYOUTS_SHOWN),
            years=await statements.tax_years(connection, person), note=reports.NOTE,
            currencies=await statements.currencies(connection, person), countries=COUNTRIES,
            home=_country(call), hold_s=call.services.config.hold_window_s, said=payout_words,
            statuses=words.PAYOUTS, lines=words.EARNED, bank_statuses=words.BANK_PAYOUTS,
        )  # fmt: skip


def _country(call: Call) -> str:
    """The country that the browser's languages speak of (`de-AT`), to begin with; "" when they speak of none."""
    for part in call.request.headers.get("accept-language", "")[:200].split(","):
        region = part.split(";")[0].strip().rpartition("-")[2].lower()
        if "-" in part and region in COUNTRIES:
            return region
    return ""


@endpoint("POST", "/w/earnings/payout-account", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def onboard_by_form(call: Call) -> Answer:
    """Ask Stripe for its page about the bank account, and show the way there."""
    bank = await fields(call, Bank)
    made = await perform(payouts.open_payout_account, call, query=payouts.Where(country=bank.country.lower()))
    if made.status == "active" and not made.requirements:
        raise WrongState("Your account can be paid already.")
    async with call.services.database.read() as connection:
        return await show(call, connection, "payout.html", link=made.onboarding_url)


@endpoint("GET", "/w/earnings/payout-account", by=PERSON, uses="own", hidden=True)
async def onboard_again(call: Call) -> Answer:
    """Stripe sends people here whose link was too old or used: on to a new one."""
    async with call.services.database.read() as connection:
        account = await payout_accounts.find(connection, call.actor.owner)
    if account is None or account.transfers == "active":
        return redirect("/w/earnings?back=stripe")
    return redirect(await payouts.onboarding_link(call, account.stripe_id))


@endpoint("GET", "/w/earnings/statement", by=PERSON, hidden=True)
async def own_statement_page(call: Call) -> Answer:
    """A statement to read or print; without dates, of this month so far."""
    found = await reports.own_statement(call, asked(call, Asked))
    name = (await people.get(call.connection, call.actor.owner)).display_name
    return await reports.statement_page(call, statement_tables.of_person(found, name))


ROUTES: list[HTTPRouteHandler] = [earnings_page, onboard_by_form, onboard_again, own_statement_page]
for route in ROUTES:
    route.exception_handlers = {Exception: refuse}

"""Where a person is paid: Stripe asks for the bank account, we never see it."""

from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import PERSON
from app.edge import Call, endpoint
from app.errors import Problem
from app.gateways.stripe import Ambiguous, Definite, RateLimited
from app.money.outgoing import send_op, stripe_of
from market import payout_accounts
from market.payout_accounts import PayoutAccount


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The country where the person has their bank; it cannot be changed later."""

    country: Annotated[
        str, msgspec.Meta(pattern="^[a-z]{2}$(?!\\n)", description="A country's two letters (ISO 3166), in lower case.")
    ] = "us"


class Onboarding(msgspec.Struct, frozen=True):
    """Open `onboarding_url` in a browser within ten minutes; it works once, ask again for another."""

    onboarding_url: str
    status: str
    requirements: list[str]


@endpoint(
    "POST", "/v1/people/payout-account", by=PERSON, uses="own", status=201, problems=("policy-refused", "unavailable")
)
async def open_payout_account(call: Call, query: Where) -> Onboarding:
    """Get paid.

    Makes the account on the first call, and answers with a page of Stripe's that asks where the money shall go.
    """
    person, stripe = call.actor.owner, stripe_of(call.services)
    account = await _account(call, person, query.country)
    back = f"{call.services.config.public_url}/w/earnings"
    try:
        # Each link is a fresh one, so its key stands for this call only.
        url = await stripe.onboarding_link(f"link:{uuid4()}", account, back, back)
    except (Definite, Ambiguous, RateLimited) as failure:
        raise Problem("unavailable", "Stripe does not answer just now.") from failure
    async with call.services.database.read() as connection:
        shown = await payout_accounts.shown(connection, person)
    return Onboarding(url, shown.status, shown.requirements)


async def _account(call: Call, person: UUID, country: str) -> str:
    async with call.services.database.transaction() as connection:
        known = await payout_accounts.find(connection, person)
        if known is not None:
            return known.stripe_id
        op = await payout_accounts.plan(connection, person, country)
    # After the commit: should we die here, the worker takes the operation up.
    await send_op(call.services, {"op": str(op)})
    async with call.services.database.read() as connection:
        known = await payout_accounts.find(connection, person)
        refused = await payout_accounts.refusal(connection, op)
    if refused is not None:
        raise Problem("policy-refused", f"Stripe does not open an account: {refused}")
    if known is None:
        raise Problem("unavailable", "The account is still being made.")
    return known.stripe_id


@endpoint("GET", "/v1/people/payout-account", by=PERSON, uses="own")
async def get_payout_account(call: Call) -> PayoutAccount:
    """Whether one can be paid.

    none: not asked for · incomplete: Stripe wants to know more, `requirements` says what · active · restricted.
    """
    person = call.actor.owner
    async with call.services.database.read() as connection:
        account = await payout_accounts.find(connection, person)
    if account is not None and account.transfers != "active":
        await _look_again(call, account.stripe_id)
    async with call.services.database.read() as connection:
        return await payout_accounts.shown(connection, person)


async def _look_again(call: Call, stripe_id: str) -> None:
    """Somebody who comes back from Stripe's page wants to see the result before its event has come."""
    try:
        found = await stripe_of(call.services).retrieve_recipient(stripe_id)
    except (Definite, Ambiguous, RateLimited):
        return  # what we knew is shown, and the event will come
    async with call.services.database.transaction() as connection:
        await payout_accounts.update(connection, found.id, found.transfers, found.requirements)


ROUTES: list[HTTPRouteHandler] = [open_payout_account, get_payout_account]

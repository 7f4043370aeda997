"""Where a person is paid: Stripe asks for the bank account, we never see it; and what has been paid so far."""

from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import PERSON
from app.countries import COUNTRIES
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import Problem
from app.gateways.stripe import Ambiguous, Definite, RateLimited
from app.money.money_out import look_at_account
from app.money.outgoing import send_op, stripe_of
from app.paging import Window, page, read_uuid
from market import bank_payouts, ids, own_payouts, payout_accounts
from market.errors import Invalid
from market.payout_accounts import PayoutAccount

BANK_PAYOUTS_SHOWN = 20


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


class OwnPayouts(msgspec.Struct, frozen=True):
    """What was sent to one's account at Stripe, newest first, and `bank`: the latest payments from there to the bank.

    One payment to the bank may hold several payouts.
    """

    items: list[own_payouts.OwnPayout]
    next_cursor: str | None
    bank: list[bank_payouts.BankPayout]


@endpoint(
    "POST", "/v1/people/payout-account", by=PERSON, uses="own", status=201, problems=("policy-refused", "unavailable")
)
async def open_payout_account(call: Call, query: Where) -> Onboarding:
    """Get paid.

    Makes the account on the first call, and answers with a page of Stripe's that asks where the money shall go. Stripe
    does not pay to every country: where it refuses, the answer has its words, and another country may be tried. Once
    there is an account its country stays.
    """
    if query.country not in COUNTRIES:
        raise Invalid("There is no country with these two letters.", pointer="/country")
    person = call.actor.owner
    url = await onboarding_link(call, await _account(call, person, query.country))
    async with call.services.database.read() as connection:
        shown = await payout_accounts.shown(connection, person)
    return Onboarding(url, shown.status, shown.requirements)


async def onboarding_link(call: Call, stripe_id: str) -> str:
    """A fresh page of Stripe's for an account; it leads back to the earnings, or for another when it is too old."""
    back = f"{call.services.config.public_url}/w/earnings"
    try:
        # Each link is a fresh one, so its key stands for this call only.
        return await stripe_of(call.services).onboarding_link(
            f"link:{uuid4()}", stripe_id, f"{back}/payout-account", f"{back}?back=stripe"
        )
    except Definite as refusal:
        raise Problem("policy-refused", f"Stripe gives no page for this account: {refusal.message}") from refusal
    except (Ambiguous, RateLimited) as failure:
        raise Problem("unavailable", "Stripe does not answer just now.") from failure


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
        raise Problem("unavailable", "The account is still being made. Try again in a minute.")
    return known.stripe_id


@endpoint("GET", "/v1/people/payout-account", by=PERSON, uses="own")
async def get_payout_account(call: Call) -> PayoutAccount:
    """Whether one can be paid.

    none: not asked for · refused: Stripe does not open it, or has shut it · checking: Stripe is looking · incomplete:
    Stripe wants to know more, `requirements` says what · active · lost: it was active until `lost_at`; what is earned
    meanwhile is kept.
    """
    return await account_now(call)


async def account_now(call: Call, *, look: bool = False) -> PayoutAccount:
    """The account of whoever asks; one that is not active, or with `look` any, is looked at again first.

    Somebody who comes back from Stripe's page wants to see the result before its event has come.
    """
    person = call.actor.owner
    async with call.services.database.read() as connection:
        account = await payout_accounts.find(connection, person)
    if account is not None and (look or account.transfers != "active"):
        await _look_again(call, account.stripe_id)
    async with call.services.database.read() as connection:
        return await payout_accounts.shown(connection, person)


async def _look_again(call: Call, stripe_id: str) -> None:
    try:
        write = await look_at_account(call.services, stripe_id)
    except (Definite, Ambiguous, RateLimited):
        return  # what we knew is shown, and the event will come
    async with call.services.database.transaction() as connection:
        await write(connection)
        wake(EVENTS)


@endpoint("GET", "/v1/people/payouts", by=PERSON)
async def list_own_payouts(call: Call, query: Window) -> OwnPayouts:
    """One's payouts: when each was sent, and what has become of it.

    approved: about to be sent · sending · paid: in the account at Stripe since `sent_at`; `came_back` of it was taken
    back · returned: Stripe refused it, it is in the next one · left_out: passed over at the last moment. `reason` says
    why, in a word; for `bank`, `failure` does, in Stripe's.
    """
    person = call.actor.owner
    rows = await own_payouts.listed(call.connection, person, before=read_uuid(query.cursor), limit=query.limit + 1)
    found = page(rows, query.limit, lambda each: ids.read("payout", each.id), lambda each: each)
    bank = await bank_payouts.of_person(call.connection, person, limit=BANK_PAYOUTS_SHOWN)
    return OwnPayouts(found.items, found.next_cursor, bank)


ROUTES: list[HTTPRouteHandler] = [open_payout_account, get_payout_account, list_own_payouts]

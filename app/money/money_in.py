"""Top-ups: an account's customer at Stripe, its cards, charges of them, checkout pages; and what their events say."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import structlog

from app.db import Connection
from app.gateways.stripe import Card, Checkout, Definite, Intent, RateLimited
from app.jobs import Payload, enqueue, handler
from app.money import top_ups
from app.money.incoming import LOOKS, NotSettled, uuid_or_none
from app.money.outgoing import (
    SENDERS,
    Outcome,
    Sender,
    Write,
    balance_line,
    just_refused,
    nothing,
    send_op,
    stripe_of,
)
from app.services import Services
from market import cards, funding, stripe_ops
from market.funding import Paid
from market.stripe_inbox import Notice
from market.stripe_ops import Op

log = structlog.get_logger()

# ---- the customer


def _customer(op: Op, customer: str) -> Outcome:
    return Outcome(customer, lambda connection: funding.keep_customer(connection, op.subject, customer))


async def _send_customer(services: Services, op: Op) -> Outcome:
    email, name = op.params["email"], op.params["name"]
    return _customer(op, await stripe_of(services).create_customer(op.key, str(op.subject), email, name))


async def _find_customer(services: Services, op: Op) -> Outcome | None:
    found = await stripe_of(services).find_customer(op.params["email"], str(op.subject))
    return None if found is None else _customer(op, found)


async def customer_of(services: Services, account: UUID) -> str:
    """The account's customer at Stripe, made by an operation of its own when there is none yet."""
    async with services.database.transaction() as connection:
        known = await funding.customer(connection, account)
        if known is not None:
            return known
        email, name = await funding.contact(connection, account)
        op = await stripe_ops.plan(connection, "customer", account, {"email": email, "name": name})
    await send_op(services, {"op": str(op)})
    async with services.database.read() as connection:
        known = await funding.customer(connection, account)
        refusal = await stripe_ops.refusal(connection, op)
    if refusal is not None:
        raise Definite(*refusal)
    if known is None:
        raise RateLimited("the account's customer at Stripe is still being made")
    return known


# ---- charges and pages


async def _send_charge(services: Services, op: Op) -> Outcome:
    intent = await stripe_of(services).charge(
        op.key,
        amount=op.params["amount"],
        currency=op.params["currency"],
        customer=await customer_of(services, UUID(op.params["account"])),
        method=op.params["method"],
        metadata={"funding": str(op.subject)},
    )
    return Outcome(intent.id, nothing)  # the balance moves when the event has come and the intent was fetched again


async def _find_charge(services: Services, op: Op) -> Outcome | None:
    customer = await customer_of(services, UUID(op.params["account"]))
    intent = await stripe_of(services).find_intent(customer, {"funding": str(op.subject)})
    if intent is None:
        return None
    if intent.failure_code and intent.status != "succeeded":
        raise Definite(intent.failure_code, "the card was declined", intent.id)
    credit = await write_of_intent(intent)

    async def write(connection: Connection) -> None:
        try:
            async with connection.transaction():
                await credit(connection)
        except funding.Mismatch as mismatch:
            # It has been charged, whatever it brought: the operation is over. Its event goes on saying what is wrong.
            log.error("payment does not fit", funding=str(op.subject), failure=str(mismatch))

    return Outcome(intent.id, write)


async def _refuse_funding(connection: Connection, op: Op, refusal: Definite) -> None:
    if await funding.fail(connection, op.subject, refusal.code):
        await top_ups.refused(connection, op.subject, refusal.code)


def _checkout(op: Op, checkout: Checkout) -> Outcome:
    return Outcome(checkout.id, lambda conn: funding.set_checkout(conn, op.subject, checkout.id, checkout.url))


async def _send_checkout(services: Services, op: Op) -> Outcome:
    here = f"{services.config.public_url}/checkout/{op.subject.hex}/done"
    checkout = await stripe_of(services).create_checkout(
        op.key,
        amount=op.params["amount"],
        currency=op.params["currency"],
        customer=await customer_of(services, UUID(op.params["account"])),
        metadata={"funding": str(op.subject)},
        methods=op.params.get("methods", ["card"]),
        success=here,
        cancel=here,
    )
    return _checkout(op, checkout)


async def _find_checkout(services: Services, op: Op) -> Outcome | None:
    customer = await customer_of(services, UUID(op.params["account"]))
    found = await stripe_of(services).find_checkout(customer, {"funding": str(op.subject)})
    return None if found is None else _checkout(op, found)


SENDERS["customer"] = Sender(_send_customer, _find_customer, just_refused)
SENDERS["charge"] = Sender(_send_charge, _find_charge, _refuse_funding)
SENDERS["checkout"] = Sender(_send_checkout, _find_checkout, _refuse_funding)


# ---- what their events say


async def _look_at_intent(services: Services, notice: Notice) -> Write:
    return await write_of_intent(await stripe_of(services).retrieve_intent(notice.object_id))


async def write_of_intent(intent: Intent, *, handed_in: bool = False) -> Write:
    """What the state of a PaymentIntent means for the funding that it pays.

    handed_in: its checkout is complete, so that no other card follows.
    """
    about = uuid_or_none(intent.metadata.get("funding", ""))
    if about is None:
        return nothing  # a payment of somebody else's on the same Stripe account

    async def write(connection: Connection) -> None:
        if intent.status == "succeeded":
            if intent.txn is None:
                raise NotSettled(f"{intent.id} has no balance transaction yet")
            await stripe_ops.found(connection, "charge", about, intent.id)
            paid = Paid(intent.id, intent.amount, balance_line(intent.txn), intent.charge, intent.paid_with)
            if await funding.credit(connection, about, paid):
                await queue_cards(connection, about)
        elif intent.status == "processing":
            await funding.process(connection, about)
        elif intent.status == "canceled":
            await funding.fail(connection, about, "canceled")
        elif intent.status == "requires_payment_method" and (
            handed_in or await funding.is_processing(connection, about)
        ):
            await funding.fail(connection, about, intent.failure_code or "payment_failed")
        # A declined card is settled by its operation, and on a checkout page the next one may work.

    return write


async def _look_at_checkout(services: Services, notice: Notice) -> Write:
    stripe = stripe_of(services)
    checkout = await stripe.retrieve_checkout(notice.object_id)
    if checkout.status == "complete" and checkout.intent_id:
        return await write_of_intent(await stripe.retrieve_intent(checkout.intent_id), handed_in=True)

    async def write(connection: Connection) -> None:
        about = await funding.of_checkout(connection, checkout.id)
        if about is not None and checkout.status == "expired":
            await funding.expire(connection, about)

    return write


# ---- saved cards


async def queue_cards(connection: Connection, about: UUID) -> None:
    """Look at the cards of the account behind a funding soon after this transaction has committed."""
    account = (await funding.owner(connection, about)).hex
    await enqueue(connection, "cards", {"account": account}, only_one=f"cards:{account}")


@handler("cards")
async def mirror_cards(services: Services, payload: Payload) -> None:
    """Keep the cards that an account's customer has at Stripe. Those that have gone are told of by events."""
    account = UUID(payload["account"])
    async with services.database.read() as connection:
        customer = await funding.customer(connection, account)
    if customer is None:
        return
    found = await stripe_of(services).cards(customer)
    async with services.database.transaction() as connection:
        await cards.keep(connection, account, [_seen(card) for card in found])


@handler("detach_card")
async def detach_card(services: Services, payload: Payload) -> None:
    """Take a removed card from its customer at Stripe; one that has gone there is as good."""
    with suppress(Definite):
        await stripe_of(services).detach_card(payload["card"])


async def _look_at_card(services: Services, notice: Notice) -> Write:
    try:
        customer, card = await stripe_of(services).retrieve_card(notice.object_id)
    except Definite:
        customer, card = "", None

    async def write(connection: Connection) -> None:
        account = await funding.of_customer(connection, customer) if customer else None
        if account is not None and card is not None:
            await cards.keep(connection, account, [_seen(card)])
        elif not customer:
            await cards.gone(connection, notice.object_id, "stripe")

    return write


def _seen(card: Card) -> cards.Seen:
    return cards.Seen(card.id, card.brand, card.last4, card.exp_month, card.exp_year)


LOOKS["payment_intent"] = _look_at_intent
LOOKS["checkout.session"] = _look_at_checkout
LOOKS["payment_method"] = _look_at_card

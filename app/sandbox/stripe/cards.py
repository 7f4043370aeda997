"""Stripe's test cards, as far as the sandbox knows them, and the objects made of them."""

from __future__ import annotations

from dataclasses import dataclass

from app.sandbox.stripe.errors import CardRefusal, missing
from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.store import Object, State, new_id


@dataclass(frozen=True)
class Card:
    brand: str
    last4: str
    declines_with: str = ""
    """decline_code of every charge, '' when charges succeed."""
    attaches: bool = True
    needs_owner: bool = False
    """Wants the owner present (3-D Secure) at every charge, so an off-session charge is refused."""
    refunds: str = ""
    """What its bank does with refunds: '' takes them, `fails` sends them back later, `late` takes them later."""
    disputed_as: str = ""
    """Reason of the dispute that follows each charge at once, '' for none."""
    inquires: bool = False
    """That dispute is an inquiry, which moves no money."""
    suspected: bool = False
    """Each charge is followed by an early fraud warning."""


CARDS = {
    "pm_card_visa": Card("visa", "4242"),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_bypassPending": Card("visa", "0077"),
    "pm_card_chargeDeclined": Card("visa", "0002", "generic_decline", attaches=False),
    "pm_card_visa_chargeDeclined": Card("visa", "0002", "generic_decline", attaches=False),
    "pm_card_chargeDeclinedInsufficientFunds": Card("visa", "9995", "insufficient_funds", attaches=False),
    "pm_card_chargeCustomerFail": Card("visa", "0341", "generic_decline"),
    "pm_card_authenticationRequired": Card("visa", "3184", needs_owner=True),
    "pm_card_refundFail": Card("visa", "5126", refunds="fails"),
    "pm_card_pendingRefund": Card("visa", "7726", refunds="late"),
    "pm_card_createDispute": Card("visa", "0259", disputed_as="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card("visa", "2685", disputed_as="product_not_received"),
    "pm_card_createDisputeInquiry": Card("visa", "1976", disputed_as="general", inquires=True),
    "pm_card_createIssuerFraudRecord": Card("visa", "5423", suspected=True),
}
BY_LAST4 = {card.last4: card for card in CARDS.values()}


def card_of(payment_method: Object) -> Card:
    return BY_LAST4[payment_method["card"]["last4"]]


def payment_method(state: State, identifier: str) -> Object:
    """A stored payment method; a test name (`pm_card_visa`) makes a new one, as at Stripe."""
    if identifier not in CARDS:
        return state.get("payment_method", identifier)
    card = CARDS[identifier]
    return state.put(
        {
            "id": new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
            "card": {
                "brand": card.brand,
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": "US",
                "display_brand": card.brand,
                "exp_month": 12,
                "exp_year": 2040,
                "fingerprint": f"sandbox{card.last4}",
                "funding": "credit",
                "last4": card.last4,
            },
            "created": state.now,
            "customer": None,
            "livemode": False,
            "metadata": {},
            "type": "card",
        }
    )


def attach(state: State, method: Object, customer: str) -> Object:
    if method["customer"] not in (None, customer):
        raise CardRefusal(
            "The payment method is attached to another customer.",
            code="payment_method_unexpected_state",
            decline_code="",
        )
    if not card_of(method).attaches:
        raise CardRefusal("Your card was declined.", code="card_declined", decline_code=card_of(method).declines_with)
    method["customer"] = customer
    return state.put(method)


@operation("get", "/v1/payment_methods/{payment_method}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return payment_method(state, call.names["payment_method"])


@operation("post", "/v1/payment_methods/{payment_method}/attach", "customer", "expand")
def attach_to_customer(state: State, call: Call) -> Object:
    if "customer" not in call.params:
        raise missing("customer", "")
    state.get("customer", call.params["customer"])
    return attach(state, payment_method(state, call.names["payment_method"]), call.params["customer"])


@operation("post", "/v1/payment_methods/{payment_method}/detach", "expand")
def detach(state: State, call: Call) -> Object:
    method = state.get("payment_method", call.names["payment_method"])
    method["customer"] = None
    return state.put(method)


@operation("get", "/v1/payment_methods", *LIST_PARAMS, "customer", "type")
def list_methods(state: State, call: Call) -> Object:
    filters = {"customer": call.params.get("customer"), "type": call.params.get("type")}
    return state.page("payment_method", call.params, filters, call.path)

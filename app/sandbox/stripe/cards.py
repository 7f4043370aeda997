"""Stripe's test cards, as far as the sandbox knows them, under the names that Stripe documents."""

from __future__ import annotations

from dataclasses import dataclass

from app.sandbox.stripe.store import Object


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
    at_once: bool = False
    """Its payments are available at once, whatever the control door says."""


CARDS = {
    "pm_card_visa": Card("visa", "4242"),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_bypassPending": Card("visa", "0077", at_once=True),
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


def described(card: Card) -> Object:
    """The part of a payment method that is the card."""
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2040,
        "fingerprint": f"sandbox{card.last4}",
        "funding": "credit",
        "last4": card.last4,
    }


def charged(payment_method: Object) -> Object:
    """What a charge tells of the card."""
    names = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {name: payment_method["card"][name] for name in names}

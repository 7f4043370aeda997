"""Bank debits (`us_bank_account`): Stripe's test accounts, under the names that Stripe documents."""

from __future__ import annotations

from dataclasses import dataclass

from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.store import Object

CURRENCY = "usd"
TYPES = ("card", "us_bank_account")


@dataclass(frozen=True)
class Debit:
    last4: str
    fails_with: str = ""
    """Why the bank refuses some days later, '' when it pays."""


DEBITS = {
    "pm_usBankAccount_success": Debit("6789"),
    "pm_usBankAccount_accountClosed": Debit("1113", "account_closed"),
    "pm_usBankAccount_noAccount": Debit("1116", "no_account"),
    "pm_usBankAccount_insufficientFunds": Debit("2227", "insufficient_funds"),
    "pm_usBankAccount_debitNotAuthorized": Debit("3335", "debit_not_authorized"),
}
BY_LAST4 = {debit.last4: debit for debit in DEBITS.values()}


def debit_of(payment_method: Object) -> Debit:
    return BY_LAST4[payment_method["us_bank_account"]["last4"]]


def usable(allowed: list[str] | None, currency: str) -> list[str]:
    """Which of the allowed types can pay in the currency; without a choice, cards. Raises `StripeRefusal` for none."""
    for kind in allowed or ():
        if kind not in TYPES:
            raise invalid(f"The sandbox takes {' and '.join(TYPES)} only.", param="allowed_payment_method_types")
    found = [kind for kind in allowed or ["card"] if kind == "card" or currency == CURRENCY]
    if not found:
        raise invalid(f"No allowed payment method type takes {currency}.", param="allowed_payment_method_types")
    return found


def described(debit: Debit) -> Object:
    """The part of a payment method that is the bank account."""
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": f"sandbox{debit.last4}",
        "last4": debit.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }


def charged(payment_method: Object) -> Object:
    """What a charge tells of the bank account."""
    names = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
    return {name: payment_method["us_bank_account"][name] for name in names}

"""The platform's balance at Stripe and the transactions that make it up.

Charges become available at once, as with the test card `pm_card_bypassPending`; `pending` is therefore always zero.
"""

from __future__ import annotations

from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.store import Object, State, new_id

FEE_BPS = 290  # 2.9 % + 30 minor units, the list price of a US card
FEE_FIXED = 30
SMALLEST = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "cad": 50, "aud": 50, "jpy": 50, "huf": 17500, "sek": 300}
LARGEST = 99_999_999


def card_fee(amount: int) -> int:
    """Minor units, rounded half up; never more than the charge itself."""
    return min(amount, (amount * FEE_BPS + 5000) // 10_000 + FEE_FIXED)


def check_amount(amount: int, currency: str, smallest: int | None = None) -> str:
    """The currency in lower case. Raises `StripeRefusal` for what Stripe would not move."""
    code = currency.lower()
    if code not in SMALLEST:
        raise invalid(f"Invalid currency: {currency}. The sandbox knows {', '.join(SMALLEST)}.", param="currency")
    least = SMALLEST[code] if smallest is None else smallest
    if amount < least:
        raise invalid(f"Amount must be at least {least} {code}", code="amount_too_small", param="amount")
    if amount > LARGEST:
        raise invalid(f"Amount must be no more than {LARGEST} {code}", code="amount_too_large", param="amount")
    return code


def record(state: State, kind: str, source: str, currency: str, amount: int, fee: int, description: str) -> Object:
    """Move the platform's balance by amount - fee and write the balance transaction that says so."""
    state.move("", currency, amount - fee)
    details = [
        {"amount": fee, "application": None, "currency": currency, "description": "Stripe fee", "type": "stripe_fee"}
    ]
    return state.put(
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": state.now,
            "balance_type": "payments",
            "created": state.now,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details if fee else [],
            "net": amount - fee,
            "reporting_category": kind,
            "source": source,
            "status": "available",
            "type": kind,
        }
    )


@operation("get", "/v1/balance", "expand")
def retrieve_balance(state: State, call: Call) -> Object:
    if call.account:
        state.get("v2.core.account", call.account)
    rows = state.balances(call.account) or [("usd", 0)]
    return {
        "object": "balance",
        "available": [{"amount": n, "currency": code, "source_types": {"card": n}} for code, n in rows],
        "livemode": False,
        "pending": [{"amount": 0, "currency": code, "source_types": {"card": 0}} for code, _ in rows],
    }


@operation("get", "/v1/balance_transactions/{id}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get("balance_transaction", call.names["id"])


@operation("get", "/v1/balance_transactions", *LIST_PARAMS, "source", "type", "currency", "created")
def list_transactions(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("source", "type", "currency")}
    return state.page("balance_transaction", call.params, filters, call.path)

"""Balances at Stripe, the platform's and the recipients', and the transactions that make them up.

Card payments are available at once, as with the test card `pm_card_bypassPending`, unless the control door has set
`pending_s`.
"""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.schedule import later
from app.sandbox.stripe.store import Object, State, new_id

FEE_BPS = 290  # 2.9 % + 30 minor units, the list price of a US card
FEE_FIXED = 30
DEBIT_FEE_BPS, DEBIT_FEE_MOST = 80, 500  # 0.8 %, at most 5.00, the list price of a US bank debit
SMALLEST = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "cad": 50, "aud": 50, "jpy": 50, "huf": 17500, "sek": 300}
LARGEST = 99_999_999


def card_fee(amount: int) -> int:
    """Minor units, rounded half up; never more than the charge itself."""
    return min(amount, (amount * FEE_BPS + 5000) // 10_000 + FEE_FIXED)


def debit_fee(amount: int) -> int:
    """Minor units, rounded half up."""
    return min(DEBIT_FEE_MOST, (amount * DEBIT_FEE_BPS + 5000) // 10_000)


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


def record(
    state: State,
    kind: str,
    source: str | None,
    currency: str,
    amount: int,
    fee: int,
    description: str,
    *,
    account: str = "",
    category: str = "",
    pending_s: int = 0,
) -> Object:
    """Move a balance by amount - fee and write the balance transaction that says so.

    account: a connected one, '' for the platform; category: the reporting category where it is not the type's own;
    pending_s: how long the money is only on its way.
    """
    net = amount - fee
    details = [
        {"amount": fee, "application": None, "currency": currency, "description": "Stripe fee", "type": "stripe_fee"}
    ]
    txn = {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": state.now + pending_s,
        "balance_type": "payments",
        "created": state.now,
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": net,
        "reporting_category": category or kind,
        "source": source,
        "status": "pending" if pending_s else "available",
        "type": kind,
    }
    if pending_s:
        state.move(account, currency, 0, net)
        state.schedule(state.now + pending_s, "become available", str(txn["id"]))
    else:
        _arrived(state, account, currency, net)
    return state.put(txn, account)


def _arrived(state: State, account: str, currency: str, net: int) -> None:
    state.move(account, currency, net)
    if net > 0 and not account:
        state.hurry("pay refund")  # one that the balance could not cover before


@later("become available")
def become_available(state: State, call: Call, txn_id: str, _: dict[str, Any]) -> None:
    """The money of a pending transaction can be used from now on."""
    account = state.owner(txn_id)
    txn = state.get("balance_transaction", txn_id, account)
    txn["status"] = "available"
    state.put(txn, account)
    state.move(account, txn["currency"], 0, -txn["net"])
    _arrived(state, account, txn["currency"], txn["net"])
    emit(state, call, "balance.available", balance(state, account), account)


def balance(state: State, account: str) -> Object:
    rows = state.balances(account) or [("usd", 0, 0)]
    return {
        "object": "balance",
        "available": [{"amount": n, "currency": code, "source_types": {"card": n}} for code, n, _ in rows],
        "livemode": False,
        "pending": [{"amount": n, "currency": code, "source_types": {"card": n}} for code, _, n in rows],
    }


@operation("get", "/v1/balance", "expand")
def retrieve_balance(state: State, call: Call) -> Object:
    require_account(state, call)
    return balance(state, call.account)


def require_account(state: State, call: Call) -> None:
    """Raises `StripeRefusal` (404) when the call acts for a connected account that is none of ours."""
    if call.account:
        state.get("v2.core.account", call.account)


@operation("get", "/v1/balance_transactions/{id}", "expand")
def retrieve(state: State, call: Call) -> Object:
    require_account(state, call)
    return state.get("balance_transaction", call.names["id"], call.account)


@operation("get", "/v1/balance_transactions", *LIST_PARAMS, "source", "type", "currency", "created")
def list_transactions(state: State, call: Call) -> Object:
    require_account(state, call)
    filters = {name: call.params.get(name) for name in ("source", "type", "currency")}
    return state.page("balance_transaction", call.params, filters, call.path, call.account)

"""Bank payouts: from a balance at Stripe to a bank account. Recipients have theirs, and so has the platform.

Made by Stripe's own schedule, so only the control door makes them here. One that was `paid` may still fail days later.
"""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe.books import check_amount, record, require_account
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.schedule import later
from app.sandbox.stripe.store import Object, State, new_id

ON_ITS_WAY_S = 2 * 86400
FAILURES = {
    "account_closed": "The bank account has been closed.",
    "account_frozen": "The bank account has been frozen.",
    "bank_account_restricted": "The bank account has restrictions on either the type, or the number, of payouts.",
    "could_not_process": "The bank could not process this payout.",
    "debit_not_authorized": "Debit transactions are not approved on the bank account.",
    "incorrect_account_holder_name": "The bank notified us that the bank account holder name on file is incorrect.",
    "invalid_account_number": "The routing number seems correct, but the account number is invalid.",
    "no_account": "The bank account details on file are probably incorrect. No bank account could be located.",
}


def create(state: State, call: Call, account: str, amount: int | None, currency: str) -> Object:
    """Send `amount` (None: all that is available) from a balance to its bank. account: '' for the platform."""
    there = state.available(account, currency)
    amount = there if amount is None else amount
    check_amount(amount, currency, smallest=1)
    if amount > there:
        message = "You have insufficient funds in your Stripe account for this transfer."
        raise invalid(message, code="balance_insufficient", param="amount")
    identifier = new_id("po")
    txn = record(state, "payout", identifier, currency, -amount, 0, "STRIPE PAYOUT", account=account)
    payout = {
        "id": identifier,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": state.now + ON_ITS_WAY_S,
        "automatic": True,
        "balance_transaction": txn["id"],
        "created": state.now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": new_id("ba"),
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "type": "bank_account",
    }
    emit(state, call, "payout.created", payout, account)
    return state.put(payout, account)


def pay(state: State, call: Call, payout: Object, account: str) -> Object:
    if payout["status"] not in ("pending", "in_transit"):
        raise invalid(f"Payout {payout['id']} is {payout['status']} already.")
    payout.update(status="paid", reconciliation_status="completed")
    emit(state, call, "payout.paid", payout, account)
    return state.put(payout, account)


def fail(state: State, call: Call, payout: Object, account: str, code: str) -> Object:
    """The bank sends it back: the money is on the balance again."""
    if code not in FAILURES:
        raise invalid(f"Invalid failure_code: must be one of {', '.join(FAILURES)}", param="failure_code")
    if payout["status"] == "failed":
        raise invalid(f"Payout {payout['id']} has failed already.")
    amount, currency = payout["amount"], payout["currency"]
    back = record(state, "payout_failure", payout["id"], currency, amount, 0, "PAYOUT FAILURE", account=account)
    payout.update(status="failed", failure_code=code, failure_message=FAILURES[code])
    payout["failure_balance_transaction"] = back["id"]
    emit(state, call, "payout.failed", payout, account)
    return state.put(payout, account)


@later("pay payout")
def pay_later(state: State, call: Call, payout_id: str, _: dict[str, Any]) -> None:
    account = state.owner(payout_id)
    payout = state.get("payout", payout_id, account)
    if payout["status"] == "in_transit":
        pay(state, call, payout, account)


@later("fail payout")
def fail_later(state: State, call: Call, payout_id: str, details: dict[str, Any]) -> None:
    account = state.owner(payout_id)
    payout = state.get("payout", payout_id, account)
    if payout["status"] != "failed":
        fail(state, call, payout, account, details["code"])


@operation("get", "/v1/payouts/{payout}", "expand")
def retrieve(state: State, call: Call) -> Object:
    require_account(state, call)
    return state.get("payout", call.names["payout"], call.account)


@operation("get", "/v1/payouts", *LIST_PARAMS, "status", "created")
def list_payouts(state: State, call: Call) -> Object:
    require_account(state, call)
    return state.page("payout", call.params, {"status": call.params.get("status")}, call.path, call.account)

"""Payments that take days: a bank debit is `processing` until its bank says yes or no.

The page is done and the session complete long before that, with `payment_status` unpaid.
"""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe import cards, debits
from app.sandbox.stripe.books import debit_fee, record
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import Call
from app.sandbox.stripe.schedule import later
from app.sandbox.stripe.store import Object, State, new_id

SETTLES_AFTER_S = 4 * 86400


def charge_of(state: State, intent: Object, method: Object, prefix: str, status: str) -> Object:
    """A charge for an intent; status: succeeded | failed | pending. It is not put away yet."""
    paid = status == "succeeded"
    kind = method["type"]
    return {
        "id": new_id(prefix),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0 if status == "failed" else intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "captured": status != "failed",
        "created": state.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": {
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "type": kind,
            kind: cards.charged(method) if kind == "card" else debits.charged(method),
        },
        "refunded": False,
        "status": status,
        "transfer_group": intent["transfer_group"],
    }


def begin(state: State, call: Call, intent: Object, method: Object) -> Object:
    """Ask the bank for the money; by itself it answers after `SETTLES_AFTER_S`."""
    charge = state.put(charge_of(state, intent, method, "py", "pending"))
    intent.update(status="processing", latest_charge=charge["id"], last_payment_error=None)
    emit(state, call, "charge.pending", charge)
    emit(state, call, "payment_intent.processing", intent)
    state.schedule(state.now + SETTLES_AFTER_S, "settle payment", intent["id"])
    return state.put(intent)


@later("settle payment")
def settle_later(state: State, call: Call, intent_id: str, _: dict[str, Any]) -> None:
    intent = state.get("payment_intent", intent_id)
    if intent["status"] == "processing":
        method = state.get("payment_method", intent["payment_method"])
        settle(state, call, intent, debits.debit_of(method).fails_with)


def settle(state: State, call: Call, intent: Object, failure: str) -> Object:
    """The bank pays ('') or says why not. Raises `StripeRefusal` for an intent that waits for no bank."""
    if intent["status"] != "processing":
        raise invalid(f"PaymentIntent {intent['id']} is {intent['status']}, not processing.")
    charge = state.get("charge", intent["latest_charge"])
    state.unschedule("settle payment", intent["id"])
    if failure:
        _refuse(state, call, intent, charge, failure)
    else:
        _pay(state, call, intent, charge)
    _tell_checkout(state, call, intent)
    return intent


def _pay(state: State, call: Call, intent: Object, charge: Object) -> None:
    amount, currency = charge["amount"], charge["currency"]
    fee = debit_fee(amount)
    txn = record(state, "payment", charge["id"], currency, amount, fee, "Payment", category="charge")
    charge.update(status="succeeded", paid=True, balance_transaction=txn["id"])
    state.put(charge)
    emit(state, call, "charge.succeeded", charge)
    intent.update(status="succeeded", amount_received=amount)
    emit(state, call, "payment_intent.succeeded", intent)
    state.put(intent)


def _refuse(state: State, call: Call, intent: Object, charge: Object, failure: str) -> None:
    message = "The customer's bank did not pay: " + failure.replace("_", " ") + "."
    charge.update(status="failed", captured=False, amount_captured=0, failure_code=failure, failure_message=message)
    state.put(charge)
    emit(state, call, "charge.failed", charge)
    method = state.get("payment_method", intent["payment_method"])
    problem: Object = {
        "type": "invalid_request_error",
        "code": "payment_intent_payment_attempt_failed",
        "message": message,
    }
    problem.update(decline_code=failure, charge=charge["id"], payment_method=method)
    intent.update(status="requires_payment_method", payment_method=None, last_payment_error=problem)
    emit(state, call, "payment_intent.payment_failed", intent)
    state.put(intent)


def _tell_checkout(state: State, call: Call, intent: Object) -> None:
    found = state.page("checkout.session", {"limit": 1}, {"payment_intent": intent["id"]}, "")["data"]
    for session in found:
        if intent["status"] == "succeeded":
            session["payment_status"] = "paid"
            emit(state, call, "checkout.session.async_payment_succeeded", session)
            state.put(session)
        else:
            emit(state, call, "checkout.session.async_payment_failed", session)

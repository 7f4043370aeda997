"""Refunds: money from the available balance back to the card, at once or when the balance covers it.

As Stripe documents it, a refund that the available balance does not cover is `pending` (`insufficient_funds`) and is
paid once it does; it has no balance transaction until then. A refund that succeeded may still fail days later.
"""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe import cards
from app.sandbox.stripe.books import record
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.schedule import later
from app.sandbox.stripe.store import Object, State, new_id
from app.sandbox.stripe.webhook_rules import NEVER

SECOND_THOUGHT_S = 3600
"""When the bank of `pm_card_refundFail` and `pm_card_pendingRefund` has made up its mind."""
UNFINISHED = ("pending", "requires_action")


@operation("post", "/v1/refunds", "charge", "payment_intent", "amount", "reason", "metadata", "expand")
def create(state: State, call: Call) -> Object:
    charge = _charge(state, call)
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has not succeeded and cannot be refunded.", param="charge")
    if charge["disputed"] and not _only_asked_about(state, charge):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise invalid(message, code="charge_disputed", param="charge")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, code="charge_already_refunded", param="charge")
    amount = call.params.get("amount", left)
    if amount < 1:
        raise invalid("Amount must be at least 1", code="parameter_invalid_integer", param="amount")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, code="amount_too_large", param="amount")
    refund = _new(state, call, charge, amount)
    emit(state, call, "refund.created", refund)
    _count(state, charge, amount)
    emit(state, call, "charge.refunded", charge)
    if refund["status"] == "succeeded":
        emit(state, call, "refund.updated", refund)
    return state.put(refund)


def _charge(state: State, call: Call) -> Object:
    params = call.params
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("Give either a charge or a payment_intent.", code="parameter_missing", param="charge")
    if "charge" in params:
        return state.get("charge", params["charge"])
    intent = state.get("payment_intent", params["payment_intent"])
    if intent["latest_charge"] is None or intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise invalid(message, code="payment_intent_unexpected_state", param="payment_intent")
    return state.get("charge", intent["latest_charge"])


def _only_asked_about(state: State, charge: Object) -> bool:
    found = state.page("dispute", {"limit": 1}, {"charge": charge["id"]}, "")["data"]
    return all(one["is_charge_refundable"] for one in found)


def _new(state: State, call: Call, charge: Object, amount: int) -> Object:
    identifier, currency = new_id("re"), charge["currency"]
    covered = state.available("", currency) >= amount
    bank = _bank(state, charge)
    kind = str(charge["payment_method_details"]["type"])
    refund: Object = {
        "id": identifier,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": state.now,
        "currency": currency,
        "destination_details": {"type": kind, **({"card": {"type": "refund"}} if kind == "card" else {})},
        "metadata": merge_metadata({}, call.params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": call.params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending",
        "transfer_reversal": None,
    }
    if not covered:
        refund["pending_reason"] = "insufficient_funds"
        state.schedule(NEVER, "pay refund", identifier)
        return refund
    refund["balance_transaction"] = _withdraw(state, refund)
    if bank == "late":
        refund["pending_reason"] = "processing"
        state.schedule(state.now + SECOND_THOUGHT_S, "finish refund", identifier)
        return refund
    refund["status"] = "succeeded"
    if bank == "fails":
        state.schedule(state.now + SECOND_THOUGHT_S, "fail refund", identifier)
    return refund


def _bank(state: State, charge: Object) -> str:
    """How the bank of the card treats refunds: '' | fails | late."""
    method = state.get("payment_method", charge["payment_method"])
    return cards.card_of(method).refunds if method["type"] == "card" else ""


def _withdraw(state: State, refund: Object) -> str:
    # A card gets a refund, a bank account a payment_refund, as it was a charge or a payment.
    kind = "refund" if refund["destination_details"]["type"] == "card" else "payment_refund"
    note = "REFUND FOR CHARGE" if kind == "refund" else "REFUND FOR PAYMENT"
    txn = record(state, kind, refund["id"], refund["currency"], -refund["amount"], 0, note, category="refund")
    return str(txn["id"])


def _count(state: State, charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    state.put(charge)
    if charge["refunded"] and charge["disputed"]:
        state.schedule(state.now, "charge refunded", charge["id"])  # an inquiry is settled by it


@later("pay refund")
def pay(state: State, call: Call, refund_id: str, _: dict[str, Any]) -> None:
    """Money has come in: pay a refund that waited for it, or let it wait on."""
    refund = state.get("refund", refund_id)
    if refund["status"] != "pending":
        return
    if state.available("", refund["currency"]) < refund["amount"]:
        state.schedule(NEVER, "pay refund", refund_id)
        return
    refund["balance_transaction"] = _withdraw(state, refund)
    _finish(state, call, refund)


@later("finish refund")
def finish(state: State, call: Call, refund_id: str, _: dict[str, Any]) -> None:
    refund = state.get("refund", refund_id)
    if refund["status"] == "pending":
        _finish(state, call, refund)


def _finish(state: State, call: Call, refund: Object) -> None:
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    state.put(refund)
    emit(state, call, "refund.updated", refund)
    emit(state, call, "charge.refund.updated", refund)


@later("fail refund")
def fail_later(state: State, call: Call, refund_id: str, _: dict[str, Any]) -> None:
    refund = state.get("refund", refund_id)
    if refund["status"] != "failed":
        fail(state, call, refund, "unknown")


def fail(state: State, call: Call, refund: Object, reason: str) -> Object:
    """The bank sends it back, also long after it succeeded. Raises `StripeRefusal` when it has failed already."""
    if refund["status"] == "failed":
        raise invalid(f"Refund {refund['id']} has failed already.")
    refund.update(status="failed", failure_reason=reason)
    refund.pop("pending_reason", None)
    if refund["balance_transaction"] is not None:
        amount, currency = refund["amount"], refund["currency"]
        back = record(state, "refund_failure", refund["id"], currency, amount, 0, "REFUND FAILURE")
        refund["failure_balance_transaction"] = back["id"]
    state.unschedule("pay refund", refund["id"])
    _count(state, state.get("charge", refund["charge"]), -refund["amount"])
    state.put(refund)
    for type in ("refund.updated", "charge.refund.updated", "refund.failed"):
        emit(state, call, type, refund)
    return refund


def fail_unfinished(state: State, call: Call, charge: Object) -> None:
    """A charge that is charged back takes its waiting refunds with it."""
    for refund in state.page("refund", {"limit": 100}, {"charge": charge["id"]}, "")["data"]:
        if refund["status"] in UNFINISHED:
            fail(state, call, refund, "charge_for_pending_refund_disputed")


@operation("post", "/v1/refunds/{refund}", "metadata", "expand")
def update(state: State, call: Call) -> Object:
    refund = state.get("refund", call.names["refund"])
    refund["metadata"] = merge_metadata(refund["metadata"], call.params.get("metadata"))
    emit(state, call, "refund.updated", refund)
    return state.put(refund)


@operation("get", "/v1/refunds/{refund}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get("refund", call.names["refund"])


@operation("get", "/v1/refunds", *LIST_PARAMS, "charge", "payment_intent", "created")
def list_refunds(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return state.page("refund", call.params, filters, call.path)

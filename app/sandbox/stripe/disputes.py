"""Disputes: a chargeback takes the money with a fee and gives it back when it is won; an inquiry only asks.

needs_response ─ submit ─▶ under_review ─▶ won | lost          needs_response ─ close, or its time is over ─▶ lost
warning_needs_response ─ submit ─▶ warning_under_review ─▶ warning_closed, or escalates to needs_response
"""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe.books import record
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.refunds import fail_unfinished
from app.sandbox.stripe.schedule import later
from app.sandbox.stripe.store import Object, State, new_id

FEE = 1500  # minor units; kept whoever wins
ANSWER_WITHIN_S = 9 * 86400
REASONS = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated", "debit_not_authorized",
    "duplicate", "fraudulent", "general", "incorrect_account_details", "insufficient_funds",
    "noncompliant", "product_not_received", "product_unacceptable", "subscription_canceled", "unrecognized",
)  # fmt: skip
ACCEPTED = ("needs_response", "warning_needs_response")
IN_REVIEW = ("under_review", "warning_under_review")
TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure", "cancellation_rebuttal",
    "customer_email_address", "customer_name", "customer_purchase_ip", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "shipping_address", "shipping_carrier", "shipping_date", "shipping_tracking_number",
    "uncategorized_text",
)  # fmt: skip
FILES = (
    "cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation", "receipt",
    "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file",
)  # fmt: skip
LONGEST_EVIDENCE = 150_000


def open_dispute(state: State, call: Call, charge: Object, amount: int | None, reason: str, inquiry: bool) -> Object:
    """The cardholder's bank speaks up. amount: minor units, None for all that is not refunded."""
    if reason not in REASONS:
        raise invalid(f"Invalid reason: must be one of {', '.join(REASONS)}", param="reason")
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise invalid(f"Charge {charge['id']} did not succeed or is disputed already.", param="charge")
    left = charge["amount"] - charge["amount_refunded"]
    amount = left if amount is None else amount
    if not 1 <= amount <= charge["amount"]:
        raise invalid(f"A dispute of {charge['id']} is about 1 to {charge['amount']}.", param="amount")
    dispute = _new(state, charge, amount, reason, inquiry)
    charge["disputed"] = True
    state.put(charge)
    emit(state, call, "charge.dispute.created", dispute)
    if not inquiry:
        _withdraw(state, call, dispute)
    state.schedule(dispute["evidence_details"]["due_by"], "overdue", dispute["id"])
    return state.put(dispute)


def _new(state: State, charge: Object, amount: int, reason: str, inquiry: bool) -> Object:
    details: Object | None = None
    if charge["payment_method_details"]["type"] == "card":
        brand = charge["payment_method_details"]["card"]["brand"]
        case = "inquiry" if inquiry else "chargeback"
        details = {
            "type": "card",
            "card": {"brand": brand, "case_type": case, "network": brand, "network_reason_code": None},
        }
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": state.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys((*TEXTS, *FILES)), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": state.now + ANSWER_WITHIN_S,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": details,
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def _withdraw(state: State, call: Call, dispute: Object) -> None:
    """Take amount and fee, below zero if it must be, and fail the refunds that have not left yet."""
    fail_unfinished(state, call, state.get("charge", dispute["charge"]))
    _book(state, dispute, -dispute["amount"], FEE, f"Chargeback withdrawal for {dispute['charge']}", "dispute")
    emit(state, call, "charge.dispute.funds_withdrawn", dispute)


def _book(state: State, dispute: Object, amount: int, fee: int, description: str, category: str) -> None:
    currency = dispute["currency"]
    txn = record(state, "adjustment", dispute["id"], currency, amount, fee, description, category=category)
    dispute["balance_transactions"].append(txn)


def escalate(state: State, call: Call, dispute: Object) -> Object:
    """An inquiry becomes a chargeback. Raises `StripeRefusal` when it is none, or is closed."""
    if not dispute["is_charge_refundable"] or dispute["status"] == "warning_closed":
        raise invalid(f"Dispute {dispute['id']} is no open inquiry.")
    dispute.update(status="needs_response", is_charge_refundable=False)
    dispute["evidence_details"]["due_by"] = state.now + ANSWER_WITHIN_S
    if dispute["payment_method_details"] is not None:
        dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    _withdraw(state, call, dispute)
    emit(state, call, "charge.dispute.updated", dispute)
    state.schedule(dispute["evidence_details"]["due_by"], "overdue", dispute["id"])
    return state.put(dispute)


def settle(state: State, call: Call, dispute: Object, *, won: bool) -> Object:
    """The bank decides. An inquiry ends as `warning_closed` either way."""
    if dispute["status"] not in (*ACCEPTED, *IN_REVIEW):
        raise invalid(f"Dispute {dispute['id']} is already closed as {dispute['status']}.")
    if dispute["is_charge_refundable"]:
        dispute["status"] = "warning_closed"
    elif won:
        dispute["status"] = "won"
        note = f"Chargeback reversal for {dispute['charge']}"
        _book(state, dispute, dispute["amount"], 0, note, "dispute_reversal")
        emit(state, call, "charge.dispute.funds_reinstated", dispute)
    else:
        dispute["status"] = "lost"
    emit(state, call, "charge.dispute.closed", dispute)
    return state.put(dispute)


def give_back(state: State, call: Call, dispute: Object, amount: int | None) -> Object:
    """What was lost comes back late. amount: minor units, None for all that has not. It stays `lost`."""
    gone = -sum(txn["amount"] for txn in dispute["balance_transactions"])
    amount = gone if amount is None else amount
    if dispute["status"] != "lost" or not 1 <= amount <= gone:
        raise invalid(f"Dispute {dispute['id']} is {dispute['status']}, and {gone} of it is lost.", param="amount")
    _book(state, dispute, amount, 0, f"Chargeback reversal for {dispute['charge']}", "dispute_reversal")
    emit(state, call, "charge.dispute.funds_reinstated", dispute)
    return state.put(dispute)


@later("overdue")
def overdue(state: State, call: Call, dispute_id: str, _: dict[str, Any]) -> None:
    """Nobody has answered in time."""
    dispute = state.get("dispute", dispute_id)
    if dispute["status"] in ACCEPTED and dispute["evidence_details"]["due_by"] <= state.now:
        dispute["evidence_details"]["past_due"] = True
        settle(state, call, dispute, won=False)


@later("charge refunded")
def charge_refunded(state: State, call: Call, charge_id: str, _: dict[str, Any]) -> None:
    """An inquiry about a charge that has been refunded whole is settled by that."""
    for dispute in state.page("dispute", {"limit": 100}, {"charge": charge_id}, "")["data"]:
        if dispute["is_charge_refundable"] and dispute["status"] != "warning_closed":
            settle(state, call, dispute, won=True)


@operation("post", "/v1/disputes/{dispute}", *(f"evidence.{name}" for name in TEXTS), "submit", "metadata", "expand")
def update(state: State, call: Call) -> Object:
    """Keep evidence; `submit` defaults to true as at Stripe, and evidence can be submitted once."""
    dispute = state.get("dispute", call.names["dispute"])
    dispute["metadata"] = merge_metadata(dispute["metadata"], call.params.get("metadata"))
    evidence: dict[str, str] = call.params.get("evidence", {})
    submits = bool(call.params.get("submit", bool(evidence)))
    if (evidence or submits) and dispute["status"] not in ACCEPTED:
        raise invalid(f"This dispute is {dispute['status']} and takes no more evidence.", param="evidence")
    if sum(len(text) for text in evidence.values()) > LONGEST_EVIDENCE:
        raise invalid(f"Evidence is at most {LONGEST_EVIDENCE} characters in all.", param="evidence")
    dispute["evidence"].update({name: text or None for name, text in evidence.items()})
    details = dispute["evidence_details"]
    details["has_evidence"] = any(dispute["evidence"][name] for name in TEXTS)
    if submits:
        dispute["status"] = "under_review" if dispute["status"] == "needs_response" else "warning_under_review"
        details.update(submission_count=details["submission_count"] + 1, submission_method="manual")
    emit(state, call, "charge.dispute.updated", dispute)
    return state.put(dispute)


@operation("post", "/v1/disputes/{dispute}/close", "expand")
def close(state: State, call: Call) -> Object:
    """Accept the dispute as lost."""
    dispute = state.get("dispute", call.names["dispute"])
    if dispute["status"] not in ACCEPTED:
        raise invalid(f"This dispute is {dispute['status']} and cannot be closed.")
    return settle(state, call, dispute, won=False)


@operation("get", "/v1/disputes/{dispute}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get("dispute", call.names["dispute"])


@operation("get", "/v1/disputes", *LIST_PARAMS, "charge", "payment_intent", "created")
def list_disputes(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return state.page("dispute", call.params, filters, call.path)

"""Reversals: a transfer taken back, whole or in part, from what the recipient still has."""

from __future__ import annotations

from app.sandbox.stripe.books import record
from app.sandbox.stripe.errors import invalid, missing
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.store import Object, State, new_id

SHOWN = 10  # reversals that a transfer carries itself


def reverse(state: State, call: Call, transfer: Object, amount: int | None, metadata: dict[str, str]) -> Object:
    """amount: minor units, None for all that is left.

    Raises `StripeRefusal` for more than that, and when the recipient's balance does not cover it: Stripe reverses only
    what is there.
    """
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = left if amount is None else amount
    if left == 0:
        raise invalid(f"Transfer {transfer['id']} has already been fully reversed.", param="id")
    if amount < 1:
        raise invalid("Amount must be at least 1", code="parameter_invalid_integer", param="amount")
    if amount > left:
        message = f"Reversal amount ({amount}) is greater than unreversed amount on transfer ({left})"
        raise invalid(message, code="amount_too_large", param="amount")
    account, currency = transfer["destination"], transfer["currency"]
    if state.available(account, currency) < amount:
        message = f"The recipient {account} has insufficient available funds to reverse this transfer."
        raise invalid(message, code="balance_insufficient")
    identifier = new_id("trr")
    record(state, "payment_refund", identifier, currency, -amount, 0, "Transfer reversed", account=account)
    txn = record(state, "transfer_refund", identifier, currency, amount, 0, f"Reversal of {transfer['id']}")
    reversal = {
        "id": identifier,
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": txn["id"],
        "created": state.now,
        "currency": currency,
        "destination_payment_refund": new_id("pyr"),
        "metadata": metadata,
        "source_refund": None,
        "transfer": transfer["id"],
    }
    state.put(reversal)
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    shown = [reversal, *transfer["reversals"]["data"]]
    transfer["reversals"].update(data=shown[:SHOWN], has_more=transfer["reversals"]["has_more"] or len(shown) > SHOWN)
    emit(state, call, "transfer.reversed", transfer)
    state.put(transfer)
    return reversal


@operation("post", "/v1/transfers/{id}/reversals", "amount", "metadata", "expand")
def create(state: State, call: Call) -> Object:
    transfer = state.get("transfer", call.names["id"])
    return reverse(state, call, transfer, call.params.get("amount"), merge_metadata({}, call.params.get("metadata")))


@operation("get", "/v1/transfers/{transfer}/reversals/{id}", "expand")
def retrieve(state: State, call: Call) -> Object:
    reversal = state.get("transfer_reversal", call.names["id"])
    if reversal["transfer"] != call.names["transfer"]:
        raise missing("transfer_reversal", reversal["id"])
    return reversal


@operation("get", "/v1/transfers/{id}/reversals", *LIST_PARAMS)
def list_reversals(state: State, call: Call) -> Object:
    transfer = state.get("transfer", call.names["id"])
    return state.page("transfer_reversal", call.params, {"transfer": transfer["id"]}, call.path)

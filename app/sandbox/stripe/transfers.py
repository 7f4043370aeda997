"""Transfers: money from the platform's balance to a recipient's."""

from __future__ import annotations

from app.sandbox.stripe import faults
from app.sandbox.stripe.accounts import may_receive
from app.sandbox.stripe.books import check_amount, record
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.store import Object, State, new_id


@operation(
    "post", "/v1/transfers", "amount", "currency", "destination", "transfer_group", "metadata", "description", "expand"
)
def create(state: State, call: Call) -> Object:
    params = call.params
    if "amount" not in params:
        raise invalid("Missing required param: amount.", code="parameter_missing", param="amount")
    currency = check_amount(params["amount"], params["currency"], smallest=1)
    account = state.get("v2.core.account", params["destination"])
    if not may_receive(account):
        raise faults.inactive_capability()
    if state.available("", currency) < params["amount"]:
        raise faults.balance_insufficient()
    identifier, payment = new_id("tr"), new_id("py")
    record(state, "payment", payment, currency, params["amount"], 0, "Payment from platform", account=account["id"])
    transfer = {
        "id": identifier,
        "object": "transfer",
        "amount": params["amount"],
        "amount_reversed": 0,
        "balance_transaction": record(state, "transfer", identifier, currency, -params["amount"], 0, "Transfer")["id"],
        "created": state.now,
        "currency": currency,
        "description": params.get("description"),
        "destination": account["id"],
        "destination_payment": payment,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "reversals": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/transfers/{identifier}/reversals",
        },
        "reversed": False,
        "source_transaction": None,
        "source_type": "card",
        "transfer_group": params.get("transfer_group"),
    }
    emit(state, call, "transfer.created", transfer)
    return state.put(transfer)


@operation("post", "/v1/transfers/{transfer}", "metadata", "description", "expand")
def update(state: State, call: Call) -> Object:
    transfer = state.get("transfer", call.names["transfer"])
    transfer["description"] = call.params.get("description", transfer["description"])
    transfer["metadata"] = merge_metadata(transfer["metadata"], call.params.get("metadata"))
    emit(state, call, "transfer.updated", transfer)
    return state.put(transfer)


@operation("get", "/v1/transfers/{transfer}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get("transfer", call.names["transfer"])


@operation("get", "/v1/transfers", *LIST_PARAMS, "destination", "transfer_group", "created")
def list_transfers(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("destination", "transfer_group")}
    return state.page("transfer", call.params, filters, call.path)

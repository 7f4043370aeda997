"""Early fraud warnings: the card's bank suspects a charge, often days before it is disputed."""

from __future__ import annotations

from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.store import Object, State, new_id

KIND = "radar.early_fraud_warning"
FRAUD_TYPES = (
    "card_never_received", "fraudulent_card_application", "made_with_counterfeit_card", "made_with_lost_card",
    "made_with_stolen_card", "misc", "unauthorized_use_of_card",
)  # fmt: skip


def warn(state: State, call: Call, charge: Object, fraud_type: str = "unauthorized_use_of_card") -> Object:
    """Raises `StripeRefusal` for a charge that failed. Actionable while it is neither refunded nor disputed."""
    if fraud_type not in FRAUD_TYPES:
        raise invalid(f"Invalid fraud_type: must be one of {', '.join(FRAUD_TYPES)}", param="fraud_type")
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} did not succeed.", param="charge")
    warning = {
        "id": new_id("issfr"),
        "object": KIND,
        "actionable": not (charge["refunded"] or charge["disputed"]),
        "charge": charge["id"],
        "created": state.now,
        "fraud_type": fraud_type,
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    emit(state, call, "radar.early_fraud_warning.created", warning)
    return state.put(warning)


@operation("get", "/v1/radar/early_fraud_warnings/{early_fraud_warning}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get(KIND, call.names["early_fraud_warning"])


@operation("get", "/v1/radar/early_fraud_warnings", *LIST_PARAMS, "charge", "payment_intent", "created")
def list_warnings(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return state.page(KIND, call.params, filters, call.path)

"""SetupIntents: a payment method kept for later without paying anything. Checkout in setup mode makes them."""

from __future__ import annotations

from app.sandbox.stripe import methods
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.store import Object, State, new_id


def keep(state: State, call: Call, session: Object, method: Object, wanted: Object) -> Object:
    """What a customer agrees to on the page. Raises `CardRefusal` when the bank does not want the card kept."""
    identifier = new_id("seti")
    intent = {
        "id": identifier,
        "object": "setup_intent",
        "application": None,
        "cancellation_reason": None,
        "client_secret": f"{identifier}_secret_{new_id('s')[2:]}",
        "created": state.now,
        "customer": session["customer"],
        "description": wanted.get("description"),
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merge_metadata({}, wanted.get("metadata")),
        "next_action": None,
        "payment_method": method["id"],
        "payment_method_options": {},
        "payment_method_types": session["payment_method_types"],
        "status": "succeeded",
        "usage": "off_session",
    }
    emit(state, call, "setup_intent.created", {**intent, "status": "requires_payment_method", "payment_method": None})
    if session["customer"]:
        methods.attach(state, call, method, session["customer"])
    emit(state, call, "setup_intent.succeeded", intent)
    return state.put(intent)


@operation("get", "/v1/setup_intents/{intent}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get("setup_intent", call.names["intent"])


@operation("get", "/v1/setup_intents", *LIST_PARAMS, "customer", "payment_method", "created")
def list_setups(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("customer", "payment_method")}
    return state.page("setup_intent", call.params, filters, call.path)

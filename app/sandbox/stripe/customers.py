"""Customers: who a saved card belongs to."""

from __future__ import annotations

from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.store import Object, State, new_id

FIELDS = ("email", "name", "description", "phone")


@operation("post", "/v1/customers", *FIELDS, "metadata", "expand")
def create(state: State, call: Call) -> Object:
    customer = {
        "id": new_id("cus"),
        "object": "customer",
        "balance": 0,
        "created": state.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merge_metadata({}, call.params.get("metadata")),
        "shipping": None,
        "tax_exempt": "none",
        **{name: call.params.get(name) for name in FIELDS},
    }
    emit(state, call, "customer.created", customer)
    return state.put(customer)


@operation("post", "/v1/customers/{customer}", *FIELDS, "metadata", "expand", "invoice_settings.default_payment_method")
def update(state: State, call: Call) -> Object:
    customer = state.get("customer", call.names["customer"])
    default = call.params.get("invoice_settings", {}).get("default_payment_method")
    if default is not None:
        if default and state.get("payment_method", default)["customer"] != customer["id"]:
            message = "The default payment method must be attached to the customer."
            raise invalid(message, param="invoice_settings[default_payment_method]")
        customer["invoice_settings"]["default_payment_method"] = default or None
    customer.update({name: call.params[name] or None for name in FIELDS if name in call.params})
    customer["metadata"] = merge_metadata(customer["metadata"], call.params.get("metadata"))
    emit(state, call, "customer.updated", customer)
    return state.put(customer)


@operation("get", "/v1/customers/{customer}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get("customer", call.names["customer"])


@operation("get", "/v1/customers", *LIST_PARAMS, "email", "created")
def list_customers(state: State, call: Call) -> Object:
    return state.page("customer", call.params, {"email": call.params.get("email")}, call.path)


@operation("get", "/v1/customers/{customer}/payment_methods", *LIST_PARAMS, "type")
def list_cards(state: State, call: Call) -> Object:
    state.get("customer", call.names["customer"])
    filters = {"customer": call.names["customer"], "type": call.params.get("type")}
    return state.page("payment_method", call.params, filters, call.path)

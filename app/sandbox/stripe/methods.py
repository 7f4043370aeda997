"""Payment methods: cards and bank accounts, given once or kept for a customer."""

from __future__ import annotations

from app.sandbox.stripe import cards, debits
from app.sandbox.stripe.errors import CardRefusal, invalid, missing
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.store import Object, State, new_id


def payment_method(state: State, identifier: str) -> Object:
    """A stored payment method; a test name (`pm_card_visa`) makes a new one, as at Stripe."""
    if identifier in cards.CARDS:
        kind, part = "card", cards.described(cards.CARDS[identifier])
    elif identifier in debits.DEBITS:
        kind, part = "us_bank_account", debits.described(debits.DEBITS[identifier])
    else:
        return state.get("payment_method", identifier)
    return state.put(
        {
            "id": new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
            "created": state.now,
            "customer": None,
            "livemode": False,
            "metadata": {},
            "type": kind,
            kind: part,
        }
    )


def attach(state: State, call: Call, method: Object, customer: str) -> Object:
    """Keep it for a customer. Raises `CardRefusal` when it is somebody else's or its bank does not want that."""
    if method["customer"] == customer:
        return method
    if method["customer"] is not None:
        raise CardRefusal(
            "The payment method is attached to another customer.",
            code="payment_method_unexpected_state",
            decline_code="",
        )
    if method["type"] == "card" and not cards.card_of(method).attaches:
        raise CardRefusal(
            "Your card was declined.", code="card_declined", decline_code=cards.card_of(method).declines_with
        )
    method["customer"] = customer
    emit(state, call, "payment_method.attached", method)
    return state.put(method)


@operation("get", "/v1/payment_methods/{payment_method}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return payment_method(state, call.names["payment_method"])


@operation("post", "/v1/payment_methods/{payment_method}/attach", "customer", "expand")
def attach_to_customer(state: State, call: Call) -> Object:
    if "customer" not in call.params:
        raise missing("customer", "")
    state.get("customer", call.params["customer"])
    return attach(state, call, payment_method(state, call.names["payment_method"]), call.params["customer"])


@operation("post", "/v1/payment_methods/{payment_method}/detach", "expand")
def detach(state: State, call: Call) -> Object:
    """Forget it; a customer whose default it was has none then."""
    method = state.get("payment_method", call.names["payment_method"])
    if method["customer"] is None:
        message = f"The payment method {method['id']} is not attached to a customer, so detachment is impossible."
        raise invalid(message, param="payment_method")
    customer = state.get("customer", method["customer"])
    if customer["invoice_settings"]["default_payment_method"] == method["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
        state.put(customer)
    method["customer"] = None
    emit(state, call, "payment_method.detached", method)
    return state.put(method)


@operation("get", "/v1/payment_methods", *LIST_PARAMS, "customer", "type")
def list_methods(state: State, call: Call) -> Object:
    filters = {"customer": call.params.get("customer"), "type": call.params.get("type")}
    return state.page("payment_method", call.params, filters, call.path)

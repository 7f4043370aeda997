"""Checkout Sessions that pay or keep a payment method; their page is in pages.py."""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe import debits, methods, setup
from app.sandbox.stripe.books import check_amount
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.payments import confirm_intent, new_intent
from app.sandbox.stripe.store import Object, State, new_id

DEFAULT_LIFE_S = 24 * 3600


def _total(items: list[dict[str, Any]]) -> tuple[int, str]:
    total, currencies = 0, set()
    for item in items:
        price = item.get("price_data")
        if price is None or "unit_amount" not in price:
            raise invalid("The sandbox needs line_items[n][price_data][unit_amount].", param="line_items")
        if price["unit_amount"] < 0 or item.get("quantity", 1) < 1:
            raise invalid("Amounts and quantities must be positive.", param="line_items")
        total += price["unit_amount"] * item.get("quantity", 1)
        currencies.add(price["currency"].lower())
    if len(currencies) != 1:
        raise invalid("All line items must have one currency.", param="line_items")
    return total, check_amount(total, currencies.pop())


@operation(
    "post", "/v1/checkout/sessions", "mode", "customer", "success_url", "cancel_url", "metadata", "client_reference_id",
    "allowed_payment_method_types", "expires_at", "expand", "line_items.quantity", "line_items.price_data.currency",
    "line_items.price_data.unit_amount", "line_items.price_data.product_data.name", "payment_intent_data.metadata",
    "payment_intent_data.setup_future_usage", "payment_intent_data.transfer_group", "payment_intent_data.description",
    "currency", "setup_intent_data.metadata", "setup_intent_data.description",
)  # fmt: skip
def create(state: State, call: Call) -> Object:
    params = call.params
    mode, allowed = params.get("mode"), params.get("allowed_payment_method_types")
    if mode not in ("payment", "setup"):
        raise invalid("The sandbox serves mode=payment and mode=setup only.", param="mode")
    if "success_url" not in params:
        raise invalid("Missing required param: success_url.", code="parameter_missing", param="success_url")
    if params.get("customer"):
        state.get("customer", params["customer"])
    total: int | None
    if mode == "payment":
        total, currency = _total(params.get("line_items", []))
    elif params.get("line_items"):
        raise invalid("You can not pass `line_items` in `setup` mode.", param="line_items")
    else:
        total, currency = None, params.get("currency", debits.CURRENCY).lower()
    identifier = new_id("cs_test")
    session = {
        "id": identifier,
        "object": "checkout.session",
        "after_expiration": None,
        "allowed_payment_method_types": allowed,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "consent": None,
        "created": state.now,
        "currency": currency if mode == "payment" else params.get("currency"),
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": params.get("customer"),
        "customer_email": None,
        "expires_at": params.get("expires_at", state.now + DEFAULT_LIFE_S),
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "mode": mode,
        "payment_intent": None,
        "payment_method_options": {},
        "payment_method_types": debits.usable(allowed, currency),
        "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
        "setup_intent": None,
        "shipping_options": [],
        "status": "open",
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0} if total is not None else None,
        "url": f"{call.public_url}/checkout/{identifier}",
    }
    # What the payment will carry is Stripe's own business until the card is known: kept beside the session.
    wanted = params.get(f"{mode}_intent_data", {})
    state.put({"id": f"{identifier}_intent", "object": "checkout.intent", **wanted})
    return state.put(session)


def pay(state: State, call: Call, identifier: str, method: str) -> Object:
    """What pressing "pay" does. Raises `CardRefusal` and leaves the session open when the card is declined."""
    session = open_session(state, identifier)
    wanted = state.get("checkout.intent", f"{identifier}_intent")
    given = methods.payment_method(state, method)
    if session["mode"] == "setup":
        session["setup_intent"] = setup.keep(state, call, session, given, wanted)["id"]
        return _complete(state, call, session)
    if session["payment_intent"] is None:
        details = {name: session[name] for name in ("customer", "allowed_payment_method_types")}
        amount, currency = session["amount_total"], session["currency"]
        session["payment_intent"] = new_intent(state, call, amount, currency, {**wanted, **details})["id"]
        state.put(session)
    intent = state.get("payment_intent", session["payment_intent"])
    # The owner sits in front of the page, so a card that wants them gets its confirmation. Once it is kept and charged
    # while they are away, it wants them again.
    intent = confirm_intent(state, call, intent, given, off_session=False, owner_confirmed=True)
    if intent["status"] == "succeeded":
        session["payment_status"] = "paid"
    return _complete(state, call, session)


def _complete(state: State, call: Call, session: Object) -> Object:
    session.update(status="complete", url=None)
    emit(state, call, "checkout.session.completed", session)
    return state.put(session)


def open_session(state: State, identifier: str) -> Object:
    session = state.get("checkout.session", identifier)
    if session["status"] == "open" and session["expires_at"] <= state.now:
        session.update(status="expired", url=None)
    if session["status"] != "open":
        raise invalid(f"This Checkout Session is {session['status']}.")
    return session


@operation("post", "/v1/checkout/sessions/{session}/expire", "expand")
def expire(state: State, call: Call) -> Object:
    session = open_session(state, call.names["session"])
    session.update(status="expired", url=None)
    emit(state, call, "checkout.session.expired", session)
    return state.put(session)


@operation("get", "/v1/checkout/sessions/{session}", "expand")
def retrieve(state: State, call: Call) -> Object:
    session = state.get("checkout.session", call.names["session"])
    if session["status"] == "open" and session["expires_at"] <= state.now:
        session.update(status="expired", url=None)
    return session


@operation("get", "/v1/checkout/sessions", *LIST_PARAMS, "customer", "payment_intent", "status", "created")
def list_sessions(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("customer", "payment_intent", "status")}
    return state.page("checkout.session", call.params, filters, call.path)

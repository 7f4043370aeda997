"""PaymentIntents and the charges that they make."""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe import cards, disputes, fraud
from app.sandbox.stripe.books import card_fee, check_amount, record
from app.sandbox.stripe.errors import CardRefusal, invalid
from app.sandbox.stripe.events import emit
from app.sandbox.stripe.operations import LIST_PARAMS, Call, merge_metadata, operation
from app.sandbox.stripe.store import Object, State, new_id

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_intent(state: State, call: Call, amount: int, currency: str, params: dict[str, Any]) -> Object:
    """A PaymentIntent that waits for a card, and the event that tells of it."""
    identifier = new_id("pi")
    intent = {
        "id": identifier,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "application": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{identifier}_secret_{new_id('s')[2:]}",
        "confirmation_method": "automatic",
        "created": state.now,
        "currency": currency,
        "customer": params.get("customer"),
        "description": params.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }
    emit(state, call, "payment_intent.created", intent)
    return state.put(intent)


def confirm_intent(state: State, call: Call, intent: Object, method: Object, off_session: bool) -> Object:
    """Charge the card. Raises `CardRefusal` (402) after writing the failed charge; the intent can be tried again."""
    intent["payment_method"] = method["id"]
    card = cards.card_of(method)
    if card.needs_owner and not off_session:
        intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}})
        emit(state, call, "payment_intent.requires_action", intent)
        return state.put(intent)
    decline = "authentication_required" if card.needs_owner else card.declines_with
    if decline:
        _fail(state, call, intent, method, decline)
    charge = new_charge(state, intent, method, "")
    emit(state, call, "charge.succeeded", charge)
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        last_payment_error=None,
        next_action=None,
    )
    if intent["setup_future_usage"] and intent["customer"]:
        cards.attach(state, method, intent["customer"])
    emit(state, call, "payment_intent.succeeded", intent)
    state.put(intent)
    _aftermath(state, call, charge, card)
    return intent


def _aftermath(state: State, call: Call, charge: Object, card: cards.Card) -> None:
    """What the bank of some test cards does at once."""
    if card.disputed_as:
        disputes.open_dispute(state, call, charge, None, card.disputed_as, card.inquires)
    if card.suspected:
        fraud.warn(state, call, charge)


def _fail(state: State, call: Call, intent: Object, method: Object, decline: str) -> None:
    code = "authentication_required" if decline == "authentication_required" else "card_declined"
    message = (
        "Your card was declined. This transaction requires authentication."
        if code == "authentication_required"
        else "Your card was declined."
    )
    charge = new_charge(state, intent, method, decline)
    intent.update(status="requires_payment_method", payment_method=None, latest_charge=charge["id"])
    problem = {"type": "card_error", "code": code, "decline_code": decline, "message": message, "charge": charge["id"]}
    intent["last_payment_error"] = {**problem, "payment_method": method}
    state.put(intent)
    emit(state, call, "charge.failed", charge)
    emit(state, call, "payment_intent.payment_failed", intent)
    raise CardRefusal(
        message, code=code, decline_code=decline, charge=charge["id"], payment_intent=intent, payment_method=method
    )


def new_charge(state: State, intent: Object, method: Object, decline: str) -> Object:
    paid = not decline
    identifier = new_id("ch")
    amount, currency = intent["amount"], intent["currency"]
    txn = record(state, "charge", identifier, currency, amount, card_fee(amount), "Charge")["id"] if paid else None
    return state.put(
        {
            "id": identifier,
            "object": "charge",
            "amount": amount,
            "amount_captured": amount if paid else 0,
            "amount_refunded": 0,
            "application": None,
            "balance_transaction": txn,
            "billing_details": method["billing_details"],
            "captured": paid,
            "created": state.now,
            "currency": currency,
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_code": None if paid else "card_declined",
            "failure_message": None if paid else "Your card was declined.",
            "livemode": False,
            "metadata": intent["metadata"],
            "outcome": {
                "network_status": "approved_by_network" if paid else "declined_by_network",
                "reason": decline or None,
                "risk_level": "normal",
                "seller_message": "Payment complete." if paid else "The bank did not return any further details.",
                "type": "authorized" if paid else "issuer_declined",
            },
            "paid": paid,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"type": "card", "card": _card_details(method)},
            "refunded": False,
            "status": "succeeded" if paid else "failed",
            "transfer_group": intent["transfer_group"],
        }
    )


def _card_details(method: Object) -> Object:
    names = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {name: method["card"][name] for name in names}


@operation(
    "post", "/v1/payment_intents", "amount", "currency", "customer", "payment_method", "confirm", "off_session",
    "metadata", "description", "allowed_payment_method_types", "setup_future_usage", "transfer_group", "expand",
)  # fmt: skip
def create(state: State, call: Call) -> Object:
    params = call.params
    currency = check_amount(params["amount"], params["currency"])
    if params.get("customer"):
        state.get("customer", params["customer"])
    if params.get("allowed_payment_method_types", ["card"]) != ["card"]:
        raise invalid("The sandbox takes cards only.", param="allowed_payment_method_types")
    if params.get("off_session") and not params.get("confirm"):
        raise invalid("off_session can only be set with confirm=true.", param="off_session")
    method = _usable_method(state, params) if "payment_method" in params else None
    intent = new_intent(state, call, params["amount"], currency, params)
    if method is not None:
        intent.update(payment_method=method["id"], status="requires_confirmation")
        state.put(intent)
    if not params.get("confirm"):
        return intent
    if method is None:
        raise invalid("You cannot confirm this PaymentIntent because it's missing a payment method.")
    return confirm_intent(state, call, intent, method, bool(params.get("off_session")))


def _usable_method(state: State, params: dict[str, Any]) -> Object:
    method = cards.payment_method(state, params["payment_method"])
    if method["customer"] is not None and method["customer"] != params.get("customer"):
        raise invalid("The provided PaymentMethod belongs to another customer.", param="payment_method")
    return method


@operation("post", "/v1/payment_intents/{intent}/confirm", "payment_method", "off_session", "expand")
def confirm(state: State, call: Call) -> Object:
    intent = _in_state(state, call, CONFIRMABLE, "confirm")
    wanted = call.params.get("payment_method", intent["payment_method"])
    if wanted is None:
        raise invalid("You cannot confirm this PaymentIntent because it's missing a payment method.")
    method = _usable_method(state, {"payment_method": wanted, "customer": intent["customer"]})
    return confirm_intent(state, call, intent, method, bool(call.params.get("off_session")))


@operation("post", "/v1/payment_intents/{intent}/cancel", "cancellation_reason", "expand")
def cancel(state: State, call: Call) -> Object:
    intent = _in_state(state, call, CONFIRMABLE, "cancel")
    reason = call.params.get("cancellation_reason")
    intent.update(status="canceled", canceled_at=state.now, cancellation_reason=reason)
    emit(state, call, "payment_intent.canceled", intent)
    return state.put(intent)


def _in_state(state: State, call: Call, allowed: tuple[str, ...], verb: str) -> Object:
    intent = state.get("payment_intent", call.names["intent"])
    if intent["status"] not in allowed:
        message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
        raise invalid(message, code="payment_intent_unexpected_state")
    return intent


@operation("get", "/v1/payment_intents/{intent}", "expand")
def retrieve(state: State, call: Call) -> Object:
    return state.get("payment_intent", call.names["intent"])


@operation("get", "/v1/payment_intents", *LIST_PARAMS, "customer", "created")
def list_intents(state: State, call: Call) -> Object:
    return state.page("payment_intent", call.params, {"customer": call.params.get("customer")}, call.path)


@operation("get", "/v1/charges/{charge}", "expand")
def retrieve_charge(state: State, call: Call) -> Object:
    return state.get("charge", call.names["charge"])


@operation("get", "/v1/charges", *LIST_PARAMS, "customer", "payment_intent", "transfer_group", "created")
def list_charges(state: State, call: Call) -> Object:
    filters = {name: call.params.get(name) for name in ("customer", "payment_intent", "transfer_group")}
    return state.page("charge", call.params, filters, call.path)

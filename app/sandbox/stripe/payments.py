"""PaymentIntents and the charges that they make."""

from __future__ import annotations

from typing import Any

from app.sandbox.stripe import cards, debits, disputes, fraud, methods, processing
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
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
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
        "payment_method_types": debits.usable(params.get("allowed_payment_method_types"), currency),
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


def confirm_intent(
    state: State, call: Call, intent: Object, method: Object, *, off_session: bool, owner_confirmed: bool = False
) -> Object:
    """Charge the card, or begin to debit the bank account.

    owner_confirmed: they have just proved to their bank who they are. Raises `CardRefusal` (402) after writing the
    failed charge; the intent can be tried again.
    """
    if method["type"] not in intent["payment_method_types"]:
        message = f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent."
        raise invalid(message, param="payment_method")
    intent["payment_method"] = method["id"]
    if method["type"] != "card":
        _keep(state, call, intent, method)
        return processing.begin(state, call, intent, method)
    card = cards.card_of(method)
    asks = card.needs_owner and not owner_confirmed
    if asks and not off_session:
        intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}})
        emit(state, call, "payment_intent.requires_action", intent)
        return state.put(intent)
    decline = "authentication_required" if asks else card.declines_with
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
    _keep(state, call, intent, method)
    emit(state, call, "payment_intent.succeeded", intent)
    state.put(intent)
    _aftermath(state, call, charge, card)
    return intent


def _keep(state: State, call: Call, intent: Object, method: Object) -> None:
    if intent["setup_future_usage"] and intent["customer"]:
        methods.attach(state, call, method, intent["customer"])


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
    """A card's charge, paid ('') or declined with a code of the bank's."""
    charge = processing.charge_of(state, intent, method, "ch", "failed" if decline else "succeeded")
    if decline:
        charge.update(failure_code="card_declined", failure_message="Your card was declined.")
        charge["outcome"].update(reason=decline, type="issuer_declined", network_status="declined_by_network")
        charge["outcome"]["seller_message"] = "The bank did not return any further details."
        return state.put(charge)
    pending_s = 0 if cards.card_of(method).at_once else state.conditions.pending_s
    amount, currency = intent["amount"], intent["currency"]
    fee = card_fee(amount)
    txn = record(state, "charge", charge["id"], currency, amount, fee, "Charge", pending_s=pending_s)
    charge["balance_transaction"] = txn["id"]
    return state.put(charge)


@operation(
    "post", "/v1/payment_intents", "amount", "currency", "customer", "payment_method", "confirm", "off_session",
    "metadata", "description", "allowed_payment_method_types", "setup_future_usage", "transfer_group", "expand",
)  # fmt: skip
def create(state: State, call: Call) -> Object:
    params = call.params
    currency = check_amount(params["amount"], params["currency"])
    if params.get("customer"):
        state.get("customer", params["customer"])
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
    return confirm_intent(state, call, intent, method, off_session=bool(params.get("off_session")))


def _usable_method(state: State, params: dict[str, Any]) -> Object:
    method = methods.payment_method(state, params["payment_method"])
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
    return confirm_intent(state, call, intent, method, off_session=bool(call.params.get("off_session")))


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

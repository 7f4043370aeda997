"""What happens to money at Stripe by itself: the bank's decisions, the dashboard's buttons, money from elsewhere."""

from __future__ import annotations

import msgspec

from app.sandbox.stripe import cards, disputes, fraud, payments, refunds, reversals
from app.sandbox.stripe.books import check_amount, record
from app.sandbox.stripe.control import Nothing, act
from app.sandbox.stripe.operations import Call
from app.sandbox.stripe.store import Object, State


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The bodies of this file: a field that is not known is refused."""


class DisputeOpened(Strict):
    amount: int | None = None
    reason: str = "fraudulent"
    inquiry: bool = False


@act("/charges/{id}/dispute", DisputeOpened)
def dispute(state: State, call: Call, charge: str, given: DisputeOpened) -> Object:
    found = state.get("charge", charge)
    return disputes.open_dispute(state, call, found, given.amount, given.reason, given.inquiry)


@act("/disputes/{id}/win", Nothing)
def win(state: State, call: Call, dispute_id: str, _: Nothing) -> Object:
    return disputes.settle(state, call, state.get("dispute", dispute_id), won=True)


@act("/disputes/{id}/lose", Nothing)
def lose(state: State, call: Call, dispute_id: str, _: Nothing) -> Object:
    return disputes.settle(state, call, state.get("dispute", dispute_id), won=False)


@act("/disputes/{id}/escalate", Nothing)
def escalate(state: State, call: Call, dispute_id: str, _: Nothing) -> Object:
    return disputes.escalate(state, call, state.get("dispute", dispute_id))


class Suspicion(Strict):
    fraud_type: str = "unauthorized_use_of_card"


@act("/charges/{id}/fraud_warning", Suspicion)
def fraud_warning(state: State, call: Call, charge: str, given: Suspicion) -> Object:
    return fraud.warn(state, call, state.get("charge", charge), given.fraud_type)


class RefundFailed(Strict):
    failure_reason: str = "expired_or_canceled_card"


@act("/refunds/{id}/fail", RefundFailed)
def fail_refund(state: State, call: Call, refund: str, given: RefundFailed) -> Object:
    return refunds.fail(state, call, state.get("refund", refund), given.failure_reason)


class Some(Strict):
    amount: int | None = None


@act("/transfers/{id}/reverse", Some)
def reverse(state: State, call: Call, transfer: str, given: Some) -> Object:
    return reversals.reverse(state, call, state.get("transfer", transfer), given.amount, {})


class Money(Strict):
    amount: int
    currency: str = "usd"


@act("/charge_elsewhere", Money)
def charge_elsewhere(state: State, call: Call, _: str, given: Money) -> Object:
    """A payment that somebody took in the dashboard, with no word of ours in its metadata."""
    currency = check_amount(given.amount, given.currency)
    intent = payments.new_intent(state, call, given.amount, currency, {})
    payments.confirm_intent(state, call, intent, cards.payment_method(state, "pm_card_visa"), off_session=False)
    return state.get("charge", intent["latest_charge"])


@act("/fee", Money)
def fee(state: State, call: Call, _: str, given: Money) -> Object:
    """A fee of Stripe's that belongs to no payment."""
    currency = check_amount(given.amount, given.currency, smallest=1)
    return record(state, "stripe_fee", None, currency, -given.amount, 0, "Stripe fee", category="fee")

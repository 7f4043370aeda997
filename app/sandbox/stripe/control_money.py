"""What happens to money at Stripe by itself: the bank's decisions, the dashboard's buttons, money from elsewhere."""

from __future__ import annotations

from typing import Literal

import msgspec

from app.sandbox.stripe import accounts, disputes, fraud, methods, payments, payouts, processing, refunds, reversals
from app.sandbox.stripe.books import check_amount, record
from app.sandbox.stripe.control import Nothing, act
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.operations import Call
from app.sandbox.stripe.requirements import Requirement
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


class Some(Strict):
    amount: int | None = None


@act("/disputes/{id}/return", Some)
def give_back(state: State, call: Call, dispute_id: str, given: Some) -> Object:
    """The bank thinks better of a dispute that was lost: all of it comes back, or part."""
    return disputes.give_back(state, call, state.get("dispute", dispute_id), given.amount)


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


@act("/transfers/{id}/reverse", Some)
def reverse(state: State, call: Call, transfer: str, given: Some) -> Object:
    return reversals.reverse(state, call, state.get("transfer", transfer), given.amount, {})


class BankPayout(Strict):
    """When it shall be paid and when it shall fail, by the sandbox's clock; None: when the door is told."""

    amount: int | None = None
    currency: str = "usd"
    paid_after_s: int | None = None
    fails_after_s: int | None = None
    failure_code: str = "account_closed"


def _payout(state: State, call: Call, account: str, given: BankPayout) -> Object:
    if given.failure_code not in payouts.FAILURES:
        raise invalid(f"Invalid failure_code: must be one of {', '.join(payouts.FAILURES)}", param="failure_code")
    for name in ("paid_after_s", "fails_after_s"):
        if (getattr(given, name) or 0) < 0:
            raise invalid(f"{name} is 0 or more.", param=name)
    payout = payouts.create(state, call, account, given.amount, given.currency.lower())
    if given.paid_after_s is not None:
        state.schedule(state.now + given.paid_after_s, "pay payout", payout["id"])
    if given.fails_after_s is not None:
        state.schedule(state.now + given.fails_after_s, "fail payout", payout["id"], code=given.failure_code)
    return payout


@act("/accounts/{id}/payout", BankPayout)
def recipient_payout(state: State, call: Call, account: str, given: BankPayout) -> Object:
    state.get("v2.core.account", account)
    return _payout(state, call, account, given)


@act("/platform_payout", BankPayout)
def platform_payout(state: State, call: Call, _: str, given: BankPayout) -> Object:
    return _payout(state, call, "", given)


@act("/payouts/{id}/pay", Nothing)
def pay_payout(state: State, call: Call, payout: str, _: Nothing) -> Object:
    account = state.owner(payout)
    return payouts.pay(state, call, state.get("payout", payout, account), account)


class PayoutFailed(Strict):
    failure_code: str = "account_closed"


@act("/payouts/{id}/fail", PayoutFailed)
def fail_payout(state: State, call: Call, payout: str, given: PayoutFailed) -> Object:
    account = state.owner(payout)
    return payouts.fail(state, call, state.get("payout", payout, account), account, given.failure_code)


class Capability(Strict):
    """What the transfers capability becomes. `requirements`: names of Stripe's, or with more detail; left out, a
    restricted recipient is asked for a bank account and others for nothing. `due_s`: seconds to the deadline.
    """

    status: Literal["active", "pending", "rejected", "restricted", "unsupported"]
    requirements: list[str | Requirement] | None = None
    due_s: int | None = None


@act("/accounts/{id}/capability", Capability)
def capability(state: State, call: Call, account: str, given: Capability) -> Object:
    found = state.get("v2.core.account", account)
    wanted: list[Requirement] | None = None
    if given.requirements is not None:
        named = given.requirements
        wanted = [Requirement(description=each) if isinstance(each, str) else each for each in named]
    return accounts.set_capability(state, call, found, given.status, wanted, given.due_s)


class Money(Strict):
    amount: int
    currency: str = "usd"


class Settled(Strict):
    succeed: bool


@act("/payment_intents/{id}/settle", Settled)
def settle(state: State, call: Call, intent: str, given: Settled) -> Object:
    """The bank debits, or not; before the door is told, that happens by itself after some days."""
    return processing.settle(state, call, state.get("payment_intent", intent), "" if given.succeed else "declined")


@act("/charge_elsewhere", Money)
def charge_elsewhere(state: State, call: Call, _: str, given: Money) -> Object:
    """A payment that somebody took in the dashboard, with no word of ours in its metadata."""
    currency = check_amount(given.amount, given.currency)
    intent = payments.new_intent(state, call, given.amount, currency, {})
    payments.confirm_intent(state, call, intent, methods.payment_method(state, "pm_card_visa"), off_session=False)
    return state.get("charge", intent["latest_charge"])


@act("/fee", Money)
def fee(state: State, call: Call, _: str, given: Money) -> Object:
    """A fee of Stripe's that belongs to no payment."""
    currency = check_amount(given.amount, given.currency, smallest=1)
    return record(state, "stripe_fee", None, currency, -given.amount, 0, "Stripe fee", category="fee")

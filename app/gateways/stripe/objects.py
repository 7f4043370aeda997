"""Stripe's objects as the service sees them: the few fields that matter, minor units, times in seconds."""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec

from app.gateways.stripe.failures import Ambiguous, BadSignature


class BalanceTxn(msgspec.Struct, frozen=True):
    """One line of the platform's balance: `net` = `amount` - `fee`, minor units, signed."""

    id: str
    type: str
    source: str
    amount: int
    fee: int
    net: int
    currency: str
    created: int
    category: str = ""
    description: str = ""


class Card(msgspec.Struct, frozen=True):
    """A payment method that can be charged again: `brand` and `last4` are what its owner knows it by."""

    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent. `status` is Stripe's; `txn` is there once a charge has succeeded, `charge` once one was tried.

    paid_with: for a receipt, such as `visa 4242`.
    """

    id: str
    status: str
    amount: int
    currency: str
    metadata: dict[str, str]
    failure_code: str
    txn: BalanceTxn | None
    charge: str = ""
    method: str = ""
    paid_with: str = ""


class Checkout(msgspec.Struct, frozen=True):
    """A Checkout Session: `status` open | complete | expired; `url` while open; `paid`: not while a bank takes days."""

    id: str
    status: str
    url: str
    intent_id: str
    paid: bool = False
    metadata: dict[str, str] = {}


class Recipient(msgspec.Struct, frozen=True):
    """Somebody to pay. `transfers` is the capability's status (active | pending | restricted | …), '' before asking.

    requirements: what Stripe still asks for, each once, the most urgent first · due: the first deadline, or None ·
    person: whose it is, of our metadata.
    """

    id: str
    transfers: str
    requirements: tuple[str, ...]
    due: str | None = None
    country: str = ""
    person: str = ""


class Transfer(msgspec.Struct, frozen=True):
    """Money sent to a recipient, with its line of the platform's balance. `amount_reversed` has come back."""

    id: str
    amount: int
    currency: str
    destination: str
    reversed: bool
    txn: BalanceTxn
    metadata: dict[str, str]
    amount_reversed: int = 0


class Reversal(msgspec.Struct, frozen=True):
    """Money of a transfer that has come back."""

    id: str
    amount: int
    txn: BalanceTxn


class Refund(msgspec.Struct, frozen=True):
    """Money on its way back to a card. `status` is Stripe's: pending | requires_action | succeeded | failed | canceled.

    `txn` took it from the balance; `failure_txn` brought it back.
    """

    id: str
    status: str
    amount: int
    currency: str
    charge: str
    metadata: dict[str, str]
    failure: str
    txn: BalanceTxn | None
    failure_txn: BalanceTxn | None


class Dispute(msgspec.Struct, frozen=True):
    """A chargeback or an inquiry. `txns` are its lines of the platform's balance, oldest first."""

    id: str
    status: str
    amount: int
    currency: str
    charge: str
    reason: str
    evidence_due: int | None
    txns: tuple[BalanceTxn, ...]
    intent: str = ""


class FraudWarning(msgspec.Struct, frozen=True):
    """An issuer's early word that a charge was fraud; actionable: a refund can still prevent a dispute."""

    id: str
    charge: str
    kind: str
    actionable: bool
    intent: str = ""


class BankPayout(msgspec.Struct, frozen=True):
    """From a recipient's balance at Stripe to their bank. `status`: pending | in_transit | paid | failed | canceled."""

    id: str
    status: str
    amount: int
    currency: str
    arrives: int
    created: int
    failure: str


class Webhook(msgspec.Struct, frozen=True):
    """What an event is about. Its content is not believed: the object is fetched again."""

    id: str
    type: str
    object_type: str
    object_id: str
    live: bool
    account: str = ""
    created: int = 0


def txn(found: Any) -> BalanceTxn:
    return BalanceTxn(
        found["id"],
        found["type"],
        found["source"] or "",
        found["amount"],
        found["fee"],
        found["net"],
        found["currency"],
        found["created"],
        found.get("reporting_category") or "",
        found.get("description") or "",
    )


def _txn_or_none(found: Any) -> BalanceTxn | None:
    return txn(found) if isinstance(found, dict) else None


def _id_of(found: Any) -> str:
    """Of an object or of its id alone; '' for none."""
    return str(found["id"] if isinstance(found, dict) else found or "")


def card(found: Any) -> Card:
    detail = found["card"]
    return Card(found["id"], detail["brand"], detail["last4"], detail["exp_month"], detail["exp_year"])


def intent(found: Any) -> Intent:
    charge = found["latest_charge"]
    failure = found.get("last_payment_error") or {}
    return Intent(
        found["id"],
        found["status"],
        found["amount"],
        found["currency"],
        dict(found["metadata"]),
        str(failure.get("decline_code") or failure.get("code") or ""),
        _txn_or_none(charge.get("balance_transaction")) if isinstance(charge, dict) else None,
        _id_of(charge),
        _id_of(found.get("payment_method")),
        _paid_with(charge) if isinstance(charge, dict) else "",
    )


def _paid_with(charge: Any) -> str:
    details = charge.get("payment_method_details") or {}
    kind = str(details.get("type") or "")
    detail = details.get(kind) or {}
    return " ".join(part for part in (str(detail.get("brand") or kind), str(detail.get("last4") or "")) if part)


def checkout(found: Any) -> Checkout:
    return Checkout(
        found["id"],
        found["status"],
        found["url"] or "",
        _id_of(found["payment_intent"]),
        found.get("payment_status") == "paid",
        dict(found.get("metadata") or {}),
    )


def recipient(found: Any) -> Recipient:
    parts = ("configuration", "recipient", "capabilities", "stripe_balance", "stripe_transfers", "status")
    node: Any = found
    for part in parts:
        node = (node or {}).get(part)
    requirements = found.get("requirements") or {}
    entries = requirements.get("entries") or []
    wanted = dict.fromkeys(
        entry["description"] for entry in entries if entry.get("awaiting_action_from") in (None, "user")
    )
    soonest = (requirements.get("summary") or {}).get("minimum_deadline") or {}
    return Recipient(
        found["id"],
        node or "",
        tuple(wanted),
        soonest.get("time") or None,
        str((found.get("identity") or {}).get("country") or ""),
        str((found.get("metadata") or {}).get("person") or ""),
    )


def transfer(found: Any) -> Transfer:
    if not isinstance(found["balance_transaction"], dict):
        # The transfer stands; only its line is missing. Asking again under the same key brings it.
        raise Ambiguous(f"{found['id']} came without its balance transaction")
    return Transfer(
        found["id"],
        found["amount"],
        found["currency"],
        found["destination"],
        found["reversed"],
        txn(found["balance_transaction"]),
        dict(found["metadata"]),
        found.get("amount_reversed") or 0,
    )


def reversal(found: Any) -> Reversal:
    if not isinstance(found["balance_transaction"], dict):
        raise Ambiguous(f"{found['id']} came without its balance transaction")
    return Reversal(found["id"], found["amount"], txn(found["balance_transaction"]))


def refund(found: Any) -> Refund:
    return Refund(
        found["id"],
        str(found["status"]),
        found["amount"],
        found["currency"],
        _id_of(found["charge"]),
        dict(found.get("metadata") or {}),
        str(found.get("failure_reason") or ""),
        _txn_or_none(found.get("balance_transaction")),
        _txn_or_none(found.get("failure_balance_transaction")),
    )


def dispute(found: Any) -> Dispute:
    lines = sorted((txn(one) for one in found["balance_transactions"]), key=lambda one: (one.created, one.net > 0))
    return Dispute(
        found["id"],
        found["status"],
        found["amount"],
        found["currency"],
        _id_of(found["charge"]),
        found["reason"],
        (found.get("evidence_details") or {}).get("due_by"),
        tuple(lines),
        _id_of(found.get("payment_intent")),
    )


def fraud_warning(found: Any) -> FraudWarning:
    return FraudWarning(
        found["id"],
        _id_of(found["charge"]),
        found["fraud_type"],
        bool(found["actionable"]),
        _id_of(found.get("payment_intent")),
    )


def bank_payout(found: Any) -> BankPayout:
    return BankPayout(
        found["id"],
        found["status"],
        found["amount"],
        found["currency"],
        found["arrival_date"],
        found["created"],
        str(found.get("failure_code") or ""),
    )


def webhook(payload: bytes) -> Webhook:
    """Raises BadSignature for what is no event."""
    try:
        return event(json.loads(payload))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSignature("The signed content is not an event.") from error


def event(found: Any) -> Webhook:
    """An event of either API, delivered or listed: what it is about. Raises KeyError and the like for anything else."""
    if found["object"] == "v2.core.event":
        about = found.get("related_object") or {"type": "", "id": ""}
        kind = about["type"]
    else:
        about = found["data"]["object"]
        kind = about["object"]
    created = found.get("created")
    return Webhook(
        found["id"],
        found["type"],
        kind,
        cast("str", about.get("id", "")),
        bool(found["livemode"]),
        str(found.get("account") or ""),
        created if isinstance(created, int) else 0,
    )

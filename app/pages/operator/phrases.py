"""Numbers, states and ids as operators read them, and where each leads."""

import re
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

from app import amounts
from app.pages import words
from market import ids
from market.errors import Invalid
from market.money import CURRENCIES as _CURRENCIES
from market.money import Money

PLACES = {
    "run": "/operator/runs", "pay": "/operator/payouts", "prsn": "/operator/people", "acct": "/operator/accounts",
    "disp": "/operator/disputes", "efw": "/operator/fraud-warnings", "dec": "/operator/decisions",
    "sop": "/operator/operations", "ltx": "/operator/ledger/transactions", "txn": "/operator/reconciliation/lines",
    "apl": "/operator/appeals",
}  # fmt: skip

CURRENCIES = {code: code.upper() for code in _CURRENCIES}  # to choose from

# Whose a ledger account is, by the first part of its code.
OWNERS = {
    "buyer": "account", "task": "task", "person": "person", "payout": "payout", "refund": "refund",
    "dispute": "dispute",
}  # fmt: skip

SAYS = {
    # runs and their lines
    "draft": "Draft", "frozen": "Frozen", "submitted": "Waits for approval", "approved": "Approved",
    "executing": "Being paid", "partial": "Paid in part", "unpaid": "Nothing was paid",
    "done": "Done", "listed": "Listed", "planned": "On its way",
    "paid": "Paid", "returned": "Refused", "skipped": "Skipped",
    # why somebody is not in a run
    "held": "On hold", "no_payout_account": "No payout account", "capability_inactive": "Stripe does not pay them now",
    "in_another_run": "In another run", "below_minimum": "Below the minimum", "over_run_cap": "Over the run's cap",
    "excluded": "Left out by an operator", "owes": "Owes more than is payable",
    # operations
    "sending": "Being sent", "unknown": "In doubt", "succeeded": "Succeeded", "rejected": "Refused",
    "sent": "Sent", "looked_up": "Looked up",
    # disputes
    "warning_needs_response": "Inquiry, needs an answer", "warning_under_review": "Inquiry, answered",
    "needs_response": "Needs an answer", "under_review": "Answered, under review", "warning_closed": "Inquiry closed",
    "won": "Won", "lost": "Lost",
    # the pay of an answer
    "on_its_way": "On its way", "taken_back": "Taken back",
    # the rest
    "decided": "Decided", "asked": "Waits for another operator", "withdrawn": "Withdrawn", "write_off": "Write-off",
    "top_ups": "Top-ups",
    "none": "Not asked for", "refused": "Refused",
}  # fmt: skip
GOOD = {"done", "paid", "succeeded", "won", "warning_closed", "active", "approved", "dismissed", "refunded", "decided"}
BAD = {"returned", "rejected", "lost", "unknown", "failed", "refused", "needs_response", "warning_needs_response"}
WAITING = {
    "submitted", "executing", "partial", "unpaid", "planned", "sending", "asked", "under_review", "held", "skipped",
    "open", "warning_under_review",
}  # fmt: skip

# What a page says that one was just sent on from, by its `done`.
DONE = {
    "made": "The run is made.",
    "changed": "Changed.",
    "frozen": "The run is frozen: its lines and its hash are fixed.",
    "submitted": "Handed in. Another operator has to approve it.",
    "approved": "Approved.",
    "executing": "Transfers go out now. This page shows how far they are.",
    "reopened": "The run is a draft again.",
    "discarded": "The draft is deleted.",
    "excluded": "Left out of this run.",
    "included": "Judged like everybody again.",
    "found": "It has happened at Stripe, and is settled so.",
    "refused": "Stripe has refused it: nothing moved.",
    "nothing_found": "Nothing of it was found at Stripe.",
    "retried": "It is sent again, under the same key.",
    "given_up": "Given up: its money is back. Executing the run again pays by a new attempt under a new key.",
    "event": "The event is acted on again.",
    "stopped": "Stopped.",
    "started": "Started again.",
    "held": "On hold.",
    "released": "The hold has ended.",
    "asked": "Asked. Another operator has to decide.",
    "decided": "Decided.",
    "withdrawn": "Withdrawn.",
    "kept": "Kept.",
    "answered": "The answer is on its way to Stripe.",
    "accepted": "The dispute is accepted.",
    "more_frozen": "What the buyer has by now is frozen, up to the amount.",
    "refunded": "Refunded.",
    "dismissed": "Dismissed.",
    "closed": "The day is closed and signed.",
    "enrolled": "The passkey is enrolled.",
    "removed": "Removed.",
    "ended": "The session has ended.",
    "proven": "You have shown who you are.",
}

_AMOUNT = re.compile(r"(\d{1,12})(?:\.(\d{1,2}))?")
_WITH_COMMA = re.compile(r"(\d{1,12}),(\d{1,2})")


# Why a line of a run was skipped or refused, by its code; Stripe's other codes are shown with what Stripe says.
WHY = {
    "held": "They are on hold",
    "capability_inactive": "Stripe does not pay them now: it asks them for something first",
    "destination_changed": "Their account at Stripe is another one than when the run was made",
    "balance_changed": "They are owed less by now than when the run was made",
    "balance_insufficient": "There was not enough on our balance at Stripe",
    "operator": "An operator gave it up: it had not happened at Stripe",
    "insufficient_capabilities_for_transfer": "Stripe does not pay them now: it asks them for something first",
    "account_invalid": "Their account at Stripe is closed, or no longer ours to pay",
    "resource_missing": "Their account is not there at Stripe",
}  # fmt: skip


def why(code: str | None) -> str:
    """Why a line was not paid, in words."""
    return "" if code is None else WHY.get(code) or f"Stripe refused it ({code.replace('_', ' ')})"


# What an operator did or looked at, by the name of the operation, where that alone is no plain word.
ACTS = {
    "find_people": "Searched people", "find_accounts": "Searched accounts",
    "get_person_for_operator": "Looked at a person", "get_account_for_operator": "Looked at an account",
    "list_holds": "Looked at the holds", "list_debts": "Looked at who owes", "list_disputes": "Looked at the disputes",
    "list_appeals": "Looked at the appeals", "get_appeal": "Looked at an appeal",
    "preview_award": "Looked at what an award would move", "get_appeal_outcome": "Looked at how an appeal has ended",
    "get_appealed_photo": "Looked at a photo of an appeal", "decide_appeal": "Decided an appeal",
    "get_dispute": "Looked at a dispute", "draft_evidence": "Looked at a dispute’s evidence",
    "list_fraud_warnings": "Looked at the fraud warnings", "get_fraud_warning": "Looked at a fraud warning",
    "list_decisions": "Looked at the decisions", "get_decision": "Looked at a decision",
    "new_run_page": "Looked at a run to be made", "run_page": "Looked at a run",
    "run_lines_page": "Looked at a run’s lines", "run_exclusions_page": "Looked at whom a run leaves out",
    "payout_page": "Looked at a line of a run", "open_operator_session": "Signed in",
    "close_operator_session": "Signed out", "prove_operator": "Showed once more who they are",
    "turn_switch": "Turned a switch",
}  # fmt: skip


def acted(name: str) -> str:
    """An act of the audit log in words."""
    operation = name.removesuffix(".refused")
    did = ACTS.get(operation) or said(operation)
    return did if operation == name else f"{did}: refused"


def said(name: str | None) -> str:
    """A state or a reason in words."""
    return "" if name is None else SAYS.get(name) or words.spoken(name.replace(".", " "))


def tone(name: str) -> str:
    """How a state looks: good, bad, waiting, or nothing special."""
    found = (GOOD, "good"), (BAD, "bad"), (WAITING, "waiting")
    return next((look for names, look in found if name in names), "")


def short(identity: str) -> str:
    """An id as it fits a table: its kind and its end, which differs soonest."""
    prefix, _, rest = identity.rpartition("_")
    return f"{prefix}_…{rest[-6:]}" if prefix and len(rest) > 12 else identity


def place(identity: str) -> str | None:
    """The console's page about the thing with this public id; None where there is none."""
    folder = PLACES.get(identity.partition("_")[0])
    return None if folder is None or "_" not in identity else f"{folder}/{identity}"


def uuid(identity: str) -> str:
    """The uuid inside a public id, as codes of the ledger have it."""
    return str(UUID(hex=identity.rpartition("_")[2]))


def owner(code: str) -> str | None:
    """Whose a ledger account is, as a public id; None for the market's own."""
    kind, _, rest = code.partition(":")
    return ids.show(OWNERS[kind], UUID(rest.partition(":")[0])) if kind in OWNERS else None


def book(code: str, currency: str) -> str:
    """The console's page of a ledger account."""
    return f"/operator/ledger/accounts/{quote(code, safe=':')}?currency={currency}"


def stamp(at: datetime | None) -> str:
    """2026-03-03 14:05, in UTC."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def left(until: datetime, now: datetime) -> str:
    """How long there is still: 2 days 3 h, 3 h 20 min, 5 min, rounded down; "" when it is over."""
    return _span((until - now).total_seconds()) if until > now else ""


def late(until: datetime, now: datetime) -> str:
    """How long it is over, likewise; "" while it is not."""
    return _span((now - until).total_seconds()) if until <= now else ""


def _span(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours = minutes // 1_440, minutes // 60
    if days:
        return amounts.counted(days, "day") + (f" {hours % 24} h" if hours % 24 else "")
    if hours:
        return f"{hours} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{minutes} min" if minutes else "less than a minute"


def exactly(amount: Money, percent: int) -> str:
    """A part of an amount before it is rounded, in the currency's smallest units: 50 % of $3.01 is 150.5."""
    whole, rest = divmod(amount.amount * percent, 100)
    return f"{whole:,}" + (f".{rest:02d}".rstrip("0") if rest else "")


def odd(amount: Money, percent: int) -> bool:
    """Whether that part has to be rounded."""
    return amount.amount * percent % 100 != 0


def sum_of(amount: int, currency: str) -> str:
    """Minor units as an amount with its currency."""
    return amounts.money(Money(amount, currency))


def typed(amount: Money | None) -> str:
    """An amount as it stands in a field."""
    return "" if amount is None else str(amounts.number(amount))


def minor_units(text: str, currency: str, pointer: str) -> int | None:
    """An amount as people type it, such as 12.50 or 12,50, in minor units; None for a blank. Raises Invalid.

    A comma stands before all of a currency's decimals, or it is refused: 1,500 is two different sums to two people.
    """
    if not text:
        return None
    whole = currency in amounts.WITHOUT_MINOR_UNITS
    comma = None if whole else _WITH_COMMA.fullmatch(text)
    meant = f"{comma[1]}.{comma[2]:0<2}" if comma else ""
    found = _AMOUNT.fullmatch(meant if comma and len(comma[2]) == 2 else text)
    if found is None or (whole and found[2]):
        write = meant or ("it such as 1250" if whole else "it such as 12.50")
        raise Invalid(f"{text[:40]!r} is no amount; write {write}.", pointer=pointer)
    return int(found[1]) if whole else int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))

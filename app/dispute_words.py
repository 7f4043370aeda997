"""Disputes in words: what a bank is told, from our own records, and what the account's owner is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from app import amounts
from market.dispute_answers import LONGEST, Evidence, Facts
from market.money import Money

MOST_TASKS = 150  # of the activity log
# What the bank's reason means; Stripe's others say themselves.
REASONS = {
    "bank_cannot_process": "The bank could not process the payment.",
    "credit_not_processed": "The cardholder says that a refund was promised and has not come.",
    "customer_initiated": "The cardholder asked the bank to take the payment back.",
    "debit_not_authorized": "The account's holder says that they did not allow this debit.",
    "duplicate": "The cardholder says that they were charged twice for the same.",
    "fraudulent": "The cardholder says that they did not make or allow this payment.",
    "general": "The bank gives no particular reason.",
    "insufficient_funds": "The bank account did not hold enough.",
    "product_not_received": "The cardholder says that they did not receive what they paid for.",
    "product_unacceptable": "The cardholder says that what they received was not as described.",
    "subscription_canceled": "The cardholder says that they were charged after they had cancelled.",
    "unrecognized": "The cardholder does not recognise the payment.",
}


def reason(code: str) -> str:
    """What the other side says."""
    return REASONS.get(code, f"The bank's reason is “{code.replace('_', ' ')}”.")


def draft(facts: Facts) -> Evidence:
    """A proposal for an answer: who the customer is, what was paid, and what was delivered for it."""
    card = f" by {facts.paid_with}" if facts.paid_with else ""
    paid = f"{amounts.money(facts.paid)}{card} on {_day(facts.paid_at)}"
    automatic = " It was charged by the automatic top-up that the customer had set up." if facts.automatic else ""
    delivered = sum(task.delivered for task in facts.tasks)
    spent = Money(sum(task.spent for task in facts.tasks), facts.paid.currency)
    return Evidence(
        product_description=(
            "A prepaid balance that pays people for answering the customer's tasks with photos, measurements and "
            "reports from real places. The balance is credited at once; what is not used is refunded on request."
        ),
        customer_name=facts.name[:500],
        customer_email_address=facts.email[:500],
        service_date=_day(facts.paid_at),
        access_activity_log=_log(facts, paid),
        uncategorized_text=(
            f"The customer opened the account “{facts.name}” on {_day(facts.signed_up_at)} and paid {paid}.{automatic} "
            f"Tasks run since then: {len(facts.tasks)}. Answers delivered since then: {delivered}, for "
            f"{amounts.money(spent)} in all."
        )[:LONGEST],
    )


def _log(facts: Facts, paid: str) -> str:
    """What happened, a line each, oldest first; of very many tasks the latest."""
    lines = [
        f"{_moment(facts.signed_up_at)}  account opened by {facts.email}",
        f"{_moment(facts.paid_at)}  paid {paid}",
    ]
    shown = facts.tasks[-MOST_TASKS:]
    if len(shown) < len(facts.tasks):
        lines.append(f"({amounts.counted(len(facts.tasks) - len(shown), 'earlier task')})")
    for task in shown:
        got = (
            f"; {amounts.counted(task.delivered, 'answer')} delivered, the last {_moment(task.last_at)}"
            if task.last_at
            else ""
        )
        lines.append(f"{_moment(task.posted_at)}  task posted: {task.title[:60]}{got}")
    return "\n".join(lines)[:LONGEST]


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


class Mail(NamedTuple):
    """What the owner of an account is told."""

    subject: str
    text: str


def told(step: str, amount: Money, frozen: Money, covered: Money, why: str) -> Mail | None:
    """What the account's owner is told of a step of a dispute; None for what is not for them.

    frozen: of their balance, by now · covered: what their balance has paid of a loss.
    """
    sum_ = amounts.money(amount)
    if step == "inquiry":
        return Mail(
            f"A bank asks about your payment of {sum_}",
            f"The bank of the card that paid {sum_} into your balance asks what it was for. {reason(why)} No money has "
            "moved, and your balance is as it was. If you know the payment, tell the bank so.\n",
        )
    if step == "opened":
        aside = (
            f"{amounts.money(frozen)} of your balance is set aside until the bank has decided. "
            if frozen.amount
            else ""
        )
        return Mail(
            f"Your payment of {sum_} is charged back",
            f"The bank of the card that paid {sum_} into your balance has taken the money back. {reason(why)} {aside}"
            "Your tasks go on, and who has answered them is paid. If the chargeback is a mistake, ask your bank to "
            "withdraw it.\n",
        )
    if step == "won":
        return Mail(
            f"The chargeback of {sum_} is over",
            f"The bank has decided that the payment of {sum_} stands. What was set aside of your balance is yours "
            "to use again.\n",
        )
    if step == "lost":
        used = f"{amounts.money(covered)} of your balance has gone to pay for it. " if covered.amount else ""
        return Mail(
            f"The payment of {sum_} has been taken back",
            f"The bank has decided that the payment of {sum_} goes back to the card. {used}What you have from your "
            "tasks stays yours, and who answered them keeps their pay.\n",
        )
    if step == "warning_closed":
        return Mail(
            f"The bank's question about {sum_} is closed",
            f"The bank asks no more about the payment of {sum_}. Nothing has changed for you.\n",
        )
    return None


def warned(frozen: Money) -> Mail:
    """A bank suspects one of the account's payments."""
    aside = (
        f"{amounts.money(frozen)} of your balance is set aside until we have looked at it. " if frozen.amount else ""
    )
    return Mail(
        "A bank suspects one of your payments",
        f"The bank of a card that paid into your balance thinks that its owner may not have allowed it. {aside}"
        "Your tasks go on. If the card is yours, nothing is lost; answer this mail if you can help.\n",
    )


def top_ups_paused(suspected: bool) -> Mail:
    """The account's automatic top-ups have stopped, since a bank disputes one of its payments, or suspects it."""
    what = "suspects that its owner did not allow one" if suspected else "disputes one"
    return Mail(
        "Your automatic top-ups are paused",
        f"The bank of a card {what} of the payments into your balance. Until that is over no card is charged by "
        "itself; set automatic top-ups again then: PUT /v1/auto-top-up.\n",
    )


def freed(amount: Money, refunded: bool) -> Mail:
    """A suspicion has ended."""
    end = "is on its way back to the card" if refunded else "is yours to use again"
    return Mail(
        "What was set aside of your balance",
        f"We have looked at the payment that a bank suspected. {amounts.money(amount)} of your balance, which was set "
        f"aside, {end}.\n",
    )

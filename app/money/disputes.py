"""Disputes and early fraud warnings: answers go out, and what Stripe says of them is written and told.

Both are about a charge. One whose funding we have not credited yet is credited first, from its payment intent; one that
is of somebody else's on the same Stripe account is left alone, and its lines go into suspense.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import structlog

from app import dispute_words
from app.db import EVENTS, Connection, wake
from app.dispute_words import Mail
from app.gateways import mail
from app.gateways.stripe import Definite, Dispute
from app.jobs import sweep
from app.money.incoming import LOOKS, NotSettled, uuid_or_none
from app.money.money_in import write_of_intent
from app.money.outgoing import SENDERS, Outcome, Sender, Write, balance_line, nothing, stripe_of
from app.services import Services
from market import charges, dispute_answers, dispute_views, disputes, fraud_warnings, funding, ids, stripe_ops, top_ups
from market.charges import Mismatch, NotYet
from market.disputes import Reported
from market.fraud_warnings import Warned
from market.money import Money
from market.stripe_inbox import Notice
from market.stripe_ops import Op

log = structlog.get_logger()

EVERY_S, AT_ONCE = 5.0, 200
ANSWERED = ("under_review", "warning_under_review", "won")


# ---- operations


async def _send_answer(services: Services, op: Op) -> Outcome:
    evidence = op.params["evidence"]
    return _outcome(services, await stripe_of(services).answer_dispute(op.key, op.params["stripe_id"], evidence))


async def _find_answer(services: Services, op: Op) -> Outcome | None:
    """Evidence is taken once: one that is under review has it. One that is lost may have been lost without; sending
    again brings Stripe's own word."""
    found = await stripe_of(services).retrieve_dispute(op.params["stripe_id"])
    return _outcome(services, found) if found.status in ANSWERED else None


async def _send_close(services: Services, op: Op) -> Outcome:
    return _outcome(services, await stripe_of(services).close_dispute(op.key, op.params["stripe_id"]))


async def _find_close(services: Services, op: Op) -> Outcome | None:
    found = await stripe_of(services).retrieve_dispute(op.params["stripe_id"])
    return _outcome(services, found) if found.status == "lost" else None


def _outcome(services: Services, found: Dispute) -> Outcome:
    async def write(connection: Connection) -> None:
        try:
            async with connection.transaction():
                await _apply(services, connection, found)
        except (Mismatch, NotYet) as failure:
            # The answer has arrived: the operation is over, and the dispute's event says the rest.
            log.warning("dispute not written yet", dispute=found.id, failure=str(failure))

    return Outcome(found.id, write)


async def _refused(connection: Connection, op: Op, refusal: Definite) -> None:
    await dispute_answers.refused(connection, UUID(op.params["dispute"]), op.kind, refusal.code, refusal.message)


SENDERS["dispute_answer"] = Sender(_send_answer, _find_answer, _refused)
SENDERS["dispute_close"] = Sender(_send_close, _find_close, _refused)


# ---- what came free since


@sweep("short chargebacks", every_s=EVERY_S)
async def freeze_what_came_free(services: Services) -> None:
    """Freeze what buyers have by now for chargebacks that were opened while it was in their tasks."""
    async with services.database.read() as connection:
        found = await disputes.short(connection, AT_ONCE)
    for dispute in found:
        async with services.database.transaction() as connection:
            await disputes.freeze_more(connection, dispute)
            wake(EVENTS)


# ---- what their events say


async def _look_at_dispute(services: Services, notice: Notice) -> Write:
    found = await stripe_of(services).retrieve_dispute(notice.object_id)
    credit = await _credit(services, found.charge, found.intent)
    if credit is None:
        return nothing

    async def write(connection: Connection) -> None:
        await credit(connection)
        try:
            dispute = await _apply(services, connection, found)
        except NotYet as failure:
            raise NotSettled(str(failure)) from failure
        # An answer whose own answer was lost: Stripe's word that it has arrived.
        if found.status in ANSWERED:
            about = dispute_answers.subject(dispute, inquiry=found.status == "warning_under_review")
            await stripe_ops.found(connection, "dispute_answer", about, found.id)
        if found.status == "lost":
            await stripe_ops.found(connection, "dispute_close", dispute, found.id)

    return write


async def _look_at_warning(services: Services, notice: Notice) -> Write:
    found = await stripe_of(services).retrieve_fraud_warning(notice.object_id)
    credit = await _credit(services, found.charge, found.intent)
    if credit is None:
        return nothing

    async def write(connection: Connection) -> None:
        await credit(connection)
        warned = Warned(found.id, found.charge, found.kind, found.actionable)
        try:
            warning = await fraud_warnings.report(connection, warned)
        except NotYet as failure:
            raise NotSettled(str(failure)) from failure
        if warning is not None:
            shown = await fraud_warnings.get(connection, warning)
            if shown.status == "open":
                account = ids.read("account", shown.account_id)
                await tell(connection, services, account, dispute_words.warned(shown.frozen))
                await _pause_top_ups(connection, services, account, "fraud_warning")

    return write


async def _credit(services: Services, charge: str, intent_id: str) -> Write | None:
    """What credits the funding of a charge first, if that is not done yet; None for a charge of somebody else's."""
    async with services.database.read() as connection:
        if await charges.funding_of(connection, charge) is not None:
            return nothing
    if not intent_id:
        return None
    intent = await stripe_of(services).retrieve_intent(intent_id)
    if uuid_or_none(intent.metadata.get("funding", "")) is None:
        return None
    return await write_of_intent(intent)


async def _apply(services: Services, connection: Connection, found: Dispute) -> UUID:
    due = None if found.evidence_due is None else datetime.fromtimestamp(found.evidence_due, UTC)
    reported = Reported(
        found.id, found.charge, found.status, found.amount, found.currency, found.reason, due,
        tuple(balance_line(txn) for txn in found.txns),
    )  # fmt: skip
    dispute, steps = await disputes.apply(connection, reported)
    news = [step for step in steps if step != "answered"]
    if news:
        # Of what came at once only the last: nobody wants to hear of a chargeback that is over.
        shown = await dispute_views.get(connection, dispute)
        money = shown.money
        words = dispute_words.told(news[-1], shown.amount, money.frozen, money.covered, shown.reason)
        account = ids.read("account", shown.account_id)
        if words is not None:
            await tell(connection, services, account, words)
        if "opened" in news or news == ["inquiry"]:
            await _pause_top_ups(connection, services, account, "disputed")
    return dispute


async def _pause_top_ups(connection: Connection, services: Services, account: UUID, why: str) -> None:
    """What a bank doubts is not charged again by itself; the owner hears of it, if there were any."""
    if await top_ups.suspect(connection, account, why):
        await tell(connection, services, account, dispute_words.top_ups_paused(why == "fraud_warning"))


async def tell(connection: Connection, services: Services, account: UUID, words: Mail) -> None:
    """Mail to the owner of an account, in the transaction of its cause."""
    email, name = await funding.contact(connection, account)
    await mail.write(connection, services, email, words.subject, f"Hello {name},\n\n{words.text}")


async def tell_freed(connection: Connection, services: Services, freed: fraud_warnings.Freed, refunded: bool) -> None:
    """The owner hears what became of the balance that a warning had set aside; nothing where there was none."""
    if freed.amount:
        words = dispute_words.freed(Money(freed.amount, freed.currency), refunded)
        await tell(connection, services, freed.account, words)


LOOKS["dispute"] = _look_at_dispute
LOOKS["radar.early_fraud_warning"] = _look_at_warning

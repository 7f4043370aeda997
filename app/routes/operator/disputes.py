"""Chargebacks, inquiries and early fraud warnings: what stands, and what an operator does about it."""

from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import dispute_words
from app.auth import OPERATOR
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.money.disputes import tell_freed
from app.money.outgoing import queue_op
from app.paging import Cursor, Limit, Page, page, read_text, read_uuid
from market import dispute_answers, dispute_views, disputes, fraud_warnings, ids, refunds
from market.dispute_answers import Evidence
from market.dispute_views import Dispute
from market.fraud_warnings import FraudWarning

DISPUTES, WARNINGS = "/v1/operator/disputes", "/v1/operator/fraud-warnings"


class OpenQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Those that are open, those that have ended, or all."""

    open: Annotated[bool | None, msgspec.Meta(description="true: still to be decided; false: over.")] = None
    limit: Limit = 50
    cursor: Cursor | None = None


class DisputesQuery(OpenQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As well, in which order."""

    order: Annotated[
        Literal["newest", "deadline"],
        msgspec.Meta(description="deadline: what is to be answered soonest first; a cursor goes with its order."),
    ] = "newest"


class AnswerDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the bank is to read."""

    evidence: Evidence


class Draft(msgspec.Struct, frozen=True):
    """A proposal to start from. `bank_says`: the other side, in plain words."""

    bank_says: str
    evidence: Evidence


class Frozen(msgspec.Struct, frozen=True):
    """The dispute as it stands, and how much more is frozen now, in minor units."""

    frozen_now: int
    dispute: Dispute


@endpoint("GET", DISPUTES, by=OPERATOR, audited=True)
async def list_disputes(call: Call, query: DisputesQuery) -> Page[Dispute]:
    """Chargebacks and inquiries, newest first or by the day until which they are to be answered."""
    if query.order == "deadline":
        urgent = await dispute_views.urgent(
            call.connection, place=read_text(query.cursor), limit=query.limit + 1, is_open=query.open
        )
        return page(urgent, query.limit, lambda one: one[0], lambda one: one[1])
    found = await dispute_views.listed(
        call.connection, before=read_uuid(query.cursor), limit=query.limit + 1, is_open=query.open
    )
    return page(found, query.limit, lambda one: ids.read("dispute", one.id), lambda one: one)


@endpoint("GET", f"{DISPUTES}/{{dispute_id}}", by=OPERATOR, audited=True)
async def get_dispute(call: Call, dispute_id: str) -> Dispute:
    """One dispute: what the bank says, what was answered, until when, and where the money is."""
    return await dispute_views.get(call.connection, ids.read("dispute", dispute_id))


@endpoint("GET", f"{DISPUTES}/{{dispute_id}}/evidence-draft", by=OPERATOR, audited=True)
async def draft_evidence(call: Call, dispute_id: str) -> Draft:
    """Evidence as our own records have it, to be read, changed and handed in.

    It names the account, what it paid, and what was delivered to it since. Nothing is sent by this.
    """
    dispute = ids.read("dispute", dispute_id)
    shown = await dispute_views.get(call.connection, dispute)
    facts = await dispute_answers.facts(call.connection, dispute)
    return Draft(dispute_words.reason(shown.reason), dispute_words.draft(facts))


@endpoint(
    "POST", f"{DISPUTES}/{{dispute_id}}/answer", by=OPERATOR, once=True, proven=True, problems=("wrong-state",)
)  # fmt: skip
async def answer_dispute(call: Call, dispute_id: str, data: AnswerDraft) -> Dispute:
    """Hand evidence in.

    Once, for good: the bank reads it and decides. `answer.delivery` says how its way to Stripe stands.
    """
    dispute = ids.read("dispute", dispute_id)
    op = await dispute_answers.answer(call.connection, call.actor.owner, dispute, data.evidence)
    await queue_op(call.connection, op)
    return await dispute_views.get(call.connection, dispute)


@endpoint(
    "POST", f"{DISPUTES}/{{dispute_id}}/accept", by=OPERATOR, once=True, proven=True, problems=("wrong-state",)
)  # fmt: skip
async def accept_dispute(call: Call, dispute_id: str) -> Dispute:
    """Give a chargeback up: it is lost.

    What is frozen of the buyer's balance pays for it, and the rest is the platform's loss.
    """
    dispute = ids.read("dispute", dispute_id)
    op = await dispute_answers.accept(call.connection, call.actor.owner, dispute)
    await queue_op(call.connection, op)
    return await dispute_views.get(call.connection, dispute)


@endpoint(
    "POST", f"{DISPUTES}/{{dispute_id}}/refund", by=OPERATOR, once=True, proven=True, problems=("wrong-state",)
)  # fmt: skip
async def refund_inquiry(call: Call, dispute_id: str) -> Dispute:
    """Give in to an inquiry: what the buyer still has of the payment goes back.

    A payment that has gone back whole settles it; one that has not may still be charged back.
    """
    dispute = ids.read("dispute", dispute_id)
    payment = await dispute_answers.give_in(call.connection, call.actor.owner, dispute)
    asked = await refunds.ask(
        call.connection, payment.account, None, by=call.actor.name, reason="inquiry", funding=payment.funding
    )
    for _, op in asked:
        await queue_op(call.connection, op)
    wake(EVENTS)
    return await dispute_views.get(call.connection, dispute)


@endpoint("POST", f"{DISPUTES}/{{dispute_id}}/freeze", by=OPERATOR, once=True)
async def freeze_for_dispute(call: Call, dispute_id: str) -> Frozen:
    """Freeze what the buyer has by now, up to the amount of an open chargeback.

    What there was when it came is frozen already; this is for what has come since.
    """
    dispute = ids.read("dispute", dispute_id)
    more = await disputes.freeze_more(call.connection, dispute, call.actor.name)
    return Frozen(more, await dispute_views.get(call.connection, dispute))


@endpoint("GET", WARNINGS, by=OPERATOR, audited=True)
async def list_fraud_warnings(call: Call, query: OpenQuery) -> Page[FraudWarning]:
    """Early fraud warnings, newest first."""
    found = await fraud_warnings.listed(
        call.connection, before=read_uuid(query.cursor), limit=query.limit + 1, waiting=query.open
    )
    return page(found, query.limit, lambda one: ids.read("fraud_warning", one.id), lambda one: one)


@endpoint("GET", f"{WARNINGS}/{{warning_id}}", by=OPERATOR, audited=True)
async def get_fraud_warning(call: Call, warning_id: str) -> FraudWarning:
    """One early fraud warning."""
    return await fraud_warnings.get(call.connection, ids.read("fraud_warning", warning_id))


@endpoint(
    "POST", f"{WARNINGS}/{{warning_id}}/refund", by=OPERATOR, once=True, proven=True, problems=("wrong-state",)
)  # fmt: skip
async def refund_suspected_payment(call: Call, warning_id: str) -> FraudWarning:
    """Give back what the buyer still has of a suspected payment, which mostly prevents a chargeback and its fee."""
    warning = ids.read("fraud_warning", warning_id)
    freed = await fraud_warnings.settle(call.connection, call.actor.owner, warning, refunded=True)
    asked = await refunds.ask(
        call.connection, freed.account, None, by=call.actor.name, reason="early fraud warning", funding=freed.funding
    )
    for _, op in asked:
        await queue_op(call.connection, op)
    await tell_freed(call.connection, call.services, freed, refunded=True)
    wake(EVENTS)
    return await fraud_warnings.get(call.connection, warning)


@endpoint("POST", f"{WARNINGS}/{{warning_id}}/dismiss", by=OPERATOR, problems=("wrong-state",))
async def dismiss_fraud_warning(call: Call, warning_id: str) -> FraudWarning:
    """Trust the payment: what was frozen is the buyer's to use again."""
    warning = ids.read("fraud_warning", warning_id)
    freed = await fraud_warnings.settle(call.connection, call.actor.owner, warning, refunded=False)
    await tell_freed(call.connection, call.services, freed, refunded=False)
    wake(EVENTS)
    return await fraud_warnings.get(call.connection, warning)


ROUTES: list[HTTPRouteHandler] = [
    list_disputes, get_dispute, draft_evidence, answer_dispute, accept_dispute, refund_inquiry,
    freeze_for_dispute, list_fraud_warnings, get_fraud_warning, refund_suspected_payment, dismiss_fraud_warning,
]  # fmt: skip

"""Chargebacks with both sides' words, early fraud warnings, and what one operator asks another to decide."""

from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import dispute_words
from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages.operations import asked, perform_once, view
from app.pages.operator import phrases
from app.pages.operator.forms import form_at
from app.pages.operator.frame import Cursor, Done, guarded, onward, pressed, show, taken
from app.paging import Window
from app.routes.operator import decisions, disputes
from app.strict import decode_query
from market import answers_desk, dispute_views, ids
from market.dispute_answers import ANSWERABLE, Evidence
from market.disputes import WARNINGS
from market.money import Currency, Price
from market.terms import Strict

EVIDENCE_LIMIT = 1_000_000  # texts for the bank, percent-encoded

# What the bank may be told, by Stripe's names: what it is called on the page, and whether it is long.
EVIDENCE = {
    "product_description": ("What was bought", True),
    "customer_name": ("Name of the buyer", False),
    "customer_email_address": ("E-mail address of the buyer", False),
    "service_date": ("When it was delivered", False),
    "access_activity_log": ("What the buyer has done and got since", True),
    "refund_policy_disclosure": ("How the buyer was told of refunds", True),
    "refund_refusal_explanation": ("Why it was not refunded", True),
    "cancellation_policy_disclosure": ("How the buyer was told of cancelling", True),
    "duplicate_charge_explanation": ("Why it is no duplicate", True),
    "uncategorized_text": ("Anything else", True),
}


class Which(Strict, frozen=True, kw_only=True):
    """Those that are open unless all are asked for."""

    all: Literal["", "yes"] = ""
    cursor: Cursor | None = None
    done: Done = ""


class Asking(Strict, frozen=True, kw_only=True):
    """A decision to be asked for; amount as people type it."""

    kind: Literal["clawback", "write_off"] = "write_off"
    subject: Annotated[str, msgspec.Meta(max_length=60)] = ""
    amount: Annotated[str, msgspec.Meta(max_length=40)] = ""
    currency: Currency = "usd"
    reason: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class Ledgering(Strict, frozen=True, kw_only=True):
    """Which decisions: those that wait unless all are asked for; and a draft of a new one."""

    all: Literal["", "yes"] = ""
    kind: Literal["clawback", "write_off"] = "write_off"
    subject: Annotated[str, msgspec.Meta(max_length=60)] = ""
    cursor: Cursor | None = None
    done: Done = ""


# ---- disputes


@endpoint("GET", "/operator/disputes", by=OPERATOR, hidden=True)
async def disputes_page(call: Call) -> Answer:
    """Chargebacks and inquiries, that which is to be answered soonest first."""
    which = asked(call, Which)
    query = disputes.DisputesQuery(open=None if which.all else True, order="deadline", cursor=which.cursor)
    found = await view(disputes.list_disputes, call, query=query)
    return await show(
        call, call.connection, "disputes.html", found=found, which=which, says=dispute_words.reason,
        answerable=ANSWERABLE,
    )  # fmt: skip


@endpoint("GET", "/operator/disputes/{dispute_id}", by=OPERATOR, hidden=True)
async def dispute_page(call: Call, dispute_id: str) -> Answer:
    """One dispute: what the bank says, what we say, where the money is, and what can be done."""
    dispute = await view(disputes.get_dispute, call, dispute_id=dispute_id)
    to_answer = dispute.status in ANSWERABLE and dispute.answer is None and not dispute.giving_up
    draft = (await view(disputes.draft_evidence, call, dispute_id=dispute_id)).evidence if to_answer else None
    texts = {} if draft is None else msgspec.to_builtins(draft)
    return await show(
        call, call.connection, "dispute.html", dispute=dispute, draft=texts, to_answer=to_answer,
        fields=EVIDENCE, bank_says=dispute_words.reason(dispute.reason),
    )  # fmt: skip


@form_at("/operator/disputes/{dispute_id}/answer", limit=EVIDENCE_LIMIT)
async def answer_dispute_by_form(call: Call, dispute_id: str) -> Answer:
    """Hand the evidence in."""
    form = await taken(call)
    texts = form.filled()
    once = texts.pop("once", "")
    given = disputes.AnswerDraft(evidence=decode_query(texts, Evidence))
    await perform_once(disputes.answer_dispute, call, once, dispute_id=dispute_id, data=given)
    return onward(f"/operator/disputes/{dispute_id}", "answered")


@endpoint("GET", "/operator/disputes/{dispute_id}/accept", by=OPERATOR, hidden=True)
async def accept_dispute_page(call: Call, dispute_id: str) -> Answer:
    """Names each sum that giving a chargeback up would move, before it does."""
    dispute = await view(disputes.get_dispute, call, dispute_id=dispute_id)
    may = dispute.status in ANSWERABLE and dispute.status not in WARNINGS
    return await show(
        call, call.connection, "dispute_accept.html", dispute=dispute,
        may=may and dispute.answer is None and not dispute.giving_up,
    )  # fmt: skip


@form_at("/operator/disputes/{dispute_id}/accept")
async def accept_dispute_by_form(call: Call, dispute_id: str) -> Answer:
    """Give it up."""
    back = f"/operator/disputes/{dispute_id}"
    return await pressed(call, disputes.accept_dispute, "accepted", onto=back, dispute_id=dispute_id)


@endpoint("GET", "/operator/disputes/{dispute_id}/refund", by=OPERATOR, hidden=True)
async def refund_inquiry_page(call: Call, dispute_id: str) -> Answer:
    """Names what giving in to an inquiry would send back, before it does."""
    dispute = await view(disputes.get_dispute, call, dispute_id=dispute_id)
    refundable = await dispute_views.refundable(call.connection, ids.read("dispute", dispute_id))
    return await show(
        call, call.connection, "dispute_refund.html", dispute=dispute, refundable=refundable,
        may=dispute.status in WARNINGS,
    )  # fmt: skip


@form_at("/operator/disputes/{dispute_id}/refund")
async def refund_inquiry_by_form(call: Call, dispute_id: str) -> Answer:
    """Give in to an inquiry."""
    back = f"/operator/disputes/{dispute_id}"
    return await pressed(call, disputes.refund_inquiry, "refunded", onto=back, dispute_id=dispute_id)


@form_at("/operator/disputes/{dispute_id}/freeze")
async def freeze_for_dispute_by_form(call: Call, dispute_id: str) -> Answer:
    """Freeze what the buyer has by now."""
    return await pressed(call, disputes.freeze_for_dispute, "more_frozen", dispute_id=dispute_id)


# ---- early fraud warnings


@endpoint("GET", "/operator/fraud-warnings", by=OPERATOR, hidden=True)
async def fraud_warnings_page(call: Call) -> Answer:
    """Early fraud warnings."""
    which = asked(call, Which)
    query = disputes.OpenQuery(open=None if which.all else True, cursor=which.cursor)
    found = await view(disputes.list_fraud_warnings, call, query=query)
    return await show(
        call, call.connection, "fraud_warnings.html", found=found, which=which,
        people=await answers_desk.names(call.connection, (one.account_id for one in found.items)),
    )  # fmt: skip


@endpoint("GET", "/operator/fraud-warnings/{warning_id}", by=OPERATOR, hidden=True)
async def fraud_warning_page(call: Call, warning_id: str) -> Answer:
    """One early fraud warning, and the two things that can be done about it."""
    warning = await view(disputes.get_fraud_warning, call, warning_id=warning_id)
    return await show(
        call, call.connection, "fraud_warning.html", warning=warning,
        people=await answers_desk.names(call.connection, [warning.account_id]),
    )  # fmt: skip


@form_at("/operator/fraud-warnings/{warning_id}/refund")
async def refund_warned_by_form(call: Call, warning_id: str) -> Answer:
    """Give the payment back."""
    return await pressed(call, disputes.refund_suspected_payment, "refunded", warning_id=warning_id)


@form_at("/operator/fraud-warnings/{warning_id}/dismiss")
async def dismiss_warning_by_form(call: Call, warning_id: str) -> Answer:
    """Trust the payment."""
    return await pressed(call, disputes.dismiss_fraud_warning, "dismissed", warning_id=warning_id)


# ---- decisions


@endpoint("GET", "/operator/decisions", by=OPERATOR, hidden=True)
async def decisions_page(call: Call) -> Answer:
    """What was asked for and waits for another operator; who owes; and the form that asks."""
    which = asked(call, Ledgering)
    query = decisions.DecisionsQuery(waiting=None if which.all else True, cursor=which.cursor)
    found = await view(decisions.list_decisions, call, query=query)
    debts = await view(decisions.list_debts, call, query=Window())
    return await show(
        call, call.connection, "decisions.html", found=found, which=which, debts=debts, currencies=phrases.CURRENCIES,
        me=ids.show("operator", call.actor.owner),
    )  # fmt: skip


@endpoint("GET", "/operator/decisions/{decision_id}", by=OPERATOR, hidden=True)
async def decision_page(call: Call, decision_id: str) -> Answer:
    """One decision."""
    decision = await view(decisions.get_decision, call, decision_id=decision_id)
    mine = decision.asked_by == ids.show("operator", call.actor.owner)
    return await show(call, call.connection, "decision.html", decision=decision, mine=mine)


@form_at("/operator/decisions/ask")
async def ask_for_decision_by_form(call: Call) -> Answer:
    """Ask for a clawback or a write-off."""
    texts = (await taken(call)).filled()
    once = texts.pop("once", "")
    asking = decode_query(texts, Asking)
    units = phrases.minor_units(asking.amount, asking.currency, "/amount")
    given = decode_query(
        {"kind": asking.kind, "subject": asking.subject, "reason": asking.reason}, decisions.DecisionDraft
    )
    if units is not None:
        amount = decode_query({"amount": str(units), "currency": asking.currency}, Price)
        given = msgspec.structs.replace(given, amount=amount)
    made = await perform_once(decisions.ask_for_decision, call, once, data=given)
    return onward(f"/operator/decisions/{made['id']}", "asked")


@form_at("/operator/decisions/{decision_id}/approve")
async def approve_decision_by_form(call: Call, decision_id: str) -> Answer:
    """Approve it: it is done at once."""
    return await pressed(call, decisions.approve_decision, "decided", decision_id=decision_id)


@form_at("/operator/decisions/{decision_id}/refuse")
async def refuse_decision_by_form(call: Call, decision_id: str) -> Answer:
    """Refuse it."""
    return await pressed(call, decisions.refuse_decision, "decided", decision_id=decision_id)


@form_at("/operator/decisions/{decision_id}/withdraw")
async def withdraw_decision_by_form(call: Call, decision_id: str) -> Answer:
    """Take it back."""
    return await pressed(call, decisions.withdraw_decision, "withdrawn", decision_id=decision_id)


ROUTES: list[HTTPRouteHandler] = guarded(
    [
        disputes_page, dispute_page, answer_dispute_by_form, accept_dispute_page, accept_dispute_by_form,
        refund_inquiry_page, refund_inquiry_by_form, freeze_for_dispute_by_form, fraud_warnings_page,
        fraud_warning_page, refund_warned_by_form, dismiss_warning_by_form, decisions_page, decision_page,
        ask_for_decision_by_form, approve_decision_by_form, refuse_decision_by_form, withdraw_decision_by_form,
    ]
)  # fmt: skip

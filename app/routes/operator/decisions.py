"""Four eyes: one operator asks for what no payout run covers, another decides; and who owes."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import amounts
from app.auth import OPERATOR
from app.db import EVENTS, Connection, wake
from app.edge import Call, endpoint
from app.gateways import mail
from app.paging import Cursor, Limit, Page, Window, page, read_number, read_uuid
from market import answers_desk, debts, ids, money_decisions, payout_accounts
from market.answers_desk import Answer
from market.debts import Debt
from market.errors import Invalid, NotFound
from market.money import Money, Price
from market.money_decisions import Decision

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, examples=["the photo is of another shop"])]


class DecisionDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """clawback: `subject` is an accepted submission, whose whole pay is taken back. write_off: `subject` is a person;
    what they owe, or `amount` of it, becomes the platform's loss."""

    kind: Literal["clawback", "write_off"]
    subject: Annotated[
        str, msgspec.Meta(min_length=1, max_length=60, examples=["sub_018f6d2e4c7b7a3e9d51c0ffee00abcd"])
    ]
    amount: Price | None = None
    reason: Reason


class DecisionInFull(Decision, frozen=True, kw_only=True):
    """A decision with what it is about. answer: whose pay is taken back · person_name: who owes less · account_id,
    account_name: the buyer whose balance a line in suspense goes to."""

    answer: Answer | None = None
    person_name: str | None = None
    account_id: str | None = None
    account_name: str | None = None


class DecisionsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Those that wait, those that have ended, or all."""

    waiting: bool | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


@endpoint("POST", "/v1/operator/decisions", by=OPERATOR, once=True, status=201, problems=("wrong-state",))
async def ask_for_decision(call: Call, data: DecisionDraft) -> Decision:
    """Ask for a clawback or a write-off.

    Nothing moves until another operator approves it. Whoever loses pay by a clawback is told the reason.
    """
    conn, operator, reason = call.connection, call.actor.owner, data.reason.strip()
    if not reason:
        raise Invalid("A decision needs a reason.", pointer="/reason")
    try:
        subject = ids.read(money_decisions.SUBJECTS[data.kind], data.subject)
        if data.kind == "clawback":
            if data.amount is not None:
                raise Invalid("A clawback is of the whole pay: leave the amount out.", pointer="/amount")
            decision = await debts.ask_clawback(conn, operator, subject, reason)
        else:
            amount = None if data.amount is None else Money(data.amount.amount, data.amount.currency)
            decision = await debts.ask_write_off(conn, operator, subject, amount, reason)
    except NotFound as missing:
        raise Invalid(str(missing), pointer="/subject") from missing
    wake(EVENTS)
    return await money_decisions.get(conn, decision)


@endpoint("GET", "/v1/operator/decisions", by=OPERATOR, audited=True)
async def list_decisions(call: Call, query: DecisionsQuery) -> Page[DecisionInFull]:
    """What was asked for and decided, newest first."""
    found = await money_decisions.listed(
        call.connection, before=read_uuid(query.cursor), limit=query.limit + 1, waiting=query.waiting
    )
    full = await _in_full(call.connection, found)
    return page(full, query.limit, lambda one: ids.read("money_decision", one.id), lambda one: one)


@endpoint("GET", "/v1/operator/decisions/{decision_id}", by=OPERATOR, audited=True)
async def get_decision(call: Call, decision_id: str) -> DecisionInFull:
    """One decision, and the answer, the person or the buyer that it is about."""
    found = await money_decisions.get(call.connection, ids.read("money_decision", decision_id))
    [full] = await _in_full(call.connection, [found])
    return full


async def _in_full(conn: Connection, found: list[Decision]) -> list[DecisionInFull]:
    clawbacks = [ids.read("submission", one.subject) for one in found if one.kind == "clawback"]
    answers = await answers_desk.answers(conn, clawbacks) if clawbacks else {}
    buyers = {one.id: buyer for one in found if (buyer := _buyer(one.target))}
    names = await answers_desk.names(conn, [*(one.subject for one in found), *buyers.values()])
    return [
        DecisionInFull(
            **msgspec.structs.asdict(one), answer=answers.get(one.subject), person_name=names.get(one.subject),
            account_id=buyers.get(one.id), account_name=names.get(buyers.get(one.id, "")),
        )
        for one in found
    ]  # fmt: skip


def _buyer(target: str | None) -> str | None:
    """Whose account a balance in the ledger is, as a public id."""
    kind, _, rest = (target or "").partition(":")
    return ids.show("account", UUID(rest.partition(":")[0])) if kind == "buyer" else None


@endpoint(
    "POST", "/v1/operator/decisions/{decision_id}/approve", by=OPERATOR, once=True, proven=True,
    problems=("wrong-state", "policy-refused"),
)  # fmt: skip
async def approve_decision(call: Call, decision_id: str) -> Decision:
    """Approve what another operator has asked for; it is done at once."""
    decision = ids.read("money_decision", decision_id)
    await money_decisions.decide(call.connection, call.actor.owner, decision, approve=True)
    done = await money_decisions.get(call.connection, decision)
    if done.kind == "clawback":
        await _tell(call, done)
    wake(EVENTS)
    return done


@endpoint(
    "POST", "/v1/operator/decisions/{decision_id}/refuse", by=OPERATOR, problems=("wrong-state", "policy-refused")
)
async def refuse_decision(call: Call, decision_id: str) -> Decision:
    """Refuse what another operator has asked for."""
    decision = ids.read("money_decision", decision_id)
    await money_decisions.decide(call.connection, call.actor.owner, decision, approve=False)
    return await money_decisions.get(call.connection, decision)


@endpoint(
    "POST", "/v1/operator/decisions/{decision_id}/withdraw", by=OPERATOR, problems=("wrong-state", "policy-refused")
)
async def withdraw_decision(call: Call, decision_id: str) -> Decision:
    """Take back what you have asked for."""
    decision = ids.read("money_decision", decision_id)
    await money_decisions.withdraw(call.connection, call.actor.owner, decision)
    return await money_decisions.get(call.connection, decision)


@endpoint("GET", "/v1/operator/debts", by=OPERATOR, audited=True)
async def list_debts(call: Call, query: Window) -> Page[Debt]:
    """Who owes the platform, and how much: it is taken from what they earn, or written off."""
    found = await debts.listed(call.connection, after=read_number(query.cursor), limit=query.limit + 1)
    return page(found, query.limit, lambda one: one[0], lambda one: one[1])


async def _tell(call: Call, done: Decision) -> None:
    """The person hears what was taken back, why, and what they owe by now."""
    clawed = await debts.clawed_back(call.connection, ids.read("submission", done.subject))
    email = await payout_accounts.email_of(call.connection, clawed.person)
    if email is None:
        return
    amount = amounts.money(clawed.amount)
    owes = (
        f"Part of it had been paid out already. You owe {amounts.money(clawed.owed)}, which is taken from what you "
        "earn next; you need not send anything.\n\n"
        if clawed.owed.amount
        else ""
    )
    await mail.write(
        call.connection, call.services, email, f"{amount} was taken back",
        f"Your answer to “{clawed.title}” was accepted, and has turned out not to be what it seemed: {done.reason}\n\n"
        f"Two of us have looked at it, and the pay of {amount} is taken back. {owes}"
        "If this is wrong, answer this mail and say why.\n",
    )  # fmt: skip


ROUTES: list[HTTPRouteHandler] = [
    ask_for_decision, list_decisions, get_decision, approve_decision, refuse_decision, withdraw_decision, list_debts,
]  # fmt: skip

"""Contested decisions: the blind second review, with both sides' words and no names."""

from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages import words
from app.pages.operations import asked, perform_once, view
from app.pages.operator.disputes import Which
from app.pages.operator.forms import form_at
from app.pages.operator.frame import guarded, onward, show, taken
from app.routes.operator import appeals
from app.strict import decode_query
from market.second_reviews import Deciding


@endpoint("GET", "/operator/appeals", by=OPERATOR, hidden=True)
async def appeals_page(call: Call) -> Answer:
    """Appeals and disputes, those to be decided first seen."""
    which = asked(call, Which)
    query = appeals.OpenQuery(open=None if which.all else True, cursor=which.cursor)
    found = await view(appeals.list_appeals, call, query=query)
    return await show(call, call.connection, "appeals.html", found=found, which=which, kinds=words.KINDS)


@endpoint("GET", "/operator/appeals/{appeal_id}", by=OPERATOR, hidden=True)
async def appeal_page(call: Call, appeal_id: str) -> Answer:
    """One case: what was asked, what was handed in, what both sides say, and the form that decides."""
    case = await view(appeals.get_appeal, call, appeal_id=appeal_id)
    return await show(
        call, call.connection, "appeal.html", case=case, kinds=words.KINDS, checks=words.CHECKS,
        findings=words.FINDINGS, spoken=words.spoken,
    )  # fmt: skip


@form_at("/operator/appeals/{appeal_id}/decide")
async def decide_appeal_by_form(call: Call, appeal_id: str) -> Answer:
    """Decide it, for good."""
    texts = (await taken(call)).filled()
    once = texts.pop("once", "")
    await perform_once(appeals.decide_appeal, call, once, appeal_id=appeal_id, data=decode_query(texts, Deciding))
    return onward(f"/operator/appeals/{appeal_id}", "decided")


ROUTES: list[HTTPRouteHandler] = guarded([appeals_page, appeal_page, decide_appeal_by_form])

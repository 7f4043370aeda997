"""Contested decisions: the blind second review, with both sides' words and no names, what a decision would move, and
what became of it."""

from typing import Any, Literal

from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages import words
from app.pages.case import shown
from app.pages.operations import asked, perform_once, view
from app.pages.operator import forms
from app.pages.operator.forms import form_at
from app.pages.operator.frame import AGAIN, Cursor, Done, guarded, onward, show, taken
from app.routes.operator import appeals
from app.strict import decode_query
from market.second_reviews import Deciding
from market.terms import Strict


class Which(Strict, frozen=True, kw_only=True):
    """Those that are to be decided unless those that are over are asked for."""

    over: Literal["", "yes"] = ""
    cursor: Cursor | None = None
    done: Done = ""


@endpoint("GET", "/operator/appeals", by=OPERATOR, hidden=True)
async def appeals_page(call: Call) -> Answer:
    """Appeals and disputes that are to be decided, the most urgent first; or those that are over."""
    which = asked(call, Which)
    query = appeals.OpenQuery(open=not which.over, order="newest" if which.over else "deadline", cursor=which.cursor)
    found = await view(appeals.list_appeals, call, query=query)
    return await show(call, call.connection, "appeals.html", found=found, which=which, kinds=words.KINDS)


@endpoint("GET", "/operator/appeals/{appeal_id}", by=OPERATOR, hidden=True)
async def appeal_page(call: Call, appeal_id: str) -> Answer:
    """One case: what was asked, what was handed in, what both sides say, and the form that decides, or what was
    decided."""
    case = await view(appeals.get_appeal, call, appeal_id=appeal_id)
    outcome = await view(appeals.get_appeal_outcome, call, appeal_id=appeal_id) if case.stage == "over" else None
    return await show(
        call, call.connection, "appeal.html", case=case, shown=shown(case), outcome=outcome, kinds=words.KINDS,
        checks=words.CHECKS, findings=words.FINDINGS,
    )  # fmt: skip


@form_at("/operator/appeals/{appeal_id}/decide")
async def decide_appeal_by_form(call: Call, appeal_id: str) -> Answer:
    """Decide it, for good, once the sums that this moves were seen: before that, they are shown."""
    texts = (await taken(call)).filled()
    sums_seen, once = texts.pop("sums_seen", ""), texts.pop("once", "")
    deciding = decode_query(texts, Deciding)
    if sums_seen == str(deciding.award_percent):
        await perform_once(appeals.decide_appeal, call, once, appeal_id=appeal_id, data=deciding)
        return onward(f"/operator/appeals/{appeal_id}", "decided")
    async with call.services.database.read() as connection:
        call.connection_or_none = connection
        try:
            case = await view(appeals.get_appeal, call, appeal_id=appeal_id)
            query = appeals.AwardQuery(award_percent=deciding.award_percent)
            award = await view(appeals.preview_award, call, appeal_id=appeal_id, query=query)
            return await _confirm(call, case=case, award=award, deciding=deciding, key=once)
        finally:
            call.connection_or_none = None


async def _confirm(call: Call, **shown: Any) -> Answer:
    """Names each sum that a decision would move, and to whom. The form is held here, to be sent on or gone back to."""
    state, path = call.request.scope["state"], call.request.scope["path"]
    kept = forms.keep(path, {name: each for name, each in state["form"].items() if name != "sums_seen"})
    return await show(
        call, call.connection, "appeal_confirm.html", action=path, kept=kept, again=AGAIN, **shown
    )  # fmt: skip


ROUTES: list[HTTPRouteHandler] = guarded([appeals_page, appeal_page, decide_appeal_by_form])

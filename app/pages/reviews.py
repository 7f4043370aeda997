"""Pages for whoever was drawn to review a contested decision: which wait, one case without names, and the opinion."""

from typing import Literal

from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, redirect
from app.auth import PERSON
from app.edge import Call, endpoint
from app.pages import case, words
from app.pages.operations import FORM_LIMIT, perform, read_form
from app.pages.render import refuse, show
from app.routes import appeals as operations
from app.strict import decode_query
from market import second_reviews
from market.appeals import Words
from market.terms import Strict

SHOWN = 20


class Opining(Strict, frozen=True, kw_only=True):
    """A form's opinion."""

    award_percent: Literal["0", "100"]
    reason: Words


@endpoint("GET", "/w/reviews", by=PERSON, hidden=True)
async def reviews_page(call: Call) -> Answer:
    """What one was drawn to review, the most urgent first."""
    found = await second_reviews.for_person(call.connection, call.actor.owner, limit=SHOWN)
    return await show(call, call.connection, "reviews.html", found=found, kinds=words.KINDS)


@endpoint("GET", "/w/reviews/{appeal_id}", by=PERSON, hidden=True)
async def review_page(call: Call, appeal_id: str) -> Answer:
    """One case: what was asked, what was handed in, what both sides say, and the form."""
    found = await second_reviews.case_for(call.connection, call.actor.owner, appeal_id)
    return await show(
        call, call.connection, "review.html", case=found, shown=case.shown(found), kinds=words.KINDS,
        checks=words.CHECKS, findings=words.FINDINGS,
    )  # fmt: skip


@endpoint("POST", "/w/reviews/{appeal_id}", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def review_by_form(call: Call, appeal_id: str) -> Answer:
    """Give one's opinion."""
    given = decode_query((await read_form(call)).filled(), Opining)
    opinion = second_reviews.Reviewing(award_percent=100 if given.award_percent == "100" else 0, reason=given.reason)
    await perform(operations.give_review, call, appeal_id=appeal_id, data=opinion)
    return redirect("/w/reviews")


ROUTES: list[HTTPRouteHandler] = [reviews_page, review_page, review_by_form]
for route in ROUTES:
    route.exception_handlers = {Exception: refuse}

"""The blind second review of contested decisions, by an operator."""

from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import photos, receipts
from app.answers import Answer
from app.auth import OPERATOR
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.paging import Cursor, Limit, Page, page, read_text
from app.request_headers import IF_NONE_MATCH
from market import appeal_desk, second_reviews
from market.appeal_desk import Award, Outcome
from market.second_reviews import Case, Waiting

APPEALS = "/v1/operator/appeals"


class OpenQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Those that wait, those that are decided, or all."""

    open: Annotated[bool | None, msgspec.Meta(description="true: still to be decided; false: over.")] = None
    order: Annotated[
        Literal["newest", "deadline"],
        msgspec.Meta(description="deadline: what is decided by itself soonest first; a cursor goes with its order."),
    ] = "newest"
    limit: Limit = 50
    cursor: Cursor | None = None


class AwardQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of the pay would be the person's."""

    award_percent: Annotated[int, msgspec.Meta(ge=0, le=100, examples=[50])] = 100


@endpoint("GET", APPEALS, by=OPERATOR, audited=True)
async def list_appeals(call: Call, query: OpenQuery) -> Page[Waiting]:
    """Appeals and disputes on which both sides have spoken, newest first or by the day until which they wait."""
    if query.order == "deadline":
        urgent = await appeal_desk.urgent(
            call.connection, place=read_text(query.cursor), limit=query.limit + 1, is_open=query.open
        )
        return page(urgent, query.limit, lambda each: each[0], lambda each: each[1])
    found = await second_reviews.listed(
        call.connection, before=read_text(query.cursor), limit=query.limit + 1, is_open=query.open
    )
    return page(found, query.limit, lambda each: each.id, lambda each: each)


@endpoint("GET", f"{APPEALS}/{{appeal_id}}", by=OPERATOR, audited=True)
async def get_appeal(call: Call, appeal_id: str) -> Case:
    """What is to be decided: the task, the evidence and both sides' words, without names."""
    return await second_reviews.case(call.connection, appeal_id)


@endpoint("GET", f"{APPEALS}/{{appeal_id}}/award", by=OPERATOR, audited=True, problems=("wrong-state", "not-in-review"))
async def preview_award(call: Call, appeal_id: str, query: AwardQuery) -> Award:
    """What a decision would move, to the unit; nothing moves by this.

    A bond is held where a buyer's own decision is contested or the buyer contests. Which of them it is a reviewer is
    not to know, so of the bond there is only the most that it can be.
    """
    return await appeal_desk.award(call.connection, appeal_id, query.award_percent)


@endpoint("GET", f"{APPEALS}/{{appeal_id}}/outcome", by=OPERATOR, audited=True, problems=("wrong-state",))
async def get_appeal_outcome(call: Call, appeal_id: str) -> Outcome:
    """How a case has ended: by whom, when, and what has moved."""
    return await appeal_desk.outcome(call.connection, appeal_id)


@endpoint(
    "GET", f"{APPEALS}/{{appeal_id}}/photos/{{n}}", by=OPERATOR, uses="own", produces="image/jpeg", audited=True,
    problems=("erased",), headers=(IF_NONE_MATCH,),
)  # fmt: skip
async def get_appealed_photo(call: Call, appeal_id: str, n: int, query: photos.CopyVariant) -> Answer:
    """A photo of the evidence, re-encoded."""
    async with call.services.database.read() as connection:
        photo = await second_reviews.photo(connection, appeal_id, n)
    return await photos.send(call.services, call.request, photo, query.variant)


@endpoint(
    "POST", f"{APPEALS}/{{appeal_id}}/decide", by=OPERATOR, once=True,
    problems=("wrong-state", "not-in-review", "party-to-it", "contact-details"),
    example={"award_percent": 50, "reason": "One of the two doors that were asked for can be seen."},
)  # fmt: skip
async def decide_appeal(call: Call, appeal_id: str, data: second_reviews.Deciding) -> Case:
    """Decide how much of the pay is the person's, for good.

    With nothing the rejection stands, or the acceptance is undone. With a part, that part is paid with its fee, the
    rest is the buyer's, and the evidence becomes theirs. Whoever has a part in it, by their address, does not decide.
    """
    await second_reviews.decide(
        call.connection, call.actor.owner, appeal_id, data, hold_s=call.services.config.hold_window_s
    )
    await receipts.issue(
        call.connection, call.services.config.secret_key,
        await second_reviews.submission_of(call.connection, appeal_id),
    )  # fmt: skip
    wake(EVENTS)
    return await second_reviews.case(call.connection, appeal_id)


ROUTES: list[HTTPRouteHandler] = [
    list_appeals, get_appeal, preview_award, get_appeal_outcome, get_appealed_photo, decide_appeal,
]  # fmt: skip

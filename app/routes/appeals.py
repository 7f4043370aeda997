"""Fix-ups, appeals by people, disputes by buyers, both sides' words, and the second review by other people."""

from uuid import UUID

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import photos, receipts
from app.answers import Answer
from app.auth import AGENT, PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.paging import Limit, Page, Window, page, read_text
from app.request_headers import IF_NONE_MATCH
from market import appeal_views, appeals, fix_ups, ids, second_reviews, submissions
from market.appeal_views import Contested
from market.terms import Strict


class Opinion(msgspec.Struct, frozen=True):
    """Your opinion is kept. decided: with another of the same mind it has decided the matter."""

    decided: bool


class Most(Strict, frozen=True, kw_only=True):
    """How many."""

    limit: Limit = 20


def _whose(call: Call) -> dict[str, UUID]:
    return {"account" if call.actor.kind == "agent" else "person": call.actor.owner}


@endpoint(
    "POST", "/v1/submissions/{submission_id}/fix-up", by=AGENT, scope="tasks:write", once=True,
    problems=("wrong-state", "reason-required", "contact-details", "fix-up-limit", "not-mendable"),
    example={"reason_code": "incomplete", "comment": "Please show the whole door.", "within_s": 86_400},
)  # fmt: skip
async def ask_for_fix_up(call: Call, submission_id: str, data: fix_ups.Asking) -> submissions.Submission:
    """Have a submission that awaits review mended within a time, twice at most.

    Its person may replace photos and answers and hand it in again, at the price of the claim; it is checked again then.
    Not mended in time, or given up, it is back with you as it was, with a new deadline.
    """
    await fix_ups.ask(call.connection, call.actor, submission_id, data)
    wake(EVENTS)
    return await submissions.get(call.connection, submission_id, account=call.actor.owner)


@endpoint(
    "POST", "/v1/submissions/{submission_id}/dispute", by=AGENT, scope="tasks:write", once=True, status=201,
    problems=(
        "wrong-state", "reason-required", "already-appealed", "own-decision", "paid-out", "used-already", "over-cap",
        "account-held", "insufficient-funds", "contact-details",
    ),
    example={"reason_code": "not_what_was_asked", "words": "This is the shop next door."},
)  # fmt: skip
async def dispute_submission(call: Call, submission_id: str, data: appeals.Disputing) -> Contested:
    """Contest what was accepted by machine or by the deadline, while its pay is in the hold window.

    A bond of a fifth of the reward is held from the balance: it follows the award. The evidence is
    locked until somebody without a part in it has decided. What was sold, listed or put into a dataset stays yours.
    """
    opened = await appeals.dispute(call.connection, call.actor, submission_id, data)
    wake(EVENTS)
    return await appeal_views.get(call.connection, ids.show("appeal", opened), account=call.actor.owner)


@endpoint(
    "POST", "/v1/people/submissions/{submission_id}/appeal", by=PERSON, once=True, status=201,
    problems=(
        "wrong-state", "already-appealed", "appeal-too-late", "already-answered", "used-already", "contact-details",
    ),
)  # fmt: skip
async def appeal_rejection(call: Call, submission_id: str, data: appeals.Appealing) -> Contested:
    """Contest a rejection, by the buyer or by machine, within 72 hours of it; once.

    Somebody without a part in it looks at the evidence and at both sides' words, and decides how much of the pay is
    yours. Nobody decides in 14 days: what a buyer rejected is paid, what a machine rejected is not.
    """
    opened = await appeals.appeal(call.connection, call.actor.owner, submission_id, data.words)
    wake(EVENTS)
    return await appeal_views.get(call.connection, ids.show("appeal", opened), person=call.actor.owner)


@endpoint("GET", "/v1/disputes", by=AGENT | PERSON, scope="tasks:read")
async def list_disputed(call: Call, query: Window) -> Page[Contested]:
    """Appeals and disputes that you have a part in, newest first."""
    found = await appeal_views.listed(
        call.connection, before=read_text(query.cursor), limit=query.limit + 1, **_whose(call)
    )
    return page(found, query.limit, lambda each: each.id, lambda each: each)


@endpoint("GET", "/v1/disputes/{appeal_id}", by=AGENT | PERSON, scope="tasks:read")
async def get_disputed(call: Call, appeal_id: str) -> Contested:
    """One appeal or dispute: what both sides have said, until when they may, and what was decided."""
    return await appeal_views.get(call.connection, appeal_id, **_whose(call))


@endpoint(
    "POST", "/v1/disputes/{appeal_id}/statements", by=AGENT | PERSON, scope="tasks:write", once=True, status=201,
    problems=("words-over", "statement-limit", "contact-details"),
)  # fmt: skip
async def state(call: Call, appeal_id: str, data: appeals.Saying) -> Contested:
    """Say something to it, until `answer_by`, five times at most.

    The other side reads it, and so does whoever decides, without your name: give none, and no contact details.
    """
    await appeals.say(call.connection, appeal_id, data, **_whose(call))
    wake(EVENTS)
    return await appeal_views.get(call.connection, appeal_id, **_whose(call))


# ---- the second review


@endpoint("GET", "/v1/people/reviews", by=PERSON)
async def list_reviews(call: Call, query: Most) -> Page[second_reviews.Waiting]:
    """Contested decisions that you may review, the most urgent first.

    Those that you were drawn for, by lot: from people who were paid for twenty answers by five buyers, and about tasks
    and people that they have no part in.
    """
    found = await second_reviews.for_person(call.connection, call.actor.owner, limit=query.limit)
    return Page(found, None)


@endpoint("GET", "/v1/people/reviews/{appeal_id}", by=PERSON, problems=("review-taken",))
async def get_review(call: Call, appeal_id: str) -> second_reviews.Case:
    """What you review: the task, the evidence and both sides' words, without names."""
    return await second_reviews.case_for(call.connection, call.actor.owner, appeal_id)


@endpoint(
    "GET", "/v1/people/reviews/{appeal_id}/photos/{n}", by=PERSON, uses="own", produces="image/jpeg",
    problems=("erased", "review-taken"), headers=(IF_NONE_MATCH,),
)  # fmt: skip
async def get_reviewed_photo(call: Call, appeal_id: str, n: int, query: photos.CopyVariant) -> Answer:
    """A photo of the evidence that you review, re-encoded."""
    async with call.services.database.read() as connection:
        photo = await second_reviews.photo(connection, appeal_id, n, person=call.actor.owner)
    return await photos.send(call.services, call.request, photo, query.variant)


@endpoint(
    "POST", "/v1/people/reviews/{appeal_id}", by=PERSON, once=True, status=201,
    problems=("review-taken", "contact-details"),
    example={"award_percent": 100, "reason": "The door and its sign can be read in photo 2."},
)  # fmt: skip
async def give_review(call: Call, appeal_id: str, data: second_reviews.Reviewing) -> Opinion:
    """Say whether it should be paid: all of it, or nothing.

    Two people of one mind decide; an operator does where they are not. Nobody reads who has reviewed it.
    """
    decided = await second_reviews.give_opinion(
        call.connection, call.actor.owner, appeal_id, data, hold_s=call.services.config.hold_window_s
    )
    if decided:
        await receipts.issue(
            call.connection, call.services.config.secret_key,
            await second_reviews.submission_of(call.connection, appeal_id),
        )  # fmt: skip
    wake(EVENTS)
    return Opinion(decided)


ROUTES: list[HTTPRouteHandler] = [
    ask_for_fix_up, dispute_submission, appeal_rejection, list_disputed, get_disputed, state,
    list_reviews, get_review, get_reviewed_photo, give_review,
]  # fmt: skip

"""What came in for an agent's tasks, and the agent's decision on it."""

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import photos, receipts
from app.answers import Answer
from app.auth import AGENT, PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.paging import Page, Window, page, read_text
from app.request_headers import IF_NONE_MATCH
from market import ids, review, submissions
from market.errors import Invalid
from market.money import Price
from market.terms import Strict


class Accepting(Strict, frozen=True, kw_only=True):
    """With thanks."""

    bonus: Price | None = None
    rating: Annotated[int, msgspec.Meta(ge=1, le=5, examples=[5])] | None = None


JUST_ACCEPTED = Accepting()  # without a body


@endpoint("GET", "/v1/tasks/{task_id}/submissions", by=AGENT, scope="tasks:read")
async def list_submissions(call: Call, task_id: str, query: Window) -> Page[submissions.Submission]:
    """What came in for a task, newest first."""
    found = await submissions.of_task(
        call.connection, call.actor.owner, task_id, before=read_text(query.cursor), limit=query.limit + 1
    )
    return page(found, query.limit, lambda each: each.id, lambda each: each)


@endpoint("GET", "/v1/submissions/{submission_id}", by=AGENT, scope="tasks:read")
async def get_submission(call: Call, submission_id: str) -> submissions.Submission:
    """One submission: answers, readings, links to photos, and the verdict with its checks."""
    return await submissions.get(call.connection, submission_id, account=call.actor.owner)


@endpoint(
    "POST", "/v1/submissions/{submission_id}/accept", by=AGENT, scope="tasks:write", once=True,
    problems=("wrong-state", "paid-out", "insufficient-funds", "over-cap", "account-held"),
    example={"bonus": {"amount": 50, "currency": "usd"}, "rating": 5},
)  # fmt: skip
async def accept_submission(call: Call, submission_id: str, data: Accepting = JUST_ACCEPTED) -> submissions.Submission:
    """Accept a submission that awaits review.

    The person is paid, with a bonus if you give one, and the evidence becomes your observation. What the machine, the
    deadline or you accepted before may still be given a bonus while its pay is in the hold window, and a rating at any
    time: once, and then it cannot be disputed any more.
    """
    bonus = 0 if data.bonus is None else data.bonus.amount
    if data.bonus is not None and data.bonus.currency != call.actor.currency:
        raise Invalid(f"This account trades in {call.actor.currency}.", pointer="/bonus/currency")
    await review.accept(
        call.connection,
        call.actor,
        submission_id,
        hold_s=call.services.config.hold_window_s,
        bonus=bonus,
        rating=data.rating,
    )
    await receipts.issue(call.connection, call.services.config.secret_key, ids.read("submission", submission_id))
    wake(EVENTS)
    return await submissions.get(call.connection, submission_id, account=call.actor.owner)


@endpoint(
    "POST", "/v1/submissions/{submission_id}/reject", by=AGENT, scope="tasks:write", once=True,
    problems=("wrong-state", "reason-required", "contact-details"),
    example={"reason_code": "unreadable", "comment": "The door cannot be seen: please step back."},
)  # fmt: skip
async def reject_submission(call: Call, submission_id: str, data: review.Rejecting) -> submissions.Submission:
    """Reject a submission that awaits review.

    For a check that the task declared and that did not pass, or a reason code, and with a comment that the person can
    learn from.
    """
    await review.reject(call.connection, call.actor, submission_id, data)
    wake(EVENTS)
    return await submissions.get(call.connection, submission_id, account=call.actor.owner)


@endpoint(
    "GET", "/v1/submissions/{submission_id}/photos/{n}", by=AGENT | PERSON, uses="own", produces="image/jpeg",
    problems=("erased",), headers=(IF_NONE_MATCH,),
)  # fmt: skip
async def get_submitted_photo(call: Call, submission_id: str, n: int, query: photos.CopyVariant) -> Answer:
    """A photo of a submission, re-encoded: for the buyer who reviews it, and for whoever took it."""
    whose = {"account" if call.actor.kind == "agent" else "person": call.actor.owner}
    async with call.services.database.read() as connection:
        photo = await submissions.photo(connection, submission_id, n, **whose)
    return await photos.send(call.services, call.request, photo, query.variant)


ROUTES: list[HTTPRouteHandler] = [
    list_submissions,
    get_submission,
    accept_submission,
    reject_submission,
    get_submitted_photo,
]

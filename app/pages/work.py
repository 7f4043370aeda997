"""Pages for whoever works on a task: claim, capture, what became of it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import msgspec
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, redirect
from app.auth import PERSON
from app.edge import Call, endpoint
from app.media import PHOTO_LIMIT
from app.pages import facts, way, words
from app.pages.evidence_form import answering
from app.pages.operations import FORM_LIMIT, Form, perform, read_form
from app.pages.people import show_task
from app.pages.render import refuse, show
from app.paging import Window, read_text, write_cursor
from app.routes import appeals as contesting
from app.routes import claims as operations
from app.routes import questions as asking
from app.strict import decode_query
from market import (
    appeal_views,
    appeals,
    claim_photos,
    claims,
    fix_ups,
    ids,
    offers,
    own_pay,
    questions,
    second_reviews,
    submissions,
    taken_back,
)
from market.terms import Strict

PIECE = 256 * 1024
PHOTOS_IN_A_FORM = 3
LET_GO_DAYS = 7  # how long one sees what one has given back or let run out


class Standing(Strict, frozen=True, kw_only=True):
    """Where somebody stands who claims; a typed position says nothing of its accuracy, so it counts as rough."""

    lat: operations.Latitude
    lon: operations.Longitude
    accuracy_m: Annotated[float, msgspec.Meta(ge=0, le=100_000)] = 100.0


@endpoint("POST", "/w/tasks/{task_id}/claims", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def claim_by_form(call: Call, task_id: str) -> Answer:
    """Claim a task, and go on to it.

    A button pressed before the page's script had come sends no position: the page comes again and finds it by itself.
    """
    given = await read_form(call)
    if not given.first("lat") and not given.first("lon"):
        async with call.services.database.read() as connection:
            return await show_task(call, connection, task_id, operations.From(), claiming=True)
    here = decode_query(given.filled(), Standing)
    position = claims.Position(lat=here.lat, lon=here.lon, accuracy_m=here.accuracy_m)
    claim = await perform(operations.claim_task, call, task_id=task_id, data=position)
    return redirect(f"/w/claims/{claim.id}")


@endpoint("POST", "/w/tasks/{task_id}/questions", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def ask_by_form(call: Call, task_id: str) -> Answer:
    """Ask something about a task before claiming it."""
    given = decode_query((await read_form(call)).filled(), questions.Asking)
    await perform(asking.ask_question, call, task_id=task_id, data=given)
    return redirect(f"/w/tasks/{task_id}#asked")


@endpoint("GET", "/w/claims/{claim_id}", by=PERSON, hidden=True)
async def claim_page(call: Call, claim_id: str) -> Answer:
    """Where the work is done: camera, readings, answers, and the time that is left."""
    claim = await claims.get(call.connection, call.actor.owner, claim_id)
    offer = await offers.get(call.connection, claim.task_id)
    stored = {photo.n for photo in await claim_photos.of(call.connection, ids.read("claim", claim_id))}
    fix_up = await fix_ups.of_claim(call.connection, ids.read("claim", claim_id))
    return await show(
        call, call.connection, "claim.html", claim=claim, offer=offer, stored=stored, fix_up=fix_up,
        checks=words.CHECKS, minima=words.minima(offer), status=200, statuses=words.STATUS, spoken=words.spoken,
        measured=words.measured, unit=words.unit, facts=facts.of(offer), negative=facts.negative(offer, claim.reward),
        ahead=await way.ahead(call.connection, call.actor.owner, offer) if claim.status == "active" else None,
        slots=range(1, PHOTOS_IN_A_FORM + 1), megabytes=PHOTO_LIMIT // 1_000_000,
    )  # fmt: skip


@endpoint("POST", "/w/claims/{claim_id}/release", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def release_by_form(call: Call, claim_id: str) -> Answer:
    """Give a task back, or leave what was to be mended as it is."""
    await perform(operations.release_claim, call, claim_id=claim_id)
    return redirect("/w")


@endpoint(
    "POST", "/w/claims/{claim_id}/submission", by=PERSON, uses="own", hidden=True,
    limit=PHOTOS_IN_A_FORM * PHOTO_LIMIT + FORM_LIMIT,
)  # fmt: skip
async def submit_by_form(call: Call, claim_id: str) -> Answer:
    """Hand in photos, readings and answers in one go, without a script."""
    async with call.services.database.read() as connection:
        claim = await claims.get(connection, call.actor.owner, claim_id)
        evidence = (await offers.get(connection, claim.task_id)).evidence
    form = await read_form(call)
    try:
        given = answering(form, evidence)
        for n in range(1, PHOTOS_IN_A_FORM + 1):
            await _store(call, claim_id, n, form)
    finally:
        await form.close()
    submission = await perform(operations.submit, call, claim_id=claim_id, data=given)
    return redirect(f"/w/submissions/{submission.id}")


async def _store(call: Call, claim_id: str, n: int, form: Form) -> None:
    """Keep the form's photo `n`, as an upload by PUT would. It has no capture data: nobody noted when and where."""
    file = form.files.get(f"photo_{n}")
    if file is None:
        return
    async with call.services.database.read() as connection:
        await claim_photos.require_slot(connection, call.actor.owner, claim_id, n)
    stored, spool = await call.services.media.receive(_pieces(file))
    try:
        kind = await operations.keep_photo(call, stored, spool)
        photo = claim_photos.Photo(n, stored.sha256, stored.size, kind, None)
        await operations.enter_photo(call, claim_id, photo, spool)
    finally:
        spool.close()


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE):
        yield piece


# ---- what became of it


@endpoint("GET", "/w/submissions", by=PERSON, hidden=True)
async def submissions_page(call: Call, query: Window) -> Answer:
    """What one has handed in, newest first."""
    limit = min(query.limit, 20)
    found = await submissions.of_person(
        call.connection, call.actor.owner, before=read_text(query.cursor), limit=limit + 1
    )
    titled = [(each, await offers.get(call.connection, each.task_id)) for each in found[:limit]]
    more = write_cursor(found[limit - 1].id) if len(found) > limit else None
    working = await claims.active(call.connection, call.actor.owner)
    held = [(claim, await offers.get(call.connection, claim.task_id)) for claim in working]
    reviews = await second_reviews.for_person(call.connection, call.actor.owner, limit=1)
    ended = [] if query.cursor else await claims.let_go(call.connection, call.actor.owner, days=LET_GO_DAYS)
    return await show(
        call, call.connection, "submissions.html", found=titled, more=more, held=held, statuses=words.STATUS,
        reviews=bool(reviews), ended=[(claim, await offers.get(call.connection, claim.task_id)) for claim in ended],
        days=LET_GO_DAYS,
    )  # fmt: skip


@endpoint("GET", "/w/submissions/{submission_id}", by=PERSON, hidden=True)
async def submission_page(call: Call, submission_id: str) -> Answer:
    """The verdict, check by check."""
    found = await submissions.get(call.connection, submission_id, person=call.actor.owner)
    offer = await offers.get(call.connection, found.task_id)
    person, task, number = call.actor.owner, ids.read("task", found.task_id), ids.read("submission", found.id)
    chance = await claims.chance(call.connection, person, task) if found.status == "rejected" else None
    declared = {promise.name for promise in words.promises(offer)}
    disputed = None
    if found.dispute_id is not None:
        disputed = await appeal_views.get(call.connection, found.dispute_id, person=person)
    until = None
    if found.decided_at is not None and await appeals.may_appeal(call.connection, number):
        until = found.decided_at + timedelta(seconds=appeals.APPEAL_S)
    return await show(
        call, call.connection, "submission.html", found=found, offer=offer, declared=declared,
        statuses=words.STATUS, checks=words.CHECKS, findings=words.FINDINGS, spoken=words.spoken,
        questions={question.id: question.text for question in offer.evidence.questions if question.text},
        chance=chance, disputed=disputed, appeal_until=until, most=appeals.MOST_STATEMENTS,
        pay=await own_pay.of_submission(call.connection, number),
        taken_back=await taken_back.reason(call.connection, number),
        award=None
        if disputed is None
        else facts.award(disputed.paid, disputed.owed, disputed.bond, disputed.award_percent),
        ahead=await way.ahead(call.connection, person, offer),
    )  # fmt: skip


@endpoint("POST", "/w/submissions/{submission_id}/appeal", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def appeal_by_form(call: Call, submission_id: str) -> Answer:
    """Contest a rejection."""
    given = decode_query((await read_form(call)).filled(), appeals.Appealing)
    await perform(contesting.appeal_rejection, call, submission_id=submission_id, data=given)
    return redirect(f"/w/submissions/{submission_id}")


@endpoint("POST", "/w/disputes/{appeal_id}/statements", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def state_by_form(call: Call, appeal_id: str) -> Answer:
    """Say something to an appeal or dispute."""
    given = decode_query((await read_form(call)).filled(), appeals.Appealing)
    said = await perform(contesting.state, call, appeal_id=appeal_id, data=appeals.Saying(words=given.words))
    return redirect(f"/w/submissions/{said.submission_id}")


ROUTES: list[HTTPRouteHandler] = [
    claim_by_form, ask_by_form, claim_page, release_by_form, submit_by_form, submissions_page, submission_page,
    appeal_by_form, state_by_form,
]  # fmt: skip
for route in ROUTES:
    route.exception_handlers = {Exception: refuse}

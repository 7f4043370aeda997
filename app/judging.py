"""Judging: what a submission's photos and answers are worth, decided by `sensors`, applied by `market`."""

import asyncio
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
import structlog

from app import cameras, receipts, shows
from app.db import EVENTS, Connection, Unavailable, wake
from app.duplicates import Seen
from app.errors import FieldError, Problem
from app.jobs import Payload, enqueue, handler, sweep
from app.media import original_path
from app.services import Services
from app.strict import MOST_ERRORS, escape
from market import captures, claim_photos, ids, instruments, submissions, terms
from sensors import answers, readings
from sensors import check as checking
from sensors.asked import refuse_asked
from sensors.evidence import (
    Asked,
    Capture,
    Enrolled,
    Evidence,
    Fix,
    Frame,
    Instrument,
    Opinion,
    Pack,
    Photo,
    Window,
)
from sensors.inspection import Inspection, Parallax, Undecodable
from sensors.moment import captured_at
from sensors.parallax import FEWEST
from sensors.senml import resolved
from sensors.verdict import ALWAYS_DECLARED, Verdict, conclude, finding

log = structlog.get_logger()

OVERDUE_S = 600
GIVE_UP_S = 3600
# A database that is away comes back, and judges better than a buyer who must; but not even for that for ever.
GIVE_UP_AWAY_S = 86_400
# A fault of ours must not cost a person their pay: the buyer looks, and silence accepts.
COULD_NOT_LOOK = conclude(
    [finding("decodes", "inconclusive", "The photos could not be looked at for a fault of ours. The buyer decides.")],
    [],
    1.0,
)


class LostPhoto(Exception):
    """A photo that is on record is not in the object storage."""


async def ask_for(connection: Connection, submission: UUID) -> None:
    """Have a submission judged, if the transaction of `connection` commits."""
    await enqueue(connection, "judge", {"submission_id": str(submission)}, only_one=f"judge:{submission}")


@handler("judge")
async def judge(services: Services, payload: Payload) -> None:
    """Look at one submission and apply the verdict. Running it again changes nothing once there is one.

    Whatever fails here is tried again; what has failed for `GIVE_UP_S` is left to the buyer, so that nobody waits for
    ever on a fault of ours.
    """
    submission = UUID(payload["submission_id"])
    try:
        await _judge(services, submission)
    except Exception as error:
        patience_s = GIVE_UP_AWAY_S if isinstance(error, Unavailable) else GIVE_UP_S
        if not await _is_older(services, submission, patience_s):
            raise
        log.exception("judging given up", submission=str(submission))
        await _apply(services, submission, COULD_NOT_LOOK, None)


async def _judge(services: Services, submission: UUID) -> None:
    async with services.database.read() as connection:
        todo = await submissions.to_judge(connection, submission)
    if todo is not None:
        verdict = await verdict_on(services, todo)
        at = await asyncio.to_thread(_captured_at, todo, verdict)
        reason = _reason(verdict, todo.acceptance.declared)
        await _apply(services, todo.id, verdict, reason, at, of=todo.submitted_at)


def _captured_at(todo: submissions.ToJudge, verdict: Verdict) -> datetime:
    gathered = readings.gather(asked(todo.evidence, todo.acceptance, None).readings, todo.readings, todo.submitted_at)
    return captured_at([_capture(each.capture) for each in todo.photos], gathered, verdict, todo.submitted_at)


async def verdict_on(services: Services, todo: submissions.ToJudge, *, again: bool = False) -> Verdict:
    """What the checks of today say of a submission; its photos are entered among those to compare with.

    again: it was judged before, and nothing at all is written; photos that were never entered are compared with none.
    """
    photos, seen = await _look(services, todo)
    index = services.photo_index
    if again:
        numbers = await index.numbers(todo.id, seen)
        seen = [each for each in seen if each.n in numbers]
    else:
        numbers = await index.record(todo.id, todo.task_id, todo.person_id, seen) if seen else {}
    duplicates = await index.earlier(todo.id, todo.task_id, todo.person_id, seen, numbers) if seen else []
    opinions = await shows.opinions(services, todo, photos, again=again)
    known = await cameras.learned(services, todo, photos, again=again)
    # In a thread: ten thousand readings take a while, and this process must show meanwhile that it lives.
    verdict = await asyncio.to_thread(
        checking.check,
        _evidence(todo, photos, opinions),
        asked(todo.evidence, todo.acceptance, todo.place),
        _window(todo),
        duplicates,
        known,
    )
    if not again and any(each.name == "not_duplicate" and each.status == "fail" for each in verdict.checks):
        await index.forget_parts(seen, numbers)
    return verdict


async def _apply(
    services: Services,
    submission: UUID,
    verdict: Verdict,
    reason: str | None,
    at: datetime | None = None,
    *,
    of: datetime | None = None,
) -> None:
    async with services.database.transaction() as connection:
        status = await submissions.judge(
            connection,
            submission,
            msgspec.to_builtins(verdict),
            failed_check=reason,
            captured_at=at,
            of=of,
            hold_s=services.config.hold_window_s,
        )
        if status == "accepted":
            await receipts.issue(connection, services.config.secret_key, submission)
        if status is not None:
            wake(EVENTS)


async def _is_older(services: Services, submission: UUID, seconds: float) -> bool:
    async with services.database.read() as connection:
        return await connection.fetchval(  # type: ignore[no-any-return]
            "SELECT submitted_at < market_now() - make_interval(secs => $2) FROM submission WHERE id = $1",
            submission,
            seconds,
        )


@sweep("unjudged", every_s=120)
async def ask_again(services: Services) -> None:
    """Ask once more for what should long have been judged: its job has been given up, or was lost in a restore."""
    async with services.database.transaction() as connection:
        left = await connection.fetch(
            """SELECT id FROM submission WHERE status = 'checking'
               AND submitted_at < market_now() - make_interval(secs => $1) ORDER BY submitted_at LIMIT 100""",
            OVERDUE_S,
        )
        for row in left:
            await ask_for(connection, row["id"])


async def _look(services: Services, todo: submissions.ToJudge) -> tuple[list[Photo], list[Seen]]:
    stored = todo.photos
    around = [todo.around.get(each.n, captures.Around()) for each in stored]
    found = await asyncio.gather(*(_inspect(services, each) for each in stored))
    depths = await asyncio.gather(*(_burst(services, *each) for each in zip(stored, around, strict=True)))
    photos = [
        _photo(each, inspection, refused, beside, depth)
        for each, (inspection, refused), beside, depth in zip(stored, found, around, depths, strict=True)
    ]
    seen = [Seen(each.n, each.sha256, inspection) for each, (inspection, _) in zip(stored, found, strict=True)]
    return photos, seen


async def _inspect(services: Services, stored: claim_photos.Photo) -> tuple[Inspection | None, str | None]:
    try:
        return await services.decode_pool.inspect(partial(_original, services, stored.sha256)), None
    except Undecodable as error:
        return None, error.reason


async def _burst(services: Services, stored: claim_photos.Photo, around: captures.Around) -> Parallax | None:
    """What the frames around a photo say of depth; None where they cannot say anything.

    Only those count that the capture names: others may have come from anywhere.
    """
    named = (stored.capture or {}).get("frames_sha256") or []
    counted = [sha256 for _, sha256 in around.frames if sha256.hex() in named]
    if len(counted) < FEWEST:
        return None
    photo, *frames = (partial(_original, services, sha256) for sha256 in (stored.sha256, *counted))
    try:
        return await services.decode_pool.burst(photo, frames)
    except (Undecodable, LostPhoto):
        # Each frame was opened when it came. One that is gone is no reason to leave the photo itself unjudged.
        return None


async def _original(services: Services, sha256: bytes) -> bytes:
    content = await services.media.get(original_path(sha256))
    if content is None:
        raise LostPhoto(sha256.hex())
    return content


def _photo(
    stored: claim_photos.Photo,
    inspection: Inspection | None,
    refused: str | None,
    around: captures.Around,
    parallax: Parallax | None,
) -> Photo:
    return Photo(
        n=stored.n,
        inspection=inspection,
        refused=refused,
        capture=_capture(stored.capture),
        motion=around.motion,
        motion_repeated=around.repeated,
        frames=[Frame(k=k, sha256=sha256) for k, sha256 in around.frames],
        country=stored.country,
        uploaded_at=stored.uploaded_at,
        parallax=parallax,
    )


def _capture(given: dict[str, Any] | None) -> Capture | None:
    return None if given is None else msgspec.convert(given, Capture)


def _evidence(todo: submissions.ToJudge, photos: list[Photo], opinions: list[Opinion]) -> Evidence:
    return msgspec.convert(
        {
            "submitted_at": todo.submitted_at,
            "photos": photos,
            "readings": todo.readings,
            "answers": todo.answers,
            "outcome": todo.outcome,
            "opinions": opinions,
        },
        Evidence,
    )


def asked(evidence: terms.Evidence, acceptance: terms.Acceptance, place: dict[str, float] | None) -> Asked:
    """A task's terms as the checks want them."""
    accepted = {"checks": list(acceptance.declared), "min_score": acceptance.min_score}
    return msgspec.convert({**msgspec.to_builtins(evidence), **accepted, "place": place}, Asked)


def require_checkable(draft: terms.TaskDraft) -> None:
    """Refuse a task that asks for what nobody could check, such as a unit that is not known."""
    place = None if draft.place is None else msgspec.to_builtins(draft.place)
    faults = refuse_asked(asked(draft.evidence, draft.acceptance, place))
    if faults:
        errors = [FieldError(fault.pointer, fault.detail) for fault in faults]
        raise Problem("validation", "What the task asks for cannot be checked.", errors=errors)


def fitting(
    given: submissions.Answering, evidence: terms.Evidence, at: datetime, uploaded: int
) -> submissions.Answering:
    """What is kept of what fits: of readings the normalised form, so that nothing comes in that was not looked at."""
    require_fitting(given, evidence, at, uploaded=uploaded)
    kept = resolved(given.readings, at) if given.readings else None
    return msgspec.structs.replace(given, readings=kept or None)


def require_fitting(
    given: submissions.Answering, evidence: terms.Evidence, at: datetime, *, uploaded: int | None = None
) -> None:
    """Refuse at the door what the checks could only reject: answers that do not fit, readings that cannot serve, gaps.

    uploaded: how many photos there are, None where none can be. A claim is worth more than a slip of the finger. What
    has to be looked at (photos, plausibility) is judged later.
    """
    wanted = asked(evidence, terms.Acceptance(), None)
    wrong = [
        FieldError(f"/answers/{escape(name)}", why) for name, why in answers.misfits(wanted.questions, given.answers)
    ]
    if given.readings and not wanted.readings:
        wrong.append(FieldError("/readings", "This task asks for no readings. Leave them out."))
    gathered = readings.gather(wanted.readings, given.readings, at)
    for record, why in islice(readings.misreadings(gathered), MOST_ERRORS):
        wrong.append(FieldError("/readings" if record is None else f"/readings/{record}", why))
    lacking = []
    if uploaded is not None and (few := submissions.missing_photos(evidence, given.outcome, uploaded)) is not None:
        lacking.append(FieldError("/photos", few))
    if given.outcome == "done":
        unanswered = answers.missing_answers(wanted.questions, given.answers)
        lacking += [FieldError(f"/answers/{escape(name)}", f"There is no answer to {name!r}.") for name in unanswered]
        if not any(each.pointer.startswith("/readings") for each in wrong):
            lacking += [FieldError("/readings", f"{each}.") for each in readings.missing_samples(gathered)]
    found = (wrong + lacking)[:MOST_ERRORS]
    if found:
        told = "This could only be rejected, so it was not handed in. The claim stays as it is."
        raise Problem("validation" if wrong else "evidence-missing", told, errors=found)


def _window(todo: submissions.ToJudge) -> Window:
    fix = None if todo.claim_fix is None else Fix(**todo.claim_fix, at=todo.claimed_at)
    return Window(
        claimed_at=todo.claimed_at,
        expires_at=todo.expires_at,
        received_at=todo.submitted_at,
        nonce=todo.nonce,
        claim_fix=fix,
        earlier=[Fix(lat=each.lat, lon=each.lon, accuracy_m=each.accuracy_m, at=each.at) for each in todo.earlier],
        others=todo.others,
        claim=ids.show("claim", todo.claim_id),
        devices=[
            Enrolled(
                id=ids.show("device", each.id),
                public_key=each.public_key,
                own=each.person_id == todo.person_id,
                revoked_at=each.revoked_at,
            )
            for each in todo.signers
        ],
        recent=[Fix(lat=each.lat, lon=each.lon, accuracy_m=each.accuracy_m, at=each.at) for each in todo.recent],
        instrument=None if todo.instrument is None else _instrument(todo.instrument),
        beside=[Pack(each.received_at, each.readings) for each in todo.beside],
        country=todo.country,
    )


def _instrument(given: instruments.Instrument) -> Instrument:
    known = [(each, each["calibration"]) for each in given.sensors if each.get("calibration") is not None]
    calibrations = [{"quantity": each["quantity"], "unit": each["unit"], **calibration} for each, calibration in known]
    return msgspec.convert({"altitude_m": given.altitude_m, "calibrations": calibrations}, Instrument)


def _reason(verdict: Verdict, declared: list[Any]) -> str | None:
    """The check that a rejection cites: one that the task declared, or that holds for every task."""
    binding = {*declared, *ALWAYS_DECLARED}
    return next((check.name for check in verdict.reasons if check.name in binding), None)

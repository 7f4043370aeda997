"""A person's work: tasks near by, claims, photos, what was handed in, what it has earned."""

from base64 import b64decode
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import judging
from app.auth import PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.media import PHOTO_LIMIT, Spool, Stored, original_path
from app.paging import Limit, Page, Window, page, page_at, read_offset, read_text
from app.request_headers import CONTENT_DIGEST, Header
from app.strict import decode_body
from app.whereabouts import country_of
from market import claim_photos, claims, earnings, ids, offers, photos, submissions
from market.errors import Refusal
from market.terms import Kind, Strict
from sensors.inspection import ACCEPTED_MEDIA_TYPES

Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90, description="Degrees, WGS 84.", examples=[52.52])]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180, description="Degrees, WGS 84.", examples=[13.405])]


class Reach(Window, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the person is, and what they look for."""

    lat: Latitude
    lon: Longitude
    radius_m: Annotated[float, msgspec.Meta(gt=0, le=offers.FARTHEST_M, examples=[5000])] = 5000
    kind: Kind | None = None
    min_reward: Annotated[int, msgspec.Meta(ge=0, le=10**9, description="Minor units.", examples=[200])] | None = None
    limit: Limit = 50


class From(Strict, frozen=True, kw_only=True):
    """Where the person is, for the distance."""

    lat: Latitude | None = None
    lon: Longitude | None = None


Digest = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{64}$(?!\\n)", description="A SHA-256 in lower-case hexadecimal.")
]


class CameraGiven(Strict, frozen=True, kw_only=True):
    """The camera as the browser names it, and the size of its pictures in pixels."""

    label: Annotated[str, msgspec.Meta(max_length=200)] = ""
    facing: Annotated[str, msgspec.Meta(max_length=40)] = ""
    width: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    height: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None


class CaptureGiven(Strict, frozen=True, kw_only=True):
    """The Capture header: what the phone says of a photo. Times with an offset, degrees, metres.

    A signed one has `device`, `signature` and all that is signed: docs/evidence.md, Live capture.
    """

    taken_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    accuracy_m: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    heading: Annotated[float, msgspec.Meta(ge=-360, le=360)] | None = None
    nonce: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    v: Literal[1] = 1
    claim: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=20)] | None = None
    photo_sha256: Digest | None = None
    motion_sha256: Digest | None = None
    frames_sha256: Annotated[list[Digest], msgspec.Meta(max_length=8)] = []
    device: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    signature: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    camera: CameraGiven | None = None


CAPTURE = Header(
    "Capture",
    "What the phone knows of the photo, as JSON in one line: when and where it was taken, and the nonce of the claim's "
    "challenge, without which `live` fails. A signed one has all thirteen fields of the statement and `signature`: the "
    "documentation of live capture says how they are made.",
    '{"taken_at":"2026-12-01T18:00:00.000Z","lat":52.52,"lon":13.405,"accuracy_m":8.5,"heading":271.0,'
    '"nonce":"q3oW0l2mS8eX9vT1bZ4kNw","camera":{"label":"Back camera","width":1920,"height":1080}}',
    holds=CaptureGiven,
)


class Uploaded(msgspec.Struct, frozen=True):
    """A photo that is stored: the digest is over the bytes as they lie there."""

    n: int
    sha256: str
    bytes: int
    media_type: str


@endpoint("GET", "/v1/people/tasks", by=PERSON, optional=True)
async def list_offers(call: Call, query: Reach) -> Page[offers.Offer]:
    """Tasks near by, nearest first.

    Each says what it pays, what is wanted and why, and how it will be checked. Those that may be done anywhere come
    last.
    """
    offset = read_offset(query.cursor)
    found = await offers.near_by(
        call.connection,
        None if call.actor_or_none is None else call.actor.owner,
        lat=query.lat,
        lon=query.lon,
        radius_m=query.radius_m,
        kind=query.kind,
        min_reward=query.min_reward,
        offset=offset,
        limit=query.limit + 1,
    )
    return page_at(found, offset, query.limit)


@endpoint("GET", "/v1/people/tasks/{task_id}", by=PERSON, optional=True)
async def get_offer(call: Call, task_id: str, query: From) -> offers.Offer:
    """One task as people see it."""
    return await offers.get(call.connection, task_id, lat=query.lat, lon=query.lon)


@endpoint(
    "POST", "/v1/people/tasks/{task_id}/claims", by=PERSON, once=True, status=201,
    problems=("task-not-open", "devices-only", "slot-taken", "already-answered", "too-many-claims"),
)  # fmt: skip
async def claim_task(call: Call, task_id: str, data: claims.Position | None = None) -> claims.Claim:
    """Claim a task: one of its slots is yours for a while.

    The body says where you are; without one only what may be done anywhere can be claimed. The answer holds a
    challenge: send its nonce with each photo taken in the app.
    """
    if data is None:
        await claims.require_anywhere(call.connection, task_id)
    claim = await claims.claim(call.connection, call.actor.owner, task_id, data, country_of(call))
    wake(EVENTS)
    return claim


@endpoint("GET", "/v1/people/claims", by=PERSON)
async def list_claims(call: Call) -> Page[claims.Claim]:
    """Your claims in progress, the most urgent first."""
    return Page(await claims.active(call.connection, call.actor.owner), None)


@endpoint("GET", "/v1/people/claims/{claim_id}", by=PERSON)
async def get_claim(call: Call, claim_id: str) -> claims.Claim:
    """One of your claims."""
    return await claims.get(call.connection, call.actor.owner, claim_id)


@endpoint("DELETE", "/v1/people/claims/{claim_id}", by=PERSON, status=204, problems=("claim-expired",))
async def release_claim(call: Call, claim_id: str) -> None:
    """Give a slot back before its time is over.

    Where something was to be mended, the answer stays as it was, and is with the buyer again.
    """
    again = await claims.release(call.connection, call.actor.owner, claim_id)
    if again is not None:
        await judging.ask_for(call.connection, again)
    wake(EVENTS)


@endpoint(
    "PUT", "/v1/people/claims/{claim_id}/photos/{n}", by=PERSON, uses="own", limit=PHOTO_LIMIT,
    consumes=", ".join(ACCEPTED_MEDIA_TYPES), problems=("claim-expired", "digest-mismatch", "validation"),
    headers=(CAPTURE, CONTENT_DIGEST),
)  # fmt: skip
async def put_photo(call: Call, claim_id: str, n: int) -> Uploaded:
    """Upload photo `n` of a claim: the bytes as the body.

    `Content-Digest: sha-256=:…:` (RFC 9530) has them checked. `Capture` is what the phone knows of the photo, as JSON:
    taken_at, lat, lon, accuracy_m, heading, nonce, camera; and where a device of yours signs it (see the documentation,
    Live capture), device, signature, v, claim, n, photo_sha256, motion_sha256, frames_sha256. The same number again
    replaces the photo. Once this is answered, the photo is safe.
    """
    capture = _capture(call)
    async with call.services.database.read() as connection:
        await claim_photos.require_slot(connection, call.actor.owner, claim_id, n)
    stored, spool = await call.services.media.receive(call.request.stream())
    try:
        kind = await keep_photo(call, stored, spool)
        await enter_photo(call, claim_id, claim_photos.Photo(n, stored.sha256, stored.size, kind, capture), spool)
    finally:
        spool.close()
    return Uploaded(n, stored.sha256.hex(), stored.size, kind)


async def enter_photo(call: Call, claim_id: str, photo: claim_photos.Photo, spool: Spool) -> None:
    """Record a photo whose bytes are stored; where it cannot be, its bytes go."""
    database, media = call.services.database, call.services.media
    try:
        async with database.statement() as connection:
            await claim_photos.put(connection, call.actor.owner, claim_id, photo, country_of(call))
            wake(EVENTS)
    except Refusal:
        async with database.statement() as connection:
            await photos.doom(connection, [photo.sha256])
        raise
    # The same bytes may have been on their way out, as those of somebody who was erased, when these came.
    if not await media.exists(original_path(photo.sha256)):
        await media.put(original_path(photo.sha256), spool.read())


async def keep_photo(call: Call, stored: Stored, spool: Spool) -> str:
    """Store the bytes if they are what they should be; their media type."""
    if stored.size == 0:
        raise Problem("malformed", "The body is empty; the bytes of a photo are expected.")
    if stored.media_type is None:
        raise Problem("unsupported-media", f"This is no photo of a type taken here: {', '.join(ACCEPTED_MEDIA_TYPES)}.")
    digest_matches(call, stored)
    await call.services.media.keep(stored, spool)
    return stored.media_type


def digest_matches(call: Call, stored: Stored) -> None:
    """Refuse bytes that are not those which Content-Digest announces."""
    announced = _digest(call)
    if announced is not None and announced != stored.sha256:
        raise Problem("digest-mismatch", "The SHA-256 of what arrived is not the one in Content-Digest.")


def _capture(call: Call) -> dict[str, object] | None:
    header = call.request.headers.get("capture")
    if header is None:
        return None
    given = decode_body(header.encode("latin-1"), CaptureGiven, "The Capture header")
    if given.signature is not None and given.device is None:
        told = FieldError("/device", "A signature is a device's: name it.")
        raise Problem("validation", "The Capture header is not as it must be.", errors=[told])
    kept: dict[str, object] = msgspec.to_builtins(given)
    return {name: value for name, value in kept.items() if value is not None}


def _digest(call: Call) -> bytes | None:
    """The SHA-256 that Content-Digest (RFC 9530) announces; other algorithms are passed over."""
    for part in call.request.headers.get("content-digest", "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "sha-256":
            try:
                return b64decode(value.strip().strip(":"), validate=True)
            except ValueError:
                raise Problem("malformed", "Content-Digest must read `sha-256=:<base64>:`.") from None
    return None


@endpoint(
    "POST", "/v1/people/claims/{claim_id}/submission", by=PERSON, once=True, status=201,
    problems=("claim-expired", "evidence-missing", "validation"),
    example={"answers": {"open": "closed"}, "notes": "A sign says: back on Monday.", "outcome": "done"},
)  # fmt: skip
async def submit(call: Call, claim_id: str, data: submissions.Answering) -> submissions.Submission:
    """Hand in the evidence of a claim.

    It is checked at once, in the background; the submission then has a verdict. Where the buyer has asked for something
    to be mended, this hands the same submission in again, with these answers and the photos that are there now.
    `outcome: honest_negative` says that what was asked for is not there, with a photo that shows it. Answers that do
    not fit their questions, readings in no usable unit or of a task that asks for none, and gaps are refused at once:
    the claim then stays as it is. Readings are kept in SenML's normalised form.
    """
    submission = await submissions.submit(call.connection, call.actor.owner, claim_id, data, fitting=judging.fitting)
    await judging.ask_for(call.connection, submission)
    wake(EVENTS)
    return await submissions.get(call.connection, ids.show("submission", submission), person=call.actor.owner)


@endpoint("GET", "/v1/people/submissions", by=PERSON)
async def list_own_submissions(call: Call, query: Window) -> Page[submissions.Submission]:
    """What you have handed in, newest first, each with its verdict in plain words."""
    found = await submissions.of_person(
        call.connection, call.actor.owner, before=read_text(query.cursor), limit=query.limit + 1
    )
    return page(found, query.limit, lambda each: each.id, lambda each: each)


@endpoint("GET", "/v1/people/submissions/{submission_id}", by=PERSON)
async def get_own_submission(call: Call, submission_id: str) -> submissions.Submission:
    """One thing that you have handed in."""
    return await submissions.get(call.connection, submission_id, person=call.actor.owner)


@endpoint("GET", "/v1/people/earnings", by=PERSON)
async def get_earnings(call: Call) -> earnings.Earnings:
    """What you have earned: pending for the hold window, then payable, then paid."""
    return await earnings.of_person(call.connection, call.actor.owner)


ROUTES: list[HTTPRouteHandler] = [
    list_offers,
    get_offer,
    claim_task,
    list_claims,
    get_claim,
    release_claim,
    put_photo,
    submit,
    list_own_submissions,
    get_own_submission,
    get_earnings,
]

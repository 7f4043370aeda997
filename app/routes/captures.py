"""What comes with a photo that is taken in the app: how the phone moved, and the burst around it."""

import hashlib
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import PERSON
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.media import original_path
from app.request_headers import CONTENT_DIGEST
from app.routes.claims import digest_matches
from market import captures, claim_photos, photos
from market.errors import Refusal
from market.terms import Strict
from sensors import motion
from sensors.inspection import Undecodable

FRAME_LIMIT = 500_000
FRAME_SIDE = 1280


Sample = Annotated[list[float], msgspec.Meta(min_length=4, max_length=7)]


class MotionRecord(Strict, frozen=True, kw_only=True):
    """How a phone moved: rows of t, ax, ay, az and, with a gyroscope, alpha, beta, gamma."""

    v: Literal[1]
    samples: Annotated[
        list[Sample],
        msgspec.Meta(
            min_length=1, max_length=2000,
            examples=[[[0.0, 0.12, 9.71, 0.83, 1.2, -0.4, 0.1], [16.7, 0.1, 9.74, 0.8, 0.9, -0.7, 0.2]]],
        ),
    ]  # fmt: skip


class MotionKept(msgspec.Struct, frozen=True):
    """The record is stored; the digest is over the bytes as they came, as a signed capture names it."""

    n: int
    sha256: str
    samples: int


class FrameKept(msgspec.Struct, frozen=True):
    """The frame is stored; the digest is over the bytes as they came, as a signed capture names it."""

    n: int
    k: int
    sha256: str
    bytes: int


@endpoint(
    "PUT", "/v1/people/claims/{claim_id}/photos/{n}/motion", by=PERSON, uses="own", limit=motion.MAX_BYTES,
    consumes="application/json", bodies={"application/json": MotionRecord}, problems=("claim-expired", "validation"),
)  # fmt: skip
async def put_motion(call: Call, claim_id: str, n: int) -> MotionKept:
    """Upload how the phone moved while photo `n` was taken, before or after the photo itself.

    JSON of at most 64 kB: `{"v": 1, "samples": [[t, ax, ay, az, alpha, beta, gamma], …]}`: t in growing milliseconds,
    acceleration with gravity in m/s², rotation in degrees a second, as the browser's `devicemotion` events hold them;
    rows of four without a gyroscope. One to three seconds at 60 Hz are enough. The same number again replaces it.
    """
    async with call.services.database.read() as connection:
        await claim_photos.require_slot(connection, call.actor.owner, claim_id, n)
    body = await call.request.body()
    if len(body) > motion.MAX_BYTES:
        raise Problem("too-large", f"A record of motion may have at most {motion.MAX_BYTES} bytes.")
    try:
        found = motion.read(body)
    except motion.BadMotion as error:
        told = f"This is no record of motion: {error}."
        raise Problem("validation", told, errors=[FieldError("/samples", told)]) from None
    digest = hashlib.sha256(body).digest()
    async with call.services.database.statement() as connection:
        await captures.put_motion(connection, call.actor.owner, claim_id, n, body, digest, motion.shape(found))
    return MotionKept(n, digest.hex(), len(found.times))


@endpoint(
    "PUT", "/v1/people/claims/{claim_id}/photos/{n}/frames/{k}", by=PERSON, uses="own", limit=FRAME_LIMIT,
    consumes="image/jpeg", problems=("claim-expired", "digest-mismatch", "validation"),
    headers=(CONTENT_DIGEST,),
)  # fmt: skip
async def put_frame(call: Call, claim_id: str, n: int, k: int) -> FrameKept:
    """Upload frame `k` (1 to 8) of the burst around photo `n`: a JPEG of at most 500 kB and 1280 pixels a side.

    Taken within the seconds around the photo while the phone moves a little, they show that the scene has depth. The
    same number again replaces a frame.
    """
    async with call.services.database.read() as connection:
        await claim_photos.require_slot(connection, call.actor.owner, claim_id, n)
    if not 1 <= k <= captures.MOST_FRAMES:
        told = f"Frames are numbered 1 to {captures.MOST_FRAMES}."
        raise Problem("validation", told, errors=[FieldError("/k", told)])
    media = call.services.media
    stored, spool = await media.receive(call.request.stream(), FRAME_LIMIT)
    try:
        if stored.media_type != "image/jpeg":
            raise Problem("unsupported-media", "A frame is a JPEG.")
        digest_matches(call, stored)
        await _require_small(call, spool.read())
        await media.keep(stored, spool)
        try:
            async with call.services.database.statement() as connection:
                await captures.put_frame(connection, call.actor.owner, claim_id, n, k, stored.sha256, stored.size)
        except Refusal:
            async with call.services.database.statement() as connection:
                await photos.doom(connection, [stored.sha256])
            raise
        if not await media.exists(original_path(stored.sha256)):
            await media.put(original_path(stored.sha256), spool.read())
    finally:
        spool.close()
    return FrameKept(n, k, stored.sha256.hex(), stored.size)


async def _require_small(call: Call, content: bytes) -> None:
    try:
        found = await call.services.decode_pool.inspect(content)
    except Undecodable as error:
        raise Problem("validation", error.reason, errors=[FieldError("", error.reason)]) from None
    if max(found.width, found.height) > FRAME_SIDE:
        told = f"A frame has at most {FRAME_SIDE} pixels a side."
        raise Problem("validation", told, errors=[FieldError("", told)])


ROUTES: list[HTTPRouteHandler] = [put_motion, put_frame]

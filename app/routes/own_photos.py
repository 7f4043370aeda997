"""A person's own photos: looking at them, and what of them others shall not see."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

import msgspec
import structlog
from litestar.handlers import HTTPRouteHandler

from app import photos as forms
from app.answers import Answer
from app.auth import PERSON
from app.db import EVENTS, wake
from app.decode_pool import EACH_AT_ONCE, Crowded, DecodeError
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.request_headers import IF_NONE_MATCH
from market import photos
from market.errors import Invalid
from market.photos import MOST_REGIONS, Hiding
from sensors.inspection import Undecodable
from sensors.regions import Found, Region

log = structlog.get_logger()

PREVIEW_SIDE = 1024
NO_PROMISE = (
    "These are guesses: faces and plates are missed, and others are seen where there are none. "
    "Look yourself, add what is missing, remove what is wrong."
)
NONE_FOUND = "No face or plate was found, which is no promise: they are often missed. Look yourself, add what is there."
NOT_LOOKED = "Faces and plates could not be looked for in this photo. Look yourself, add what is there."
TOO_MANY = f"At most {EACH_AT_ONCE} of your photos are looked at or previewed at once. Wait for one of them."


class Suggestions(msgspec.Struct, frozen=True):
    """Where faces and number plates may be, and what the person has confirmed so far."""

    suggested: list[Found]
    hidden: list[Region]
    note: str


class Hidden(msgspec.Struct, frozen=True):
    """What others do not see of a photo from now on."""

    n: int
    hidden: list[Region]


class Previewed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which regions to hide in the preview."""

    regions: Annotated[
        str,
        msgspec.Meta(
            max_length=8000,
            description="`x,y,w,h` of each as fractions, with `;` between; empty: nothing is hidden.",
            examples=["0.25,0.1,0.2,0.3"],
        ),
    ] = ""


@endpoint(
    "GET", "/v1/people/claims/{claim_id}/photos/{n}", by=PERSON, uses="own", produces="image/jpeg",
    problems=("erased",), headers=(IF_NONE_MATCH,),
)  # fmt: skip
async def get_own_photo(call: Call, claim_id: str, n: int, query: forms.Variant) -> Answer:
    """A photo that you took: as it came, or as others see it."""
    async with call.services.database.read() as connection:
        photo = await photos.of_claim(connection, call.actor.owner, claim_id, n)
    return await forms.send(call.services, call.request, photo, query.variant)


@asynccontextmanager
async def _turn(call: Call) -> AsyncIterator[None]:
    try:
        async with call.services.decode_pool.turn(call.actor.owner):
            yield
    except Crowded:
        raise Problem("rate-limited", TOO_MANY, headers={"retry-after": "1"}) from None


@endpoint(
    "GET", "/v1/people/claims/{claim_id}/photos/{n}/regions", by=PERSON, uses="own",
    problems=("claim-expired", "rate-limited"),
)  # fmt: skip
async def suggest_regions(call: Call, claim_id: str, n: int) -> Suggestions:
    """Where faces and number plates may be in a photo of a claim in progress.

    Guesses for you to look at: nothing is hidden by this, and they are never complete. `confidence` is calibrated on
    nothing. Where the photo could not be looked at there are none, and `note` says so: hide what you see yourself.
    """
    async with call.services.database.read() as connection:
        photo = await photos.of_claim(connection, call.actor.owner, claim_id, n, active=True)
    found: list[Found] = []
    async with _turn(call):
        try:
            found = await call.services.decode_pool.suggest(partial(forms.original, call.services, photo))
            note = NO_PROMISE if found else NONE_FOUND
        except Undecodable:
            note = NOT_LOOKED
        except DecodeError:
            log.exception("no suggestions", photo=photo.sha256.hex())
            note = NOT_LOOKED
    return Suggestions(found, [Region(**each) for each in photo.hidden], note)


@endpoint(
    "GET", "/v1/people/claims/{claim_id}/photos/{n}/preview", by=PERSON, uses="own", produces="image/jpeg",
    problems=("claim-expired", "rate-limited"),
)  # fmt: skip
async def preview_photo(call: Call, claim_id: str, n: int, query: Previewed) -> Answer:
    """What others would see of a photo of a claim in progress if these regions were hidden. Nothing is kept."""
    regions = _read(query.regions)
    async with call.services.database.read() as connection:
        photo = await photos.of_claim(connection, call.actor.owner, claim_id, n, active=True)
    async with _turn(call):
        shown = await forms.preview(call.services, photo, regions, PREVIEW_SIDE)
    return Answer(shown, media_type="image/jpeg", headers={"cache-control": "no-store"})


@endpoint(
    "PUT", "/v1/people/claims/{claim_id}/photos/{n}/blur", by=PERSON, problems=("claim-expired", "policy-refused"),
    example={"regions": [{"x": 0.25, "y": 0.1, "w": 0.2, "h": 0.3}], "confirmed": True},
)  # fmt: skip
async def hide_regions(call: Call, claim_id: str, n: int, data: Hiding) -> Hidden:
    """Have others never see these regions of a photo; you have looked at the preview and confirm it.

    Every copy that anybody but you gets is made without them, and nothing in it tells what was there. The photo itself
    stays as it came, apart, and is what is checked. The last word before handing in counts; an empty list takes it
    back. A task that asks for photos as they came takes none of this, and says so before you claim it.
    """
    if not data.confirmed:
        raise Invalid("Look at the preview first, then send `true`.", pointer="/confirmed")
    photo = await photos.hide(call.connection, call.actor.owner, claim_id, n, data.regions)
    wake(EVENTS)
    return Hidden(n, [Region(**each) for each in photo.hidden])


def _read(text: str) -> list[Region]:
    """Regions as the query writes them. Raises validation."""
    parts = [part for part in text.split(";") if part]
    try:
        given = [[float(number) for number in part.split(",")] for part in parts]
        boxes = [dict(zip("xywh", each, strict=True)) for each in given]
        found = msgspec.convert(boxes, Annotated[list[photos.Region], msgspec.Meta(max_length=MOST_REGIONS)])
    except ValueError:  # msgspec's own errors are of this class
        wrong = FieldError("/regions", f"This reads `x,y,w,h;…`, at most {MOST_REGIONS} of them, as fractions of 1.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong]) from None
    return [Region(each.x, each.y, each.w, each.h) for each in found]


ROUTES: list[HTTPRouteHandler] = [get_own_photo, suggest_regions, preview_photo, hide_regions]

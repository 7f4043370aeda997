"""What an agent owns: accepted evidence."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import photos
from app.answers import Answer
from app.auth import AGENT
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.paging import Page, Window, page, read_text
from app.request_headers import IF_NONE_MATCH
from market import observations
from market.terms import Place


class ObservationsAsked(Window, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which observations."""

    task_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    near: Annotated[
        str, msgspec.Meta(max_length=80, description="lat,lon,metres", examples=["52.52,13.405,500"])
    ] | None = None  # fmt: skip
    since: Annotated[datetime, msgspec.Meta(tz=True, description="Accepted, or bought, at or after.")] | None = None
    license: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=100, description="`resale` or `exclusive`; or of what was bought, its licence.",
                examples=["resale"],
            ),
        ]
        | None
    ) = None  # fmt: skip


@endpoint("GET", "/v1/observations", by=AGENT, scope="data:read")
async def list_observations(call: Call, query: ObservationsAsked) -> Page[observations.Observation]:
    """The account's observations, those it bought of others among them; the latest that it got first."""
    found = await observations.listed(
        call.connection,
        call.actor.owner,
        task=query.task_id,
        near_to=None if query.near is None else _near(query.near),
        since=query.since,
        license=query.license,
        before=read_text(query.cursor),
        limit=query.limit + 1,
    )
    return page(found, query.limit, lambda each: each.id, lambda each: each)


def _near(text: str) -> Place:
    try:
        lat, lon, radius_m = (float(part) for part in text.split(","))
        return msgspec.convert({"lat": lat, "lon": lon, "radius_m": radius_m}, Place)
    except ValueError:  # msgspec's own errors are of this class
        wrong = FieldError("/near", "This reads `lat,lon,metres`: degrees, and 5 to 100000 metres.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong]) from None


@endpoint("GET", "/v1/observations/{observation_id}", by=AGENT, scope="data:read")
async def get_observation(call: Call, observation_id: str) -> observations.Observation:
    """One observation: answers, readings, links to photos, where and when, and under which licence."""
    return await observations.get(call.connection, call.actor.owner, observation_id)


@endpoint(
    "GET", "/v1/observations/{observation_id}/photos/{n}", by=AGENT, scope="data:read", uses="own",
    produces="image/jpeg", problems=("original-not-asked", "erased"), headers=(IF_NONE_MATCH,),
)  # fmt: skip
async def get_photo(call: Call, observation_id: str, n: int, query: photos.Variant) -> Answer:
    """A photo of an observation: a copy upright and without metadata, in full size or smaller.

    `variant=original`, the file as it came, is for tasks that asked for it with `evidence.photos.originals`.
    """
    async with call.services.database.read() as connection:
        photo = await observations.photo(connection, call.actor.owner, observation_id, n)
    if query.variant == "original":
        photo.require_original()
    return await photos.send(call.services, call.request, photo, query.variant)


ROUTES: list[HTTPRouteHandler] = [list_observations, get_observation, get_photo]

"""Photos as others see them: originals for whoever bought them, re-encoded copies for everybody else."""

from typing import Annotated, Literal

import msgspec
from litestar import Request

from app.answers import Answer, StreamedAnswer
from app.errors import Problem
from app.media import copy_path, original_path
from app.services import Services
from sensors.inspection import Undecodable

# Longest side in pixels.
COPIES = {"display": 1600, "thumb": 320}
# A photo never changes under its address; only its owner's browser may keep it.
CACHE = "private, max-age=86400, immutable"


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which form of the photo: as it came, or a copy upright and without metadata."""

    variant: Literal["original", "display", "thumb"] = "display"


class CopyVariant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which copy: both upright and without metadata."""

    variant: Annotated[Literal["display", "thumb"], msgspec.Meta(description="1600 or 320 pixels at most.")] = "display"


async def send(services: Services, request: Request, sha256: bytes, media_type: str, variant: str) -> Answer:  # type: ignore[type-arg]
    """One photo as a response. The caller has made sure that the asker may see it."""
    etag = f'"{sha256.hex()}-{variant}"'
    headers = {"etag": etag, "cache-control": CACHE, "content-disposition": f'inline; filename="{sha256.hex()[:16]}"'}
    if request.headers.get("if-none-match") == etag:
        return Answer(status=304, headers=headers)
    if variant != "original":
        copy = await copied(services, sha256, variant)
        return Answer(copy, media_type="image/jpeg", headers=headers)
    found = await services.media.stream(original_path(sha256))
    if found is None:
        raise Problem("not-found", "The photo's bytes are gone.")
    length, pieces = found
    headers["content-disposition"] = headers["content-disposition"].replace("inline", "attachment")
    return StreamedAnswer(pieces, length, media_type=media_type, headers=headers)


async def copied(services: Services, sha256: bytes, variant: str) -> bytes:
    """The copy of a photo, made at the first time it is asked for. Raises not-found for a file that cannot be read."""
    path = copy_path(sha256, variant)
    kept = await services.media.get(path)
    if kept is not None:
        return kept
    original = await services.media.get(original_path(sha256))
    if original is None:
        raise Problem("not-found", "The photo's bytes are gone.")
    try:
        made = await services.decode_pool.render(original, COPIES[variant])
    except Undecodable as error:
        raise Problem("not-found", f"There is no picture to show: {error.reason}") from None
    await services.media.put(path, made)
    return made

"""Photos as others see them: re-encoded copies; the photo as it came only for the buyer who asked for that beforehand.

A copy is made when it is first asked for, and lies under the name of its version (market/photos.py). Where regions are
hidden every copy is made from the full copy without them, so no two copies tell different things of what they hide.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Literal

import msgspec
from litestar import Request

from app.answers import Answer, StreamedAnswer
from app.decode_pool import Fetch
from app.errors import Problem
from app.media import copy_path, original_path
from app.services import Services
from market import photos
from market.errors import Erased
from market.photos import Kept
from sensors.inspection import Undecodable
from sensors.regions import Region

# Longest side in pixels; 0: its own. A preview has a watermark: it is for whoever may buy.
COPIES = {"full": 0, "display": 1600, "thumb": 320, "preview": 320}
# A version of a photo never changes under its tag; only its owner's browser may keep it, and asks each time whether
# the photo is still there.
CACHE = "private, no-cache"


class _There(Exception):
    """The copy has been made meanwhile."""

    def __init__(self, copy: bytes) -> None:
        self.copy = copy


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which form of the photo: a copy upright and without metadata, or as it came, where the task asked for that."""

    variant: Annotated[
        Literal["original", "full", "display", "thumb"],
        msgspec.Meta(description="full: its own size; display, thumb: 1600, 320 pixels at most; original: as it came."),
    ] = "display"


class CopyVariant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which copy: both upright and without metadata."""

    variant: Annotated[Literal["display", "thumb"], msgspec.Meta(description="1600 or 320 pixels at most.")] = "display"


async def send(services: Services, request: Request, photo: Kept, variant: str) -> Answer:  # type: ignore[type-arg]
    """One photo as a response. The caller has made sure that the asker may see it in this form."""
    name = photo.sha256 if variant == "original" else photo.name
    etag = f'"{name.hex()}-{variant}"'
    headers = {"etag": etag, "cache-control": CACHE, "content-disposition": f'inline; filename="{name.hex()[:16]}.jpg"'}
    if request.headers.get("if-none-match") == etag:
        return Answer(status=304, headers=headers)
    if variant != "original":
        copy = await copied(services, photo, variant)
        headers["content-digest"] = _digest(hashlib.sha256(copy).digest())
        return Answer(copy, media_type="image/jpeg", headers=headers)
    found = await services.media.stream(original_path(photo.sha256))
    if found is None:
        raise Problem("not-found", "The photo's bytes are gone.")
    length, pieces = found
    headers["content-digest"] = _digest(photo.sha256)
    headers["content-disposition"] = f'attachment; filename="{name.hex()[:16]}"'
    return StreamedAnswer(pieces, length, media_type=photo.media_type, headers=headers)


def _digest(sha256: bytes) -> str:
    """Of the bytes that go out (RFC 9530): a copy's are not those of the file as it came, which its `sha256` names."""
    return f"sha-256=:{b64encode(sha256).decode()}:"


async def copied(services: Services, photo: Kept, variant: str) -> bytes:
    """The copy of a photo, made at the first time it is asked for. Raises not-found for a file that cannot be read."""
    path = copy_path(photo.name, variant)
    there = await services.media.get(path)
    if there is not None:
        return there
    try:
        made = await _rendered(services, photo, variant, unless_there=True)
    except _There as already:
        return already.copy
    except Undecodable as error:
        raise Problem("not-found", f"There is no picture to show: {error.reason}") from None
    return await _keep(services, photo.name, variant, made)


async def enter_full(services: Services, photo: Kept) -> None:
    """Make the full copy and note its hash, or note why it cannot be made. Does nothing for an erased photo."""
    try:
        made = await _rendered(services, photo, "full")
    except (Undecodable, Problem) as error:
        async with services.database.transaction() as connection:
            await photos.lock_name(connection, photo.name, alone=False)
            if (await photos.needed(connection, photo.name))[1]:
                await photos.enter_full(connection, photo.name, None, str(error))
        return
    with suppress(Erased):
        await _keep(services, photo.name, "full", made)


async def preview(services: Services, photo: Kept, regions: Sequence[Region], side: int) -> bytes:
    """What a copy would look like with these regions hidden; kept nowhere. Raises not-found as `copied`."""
    try:
        return await services.decode_pool.render(partial(original, services, photo), side, regions)
    except Undecodable as error:
        raise Problem("not-found", f"There is no picture to show: {error.reason}") from None


async def original(services: Services, photo: Kept) -> bytes:
    """The photo's own bytes, for what looks at them and for copies."""
    found = await services.media.get(original_path(photo.sha256))
    if found is None:
        raise Problem("not-found", "The photo's bytes are gone.")
    return found


async def seen_by_buyer(services: Services, photo: Kept) -> Fetch:
    """What fetches the photo for what computes on it in a buyer's name: its own bytes, or without what is hidden."""
    return await _without_hidden(services, photo) if photo.hidden else partial(original, services, photo)


async def _without_hidden(services: Services, photo: Kept) -> Fetch:
    """What fetches the full copy, which is made first: nobody waits for a child who holds one."""
    await copied(services, photo, "full")

    async def fetch() -> bytes:
        found = await services.media.get(copy_path(photo.name, "full"))
        if found is None:
            raise Problem("not-found", "The photo's bytes are gone.")
        return found

    return fetch


async def _rendered(services: Services, photo: Kept, variant: str, *, unless_there: bool = False) -> bytes:
    """A copy, freshly made. unless_there: raises _There where somebody else made it while this waited for a child."""
    first = photo.hidden and variant != "full"
    source = await _without_hidden(services, photo) if first else partial(original, services, photo)
    hidden = [] if first else [Region(**each) for each in photo.hidden]

    async def fetch() -> bytes:
        there = await services.media.get(copy_path(photo.name, variant)) if unless_there else None
        if there is not None:
            raise _There(there)
        return await source()

    return await services.decode_pool.render(fetch, COPIES[variant], hidden, variant == "preview")


async def _keep(services: Services, name: bytes, variant: str, made: bytes) -> bytes:
    """Store a copy, unless its photo went while it was made; what is stored, by whoever was first. Raises Erased."""
    path = copy_path(name, variant)
    async with services.database.transaction() as connection:
        await photos.lock_name(connection, name, alone=False)
        if not (await photos.needed(connection, name))[1]:
            raise Erased
        await services.media.put(path, made)
        if variant == "full":
            made = await services.media.get(path) or made
            await photos.enter_full(connection, name, made, None)
    return made

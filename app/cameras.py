"""Cameras: what a submission's photos claim is noted, and what accepted photos of others taught is looked up."""

from collections.abc import Sequence

import msgspec

from app.services import Services
from market import cameras, submissions
from sensors.evidence import Camera, Photo
from sensors.unedited import camera_of


async def learned(
    services: Services, todo: submissions.ToJudge, photos: Sequence[Photo], *, again: bool = False
) -> list[Camera]:
    """What is known about the cameras that these photos claim, from other people's. again: nothing is noted."""
    claimed = []
    for photo in photos:
        camera = None if photo.inspection is None else camera_of(photo.inspection)
        jpeg = None if photo.inspection is None else photo.inspection.jpeg
        if camera is not None and jpeg is not None:
            tables = bytes.fromhex(jpeg.tables)
            claimed.append(cameras.Claimed(n=photo.n, make=camera[0], model=camera[1], tables=tables))
    if not claimed:
        return []
    if not again:
        async with services.database.statement() as connection:
            await cameras.note(connection, todo.id, claimed)
    async with services.database.read() as connection:
        known = await cameras.known(connection, {(each.make, each.model) for each in claimed}, but=todo.person_id)
    return msgspec.convert(msgspec.to_builtins(known), list[Camera])

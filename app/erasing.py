"""Erasure, carried through: rows in one transaction, then the bytes by a job, until nothing is left.

Names of bytes to remove stand in `doomed_media` from the transaction that let go of them. Whoever dies between two
lines leaves a row there, and the next round of the sweep goes on; removing what is gone already does no harm.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from app import jobs
from app.db import EVENTS, Connection, wake
from app.media import copy_path, original_path
from app.photos import COPIES
from app.services import Services
from market import erasure, photos

log = structlog.get_logger()

AGAIN_S = 60.0
ALONE = timedelta(days=1)
"""How long bytes may lie without a row, by the clock of the object storage: an upload takes minutes."""


async def erase(connection: Connection, person: UUID, *, leave_unpaid: bool) -> erasure.Erasure:
    """Erase a person in the transaction of `connection`, and have their bytes removed once it commits."""
    done = await erasure.erase(connection, person, leave_unpaid=leave_unpaid)
    await jobs.enqueue(connection, "remove doomed media", {})
    wake(EVENTS)
    return done


@jobs.handler("remove doomed media")
async def remove_now(services: Services, payload: jobs.Payload) -> None:
    """Remove the bytes of somebody who has just been erased."""
    await remove_doomed(services)


@jobs.sweep("late links", every_s=60)
async def unlink_late(services: Services) -> None:
    """A photo that was being judged when its person left may be entered among the likenesses a moment later."""
    async with services.database.transaction() as connection:
        await erasure.unlink_late(connection)


@jobs.sweep("media without a row", every_s=21_600)
async def doom_unneeded(services: Services) -> None:
    """Doom what lies in the object storage for a day and no row refers to: its upload died before it was recorded.

    It is removed as all that is doomed: under the lock of its name, unless a photo needs it by then. An upload of the
    very same bytes that is under way records them under that lock, and puts them again where they went.
    """
    before = datetime.now(UTC) - ALONE
    doomed = 0
    async for names in services.media.lying_since(before):
        if names:
            async with services.database.transaction() as connection:
                doomed += await photos.doom_unneeded(connection, names)
    torn = await services.media.drop_torn(before)
    if doomed or torn:
        log.info("media without a row", doomed=doomed, torn=torn)


@jobs.sweep("doomed media", every_s=30)
async def remove_doomed(services: Services) -> None:
    """Remove the bytes that no photo needs any more, of all who let go of some."""
    while await _remove_next(services):
        pass


async def _remove_next(services: Services) -> bool:
    """Remove the bytes under one name; False when none is due."""
    name = None
    try:
        async with services.database.transaction() as connection:
            name = await photos.next_doomed(connection)
            if name is None:
                return False
            # Nobody begins to need these bytes between the look and their removal.
            await photos.lock_name(connection, name, alone=True)
            original, copies = await photos.needed(connection, name)
            if not original:
                await services.media.remove(original_path(name))
            if not copies:
                for variant in COPIES:
                    await services.media.remove(copy_path(name, variant))
            await photos.gone(connection, name, copies=not copies)
    except Exception:
        if name is None:
            raise
        log.exception("bytes not removed", name=name.hex())
        async with services.database.transaction() as connection:
            await photos.later(connection, name, AGAIN_S)
    return True

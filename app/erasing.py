"""Erasure, carried through: rows in one transaction, then the bytes by a job, until nothing is left.

Names of bytes to remove stand in `doomed_media` from the transaction that let go of them. Whoever dies between two
lines leaves a row there, and the next round of the sweep goes on; removing what is gone already does no harm.
"""

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

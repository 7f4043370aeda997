"""The way that goes on: where somebody who has taken a route is on it, and which stop comes next."""

from typing import NamedTuple
from uuid import UUID

from app.db import Connection
from market import claims, offers, tours


class Stop(NamedTuple):
    """A stop that one has yet to go to."""

    claim: claims.Claim
    offer: offers.Offer


class Way(NamedTuple):
    """stop, of stops: which one this is · following: where to go next, None where nothing is left · held: how many are
    left, this one among them."""

    route: str
    stop: int
    stops: int
    following: Stop | None
    held: int


async def ahead(conn: Connection, person: UUID, offer: offers.Offer) -> Way | None:
    """Where a task is on its route, and what of it the person still holds; None where it is of none.

    After the last stop come those that were passed by.
    """
    if offer.route is None:
        return None
    parts = (await tours.get(conn, offer.route)).tasks
    mine = {claim.task_id: claim for claim in await claims.active(conn, person)}
    here = next(n for n, part in enumerate(parts) if part.id == offer.id)
    after = [*parts[here + 1 :], *parts[:here]]
    following = next((Stop(mine[part.id], part) for part in after if part.id in mine), None)
    return Way(offer.route, here + 1, len(parts), following, sum(part.id in mine for part in parts))

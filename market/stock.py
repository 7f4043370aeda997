"""Finding what is for sale: by place to about a kilometre, by time, words, kind, licence, price and seller.

Where something lies is known here only as the middle of its cell (market/near.py), so that no number of searches tells
more than the cell.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from market import keys, listings, near, ownership
from market.asked import Asked, asked_of, matched_by
from market.errors import Invalid
from market.listing_terms import Listing
from market.terms import Place, TaskDraft

CELL_M = 750  # from the middle of a cell to its corner, with some room
MOST_LOOKED_AT = 200
KNOWN_AGE_S = 30 * 86_400


class Wish(NamedTuple):
    """What is looked for: all filters together. since, until: when it was captured, as max_age_s · max_price: minor
    units of the asker's currency, for the price now · seller: the id of one, or `me` for one's own in any state."""

    near_to: Place | None = None
    what: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    max_age_s: int | None = None
    license: str | None = None
    max_price: int | None = None
    seller: str | None = None


class Spot(NamedTuple):
    """Where a listing stands in a list: by distance where a place was given, then newest first."""

    distance_m: float
    id: UUID


class _Query:
    """A statement over listings `l` that is put together part by part, with its arguments."""

    def __init__(self, place: Place | None, more_m: float = 0) -> None:
        self.arguments: list[Any] = []
        self.wheres: list[str] = []
        self.source, self.distance = listings.FROM, "NULL::float8"
        if place is not None:
            self.source, self.distance = f"{self._near(place, more_m)} {_JOINED}", "n.distance"
            self.wheres.append(f"n.distance <= {self.given(place.radius_m + more_m)}")

    def given(self, value: Any) -> str:
        """The place of an argument in the statement."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def where(self, condition: str, value: Any) -> None:
        """A condition over `{}`, the value; none where that is None."""
        if value is not None:
            self.wheres.append(condition.format(self.given(value)))

    def _near(self, place: Place, more_m: float) -> str:
        """Listings with their distance, as market/near.py reckons it; found by the index over cells."""
        lat, lon = f"{self.given(place.lat)}::float8", f"{self.given(place.lon)}::float8"
        boxes = near.box(place.lat, place.lon, place.radius_m + more_m)
        inside = " OR ".join(
            f"p.cell <@ {self.given('({2},{3}),({0},{1})'.format(*each))}::text::box" for each in boxes
        )
        return f"""(SELECT listing_id, min(2 * {near.EARTH_M} * asin(least(1, sqrt(sin(radians(p.lat - {lat}) / 2) ^ 2
            + cos(radians({lat})) * cos(radians(p.lat)) * sin(radians(p.lon - {lon}) / 2) ^ 2)))) AS distance
          FROM listing_cell p WHERE {inside} GROUP BY listing_id) n JOIN"""

    async def fetch(self, conn: asyncpg.Connection, columns: str, rest: str) -> list[asyncpg.Record]:
        """The rows, with their distance."""
        rows: list[asyncpg.Record] = await conn.fetch(
            f"""SELECT {columns}, {self.distance} AS distance FROM {self.source}
                WHERE {" AND ".join(self.wheres)} {rest}""",
            *self.arguments,
        )
        return rows


_JOINED = listings.FROM.replace("listing l", "listing l ON l.id = n.listing_id", 1)


async def search(
    conn: asyncpg.Connection, actor: keys.Actor, wish: Wish, *, after: Spot | None = None, limit: int
) -> list[tuple[Spot, Listing]]:
    """What anybody sells in the actor's currency, nearest first or newest first, each with its place in the list."""
    for field, at in (("since", wish.since), ("until", wish.until)):
        if at is not None and at.tzinfo is None:
            raise Invalid("Times need an offset, such as Z.", pointer=f"/{field}")
    # What may lie within the radius is found, as far as its cell tells.
    query = _Query(wish.near_to, CELL_M)
    query.where("l.currency = {}", actor.currency)
    if wish.seller == "me":
        query.where("l.account_id = {}", actor.owner)
    else:
        query.where("l.seller = {}", wish.seller)
        query.wheres.append("l.status = 'active'")
    query.where("l.search @@ websearch_to_tsquery('simple', {})", wish.what)
    query.where("{} = ANY (l.kinds)", wish.kind)
    query.where("l.captured_at >= {}", wish.since)
    query.where("l.captured_at < {}", wish.until)
    query.where("l.captured_at >= market_now() - make_interval(secs => {})", wish.max_age_s)
    query.where("l.license_ids && ARRAY(SELECT id FROM license WHERE name = {})", wish.license)
    query.where(f"{listings.PRICE} <= {{}}", wish.max_price)
    if after is not None:
        before = f"l.id < {query.given(after.id)}"
        if wish.near_to is not None:
            at_most = f"{query.given(after.distance_m)}::float8"
            before = f"(n.distance > {at_most} OR n.distance = {at_most} AND {before})"
        query.wheres.append(before)
    order = "l.id DESC" if wish.near_to is None else "n.distance, l.id DESC"
    rows = await query.fetch(conn, listings.COLUMNS, f"ORDER BY {order} LIMIT {query.given(limit)}")
    return [(Spot(row["distance"] or 0.0, row["id"]), _shown(row, actor.owner)) for row in rows]


def _shown(row: asyncpg.Record, account: UUID) -> Listing:
    return listings.show(row, account, None if row["distance"] is None else round(row["distance"], 1))


async def known(
    conn: asyncpg.Connection, account: UUID, draft: TaskDraft, *, max_age_s: int = KNOWN_AGE_S, limit: int = 5
) -> list[Listing]:
    """What is for sale now that may answer a draft, best first: so an agent may buy rather than ask.

    Observations of others of the same kind that answer at least one of its questions or readings (where it asks for
    photos alone: that share words of its title), in its currency, no older than max_age_s; its place is within the
    draft's radius as far as the cell tells. Best: answers most of what is asked, then its own cell, then the newest,
    then the cheapest. What the account has already, and what somebody has alone for now, is left out.
    """
    asks = asked_of({
        "questions": [{"id": q.id, "type": q.type, "text": q.text} for q in draft.evidence.questions],
        "readings": [{"name": r.name, "unit": r.unit} for r in draft.evidence.readings],
    })  # fmt: skip
    place, photos = draft.place, draft.evidence.photos
    query = _Query(place, CELL_M)
    if place is None:
        query.wheres.append("NOT EXISTS (SELECT FROM listing_cell p WHERE p.listing_id = l.id)")
    query.where("l.currency = {}", draft.reward.currency)
    query.wheres += ["l.status = 'active'", "l.observation_id IS NOT NULL"]
    query.where("{} = ANY (l.kinds)", draft.kind)
    if asks:
        query.where("l.asked && {}", matched_by(asks))
    else:
        query.where("l.search @@ websearch_to_tsquery('simple', {})", " or ".join(_words(draft.title)))
    query.where("l.captured_at >= market_now() - make_interval(secs => {})", max_age_s)
    query.where("l.photos >= {}", photos and photos.min)
    query.wheres += [
        f"coalesce({listings.ALONE} <= market_now(), true)",
        "EXISTS (SELECT FROM observation o WHERE o.id = l.observation_id AND NOT o.locked)",
    ]
    query.where(
        f"""NOT EXISTS (SELECT FROM {ownership.HELD} h
              WHERE h.account_id = {{}} AND h.observation_id = l.observation_id)""",
        account,
    )
    rows = await query.fetch(conn, listings.COLUMNS, f"ORDER BY l.captured_at DESC LIMIT {MOST_LOOKED_AT}")
    own_cell = None if place is None else near.coarse(place.lat, place.lon)

    def worth(listing: Listing) -> tuple[int, bool, float, int, str]:
        here = [(each["lat"], each["lon"]) for each in listing.coarse_places] == [own_cell]
        newest = -listing.captured_at.timestamp()
        return -_answered(asks, listing.asks), not here, newest, listing.price_now.amount, listing.id

    return sorted((_shown(row, account) for row in rows), key=worth)[:limit]


def _answered(asks: list[Asked], answers: list[Asked]) -> int:
    """How many of the things asked another task asked too: by their id, or by their words."""
    there = set(matched_by(answers))
    return sum(bool(there & set(matched_by([each]))) for each in asks)


def _words(title: str) -> list[str]:
    return [word for word in "".join(c if c.isalnum() else " " for c in title.lower()).split() if len(word) > 3]


def write_spot(spot: Spot) -> str:
    """A place in the list as a text."""
    return f"{spot.distance_m!r} {spot.id}"


def read_spot(text: str) -> Spot:
    """The inverse of `write_spot`. Raises ValueError."""
    distance, _, id = text.partition(" ")
    if not 0 <= float(distance) < near.EARTH_M * 4:
        raise ValueError(text)
    return Spot(float(distance), UUID(id))

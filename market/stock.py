"""Finding what is for sale: by place to about a kilometre, by time, words, kind, licence, price and seller.

Where something lies is known here only as the middle of its cell (market/near.py), so that no number of searches tells
more than the cell.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from market import keys, listings, near, ownership
from market.errors import Invalid
from market.listing_terms import Asked, Listing, asked_of, matched_by
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


# SQL: distance from ($1, $2), latitude and longitude, to the cell `p`; as market/near.py reckons it.
_DISTANCE = f"""2 * {near.EARTH_M} * asin(least(1, sqrt(sin(radians(p.lat - $1::float8) / 2) ^ 2
  + cos(radians($1::float8)) * cos(radians(p.lat)) * sin(radians(p.lon - $2::float8) / 2) ^ 2)))"""
_NEAR = f"""(SELECT listing_id, min({_DISTANCE}) AS distance FROM listing_cell p
  WHERE cell <@ ($3::text[])[1]::box OR cell <@ ($3::text[])[2]::box GROUP BY listing_id) n"""


async def search(
    conn: asyncpg.Connection, actor: keys.Actor, wish: Wish, *, after: Spot | None = None, limit: int
) -> list[tuple[Spot, Listing]]:
    """What anybody sells in the actor's currency, nearest first or newest first, each with its place in the list."""
    for field, at in (("since", wish.since), ("until", wish.until)):
        if at is not None and at.tzinfo is None:
            raise Invalid("Times need an offset, such as Z.", pointer=f"/{field}")
    own = listings.pseudonym(actor.owner)
    seller = own if wish.seller == "me" else wish.seller
    place = wish.near_to
    lat, lon, boxes = (None, None, []) if place is None else (place.lat, place.lon, _boxes(place))
    # Each way its own statement, so that each has the plan that suits it.
    rows = await conn.fetch(
        f"""SELECT {listings.COLUMNS}, {"0::float8" if place is None else "n.distance"} AS distance
            FROM {"" if place is None else f"{_NEAR} JOIN"} {listings.FROM if place is None else _joined()}
            WHERE ($1::float8 IS NULL OR $2::float8 IS NULL OR $3::text[] IS NOT NULL) AND l.currency = $4
              AND {"true" if seller == own else "l.status = 'active'"}
              AND ($5::float8 IS NULL OR {"true" if place is None else "n.distance <= $5"})
              AND {"true" if wish.what is None else "l.search @@ websearch_to_tsquery('simple', $6)"}
              AND ($6::text IS NULL OR true) AND ($7::text IS NULL OR $7 = ANY (l.kinds))
              AND ($8::timestamptz IS NULL OR l.captured_at >= $8) AND ($9::timestamptz IS NULL OR l.captured_at < $9)
              AND ($10::float8 IS NULL OR l.captured_at >= market_now() - make_interval(secs => $10))
              AND ($11::text IS NULL OR l.license_ids && ARRAY(SELECT id FROM license WHERE name = $11))
              AND ($12::bigint IS NULL OR {listings.PRICE} <= $12) AND ($13::text IS NULL OR l.seller = $13)
              AND ($14::uuid IS NULL OR {_BEHIND if place is not None else "l.id < $14 AND $15::float8 IS NOT NULL"})
            ORDER BY {"" if place is None else "distance, "} l.id DESC LIMIT $16""",
        lat, lon, boxes, actor.currency, place and place.radius_m, wish.what, wish.kind, wish.since, wish.until,
        wish.max_age_s, wish.license, wish.max_price, seller, after and after.id, after and after.distance_m, limit,
    )  # fmt: skip
    return [
        (
            Spot(row["distance"], row["id"]),
            listings.show(row, actor.owner, None if place is None else round(row["distance"], 1)),
        )
        for row in rows
    ]


_BEHIND = "(n.distance > $15::float8 OR (n.distance = $15::float8 AND l.id < $14))"


def _joined() -> str:
    return listings.FROM.replace("listing l", "listing l ON l.id = n.listing_id", 1)


def _boxes(place: Place, more_m: float = 0) -> list[str]:
    found = near.box(place.lat, place.lon, place.radius_m + more_m)
    return ["({2},{3}),({0},{1})".format(*each) for each in found]


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
    wanted, place = matched_by(asks), draft.place
    lat, lon, boxes = (None, None, []) if place is None else (place.lat, place.lon, _boxes(place, CELL_M))
    words = " or ".join(f'"{word}"' for word in _words(draft.title))
    rows = await conn.fetch(
        f"""SELECT {listings.COLUMNS}, {"NULL::float8" if place is None else "n.distance"} AS distance,
              ts_rank(l.search, websearch_to_tsquery('simple', $8)) AS alike
            FROM {"" if place is None else f"{_NEAR} JOIN"} {listings.FROM if place is None else _joined()}
            WHERE ($1::float8 IS NULL OR $2::float8 IS NULL OR $3::text[] IS NOT NULL) AND l.currency = $4
              AND l.status = 'active' AND l.observation_id IS NOT NULL AND l.account_id <> $5 AND $6 = ANY (l.kinds)
              AND {"NOT EXISTS (SELECT FROM listing_cell p WHERE p.listing_id = l.id)" if place is None else "true"}
              AND CASE WHEN cardinality($7::text[]) > 0 THEN l.asked && $7
                       ELSE l.search @@ websearch_to_tsquery('simple', $8) END
              AND l.captured_at >= market_now() - make_interval(secs => $9) AND l.photos >= $10
              AND coalesce({listings.ALONE} <= market_now(), true)
              AND EXISTS (SELECT FROM observation o WHERE o.id = l.observation_id AND NOT o.locked)
              AND NOT EXISTS (SELECT FROM {ownership.HELD} h
                              WHERE h.account_id = $5 AND h.observation_id = l.observation_id)
            ORDER BY l.captured_at DESC LIMIT $11""",
        lat, lon, boxes, draft.reward.currency, account, draft.kind, wanted, words, max_age_s,
        draft.evidence.photos.min if draft.evidence.photos else 0, MOST_LOOKED_AT,
    )  # fmt: skip
    own_cell = None if place is None else near.coarse(place.lat, place.lon)
    found = []
    for row in rows:
        if place is not None and row["distance"] > place.radius_m + CELL_M:
            continue
        listing = listings.show(row, account, row["distance"] and round(row["distance"], 1))
        here = [(each["lat"], each["lon"]) for each in listing.coarse_places] == [own_cell]
        worth = (
            -_answered(asks, listing.asks), not here, -listing.captured_at.timestamp(), listing.price_now.amount,
            -row["alike"], listing.id,
        )  # fmt: skip
        found.append((worth, listing))
    return [listing for _, listing in sorted(found, key=lambda each: each[0])[:limit]]


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

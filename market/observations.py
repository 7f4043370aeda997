"""Observations: accepted evidence, owned by whoever paid for it."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from market import ids, near, photos
from market.errors import EvidenceLocked, Invalid, NotFound
from market.submissions import PhotoView
from market.terms import Place


class Observation(msgspec.Struct, frozen=True):
    """What the buyer owns. `person` is a pseudonym: the same person is the same to one buyer, and unknown to others.

    captured_at: when the first photo was taken, or without photos the newest sample measured, where the checks believe
    it; else when it was handed in. coarse_place: the middle of a cell of about 1 km that holds the place, chosen once:
    all that others than the owner may know of it. erased_photos: how many there were until their person was erased.
    """

    id: str
    task_id: str
    task_external_id: str | None
    submission_id: str
    kind: str
    outcome: str
    captured_at: datetime
    place: dict[str, float] | None
    coarse_place: dict[str, float] | None
    answers: dict[str, Any]
    readings: list[dict[str, Any]] | None
    photos: list[PhotoView]
    erased_photos: int
    person: str
    license: str
    exclusive_until: datetime | None
    created_at: datetime


SELECT = f"""SELECT o.*, s.answers, s.readings, t.external_id, {photos.ORIGINALS} AS originals,
      (SELECT count(*) FROM photo_erased x WHERE x.claim_id = s.claim_id) AS erased_photos,
      (SELECT json_agg(json_build_object('n', p.n, 'sha256', encode(p.sha256, 'hex')) ORDER BY p.n)::text
       FROM photo p WHERE p.claim_id = s.claim_id) AS photos
    FROM observation o JOIN submission s ON s.id = o.submission_id JOIN task t ON t.id = o.task_id"""


async def get(conn: asyncpg.Connection, account: UUID, observation: str) -> Observation:
    """One observation of the account. Raises NotFound; EvidenceLocked while nobody may read it."""
    row = await conn.fetchrow(
        f"{SELECT} WHERE o.id = $1 AND o.account_id = $2", ids.read("observation", observation), account
    )
    if row is None:
        raise NotFound("There is no such observation.")
    if row["locked"]:
        raise EvidenceLocked
    return show(row)


async def listed(
    conn: asyncpg.Connection,
    account: UUID,
    *,
    task: str | None = None,
    near_to: Place | None = None,
    since: datetime | None = None,
    license: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[Observation]:
    """The account's observations, newest first, but for those that are locked.

    near_to: within its radius; since: accepted at or after.
    """
    if since is not None and since.tzinfo is None:
        raise Invalid("Times need an offset, such as Z.", pointer="/since")
    boxes = near.box(near_to.lat, near_to.lon, near_to.radius_m) if near_to else []
    found: list[Observation] = []
    cursor = None if before is None else ids.read("observation", before)
    wanted = None if task is None else ids.read("task", task)
    while len(found) < limit:
        rows = await conn.fetch(
            f"""{SELECT} WHERE o.account_id = $1 AND NOT o.locked AND ($2::uuid IS NULL OR o.task_id = $2)
                AND ($3::timestamptz IS NULL OR o.created_at >= $3) AND ($4::text IS NULL OR o.license = $4)
                AND (cardinality($5::text[]) = 0 OR o.loc <@ ($5::text[])[1]::box OR o.loc <@ ($5::text[])[2]::box)
                AND ($6::uuid IS NULL OR o.id < $6) ORDER BY o.id DESC LIMIT $7""",
            account, wanted, since, license,
            ["({2},{3}),({0},{1})".format(*each) for each in boxes], cursor, limit,
        )  # fmt: skip
        found += [show(row) for row in rows if near_to is None or _within(row, near_to)]
        if len(rows) < limit:
            break
        cursor = rows[-1]["id"]
    return found[:limit]


def _within(row: asyncpg.Record, place: Place) -> bool:
    return near.distance_m(place.lat, place.lon, row["lat"], row["lon"]) <= place.radius_m


async def photo(conn: asyncpg.Connection, account: UUID, observation: str, n: int) -> photos.Kept:
    """One photo of an observation that the account owns. Raises NotFound, Erased, EvidenceLocked."""
    await require_readable(conn, account, [ids.read("observation", observation)])
    return await photos.find(
        conn, "s.id = (SELECT submission_id FROM observation WHERE id = $2 AND account_id = $3)", n,
        ids.read("observation", observation), account,
    )  # fmt: skip


async def require_readable(conn: asyncpg.Connection, account: UUID, observations: list[UUID]) -> None:
    """Raise EvidenceLocked when one of the account's observations is not theirs to read or pass on for now."""
    if await conn.fetchval(
        "SELECT true FROM observation WHERE id = ANY ($1::uuid[]) AND account_id = $2 AND locked LIMIT 1",
        observations, account,
    ):  # fmt: skip
        raise EvidenceLocked


def pseudonym(account: UUID, person: UUID) -> str:
    """The name of a person towards one buyer. Ids hold 74 random bits, so nobody finds the person by trying."""
    return "p_" + hashlib.sha256(b"pseudonym" + account.bytes + person.bytes).hexdigest()[:16]


def show(row: asyncpg.Record) -> Observation:
    """A row of SELECT as its owner sees it."""
    public = ids.show("observation", row["id"])
    found = msgspec.json.decode(row["photos"], type=list[dict[str, Any]]) if row["photos"] else []
    variants = ("original", "full", "display", "thumb") if row["originals"] else ("full", "display", "thumb")
    return Observation(
        public, ids.show("task", row["task_id"]), row["external_id"], ids.show("submission", row["submission_id"]),
        row["kind"], row["outcome"], row["captured_at"],
        None if row["lat"] is None else {"lat": row["lat"], "lon": row["lon"]},
        None if row["coarse_lat"] is None else {"lat": row["coarse_lat"], "lon": row["coarse_lon"]},
        row["answers"], row["readings"],
        [
            PhotoView(p["n"], p["sha256"], {
                variant: f"/v1/observations/{public}/photos/{p['n']}?variant={variant}"
                for variant in variants
            })
            for p in found
        ],
        row["erased_photos"],
        pseudonym(row["account_id"], row["person_id"]), row["license"], row["exclusive_until"], row["created_at"],
    )  # fmt: skip

"""Observations: accepted evidence, owned by whoever paid for it, and by those who bought it since."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from market import ids, near, ownership, photos
from market.asked import Asked, asked_of
from market.errors import EvidenceLocked, Invalid, NotFound
from market.submissions import PhotoView
from market.terms import Place


class Observation(msgspec.Struct, frozen=True):
    """What an account has, as its first owner or bought of another (`sale_id`). `person` is a pseudonym: the same
    person is the same to one account, and unknown to others.

    title, asks: of its task, what answers and readings are to. captured_at: when the first photo was taken, or without
    photos the newest sample measured, where the checks believe it; else when it was handed in. place: the task's, in
    whose radius it is. coarse_place: the middle of a cell of about 1 km that holds the place, chosen once: all that
    others than its owners may know of it. erased_photos: how many there were until their person was erased.

    license: for its first owner `resale` or `exclusive`, else the name of the licence that it was sold under · resale:
    whether it may be sold on · created_at: when the account got it. What the task's buyer calls the task is theirs.
    """

    id: str
    task_id: str
    task_external_id: str | None
    title: str
    asks: list[Asked]
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
    resale: bool
    exclusive_until: datetime | None
    sale_id: str | None
    created_at: datetime


# SQL: what an account has it under.
LICENSE = "coalesce(c.name, h.own_license)"
SELECT = f"""SELECT o.id, o.submission_id, o.task_id, o.person_id, o.kind, o.outcome, o.captured_at, o.lat, o.lon,
      o.coarse_lat, o.coarse_lon, o.locked, h.place, h.account_id, {LICENSE} AS license, h.resale,
      h.exclusive_until, h.sale_id, h.acquired_at, s.answers, s.readings,
      CASE WHEN h.sale_id IS NULL THEN t.external_id END AS external_id, {photos.ORIGINALS} AS originals,
      t.title, t.evidence,
      (SELECT count(*) FROM photo_erased x WHERE x.claim_id = s.claim_id) AS erased_photos,
      (SELECT json_agg(json_build_object('n', p.n, 'sha256', encode(p.sha256, 'hex')) ORDER BY p.n)::text
       FROM photo p WHERE p.claim_id = s.claim_id) AS photos
    FROM {ownership.HELD} h JOIN observation o ON o.id = h.observation_id LEFT JOIN license c ON c.id = h.license_id
      JOIN submission s ON s.id = o.submission_id JOIN task t ON t.id = o.task_id"""


async def get(conn: asyncpg.Connection, account: UUID, observation: str) -> Observation:
    """One observation of the account. Raises NotFound; EvidenceLocked while nobody may read it."""
    row = await conn.fetchrow(
        f"{SELECT} WHERE h.observation_id = $1 AND h.account_id = $2", ids.read("observation", observation), account
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
    """The account's observations, the latest that it got first, but for those that are locked.

    near_to: within its radius; since: accepted, or bought, at or after; before: those after this one in the list.
    """
    if since is not None and since.tzinfo is None:
        raise Invalid("Times need an offset, such as Z.", pointer="/since")
    boxes = near.box(near_to.lat, near_to.lon, near_to.radius_m) if near_to else []
    found: list[Observation] = []
    cursor = None if before is None else await _place(conn, account, ids.read("observation", before))
    wanted = None if task is None else ids.read("task", task)
    while len(found) < limit:
        rows = await conn.fetch(
            f"""{SELECT} WHERE h.account_id = $1 AND NOT o.locked AND ($2::uuid IS NULL OR o.task_id = $2)
                AND ($3::timestamptz IS NULL OR h.acquired_at >= $3) AND ($4::text IS NULL OR {LICENSE} = $4)
                AND (cardinality($5::text[]) = 0 OR o.loc <@ ($5::text[])[1]::box OR o.loc <@ ($5::text[])[2]::box)
                AND ($6::uuid IS NULL OR h.place < $6) ORDER BY h.place DESC LIMIT $7""",
            account, wanted, since, license,
            ["({2},{3}),({0},{1})".format(*each) for each in boxes], cursor, limit,
        )  # fmt: skip
        found += [show(row) for row in rows if near_to is None or _within(row, near_to)]
        if len(rows) < limit:
            break
        cursor = rows[-1]["place"]
    return found[:limit]


async def _place(conn: asyncpg.Connection, account: UUID, observation: UUID) -> UUID:
    """Where an observation stands in the account's list."""
    found: UUID | None = await conn.fetchval(
        f"SELECT place FROM {ownership.HELD} h WHERE observation_id = $1 AND account_id = $2", observation, account
    )
    return found or observation


def _within(row: asyncpg.Record, place: Place) -> bool:
    return near.distance_m(place.lat, place.lon, row["lat"], row["lon"]) <= place.radius_m


async def photo(conn: asyncpg.Connection, account: UUID, observation: str, n: int) -> photos.Kept:
    """One photo of an observation that the account has. Raises NotFound, Erased, EvidenceLocked."""
    await require_readable(conn, account, [ids.read("observation", observation)])
    return await photos.find(
        conn,
        f"""s.id = (SELECT o.submission_id FROM observation o JOIN {ownership.HELD} h ON h.observation_id = o.id
                    WHERE o.id = $2 AND h.account_id = $3)""",
        n, ids.read("observation", observation), account,
    )  # fmt: skip


async def require_readable(conn: asyncpg.Connection, account: UUID, observations: list[UUID]) -> None:
    """Raise EvidenceLocked when one of the account's observations is not theirs to read or pass on for now."""
    if await conn.fetchval(
        f"""SELECT true FROM observation o JOIN {ownership.HELD} h ON h.observation_id = o.id
            WHERE o.id = ANY ($1::uuid[]) AND h.account_id = $2 AND o.locked LIMIT 1""",
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
        public, ids.show("task", row["task_id"]), row["external_id"], row["title"],
        asked_of(row["evidence"]), ids.show("submission", row["submission_id"]),
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
        pseudonym(row["account_id"], row["person_id"]), row["license"], row["resale"], row["exclusive_until"],
        None if row["sale_id"] is None else ids.show("sale", row["sale_id"]), row["acquired_at"],
    )  # fmt: skip

"""Photos as rows: which bytes they are, what of them is hidden, which copies others see, what of them goes away.

A copy lies in the object storage under a *name*: the photo's SHA-256, or for one with hidden regions a hash over that
and them. So each version has copies of its own, and a copy never changes. A name that is let go of is entered among
`doomed_media` in the same transaction; whoever removes its bytes (app/erasure.py) first looks whether a photo, of
somebody else perhaps, still needs them.
"""

import hashlib
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import ClaimOver, Erased, NotFound, OriginalNotAsked, OriginalsAsked
from market.terms import Strict

MOST_REGIONS = 100
# SQL: whether the task `t` asked for photos as they came.
ORIGINALS = "coalesce((t.evidence->'photos'->>'originals')::boolean, false)"
COLUMNS = f"p.sha256, p.media_type, p.blur, coalesce(p.blurred, p.sha256) AS name, {ORIGINALS} AS originals"

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1, examples=[0.25])]
Side = Annotated[float, msgspec.Meta(gt=0, le=1, examples=[0.2])]


class Region(Strict, frozen=True, kw_only=True):
    """A box in the upright picture: its left upper corner and its sides, as fractions of width and height."""

    x: Fraction
    y: Fraction
    w: Side
    h: Side


class Hiding(Strict, frozen=True, kw_only=True):
    """What of a photo others shall not see. An empty list hides nothing; `confirmed`: the person has looked at it."""

    regions: Annotated[list[Region], msgspec.Meta(max_length=MOST_REGIONS)]
    confirmed: bool


class Kept(NamedTuple):
    """A photo: its bytes' SHA-256 and type, the regions that others do not see, the name under which its copies lie.

    originals: its task asked for it as it came.
    """

    sha256: bytes
    media_type: str
    hidden: list[dict[str, float]]
    name: bytes
    originals: bool

    def require_original(self) -> None:
        """Raise OriginalNotAsked unless the buyer may have it as it came."""
        if not self.originals or self.hidden:
            raise OriginalNotAsked


def name_of(sha256: bytes, regions: list[dict[str, float]]) -> bytes:
    """The name of the version of a photo in which these regions are hidden."""
    return hashlib.sha256(sha256 + msgspec.json.encode(regions, order="deterministic")).digest() if regions else sha256


def kept(row: asyncpg.Record) -> Kept:
    """A row of COLUMNS."""
    return Kept(row["sha256"], row["media_type"], row["blur"] or [], row["name"], row["originals"])


async def find(conn: asyncpg.Connection, where: str, n: int, *given: Any) -> Kept:
    """Photo `n` of the claim that `where` (of submission `s`, claim `c`) finds. Raises NotFound, Erased."""
    row = await conn.fetchrow(
        f"""SELECT {COLUMNS}, x.erased_at FROM claim c JOIN task t ON t.id = c.task_id
              LEFT JOIN submission s ON s.claim_id = c.id
              LEFT JOIN photo p ON p.claim_id = c.id AND p.n = $1
              LEFT JOIN photo_erased x ON x.claim_id = c.id AND x.n = $1
            WHERE {where}""",
        n, *given,
    )  # fmt: skip
    if row is not None and row["sha256"] is None and row["erased_at"] is not None:
        raise Erased
    if row is None or row["sha256"] is None:
        raise NotFound("There is no such photo.")
    return kept(row)


async def of_claim(conn: asyncpg.Connection, person: UUID, claim: str, n: int, *, active: bool = False) -> Kept:
    """A person's own photo; active: while they may still change it, else ClaimOver."""
    claim_id = ids.read("claim", claim)
    found = await find(conn, "c.id = $2 AND c.person_id = $3", n, claim_id, person)
    if active and not await conn.fetchval(
        "SELECT status = 'active' AND expires_at > market_now() FROM claim WHERE id = $1", claim_id
    ):
        raise ClaimOver
    return found


async def hide(conn: asyncpg.Connection, person: UUID, claim: str, n: int, regions: list[Region]) -> Kept:
    """Have others see the photo without these regions, all of them from now on; the photo itself stays as it came.

    Raises OriginalsAsked where the task wants photos as they came, ClaimOver, NotFound.
    """
    found = await of_claim(conn, person, claim, n, active=True)
    if found.originals and regions:
        raise OriginalsAsked
    boxes = [msgspec.to_builtins(each) for each in regions]
    name = name_of(found.sha256, boxes)
    done = await conn.fetchval(
        """WITH held AS (
             SELECT id FROM claim
             WHERE id = $1 AND person_id = $2 AND status = 'active' AND expires_at > market_now() FOR NO KEY UPDATE),
           kept AS (
             UPDATE photo p SET blur = $5, blurred = $6 FROM held
             WHERE p.claim_id = held.id AND p.n = $3 AND p.sha256 = $4 RETURNING p.claim_id),
           doomed AS (
             INSERT INTO doomed_media (name) SELECT $7::bytea FROM kept WHERE $7::bytea <> $8::bytea
               ON CONFLICT DO NOTHING),
           told AS (
             INSERT INTO event (type, person_id, subject_type, subject_id, actor, data)
               SELECT 'photo.hidden', $2, 'claim', claim_id, 'person:' || $2::uuid,
                 jsonb_build_object('n', $3::int, 'regions', $9::int) FROM kept)
           SELECT 1 FROM kept""",
        ids.read("claim", claim), person, n, found.sha256, boxes or None, name if boxes else None, found.name, name,
        len(boxes),
    )  # fmt: skip
    if done is None:
        raise ClaimOver
    return found._replace(hidden=boxes, name=name)


# ---- copies


async def lock_name(conn: asyncpg.Connection, name: bytes, *, alone: bool) -> None:
    """Keep a name's bytes from being removed until the transaction ends; alone: to remove them oneself."""
    kind = "" if alone else "_shared"
    await conn.execute(f"SELECT pg_advisory_xact_lock{kind}(hashtextextended('photo:' || encode($1, 'hex'), 0))", name)


async def needed(conn: asyncpg.Connection, name: bytes) -> tuple[bool, bool]:
    """Whether a photo (or a picture around one) needs the original with this SHA-256; and copies under this name."""
    row = await conn.fetchrow(
        """SELECT EXISTS (SELECT FROM photo WHERE sha256 = $1) OR EXISTS (SELECT FROM photo_frame WHERE sha256 = $1)
                  AS original,
                EXISTS (SELECT FROM photo WHERE sha256 = $1 AND blurred IS NULL)
                  OR EXISTS (SELECT FROM photo WHERE blurred = $1) AS copies""",
        name,
    )
    return row["original"], row["copies"]


async def enter_full(conn: asyncpg.Connection, name: bytes, content: bytes | None, unreadable: str | None) -> None:
    """Note what the full copy under a name is; the first note stays."""
    await conn.execute(
        """INSERT INTO photo_copy (name, sha256, bytes, unreadable) VALUES ($1, $2, $3, $4)
           ON CONFLICT (name) DO NOTHING""",
        name, None if content is None else hashlib.sha256(content).digest(),
        None if content is None else len(content), unreadable,
    )  # fmt: skip


# ---- what goes away


async def doom(conn: asyncpg.Connection, names: list[bytes]) -> None:
    """Have the bytes under these names removed, as far as no photo needs them."""
    await conn.execute(
        "INSERT INTO doomed_media (name) SELECT DISTINCT * FROM unnest($1::bytea[]) ON CONFLICT DO NOTHING", names
    )


async def doom_unneeded(conn: asyncpg.Connection, names: list[bytes]) -> int:
    """Have the bytes under those of these names removed that no row refers to; how many are newly on that list.

    Whoever removes them looks again: a row may come for bytes that lie there already.
    """
    found: list[asyncpg.Record] = await conn.fetch(
        """INSERT INTO doomed_media (name) SELECT DISTINCT name FROM unnest($1::bytea[]) AS lying (name)
             WHERE NOT EXISTS (SELECT FROM photo p WHERE p.sha256 = name)
               AND NOT EXISTS (SELECT FROM photo p WHERE p.blurred = name)
               AND NOT EXISTS (SELECT FROM photo_frame f WHERE f.sha256 = name)
           ON CONFLICT DO NOTHING RETURNING 1""",
        names,
    )
    return len(found)


async def next_doomed(conn: asyncpg.Connection) -> bytes | None:
    """A name whose bytes are due to go, and which nobody else is at; its row is locked."""
    found: bytes | None = await conn.fetchval(
        "SELECT name FROM doomed_media WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return found


async def gone(conn: asyncpg.Connection, name: bytes, *, copies: bool) -> None:
    """The bytes are removed (copies: those of its copies too), and nothing remains to be done."""
    if copies:
        await conn.execute("DELETE FROM photo_copy WHERE name = $1", name)
    await conn.execute("DELETE FROM doomed_media WHERE name = $1", name)


async def later(conn: asyncpg.Connection, name: bytes, seconds: float) -> None:
    """The object storage would not: try again after a while, others first."""
    await conn.execute(
        "UPDATE doomed_media SET due_at = now() + make_interval(secs => $2) WHERE name = $1", name, seconds
    )

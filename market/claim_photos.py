"""The photos of a claim: numbered, uploaded while it is held, replaced as often as its person likes."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import ClaimOver, Invalid, NotFound
from market.terms import Evidence


class Photo(msgspec.Struct, frozen=True):
    """An uploaded photo, by its number in the claim. `capture` is what the phone said of it; `hidden`: the regions that
    nobody but whoever took it sees; `country`: of the address that uploaded it, two letters, where that is known."""

    n: int
    sha256: bytes
    bytes: int
    media_type: str
    capture: dict[str, Any] | None
    hidden: list[dict[str, float]] = []
    country: str | None = None
    uploaded_at: datetime | None = None


async def require_slot(conn: asyncpg.Connection, person: UUID, claim: str, n: int) -> None:
    """May this person upload photo `n` to this claim now? Raises before any bytes are taken."""
    row = await conn.fetchrow(
        """SELECT c.status = 'active' AND c.expires_at > market_now() AS active, t.evidence
           FROM claim c JOIN task t ON t.id = c.task_id WHERE c.id = $1 AND c.person_id = $2""",
        ids.read("claim", claim), person,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such claim.")
    if not row["active"]:
        raise ClaimOver
    photos = msgspec.convert(row["evidence"], Evidence).photos
    most = photos.max if photos is not None else 0
    if not 1 <= n <= most:
        raise Invalid(f"This task takes photos 1 to {most}." if most else "This task takes no photos.", pointer="/n")


async def put(conn: asyncpg.Connection, person: UUID, claim: str, photo: Photo, country: str | None = None) -> None:
    """Record a photo whose bytes are stored already; one with the same number is replaced, and its bytes go.

    country: of the address that uploads it, two letters, where that is known.

    Bytes that were on their way out when these came may be gone once this returns: the caller looks.
    """
    kept = await conn.fetchval(
        """WITH held AS (
             SELECT id, task_id, pg_advisory_xact_lock_shared(hashtextextended('photo:' || encode($4::bytea, 'hex'), 0))
             FROM claim
             WHERE id = $1 AND person_id = $2 AND status = 'active' AND expires_at > market_now() FOR NO KEY UPDATE),
           replaced AS (
             INSERT INTO doomed_media (name)
               SELECT DISTINCT name FROM held JOIN photo p ON p.claim_id = held.id AND p.n = $3
                 CROSS JOIN LATERAL (VALUES (p.sha256), (p.blurred)) AS v (name)
               WHERE name IS NOT NULL AND name <> $4 ON CONFLICT DO NOTHING),
           kept AS (
             INSERT INTO photo (claim_id, n, sha256, bytes, media_type, capture, country)
               SELECT id, $3, $4, $5, $6, $7, $8 FROM held
             ON CONFLICT (claim_id, n) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes,
               media_type = excluded.media_type, capture = excluded.capture, uploaded_at = excluded.uploaded_at,
               country = excluded.country, blur = NULL, blurred = NULL
             RETURNING claim_id),
           told AS (
             INSERT INTO event (type, person_id, subject_type, subject_id, actor, data)
               SELECT 'photo.stored', $2, 'claim', claim_id, 'person:' || $2::uuid, jsonb_build_object('n', $3::int)
               FROM kept)
           SELECT 1 FROM kept""",
        ids.read("claim", claim), person, photo.n, photo.sha256, photo.bytes, photo.media_type, photo.capture,
        country,
    )  # fmt: skip
    if kept is None:
        raise ClaimOver


async def of(conn: asyncpg.Connection, claim: UUID) -> list[Photo]:
    """The photos of a claim by number."""
    rows = await conn.fetch("SELECT * FROM photo WHERE claim_id = $1 ORDER BY n", claim)
    return [
        Photo(
            row["n"], row["sha256"], row["bytes"], row["media_type"], row["capture"], row["blur"] or [], row["country"],
            row["uploaded_at"],
        )
        for row in rows
    ]  # fmt: skip

"""What comes with a photo taken in the app: how the phone moved, the burst around it, fixes of captures before."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from market import ids
from market.errors import ClaimOver

MOST_FRAMES = 8
RECENT = 12  # captures of a person that are looked back on
RECENT_DAYS = 30
EARLIER = 1000  # positions of the day before that a journey is measured from

# SQL: the claim that may still be added to, locked.
HELD = """SELECT id FROM claim
          WHERE id = $1 AND person_id = $2 AND status = 'active' AND expires_at > market_now() FOR NO KEY UPDATE"""


class Around(NamedTuple):
    """motion: the record as it came; repeated: its samples came with another photo before; frames: by k, SHA-256."""

    motion: bytes | None = None
    repeated: bool = False
    frames: tuple[tuple[int, bytes], ...] = ()


class Seen(NamedTuple):
    """Where a capture before said it was, in degrees and metres, and when it arrived."""

    lat: float
    lon: float
    accuracy_m: float | None
    at: datetime


async def put_motion(
    conn: asyncpg.Connection, person: UUID, claim: str, n: int, body: bytes, sha256: bytes, shape: bytes
) -> None:
    """Keep the record of motion of photo `n`; the same number again replaces it. Raises NotFound, ClaimOver."""
    kept = await conn.fetchval(
        f"""WITH held AS ({HELD})
            INSERT INTO photo_motion (claim_id, n, sha256, shape, body) SELECT id, $3, $4, $5, $6 FROM held
            ON CONFLICT (claim_id, n) DO UPDATE SET sha256 = excluded.sha256, shape = excluded.shape,
              body = excluded.body, uploaded_at = excluded.uploaded_at RETURNING 1""",
        ids.read("claim", claim), person, n, sha256, shape, body,
    )  # fmt: skip
    if kept is None:
        raise ClaimOver


async def put_frame(
    conn: asyncpg.Connection, person: UUID, claim: str, n: int, k: int, sha256: bytes, size: int
) -> None:
    """Record frame `k` of the burst around photo `n`, whose bytes are stored; one that is replaced goes.

    Bytes that were on their way out when these came may be gone once this returns: the caller looks.
    """
    kept = await conn.fetchval(
        f"""WITH held AS (
              SELECT id, pg_advisory_xact_lock_shared(hashtextextended('photo:' || encode($5::bytea, 'hex'), 0))
              FROM ({HELD}) AS own),
            replaced AS (
              INSERT INTO doomed_media (name) SELECT f.sha256 FROM held JOIN photo_frame f
                ON f.claim_id = held.id AND f.n = $3 AND f.k = $4 WHERE f.sha256 <> $5 ON CONFLICT DO NOTHING)
            INSERT INTO photo_frame (claim_id, n, k, sha256, bytes) SELECT id, $3, $4, $5, $6 FROM held
            ON CONFLICT (claim_id, n, k) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes,
              uploaded_at = excluded.uploaded_at RETURNING 1""",
        ids.read("claim", claim), person, n, k, sha256, size,
    )  # fmt: skip
    if kept is None:
        raise ClaimOver


async def around(conn: asyncpg.Connection, claim: UUID) -> dict[int, Around]:
    """What came with each photo of a claim, by its number."""
    moved = await conn.fetch(
        """SELECT m.n, m.body, EXISTS (SELECT FROM photo_motion o WHERE o.shape = m.shape
             AND (o.uploaded_at, o.claim_id, o.n) < (m.uploaded_at, m.claim_id, m.n)) AS repeated
           FROM photo_motion m WHERE m.claim_id = $1""",
        claim,
    )
    frames: dict[int, list[tuple[int, bytes]]] = {}
    for row in await conn.fetch("SELECT n, k, sha256 FROM photo_frame WHERE claim_id = $1 ORDER BY n, k", claim):
        frames.setdefault(row["n"], []).append((row["k"], row["sha256"]))
    found = {row["n"]: Around(row["body"], row["repeated"]) for row in moved}
    return {n: found.get(n, Around())._replace(frames=tuple(frames.get(n, ()))) for n in {*found, *frames}}


async def recent(conn: asyncpg.Connection, person: UUID, claim: UUID, before: datetime) -> list[Seen]:
    """Fixes of the person's captures for other claims, newest first, of the last days before a time."""
    rows = await conn.fetch(
        """SELECT p.capture, p.uploaded_at FROM claim c JOIN photo p ON p.claim_id = c.id
           WHERE c.person_id = $1 AND c.id <> $2 AND p.uploaded_at <= $3
             AND p.uploaded_at > $3 - make_interval(days => $5) AND p.capture ? 'lat' AND p.capture ? 'lon'
           ORDER BY c.id DESC, p.n DESC LIMIT $4""",
        person, claim, before, RECENT, RECENT_DAYS,
    )  # fmt: skip
    found = [Seen(*_fix(row["capture"]), row["uploaded_at"]) for row in rows]
    return sorted(found, key=lambda each: each.at, reverse=True)


async def earlier(conn: asyncpg.Connection, claim: UUID) -> list[Seen]:
    """Where the claim's person said to be, for claims whose first photo came before this one's, in the day before it.

    What became of those claims does not matter, unless they were given back or ran out: a position that was refused was
    stated all the same. Only a refused try at the same task is left out, for whoever tries again with a better fix. A
    claim without photos counts with its own position, once it is handed in. A time is the phone's, but neither before
    the claim nor after it reached us. Photos are on record before they are handed in, so of two claims the later one is
    compared whichever is judged first.
    """
    rows = await conn.fetch(
        """WITH own AS (
             SELECT c.id, c.person_id, c.task_id, coalesce(min(p.uploaded_at), c.created_at) AS began
             FROM claim c LEFT JOIN photo p ON p.claim_id = c.id WHERE c.id = $1 GROUP BY c.id),
           other AS (
             SELECT c.*, f.first, coalesce(f.first, c.created_at) AS began, own.began AS until
             FROM own JOIN claim c ON c.person_id = own.person_id AND c.id <> own.id AND c.device_id IS NULL
               AND (c.status IN ('active', 'submitted', 'awarded')
                 OR c.status = 'rejected' AND c.task_id <> own.task_id)
               AND coalesce(c.ended_at > own.began - interval '1 day', true)
             CROSS JOIN LATERAL (SELECT min(p.uploaded_at) AS first FROM photo p WHERE p.claim_id = c.id) f
             WHERE (coalesce(f.first, c.created_at), c.id) < (own.began, own.id))
           SELECT capture, at FROM (
             SELECT p.capture, o.until, least(p.uploaded_at, greatest(o.created_at,
                 coalesce((p.capture->>'taken_at')::timestamptz, p.uploaded_at))) AS at
               FROM other o JOIN photo p ON p.claim_id = o.id WHERE p.capture ? 'lat' AND p.capture ? 'lon'
             UNION ALL
             SELECT jsonb_build_object('lat', o.lat, 'lon', o.lon, 'accuracy_m', o.accuracy_m), o.until, o.created_at
               FROM other o WHERE o.first IS NULL AND o.status <> 'active' AND o.lat IS NOT NULL) AS stated
           WHERE at > until - interval '1 day' ORDER BY at DESC LIMIT $2""",
        claim, EARLIER,
    )  # fmt: skip
    return [Seen(*_fix(row["capture"]), row["at"]) for row in rows]


def _fix(capture: dict[str, Any]) -> tuple[float, float, float | None]:
    accuracy = capture.get("accuracy_m")
    return float(capture["lat"]), float(capture["lon"]), None if accuracy is None else float(accuracy)

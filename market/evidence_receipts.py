"""Receipts of observations: made as soon as one is accepted, signed by the market, and the buyer's to keep.

A row without content -> with content. Erasure deletes the row, and a receipt is never made again.
"""

from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import devices, ids
from market.errors import Erased, EvidenceLocked, NotFound

MOMENTS = {"market": "market", "deadline": "deadline", "review": "review"}  # who accepted, where it was not the buyer


class Batch(NamedTuple):
    """What a device pushed, as it was signed. signature: 64 bytes, r and s; public_key: 65."""

    device: UUID
    sequence: int
    body: bytes
    signature: bytes
    public_key: bytes


class Observed(NamedTuple):
    """What a receipt is made of. content: what can be said without looking at captures; photos: n, SHA-256,
    capture; batch: of the device that answered by itself."""

    id: UUID
    person_id: UUID
    content: dict[str, Any]
    answers: dict[str, Any]
    readings: list[dict[str, Any]] | None
    verdict: dict[str, Any] | None
    photos: list[tuple[int, bytes, dict[str, Any] | None]]
    signers: list[devices.Device]
    batch: Batch | None


class Sealed(NamedTuple):
    """A receipt as it was signed: content in its canonical form, 64 bytes of signature, 32 of public key."""

    content: bytes
    signature: bytes
    public_key: bytes


async def pending(
    conn: asyncpg.Connection, *, submission: UUID | None = None, after: UUID | None = None, limit: int = 50
) -> list[UUID]:
    """Observations whose receipt is still to be made (of one submission; with ids above `after`), locked, in order.

    Those that others are at are left out.
    """
    rows = await conn.fetch(
        """SELECT r.observation_id FROM receipt r JOIN observation o ON o.id = r.observation_id
           WHERE r.content IS NULL AND ($1::uuid IS NULL OR o.submission_id = $1)
             AND ($2::uuid IS NULL OR r.observation_id > $2)
           ORDER BY r.observation_id LIMIT $3 FOR UPDATE OF r SKIP LOCKED""",
        submission, after, limit,
    )  # fmt: skip
    return [row["observation_id"] for row in rows]


async def observed(conn: asyncpg.Connection, observation: UUID) -> Observed:
    """What there is to put into a receipt."""
    row = await conn.fetchrow(
        """SELECT o.*, s.answers, s.readings, s.verdict, s.submitted_at, s.decided_at, s.decided_by, s.claim_id,
             c.nonce, c.expires_at, coalesce(c.since, c.created_at) AS claimed_at,
             b.device_id, b.sequence, b.body, b.signature, d.public_key
           FROM observation o JOIN submission s ON s.id = o.submission_id JOIN claim c ON c.id = s.claim_id
             LEFT JOIN device_batch b ON b.device_id = c.device_id AND b.sequence = c.batch
             LEFT JOIN device d ON d.id = b.device_id
           WHERE o.id = $1""",
        observation,
    )
    if row is None:
        raise NotFound("There is no such observation.")
    photos = await conn.fetch("SELECT n, sha256, capture FROM photo WHERE claim_id = $1 ORDER BY n", row["claim_id"])
    named = {each["capture"]["device"] for each in photos if each["capture"] and "device" in each["capture"]}
    content = {
        "v": 1, "observation": ids.show("observation", row["id"]),
        "submission": ids.show("submission", row["submission_id"]),
        "task": ids.show("task", row["task_id"]), "kind": row["kind"], "outcome": row["outcome"],
        "claim": {
            "id": ids.show("claim", row["claim_id"]), "nonce": row["nonce"], "claimed_at": row["claimed_at"],
            "expires_at": row["expires_at"],
        },
        "submitted_at": row["submitted_at"], "accepted_at": row["decided_at"],
        "accepted_by": MOMENTS.get(row["decided_by"], "buyer"),
    }  # fmt: skip
    batch = None
    if row["public_key"] is not None:
        batch = Batch(row["device_id"], row["sequence"], row["body"], row["signature"], row["public_key"])
    return Observed(
        row["id"], row["person_id"], msgspec.to_builtins(content), row["answers"], row["readings"], row["verdict"],
        [(each["n"], each["sha256"], each["capture"]) for each in photos], await devices.named(conn, sorted(named)),
        batch,
    )  # fmt: skip


async def seal(conn: asyncpg.Connection, observation: UUID, sealed: Sealed) -> None:
    """Keep a receipt; one that is there stays as it is."""
    await conn.execute(
        """UPDATE receipt SET content = $2, signature = $3, public_key = $4, issued_at = market_now()
           WHERE observation_id = $1 AND content IS NULL""",
        observation, sealed.content, sealed.signature, sealed.public_key,
    )  # fmt: skip


async def get(conn: asyncpg.Connection, account: UUID, observation: str) -> tuple[UUID, Sealed | None]:
    """The receipt of an observation of the account, with its submission; None while it is being made.

    Raises NotFound, Erased, EvidenceLocked.
    """
    row = await conn.fetchrow(
        """SELECT o.submission_id, o.locked, r.*, p.erased_at FROM observation o JOIN person p ON p.id = o.person_id
             LEFT JOIN receipt r ON r.observation_id = o.id
           WHERE o.id = $1 AND (o.account_id = $2
             OR EXISTS (SELECT FROM holding h WHERE h.observation_id = o.id AND h.account_id = $2))""",
        ids.read("observation", observation), account,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such observation.")
    if row["locked"]:
        raise EvidenceLocked
    if row["observation_id"] is None:
        if row["erased_at"] is not None:
            raise Erased("The receipt has been erased, with the person whose photos it told of.")
        raise NotFound("This observation was accepted before receipts were kept.")
    if row["content"] is None:
        return row["submission_id"], None
    return row["submission_id"], Sealed(row["content"], row["signature"], row["public_key"])

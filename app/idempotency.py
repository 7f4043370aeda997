"""Idempotency-Key: the same request twice is done once, whatever the network does in between.

The answer is kept by the same transaction as the effect, so both stand or neither does. While the first request runs it
holds an advisory lock on the key; a second one is told to wait rather than made to. Kept for 24 hours.
"""

import hashlib
import os
from typing import Any

import msgspec
from litestar import Request

from app.answers import Answer
from app.db import Connection
from app.errors import Problem
from market.keys import Actor

LONGEST_KEY = 255
KEPT_S = 86_400


class Asked(msgspec.Struct, frozen=True):
    """A request under a key: whose, which, and the digest of what was asked."""

    actor: Actor
    key: str
    digest: bytes

    @property
    def lock(self) -> int:
        """A number for the advisory lock; two keys that share one only wait for each other."""
        found = hashlib.sha256(self.actor.owner.bytes + self.key.encode()).digest()
        return int.from_bytes(found[:8], signed=True)


def asked(actor: Actor, key: str, request: Request[Any, Any, Any], body: bytes) -> Asked:
    """What `actor` asks for with this request. Only the key that asked gets a stored answer: it may hold a secret."""
    path = f"{request.method} {request.scope['path']}?".encode() + request.scope["query_string"] + b"\n"
    return Asked(actor, key, hashlib.sha256(actor.key.bytes + path + body).digest())


def key_of(request: Request[Any, Any, Any]) -> str:
    """The request's key, bare or quoted. Raises idempotency-key-missing, or malformed when it is no such key."""
    header = request.headers.get("idempotency-key", "").strip()
    if not header:
        raise Problem("idempotency-key-missing", "This operation needs an Idempotency-Key header.")
    key = header[1:-1] if len(header) >= 2 and header[0] == header[-1] == '"' else header
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        detail = f"An Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters."
        raise Problem("malformed", detail)
    return key


async def begin(connection: Connection, request: Asked, *, seal: str | None) -> Answer | None:
    """The kept answer of an earlier request, or None: then it is for the caller to do it and to `keep` the answer.

    Raises in-flight while another transaction is at it, idempotency-key-reused when the key stood for something else.
    """
    row = await connection.fetchrow(
        """SELECT pg_try_advisory_xact_lock($1) AS free, i.body_hash, i.status, i.body, i.headers
           FROM (SELECT) AS one LEFT JOIN idempotency i
             ON i.owner = $2 AND i.key = $3 AND i.created_at > now() - make_interval(secs => $4)""",
        request.lock,
        request.actor.owner,
        request.key,
        KEPT_S,
    )
    if row["body_hash"] is not None:
        if row["body_hash"] != request.digest:
            raise Problem("idempotency-key-reused", "This key was used for a request with other content.")
        body = row["body"] if seal is None else _sealed(row["body"][16:], row["body"][:16], seal)
        headers = {**row["headers"], "idempotent-replayed": "true"}
        return Answer(body, status=row["status"], headers=headers)
    if not row["free"]:
        raise Problem("in-flight", "The first request with this key has not ended yet.")
    return None


async def keep(connection: Connection, request: Asked, answer: Answer, *, seal: str | None) -> None:
    """Keep the answer, in the transaction of its effect. seal: the service's key, for answers that hold a secret."""
    headers = {"content-type": answer.headers["content-type"]} if answer.body else {}
    body = answer.body
    if seal is not None:
        salt = os.urandom(16)
        body = salt + _sealed(body, salt, seal)
    done = await connection.execute(
        """INSERT INTO idempotency AS i (owner, key, body_hash, status, body, headers)
           VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (owner, key) DO UPDATE SET body_hash = excluded.body_hash, status = excluded.status,
             body = excluded.body, headers = excluded.headers, created_at = now()
           WHERE i.created_at <= now() - make_interval(secs => $7)""",
        request.actor.owner,
        request.key,
        request.digest,
        answer.status,
        body,
        headers,
        KEPT_S,
    )
    if done == "INSERT 0 0":
        # The other one committed after we looked and before we had the lock. Ours is rolled back with this.
        raise Problem("in-flight", "Another request with this key was first.")


async def forget_old(connection: Connection) -> None:
    """Drop answers that are no longer promised."""
    await connection.execute("DELETE FROM idempotency WHERE created_at < now() - make_interval(secs => $1)", KEPT_S)


def _sealed(body: bytes, salt: bytes, seal: str) -> bytes:
    """`body` XOR a stream that only the service's key and the salt give: keys are in no table, nor in its backups."""
    stream = hashlib.shake_256(salt + seal.encode()).digest(len(body))
    return bytes(a ^ b for a, b in zip(body, stream, strict=True))

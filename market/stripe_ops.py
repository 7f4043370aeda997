"""What Stripe shall do (outbox) and what it says has happened (inbox): rows only, nothing is sent from here.

An operation is planned in the transaction of its cause. Whoever takes it holds a lease; only the holder may settle it,
so a worker that wakes up late writes nothing. Its key at Stripe is `<kind>:<subject>:<attempt>`, the same at every try;
a new attempt exists only after a definite refusal.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

LEASE_S = 90  # longer than any call to Stripe may take
LONGEST_WAIT_S = 300
# Stripe forgets keys after 24 hours: from here on, what an operation has done is looked up before it is sent again.
KEY_LIFE_S = 23 * 3600


class Op(msgspec.Struct, frozen=True):
    """An operation in the hands of whoever took it."""

    id: UUID
    kind: str
    subject: UUID
    attempt: int
    params: dict[str, Any]
    tries: int
    lease: UUID
    key_is_old: bool  # it was first sent so long ago that Stripe may have forgotten the key

    @property
    def key(self) -> str:
        """The idempotency key at Stripe."""
        return f"{self.kind}:{self.subject}:{self.attempt}"


class LeaseLost(Exception):
    """Somebody else has the operation by now: nothing may be written about it."""


async def plan(conn: asyncpg.Connection, kind: str, subject: UUID, params: dict[str, Any]) -> UUID:
    """The operation that does `kind` for `subject`: a new attempt, or the one that is under way or has succeeded."""
    made = await conn.fetchval(
        """INSERT INTO stripe_op (id, kind, subject_id, attempt, params)
           SELECT $1, $2, $3, coalesce(max(attempt), 0) + 1, $4 FROM stripe_op WHERE kind = $2 AND subject_id = $3
           ON CONFLICT DO NOTHING RETURNING id""",
        uuid4(), kind, subject, params,
    )  # fmt: skip
    if made is not None:
        return made  # type: ignore[no-any-return]
    standing: UUID = await conn.fetchval(
        "SELECT id FROM stripe_op WHERE kind = $1 AND subject_id = $2 AND status <> 'rejected'", kind, subject
    )
    return standing


async def take(conn: asyncpg.Connection, op: UUID) -> Op | None:
    """Lease the operation for one try; None when it is settled, not yet due, or somebody else has it."""
    row = await conn.fetchrow(
        """UPDATE stripe_op SET status = 'sending', tries = tries + 1, lease = $2,
             leased_until = now() + make_interval(secs => $3), first_sent_at = coalesce(first_sent_at, now())
           WHERE id = (SELECT id FROM stripe_op WHERE id = $1
                         AND (status IN ('planned', 'unknown') AND due_at <= now()
                              OR status = 'sending' AND leased_until < now())
                       FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING *, first_sent_at < now() - make_interval(secs => $4) AS key_is_old""",
        op, uuid4(), LEASE_S, KEY_LIFE_S,
    )  # fmt: skip
    if row is None:
        return None
    return Op(
        row["id"], row["kind"], row["subject_id"], row["attempt"], row["params"], row["tries"], row["lease"],
        row["key_is_old"],
    )  # fmt: skip


async def due(conn: asyncpg.Connection, limit: int) -> list[UUID]:
    """Operations that somebody should take now: due, or left behind by a worker that died."""
    rows = await conn.fetch(
        """(SELECT id FROM stripe_op WHERE status IN ('planned', 'unknown') AND due_at <= now()
            ORDER BY due_at LIMIT $1)
           UNION ALL
           (SELECT id FROM stripe_op WHERE status = 'sending' AND leased_until < now()
            ORDER BY leased_until LIMIT $1)""",
        limit,
    )
    return [row["id"] for row in rows]


async def succeeded(conn: asyncpg.Connection, op: Op, object_id: str) -> None:
    """sending -> succeeded. Raises LeaseLost."""
    await _settle(conn, op, "status = 'succeeded', object_id = $3, code = NULL, message = NULL, settled_at = now()",
                  object_id)  # fmt: skip


async def rejected(conn: asyncpg.Connection, op: Op, code: str, message: str) -> None:
    """sending -> rejected, for certain: nothing moved. Raises LeaseLost."""
    await _settle(conn, op, "status = 'rejected', code = $3, message = $4, settled_at = now()", code, message)


async def unknown(conn: asyncpg.Connection, op: Op, message: str) -> None:
    """sending -> unknown: it may have happened, so the same key again, later each time. Raises LeaseLost."""
    await _settle(conn, op, "status = 'unknown', message = $3, due_at = now() + make_interval(secs => $4)",
                  message, wait_s(op.tries))  # fmt: skip


async def not_begun(conn: asyncpg.Connection, op: Op, message: str) -> None:
    """sending -> planned, or unknown when an earlier try may have worked: Stripe was too busy. Raises LeaseLost."""
    status = "CASE WHEN tries = 1 THEN 'planned' ELSE 'unknown' END::stripe_op_status"
    await _settle(conn, op, f"status = {status}, message = $3, due_at = now() + make_interval(secs => $4)",
                  message, wait_s(op.tries))  # fmt: skip


async def set_aside(conn: asyncpg.Connection, op: Op, message: str) -> None:
    """sending -> unknown until an operator has looked: sending it again might do it twice. Raises LeaseLost."""
    await _settle(conn, op, "status = 'unknown', message = $3, due_at = 'infinity'", message)


async def found(conn: asyncpg.Connection, kind: str, subject: UUID, object_id: str) -> bool:
    """Stripe's own word that it has been done, by an event: settles what is planned, sending or unknown."""
    settled = await conn.fetchval(
        """UPDATE stripe_op SET status = 'succeeded', object_id = $3, lease = NULL, leased_until = NULL,
             code = NULL, message = NULL, settled_at = now()
           WHERE kind = $1 AND subject_id = $2 AND status IN ('planned', 'sending', 'unknown') RETURNING id""",
        kind, subject, object_id,
    )  # fmt: skip
    return settled is not None


async def refusal(conn: asyncpg.Connection, op: UUID) -> tuple[str, str] | None:
    """(code, message) of an operation that was rejected."""
    row = await conn.fetchrow("SELECT code, message FROM stripe_op WHERE id = $1 AND status = 'rejected'", op)
    return None if row is None else (row["code"], row["message"])


def wait_s(tries: int) -> float:
    """Seconds until the next try: 1, 2, 4 … 300."""
    return float(min(LONGEST_WAIT_S, 2 ** min(tries - 1, 12)))


async def _settle(conn: asyncpg.Connection, op: Op, change: str, *values: object) -> None:
    done = await conn.fetchval(
        f"""UPDATE stripe_op SET {change}, lease = NULL, leased_until = NULL
            WHERE id = $1 AND lease = $2 AND status = 'sending' RETURNING id""",
        op.id, op.lease, *values,
    )  # fmt: skip
    if done is None:
        raise LeaseLost(f"operation {op.id} is somebody else's by now")


# ---- inbox


class Notice(msgspec.Struct, frozen=True):
    """Something has happened to an object at Stripe."""

    id: str
    type: str
    object_type: str
    object_id: str


async def receive(conn: asyncpg.Connection, notice: Notice) -> bool:
    """Keep a verified event; False when it came before."""
    new = await conn.fetchval(
        """INSERT INTO stripe_event (id, type, object_type, object_id) VALUES ($1, $2, $3, $4)
           ON CONFLICT (id) DO NOTHING RETURNING true""",
        notice.id, notice.type, notice.object_type, notice.object_id,
    )  # fmt: skip
    return new is not None


async def unhandled(conn: asyncpg.Connection, event: str) -> Notice | None:
    """A kept event that nobody has acted on yet."""
    row = await conn.fetchrow("SELECT * FROM stripe_event WHERE id = $1 AND handled_at IS NULL", event)
    return None if row is None else Notice(row["id"], row["type"], row["object_type"], row["object_id"])


async def handled(conn: asyncpg.Connection, event: str) -> None:
    """The event has had its effect, in this transaction."""
    await conn.execute("UPDATE stripe_event SET handled_at = now() WHERE id = $1 AND handled_at IS NULL", event)


async def waiting_events(conn: asyncpg.Connection, older_than_s: float, limit: int) -> list[str]:
    """Events that have waited too long for their job, oldest first."""
    rows = await conn.fetch(
        """SELECT id FROM stripe_event WHERE handled_at IS NULL AND received_at < now() - make_interval(secs => $1)
           ORDER BY received_at LIMIT $2""",
        older_than_s, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


# ---- the mirror of Stripe's balance


class BalanceLine(msgspec.Struct, frozen=True):
    """One balance transaction of Stripe's, in minor units: net = amount - fee, signed."""

    id: str
    type: str
    source: str
    currency: str
    amount: int
    fee: int
    net: int
    created_at: datetime


async def mirror(conn: asyncpg.Connection, line: BalanceLine, ledger_key: str) -> None:
    """Note which ledger transaction stands for a balance transaction; each has exactly one."""
    await conn.execute(
        "INSERT INTO stripe_balance_txn VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        line.id, line.type, line.source, line.currency, line.amount, line.fee, line.net, ledger_key, line.created_at,
    )  # fmt: skip

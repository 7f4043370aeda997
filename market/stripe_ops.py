"""What Stripe shall do (outbox): rows only, nothing is sent from here.

An operation is planned in the transaction of its cause. Whoever takes it holds a lease; only the holder may settle it,
so a worker that wakes up late writes nothing. Its key at Stripe is `<kind>:<subject>:<attempt>`, the same at every try;
a new attempt exists only after a definite refusal. The database writes each move into `stripe_op_log` by itself, and
lets no operation leave its end.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec

LEASE_S = 25.0  # longer than a call to Stripe takes; the caller says it by its own time-out
LONGEST_WAIT_S = 30
LOOK_FROM_TRY = 3  # from here on it is looked up before it is sent again: an answer of 500 may be replayed for a day
SET_ASIDE_AFTER_TRIES = 250  # some two hours: then an operator decides
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
    doubtful: bool  # an earlier try may have worked

    @property
    def key(self) -> str:
        """The idempotency key at Stripe."""
        return f"{self.kind}:{self.subject}:{self.attempt}"

    @property
    def look_first(self) -> bool:
        """Whether what it may have done is looked up by its metadata before it is sent again."""
        if self.attempt > 1:
            return True  # the one before was refused or given up, and what was given up may have arrived after all
        return self.doubtful and (self.key_is_old or self.tries >= LOOK_FROM_TRY)


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


class Wanted(NamedTuple):
    """One operation of many to be planned: its subject, which attempt it is, and what is sent."""

    subject: UUID
    attempt: int
    params: dict[str, Any]


async def plan_and_take(
    conn: asyncpg.Connection, kind: str, wanted: Sequence[Wanted], lease_s: float = LEASE_S
) -> list[Op]:
    """Plan operations whose attempts the caller counts, and lease them at once for their first try.

    Raises UniqueViolationError while one before is under way.
    """
    rows = await conn.fetch(
        """INSERT INTO stripe_op (id, kind, subject_id, attempt, params, status, tries, lease, leased_until,
             first_sent_at)
           SELECT id, $1, subject, attempt, params::jsonb, 'sending', 1, gen_random_uuid(),
             now() + make_interval(secs => $6), now()
           FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::text[]) AS w (id, subject, attempt, params)
           RETURNING *, false AS key_is_old, false AS doubtful""",
        kind, [uuid4() for _ in wanted], [each.subject for each in wanted], [each.attempt for each in wanted],
        [msgspec.json.encode(each.params).decode() for each in wanted], lease_s,
    )  # fmt: skip
    return [_taken(row) for row in rows]


async def take(conn: asyncpg.Connection, op: UUID, lease_s: float = LEASE_S) -> Op | None:
    """Lease the operation for one try; None when it is settled, not yet due, stopped, or somebody else has it."""
    taken = await take_many(conn, [op], lease_s)
    return taken[0] if taken else None


async def take_many(conn: asyncpg.Connection, ops: list[UUID], lease_s: float = LEASE_S) -> list[Op]:
    """Lease those of the operations that may be tried now, each by a lease of its own."""
    rows = await conn.fetch(
        """UPDATE stripe_op o SET status = 'sending', tries = o.tries + 1, lease = gen_random_uuid(),
             moved_by = 'worker', leased_until = now() + make_interval(secs => $2),
             first_sent_at = coalesce(o.first_sent_at, now())
           FROM (SELECT id, status FROM stripe_op WHERE id = ANY ($1::uuid[])
                   AND (status IN ('planned', 'unknown') AND due_at <= now()
                        OR status = 'sending' AND leased_until < now()) AND NOT money_stopped(kind)
                 ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) AS free
           WHERE o.id = free.id
           RETURNING o.*, o.first_sent_at < now() - make_interval(secs => $3) AS key_is_old,
             free.status <> 'planned' AS doubtful""",
        ops, lease_s, KEY_LIFE_S,
    )  # fmt: skip
    return [_taken(row) for row in rows]


async def take_over(conn: asyncpg.Connection, ops: list[UUID], lease_s: float) -> list[Op]:
    """Lease operations whatever worker holds them: for one who knows that it is dead. Ends stay ends, and what an
    operator has in hand stays there until that lease ends."""
    await conn.execute(
        """UPDATE stripe_op SET leased_until = now() - interval '1 second'
           WHERE id = ANY ($1::uuid[]) AND status = 'sending' AND moved_by = 'worker'""",
        ops,
    )
    return await take_many(conn, ops, lease_s)


def _taken(row: asyncpg.Record) -> Op:
    return Op(
        row["id"], row["kind"], row["subject_id"], row["attempt"], row["params"], row["tries"], row["lease"],
        row["key_is_old"], row["doubtful"],
    )  # fmt: skip


async def due(conn: asyncpg.Connection, limit: int) -> list[UUID]:
    """Operations that somebody should take now: due, or left behind by a worker that died.

    Not transfers: those are taken by whoever pays their run.
    """
    rows = await conn.fetch(
        """(SELECT id FROM stripe_op
            WHERE status IN ('planned', 'unknown') AND due_at <= now() AND kind <> 'transfer'
              AND NOT money_stopped(kind) ORDER BY due_at LIMIT $1)
           UNION ALL
           (SELECT id FROM stripe_op WHERE status = 'sending' AND leased_until < now() AND kind <> 'transfer'
              AND NOT money_stopped(kind) ORDER BY leased_until LIMIT $1)""",
        limit,
    )
    return [row["id"] for row in rows]


async def succeeded(conn: asyncpg.Connection, op: Op, object_id: str) -> None:
    """sending -> succeeded. Raises LeaseLost."""
    await _settle(conn, op, "status = 'succeeded', object_id = $3, code = NULL, message = NULL, settled_at = now()",
                  object_id)  # fmt: skip


async def succeeded_many(conn: asyncpg.Connection, done: Sequence[tuple[Op, str]]) -> set[UUID]:
    """sending -> succeeded for those whose lease still stands: their ids. The others are somebody else's by now."""
    rows = await conn.fetch(
        """UPDATE stripe_op o SET status = 'succeeded', object_id = w.object, code = NULL, message = NULL,
             settled_at = now(), lease = NULL, leased_until = NULL
           FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS w (id, lease, object)
           WHERE o.id = w.id AND o.lease = w.lease AND o.status = 'sending' RETURNING o.id""",
        [op.id for op, _ in done], [op.lease for op, _ in done], [found for _, found in done],
    )  # fmt: skip
    return {row["id"] for row in rows}


async def rejected(conn: asyncpg.Connection, op: Op, code: str, message: str) -> None:
    """sending -> rejected, for certain: nothing moved. Raises LeaseLost."""
    await _settle(conn, op, "status = 'rejected', code = $3, message = $4, settled_at = now()", code, message)


async def unknown(conn: asyncpg.Connection, op: Op, message: str) -> None:
    """sending -> unknown: it may have happened, so the same key again, later each time. Raises LeaseLost.

    After very many tries it waits for an operator instead.
    """
    if op.tries >= SET_ASIDE_AFTER_TRIES:
        await set_aside(conn, op, message)
        return
    await _settle(conn, op, "status = 'unknown', message = $3, due_at = now() + make_interval(secs => $4)",
                  message, wait_s(op.tries))  # fmt: skip


async def not_begun(conn: asyncpg.Connection, op: Op, message: str) -> None:
    """sending -> planned, or unknown when an earlier try may have worked: Stripe was too busy. Raises LeaseLost."""
    status = "'unknown'" if op.doubtful else "'planned'"
    await _settle(conn, op, f"status = {status}, message = $3, due_at = now() + make_interval(secs => $4)",
                  message, wait_s(op.tries))  # fmt: skip


async def set_aside(conn: asyncpg.Connection, op: Op, message: str) -> None:
    """sending -> unknown until an operator has looked: sending it again might do it twice. Raises LeaseLost."""
    await _settle(conn, op, "status = 'unknown', message = $3, due_at = 'infinity'", message)


async def found(conn: asyncpg.Connection, kind: str, subject: UUID, object_id: str) -> bool:
    """Stripe's own word that it has been done, by an event: settles what is planned, sending or unknown."""
    settled = await conn.fetchval(
        """UPDATE stripe_op SET status = 'succeeded', object_id = $3, lease = NULL, leased_until = NULL,
             code = NULL, message = NULL, settled_at = now(), moved_by = 'stripe'
           WHERE kind = $1 AND subject_id = $2 AND status IN ('planned', 'sending', 'unknown') RETURNING id""",
        kind, subject, object_id,
    )  # fmt: skip
    return settled is not None


async def refusal(conn: asyncpg.Connection, op: UUID) -> tuple[str, str] | None:
    """(code, message) of an operation that was rejected."""
    row = await conn.fetchrow("SELECT code, message FROM stripe_op WHERE id = $1 AND status = 'rejected'", op)
    return None if row is None else (row["code"], row["message"])


def wait_s(tries: int) -> float:
    """Seconds until the next try: 1, 2, 4 … 30."""
    return float(min(LONGEST_WAIT_S, 2 ** min(tries - 1, 12)))


async def _settle(conn: asyncpg.Connection, op: Op, change: str, *values: object) -> None:
    done = await conn.fetchval(
        f"""UPDATE stripe_op SET {change}, lease = NULL, leased_until = NULL
            WHERE id = $1 AND lease = $2 AND status = 'sending' RETURNING id""",
        op.id, op.lease, *values,
    )  # fmt: skip
    if done is None:
        raise LeaseLost(f"operation {op.id} is somebody else's by now")

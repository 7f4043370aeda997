"""Stripe operations as operators see them, above all those of which nobody knows whether they have happened.

An operator may look one up, have it tried again at once (under the same key: at Stripe it is still one), or give it up.
To look or to give up means to hold the operation's lease, so no worker sends it meanwhile, and what a worker that lost
its lease brings later is refused.
"""

from datetime import datetime
from typing import Literal, NamedTuple, NoReturn
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, payout_history, switches
from market.errors import Invalid, NotFound, PayoutsStopped, Stopped, WrongState
from market.events import Subject
from market.money import Money
from market.payout_history import Attempt
from market.stripe_ops import KEY_LIFE_S, LOOK_FROM_TRY, LeaseLost, Op

DOUBTFUL_AFTER_S = 600  # since it was first sent
QUIET_S = 120  # so long after the last try nothing of it can still be on its way to Stripe

Status = Literal["planned", "sending", "unknown", "succeeded", "rejected"]
Kind = Literal["customer", "charge", "checkout", "recipient", "transfer", "refund", "dispute_answer", "dispute_close"]
SUBJECTS: dict[str, str] = {
    "customer": "account", "charge": "funding", "checkout": "funding", "recipient": "person", "transfer": "payout",
    "refund": "refund", "dispute_answer": "dispute", "dispute_close": "dispute",
}  # fmt: skip


class Operation(msgspec.Struct, frozen=True):
    """One operation at Stripe.

    key: its idempotency key there, the same at every try · age_s: since it was first sent · doubtful: nobody knows
    whether it has happened, and that has lasted · next: what happens by itself: first_try, same_key (it is sent again
    as it was), look_up_first (by our ids, before it is sent again under the same key), waits_for_operator, stopped (by
    a switch), under_way, nothing (it has ended) · due_at: when; null: not by itself · moved_by: worker, stripe (an
    event), operator:<id>.
    """

    id: str
    kind: str
    subject: Subject
    amount: Money | None
    status: str
    attempt: int
    key: str
    tries: int
    age_s: int | None
    doubtful: bool
    next: str
    due_at: datetime | None
    leased_until: datetime | None
    object_id: str | None
    code: str | None
    message: str | None
    created_at: datetime
    first_sent_at: datetime | None
    settled_at: datetime | None
    moved_by: str


class OperationHistory(msgspec.Struct, frozen=True):
    """An operation, and every attempt at the same thing with its moves."""

    operation: Operation
    attempts: list[Attempt]


_DOUBTFUL = f"""(o.status = 'unknown' OR o.status = 'sending' AND o.leased_until < now())
    AND (o.tries >= {LOOK_FROM_TRY} OR o.due_at = 'infinity'
         OR o.first_sent_at < now() - make_interval(secs => {DOUBTFUL_AFTER_S}))"""
_OP = f"""
    SELECT o.*, {_DOUBTFUL} AS doubtful, money_stopped(o.kind) AS stopped, o.leased_until > now() AS leased,
      o.due_at = 'infinity' AS set_aside, extract(epoch FROM now() - o.first_sent_at)::bigint AS age_s,
      o.first_sent_at < now() - make_interval(secs => {KEY_LIFE_S}) AS key_is_old
    FROM stripe_op o"""


async def get(conn: asyncpg.Connection, op: UUID) -> OperationHistory:
    """One operation with its history. Raises NotFound."""
    row = await conn.fetchrow(f"{_OP} WHERE o.id = $1", op)
    if row is None:
        raise NotFound("There is no such operation.")
    return OperationHistory(_operation(row), await payout_history.attempts(conn, row["kind"], row["subject_id"]))


async def listed(
    conn: asyncpg.Connection, *, cursor: str | None, limit: int, status: Status | None = None,
    kind: Kind | None = None, doubtful: bool = False,
) -> list[Operation]:  # fmt: skip
    """Operations, newest first; the doubtful ones alone, oldest first. cursor: `place` of the last one before."""
    at, op = _read(cursor)
    after, order = (">", "ASC") if doubtful else ("<", "DESC")
    rows = await conn.fetch(
        f"""{_OP} WHERE ($1::timestamptz IS NULL OR (o.created_at, o.id) {after} ($1, $2::uuid))
              AND ($4::text IS NULL OR o.status = $4::text::stripe_op_status) AND ($5::text IS NULL OR o.kind = $5)
              {f"AND {_DOUBTFUL}" if doubtful else ""}
            ORDER BY o.created_at {order}, o.id {order} LIMIT $3""",
        at, op, limit, status, kind,
    )  # fmt: skip
    return [_operation(row) for row in rows]


async def doubtful(conn: asyncpg.Connection) -> int:
    """How many are doubtful."""
    found: int = await conn.fetchval(f"SELECT count(*) FROM stripe_op o WHERE {_DOUBTFUL}")
    return found


def place(operation: Operation) -> str:
    """Where an operation stands in the lists."""
    return f"{operation.created_at.isoformat()} {ids.read('stripe_op', operation.id)}"


# ---- by an operator's hand


class InHand(NamedTuple):
    """An operation that an operator holds. quiet: nothing of its last try can still be on its way."""

    op: Op
    quiet: bool


async def take(conn: asyncpg.Connection, op: UUID, operator: UUID, lease_s: float) -> InHand:
    """Lease what is in doubt to an operator; it counts as no try. Raises NotFound; WrongState for what is not in doubt
    or is under way."""
    row = await conn.fetchrow(
        """UPDATE stripe_op SET status = 'sending', lease = gen_random_uuid(), moved_by = $2,
             leased_until = now() + make_interval(secs => $3), message = 'an operator is looking'
           WHERE id = $1 AND (status = 'unknown' OR status = 'sending' AND leased_until < now())
           RETURNING *, first_sent_at < now() - make_interval(secs => $4) AS key_is_old""",
        op, f"operator:{operator}", lease_s, KEY_LIFE_S,
    )  # fmt: skip
    if row is None:
        await _refuse(conn, op)
    quiet = await conn.fetchval(
        """SELECT coalesce(max(l.at), $2) < now() - make_interval(secs => $3) FROM stripe_op_log l
           WHERE l.op_id = $1 AND l.status = 'sending' AND l.moved_by NOT LIKE 'operator:%'""",
        op, row["first_sent_at"], QUIET_S,
    )  # fmt: skip
    held = Op(
        row["id"], row["kind"], row["subject_id"], row["attempt"], row["params"], row["tries"], row["lease"],
        row["key_is_old"], doubtful=True,
    )  # fmt: skip
    return InHand(held, quiet)


async def put_back(conn: asyncpg.Connection, op: Op, operator: UUID, what: str) -> None:
    """sending -> unknown, due as it was before; `what` says what the look has brought. Raises LeaseLost."""
    done = await conn.fetchval(
        """UPDATE stripe_op SET status = 'unknown', message = $3, lease = NULL, leased_until = NULL
           WHERE id = $1 AND lease = $2 AND status = 'sending' RETURNING id""",
        op.id, op.lease, what,
    )  # fmt: skip
    if done is None:
        raise LeaseLost(f"operation {op.id} is somebody else's by now")
    await note(conn, "stripe_op.looked_up", op, operator, {"outcome": what})


async def note(conn: asyncpg.Connection, type: str, op: Op, operator: UUID, data: dict[str, str]) -> None:
    """An event of what an operator did about an operation."""
    await events.append(conn, type, ("stripe_op", op.id), f"operator:{operator}", data={"key": op.key, **data})


async def retry(conn: asyncpg.Connection, op: UUID, operator: UUID) -> str:
    """Due now, under the same key, which is returned. Raises NotFound; Stopped; WrongState for what has ended or is
    under way."""
    row = await conn.fetchrow("SELECT * FROM stripe_op WHERE id = $1", op)
    if row is not None and await switches.is_stopped(conn, row["kind"]):
        raise PayoutsStopped if row["kind"] == "transfer" else Stopped
    moved = await conn.fetchrow(
        """UPDATE stripe_op SET due_at = now(), moved_by = $2
           WHERE id = $1 AND (status IN ('planned', 'unknown') OR status = 'sending' AND leased_until < now())
           RETURNING *""",
        op, f"operator:{operator}",
    )  # fmt: skip
    if moved is None:
        await _refuse(conn, op)
    key = f"{moved['kind']}:{moved['subject_id']}:{moved['attempt']}"
    await events.append(conn, "stripe_op.retried", ("stripe_op", op), f"operator:{operator}", data={"key": key})
    return key


async def _refuse(conn: asyncpg.Connection, op: UUID) -> NoReturn:
    row = await conn.fetchrow("SELECT status::text, tries FROM stripe_op WHERE id = $1", op)
    if row is None:
        raise NotFound("There is no such operation.")
    if row["status"] == "sending":
        raise WrongState("A worker, or another operator, holds this operation just now: wait half a minute.")
    if row["status"] == "planned":
        raise WrongState("Nothing of this operation is in doubt: it waits for its turn.")
    raise WrongState(f"This operation has ended: it is {row['status']}.")


# ---- inside


def _operation(row: asyncpg.Record) -> Operation:
    params = row["params"]
    amount, currency = params.get("amount"), params.get("currency")
    subject = SUBJECTS[row["kind"]]
    ended = row["status"] in ("succeeded", "rejected")
    return Operation(
        id=ids.show("stripe_op", row["id"]),
        kind=row["kind"],
        subject=Subject(subject, ids.show(subject, row["subject_id"])),
        amount=Money(amount, currency) if isinstance(amount, int) and isinstance(currency, str) else None,
        status=row["status"],
        attempt=row["attempt"],
        key=f"{row['kind']}:{row['subject_id']}:{row['attempt']}",
        tries=row["tries"],
        age_s=row["age_s"],
        doubtful=bool(row["doubtful"]),
        next=_next(row),
        due_at=None if ended or row["set_aside"] else row["due_at"],
        leased_until=row["leased_until"],
        object_id=row["object_id"],
        code=row["code"],
        message=row["message"],
        created_at=row["created_at"],
        first_sent_at=row["first_sent_at"],
        settled_at=row["settled_at"],
        moved_by=row["moved_by"],
    )


def _next(row: asyncpg.Record) -> str:
    if row["status"] in ("succeeded", "rejected"):
        return "nothing"
    if row["leased"]:
        return "under_way"
    if row["stopped"]:
        return "stopped"
    if row["status"] != "sending" and row["set_aside"]:
        return "waits_for_operator"
    if not row["tries"]:
        return "first_try"
    if row["status"] != "planned" and (row["key_is_old"] or row["tries"] + 1 >= LOOK_FROM_TRY):
        return "look_up_first"
    return "same_key"


def _read(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    if cursor is None:
        return None, None
    at, _, op = cursor.partition(" ")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not 1900 <= moment.year < 3000:
            raise ValueError
        return moment, UUID(op)
    except ValueError:
        raise Invalid("This is no cursor of this list.", pointer="/cursor") from None

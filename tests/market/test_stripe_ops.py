"""The outbox and the inbox: one attempt under way, one holder at a time, and a late worker writes nothing."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from market import stripe_inbox, stripe_ops
from market.stripe_ops import LeaseLost, Op

PAYOUT = UUID("00000000-0000-7000-8000-000000000001")


async def taken(conn: asyncpg.Connection, op: UUID) -> Op:
    found = await stripe_ops.take(conn, op)
    assert found is not None
    return found


async def planned(conn: asyncpg.Connection, subject: UUID = PAYOUT) -> UUID:
    return await stripe_ops.plan(conn, "transfer", subject, {"amount": 5})


async def status(conn: asyncpg.Connection, op: UUID) -> str:
    return str(await conn.fetchval("SELECT status::text FROM stripe_op WHERE id = $1", op))


async def its_time_has_come(conn: asyncpg.Connection) -> None:
    await conn.execute("UPDATE stripe_op SET due_at = now() - interval '1 s', leased_until = now() - interval '1 s'"
                       " WHERE status = 'sending'")  # fmt: skip
    await conn.execute("UPDATE stripe_op SET due_at = now() - interval '1 s' WHERE status IN ('planned', 'unknown')")


async def test_planning_twice_gives_the_same_operation(conn: asyncpg.Connection) -> None:
    assert await planned(conn) == await planned(conn)
    assert await planned(conn, uuid4()) != await planned(conn)


async def test_an_operation_is_taken_once(conn: asyncpg.Connection) -> None:
    op = await planned(conn)
    assert await stripe_ops.due(conn, 10) == []  # a transfer is for whoever pays its run
    first = await taken(conn, op)
    assert (first.key, first.tries, first.key_is_old) == (f"transfer:{PAYOUT}:1", 1, False)
    assert await stripe_ops.take(conn, op) is None
    assert await stripe_ops.due(conn, 10) == []


async def test_only_a_definite_refusal_makes_room_for_a_new_attempt(conn: asyncpg.Connection) -> None:
    op = await planned(conn)
    await stripe_ops.unknown(conn, await taken(conn, op), "time-out")
    assert await planned(conn) == op
    await its_time_has_come(conn)
    again = await taken(conn, op)
    assert (again.key, again.tries) == (f"transfer:{PAYOUT}:1", 2)
    await stripe_ops.rejected(conn, again, "balance_insufficient", "no")
    assert await stripe_ops.refusal(conn, op) == ("balance_insufficient", "no")
    second = await taken(conn, await planned(conn))
    assert second.key == f"transfer:{PAYOUT}:2"
    await stripe_ops.succeeded(conn, second, "tr_1")
    assert await planned(conn) == second.id
    assert await stripe_ops.take(conn, second.id) is None


async def test_a_worker_that_lost_its_lease_writes_nothing(conn: asyncpg.Connection) -> None:
    op = await planned(conn)
    slept = await taken(conn, op)
    await its_time_has_come(conn)
    awake = await taken(conn, op)
    assert awake.key == slept.key and awake.lease != slept.lease
    for late in (
        stripe_ops.rejected(conn, slept, "late", "late"),
        stripe_ops.succeeded(conn, slept, "tr_late"),
        stripe_ops.unknown(conn, slept, "late"),
        stripe_ops.not_begun(conn, slept, "late"),
        stripe_ops.set_aside(conn, slept, "late"),
    ):
        with pytest.raises(LeaseLost):
            await late
    await stripe_ops.succeeded(conn, awake, "tr_1")
    assert await status(conn, op) == "succeeded"


async def test_an_event_settles_what_nobody_knew_and_the_worker_comes_too_late(conn: asyncpg.Connection) -> None:
    op = await planned(conn)
    waiting = await taken(conn, op)
    assert await stripe_ops.found(conn, "transfer", PAYOUT, "tr_1")
    with pytest.raises(LeaseLost):
        await stripe_ops.rejected(conn, waiting, "late", "late")
    assert not await stripe_ops.found(conn, "transfer", PAYOUT, "tr_1")
    assert await status(conn, op) == "succeeded"


async def test_a_refusal_for_good_is_not_undone_by_an_event(conn: asyncpg.Connection) -> None:
    op = await planned(conn)
    await stripe_ops.rejected(conn, await taken(conn, op), "no", "no")
    assert not await stripe_ops.found(conn, "transfer", PAYOUT, "tr_1")
    assert await status(conn, op) == "rejected"


async def test_too_busy_before_the_first_answer_is_planned_and_after_a_doubt_stays_unknown(
    conn: asyncpg.Connection,
) -> None:
    op = await planned(conn)
    await stripe_ops.not_begun(conn, await taken(conn, op), "429")
    assert await status(conn, op) == "planned"
    await its_time_has_come(conn)
    await stripe_ops.unknown(conn, await taken(conn, op), "time-out")
    await its_time_has_come(conn)
    await stripe_ops.not_begun(conn, await taken(conn, op), "429")
    assert await status(conn, op) == "unknown"


async def test_a_key_older_than_a_day_is_marked_and_what_is_set_aside_waits(conn: asyncpg.Connection) -> None:
    op = await planned(conn)
    await stripe_ops.unknown(conn, await taken(conn, op), "time-out")
    await its_time_has_come(conn)
    await conn.execute("UPDATE stripe_op SET first_sent_at = now() - interval '23 hours 1 s' WHERE id = $1", op)
    old = await taken(conn, op)
    assert old.key_is_old
    await stripe_ops.set_aside(conn, old, "an operator decides")
    assert await stripe_ops.take(conn, op) is None
    assert await stripe_ops.due(conn, 10) == []


def test_patience_doubles_up_to_half_a_minute() -> None:
    assert [stripe_ops.wait_s(n) for n in (1, 2, 3, 4, 5, 6, 1000)] == [1, 2, 4, 8, 16, 30, 30]


async def test_the_database_keeps_the_states_honest(conn: asyncpg.Connection) -> None:
    op = await planned(conn)
    for wrong in (
        "status = 'sending'",
        "status = 'succeeded'",
        "status = 'rejected', settled_at = now()",
        "settled_at = now()",
        "attempt = 0",
        "kind = 'refund?'",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            async with conn.transaction():
                await conn.execute(f"UPDATE stripe_op SET {wrong} WHERE id = $1", op)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with conn.transaction():
            await conn.execute(
                "INSERT INTO stripe_op (id, kind, subject_id, attempt, params) VALUES ($1, 'transfer', $2, 2, '{}')",
                uuid4(), PAYOUT,
            )  # fmt: skip


async def test_an_event_is_kept_once_and_handled_once(conn: asyncpg.Connection) -> None:
    notice = stripe_inbox.Notice("evt_1", "payment_intent.succeeded", "payment_intent", "pi_1")
    assert await stripe_inbox.receive(conn, notice)
    assert not await stripe_inbox.receive(conn, notice)
    assert await stripe_inbox.unhandled(conn, "evt_1") == notice
    assert await stripe_inbox.waiting_events(conn, 60, 10) == []
    assert await stripe_inbox.waiting_events(conn, -1, 10) == ["evt_1"]
    await stripe_inbox.handled(conn, "evt_1")
    assert await stripe_inbox.unhandled(conn, "evt_1") is None
    assert await stripe_inbox.waiting_events(conn, -1, 10) == []

"""Four eyes: who may approve what, for how long, and what the database refuses whoever asks.

Where it says "behind the program's back", plain SQL is tried on the tables themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from market import clock, holds, ids, operators, payout_lines, payout_views, payouts
from market.errors import ApprovalExpired, Changed
from tests.market.test_payouts import PLENTY, Desk, desk

__all__ = ["desk"]

EXECUTE = "UPDATE payout_run SET status = 'executing', executed_by = $2, executed_at = market_now() WHERE id = $1"


@contextmanager
def refused(sqlstate: str) -> Iterator[None]:
    """The database itself refuses, under this code."""
    with pytest.raises(asyncpg.PostgresError) as found:
        yield
    assert found.value.sqlstate == sqlstate, found.value


async def behind(desk: Desk, sql: str, *values: object) -> None:
    """Plain SQL, checked to the end as a commit would, and undone."""
    outer = desk.conn.transaction()
    await outer.start()
    try:
        await desk.conn.execute(sql, *values)
        await desk.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    finally:
        await outer.rollback()


async def submitted(desk: Desk) -> UUID:
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    await payouts.submit(desk.conn, desk.olu, run)
    return run


async def told(desk: Desk, run: UUID) -> list[str]:
    rows = await desk.conn.fetch("SELECT type FROM event WHERE subject_id = $1 ORDER BY seq", run)
    return [row["type"].removeprefix("payout_run.") for row in rows]


async def test_who_approves_says_what_they_have_seen(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run = await submitted(desk)
    seen = await desk.conn.fetchval("SELECT lines_hash FROM payout_run WHERE id = $1", run)
    with pytest.raises(Changed):
        await payouts.approve(desk.conn, desk.pia, run, hashlib.sha256(b"another run").digest())
    await payouts.approve(desk.conn, desk.pia, run, seen)
    approval = (await payout_views.get(desk.conn, run)).approval
    assert approval is not None and not approval.expired
    assert approval.expires_at - approval.at == timedelta(seconds=payouts.APPROVAL_S)


async def test_who_submits_says_what_they_have_seen(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    with pytest.raises(Changed):
        async with desk.conn.transaction():
            await payouts.submit(desk.conn, desk.olu, run, bytes(32))
    assert (await payout_views.get(desk.conn, run)).status == "frozen"


async def test_an_approval_ends_and_is_given_anew_by_somebody_who_may(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run = await desk.approved()
    await clock.advance(desk.conn, payouts.APPROVAL_S)
    shown = await payout_views.get(desk.conn, run)
    assert shown.approval is not None and shown.approval.expired
    with pytest.raises(ApprovalExpired):
        async with desk.conn.transaction():
            await payouts.execute(desk.conn, desk.olu, run)
    with pytest.raises(payouts.FourEyes):
        async with desk.conn.transaction():
            await payouts.approve(desk.conn, desk.olu, run)
    await payouts.approve(desk.conn, desk.pia, run)
    await payouts.execute(desk.conn, desk.olu, run)
    await desk.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert (await told(desk, run))[-2:] == ["approved_anew", "executing"]


async def test_what_an_operator_approved_who_is_disabled_since_is_paid_only_once_another_approves_it(
    desk: Desk,
) -> None:
    await desk.earner("bo", 900)
    run = await desk.approved()
    shut = "UPDATE operator SET disabled_at = market_now() WHERE id = $1"
    await desk.conn.execute(shut, desk.pia)
    with refused("PR006"):
        await behind(desk, EXECUTE, run, desk.olu)
    with pytest.raises(payouts.ApproverDisabled):
        async with desk.conn.transaction():
            await payouts.execute(desk.conn, desk.olu, run)
    zoe, _ = await operators.add(desk.conn, "zoe@sensorium.example", "Zoe")
    await payouts.approve(desk.conn, ids.read("operator", zoe.id), run)
    await payouts.execute(desk.conn, desk.olu, run)
    assert (await payout_views.get(desk.conn, run)).status == "executing"


async def test_a_partial_run_goes_on_only_with_an_approval_that_lasts(desk: Desk) -> None:
    bo = await desk.earner("bo", 900)
    run = await desk.approved()
    await holds.put(desk.conn, "person", bo, desk.olu, "identity", None)
    await payouts.execute(desk.conn, desk.olu, run)
    await payout_lines.plan_lines(desk.conn, run, 10, PLENTY)
    assert await payout_lines.finish(desk.conn, run) == "partial"
    await holds.release(desk.conn, "person", bo, desk.olu)
    await clock.advance(desk.conn, payouts.APPROVAL_S + 1)
    with pytest.raises(ApprovalExpired):
        async with desk.conn.transaction():
            await payouts.execute(desk.conn, desk.olu, run)
    await payouts.approve(desk.conn, desk.pia, run)
    assert (await payout_views.get(desk.conn, run)).status == "partial"
    await payouts.execute(desk.conn, desk.olu, run)
    assert len((await payout_lines.plan_lines(desk.conn, run, 10, PLENTY)).ops) == 1


APPROVE = """INSERT INTO payout_approval (run_id, made_by, submitted_by, lines_hash, approved_by)
             SELECT id, made_by, submitted_by, {hash}, $2 FROM payout_run WHERE id = $1"""


async def test_behind_the_programs_back_nobody_approves_what_they_made_or_submitted(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    await payouts.submit(desk.conn, desk.pia, run)
    for one in (desk.olu, desk.pia):
        with pytest.raises(asyncpg.CheckViolationError, match="maker_is_not_checker"):
            await behind(desk, APPROVE.format(hash="lines_hash"), run, one)
    # Nor does anybody become another maker or submitter, to be free to approve.
    for column in ("made_by", "submitted_by"):
        with refused("PR001"):
            other = desk.pia if column == "made_by" else desk.olu
            await behind(desk, f"UPDATE payout_run SET {column} = $2 WHERE id = $1", run, other)


async def test_behind_the_programs_back_an_approval_of_another_hash_is_none(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run = await submitted(desk)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await behind(desk, APPROVE.format(hash="sha256('other lines')"), run, desk.pia)
    # And that of another run does not serve.
    await payouts.approve(desk.conn, desk.pia, await submitted(desk))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await behind(desk, "UPDATE payout_run SET status = 'approved', approved_by = $2 WHERE id = $1", run, desk.pia)


EDITS = {
    "its hash": "lines_hash = sha256('mine')",
    "its minimum": "minimum = minimum + 1",
    "its caps": "most_in_all = 1000000",
    "its note": "note = 'harmless'",
    "that it was reopened": "reopened = false",
    "its maker": "made_by = submitted_by, submitted_by = made_by, submitted_at = submitted_at + interval '1 s'",
    "its currency": "currency = 'eur'",
    "its hash with its status": "status = 'approved', approved_by = made_by, lines_hash = sha256('mine')",
}


@pytest.mark.parametrize("edit", EDITS, ids=EDITS)
async def test_behind_the_programs_back_a_submitted_run_stays_as_it_is(desk: Desk, edit: str) -> None:
    await desk.earner("bo", 900)
    run = await submitted(desk)
    await payouts.reopen(desk.conn, desk.olu, run)
    await payouts.freeze(desk.conn, desk.olu, run)
    await payouts.submit(desk.conn, desk.olu, run)
    with refused("PR001"):
        await behind(desk, f"UPDATE payout_run SET {EDITS[edit]} WHERE id = $1", run)


@pytest.mark.parametrize("column", ["earned", "fee", "items", "rolled_over", "amount"])
async def test_behind_the_programs_back_a_frozen_line_keeps_what_the_approver_saw(desk: Desk, column: str) -> None:
    await desk.earner("bo", 900)
    await payouts.make(desk.conn, desk.olu, "usd", 1)
    with refused("PR001"):
        await behind(desk, f"UPDATE payout SET {column} = {column} + 1")


async def test_behind_the_programs_back_edited_lines_are_seen_by_their_hash(desk: Desk) -> None:
    """Even where the trigger that fixes the lines were gone."""
    await desk.conn.execute("ALTER TABLE payout DISABLE TRIGGER payout_fixed")
    await desk.earner("bo", 900)
    run = await submitted(desk)
    edit = desk.conn.transaction()
    await edit.start()
    await desk.conn.execute("UPDATE payout SET destination = 'acct_mine' WHERE run_id = $1", run)
    await desk.conn.execute(APPROVE.format(hash="lines_hash"), run, desk.pia)
    with refused("PR003"):
        await desk.conn.execute(
            "UPDATE payout_run SET status = 'approved', approved_by = $2 WHERE id = $1", run, desk.pia
        )
    await edit.rollback()
    await payouts.approve(desk.conn, desk.pia, run)
    await desk.conn.execute("UPDATE payout SET amount = 899 WHERE run_id = $1", run)
    with refused("PR003"):
        await behind(desk, EXECUTE, run, desk.olu)
    with pytest.raises(Changed):
        async with desk.conn.transaction():
            await payouts.execute(desk.conn, desk.olu, run)


async def test_behind_the_programs_back_an_expired_approval_executes_nothing(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run = await desk.approved()
    await clock.advance(desk.conn, payouts.APPROVAL_S)
    with refused("PR005"):
        await behind(desk, EXECUTE, run, desk.olu)
    # Nor is an approval made longer, or given for ever.
    with refused("PR001"):
        await behind(desk, "UPDATE payout_approval SET expires_at = market_now() + interval '1 day'")
    longest = """INSERT INTO payout_approval (run_id, made_by, submitted_by, lines_hash, approved_by, expires_at)
                 SELECT id, made_by, submitted_by, lines_hash, $2, market_now() + interval '1 year'
                 FROM payout_run WHERE id = $1"""
    await desk.conn.execute("DELETE FROM payout_approval")
    with pytest.raises(asyncpg.CheckViolationError, match="payout_approval_lasts"):
        await behind(desk, longest, run, desk.pia)
    # And without its approval an approved run is nothing that can be.
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await behind(desk, "SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize(
    ("jump", "code"),
    [
        ("status = 'approved', approved_by = made_by", "PR002"),
        ("status = 'executing', executed_by = made_by, executed_at = now()", "PR002"),
        ("status = 'done', finished_at = now()", "PR002"),
        ("status = 'partial', finished_at = now()", "PR002"),
    ],
)
async def test_behind_the_programs_back_a_run_skips_no_step(desk: Desk, jump: str, code: str) -> None:
    await desk.earner("bo", 900)
    run = await payouts.make(desk.conn, desk.olu, "usd", 1)
    with refused(code):
        await behind(desk, f"UPDATE payout_run SET {jump} WHERE id = $1", run)
    sent = await submitted(desk)
    if "approved" not in jump:
        with refused(code):
            await behind(desk, f"UPDATE payout_run SET {jump} WHERE id = $1", sent)


async def test_behind_the_programs_back_no_run_begins_further_on_than_as_a_draft(desk: Desk) -> None:
    with refused("PR002"):
        await behind(
            desk,
            """INSERT INTO payout_run (id, currency, minimum, made_by, status, lines_hash)
               VALUES (gen_random_uuid(), 'usd', 1, $1, 'frozen', sha256('x'))""",
            desk.olu,
        )

"""The moment that decides on a submission: it is accepted and paid, or rejected and its slot freed, once.

Who may decide, and when, is in submissions.py. The task's row is locked first, then all else.
"""

from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import cameras, events, ids, ledger, near, tasks
from market.errors import WrongState
from market.terms import Acceptance


async def lock(conn: asyncpg.Connection, submission: UUID, account: UUID | None = None) -> asyncpg.Record | None:
    """The submission with its task's terms; the task's row is locked, so its status here may be trusted."""
    task = await conn.fetchval(
        """SELECT t.id FROM task t JOIN submission s ON s.task_id = t.id
           WHERE s.id = $1 AND ($2::uuid IS NULL OR s.account_id = $2) FOR NO KEY UPDATE OF t""",
        submission, account,
    )  # fmt: skip
    if task is None:
        return None
    # Read in a statement of its own: the first one's snapshot may be older than the lock.
    return await conn.fetchrow(
        """SELECT s.*, t.mode, t.acceptance, t.evidence->>'photos' IS NOT NULL AS photographed, t.review_deadline_s,
                  c.reward, c.fee, t.top, t.top_fee, t.currency, t.lat, t.lon
           FROM submission s JOIN task t ON t.id = s.task_id JOIN claim c ON c.id = s.claim_id
           WHERE s.id = $1 AND t.id = $2""",
        submission, task,
    )  # fmt: skip


class Pay(NamedTuple):
    """What an accepted answer moves: to the person, to the market, and of what was held back to the buyer."""

    reward: int
    fee: int
    back: int


def pay_for(row: asyncpg.Record) -> Pay:
    """What the claim was promised; of it the declared part where there was nothing to answer, at least one unit."""
    reward, fee = row["reward"], row["fee"]
    if row["outcome"] == "honest_negative":
        acceptance = msgspec.convert(row["acceptance"], Acceptance)
        reward, fee = acceptance.of_negative(reward), fee * acceptance.honest_negative_percent // 100
    return Pay(reward, fee, row["top"] + row["top_fee"] - reward - fee)


def observed(id: str, coarse_lat: str, coarse_lon: str, locked: str = "false") -> str:
    """SQL: what was seen becomes the buyer's, where `s` and `t` are the rows of an accepted submission and its task."""
    return f"""
        INSERT INTO observation (id, submission_id, task_id, account_id, person_id, kind, outcome, captured_at,
            lat, lon, loc, coarse_lat, coarse_lon, license, exclusive_until, locked)
          SELECT {id}, s.id, s.task_id, s.account_id, s.person_id, t.kind, s.outcome,
            coalesce(s.captured_at, s.submitted_at), t.lat, t.lon, t.loc, {coarse_lat}, {coarse_lon},
            CASE WHEN (t.license->>'resale')::boolean THEN 'resale' ELSE 'exclusive' END,
            CASE WHEN (t.license->>'exclusive_s')::int > 0
              THEN market_now() + make_interval(secs => (t.license->>'exclusive_s')::int) END, {locked}
          FROM s JOIN t ON true RETURNING id"""


async def accept(
    conn: asyncpg.Connection, row: asyncpg.Record, actor: str, *, hold_s: int, bonus: int = 0, rating: int | None = None
) -> None:
    """Pay for the evidence, which becomes the buyer's observation. Raises WrongState when it has been decided."""
    submission, currency, pay = row["id"], row["currency"], pay_for(row)
    coarse = (None, None) if row["lat"] is None else near.coarse(row["lat"], row["lon"])
    done = await conn.fetchval(
        f"""WITH s AS (
             UPDATE submission SET status = 'accepted', decided_at = market_now(), decided_by = $2,
               bonus = $3, rating = $4
             WHERE id = $1 AND status IN ('checking', 'needs_review') RETURNING *),
           t AS (
             UPDATE task AS u SET claimed = u.claimed - 1, done = u.done + 1, version = u.version + 1,
               status = CASE WHEN u.done + 1 = u.quantity THEN 'completed' ELSE u.status END,
               closed_at = CASE WHEN u.done + 1 = u.quantity THEN coalesce(u.closed_at, market_now())
                                ELSE u.closed_at END
             FROM s WHERE u.id = s.task_id RETURNING u.*),
           o AS ({observed("$5", "$8", "$9")}),
           r AS (INSERT INTO receipt (observation_id) SELECT id FROM o),
           e AS (
             INSERT INTO earning (submission_id, person_id, amount, currency, release_at, fee)
               SELECT s.id, s.person_id, $10, t.currency, market_now() + make_interval(secs => $6), $11
               FROM s JOIN t ON true),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
               SELECT 'submission.accepted', s.account_id, s.person_id, 'submission', s.id, $2, $7::jsonb FROM s
               UNION ALL
               SELECT 'task.completed', s.account_id, NULL, 'task', s.task_id, $2, '{{}}'
               FROM s JOIN t ON t.done = t.quantity)
           SELECT 1 FROM s JOIN t ON true JOIN o ON true""",
        submission, actor, bonus, rating, ids.new(), hold_s, told(row) | {"reward": pay.reward + bonus},
        *coarse, pay.reward + bonus, pay.fee,
    )  # fmt: skip
    if done is None:
        raise WrongState
    await ledger.post(
        conn, "submission.accept", f"accept:{submission}",
        [
            (ledger.escrow(row["task_id"]), row["top"] + row["top_fee"]),
            (ledger.buyer(row["account_id"]), bonus - pay.back),
            (ledger.person(row["person_id"], "pending"), -(pay.reward + bonus)), (ledger.FEE_INCOME, -pay.fee),
        ],
        currency=currency, actor=actor, subject=("submission", submission),
    )  # fmt: skip
    await cameras.learn(conn, submission, row["person_id"])


async def reject(
    conn: asyncpg.Connection,
    row: asyncpg.Record,
    why: dict[str, Any],
    actor: str,
    *,
    verdict: dict[str, Any] | None = None,
) -> None:
    """Refuse the evidence, with the verdict that says so where it is new; its claim is over, and its slot free."""
    done = await conn.fetchval(
        # The claim before the submission, as everywhere.
        """WITH c AS (
             UPDATE claim SET status = 'rejected' WHERE id = $2 AND status = 'submitted' RETURNING id)
           UPDATE submission AS s SET status = 'rejected', decided_at = market_now(), decided_by = $3, rejection = $4,
             verdict = coalesce($5, s.verdict)
           FROM c WHERE s.id = $1 AND s.claim_id = c.id AND s.status IN ('checking', 'needs_review') RETURNING 1""",
        row["id"], row["claim_id"], actor, why, verdict,
    )  # fmt: skip
    if done is None:
        raise WrongState
    await events.append(
        conn, "submission.rejected", ("submission", row["id"]), actor, account=row["account_id"],
        person=row["person_id"],
        data=told(row) | {"failed_check": why["failed_check"], "reason_code": why["reason_code"]},
    )  # fmt: skip
    await cameras.drop(conn, row["id"])
    await tasks.free_slot(conn, row["task_id"], because=f"reject:{row['id']}", actor=actor)


def told(row: asyncpg.Record) -> dict[str, Any]:
    return {"task_id": ids.show("task", row["task_id"]), "outcome": row["outcome"]}

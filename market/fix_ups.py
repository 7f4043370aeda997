"""Fix-ups: a buyer who may decide asks the person to mend something within a time instead, at the price of the claim.

needs_review -> fix_up; its claim is active again, with the same nonce and code, until the fix-up ends. Handed in again
it is judged again: fix_up -> checking. Given up, or not mended in time, it is with the buyer as it was:
-> needs_review, or -> checking where photos were replaced meanwhile; those that were added go.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import msgspec

from market import cameras, contact_details, decisions, events, ids, keys, photos, review
from market.errors import ClaimOver, FixUpLimit, NotFound, NotMendable, WrongState
from market.terms import Strict

MOST = 2  # of one submission
SHORTEST_S, LONGEST_S = 600, 7 * 86_400

# SQL: the photos of claim `c`, as they are kept beside an answer; a photo that is sent again has another time.
_PHOTOS = """(SELECT coalesce(jsonb_agg(jsonb_build_object('n', p.n, 'sha256', encode(p.sha256, 'hex'),
    'uploaded_at', p.uploaded_at) ORDER BY p.n), '[]') FROM photo p WHERE p.claim_id = c.id)"""
# SQL: photo `p` of the claim of submission `s` is as it was when the fix-up of now was asked for.
UNTOUCHED = """EXISTS (
    SELECT FROM fix_up f JOIN submission_revision r ON r.submission_id = f.submission_id AND r.n = f.n
      CROSS JOIN jsonb_array_elements(r.photos) AS was
    WHERE f.submission_id = s.id AND f.ended IS NULL AND (was->>'n')::int = p.n
      AND was->>'sha256' = encode(p.sha256, 'hex') AND (was->>'uploaded_at')::timestamptz = p.uploaded_at)"""


class Asking(Strict, frozen=True, kw_only=True):
    """What is to be mended, by a check that the task declared or a reason code, in words, and within how long."""

    failed_check: str | None = None
    reason_code: review.ReasonCode | None = None
    comment: Annotated[str, msgspec.Meta(min_length=3, max_length=2000)]
    within_s: Annotated[int, msgspec.Meta(ge=SHORTEST_S, le=LONGEST_S, examples=[86_400])]


class FixUp(msgspec.Struct, frozen=True):
    """A fix-up that is asked for now. left: how many more the buyer may ask for."""

    failed_check: str | None
    reason_code: str | None
    comment: str
    asked_at: datetime
    until: datetime
    left: int


async def ask(conn: asyncpg.Connection, actor: keys.Actor, submission: str, asked: Asking) -> None:
    """Give the evidence back to be mended. Raises NotFound, WrongState, ReasonRequired, ContactDetails,
    FixUpLimit, NotMendable."""
    row = await decisions.lock(conn, ids.read("submission", submission), actor.owner)
    if row is None:
        raise NotFound("There is no such submission.")
    review.require_review(row)
    review.require_reason(row, asked.failed_check, asked.reason_code)
    contact_details.require_none(asked.comment, "/comment")
    before = await conn.fetchrow(
        """SELECT (SELECT count(*) FROM fix_up f WHERE f.submission_id = s.id) AS fix_ups, c.device_id
           FROM submission s JOIN claim c ON c.id = s.claim_id WHERE s.id = $1""",
        row["id"],
    )
    if before["device_id"] is not None:
        raise NotMendable
    if before["fix_ups"] >= MOST:
        raise FixUpLimit
    done = await conn.fetchrow(
        # The claim before the submission, as everywhere.
        f"""WITH c AS (
             UPDATE claim SET status = 'active', ended_at = NULL, expires_at = market_now() + make_interval(secs => $3)
             WHERE id = $2 AND status = 'submitted' RETURNING id, expires_at),
           s AS (
             UPDATE submission s SET status = 'fix_up', review_by = NULL FROM c
             WHERE s.id = $1 AND s.claim_id = c.id AND s.status = 'needs_review' RETURNING s.*),
           f AS (
             INSERT INTO fix_up (submission_id, n, failed_check, reason_code, comment, until)
               SELECT s.id, $4, $5, $6, $7, c.expires_at FROM s, c RETURNING submission_id, n)
           INSERT INTO submission_revision
               (submission_id, n, outcome, answers, readings, notes, photos, verdict, submitted_at)
             SELECT f.submission_id, f.n, s.outcome, s.answers, s.readings, s.notes, {_PHOTOS}, s.verdict,
               s.submitted_at FROM f, s, c
           RETURNING (SELECT expires_at FROM c) AS until""",
        row["id"], row["claim_id"], asked.within_s, before["fix_ups"] + 1, asked.failed_check, asked.reason_code,
        asked.comment,
    )  # fmt: skip
    if done is None:
        raise WrongState
    await events.append(
        conn, "submission.fix_up", ("submission", row["id"]), actor.name, account=row["account_id"],
        person=row["person_id"],
        data=decisions.told(row) | {
            "failed_check": asked.failed_check, "reason_code": asked.reason_code, "until": done["until"].isoformat(),
        },
    )  # fmt: skip


async def hand_in(conn: asyncpg.Connection, person: UUID, claim: UUID, given: dict[str, Any]) -> UUID:
    """Hand the mended answer in; from now on it is being judged again. given: outcome, answers, readings, notes.

    Raises ClaimOver.
    """
    submission: UUID | None = await conn.fetchval(
        """WITH c AS (
             UPDATE claim SET status = 'submitted', ended_at = market_now()
             WHERE id = $1 AND person_id = $2 AND status = 'active' AND expires_at > market_now() RETURNING id),
           s AS (
             UPDATE submission s SET status = 'checking', outcome = $3, answers = $4, readings = $5, notes = $6,
               submitted_at = market_now(), verdict = NULL, captured_at = NULL
             FROM c WHERE s.claim_id = c.id AND s.status = 'fix_up' RETURNING s.*),
           f AS (
             UPDATE fix_up f SET ended = 'mended', ended_at = market_now() FROM s
             WHERE f.submission_id = s.id AND f.ended IS NULL),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor)
               SELECT 'submission.mended', account_id, $2, 'submission', id, 'person:' || $2::uuid FROM s)
           SELECT id FROM s""",
        claim, person, given["outcome"], given["answers"], given["readings"], given["notes"],
    )  # fmt: skip
    if submission is None:
        raise ClaimOver
    await cameras.drop(conn, submission)  # what the photos before claimed
    return submission


async def end(conn: asyncpg.Connection, claim: UUID, because: str, actor: str) -> tuple[bool, UUID | None]:
    """End the fix-up of a claim whose task the caller has locked: whether there was one, and the submission that is to
    be judged again, where photos were replaced. because: `given_up` or `overdue`."""
    held = await conn.fetchval(
        """UPDATE claim c SET status = 'submitted', ended_at = market_now() FROM submission s
           WHERE c.id = $1 AND c.status = 'active' AND s.claim_id = c.id AND s.status = 'fix_up' RETURNING s.id""",
        claim,
    )
    if held is None:
        return False, None
    # In a statement of its own: while the claim was active, a photo may have come that the one before did not see.
    await _drop_added(conn, claim)
    row = await conn.fetchrow(
        f"""WITH was AS (
             SELECT s.id, {_PHOTOS} <> r.photos AS changed, t.review_deadline_s
             FROM submission s JOIN claim c ON c.id = s.claim_id JOIN task t ON t.id = s.task_id
               JOIN fix_up f ON f.submission_id = s.id AND f.ended IS NULL
               JOIN submission_revision r ON r.submission_id = f.submission_id AND r.n = f.n
             WHERE s.id = $1),
           f AS (
             UPDATE fix_up SET ended = $2, ended_at = market_now() WHERE submission_id = $1 AND ended IS NULL)
           UPDATE submission s SET
             status = CASE WHEN changed THEN 'checking' ELSE 'needs_review' END::submission_status,
             submitted_at = CASE WHEN changed THEN market_now() ELSE s.submitted_at END,
             verdict = CASE WHEN NOT changed THEN s.verdict END,
             captured_at = CASE WHEN NOT changed THEN s.captured_at END,
             review_by = CASE WHEN NOT changed THEN market_now() + make_interval(secs => was.review_deadline_s) END
           FROM was WHERE s.id = was.id AND s.status = 'fix_up' RETURNING s.*, was.changed""",
        held, because,
    )  # fmt: skip
    await events.append(
        conn, "submission.not_mended", ("submission", held), actor, account=row["account_id"], person=row["person_id"],
        data=decisions.told(row) | {"because": because},
    )  # fmt: skip
    if not row["changed"]:
        return True, None
    await cameras.drop(conn, held)
    return True, held


async def _drop_added(conn: asyncpg.Connection, claim: UUID) -> None:
    """What was added to be handed in and never was is nobody's to see: photos with numbers that there were not."""
    rows = await conn.fetch(
        """DELETE FROM photo p USING submission s, fix_up f, submission_revision r
           WHERE p.claim_id = $1 AND s.claim_id = $1 AND f.submission_id = s.id AND f.ended IS NULL
             AND r.submission_id = s.id AND r.n = f.n
             AND NOT EXISTS (SELECT FROM jsonb_array_elements(r.photos) AS was WHERE (was->>'n')::int = p.n)
           RETURNING p.n, p.sha256, p.blurred""",
        claim,
    )
    numbers = [row["n"] for row in rows]
    frames = await conn.fetch(
        "DELETE FROM photo_frame WHERE claim_id = $1 AND n = ANY ($2::smallint[]) RETURNING sha256", claim, numbers
    )
    await conn.execute("DELETE FROM photo_motion WHERE claim_id = $1 AND n = ANY ($2::smallint[])", claim, numbers)
    names = [row["sha256"] for row in (*rows, *frames)] + [row["blurred"] for row in rows if row["blurred"]]
    await photos.doom(conn, names)


async def end_due(conn: asyncpg.Connection, limit: int = 50) -> tuple[int, list[UUID]]:
    """End fix-ups whose time is over: how many, and what is to be judged again. Safe to run anywhere at once."""
    due = await conn.fetch(
        """SELECT s.claim_id FROM fix_up f JOIN submission s ON s.id = f.submission_id JOIN task t ON t.id = s.task_id
           WHERE f.ended IS NULL AND f.until <= market_now() ORDER BY t.id LIMIT $1
           FOR NO KEY UPDATE OF t SKIP LOCKED""",
        limit,
    )
    ended = [await end(conn, each["claim_id"], "overdue", "market") for each in due]
    return len(due), [again for _, again in ended if again is not None]


async def of_claim(conn: asyncpg.Connection, claim: UUID) -> FixUp | None:
    """What is to be mended in a claim, and until when."""
    return show(await conn.fetchrow(f"SELECT {COLUMN} AS fix_up FROM submission s WHERE s.claim_id = $1", claim))


# SQL: the fix-up of submission `s` that is asked for now, as JSON; else null.
COLUMN = f"""(SELECT jsonb_build_object('failed_check', f.failed_check, 'reason_code', f.reason_code,
    'comment', f.comment, 'asked_at', f.asked_at, 'until', f.until, 'left', {MOST} - f.n)
  FROM fix_up f WHERE f.submission_id = s.id AND f.ended IS NULL)"""


def show(row: asyncpg.Record | None) -> FixUp | None:
    """The fix-up of a row with COLUMN as `fix_up`."""
    return None if row is None or row["fix_up"] is None else msgspec.convert(row["fix_up"], FixUp)

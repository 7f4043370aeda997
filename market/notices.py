"""What people are to be told by mail, since it waits for them and not for ever: read from the log, each once.

Told is what somebody else did to an answer of theirs: a fix-up, a rejection by the buyer, a dispute, a decision on
either; and that they were drawn to review somebody's. What a machine finds at once they see where they handed in.
"""

from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from market import ids
from market.money import Money

AT_ONCE = 100
_TYPES = "('submission.fix_up', 'submission.rejected', 'appeal.opened', 'appeal.decided', 'review.invited')"


class Notice(NamedTuple):
    """One mail to be written. kind: the event's type · page: where to go on, an id · reward: what the answer pays, or
    paid · until: the end of the fix-up, of the time for words, or of the review · paid, owed: by a decision, now and
    once the buyer has it."""

    email: str
    kind: str
    title: str
    page: str
    reward: Money
    until: datetime | None
    paid: Money | None
    owed: Money | None = None


async def take(conn: asyncpg.Connection, limit: int = AT_ONCE) -> tuple[int, list[Notice]]:
    """Read on in the log: how many events there were, and what is to be told. One caller at a time, others get none."""
    place = await conn.fetchrow("SELECT xid::text AS xid, seq FROM notice_cursor FOR UPDATE SKIP LOCKED")
    if place is None:
        return 0, []
    events = await conn.fetch(
        f"""SELECT xid::text AS xid, seq, type, actor, subject_id, person_id, data FROM event
            WHERE type IN {_TYPES} AND (xid, seq) > ($1::text::xid8, $2)
              AND xid < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xid, seq LIMIT $3""",
        place["xid"], place["seq"], limit,
    )  # fmt: skip
    if not events:
        return 0, []
    await conn.execute(
        "UPDATE notice_cursor SET xid = $1::text::xid8, seq = $2", events[-1]["xid"], events[-1]["seq"]
    )  # fmt: skip
    told = [await _notice(conn, each) for each in events if _is_told(each)]
    return len(events), [each for each in told if each is not None]


def _is_told(event: asyncpg.Record) -> bool:
    if event["type"] == "submission.rejected":
        return str(event["actor"]).startswith("agent:")
    return bool(event["type"] != "appeal.opened" or event["data"]["by"] == "buyer")


async def _notice(conn: asyncpg.Connection, event: asyncpg.Record) -> Notice | None:
    """None where it is not so any more, or where there is nobody to be told."""
    if event["type"] == "review.invited":
        return await _invitation(conn, event)
    data: dict[str, Any] = event["data"]
    appeal = event["type"].startswith("appeal.")
    row = await conn.fetchrow(
        """SELECT p.email, t.title, t.currency, s.id, s.status::text AS status, c.reward, a.answer_by, f.until
           FROM submission s JOIN person p ON p.id = s.person_id AND p.erased_at IS NULL
             JOIN task t ON t.id = s.task_id JOIN claim c ON c.id = s.claim_id
             LEFT JOIN appeal a ON a.submission_id = s.id
             LEFT JOIN fix_up f ON f.submission_id = s.id AND f.ended IS NULL
           WHERE s.id = $1""",
        ids.read("submission", data["submission_id"]) if appeal else event["subject_id"],
    )
    now = {"submission.fix_up": "fix_up", "submission.rejected": "rejected", "appeal.opened": "disputed"}
    if row is None or not row["email"] or row["status"] != now.get(event["type"], row["status"]):
        return None
    decided, currency = event["type"] == "appeal.decided", row["currency"]
    return Notice(
        row["email"], event["type"], row["title"], ids.show("submission", row["id"]), Money(row["reward"], currency),
        row["until"] if event["type"] == "submission.fix_up" else row["answer_by"],
        Money(data["paid"], currency) if decided else None, Money(data["owed"], currency) if decided else None,
    )  # fmt: skip


async def _invitation(conn: asyncpg.Connection, event: asyncpg.Record) -> Notice | None:
    """That somebody was drawn to review what is contested, while it is."""
    row = await conn.fetchrow(
        """SELECT p.email, t.title, t.currency, a.decide_by FROM appeal a JOIN task t ON t.id = a.task_id
             JOIN person p ON p.id = $2 AND p.erased_at IS NULL WHERE a.id = $1 AND a.status = 'open'""",
        event["subject_id"], event["person_id"],
    )  # fmt: skip
    if row is None or not row["email"]:
        return None
    page = ids.show("appeal", event["subject_id"])
    return Notice(row["email"], event["type"], row["title"], page, Money(0, row["currency"]), row["decide_by"], None)

"""Review: the buyer's decision on evidence, with a reason that the task declared; nobody deciding in time accepts."""

from typing import Annotated, Literal, get_args

import asyncpg
import msgspec

from market import contact_details, decisions, ids, keys, ledger, tasks, thanks
from market.errors import NotFound, ReasonRequired, WrongState
from market.terms import Acceptance, Strict

ReasonCode = Literal["not_what_was_asked", "unreadable", "wrong_answer", "incomplete"]
# What a buyer who would decide is told of a submission that is not with them.
NOT_WITH_YOU = {
    "checking": "The submission is being checked; `submission.needs_review` or another event tells what comes of it.",
    "fix_up": "The submission is being mended, until `fix_up.until`; then it is with you again.",
    "accepted": "The submission is accepted. What the machine or the deadline accepted may be disputed, or thanked for "
    "with a bonus or a rating, while its pay is in the hold window.",
    "rejected": "The submission is rejected. Its person may appeal; else that is final.",
    "disputed": "It is disputed: POST /v1/disputes/{id}/statements takes your words, and the review decides.",
}


class Rejecting(Strict, frozen=True, kw_only=True):
    """Why a buyer rejects: a check that the task declared, or a reason code; and what to say to the person."""

    failed_check: str | None = None
    reason_code: ReasonCode | None = None
    comment: Annotated[str, msgspec.Meta(min_length=3, max_length=2000)]


async def accept(
    conn: asyncpg.Connection,
    actor: keys.Actor,
    submission: str,
    *,
    hold_s: int,
    bonus: int = 0,
    rating: int | None = None,
) -> None:
    """The buyer takes the evidence: it is paid, and becomes an observation. What was accepted before is thanked for.

    Raises NotFound, WrongState, PaidOut, OverCap.
    """
    row = await decisions.lock(conn, ids.read("submission", submission), actor.owner)
    if row is None:
        raise NotFound("There is no such submission.")
    late = row["status"] == "accepted" and (bonus > 0 or rating is not None)
    if not late:
        require_review(row)
    if bonus:
        # After the task's row, as everywhere: the other way round, a raise of the same task would wait for this.
        await keys.spend(conn, actor, bonus, one_task=bonus + await tasks.cost(conn, row["task_id"]))
    if late:
        await thanks.give(conn, row, actor.name, bonus=bonus, rating=rating)
    else:
        await decisions.accept(conn, row, actor.name, hold_s=hold_s, bonus=bonus, rating=rating)


async def reject(conn: asyncpg.Connection, actor: keys.Actor, submission: str, why: Rejecting) -> None:
    """The buyer refuses the evidence, for a reason that the task declared.

    Raises NotFound, WrongState, ReasonRequired, ContactDetails.
    """
    row = await decisions.lock(conn, ids.read("submission", submission), actor.owner)
    if row is None:
        raise NotFound("There is no such submission.")
    require_review(row)
    require_reason(row, why.failed_check, why.reason_code)
    contact_details.require_none(why.comment, "/comment")
    await decisions.reject(conn, row, msgspec.to_builtins(why), actor.name)


def require_review(row: asyncpg.Record) -> None:
    """Raise WrongState unless the submission is with its buyer. row: of decisions.lock."""
    if row["status"] != "needs_review":
        raise WrongState(NOT_WITH_YOU[row["status"]])


def require_reason(
    row: asyncpg.Record, failed_check: str | None, reason_code: str | None, *, contested: bool = False
) -> None:
    """Raise ReasonRequired unless either is cited: a check only where the task declared it, and it has not passed.

    row: of decisions.lock. contested: what the checks found is contested itself, so one that passed may be cited.
    """
    if (failed_check is None) == (reason_code is None):
        raise ReasonRequired(
            "Cite either `failed_check`, a check that the task declared, or `reason_code`, one of "
            f"{', '.join(get_args(ReasonCode))}.", pointer="/reason_code" if failed_check is None else "/failed_check",
        )  # fmt: skip
    if failed_check is None:
        return
    declared = msgspec.convert(row["acceptance"], Acceptance).declared
    if failed_check not in declared:
        raise ReasonRequired(
            f"The task declared these checks: {', '.join(declared) or 'none'}.", pointer="/failed_check"
        )
    found = {each["name"]: each["status"] for each in (row["verdict"] or {}).get("checks", [])}
    if not contested and found.get(failed_check) == "pass":
        raise ReasonRequired(
            f"The check {failed_check} passed. Cite one that did not, or a `reason_code` for what you see yourself.",
            pointer="/failed_check",
        )


async def accept_overdue(conn: asyncpg.Connection, *, hold_s: int, limit: int = 50) -> int:
    """Accept what nobody reviewed in time; how many."""
    due = await conn.fetch(
        """SELECT s.id, s.person_id, t.id AS task_id, t.currency FROM submission s JOIN task t ON t.id = s.task_id
           WHERE s.status = 'needs_review' AND s.review_by <= market_now()
           ORDER BY t.id LIMIT $1 FOR NO KEY UPDATE OF t SKIP LOCKED""",
        limit,
    )
    escrows = {(ledger.escrow(each["task_id"]), each["currency"]) for each in due}
    await ledger.lock(conn, escrows | {(ledger.person(each["person_id"], "pending"), each["currency"]) for each in due})
    for each in due:
        row = await decisions.lock(conn, each["id"])
        if row is not None and row["status"] == "needs_review":
            await decisions.accept(conn, row, "deadline", hold_s=hold_s)
    return len(due)

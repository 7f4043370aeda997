"""Appeals by people and disputes by buyers: opened once for a submission, with both sides' words, then reviewed.

A person appeals a rejection, by the buyer or by machine: rejected -> disputed. A buyer disputes what was accepted
without them, by machine or by the deadline, while its pay is not released: accepted -> disputed. Nobody reads the
evidence meanwhile but its person and who reviews it (second_reviews.py). How it ends, and who is paid what: awards.py.
"""

from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import (
    awards,
    claims,
    contact_details,
    decisions,
    events,
    ids,
    keys,
    ledger,
    membership,
    review,
    stakes,
    tasks,
    verdicts,
)
from market.awards import Decision
from market.errors import (
    AlreadyAnswered,
    AlreadyAppealed,
    AppealTooLate,
    Invalid,
    NotFound,
    OwnDecision,
    PaidOut,
    StatementLimit,
    UsedAlready,
    WordsOver,
    WrongState,
)
from market.terms import MOST_PHOTOS, Strict

APPEAL_S = 72 * 3600  # after a rejection
ANSWER_S = 48 * 3600  # in which both sides may speak
DECIDE_S = 14 * 86_400  # after which nobody has decided
MOST_STATEMENTS = 5  # of each side

Words = Annotated[str, msgspec.Meta(min_length=3, max_length=2000, examples=["The door says closed: see photo 2."])]
PhotoNumbers = Annotated[
    list[Annotated[int, msgspec.Meta(ge=1, le=MOST_PHOTOS)]], msgspec.Meta(max_length=MOST_PHOTOS, examples=[[2]])
]


# SQL: whether the person of the submission $1 has as many other answers in its round as one may have, or one in a
# series that wants another person each time.
_ANSWERED_SINCE = f"""(SELECT {membership.by_another("mine.person_id")} OR coalesce(task.per_person, 1) <= (
    SELECT count(*) FROM claim c WHERE c.task_id = mine.task_id AND c.person_id = mine.person_id
      AND c.round = mine.round AND c.id <> mine.id AND {membership.COUNTS})
  FROM submission s JOIN claim mine ON mine.id = s.claim_id JOIN task ON task.id = mine.task_id WHERE s.id = $1)"""


class Appealing(Strict, frozen=True, kw_only=True):
    """Why a rejection is wrong."""

    words: Words


class Disputing(Strict, frozen=True, kw_only=True):
    """What is wrong with evidence that was accepted: a check that the task declared or a reason code, and words."""

    failed_check: str | None = None
    reason_code: review.ReasonCode | None = None
    words: Words


class Saying(Strict, frozen=True, kw_only=True):
    """A statement. photos: the numbers of those that it speaks of."""

    words: Words
    photos: PhotoNumbers = []


async def appeal(conn: asyncpg.Connection, person: UUID, submission: str, words: str) -> UUID:
    """Contest a rejection, in its first 72 hours; the appeal's id.

    Not beside another answer that counts, or may yet: one answer would be paid twice. Raises NotFound, WrongState,
    AlreadyAppealed, AppealTooLate, AlreadyAnswered, UsedAlready, ContactDetails.
    """
    # As whoever claims does: so the one that comes second sees the other.
    await claims.lock_person(conn, person)
    row = await decisions.lock(conn, ids.read("submission", submission))
    if row is None or row["person_id"] != person:
        raise NotFound("There is no such submission.")
    await _require_first(conn, row["id"])
    if row["status"] != "rejected":
        raise WrongState(f"The submission is {row['status'].replace('_', ' ')}.")
    if await conn.fetchval(
        "SELECT $1::timestamptz + make_interval(secs => $2) < market_now()", row["decided_at"], APPEAL_S
    ):
        raise AppealTooLate
    if await conn.fetchval(f"SELECT {_ANSWERED_SINCE}", row["id"]):
        raise AlreadyAnswered("You have answered since, or hold a claim to: only one of your answers is paid.")
    await _require_unsold(conn, row["claim_id"])
    by_machine, why = row["decided_by"] == "market", row["rejection"]
    # Nobody shall know from the words whether it was the buyer or the machine.
    comment = verdicts.sentence(why["failed_check"], "fail") if by_machine else why["comment"]
    opened = await _open(
        conn, row, "person", "market" if by_machine else "buyer",
        why["failed_check"], why["reason_code"], comment, actor=f"person:{person}",
    )  # fmt: skip
    await _say(conn, opened, "person", words, [])
    if not by_machine:
        await stakes.put(conn, row, opened, stakes.bond_for(row["reward"]), paid=False, actor=f"person:{person}")
    return opened


async def at_stake(conn: asyncpg.Connection, account: UUID, currency: str) -> int:
    """What an account may yet have to pay for answers that it rejected itself, and for which nothing is held: one of a
    person in each round, less what its task's free slots hold."""
    found: int = await conn.fetchval(
        """WITH contestable AS (
             SELECT s.task_id, max(c.reward + c.fee) AS due
             FROM submission s JOIN claim c ON c.id = s.claim_id JOIN task t ON t.id = s.task_id
             LEFT JOIN appeal a ON a.submission_id = s.id
           WHERE s.account_id = $1 AND t.currency = $2 AND (
             s.status = 'rejected' AND a.id IS NULL AND s.decided_by LIKE 'agent:%'
               AND s.decided_at + make_interval(secs => $3) >= market_now()
             OR s.status = 'disputed' AND a.stake = 'none' AND a.against = 'buyer')
             GROUP BY s.task_id, s.person_id, c.round)
           SELECT coalesce(sum(due), 0)::bigint FROM (
             SELECT e.due, row_number() OVER (PARTITION BY e.task_id ORDER BY e.due DESC)
               > CASE WHEN t.status = 'open' THEN t.quantity - t.claimed - t.done ELSE 0 END AS uncovered
             FROM contestable e JOIN task t ON t.id = e.task_id) AS each WHERE uncovered""",
        account, currency, APPEAL_S,
    )  # fmt: skip
    return found


async def may_appeal(conn: asyncpg.Connection, submission: UUID) -> bool:
    """Whether its person may contest a submission now."""
    found: bool = await conn.fetchval(
        f"""SELECT status = 'rejected' AND decided_at + make_interval(secs => $2) >= market_now()
             AND NOT EXISTS (SELECT FROM appeal a WHERE a.submission_id = s.id) AND NOT {_ANSWERED_SINCE}
           FROM submission s WHERE s.id = $1""",
        submission, APPEAL_S,
    )  # fmt: skip
    return found


async def dispute(conn: asyncpg.Connection, actor: keys.Actor, submission: str, given: Disputing) -> UUID:
    """Contest an acceptance by machine or by the deadline, before its pay is released; the dispute's id.

    Raises NotFound, AlreadyAppealed, WrongState, OwnDecision, ReasonRequired, OverCap, AccountHeld, PaidOut,
    UsedAlready, ContactDetails.
    """
    row = await decisions.lock(conn, ids.read("submission", submission), actor.owner)
    if row is None:
        raise NotFound("There is no such submission.")
    await _require_first(conn, row["id"])
    if row["status"] != "accepted":
        raise WrongState(f"The submission is {row['status'].replace('_', ' ')}.")
    if row["decided_by"] not in ("market", "deadline") or row["bonus"] or row["rating"] is not None:
        raise OwnDecision
    review.require_reason(row, given.failed_check, given.reason_code, contested=True)
    bond = stakes.bond_for(row["reward"])
    await keys.spend(conn, actor, bond, one_task=bond + await tasks.cost(conn, row["task_id"]))
    opened = await _open(
        conn, row, "buyer", row["decided_by"], given.failed_check, given.reason_code, given.words, actor=actor.name
    )
    contested = await conn.fetchval(
        "UPDATE earning SET contested = true WHERE id = $1 AND released_at IS NULL RETURNING true", row["id"]
    )
    if contested is None:
        raise PaidOut
    observation = await conn.fetchval(
        "UPDATE observation SET locked = true WHERE submission_id = $1 AND NOT locked RETURNING id", row["id"]
    )
    # In a statement of its own: whoever was putting it into something held its row until now.
    if await conn.fetchval(
        """SELECT EXISTS (SELECT FROM dataset_item WHERE observation_id = $1)
             OR EXISTS (SELECT FROM listing_item WHERE observation_id = $1)""",
        observation,
    ):
        raise UsedAlready
    await _say(conn, opened, "buyer", given.words, [])
    await stakes.put(conn, row, opened, bond, paid=True, actor=actor.name)
    return opened


async def _require_first(conn: asyncpg.Connection, submission: UUID) -> None:
    if await conn.fetchval("SELECT true FROM appeal WHERE submission_id = $1", submission):
        raise AlreadyAppealed


async def _require_unsold(conn: asyncpg.Connection, claim: UUID) -> None:
    """What a device measured and was refused may have been sold to others since, to one of them alone perhaps."""
    if await conn.fetchval(
        """SELECT true FROM device_sale mine JOIN device_sale s ON s.device_id = mine.device_id
             AND s.quantity = mine.quantity AND s.claim_id > mine.claim_id AND (s.alone OR mine.alone)
             JOIN claim c ON c.id = s.claim_id AND c.status IN ('submitted', 'awarded')
           WHERE mine.claim_id = $1 LIMIT 1""",
        claim,
    ):
        raise UsedAlready("What your device measured has been sold to somebody else since.")


async def _open(
    conn: asyncpg.Connection, row: asyncpg.Record, side: str, against: str, failed_check: str | None,
    reason_code: str | None, comment: str, *, actor: str,
) -> UUID:  # fmt: skip
    """Note it, the submission disputed from now on."""
    opened: UUID | None = await conn.fetchval(
        """WITH s AS (
             UPDATE submission SET status = 'disputed'
             WHERE id = $2 AND status = $3::text::submission_status RETURNING *)
           INSERT INTO appeal (id, submission_id, task_id, account_id, person_id, side, against, failed_check,
               reason_code, comment, stake, answer_by, decide_by)
             SELECT $1, s.id, s.task_id, s.account_id, s.person_id, $4, $5, $6, $7, $8, $9::text::appeal_stake,
               market_now() + make_interval(secs => $10), market_now() + make_interval(secs => $11) FROM s
           RETURNING id""",
        ids.new(), row["id"], row["status"], side, against, failed_check, reason_code, comment,
        "paid" if side == "buyer" else "none", ANSWER_S, DECIDE_S,
    )  # fmt: skip
    if opened is None:
        raise WrongState
    await events.append(
        conn, "appeal.opened", ("appeal", opened), actor, account=row["account_id"], person=row["person_id"],
        data={"submission_id": ids.show("submission", row["id"]), "by": side},
    )  # fmt: skip
    return opened


# ---- words


async def say(conn: asyncpg.Connection, appeal_: str, given: Saying, *, account: UUID | None = None,
              person: UUID | None = None) -> None:  # fmt: skip
    """A statement of one side. Raises NotFound, WordsOver, StatementLimit, ContactDetails, Invalid: no such photo."""
    row = await conn.fetchrow(
        """SELECT a.*, a.status = 'open' AND a.answer_by > market_now() AS speaking, s.claim_id
           FROM appeal a JOIN submission s ON s.id = a.submission_id
           WHERE a.id = $1 AND (a.account_id = $2 OR a.person_id = $3) FOR NO KEY UPDATE OF a""",
        ids.read("appeal", appeal_), account, person,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such dispute.")
    if not row["speaking"]:
        raise WordsOver
    there = await conn.fetch("SELECT n FROM photo WHERE claim_id = $1", row["claim_id"])
    if missing := set(given.photos) - {each["n"] for each in there}:
        raise Invalid(f"The submission has no photo {min(missing)}.", pointer="/photos")
    side = "buyer" if account is not None else "person"
    await _say(conn, row["id"], side, given.words, sorted(set(given.photos)))
    await events.append(
        conn, "appeal.statement", ("appeal", row["id"]), f"{side}:{account or person}", account=row["account_id"],
        person=row["person_id"], data={"submission_id": ids.show("submission", row["submission_id"]), "by": side},
    )  # fmt: skip


async def _say(conn: asyncpg.Connection, appeal_: UUID, side: str, words: str, photos: list[int]) -> None:
    """Whoever calls holds the appeal's row, so that statements are counted one after another.

    Those who review are not to be reached, nor to learn who wrote.
    """
    contact_details.require_none(words, "/words")
    said = await conn.fetchval(
        "SELECT count(*) FROM appeal_statement WHERE appeal_id = $1 AND side = $2", appeal_, side
    )
    if said >= MOST_STATEMENTS:
        raise StatementLimit
    await conn.execute(
        "INSERT INTO appeal_statement (appeal_id, side, n, words, photos) VALUES ($1, $2, $3, $4, $5)",
        appeal_, side, said + 1, words, photos,
    )  # fmt: skip


# ---- what nobody decides


def unreviewed(row: asyncpg.Record) -> Decision:
    """What holds when nobody has reviewed in time: as ever, what a buyer did not get confirmed is paid; what a machine
    found stands."""
    stands = row["side"] == "person" and row["against"] == "market"
    return Decision(0 if stands else 100, "Nobody reviewed it in time.", "deadline")


async def decide_due(conn: asyncpg.Connection, *, hold_s: int, limit: int = 20) -> int:
    """Decide what nobody has reviewed in time; how many. Safe to run anywhere at once."""
    due = await conn.fetch(
        """SELECT a.*, t.currency FROM appeal a JOIN task t ON t.id = a.task_id
           WHERE a.status = 'open' AND a.decide_by <= market_now() ORDER BY t.id LIMIT $1
           FOR NO KEY UPDATE OF t SKIP LOCKED""",
        limit,
    )
    await ledger.lock(conn, touched(due))
    decided = 0
    for each in due:
        if await conn.fetchval("SELECT true FROM appeal WHERE id = $1 AND status = 'open'", each["id"]):
            await awards.decide(conn, each["id"], unreviewed(each), hold_s=hold_s)
            decided += 1
    return decided


def touched(rows: list[asyncpg.Record]) -> set[tuple[str, str]]:
    """The ledger accounts that money moves between when appeals end; rows have task, account, person, currency."""
    return {
        (code, row["currency"])
        for row in rows
        for code in (
            ledger.escrow(row["task_id"]), ledger.buyer(row["account_id"]), ledger.person(row["person_id"], "pending")
        )
    }  # fmt: skip


async def withdraw_all(conn: asyncpg.Connection, person: UUID) -> int:
    """Whoever leaves contests nothing, and nothing of theirs can be reviewed: money goes back; how many.

    The caller has locked their tasks.
    """
    rows = await conn.fetch(
        "SELECT id FROM appeal WHERE person_id = $1 AND status = 'open' ORDER BY task_id, id", person
    )
    for row in rows:
        left = Decision(0, awards.WITHDRAWN, f"person:{person}", withdrawn=True)
        await awards.decide(conn, row["id"], left, hold_s=0)
    await conn.execute(
        """UPDATE appeal_statement s SET words = '' FROM appeal a
           WHERE a.id = s.appeal_id AND s.side = 'person' AND a.person_id = $1""",
        person,
    )
    await conn.execute("UPDATE appeal_review SET reason = '' WHERE person_id = $1", person)
    return len(rows)

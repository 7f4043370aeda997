"""The blind second review of a contested decision, by an operator or by two other people who were drawn and agree.

Whoever reviews sees the task, the evidence as its buyer would, what was objected and both sides' words: not who they
are, nor whether it was the buyer or the machine that decided. Two people who disagree leave it to an operator.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from market import awards, contact_details, decisions, ids, photos, reviewers, tasks, verdicts
from market.appeals import Words
from market.awards import Decision
from market.errors import NotFound, NotInReview, PartyToIt, ReviewTaken, WrongState
from market.terms import Acceptance, Evidence, Place, Strict

REVIEWERS = 2


class Deciding(Strict, frozen=True, kw_only=True):
    """An operator's decision: how much of the pay is the person's, and why, which both sides read."""

    award_percent: Annotated[int, msgspec.Meta(ge=0, le=100, examples=[100])]
    reason: Words


class Reviewing(Strict, frozen=True, kw_only=True):
    """A person's opinion: all of it, or nothing; and why."""

    award_percent: Literal[0, 100]
    reason: Words


class Waiting(msgspec.Struct, frozen=True):
    """A review that waits. disagreed: two people have reviewed it and were not of one mind."""

    id: str
    title: str
    kind: str
    decide_by: datetime
    disagreed: bool


class Objection(msgspec.Struct, frozen=True):
    """What is said against the evidence: the check or the reason that is cited, and words."""

    about: str
    words: str


class Said(msgspec.Struct, frozen=True):
    """A statement. side: `for` the evidence or `against` it."""

    side: str
    words: str
    photos: list[int]


class Case(msgspec.Struct, frozen=True):
    """What a reviewer sees. stage: `words` while both sides may still speak, `review`, or `over`.

    photos: their numbers; each lies at …/photos/{n} under the case. award_percent, reason: once it is decided.
    """

    id: str
    stage: str
    decide_by: datetime
    kind: str
    title: str
    instructions: str
    purpose: str
    place: Place | None
    evidence: Evidence
    acceptance: Acceptance
    outcome: str
    answers: dict[str, Any]
    readings: list[dict[str, Any]] | None
    notes: str
    photos: list[int]
    checks: list[dict[str, Any]]
    objection: Objection
    statements: list[Said]
    award_percent: int | None
    reason: str | None


_SELECT = """SELECT a.id, a.decide_by, a.failed_check, a.reason_code, a.comment, a.award_percent, a.reason,
    CASE WHEN a.status <> 'open' THEN 'over' WHEN a.answer_by > market_now() THEN 'words' ELSE 'review' END AS stage,
    s.outcome, s.answers, s.readings, s.notes, s.verdict, t.kind, t.title, t.instructions, t.purpose, t.lat, t.lon,
    t.radius_m, t.evidence, t.acceptance,
    (SELECT coalesce(array_agg(p.n ORDER BY p.n), '{}') FROM photo p WHERE p.claim_id = s.claim_id) AS photos
  FROM appeal a JOIN submission s ON s.id = a.submission_id JOIN task t ON t.id = a.task_id"""
# SQL: as many as decide have reviewed appeal `a`, and were not of one mind.
DISAGREED = f"(SELECT count(*) FROM appeal_review r WHERE r.appeal_id = a.id) >= {REVIEWERS}"


async def listed(conn: asyncpg.Connection, *, before: str | None, limit: int, is_open: bool | None) -> list[Waiting]:
    """For operators: what both sides have spoken on and waits, what is decided, or all; newest first."""
    rows = await conn.fetch(
        f"""SELECT a.id, a.decide_by, t.title, t.kind, a.status = 'open' AND {DISAGREED} AS disagreed
            FROM appeal a JOIN task t ON t.id = a.task_id
            WHERE ($1::uuid IS NULL OR a.id < $1) AND ($3::bool IS NULL OR $3 = (a.status = 'open'))
              AND (a.status <> 'open' OR a.answer_by <= market_now()) ORDER BY a.id DESC LIMIT $2""",
        before and ids.read("appeal", before), limit, is_open,
    )  # fmt: skip
    return [_waiting(row) for row in rows]


async def for_person(conn: asyncpg.Connection, person: UUID, *, limit: int) -> list[Waiting]:
    """What a person may review now, the most urgent first."""
    rows = await conn.fetch(
        f"""SELECT a.id, a.decide_by, t.title, t.kind, false AS disagreed FROM appeal a JOIN task t ON t.id = a.task_id
            WHERE a.status = 'open' AND a.answer_by <= market_now() AND NOT {DISAGREED} AND {reviewers.MAY}
              AND NOT EXISTS (SELECT FROM appeal_review r WHERE r.appeal_id = a.id AND r.person_id = $1)
            ORDER BY a.decide_by LIMIT $2""",
        person, limit,
    )  # fmt: skip
    return [_waiting(row) for row in rows]


def _waiting(row: asyncpg.Record) -> Waiting:
    return Waiting(ids.show("appeal", row["id"]), row["title"], row["kind"], row["decide_by"], row["disagreed"])


async def case(conn: asyncpg.Connection, appeal: str) -> Case:
    """What an operator reviews. Raises NotFound."""
    row = await conn.fetchrow(f"{_SELECT} WHERE a.id = $1", ids.read("appeal", appeal))
    if row is None:
        raise NotFound("There is no such review.")
    return await _case(conn, row)


async def case_for(conn: asyncpg.Connection, person: UUID, appeal: str) -> Case:
    """What a person reviews, who was drawn. Raises NotFound, ReviewTaken."""
    await _require_open_to(conn, person, ids.read("appeal", appeal))
    return await case(conn, appeal)


async def _require_open_to(conn: asyncpg.Connection, person: UUID, appeal: UUID) -> None:
    row = await conn.fetchrow(
        f"""SELECT a.status = 'open' AS is_open, {DISAGREED}
                OR EXISTS (SELECT FROM appeal_review r WHERE r.appeal_id = a.id AND r.person_id = $1) AS taken
            FROM appeal a WHERE a.id = $2 AND {reviewers.MAY}""",
        person, appeal,
    )  # fmt: skip
    if row is None or not row["is_open"]:
        raise NotFound("There is no such review.")
    if row["taken"]:
        raise ReviewTaken


async def _case(conn: asyncpg.Connection, row: asyncpg.Record) -> Case:
    said = await conn.fetch(
        # In no order of time: who spoke first would tell who contests. Nor what whoever disputes objected with, which
        # stands among their statements: twice it would be theirs.
        """SELECT side, words, photos FROM appeal_statement
           WHERE appeal_id = $1 AND NOT (side = 'buyer' AND n = 1 AND words = $2) ORDER BY side DESC, n""",
        row["id"], row["comment"],
    )  # fmt: skip
    verdict = None if row["verdict"] is None else verdicts.for_buyer(row["verdict"])
    return Case(
        ids.show("appeal", row["id"]), row["stage"], row["decide_by"], row["kind"], row["title"], row["instructions"],
        row["purpose"], tasks.place_of(row), msgspec.convert(row["evidence"], Evidence),
        msgspec.convert(row["acceptance"], Acceptance), row["outcome"], row["answers"], row["readings"],
        # Answers are the evidence, whatever they say; notes are words to whoever reads them.
        "" if contact_details.found(row["notes"]) else row["notes"],
        row["photos"], [] if verdict is None else verdict["checks"],
        Objection(row["failed_check"] or row["reason_code"], row["comment"]),
        [Said("for" if each["side"] == "person" else "against", each["words"], each["photos"]) for each in said],
        row["award_percent"], row["reason"],
    )  # fmt: skip


async def photo(conn: asyncpg.Connection, appeal: str, n: int, *, person: UUID | None = None) -> photos.Kept:
    """One photo of the evidence, for an operator or for a `person` who may review it. Raises NotFound, Erased, …"""
    if person is not None:
        await _require_open_to(conn, person, ids.read("appeal", appeal))
    return await photos.find(
        conn, "s.id = (SELECT submission_id FROM appeal WHERE id = $2)", n, ids.read("appeal", appeal)
    )


async def decide(conn: asyncpg.Connection, operator: UUID, appeal: str, given: Deciding, *, hold_s: int) -> None:
    """An operator decides. Raises NotFound, PartyToIt, NotInReview, ContactDetails, WrongState when it
    is over."""
    appeal_id = ids.read("appeal", appeal)
    contact_details.require_none(given.reason, "/reason")
    row = await conn.fetchrow(
        """SELECT a.status = 'open' AS is_open, a.answer_by <= market_now() AS in_review,
             EXISTS (SELECT FROM operator o, account b, person p WHERE o.id = $2 AND b.id = a.account_id
               AND p.id = a.person_id AND lower(o.email) IN (lower(b.email), lower(p.email))) AS party
           FROM appeal a WHERE a.id = $1""",
        appeal_id, operator,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such review.")
    if row["party"]:
        raise PartyToIt
    if not row["is_open"]:
        raise WrongState("It has been decided.")
    if not row["in_review"]:
        raise NotInReview
    decision = Decision(given.award_percent, given.reason, f"operator:{operator}")
    await awards.decide(conn, appeal_id, decision, hold_s=hold_s)


async def give_opinion(conn: asyncpg.Connection, person: UUID, appeal: str, given: Reviewing, *, hold_s: int) -> bool:
    """A person's opinion; with a second one of the same mind it is decided: whether it is.

    Raises NotFound, ReviewTaken, ContactDetails.
    """
    appeal_id = ids.read("appeal", appeal)
    contact_details.require_none(given.reason, "/reason")
    # The task first, as whoever decides does; opinions on one appeal then come one after the other.
    await decisions.lock(conn, await conn.fetchval("SELECT submission_id FROM appeal WHERE id = $1", appeal_id))
    await _require_open_to(conn, person, appeal_id)
    before = await conn.fetch("SELECT person_id, award_percent FROM appeal_review WHERE appeal_id = $1", appeal_id)
    contesting = await conn.fetchval("SELECT person_id FROM appeal WHERE id = $1", appeal_id)
    if not await reviewers.are_apart(conn, [person, *(each["person_id"] for each in before)], contesting):
        raise NotFound("There is no such review.")
    await conn.execute(
        "INSERT INTO appeal_review (appeal_id, n, person_id, award_percent, reason) VALUES ($1, $2, $3, $4, $5)",
        appeal_id, len(before) + 1, person, given.award_percent, given.reason,
    )  # fmt: skip
    agreed = [each["award_percent"] for each in before] == [given.award_percent]
    if agreed:
        await awards.decide(conn, appeal_id, Decision(given.award_percent, given.reason, "people"), hold_s=hold_s)
    return agreed


async def submission_of(conn: asyncpg.Connection, appeal: str) -> UUID:
    """The submission that an appeal is about. Raises NotFound."""
    found: UUID | None = await conn.fetchval(
        "SELECT submission_id FROM appeal WHERE id = $1", ids.read("appeal", appeal)
    )
    if found is None:
        raise NotFound("There is no such review.")
    return found

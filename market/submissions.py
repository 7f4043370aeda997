"""Submissions: evidence comes in, is judged, accepted or rejected, and paid.

checking -> needs_review | accepted | rejected; needs_review -> accepted | rejected. Nobody reviewing in time: accepted.
What may come between or after is in fix_ups.py and appeals.py.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from market import (
    captures,
    claim_photos,
    decisions,
    devices,
    events,
    fix_ups,
    ids,
    instruments,
    photos,
    tasks,
    verdicts,
)
from market.errors import ClaimOver, EvidenceMissing, Invalid, NotFound
from market.money import Money
from market.terms import Acceptance, Evidence, Strict


class Answering(Strict, frozen=True, kw_only=True):
    """What a person submits for a claim, beside the photos uploaded before. `readings` is a SenML pack (RFC 8428)."""

    answers: Annotated[dict[str, Any], msgspec.Meta(max_length=50)] = {}
    readings: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=10_000)] | None = None
    notes: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    outcome: Literal["done", "honest_negative"] = "done"


# What is kept of answers and readings, given what is asked, when they came, and how many photos there are. Raises for
# what could only be rejected.
Fitting = Callable[[Answering, Evidence, datetime, int], Answering]


# SQL: the buyer reads nothing of the evidence of submission `s`: it was refused, is contested, or is not paid for.
LOCKED = """(s.status IN ('rejected', 'disputed')
  OR EXISTS (SELECT FROM observation l WHERE l.submission_id = s.id AND l.locked))"""


class PhotoView(msgspec.Struct, frozen=True):
    """A photo. sha256: of the file as it came, which receipts name too; copies have hashes of their own."""

    n: int
    sha256: str
    links: dict[str, str]


class Submission(msgspec.Struct, frozen=True):
    """Evidence and what became of it. A buyer reads of the verdict what market/verdicts.py passes on.

    reward, fee: what it pays or has paid to the person, without the bonus, and to the market. fix_up: what is to be
    mended, while it is. dispute_id: of the appeal or dispute about it, also one that is over. observation_id: what it
    became once accepted.
    """

    id: str
    task_id: str
    claim_id: str
    status: str
    outcome: str
    answers: dict[str, Any]
    readings: list[dict[str, Any]] | None
    notes: str
    photos: list[PhotoView]
    submitted_at: datetime
    review_by: datetime | None
    decided_at: datetime | None
    verdict: dict[str, Any] | None
    rejection: dict[str, Any] | None
    reward: Money
    fee: Money
    bonus: Money
    rating: int | None
    fix_up: fix_ups.FixUp | None = None
    dispute_id: str | None = None
    observation_id: str | None = None


class ToJudge(msgspec.Struct, frozen=True):
    """All that judging needs, in plain values.

    around: what came with each photo; signers: the devices that its captures name; recent: where the person's captures
    for other claims were; earlier: where they said to be in the day before. instrument: the device that measured;
    beside: what others measured at the same place. country: of the address that claimed, where that is known.
    """

    id: UUID
    task_id: UUID
    person_id: UUID
    account_id: UUID
    outcome: str
    answers: dict[str, Any]
    readings: list[dict[str, Any]] | None
    submitted_at: datetime
    place: dict[str, float] | None
    evidence: Evidence
    acceptance: Acceptance
    claimed_at: datetime
    expires_at: datetime
    nonce: str
    claim_fix: dict[str, float] | None
    others: list[dict[str, Any]]
    photos: list[claim_photos.Photo]
    claim_id: UUID
    around: dict[int, captures.Around]
    signers: list[devices.Device]
    recent: list[captures.Seen]
    earlier: list[captures.Seen]
    instrument: instruments.Instrument | None
    beside: list[instruments.Pack]
    country: str | None


async def submit(
    conn: asyncpg.Connection, person: UUID, claim: str, given: Answering, *, fitting: Fitting | None = None
) -> UUID:
    """Hand in a claim's evidence, or mend what was handed in; from now on it is being judged.

    Raises ClaimOver, EvidenceMissing, Invalid.

    What can be refused, also by `fitting`, is refused before anything is written: the event log waits for whoever has
    written and not yet committed. What is asked never changes, and photos only become more, so it holds for the write.
    """
    claim_id = ids.read("claim", claim)
    given, mended = await _require_fitting(conn, person, claim_id, given, fitting)
    if mended:
        return await fix_ups.hand_in(conn, person, claim_id, msgspec.structs.asdict(given))
    submission: UUID | None = await conn.fetchval(
        """WITH over AS (
             UPDATE claim SET status = 'submitted', ended_at = market_now()
             WHERE id = $1 AND person_id = $2 AND status = 'active' AND expires_at > market_now() RETURNING *),
           new AS (
             INSERT INTO submission (id, claim_id, task_id, person_id, account_id, outcome, answers, readings, notes)
               SELECT $3, over.id, over.task_id, $2, t.account_id, $4, $5, $6, $7
               FROM over JOIN task t ON t.id = over.task_id RETURNING *),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
               SELECT 'submission.received', account_id, $2, 'submission', id, 'person:' || $2::uuid, $8::jsonb
               FROM new)
           SELECT id FROM new""",
        claim_id, person, ids.new(), given.outcome, given.answers, given.readings, given.notes, {},
    )  # fmt: skip
    if submission is None:
        raise ClaimOver
    return submission


async def _require_fitting(
    conn: asyncpg.Connection, person: UUID, claim: UUID, given: Answering, fitting: Fitting | None
) -> tuple[Answering, bool]:
    """What is to be kept of it, and whether it mends what is there; refuses what could only be rejected. Only reads."""
    row = await conn.fetchrow(
        """SELECT c.status = 'active' AND c.expires_at > market_now() AS active, t.evidence, t.acceptance,
             market_now() AS now, (SELECT count(*) FROM photo p WHERE p.claim_id = c.id) AS photos,
             EXISTS (SELECT FROM submission s WHERE s.claim_id = c.id) AS mended
           FROM claim c JOIN task t ON t.id = c.task_id WHERE c.id = $1 AND c.person_id = $2""",
        claim, person,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such claim.")
    if not row["active"]:
        raise ClaimOver
    evidence, acceptance = msgspec.convert(row["evidence"], Evidence), msgspec.convert(row["acceptance"], Acceptance)
    if given.outcome == "honest_negative" and not acceptance.pay_honest_negative:
        raise Invalid("This task does not pay for an honest negative: release the claim instead.", pointer="/outcome")
    kept = given if fitting is None else fitting(given, evidence, row["now"], row["photos"])
    lacking = missing_photos(evidence, given.outcome, row["photos"])
    if lacking is not None:
        raise EvidenceMissing(lacking, pointer="/photos")
    if evidence.readings and given.outcome == "done" and not given.readings:
        raise EvidenceMissing("The task asks for readings.", pointer="/readings")
    return kept, row["mended"]


def missing_photos(evidence: Evidence, outcome: str, uploaded: int) -> str | None:
    """What is said where fewer photos were uploaded than are owed; None where there are enough."""
    if evidence.photos is None:
        return None
    owed = evidence.photos.min if outcome == "done" else 1
    if uploaded >= owed:
        return None
    return f"The task asks for {owed} photo{'s' if owed > 1 else ''}; {uploaded} came. Upload them before handing in."


async def to_judge(conn: asyncpg.Connection, submission: UUID, *, again: bool = False) -> ToJudge | None:
    """What there is to judge; None when it has been judged already (a job may run twice), unless `again` is asked."""
    row = await conn.fetchrow(
        """SELECT s.*, t.evidence, t.acceptance, t.lat AS t_lat, t.lon AS t_lon, t.radius_m,
                  coalesce(c.since, c.created_at) AS claimed_at, c.expires_at, c.device_id,
                  c.nonce, c.lat, c.lon, c.accuracy_m, c.country,
                  (SELECT coalesce(json_agg(answers), '[]')::text FROM (SELECT a.answers FROM submission a
                     WHERE a.task_id = s.task_id AND a.person_id <> s.person_id AND a.status = 'accepted'
                       AND a.outcome = 'done' AND a.submitted_at BETWEEN s.submitted_at - interval '1 day'
                         AND s.submitted_at AND t.evidence->'questions' <> '[]'
                     ORDER BY a.id DESC LIMIT 50) AS of_late) AS others
           FROM submission s JOIN task t ON t.id = s.task_id JOIN claim c ON c.id = s.claim_id
           WHERE s.id = $1 AND (s.status = 'checking' OR $2)""",
        submission, again,
    )  # fmt: skip
    if row is None:
        return None
    taken = await claim_photos.of(conn, row["claim_id"])
    signers = {each.capture["device"] for each in taken if each.capture is not None and "device" in each.capture}
    return ToJudge(
        row["id"], row["task_id"], row["person_id"], row["account_id"], row["outcome"], row["answers"],
        row["readings"], row["submitted_at"],
        None if row["t_lat"] is None else {"lat": row["t_lat"], "lon": row["t_lon"], "radius_m": row["radius_m"]},
        msgspec.convert(row["evidence"], Evidence), msgspec.convert(row["acceptance"], Acceptance),
        row["claimed_at"], row["expires_at"], row["nonce"],
        None if row["lat"] is None else {"lat": row["lat"], "lon": row["lon"], "accuracy_m": row["accuracy_m"]},
        msgspec.json.decode(row["others"], type=list[dict[str, Any]]), taken, row["claim_id"],
        await captures.around(conn, row["claim_id"]), await devices.named(conn, sorted(signers)),
        await captures.recent(conn, row["person_id"], row["claim_id"], row["submitted_at"]) if taken else [],
        await captures.earlier(conn, row["claim_id"]) if row["device_id"] is None else [],
        await instruments.of_device(conn, row["device_id"]), await instruments.beside(conn, row["id"]),
        row["country"],
    )  # fmt: skip


async def judge(
    conn: asyncpg.Connection,
    submission: UUID,
    verdict: dict[str, Any],
    *,
    failed_check: str | None,
    hold_s: int,
    captured_at: datetime | None = None,
    of: datetime | None = None,
) -> str | None:
    """Apply a verdict: pass accepts in auto mode, a failed declared check rejects, all else goes to the buyer.

    verdict: {score, outcome, version, checks}; captured_at: the evidence's own time, where it is believed; of: when
    what was judged was handed in. Returns the new status; None when somebody was first, or it was mended meanwhile.
    """
    row = await decisions.lock(conn, submission)
    if row is None or row["status"] != "checking" or (of is not None and row["submitted_at"] != of):
        return None
    failed = verdict["outcome"] == "fail"
    # Nothing was seen where no photo is asked and nothing is there: such a negative is the buyer's to believe.
    seen = row["outcome"] == "done" or row["photographed"]
    passed = verdict["outcome"] == "pass" and row["mode"] == "auto" and seen
    if failed:
        detail = next((c["detail"] for c in verdict["checks"] if c["name"] == failed_check), "")
        why = {"failed_check": failed_check, "reason_code": None, "comment": detail}
        await decisions.reject(conn, row, why, "market", verdict=verdict)
        return "rejected"
    done = await conn.fetchval(
        """UPDATE submission SET verdict = $2, captured_at = $5,
             status = CASE WHEN $3 THEN 'needs_review'::submission_status ELSE status END,
             review_by = CASE WHEN $3 THEN market_now() + make_interval(secs => $4) END
           WHERE id = $1 AND status = 'checking' RETURNING 1""",
        submission, verdict, not passed, row["review_deadline_s"], captured_at,
    )  # fmt: skip
    if done is None:
        return None
    if passed:
        await decisions.accept(conn, row, "market", hold_s=hold_s)
        return "accepted"
    await events.append(
        conn, "submission.needs_review", ("submission", submission), "market", account=row["account_id"],
        person=row["person_id"], data=decisions.told(row),
    )  # fmt: skip
    return "needs_review"


async def get(
    conn: asyncpg.Connection, submission: str, *, account: UUID | None = None, person: UUID | None = None
) -> Submission:
    """One submission of the account's tasks, or of the person."""
    found = await _fetch(
        conn, "s.id = $1 AND ($2::uuid IS NULL OR s.account_id = $2) AND ($3::uuid IS NULL OR s.person_id = $3)",
        ids.read("submission", submission), account, person,
    )  # fmt: skip
    if not found or (account is None and person is None):
        raise NotFound("There is no such submission.")
    return _show(found[0]) if person is not None else _for_buyer(found[0])


async def of_task(
    conn: asyncpg.Connection, account: UUID, task: str, *, before: str | None, limit: int
) -> list[Submission]:
    """What came in for a task, newest first."""
    await tasks.get(conn, account, task)
    found = await _fetch(
        conn, "s.task_id = $1 AND ($2::uuid IS NULL OR s.id < $2) ORDER BY s.id DESC LIMIT $3",
        ids.read("task", task), before and ids.read("submission", before), limit,
    )  # fmt: skip
    return [_for_buyer(each) for each in found]


def _for_buyer(row: asyncpg.Record) -> Submission:
    """What was refused or is contested is not paid for, so the buyer reads why, and nothing of what was found. What is
    being mended is theirs to read as it was, without photos that were replaced: the new ones are not handed in yet."""
    seen, refused = _show(row, untouched=row["status"] == "fix_up"), row["locked"]
    verdict = None if seen.verdict is None else verdicts.for_buyer(seen.verdict, refused=refused)
    told = None if seen.rejection is None else verdicts.rejection_for_buyer(seen.rejection, row["decided_by"])
    seen = msgspec.structs.replace(seen, verdict=verdict, rejection=told)
    return msgspec.structs.replace(seen, answers={}, readings=None, notes="", photos=[]) if refused else seen


async def of_person(conn: asyncpg.Connection, person: UUID, *, before: str | None, limit: int) -> list[Submission]:
    """What a person has handed in, newest first."""
    found = await _fetch(
        conn, "s.person_id = $1 AND ($2::uuid IS NULL OR s.id < $2) ORDER BY s.id DESC LIMIT $3",
        person, before and ids.read("submission", before), limit,
    )  # fmt: skip
    return [_show(each) for each in found]


async def _fetch(conn: asyncpg.Connection, where: str, *given: Any) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await conn.fetch(
        f"""SELECT s.*, t.currency, t.acceptance, t.top, t.top_fee, c.reward, c.fee, {LOCKED} AS locked,
              (SELECT e.amount FROM earning e WHERE e.id = s.id) AS earned, {fix_ups.COLUMN} AS fix_up,
              (SELECT a.id FROM appeal a WHERE a.submission_id = s.id) AS appeal,
              (SELECT json_agg(json_build_object('n', p.n, 'sha256', encode(p.sha256, 'hex'),
                'untouched', s.status <> 'fix_up' OR {fix_ups.UNTOUCHED})
              ORDER BY p.n)::text FROM photo p WHERE p.claim_id = s.claim_id) AS photos,
              (SELECT e.fee FROM earning e WHERE e.id = s.id) AS earned_fee,
              (SELECT o.id FROM observation o WHERE o.submission_id = s.id) AS observation
            FROM submission s JOIN task t ON t.id = s.task_id JOIN claim c ON c.id = s.claim_id WHERE {where}""",
        *given,
    )
    return rows


def _show(row: asyncpg.Record, *, untouched: bool = False) -> Submission:
    """A row of `_fetch`; untouched: only photos that were handed in, and not those that have replaced some since."""
    public = ids.show("submission", row["id"])
    found = msgspec.json.decode(row["photos"], type=list[dict[str, Any]]) if row["photos"] else []
    pay = decisions.pay_for(row)
    reward, fee = (pay.reward, pay.fee) if row["earned"] is None else (row["earned"] - row["bonus"], row["earned_fee"])
    return Submission(
        public, ids.show("task", row["task_id"]), ids.show("claim", row["claim_id"]), row["status"], row["outcome"],
        row["answers"], row["readings"], row["notes"],
        [
            PhotoView(p["n"], p["sha256"], {
                variant: f"/v1/submissions/{public}/photos/{p['n']}?variant={variant}"
                for variant in ("display", "thumb")
            })
            for p in found if p["untouched"] or not untouched
        ],
        row["submitted_at"], row["review_by"], row["decided_at"], row["verdict"], row["rejection"],
        Money(reward, row["currency"]), Money(fee, row["currency"]), Money(row["bonus"], row["currency"]),
        row["rating"], fix_ups.show(row), None if row["appeal"] is None else ids.show("appeal", row["appeal"]),
        None if row["observation"] is None else ids.show("observation", row["observation"]),
    )  # fmt: skip


async def photo(
    conn: asyncpg.Connection, submission: str, n: int, *, account: UUID | None = None, person: UUID | None = None
) -> photos.Kept:
    """One photo, for the buyer while it is theirs to see, or for the person. Raises NotFound, Erased."""
    return await photos.find(
        conn,
        f"""s.id = $2 AND ((s.account_id = $3 AND NOT {LOCKED} AND (s.status IN ('needs_review', 'accepted')
                OR s.status = 'fix_up' AND {fix_ups.UNTOUCHED}))
              OR s.person_id = $4)""", n,
        ids.read("submission", submission), account, person,
    )  # fmt: skip

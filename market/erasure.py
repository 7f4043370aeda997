"""Erasure: what is personal goes, at once where it is a row, soon after where it is a file; what is owed stays owed.

What remains is a person without name and address, to whom the ledger, earnings and payouts refer; the answers and
readings that buyers have paid for, which say something about places; and what photos looked like, with no link to
anybody, so that no one else sells those pictures. What is for sale of theirs is withdrawn.

In progress: claims are given back, and what nobody has decided on is withdrawn. It cannot be kept, so it cannot be
sold; the slot is free again for others, and the person, who is told before, is not paid for it. So it is with what is
mended or contested: nobody could review it.
"""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from market import (
    appeals,
    cameras,
    claims,
    decisions,
    devices,
    events,
    ids,
    ledger,
    listings,
    payout_accounts,
    photos,
    tasks,
)
from market.errors import NotFound, WrongState
from market.money import Money

WITHDRAWN = {
    "failed_check": None,
    "reason_code": "withdrawn",
    "comment": "Whoever handed this in has left and had it removed. Nothing is paid for it; the slot is free again.",
}


# SQL: a likeness `h` without what leads to its person: by its task and its moment it could be told whose it was.
_UNLINKED = """person_id = NULL, submission_id = NULL, task_id = NULL,
             submitted_at = date_trunc('day', h.submitted_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"""


class Erasure(msgspec.Struct, frozen=True):
    """What was erased. owed: what is still paid out to the account at Stripe, as before."""

    photos: int
    claims_released: int
    submissions_withdrawn: int
    observations: int
    devices: int
    sessions: int
    owed: list[Money]


async def owed(conn: asyncpg.Connection, person: UUID) -> list[Money]:
    """What the market owes a person, in each currency: pending, payable and held together, less what is contested, and
    awards that their buyers have not had yet."""
    codes = [ledger.person(person, part) for part in ("pending", "payable", "held")]
    rows = await conn.fetch(
        """SELECT currency, sum(amount)::bigint AS amount FROM (
             SELECT currency, normal * posted AS amount FROM ledger_account WHERE code = ANY ($1::text[])
             UNION ALL SELECT currency, -amount FROM earning WHERE person_id = $2 AND contested
             UNION ALL SELECT t.currency, a.owed FROM appeal a JOIN task t ON t.id = a.task_id
               WHERE a.person_id = $2 AND a.owed > 0 AND a.collected_at IS NULL) AS parts
           GROUP BY currency HAVING sum(amount) > 0 ORDER BY currency""",
        codes, person,
    )  # fmt: skip
    return [Money(row["amount"], row["currency"]) for row in rows]


async def erase(conn: asyncpg.Connection, person: UUID, *, leave_unpaid: bool = False) -> Erasure:
    """Erase a person; the bytes are only doomed, see photos.doom. Raises NotFound for somebody who is erased already.

    Raises WrongState when something is owed that could then never be paid, for want of an account to pay it to, unless
    `leave_unpaid`.
    """
    email = await conn.fetchval("SELECT email FROM person WHERE id = $1 AND erased_at IS NULL", person)
    if email is not None:
        # As for signing in, so that no session is opened while this goes on.
        await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('login:' || lower($1), 0))", email)
    # The person before their tasks, as claiming does.
    if not await conn.fetchval("SELECT true FROM person WHERE id = $1 AND erased_at IS NULL FOR NO KEY UPDATE", person):
        raise NotFound("There is no such person.")
    still_owed = await owed(conn, person)
    if still_owed and not leave_unpaid and await payout_accounts.find(conn, person) is None:
        raise WrongState(
            "You have earned money and named no account to pay it to, which only you can do. Set up payouts first, or "
            "send `leave_unpaid: true` to leave it behind."
        )
    # What is for sale before tasks and money, as a sale has it.
    await listings.withdraw(conn, "o.person_id = $1", person, "market")
    # Devices first: a batch that is being taken in holds its device's row, so what it brings is there afterwards.
    devices = await _devices(conn, person)
    released, withdrawn = await _stop_work(conn, person)
    gone = await _photos(conn, person)
    await cameras.forget(conn, person)
    observed = await _evidence(conn, person)
    sessions = await _self(conn, person, str(email))
    await events.append(
        conn, "person.erased", ("person", person), f"person:{person}", person=person,
        data={"photos": gone, "claims": released, "submissions": withdrawn, "devices": devices},
    )  # fmt: skip
    return Erasure(gone, released, withdrawn, observed, devices, sessions, still_owed)


async def _stop_work(conn: asyncpg.Connection, person: UUID) -> tuple[int, int]:
    """Give back the person's claims, withdraw what is not decided; how many of each."""
    rows = await conn.fetch(
        # Tasks in id order, as wherever several are locked.
        """SELECT t.id, t.id AS task_id, t.status, t.account_id, t.currency, $1::uuid AS person_id,
             EXISTS (SELECT FROM appeal a WHERE a.task_id = t.id AND a.person_id = $1 AND a.status = 'open') AS appealed
           FROM task t WHERE id IN (
             SELECT task_id FROM claim WHERE person_id = $1 AND status IN ('active', 'submitted')
             UNION ALL SELECT task_id FROM appeal WHERE person_id = $1 AND status = 'open')
           ORDER BY t.id FOR NO KEY UPDATE""",
        person,
    )
    ended = tasks.touched([row for row in rows if row["status"] != "open"])
    await ledger.lock(conn, ended | appeals.touched([row for row in rows if row["appealed"]]))
    contested = await appeals.withdraw_all(conn, person)
    released = await claims.release_all(conn, person)
    undecided = await conn.fetch(
        """SELECT id FROM submission WHERE person_id = $1 AND status IN ('checking', 'needs_review')
           ORDER BY task_id, id""",
        person,
    )
    for each in undecided:
        row = await decisions.lock(conn, each["id"])
        if row is not None:
            await decisions.reject(conn, row, WITHDRAWN, f"person:{person}")
    return released, len(undecided) + contested


async def _photos(conn: asyncpg.Connection, person: UUID) -> int:
    """Let go of the person's photos and all that was taken with them; how many there were."""
    await conn.execute(
        """UPDATE dataset d SET erased = d.erased + lost.photos FROM (
             SELECT i.dataset_id, sum((SELECT count(*) FROM photo p WHERE p.claim_id = s.claim_id)) AS photos
             FROM observation o JOIN submission s ON s.id = o.submission_id
               JOIN dataset_item i ON i.observation_id = o.id
             WHERE o.person_id = $1 GROUP BY i.dataset_id) AS lost
           WHERE d.id = lost.dataset_id""",
        person,
    )
    await conn.execute(
        """INSERT INTO event (type, account_id, subject_type, subject_id, actor, data)
             SELECT 'observation.erased', h.account_id, 'observation', o.id, 'market',
               jsonb_build_object('photos', count(*))
             FROM observation o JOIN submission s ON s.id = o.submission_id JOIN photo p ON p.claim_id = s.claim_id
               CROSS JOIN LATERAL (SELECT o.account_id UNION ALL
                 SELECT account_id FROM holding WHERE observation_id = o.id) h
             WHERE o.person_id = $1 GROUP BY o.id, h.account_id""",
        person,
    )
    rows = await conn.fetch(
        """WITH gone AS (
             DELETE FROM photo p USING claim c WHERE c.id = p.claim_id AND c.person_id = $1
             RETURNING p.claim_id, p.n, p.sha256, p.blurred),
           told AS (INSERT INTO photo_erased (claim_id, n) SELECT claim_id, n FROM gone ON CONFLICT DO NOTHING)
           SELECT sha256, blurred FROM gone""",
        person,
    )
    around = await conn.fetch(
        "DELETE FROM photo_frame f USING claim c WHERE c.id = f.claim_id AND c.person_id = $1 RETURNING f.sha256",
        person,
    )
    await conn.execute("DELETE FROM photo_motion m USING claim c WHERE c.id = m.claim_id AND c.person_id = $1", person)
    names = {row["sha256"] for row in rows} | {row["blurred"] for row in rows if row["blurred"] is not None}
    await photos.doom(conn, sorted(names | {row["sha256"] for row in around}))
    # What a judge saw in a picture goes with the picture, unless somebody else's is the same.
    await conn.execute(
        """DELETE FROM shows_opinion o WHERE o.photo_sha256 = ANY ($1::bytea[])
             AND NOT EXISTS (SELECT FROM photo p WHERE p.sha256 = o.photo_sha256)""",
        [row["sha256"] for row in rows],
    )
    return len(rows)


async def _evidence(conn: asyncpg.Connection, person: UUID) -> int:
    """Take out of what was handed in whatever tells of the person; how many observations remain, without them."""
    # What the photos looked like stays, and nothing that leads from it to the person.
    await conn.execute(f"UPDATE photo_hash h SET {_UNLINKED} WHERE person_id = $1", person)
    await conn.execute(
        "UPDATE claim SET lat = NULL, lon = NULL, accuracy_m = NULL, country = NULL WHERE person_id = $1", person
    )
    await conn.execute("DELETE FROM active_near WHERE person_id = $1", person)
    await conn.execute(
        """UPDATE submission SET notes = '', captured_at = NULL, verdict = jsonb_set(verdict, '{checks}', (
             SELECT coalesce(jsonb_agg(c || '{"detail": "", "data": {}}' ORDER BY i), '[]')
             FROM jsonb_array_elements(verdict->'checks') WITH ORDINALITY AS e (c, i)))
           WHERE person_id = $1 AND (notes <> '' OR verdict IS NOT NULL)""",
        person,
    )
    await conn.execute(
        "DELETE FROM submission_revision r USING submission s WHERE s.id = r.submission_id AND s.person_id = $1", person
    )
    await conn.execute(
        "DELETE FROM receipt r USING observation o WHERE o.id = r.observation_id AND o.person_id = $1", person
    )
    found: int = await conn.fetchval("SELECT count(*) FROM observation WHERE person_id = $1", person)
    return found


async def unlink_late(conn: asyncpg.Connection) -> None:
    """Unlink what was entered for somebody just after they were erased, by whoever was judging it then."""
    await conn.execute(
        f"""UPDATE photo_hash h SET {_UNLINKED} FROM person p
           WHERE p.erased_at > market_now() - interval '1 day' AND h.person_id = p.id"""
    )


async def _devices(conn: asyncpg.Connection, person: UUID) -> int:
    """Revoke the person's devices and forget their keys and places; how many."""
    found = await conn.fetch(
        """UPDATE device SET revoked_at = coalesce(revoked_at, market_now()), public_key = NULL, name = '', lat = NULL,
             lon = NULL, altitude_m = NULL, sensors = '[]' WHERE person_id = $1 RETURNING id""",
        person,
    )
    await conn.execute("DELETE FROM device_sale s USING device d WHERE d.id = s.device_id AND d.person_id = $1", person)
    await conn.execute(
        """UPDATE device_batch b SET body = '', signature = decode(repeat('00', 64), 'hex')
           FROM device d WHERE d.id = b.device_id AND d.person_id = $1""",
        person,
    )
    return len(found)


async def _self(conn: asyncpg.Connection, person: UUID, email: str) -> int:
    """Shut every door and empty what names the person; how many sessions were open."""
    ended = await conn.fetch(
        "UPDATE api_key SET revoked_at = market_now() WHERE person_id = $1 AND revoked_at IS NULL RETURNING id", person
    )
    await conn.execute("DELETE FROM login_code WHERE person_id = $1", person)
    await conn.execute("DELETE FROM appeal_reviewer WHERE person_id = $1", person)
    # What was asked of a task stays for whoever reads its answer; nobody is told by whom.
    await conn.execute("UPDATE task_question SET person_id = NULL WHERE person_id = $1", person)
    await conn.execute("DELETE FROM idempotency WHERE owner = $1", person)
    await conn.execute(
        """DELETE FROM mail WHERE lower(recipient) = lower($1) AND NOT EXISTS (
             SELECT FROM account WHERE lower(email) = lower($1))""",
        email,
    )
    # What Stripe was asked to open an account with; while it is being asked, it must still be known.
    await conn.execute(
        """UPDATE stripe_op SET params = params - 'email' - 'name'
           WHERE kind = 'recipient' AND subject_id = $1 AND status IN ('succeeded', 'rejected')""",
        person,
    )
    await conn.execute(
        """UPDATE person SET email = '', display_name = '', languages = '{}', erased_at = market_now()
           WHERE id = $1 AND erased_at IS NULL""",
        person,
    )
    return len(ended)


# ---- everything about oneself

_EXPORT = {
    "devices": """SELECT id, kind, name, public_key, lat, lon, altitude_m, sensors,
        created_at, revoked_at FROM device WHERE person_id = $1 ORDER BY id""",
    "device_sales": """SELECT s.device_id, s.claim_id, s.quantity, s.until, s.alone FROM device_sale s
        JOIN device d ON d.id = s.device_id WHERE d.person_id = $1 ORDER BY s.claim_id, s.quantity""",
    "claims": """SELECT id, task_id, status, lat, lon, accuracy_m, country, created_at, expires_at, ended_at
        FROM claim WHERE person_id = $1 ORDER BY id""",
    "active_near": """SELECT to_hex(cell) AS cell, last_at FROM active_near WHERE person_id = $1 ORDER BY cell""",
    "photos": """SELECT p.claim_id, p.n, encode(p.sha256, 'hex') AS sha256, p.bytes, p.media_type, p.capture, p.country,
        coalesce(p.blur, '[]') AS hidden, p.uploaded_at FROM photo p JOIN claim c ON c.id = p.claim_id
        WHERE c.person_id = $1 ORDER BY p.claim_id, p.n""",
    "motion": """SELECT m.claim_id, m.n, encode(m.body, 'base64') AS body, m.uploaded_at
        FROM photo_motion m JOIN claim c ON c.id = m.claim_id WHERE c.person_id = $1 ORDER BY m.claim_id, m.n""",
    "cameras": """SELECT make, model, encode(tables, 'hex') AS tables, photos, first_seen, last_seen
        FROM camera_trait WHERE person_id = $1 ORDER BY make, model, tables""",
    "submissions": """SELECT id, claim_id, task_id, status, outcome, answers, readings, notes, submitted_at,
        captured_at, decided_at, verdict, rejection, rating FROM submission WHERE person_id = $1 ORDER BY id""",
    "observations": """SELECT id, submission_id, kind, outcome, captured_at, license, created_at
        FROM observation WHERE person_id = $1 ORDER BY id""",
    "fix_ups": """SELECT f.submission_id, f.n, f.failed_check, f.reason_code, f.comment, f.asked_at, f.until, f.ended,
        f.ended_at, r.outcome, r.answers, r.readings, r.notes, r.photos, r.verdict, r.submitted_at
        FROM fix_up f JOIN submission s ON s.id = f.submission_id
          LEFT JOIN submission_revision r ON r.submission_id = f.submission_id AND r.n = f.n
        WHERE s.person_id = $1 ORDER BY f.submission_id, f.n""",
    "appeals": """SELECT id, submission_id, side, against, failed_check, reason_code, comment, status, opened_at,
        answer_by, decide_by, decided_at, award_percent, reason, paid FROM appeal WHERE person_id = $1 ORDER BY id""",
    "statements": """SELECT w.appeal_id, w.side, w.words, w.photos, w.said_at FROM appeal_statement w
        JOIN appeal a ON a.id = w.appeal_id WHERE a.person_id = $1 AND w.side = 'person' ORDER BY w.appeal_id, w.n""",
    "questions": """SELECT id, task_id, text, asked_at, answer, answered_at FROM task_question WHERE person_id = $1
        ORDER BY id""",
    "reviews": """SELECT appeal_id, award_percent, reason, reviewed_at FROM appeal_review WHERE person_id = $1
        ORDER BY appeal_id""",
    "earnings": """SELECT submission_id, kind, amount, currency, created_at, release_at, released_at
        FROM earning WHERE person_id = $1 ORDER BY id""",
    "payouts": """SELECT id, amount, currency, status::text AS status, settled_at
        FROM payout WHERE person_id = $1 ORDER BY id""",
    "sessions": """SELECT hint, created_at, expires_at, revoked_at FROM api_key WHERE person_id = $1 ORDER BY id""",
    "sign_ins": """SELECT network, used_from, sent_at FROM login_code WHERE person_id = $1 ORDER BY sent_at""",
    "mails": """SELECT m.subject, m.text, m.created_at FROM mail m JOIN person p ON lower(p.email) = lower(m.recipient)
        WHERE p.id = $1 ORDER BY m.id""",
    "events": """SELECT type, subject_type, subject_id, data, created_at FROM event WHERE person_id = $1
        ORDER BY seq""",
}
_TYPES = {
    "devices": {"id": "device"}, "device_sales": {"device_id": "device", "claim_id": "claim"},
    "claims": {"id": "claim", "task_id": "task"}, "photos": {"claim_id": "claim"},
    "motion": {"claim_id": "claim"},
    "submissions": {"id": "submission", "claim_id": "claim", "task_id": "task"},
    "observations": {"id": "observation", "submission_id": "submission"},
    "fix_ups": {"submission_id": "submission"}, "appeals": {"id": "appeal", "submission_id": "submission"},
    "questions": {"id": "question", "task_id": "task"},
    "statements": {"appeal_id": "appeal"}, "reviews": {"appeal_id": "appeal"},
    "earnings": {"submission_id": "submission"}, "payouts": {"id": "payout"},
}  # fmt: skip


async def export(conn: asyncpg.Connection, person: UUID) -> dict[str, list[dict[str, Any]]]:
    """All that is kept about a person, table by table, with ids as they know them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for part, sql in _EXPORT.items():
        named = _TYPES.get(part, {})
        found[part] = [
            {field: ids.show(named[field], value) if field in named else value for field, value in row.items()}
            for row in await conn.fetch(sql, person)
        ]
    for each in found["devices"]:
        each["public_key"] = devices.written(each["public_key"])
    for each in found["photos"]:
        each["link"] = f"/v1/people/claims/{each['claim_id']}/photos/{each['n']}?variant=original"
    for each in found["events"]:
        each["subject_id"] = ids.show(each["subject_type"], each["subject_id"])
    return found

"""Settlement: what people have earned leaves in runs that one operator makes and another approves.

A run is a draft while it may be changed, and frozen by the hash of its lines. The database holds the rules: lines,
maker and bounds are fixed once frozen, an approval is of those very lines, by nobody who made or submitted them, and
ends after a while. Whoever works here may execute an approved run: the decision was the approver's. Whatever changes a
run again takes it back to a draft, and then its hash, its submission and its approval are gone.
"""

from typing import NoReturn
from uuid import UUID

import asyncpg

from market import events, ids, payout_preview
from market.errors import ApprovalExpired, Changed, Invalid, NotFound, PayoutsStopped, Refusal, WrongState
from market.payout_preview import Terms

APPROVAL_S = 72 * 3600  # how long an approval lasts
MOST_LEFT_OUT = 1_000  # people whom an operator takes out of one run


class FourEyes(Refusal):
    """A payout run is approved by an operator who has neither made nor submitted it."""


class LinesChanged(Changed):
    """The lines of this run are not the ones that were frozen."""


class ApproverDisabled(ApprovalExpired):
    """Who approved this run is no operator any more. Another one approves it anew."""


async def make(conn: asyncpg.Connection, operator: UUID, currency: str, minimum: int) -> UUID:
    """draft -> frozen at once: a run of everybody who can be paid at least `minimum`, with who is left out, and why."""
    run = await draft(conn, operator, await payout_preview.terms(conn, currency, minimum))
    await freeze(conn, operator, run)
    return run


# ---- drafts


async def draft(conn: asyncpg.Connection, operator: UUID, terms: Terms) -> UUID:
    """A run that may still be changed. Its lines and exclusions are as of now, and of each later change."""
    run = ids.new()
    await conn.execute(
        """INSERT INTO payout_run (id, currency, minimum, most_per_line, most_in_all, note, made_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        run, terms.currency, terms.minimum, terms.most_per_line, terms.most_in_all, terms.note, operator,
    )  # fmt: skip
    await _fill(conn, run, terms)
    await _note(conn, "payout_run.drafted", run, operator)
    return run


async def change(conn: asyncpg.Connection, operator: UUID, run: UUID, terms: Terms) -> None:
    """Other terms for a draft, in the same currency; its lines are made anew. Raises WrongState."""
    await _locked_draft(conn, run)
    await conn.execute(
        "UPDATE payout_run SET minimum = $2, most_per_line = $3, most_in_all = $4, note = $5 WHERE id = $1",
        run, terms.minimum, terms.most_per_line, terms.most_in_all, terms.note,
    )  # fmt: skip
    await _fill(conn, run, terms)
    await _note(conn, "payout_run.changed", run, operator)


async def terms_of(conn: asyncpg.Connection, run: UUID) -> Terms:
    """What a draft asks for, locked until the transaction ends. Raises NotFound, WrongState."""
    return _terms(await _locked_draft(conn, run))


async def exclude(conn: asyncpg.Connection, operator: UUID, run: UUID, person: UUID, note: str) -> None:
    """Take somebody out of a draft, whatever else is decided about it. Raises NotFound for who is not in it."""
    row = await _locked_draft(conn, run)
    count = await conn.fetchval("SELECT count(*) FROM payout_exclusion WHERE run_id = $1 AND reason = 'excluded'", run)
    if count >= MOST_LEFT_OUT:
        raise WrongState(
            f"At most {MOST_LEFT_OUT} people are taken out of a run by hand; holds keep people out of all."
        )
    done = await conn.fetchval(
        """INSERT INTO payout_exclusion (run_id, person_id, amount, reason, note)
           SELECT run_id, person_id, amount, 'excluded', $3 FROM (
             SELECT run_id, person_id, amount + rolled_over AS amount FROM payout WHERE run_id = $1 AND person_id = $2
             UNION ALL SELECT run_id, person_id, amount FROM payout_exclusion WHERE run_id = $1 AND person_id = $2
             LIMIT 1) AS seen
           ON CONFLICT (run_id, person_id) DO UPDATE SET reason = 'excluded', note = excluded.note
           RETURNING person_id""",
        run, person, note,
    )  # fmt: skip
    if done is None:
        raise NotFound("Nothing is payable to this person in this run.")
    await _fill(conn, run, _terms(row))
    await _note(conn, "payout_run.excluded", run, operator, {"person": ids.show("person", person), "note": note})


async def include(conn: asyncpg.Connection, operator: UUID, run: UUID, person: UUID) -> None:
    """Take back an exclusion; the person is judged like everybody. Raises NotFound for who was not excluded by hand."""
    row = await _locked_draft(conn, run)
    gone = await conn.fetchval(
        """DELETE FROM payout_exclusion WHERE run_id = $1 AND person_id = $2 AND reason = 'excluded'
           RETURNING person_id""",
        run, person,
    )  # fmt: skip
    if gone is None:
        raise NotFound("This person was not taken out of this run by an operator.")
    await _fill(conn, run, _terms(row))
    await _note(conn, "payout_run.included", run, operator, {"person": ids.show("person", person)})


async def freeze(conn: asyncpg.Connection, operator: UUID, run: UUID) -> None:
    """draft -> frozen: its lines stay as they were last shown, under their hash."""
    # Locked by a statement of its own: one that waited for a change would hash the lines as they were before it.
    await _locked_draft(conn, run, "Only a draft can be frozen.")
    await conn.execute(
        """UPDATE payout_run SET status = 'frozen', lines_hash = payout_lines_hash(id)
           WHERE id = $1 AND status = 'draft'""",
        run,
    )
    await _note(conn, "payout_run.frozen", run, operator)


async def reopen(conn: asyncpg.Connection, operator: UUID, run: UUID) -> None:
    """frozen | submitted | approved -> draft: hash, submission and approval are void, and its lines are made anew."""
    row = await conn.fetchrow(
        "SELECT * FROM payout_run WHERE id = $1 AND status IN ('frozen', 'submitted', 'approved') FOR UPDATE", run
    )
    if row is None:
        await _refuse(conn, run, "Only a run that is frozen, submitted or approved can be a draft again.")
    await conn.execute("DELETE FROM payout_approval WHERE run_id = $1", run)
    await conn.execute(
        """UPDATE payout_run SET status = 'draft', lines_hash = NULL, submitted_by = NULL, submitted_at = NULL,
             approved_by = NULL WHERE id = $1""",
        run,
    )
    await _fill(conn, run, _terms(row))
    voided = {"was": row["status"], "lines_sha256": row["lines_hash"].hex()}
    if row["approved_by"] is not None:
        voided["approval_by"] = ids.show("operator", row["approved_by"])
    await _note(conn, "payout_run.reopened", run, operator, voided)


async def discard(conn: asyncpg.Connection, operator: UUID, run: UUID) -> None:
    """Delete a draft; that it was there stays in the event log. Raises WrongState for what is no draft."""
    await _locked_draft(conn, run)
    await conn.execute("DELETE FROM payout WHERE run_id = $1", run)
    await conn.execute("DELETE FROM payout_exclusion WHERE run_id = $1", run)
    await conn.execute("DELETE FROM payout_run WHERE id = $1", run)
    await _note(conn, "payout_run.discarded", run, operator)


# ---- four eyes


async def submit(conn: asyncpg.Connection, operator: UUID, run: UUID, seen: bytes | None = None) -> None:
    """frozen -> submitted. seen: the hash of the lines that the operator has looked at. Raises WrongState for a run
    that is further on or pays nobody, Changed when its lines are others by now."""
    moved = await conn.fetchrow(
        """UPDATE payout_run SET status = 'submitted', submitted_by = $2, submitted_at = market_now()
           WHERE id = $1 AND status = 'frozen' AND EXISTS (SELECT FROM payout WHERE run_id = $1)
           RETURNING lines_hash""",
        run, operator,
    )  # fmt: skip
    if moved is None:
        await _refuse(conn, run, "Only a frozen run that pays somebody can be submitted.")
    _require_seen(moved["lines_hash"], seen)
    await _note(conn, "payout_run.submitted", run, operator)


async def approve(conn: asyncpg.Connection, operator: UUID, run: UUID, seen: bytes | None = None) -> None:
    """submitted -> approved, for APPROVAL_S; of an approved or partial run, the approval is given anew.

    seen: the hash of the lines that the operator has looked at; only of a run that was never reopened can it be left
    out, since that has had no other lines. Raises FourEyes for its maker or submitter, Changed when its lines are not
    as frozen, or not as seen.
    """
    row = await conn.fetchrow(
        "SELECT * FROM payout_run WHERE id = $1 AND status IN ('submitted', 'approved', 'partial') FOR UPDATE", run
    )
    if row is None:
        await _refuse(conn, run, "Only a submitted run can be approved, and an approved or partial one approved anew.")
    _require_seen(row["lines_hash"], seen)
    if seen is None and row["reopened"]:
        raise Changed("This run was reopened: look at its lines again, and send their hash as `lines_sha256`.")
    if await conn.fetchval("SELECT payout_lines_hash($1)", run) != row["lines_hash"]:
        raise LinesChanged
    await conn.execute("DELETE FROM payout_approval WHERE run_id = $1", run)
    try:
        await conn.execute(
            """INSERT INTO payout_approval (run_id, made_by, submitted_by, lines_hash, approved_by, expires_at)
               VALUES ($1, $2, $3, $4, $5, market_now() + make_interval(secs => $6))""",
            run, row["made_by"], row["submitted_by"], row["lines_hash"], operator, APPROVAL_S,
        )  # fmt: skip
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "maker_is_not_checker":
            raise FourEyes from error
        raise
    await conn.execute(
        """UPDATE payout_run SET approved_by = $2, status = CASE status WHEN 'submitted' THEN 'approved' ELSE status END
           WHERE id = $1""",
        run, operator,
    )  # fmt: skip
    anew = row["status"] != "submitted"
    await _note(conn, "payout_run.approved_anew" if anew else "payout_run.approved", run, operator)


async def execute(conn: asyncpg.Connection, operator: UUID, run: UUID) -> None:
    """approved | partial -> executing. Of a partial run, the lines that were not paid are tried again.

    Raises ApprovalExpired (ApproverDisabled too), PayoutsStopped, Changed: the database refuses those by itself.
    """
    try:
        moved = await conn.fetchval(
            """UPDATE payout_run SET status = 'executing', executed_by = $2, executed_at = market_now(),
                 finished_at = NULL
               WHERE id = $1 AND status IN ('approved', 'partial') RETURNING id""",
            run, operator,
        )  # fmt: skip
    except asyncpg.PostgresError as error:
        if error.sqlstate not in _REFUSED:
            raise
        raise _REFUSED[error.sqlstate]() from error
    if moved is None:
        await _refuse(conn, run, "Only an approved run, or one that was paid in part, can be executed.")
    await conn.execute(
        """UPDATE payout SET status = 'listed', code = NULL, message = NULL, settled_at = NULL
           WHERE run_id = $1 AND status IN ('returned', 'skipped')""",
        run,
    )
    await _note(conn, "payout_run.executing", run, operator)


# What the trigger payout_run_moves says, by its codes.
_REFUSED: dict[str | None, type[Refusal]] = {
    "PR003": LinesChanged,
    "PR004": PayoutsStopped,
    "PR005": ApprovalExpired,
    "PR006": ApproverDisabled,
}


# ---- inside


async def _locked_draft(
    conn: asyncpg.Connection, run: UUID, rule: str = "Only a draft can be changed."
) -> asyncpg.Record:
    row = await conn.fetchrow("SELECT * FROM payout_run WHERE id = $1 AND status = 'draft' FOR UPDATE", run)
    if row is None:
        await _refuse(conn, run, rule)
    return row


def _terms(row: asyncpg.Record) -> Terms:
    return Terms(row["currency"], row["minimum"], row["most_per_line"], row["most_in_all"], row["note"])


async def _fill(conn: asyncpg.Connection, run: UUID, terms: Terms) -> None:
    """The lines and exclusions of a draft as of now; who was excluded by hand stays so."""
    await conn.execute("DELETE FROM payout WHERE run_id = $1", run)
    await conn.execute("DELETE FROM payout_exclusion WHERE run_id = $1 AND reason <> 'excluded'", run)
    by_hand = await conn.fetch("SELECT person_id FROM payout_exclusion WHERE run_id = $1", run)
    rows = await payout_preview.judged(conn, terms, [row["person_id"] for row in by_hand])
    lines = [row for row in rows if row["reason"] is None]
    others = [row for row in rows if row["reason"] is not None]
    await conn.execute(
        """INSERT INTO payout (id, run_id, person_id, amount, currency, destination, earned, fee, items, rolled_over)
           SELECT id, $1, person_id, amount, $2, destination, earned, fee, items, rolled_over
           FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::int[],
                       $10::bigint[]) AS l (id, person_id, amount, destination, earned, fee, items, rolled_over)""",
        run, terms.currency, [ids.new() for _ in lines], [row["person_id"] for row in lines],
        [row["amount"] for row in lines], [row["destination"] for row in lines], [row["earned"] for row in lines],
        [row["fee"] for row in lines], [row["items"] for row in lines],
        [row["payable"] - row["amount"] for row in lines],
    )  # fmt: skip
    await conn.execute(
        """INSERT INTO payout_exclusion (run_id, person_id, amount, reason)
           SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::text[])
           ON CONFLICT (run_id, person_id) DO UPDATE SET amount = excluded.amount""",
        run, [row["person_id"] for row in others], [row["payable"] for row in others],
        [row["reason"] for row in others],
    )  # fmt: skip


def read_hash(text: str | None) -> bytes | None:
    """A hash as views show it. Raises Invalid."""
    if text is None:
        return None
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise Invalid("It is 64 hexadecimal digits, as the run shows it.", pointer="/lines_sha256")
    return found


def _require_seen(lines_hash: bytes, seen: bytes | None) -> None:
    if seen is not None and seen != lines_hash:
        raise Changed("The lines of this run are not the ones that you saw: look at it again.")


async def _refuse(conn: asyncpg.Connection, run: UUID, rule: str) -> NoReturn:
    status = await conn.fetchval("SELECT status::text FROM payout_run WHERE id = $1", run)
    if status is None:
        raise NotFound("There is no such payout run.")
    raise WrongState(f"{rule} This one is {status}.")


async def _note(
    conn: asyncpg.Connection, type: str, run: UUID, operator: UUID, data: dict[str, str] | None = None
) -> None:
    await events.append(conn, type, ("payout_run", run), f"operator:{operator}", data=data)

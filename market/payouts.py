"""Settlement: what people have earned leaves in runs that one operator makes and another approves.

The database holds the rules: lines are fixed once frozen, an approval is of those very lines and never by whoever made
or submitted them. Money is set aside by the transaction that plans its transfer, and settled by what Stripe's books
say.
"""

from uuid import UUID

import asyncpg

from market import events, ids
from market.errors import Changed, NotFound, Refusal, WrongState


class FourEyes(Refusal):
    """A payout run is approved by an operator who has neither made nor submitted it."""


_CANDIDATES = """
    WITH owed AS (
      SELECT split_part(l.code, ':', 2)::uuid AS person_id, -l.posted AS payable,
             -l.posted - (-l.posted) % c.payout_multiple AS amount
      FROM ledger_account l JOIN currency c ON c.code = l.currency
      WHERE l.code LIKE 'person:%:payable' AND l.currency = $2 AND l.posted < 0),
    judged AS (
      SELECT o.*, a.stripe_id, CASE
        WHEN h.person_id IS NOT NULL THEN 'held'
        WHEN a.person_id IS NULL THEN 'no_payout_account'
        WHEN a.transfers <> 'active' THEN 'capability_inactive'
        WHEN busy.person_id IS NOT NULL THEN 'in_another_run'
        WHEN o.amount < $3 THEN 'below_minimum' END AS reason
      FROM owed o LEFT JOIN payout_account a USING (person_id)
      LEFT JOIN payout_hold h ON h.person_id = o.person_id
        AND (h.expires_at IS NULL OR h.expires_at > market_now())
      LEFT JOIN (SELECT DISTINCT p.person_id FROM payout p JOIN payout_run r ON r.id = p.run_id
                 WHERE r.status IN ('approved', 'executing') AND p.status IN ('listed', 'planned')
                   AND p.currency = $2) busy ON busy.person_id = o.person_id),
    left_out AS (
      INSERT INTO payout_exclusion (run_id, person_id, amount, reason)
      SELECT $1, person_id, payable, reason FROM judged WHERE reason IS NOT NULL)
    SELECT person_id, amount, stripe_id FROM judged WHERE reason IS NULL ORDER BY person_id
"""


async def make(conn: asyncpg.Connection, operator: UUID, currency: str, minimum: int) -> UUID:
    """draft -> frozen: a run of everybody who can be paid at least `minimum`, with who is left out, and why."""
    run = ids.new()
    await conn.execute(
        "INSERT INTO payout_run (id, currency, minimum, made_by) VALUES ($1, $2, $3, $4)",
        run, currency, minimum, operator,
    )  # fmt: skip
    rows = await conn.fetch(_CANDIDATES, run, currency, minimum)
    await conn.execute(
        """INSERT INTO payout (id, run_id, person_id, amount, currency, destination)
           SELECT id, $1, person_id, amount, $2, destination
           FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[]) AS l (id, person_id, amount, destination)""",
        run, currency, [ids.new() for _ in rows], [row["person_id"] for row in rows],
        [row["amount"] for row in rows], [row["stripe_id"] for row in rows],
    )  # fmt: skip
    await conn.execute(
        "UPDATE payout_run SET status = 'frozen', lines_hash = $2 WHERE id = $1 AND status = 'draft'",
        run, await _hash(conn, run),
    )  # fmt: skip
    await _note(conn, "payout_run.frozen", run, operator)
    return run


async def submit(conn: asyncpg.Connection, operator: UUID, run: UUID) -> None:
    """frozen -> submitted. Raises WrongState for a run that is further on or pays nobody."""
    moved = await conn.fetchval(
        """UPDATE payout_run SET status = 'submitted', submitted_by = $2, submitted_at = market_now()
           WHERE id = $1 AND status = 'frozen' AND EXISTS (SELECT FROM payout WHERE run_id = $1) RETURNING id""",
        run, operator,
    )  # fmt: skip
    if moved is None:
        await _refuse(conn, run, "Only a frozen run that pays somebody can be submitted.")
    await _note(conn, "payout_run.submitted", run, operator)


async def approve(conn: asyncpg.Connection, operator: UUID, run: UUID) -> None:
    """submitted -> approved. Raises FourEyes for its maker or submitter, Changed when its lines are not as frozen."""
    row = await conn.fetchrow("SELECT * FROM payout_run WHERE id = $1 AND status = 'submitted' FOR UPDATE", run)
    if row is None:
        await _refuse(conn, run, "Only a submitted run can be approved.")
        raise AssertionError
    await _require_unchanged(conn, run, row["lines_hash"])
    try:
        await conn.execute(
            """INSERT INTO payout_approval (run_id, made_by, submitted_by, lines_hash, approved_by)
               VALUES ($1, $2, $3, $4, $5)""",
            run, row["made_by"], row["submitted_by"], row["lines_hash"], operator,
        )  # fmt: skip
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "maker_is_not_checker":
            raise FourEyes from error
        raise
    await conn.execute("UPDATE payout_run SET status = 'approved', approved_by = $2 WHERE id = $1", run, operator)
    await _note(conn, "payout_run.approved", run, operator)


async def execute(conn: asyncpg.Connection, operator: UUID, run: UUID) -> None:
    """approved | partial -> executing. Of a partial run, the lines that were not paid are tried again."""
    row = await conn.fetchrow(
        """UPDATE payout_run SET status = 'executing', executed_by = $2, executed_at = market_now(), finished_at = NULL
           WHERE id = $1 AND status IN ('approved', 'partial') RETURNING lines_hash""",
        run, operator,
    )  # fmt: skip
    if row is None:
        await _refuse(conn, run, "Only an approved run, or one that was paid in part, can be executed.")
        raise AssertionError
    await _require_unchanged(conn, run, row["lines_hash"])
    await conn.execute(
        """UPDATE payout SET status = 'listed', code = NULL, message = NULL, settled_at = NULL
           WHERE run_id = $1 AND status IN ('returned', 'skipped')""",
        run,
    )
    await _note(conn, "payout_run.executing", run, operator)


# ---- inside


async def _hash(conn: asyncpg.Connection, run: UUID) -> bytes:
    """SHA-256 over the lines in order: id, person, amount, currency, destination."""
    value: bytes = await conn.fetchval(
        """SELECT sha256(convert_to($1::text || coalesce(string_agg(
             concat_ws(' ', id, person_id, amount, currency, destination), E'\n' ORDER BY id), ''), 'UTF8'))
           FROM payout WHERE run_id = $1::text::uuid""",
        str(run),
    )
    return value


async def _require_unchanged(conn: asyncpg.Connection, run: UUID, lines_hash: bytes) -> None:
    if await _hash(conn, run) != lines_hash:
        raise Changed("The lines of this run are not the ones that were frozen.")


async def _refuse(conn: asyncpg.Connection, run: UUID, rule: str) -> None:
    status = await conn.fetchval("SELECT status::text FROM payout_run WHERE id = $1", run)
    if status is None:
        raise NotFound("There is no such payout run.")
    raise WrongState(f"{rule} This one is {status}.")


async def _note(conn: asyncpg.Connection, type: str, run: UUID, operator: UUID | None) -> None:
    await events.append(conn, type, ("payout_run", run), f"operator:{operator}" if operator else "market")

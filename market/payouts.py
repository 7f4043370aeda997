"""Settlement: what people have earned leaves in runs that one operator makes and another approves.

The database holds the rules: lines are fixed once frozen, an approval is of those very lines and never by whoever made
or submitted them. Money is set aside by the transaction that plans its transfer, and settled by what Stripe's books
say.
"""

from typing import Any
from uuid import UUID

import asyncpg

from market import events, ids, ledger, stripe_balance, stripe_ops
from market.errors import Changed, NotFound, Refusal, WrongState

ACTOR = "stripe"


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


async def plan_lines(conn: asyncpg.Connection, run: UUID, limit: int) -> tuple[int, list[UUID]]:
    """Up to `limit` listed lines of an executing run: each is checked again, and either its money is set aside and its
    transfer planned, or it is skipped with a reason. (lines looked at, operations to send)."""
    rows = await conn.fetch(
        """SELECT p.*, a.transfers, a.stripe_id, h.person_id IS NOT NULL AS held
           FROM payout p JOIN payout_run r ON r.id = p.run_id AND r.status = 'executing'
           LEFT JOIN payout_account a ON a.person_id = p.person_id
           LEFT JOIN payout_hold h ON h.person_id = p.person_id
             AND (h.expires_at IS NULL OR h.expires_at > market_now())
           WHERE p.run_id = $1 AND p.status = 'listed' ORDER BY p.id LIMIT $2 FOR NO KEY UPDATE OF p SKIP LOCKED""",
        run, limit,
    )  # fmt: skip
    # In the ledger's lock order, before the postings below, which then find these accounts locked by ourselves.
    owed = {
        row["code"]: -row["posted"]
        for row in await conn.fetch(
            """SELECT code, currency, posted FROM ledger_account WHERE code = ANY ($1::text[]) AND currency = $2
               ORDER BY id FOR NO KEY UPDATE""",
            [ledger.person(row["person_id"], "payable") for row in rows], rows[0]["currency"] if rows else "",
        )
    }  # fmt: skip
    ops = []
    for row in rows:
        reason = _unpayable(row, owed.get(ledger.person(row["person_id"], "payable"), 0))
        if reason is None:
            ops.append(await _plan_line(conn, row))
        else:
            await conn.execute(
                "UPDATE payout SET status = 'skipped', code = $2, settled_at = market_now() WHERE id = $1",
                row["id"], reason,
            )  # fmt: skip
    return len(rows), ops


def _unpayable(row: asyncpg.Record, owed: int) -> str | None:
    if row["held"]:
        return "held"
    if row["transfers"] != "active":
        return "capability_inactive"
    if row["stripe_id"] != row["destination"]:
        return "destination_changed"
    return "balance_changed" if owed < row["amount"] else None


async def _plan_line(conn: asyncpg.Connection, row: asyncpg.Record) -> UUID:
    attempt: int = await conn.fetchval(
        "UPDATE payout SET status = 'planned', attempt = attempt + 1 WHERE id = $1 RETURNING attempt", row["id"]
    )
    payable, aside = ledger.person(row["person_id"], "payable"), f"payout:{row['id']}"
    await ledger.post(
        conn, "payout_planned", f"payout:{row['id']}:{attempt}",
        [(payable, row["amount"]), (aside, -row["amount"])],
        currency=row["currency"], actor=f"payout_run:{row['run_id']}", subject=("payout", row["id"]),
    )  # fmt: skip
    params = {
        "amount": row["amount"],
        "currency": row["currency"],
        "destination": row["destination"],
        "run": str(row["run_id"]),
        "person": str(row["person_id"]),
    }
    return await stripe_ops.plan(conn, "transfer", row["id"], params)


async def paid(
    conn: asyncpg.Connection, payout: UUID, transfer_id: str, line: stripe_balance.BalanceLine
) -> UUID | None:
    """planned -> paid: the transfer is in Stripe's books. Returns the run; None when it was settled before."""
    row = await conn.fetchrow(
        """UPDATE payout SET status = 'paid', transfer_id = $2, code = NULL, message = NULL, settled_at = market_now()
           WHERE id = $1 AND status = 'planned' RETURNING *""",
        payout, transfer_id,
    )  # fmt: skip
    if row is None:
        return None
    key, counter = f"payout_paid:{payout}", await stripe_balance.counter(conn, line)
    await ledger.post(
        conn, "payout_paid", key, [(f"payout:{payout}", row["amount"]), (counter, line.net)],
        currency=row["currency"], actor=ACTOR, subject=("payout", payout), meta={"transfer": transfer_id},
    )  # fmt: skip
    await stripe_balance.mirror(conn, line, key)
    await _tell(conn, "payout.paid", row)
    return row["run_id"]  # type: ignore[no-any-return]


async def returned(conn: asyncpg.Connection, payout: UUID, code: str, message: str) -> UUID | None:
    """planned -> returned: Stripe refused for certain, so the money is the person's again. Returns the run."""
    row = await conn.fetchrow(
        """UPDATE payout SET status = 'returned', code = $2, message = $3, settled_at = market_now()
           WHERE id = $1 AND status = 'planned' RETURNING *""",
        payout, code, message,
    )  # fmt: skip
    if row is None:
        return None
    await ledger.post(
        conn, "payout_returned", f"payout_returned:{payout}:{row['attempt']}",
        [(f"payout:{payout}", row["amount"]), (ledger.person(row["person_id"], "payable"), -row["amount"])],
        currency=row["currency"], actor=ACTOR, subject=("payout", payout), meta={"code": code},
    )  # fmt: skip
    await _tell(conn, "payout.returned", row)
    return row["run_id"]  # type: ignore[no-any-return]


async def finish(conn: asyncpg.Connection, run: UUID) -> str | None:
    """executing -> done | partial, once no line is listed or planned. None: it is not over, or was ended before.

    To be called in a transaction after the one that settled a line: two that settle the last two lines at once would
    otherwise each see the other's as open.
    """
    status: str | None = await conn.fetchval(
        """UPDATE payout_run r SET finished_at = market_now(), status = (CASE WHEN EXISTS
             (SELECT FROM payout WHERE run_id = r.id AND status <> 'paid') THEN 'partial' ELSE 'done' END
             )::payout_run_status
           WHERE id = $1 AND status = 'executing'
             AND NOT EXISTS (SELECT FROM payout WHERE run_id = r.id AND status IN ('listed', 'planned'))
           RETURNING status::text""",
        run,
    )
    if status is not None:
        await _note(conn, f"payout_run.{status}", run, None)
    return status


async def executing(conn: asyncpg.Connection) -> list[UUID]:
    """Runs under way, for whoever goes on with them after a crash."""
    return [row["id"] for row in await conn.fetch("SELECT id FROM payout_run WHERE status = 'executing'")]


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


async def _tell(conn: asyncpg.Connection, type: str, row: asyncpg.Record) -> None:
    data: dict[str, Any] = {"amount": row["amount"], "currency": row["currency"]}
    if row["code"] is not None:
        data["code"] = row["code"]
    await events.append(conn, type, ("payout", row["id"]), ACTOR, person=row["person_id"], data=data)

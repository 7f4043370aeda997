"""The lines of an executing run: each is checked once more, set aside, sent, and settled by what Stripe's books say.

Money is set aside by the transaction that plans its transfer. A line's earnings are marked with it, so that everybody
sees what was paid by what.
"""

from typing import Any
from uuid import UUID

import asyncpg

from market import events, ledger, stripe_balance, stripe_ops

ACTOR = "stripe"


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
        await events.append(conn, f"payout_run.{status}", ("payout_run", run), "market")
    return status


async def executing(conn: asyncpg.Connection) -> list[UUID]:
    """Runs under way, for whoever goes on with them after a crash."""
    return [row["id"] for row in await conn.fetch("SELECT id FROM payout_run WHERE status = 'executing'")]


async def _tell(conn: asyncpg.Connection, type: str, row: asyncpg.Record) -> None:
    data: dict[str, Any] = {"amount": row["amount"], "currency": row["currency"]}
    if row["code"] is not None:
        data["code"] = row["code"]
    await events.append(conn, type, ("payout", row["id"]), ACTOR, person=row["person_id"], data=data)

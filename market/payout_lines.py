"""The lines of an executing run: each is checked once more, set aside, sent, and settled by what Stripe's books say.

Money is set aside by the transaction that plans its transfer. A line's earnings are marked with it, so that everybody
sees what was paid by what. Lines go some hundred at a time, since a run may have ten thousand.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from market import earnings, events, ledger, stripe_balance, stripe_ops
from market.ledger import Posting
from market.stripe_balance import BalanceLine
from market.stripe_ops import Op

ACTOR = "stripe"


class Planned(NamedTuple):
    """looked: lines looked at · ops: operations to send, leased to the caller · amount: what they take from the
    platform's balance."""

    looked: int
    ops: list[Op]
    amount: int


async def plan_lines(
    conn: asyncpg.Connection, run: UUID, limit: int, available: int, lease_s: float = stripe_ops.LEASE_S
) -> Planned:
    """Up to `limit` listed lines of an executing run: each is checked again, and either its money is set aside and its
    transfer planned and leased for `lease_s`, or it is skipped with a reason. Nothing while payouts are stopped.

    available: what the platform has at Stripe; lines beyond it are skipped.
    """
    # Only the lines that are taken are joined to what is known of their people, however many there are.
    rows = await conn.fetch(
        """WITH taken AS MATERIALIZED (
             SELECT * FROM payout WHERE run_id = $1 AND status = 'listed' AND NOT money_stopped('transfer')
               AND (SELECT status FROM payout_run WHERE id = $1) = 'executing'
             ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
           SELECT p.*, a.transfers, a.stripe_id, EXISTS (SELECT FROM payout_hold h WHERE h.person_id = p.person_id
             AND (h.expires_at IS NULL OR h.expires_at > market_now())) AS held
           FROM taken p LEFT JOIN payout_account a ON a.person_id = p.person_id ORDER BY p.id""",
        run, limit,
    )  # fmt: skip
    if not rows:
        return Planned(0, [], 0)
    await _lock_earnings(conn, rows)
    owed = await _locked_balances(conn, rows)
    going, skipped, left = [], [], available
    for row in rows:
        reason = _unpayable(row, owed.get(row["person_id"], 0), left)
        if reason is None:
            going.append(row)
            left -= row["amount"]
        else:
            skipped.append((row["id"], reason))
    if skipped:
        await conn.execute(
            """UPDATE payout p SET status = 'skipped', code = w.reason, settled_at = market_now()
               FROM unnest($1::uuid[], $2::text[]) AS w (id, reason) WHERE p.id = w.id""",
            [line for line, _ in skipped], [reason for _, reason in skipped],
        )  # fmt: skip
    return Planned(len(rows), await _set_aside(conn, going, lease_s) if going else [], available - left)


async def _lock_earnings(conn: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> None:
    """Whoever takes earnings back locks them before the ledger too."""
    await conn.execute(
        """SELECT FROM earning WHERE person_id = ANY ($1::uuid[]) AND currency = $2 AND payout_id IS NULL
             AND released_at IS NOT NULL AND clawed_back_at IS NULL ORDER BY id FOR NO KEY UPDATE""",
        [row["person_id"] for row in rows], rows[0]["currency"],
    )  # fmt: skip


async def _locked_balances(conn: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> dict[UUID, int]:
    """What each person of these lines is owed. In the ledger's lock order, before the postings, which then find these
    accounts locked by ourselves."""
    found = await conn.fetch(
        """SELECT code, -posted AS owed FROM ledger_account WHERE code = ANY ($1::text[]) AND currency = $2
           ORDER BY id FOR NO KEY UPDATE""",
        [ledger.person(row["person_id"], "payable") for row in rows], rows[0]["currency"],
    )  # fmt: skip
    return {UUID(row["code"].split(":")[1]): row["owed"] for row in found}


def _unpayable(row: asyncpg.Record, owed: int, left: int) -> str | None:
    if row["held"]:
        return "held"
    if row["transfers"] != "active":
        return "capability_inactive"
    if row["stripe_id"] != row["destination"]:
        return "destination_changed"
    if owed < row["amount"]:
        return "balance_changed"
    return "balance_insufficient" if left < row["amount"] else None


async def _set_aside(conn: asyncpg.Connection, rows: Sequence[asyncpg.Record], lease_s: float) -> list[Op]:
    """listed -> planned: the money leaves what is payable in the transaction that plans the transfer."""
    moved = await conn.fetch(
        """UPDATE payout SET status = 'planned', attempt = attempt + 1 WHERE id = ANY ($1::uuid[]) AND status = 'listed'
           RETURNING id, attempt""",
        [row["id"] for row in rows],
    )
    attempts = {row["id"]: row["attempt"] for row in moved}
    currency, run = rows[0]["currency"], rows[0]["run_id"]
    postings = [
        Posting(
            f"payout:{row['id']}:{attempts[row['id']]}",
            [(ledger.person(row["person_id"], "payable"), row["amount"]), (aside(row["id"]), -row["amount"])],
            ("payout", row["id"]), {},
        )
        for row in rows
    ]  # fmt: skip
    await ledger.post_many(conn, "payout_planned", postings, currency=currency, actor=f"payout_run:{run}")
    await _mark_earnings(conn, [row["id"] for row in rows])
    wanted = [stripe_ops.Wanted(row["id"], attempts[row["id"]], _params(row)) for row in rows]
    return await stripe_ops.plan_and_take(conn, "transfer", wanted, lease_s)


async def _mark_earnings(conn: asyncpg.Connection, payouts: list[UUID]) -> None:
    """Which earnings a line pays: those released when it was drafted, or the oldest of them as far as it goes."""
    await conn.execute(
        """WITH unpaid AS (
             SELECT e.id, p.id AS payout_id, sum(e.amount) OVER (
                 PARTITION BY p.id ORDER BY e.released_at, e.id)
               <= CASE WHEN p.rolled_over = 0 THEN p.earned ELSE least(p.earned, p.amount) END AS taken
             FROM payout p JOIN earning e ON e.person_id = p.person_id AND e.currency = p.currency
               AND e.released_at IS NOT NULL AND e.payout_id IS NULL AND e.clawed_back_at IS NULL
             WHERE p.id = ANY ($1::uuid[]))
           UPDATE earning e SET payout_id = u.payout_id FROM unpaid u
           WHERE e.id = u.id AND u.taken""",
        payouts,
    )


def _params(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "amount": row["amount"],
        "currency": row["currency"],
        "destination": row["destination"],
        "run": str(row["run_id"]),
        "person": str(row["person_id"]),
    }


def aside(payout: UUID) -> str:
    """The ledger account that holds a line's money while its transfer is under way."""
    return f"payout:{payout}"


class Sent(NamedTuple):
    """A transfer that stands in Stripe's books: the operation that made it, its id and its line of the balance."""

    op: Op
    transfer_id: str
    line: BalanceLine


async def settle_sent(conn: asyncpg.Connection, sent: Sequence[Sent]) -> int:
    """What we hold of these operations has succeeded, and their lines are paid; the others are somebody else's by now.

    How many were ours.
    """
    ours = await stripe_ops.succeeded_many(conn, [(each.op, each.transfer_id) for each in sent])
    kept = [each for each in sent if each.op.id in ours]
    if kept:
        await _paid(conn, {each.op.subject: (each.transfer_id, each.line) for each in kept})
    return len(kept)


async def paid(conn: asyncpg.Connection, payout: UUID, transfer_id: str, line: BalanceLine) -> UUID | None:
    """planned -> paid: the transfer is in Stripe's books. Returns the run; None when it was settled before."""
    runs = await _paid(conn, {payout: (transfer_id, line)})
    return runs[0] if runs else None


async def _paid(conn: asyncpg.Connection, transfers: dict[UUID, tuple[str, BalanceLine]]) -> list[UUID]:
    rows = await conn.fetch(
        """UPDATE payout p SET status = 'paid', transfer_id = w.transfer, code = NULL, message = NULL,
             settled_at = market_now()
           FROM unnest($1::uuid[], $2::text[]) AS w (id, transfer)
           WHERE p.id = w.id AND p.status = 'planned' RETURNING p.*""",
        list(transfers), [transfer for transfer, _ in transfers.values()],
    )  # fmt: skip
    by_currency: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        by_currency.setdefault(row["currency"], []).append(row)
    for currency, some in by_currency.items():
        lines = [transfers[row["id"]][1] for row in some]
        counters = await stripe_balance.counters(conn, lines)
        postings = [
            Posting(
                f"payout_paid:{row['id']}", [(aside(row["id"]), row["amount"]), (counters[line.id], line.net)],
                ("payout", row["id"]), {"transfer": row["transfer_id"]},
            )
            for row, line in zip(some, lines, strict=True)
        ]  # fmt: skip
        await ledger.post_many(conn, "payout_paid", postings, currency=currency, actor=ACTOR)
        await stripe_balance.mirror_many(conn, [(line, each.key) for line, each in zip(lines, postings, strict=True)])
    await _tell(conn, "payout.paid", rows)
    return [row["run_id"] for row in rows]


async def returned(conn: asyncpg.Connection, payout: UUID, code: str, message: str) -> UUID | None:
    """planned -> returned: Stripe refused for certain, so the money is the person's again. Returns the run."""
    row = await conn.fetchrow(
        """UPDATE payout SET status = 'returned', code = $2, message = $3, settled_at = market_now()
           WHERE id = $1 AND status = 'planned' RETURNING *""",
        payout, code, message,
    )  # fmt: skip
    if row is None:
        return None
    person, currency, attempt = row["person_id"], row["currency"], row["attempt"]
    await conn.execute(
        """UPDATE earning SET payout_id = NULL WHERE id IN (
             SELECT id FROM earning WHERE payout_id = $1 ORDER BY id FOR NO KEY UPDATE)""",
        payout,
    )
    payable, owes = ledger.person(person, "payable"), ledger.person(person, "receivable")
    await ledger.lock(conn, {(aside(payout), currency), (payable, currency), (owes, currency)})
    await ledger.post(
        conn, "payout_returned", f"payout_returned:{payout}:{attempt}",
        [(aside(payout), row["amount"]), (payable, -row["amount"])],
        currency=currency, actor=ACTOR, subject=("payout", payout), meta={"code": code},
    )  # fmt: skip
    await earnings.net(conn, person, currency, f"returned:{payout}:{attempt}", ACTOR)
    await _tell(conn, "payout.returned", [row])
    return row["run_id"]  # type: ignore[no-any-return]


async def is_returned(conn: asyncpg.Connection, payout: UUID) -> bool:
    """Whether a line's money went back to its person: it was refused or given up."""
    return bool(await conn.fetchval("SELECT true FROM payout WHERE id = $1 AND status = 'returned'", payout))


async def is_paid_by(conn: asyncpg.Connection, transfer_id: str) -> bool:
    """Whether we know of this transfer already."""
    return bool(await conn.fetchval("SELECT true FROM payout WHERE transfer_id = $1", transfer_id))


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


async def currency_of(conn: asyncpg.Connection, run: UUID) -> str | None:
    """The currency of an executing run; None when there is none, or nothing may be sent."""
    found: str | None = await conn.fetchval(
        "SELECT currency FROM payout_run WHERE id = $1 AND status = 'executing' AND NOT money_stopped('transfer')", run
    )
    return found


async def under_way(conn: asyncpg.Connection, run: UUID, mine: set[UUID], limit: int) -> list[UUID]:
    """Transfers of a run to be sent now: those that are due, and those held by anybody but `mine` (operations).

    For whoever alone pays this run: another holder can only be dead.
    """
    rows = await conn.fetch(
        """SELECT o.id FROM payout p JOIN stripe_op o ON o.kind = 'transfer' AND o.subject_id = p.id
             AND o.status IN ('planned', 'sending', 'unknown')
           WHERE p.run_id = $1 AND p.status = 'planned' AND o.id <> ALL ($2::uuid[])
             AND (o.status = 'sending' OR o.due_at <= now())
           ORDER BY o.due_at LIMIT $3""",
        run, list(mine), limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def _tell(conn: asyncpg.Connection, type: str, rows: Sequence[asyncpg.Record]) -> None:
    await conn.execute(
        """INSERT INTO event (type, person_id, subject_type, subject_id, actor, data)
           SELECT $2, person_id, 'payout', id, $3, jsonb_strip_nulls(jsonb_build_object(
             'amount', amount, 'currency', currency, 'code', code))
           FROM payout WHERE id = ANY ($1::uuid[]) ORDER BY id""",
        [row["id"] for row in rows], type, ACTOR,
    )  # fmt: skip

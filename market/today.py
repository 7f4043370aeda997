"""The market at a glance, for operators: today's money, what is owed to whom, and what waits for a person to look."""

from datetime import date, datetime
from uuid import UUID

import asyncpg
import msgspec

from market import books, operations_desk
from market.events import Subject
from market.money import Money


class Sums(msgspec.Struct, frozen=True):
    """One currency, in minor units. The first three of today (UTC), the others as of now.

    paid_in: funded through Stripe, before its fees · paid_out: transferred to people · earned: the market's fees ·
    buyers: their balances, available and held · in_tasks: held for open tasks · pending, payable, owed_by_people: as
    the ledger has them · ledger: `stripe:clearing` · stripe: the lines of Stripe's balance that we know · suspense.
    """

    currency: str
    paid_in: int
    paid_out: int
    earned: int
    buyers: int
    in_tasks: int
    pending: int
    payable: int
    owed_by_people: int
    ledger: int
    stripe: int
    suspense: int


class Waiting(msgspec.Struct, frozen=True):
    """How many there are of what somebody has to look at.

    runs_to_approve: those whose approval has expired too · runs_to_go_on_with: approved, or not all paid, and the
    approval lasts · next_deadline: when the first dispute is to be answered.
    """

    runs_to_approve: int
    runs_to_go_on_with: int
    decisions: int
    disputes: int
    disputes_to_answer: int
    next_deadline: datetime | None
    fraud_warnings: int
    operations_in_doubt: int
    events_failed: int
    holds: int


async def sums(conn: asyncpg.Connection) -> tuple[date, list[Sums]]:
    """Today's date by the market's clock, and a line for each currency in which there is anything."""
    today: date = await conn.fetchval("SELECT (market_now() AT TIME ZONE 'utc')::date")
    rows = await conn.fetch(
        """WITH moved AS (
             SELECT e.currency, x.kind, a.code, sum(e.amount)::bigint AS amount
             FROM ledger_tx x JOIN ledger_entry e ON e.tx_id = x.id JOIN ledger_account a ON a.id = e.account_id
             WHERE x.effective_at >= $1::date::timestamp AT TIME ZONE 'utc'
               AND (x.kind IN ('funding', 'payout_paid') OR a.code = 'platform:fee')
             GROUP BY 1, 2, 3),
           day AS (
             SELECT currency,
               -coalesce(sum(amount) FILTER (WHERE kind = 'funding' AND code LIKE 'buyer:%'), 0)::bigint AS paid_in,
               coalesce(sum(amount) FILTER (WHERE kind = 'payout_paid' AND code LIKE 'payout:%'), 0)::bigint
                 AS paid_out,
               -coalesce(sum(amount) FILTER (WHERE code = 'platform:fee'), 0)::bigint AS earned
             FROM moved GROUP BY 1),
           held AS (
             SELECT currency,
               -coalesce(sum(posted) FILTER (WHERE code LIKE 'buyer:%'), 0)::bigint AS buyers,
               -coalesce(sum(posted) FILTER (WHERE code LIKE 'task:%'), 0)::bigint AS in_tasks,
               -coalesce(sum(posted) FILTER (WHERE code LIKE 'person:%:pending'), 0)::bigint AS pending,
               -coalesce(sum(posted) FILTER (WHERE code LIKE 'person:%:payable'), 0)::bigint AS payable,
               coalesce(sum(posted) FILTER (WHERE code LIKE 'person:%:receivable'), 0)::bigint AS owed_by_people
             FROM ledger_account WHERE tracked AND posted <> 0 GROUP BY 1),
           hot AS (
             SELECT e.currency, coalesce(sum(e.amount) FILTER (WHERE a.code = 'stripe:clearing'), 0)::bigint AS ledger,
               -coalesce(sum(e.amount) FILTER (WHERE a.code = 'suspense'), 0)::bigint AS suspense
             FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id
             WHERE a.code IN ('stripe:clearing', 'suspense') GROUP BY 1),
           there AS (SELECT currency, sum(net)::bigint AS stripe FROM stripe_balance_txn GROUP BY 1)
           SELECT currency, coalesce(paid_in, 0) AS paid_in, coalesce(paid_out, 0) AS paid_out,
             coalesce(earned, 0) AS earned, coalesce(buyers, 0) AS buyers, coalesce(in_tasks, 0) AS in_tasks,
             coalesce(pending, 0) AS pending, coalesce(payable, 0) AS payable,
             coalesce(owed_by_people, 0) AS owed_by_people, coalesce(ledger, 0) AS ledger,
             coalesce(stripe, 0) AS stripe, coalesce(suspense, 0) AS suspense
           FROM day FULL JOIN held USING (currency) FULL JOIN hot USING (currency) FULL JOIN there USING (currency)
           ORDER BY currency <> 'usd', currency""",
        today,
    )
    return today, [Sums(**dict(row)) for row in rows]


async def waiting(conn: asyncpg.Connection) -> Waiting:
    """What there is to look at now."""
    row = await conn.fetchrow(
        """WITH begun AS (
             SELECT EXISTS (SELECT FROM payout_approval a
                            WHERE a.run_id = r.id AND a.expires_at > market_now()) AS lasts
             FROM payout_run r WHERE r.status IN ('approved', 'partial'))
           SELECT
             (SELECT count(*) FROM payout_run WHERE status = 'submitted')
               + (SELECT count(*) FROM begun WHERE NOT lasts) AS runs_to_approve,
             (SELECT count(*) FROM begun WHERE lasts) AS runs_to_go_on_with,
             (SELECT count(*) FROM money_decision WHERE status = 'asked') AS decisions,
             (SELECT count(*) FROM dispute WHERE closed_at IS NULL) AS disputes,
             (SELECT count(*) FROM dispute WHERE status IN ('needs_response', 'warning_needs_response')
                AND answered_at IS NULL) AS disputes_to_answer,
             (SELECT min(evidence_due_at) FROM dispute WHERE status IN ('needs_response', 'warning_needs_response')
                AND answered_at IS NULL) AS next_deadline,
             (SELECT count(*) FROM fraud_warning WHERE status = 'open') AS fraud_warnings,
             (SELECT count(*) FROM stripe_event WHERE handled_at IS NULL AND failure <> '') AS events_failed,
             (SELECT count(*) FROM payout_hold WHERE expires_at IS NULL OR expires_at > market_now())
               + (SELECT count(*) FROM account_hold WHERE expires_at IS NULL OR expires_at > market_now()) AS holds"""
    )
    return Waiting(**dict(row), operations_in_doubt=await operations_desk.doubtful(conn))


class Posting(msgspec.Struct, frozen=True):
    """A transaction of the ledger in a list; amount: the sum of its debits."""

    id: str
    at: datetime
    kind: str
    key: str
    subject: Subject | None
    amount: Money


async def postings(
    conn: asyncpg.Connection, *, kind: str, day: date | None, before: UUID | None, limit: int
) -> list[tuple[UUID, Posting]]:
    """Transactions, newest first, of one kind and day (UTC) or of all, each with its place in the list."""
    rows = await conn.fetch(
        """SELECT x.id, x.effective_at, x.kind, x.idem_key, x.subject_type, x.subject_id, e.currency, e.amount
           FROM ledger_tx x CROSS JOIN LATERAL (
             SELECT min(currency) AS currency, sum(amount) FILTER (WHERE amount > 0)::bigint AS amount
             FROM ledger_entry WHERE tx_id = x.id) e
           WHERE ($1 = '' OR x.kind = $1) AND ($2::uuid IS NULL OR x.id < $2)
             AND ($3::date IS NULL OR (x.effective_at >= $3::date::timestamp AT TIME ZONE 'utc'
               AND x.effective_at < ($3::date + 1)::timestamp AT TIME ZONE 'utc'))
           ORDER BY x.id DESC LIMIT $4""",
        kind, before, day, limit,
    )  # fmt: skip
    return [
        (
            row["id"],
            Posting(
                books.show_tx(row["id"]), row["effective_at"], row["kind"], row["idem_key"],
                books.subject_of(row["subject_type"], row["subject_id"]), Money(row["amount"], row["currency"]),
            ),
        )
        for row in rows
    ]  # fmt: skip

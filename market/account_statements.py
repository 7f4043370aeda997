"""What a buyer had with us and what moved it, day by day, straight from the ledger's entries.

Their money is in the balance (`available`), frozen by disputes (`frozen`), or held for their tasks (`in_tasks`). Each
line sums one kind of posting on one day; the journal, GET /v1/ledger, has them one by one.
"""

from datetime import date
from uuid import UUID

import asyncpg
import msgspec

from market import ledger
from market.periods import Period


class Holdings(msgspec.Struct, frozen=True):
    """A balance, or a change of it, in minor units of the statement's currency: `total` is the sum of the others."""

    available: int
    in_tasks: int
    frozen: int
    total: int


class DayLine(msgspec.Struct, frozen=True):
    """All postings of one kind on one day.

    kind: funded · refunded, refund_failed: to the card, and back when it failed · held_for_tasks, released: between the
    balance and tasks · spent: paid for accepted answers, `fee` of it to the market · bought: observations of others ·
    sold: to others, less `fee`, and shares of what those sold on · frozen, unfrozen: for a dispute · dispute_lost,
    dispute_won: what it took, and gave back · paid_back: for an answer that was accepted wrongly · received: from
    somewhere else · moved: between the parts.
    """

    day: date
    kind: str
    count: int
    change: Holdings
    fee: int


class AccountStatement(msgspec.Struct, frozen=True):
    """From the beginning of the day `from` to the end of `to`, in UTC: opening + all changes = closing."""

    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")
    currency: str
    opening: Holdings
    lines: list[DayLine]
    closing: Holdings


_STATEMENT = """
    WITH own AS (
      SELECT id, CASE split_part(code, ':', 3) WHEN 'held' THEN 'frozen' ELSE 'available' END AS part
        FROM ledger_account WHERE code = ANY ($2::text[]) AND currency = $3
      UNION ALL
      SELECT a.id, 'in_tasks' FROM task t
        JOIN ledger_account a ON a.code = 'task:' || t.id || ':escrow' AND a.currency = t.currency
        WHERE t.account_id = $1 AND t.currency = $3),
    sums AS (
      SELECT e.tx_id, coalesce(-sum(e.amount) FILTER (WHERE o.part = 'available'), 0)::bigint AS available,
             coalesce(-sum(e.amount) FILTER (WHERE o.part = 'in_tasks'), 0)::bigint AS in_tasks,
             coalesce(-sum(e.amount) FILTER (WHERE o.part = 'frozen'), 0)::bigint AS frozen,
             -sum(e.amount)::bigint AS total
      FROM own o JOIN ledger_entry e ON e.account_id = o.id GROUP BY e.tx_id),
    moves AS (
      SELECT s.*, x.effective_at, CASE
          WHEN x.subject_type = 'refund' AND total < 0 THEN 'refunded'
          WHEN x.subject_type = 'refund' AND total > 0 THEN 'refund_failed'
          WHEN total = 0 AND in_tasks > 0 THEN 'held_for_tasks' WHEN total = 0 AND in_tasks < 0 THEN 'released'
          WHEN total = 0 AND frozen > 0 THEN 'frozen' WHEN total = 0 AND frozen < 0 THEN 'unfrozen'
          WHEN frozen < 0 OR (x.subject_type = 'dispute' AND total < 0) THEN 'dispute_lost'
          WHEN x.subject_type = 'dispute' THEN 'dispute_won'
          WHEN x.kind = 'sale' THEN CASE WHEN total < 0 THEN 'bought' ELSE 'sold' END
          WHEN total < 0 THEN 'spent'
          WHEN x.subject_type = 'funding' OR x.kind IN ('funding', 'funded') THEN 'funded'
          WHEN x.subject_type IN ('submission', 'appeal', 'sale') THEN 'paid_back'
          WHEN total > 0 THEN 'received' ELSE 'moved' END AS kind,
        coalesce((SELECT -sum(f.amount) FROM ledger_account a JOIN ledger_entry f ON f.account_id = a.id
                  WHERE a.code = $6 AND a.currency = $3 AND f.tx_id = s.tx_id
                    -- Of a sale it is the seller's, not the buyer's or of those who sold it before.
                    AND (x.kind <> 'sale' OR EXISTS (SELECT FROM sale WHERE id = x.subject_id AND seller_id = $1))
                 ), 0)::bigint AS fee
      FROM sums s JOIN ledger_tx x ON x.id = s.tx_id WHERE x.effective_at < $5),
    daily AS (
      SELECT CASE WHEN effective_at >= $4 THEN (effective_at AT TIME ZONE 'UTC')::date END AS day,
             CASE WHEN effective_at >= $4 THEN kind END AS kind, count(*) AS count, sum(available)::bigint AS available,
             sum(in_tasks)::bigint AS in_tasks, sum(frozen)::bigint AS frozen, sum(total)::bigint AS total,
             sum(fee)::bigint AS fee, min(effective_at) AS first
      FROM moves GROUP BY 1, 2)
    SELECT * FROM daily ORDER BY day NULLS FIRST, first
"""


async def of_account(conn: asyncpg.Connection, account: UUID, period: Period, currency: str) -> AccountStatement:
    """A buyer's statement, oldest day first."""
    rows = await conn.fetch(
        _STATEMENT, account, [ledger.buyer(account), ledger.buyer(account, "held")], currency, period.begins,
        period.ends, ledger.FEE_INCOME,
    )  # fmt: skip
    before = [_holdings(row) for row in rows if row["day"] is None]
    lines = [
        DayLine(row["day"], row["kind"], row["count"], _holdings(row), row["fee"])
        for row in rows
        if row["day"] is not None
    ]
    opening = _sum(before)
    return AccountStatement(
        period.first, period.last, currency, opening, lines, _sum([opening, *(line.change for line in lines)])
    )


def _holdings(row: asyncpg.Record) -> Holdings:
    return Holdings(row["available"], row["in_tasks"], row["frozen"], row["total"])


def _sum(each: list[Holdings]) -> Holdings:
    return Holdings(
        sum(one.available for one in each), sum(one.in_tasks for one in each), sum(one.frozen for one in each),
        sum(one.total for one in each),
    )  # fmt: skip

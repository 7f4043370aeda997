"""What a person was owed and what moved it, day by day, straight from the ledger's entries.

Their four accounts are `pending`, `payable`, `held`, and `receivable`, which is what they owe; a posting that touches
any of them is a line. So opening and lines make the closing balance by construction, and nothing is left out.
"""

from datetime import date, datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids, ledger
from market.errors import Invalid
from market.money import Money
from market.periods import Period

MOST_LINES = 5_000
PARTS = ("pending", "payable", "held", "receivable")


class Parts(msgspec.Struct, frozen=True):
    """A balance, or a change of it, in minor units of the statement's currency: `total` = pending + payable + held -
    owed."""

    pending: int
    payable: int
    held: int
    owed: int
    total: int


class Transfer(msgspec.Struct, frozen=True):
    """What a payout became at Stripe: to the person's account there, at that time."""

    id: str
    at: datetime


class Line(msgspec.Struct, frozen=True):
    """One posting.

    kind: earned: an answer was accepted, `bonus` of it on top of the reward · royalty: of a sale, for all answers of
    the person's that were sold in it · released: out of the hold window · payout: set aside to be sent, by `transfer`
    when it was · payout_returned: Stripe refused it · payout_reversed: it came back after it had been sent · netted:
    what was owed was taken from what is payable · taken_back: pay for an answer was taken back · written_off: a debt
    was forgiven · held, freed: by an operator · moved: between the parts.
    about: the submission or payout. title: of the task.
    """

    at: datetime
    kind: str
    about: str | None
    title: str | None
    change: Parts
    bonus: int
    transfer: Transfer | None


class Statement(msgspec.Struct, frozen=True):
    """From the beginning of the day `from` to the end of `to`, in UTC: opening + all changes = closing."""

    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")
    currency: str
    opening: Parts
    lines: list[Line]
    closing: Parts


class TaxYear(msgspec.Struct, frozen=True):
    """A calendar year (UTC) in one currency, as the books have it.

    earned: pay for `answers` accepted answers and royalties, whenever they are paid out · taken_back: of pay, of any
    year · paid: sent to the account at Stripe · came_back: of what was sent, of any year.
    """

    year: int
    currency: str
    earned: Money
    answers: int
    taken_back: Money
    paid: Money
    came_back: Money


# Each posting on a person's accounts ($1: their codes), with its change of each part. What a posting was follows from
# what it moved, so a kind of posting that is new here still has its line.
_MOVES = """
    WITH own AS (
      SELECT id, currency, split_part(code, ':', 3) AS part FROM ledger_account WHERE code = ANY ($1::text[])),
    sums AS (
      SELECT e.tx_id, o.currency,
             coalesce(-sum(e.amount) FILTER (WHERE o.part = 'pending'), 0)::bigint AS pending,
             coalesce(-sum(e.amount) FILTER (WHERE o.part = 'payable'), 0)::bigint AS payable,
             coalesce(-sum(e.amount) FILTER (WHERE o.part = 'held'), 0)::bigint AS held,
             coalesce(sum(e.amount) FILTER (WHERE o.part = 'receivable'), 0)::bigint AS owed,
             -sum(e.amount)::bigint AS total
      FROM own o JOIN ledger_entry e ON e.account_id = o.id GROUP BY e.tx_id, o.currency),
    moves AS (
      SELECT s.*, x.effective_at, x.idem_key, x.kind AS posting, x.subject_type, x.subject_id,
             CASE WHEN x.subject_type = 'payout' AND total < 0 THEN 'payout'
               WHEN x.subject_type = 'payout' AND x.kind = 'payout_returned' THEN 'payout_returned'
               WHEN x.subject_type = 'payout' AND total > 0 THEN 'payout_reversed'
               WHEN total < 0 THEN 'taken_back'
               WHEN total > 0 AND pending = 0 AND payable = 0 AND held = 0 THEN 'written_off'
               WHEN total > 0 AND x.subject_type = 'sale' THEN 'royalty'
               WHEN total > 0 THEN 'earned'
               WHEN pending < 0 THEN 'released' WHEN held > 0 THEN 'held' WHEN held < 0 THEN 'freed'
               WHEN owed < 0 THEN 'netted' ELSE 'moved' END AS kind
      FROM sums s JOIN ledger_tx x ON x.id = s.tx_id)
"""

_STATEMENT = f"""{_MOVES},
    seen AS (SELECT * FROM moves WHERE currency = $2 AND effective_at < $4)
    SELECT 'opening' AS row, NULL::timestamptz AS effective_at, NULL AS kind, NULL AS subject_type,
           NULL::uuid AS subject_id, coalesce(sum(pending), 0)::bigint AS pending,
           coalesce(sum(payable), 0)::bigint AS payable, coalesce(sum(held), 0)::bigint AS held,
           coalesce(sum(owed), 0)::bigint AS owed, coalesce(sum(total), 0)::bigint AS total,
           NULL::bigint AS bonus, NULL AS title, NULL AS transfer_id, NULL::timestamptz AS sent_at
      FROM seen WHERE effective_at < $3
    UNION ALL
    SELECT 'closing', NULL, NULL, NULL, NULL, coalesce(sum(pending), 0)::bigint, coalesce(sum(payable), 0)::bigint,
           coalesce(sum(held), 0)::bigint, coalesce(sum(owed), 0)::bigint, coalesce(sum(total), 0)::bigint,
           NULL, NULL, NULL, NULL
      FROM seen
    UNION ALL
    (SELECT 'line', m.effective_at, m.kind, m.subject_type, m.subject_id, m.pending, m.payable, m.held, m.owed, m.total,
            -- A bonus that came later has a line of its own.
            CASE WHEN m.posting = 'submission.bonus' THEN m.total
              WHEN m.kind = 'earned' AND NOT EXISTS (SELECT FROM ledger_tx b WHERE b.idem_key = 'bonus:' || s.id)
              THEN s.bonus END, t.title, p.transfer_id, p.settled_at
       FROM seen m
       LEFT JOIN submission s ON m.subject_type = 'submission' AND s.id = m.subject_id
       LEFT JOIN task t ON t.id = s.task_id
       -- A line that was refused and tried again has a posting for each try; the transfer is that of the last.
       LEFT JOIN payout p ON m.kind = 'payout' AND p.id = m.subject_id AND p.transfer_id IS NOT NULL
         AND m.idem_key = 'payout:' || p.id || ':' || p.attempt
       WHERE m.effective_at >= $3 ORDER BY m.effective_at, m.tx_id LIMIT $5)
"""


def _codes(person: UUID) -> list[str]:
    return [ledger.person(person, part) for part in PARTS]


async def of_person(conn: asyncpg.Connection, person: UUID, period: Period, currency: str) -> Statement:
    """A person's statement, oldest line first. Raises Invalid when it would be very long."""
    rows = await conn.fetch(_STATEMENT, _codes(person), currency, period.begins, period.ends, MOST_LINES + 1)
    sums = {row["row"]: _parts(row) for row in rows if row["row"] != "line"}
    lines = [_line(row) for row in rows if row["row"] == "line"]
    if len(lines) > MOST_LINES:
        raise Invalid(f"It would have more than {MOST_LINES} lines: ask for fewer days.", pointer="/from")
    return Statement(period.first, period.last, currency, sums["opening"], lines, sums["closing"])


def _parts(row: asyncpg.Record) -> Parts:
    return Parts(row["pending"], row["payable"], row["held"], row["owed"], row["total"])


def _line(row: asyncpg.Record) -> Line:
    about = row["subject_type"] if row["subject_type"] in ("submission", "payout") else None
    return Line(
        row["effective_at"], row["kind"], ids.show(about, row["subject_id"]) if about else None, row["title"],
        _parts(row), row["bonus"] or 0,
        None if row["transfer_id"] is None else Transfer(row["transfer_id"], row["sent_at"]),
    )  # fmt: skip


async def currencies(conn: asyncpg.Connection, person: UUID) -> list[str]:
    """The currencies in which a person has ever had anything, US dollars first; dollars alone when in none."""
    rows = await conn.fetch(
        "SELECT DISTINCT currency FROM ledger_account WHERE code = ANY ($1::text[])", _codes(person)
    )
    return sorted((row["currency"] for row in rows), key=lambda code: (code != "usd", code)) or ["usd"]


async def tax_years(conn: asyncpg.Connection, person: UUID) -> list[TaxYear]:
    """Every year and currency in which something was earned or paid, the latest year first."""
    rows = await conn.fetch(
        f"""{_MOVES},
            dated AS (
              SELECT effective_at, currency, kind, total, subject_type FROM moves
              UNION ALL
              SELECT x.effective_at, p.currency, 'paid', p.amount, 'payout' FROM payout p
                JOIN ledger_tx x ON x.subject_id = p.id AND x.kind = 'payout_paid' WHERE p.person_id = $2)
            SELECT extract(year FROM effective_at AT TIME ZONE 'UTC')::int AS year, currency,
                   coalesce(sum(total) FILTER (WHERE kind IN ('earned', 'royalty')), 0)::bigint AS earned,
                   count(*) FILTER (WHERE kind = 'earned' AND subject_type = 'submission') AS answers,
                   coalesce(-sum(total) FILTER (WHERE kind = 'taken_back'), 0)::bigint AS taken_back,
                   coalesce(sum(total) FILTER (WHERE kind = 'paid'), 0)::bigint AS paid,
                   coalesce(sum(total) FILTER (WHERE kind = 'payout_reversed'), 0)::bigint AS came_back
            FROM dated WHERE kind IN ('earned', 'royalty', 'taken_back', 'paid', 'payout_reversed')
            GROUP BY 1, 2 ORDER BY 1 DESC, currency <> 'usd', currency""",
        _codes(person), person,
    )  # fmt: skip
    return [
        TaxYear(
            row["year"], row["currency"], Money(row["earned"], row["currency"]), row["answers"],
            Money(row["taken_back"], row["currency"]), Money(row["paid"], row["currency"]),
            Money(row["came_back"], row["currency"]),
        )
        for row in rows
    ]  # fmt: skip

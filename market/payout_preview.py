"""Who would be paid how much, and who not and why: the lines of a run before there is a run.

One statement over everybody with something payable, so that ten thousand people with a hundred thousand earnings are
looked at in well under a second. Earnings explain a line; what is paid comes from the ledger's balance.
"""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from market import ids
from market.errors import Invalid
from market.money import Money
from market.payout_views import Exclusion, Sums, Total

LARGEST_SUM = 10**12  # of a run: far above all that is ever owed at once, far below 63 bits


class Terms(msgspec.Struct, frozen=True):
    """What a run asks for, in minor units of its currency.

    minimum: who has less waits · most_per_line: nobody gets more, the rest waits for the next run · most_in_all: those
    whose oldest unpaid earning is oldest are taken until it is reached, the others wait.
    """

    currency: str
    minimum: int
    most_per_line: int | None = None
    most_in_all: int | None = None
    note: str = ""


class Expected(msgspec.Struct, frozen=True):
    """What somebody would get: gross = what they earned and the market's fee on it, before anything else."""

    person_id: str
    amount: Money
    gross: Money
    fee: Money
    adjustments: Money
    rolled_over: Money
    items: int


class Preview(msgspec.Struct, frozen=True):
    """A run as it would be made now. The lines with the largest amounts and the first exclusions are listed."""

    currency: str
    minimum: Money
    most_per_line: Money | None
    most_in_all: Money | None
    total: Total
    sums: Sums
    excluded: dict[str, Total]
    lines: list[Expected]
    exclusions: list[Exclusion]


async def terms(
    conn: asyncpg.Connection, currency: str, minimum: int | None = None, most_per_line: int | None = None,
    most_in_all: int | None = None, note: str = "",
) -> Terms:  # fmt: skip
    """Terms that can pay somebody; the currency's own minimum when none is given. Raises Invalid."""
    row = await conn.fetchrow("SELECT minimum_payout, payout_multiple FROM currency WHERE code = $1", currency)
    if row is None:
        raise Invalid(f"{currency!r} is no currency here.", pointer="/currency")
    least = row["minimum_payout"] if minimum is None else minimum
    if most_per_line is not None and most_per_line - most_per_line % row["payout_multiple"] < least:
        raise Invalid(
            f"With at most {most_per_line} a line nobody gets the minimum of {least}; amounts are multiples of "
            f"{row['payout_multiple']}.", pointer="/most_per_line",
        )  # fmt: skip
    if most_in_all is not None and most_in_all < least:
        raise Invalid(f"With at most {most_in_all} in all nobody gets the minimum of {least}.", pointer="/most_in_all")
    return Terms(currency, least, most_per_line, most_in_all, note)


# $1 currency, $2 minimum, $3 most per line, $4 most in all, $5 people whom an operator leaves out.
# What is known of each person is put together by one grouping and no joins, so that it is quick whatever the planner
# believes of the tables' sizes: just after a large import it believes that they are empty.
_JUDGED = """
    WITH known (
      person_id, payable, debt, earned, fee, items, oldest, destination, transfers, held, busy, taken_out) AS (
      SELECT split_part(code, ':', 2)::uuid, -posted, 0::bigint, 0::bigint, 0::bigint, 0, NULL::timestamptz, NULL::text,
             NULL::text, false, false, false
      FROM ledger_account WHERE code LIKE 'person:%:payable' AND currency = $1 AND posted < 0
      UNION ALL SELECT split_part(code, ':', 2)::uuid, 0, posted, 0, 0, 0, NULL, NULL, NULL, false, false, false
      FROM ledger_account WHERE code LIKE 'person:%:receivable' AND currency = $1 AND posted > 0
      UNION ALL SELECT person_id, 0, 0, amount, fee, 1, released_at, NULL, NULL, false, false, false
      FROM earning WHERE currency = $1 AND payout_id IS NULL AND released_at IS NOT NULL AND clawed_back_at IS NULL
      UNION ALL SELECT person_id, 0, 0, 0, 0, 0, NULL, stripe_id, transfers, false, false, false FROM payout_account
      UNION ALL SELECT person_id, 0, 0, 0, 0, 0, NULL, NULL, NULL, true, false, false
      FROM payout_hold WHERE expires_at IS NULL OR expires_at > market_now()
      UNION ALL SELECT p.person_id, 0, 0, 0, 0, 0, NULL, NULL, NULL, false, true, false
      FROM payout_run r JOIN payout p ON p.run_id = r.id
      WHERE r.status IN ('approved', 'executing') AND p.status IN ('listed', 'planned') AND p.currency = $1
      UNION ALL SELECT unnest($5::uuid[]), 0, 0, 0, 0, 0, NULL, NULL, NULL, false, false, true),
    people AS (
      SELECT person_id, sum(payable)::bigint AS payable, sum(debt)::bigint AS debt, sum(earned)::bigint AS earned,
             sum(fee)::bigint AS fee, sum(items)::int AS items, min(oldest) AS oldest, max(destination) AS destination,
             max(transfers) AS transfers, bool_or(held) AS held, bool_or(busy) AS busy, bool_or(taken_out) AS taken_out,
             least(sum(payable)::bigint, $3::bigint) AS most
      FROM known GROUP BY person_id HAVING sum(payable) > 0),
    looked_at AS (
      SELECT p.*, most - most % payout_multiple AS amount, CASE
        WHEN taken_out THEN 'excluded'
        WHEN held THEN 'held'
        WHEN destination IS NULL THEN 'no_payout_account'
        WHEN transfers <> 'active' THEN 'capability_inactive'
        WHEN busy THEN 'in_another_run'
        WHEN debt >= payable THEN 'owes'
        WHEN most - most % payout_multiple < $2::bigint THEN 'below_minimum' END AS reason
      FROM people p, currency WHERE code = $1),
    judged AS MATERIALIZED (
      SELECT person_id, payable, amount, destination, earned, fee, items, CASE
        WHEN reason IS NULL AND sum(amount) FILTER (WHERE reason IS NULL)
          OVER (ORDER BY oldest NULLS LAST, person_id ROWS UNBOUNDED PRECEDING) > $4::bigint THEN 'over_run_cap'
        ELSE reason END AS reason
      FROM looked_at)
"""


async def judged(conn: asyncpg.Connection, asked: Terms, left_out: Sequence[UUID]) -> list[asyncpg.Record]:
    """Everybody with something payable: person_id, payable, amount, destination, earned, fee, items, and the reason
    when they get nothing. left_out: whom an operator has excluded."""
    return await conn.fetch(  # type: ignore[no-any-return]
        f"{_JUDGED} SELECT * FROM judged ORDER BY person_id", *_arguments(asked, left_out)
    )


async def preview(conn: asyncpg.Connection, asked: Terms, *, shown: int) -> Preview:
    """The run that these terms would make now; nothing is written."""
    rows = await conn.fetch(
        f"""{_JUDGED}
            SELECT true AS summed, NULL::uuid AS person_id, reason, count(*) AS count, sum(payable)::bigint AS payable,
                   sum(amount)::bigint AS amount, sum(earned)::bigint AS earned, sum(fee)::bigint AS fee,
                   sum(items)::bigint AS items FROM judged GROUP BY reason
            UNION ALL (SELECT false, person_id, reason, 1, payable, amount, earned, fee, items FROM judged
                       WHERE reason IS NULL ORDER BY amount DESC, person_id LIMIT $6)
            UNION ALL (SELECT false, person_id, reason, 1, payable, amount, earned, fee, items FROM judged
                       WHERE reason IS NOT NULL ORDER BY person_id LIMIT $6)""",
        *_arguments(asked, ()), shown,
    )  # fmt: skip

    def money(amount: int) -> Money:
        return Money(amount, asked.currency)

    def cap(amount: int | None) -> Money | None:
        return None if amount is None else money(amount)

    taken = next((row for row in rows if row["summed"] and row["reason"] is None), None)
    return Preview(
        currency=asked.currency,
        minimum=money(asked.minimum),
        most_per_line=cap(asked.most_per_line),
        most_in_all=cap(asked.most_in_all),
        total=Total(taken["count"], money(taken["amount"])) if taken else Total(0, money(0)),
        sums=Sums.of(
            asked.currency, net=taken["amount"], earned=taken["earned"], fee=taken["fee"], items=taken["items"],
            rolled_over=taken["payable"] - taken["amount"],
        ) if taken else Sums.of(asked.currency),
        excluded={
            row["reason"]: Total(row["count"], money(row["payable"]))
            for row in rows if row["summed"] and row["reason"] is not None
        },
        lines=[
            Expected(
                ids.show("person", row["person_id"]), money(row["amount"]), money(row["earned"] + row["fee"]),
                money(row["fee"]), money(row["amount"] - row["earned"]), money(row["payable"] - row["amount"]),
                row["items"],
            )
            for row in rows if not row["summed"] and row["reason"] is None
        ],
        exclusions=[
            Exclusion(ids.show("person", row["person_id"]), money(row["payable"]), row["reason"])
            for row in rows if not row["summed"] and row["reason"] is not None
        ],
    )  # fmt: skip


def _arguments(asked: Terms, left_out: Sequence[UUID]) -> tuple[object, ...]:
    return asked.currency, asked.minimum, asked.most_per_line, asked.most_in_all, list(left_out)

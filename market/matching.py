"""Three ways to the same amount: a line of Stripe's balance, its transaction in the ledger, our row behind both.

Lines that explain themselves are posted as they are seen. Those of ours are posted by whoever acts on their event, and
what nobody has posted after `SUSPENSE_AFTER_S` goes into suspense (market/suspense.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

import asyncpg
import msgspec

from market import ids, ledger, stripe_balance
from market.money import Money
from market.stripe_balance import BalanceLine

ACTOR = "stripe"

# Types of Stripe's lines that say by themselves what they are: the account on the other side. Nothing of ours is
# behind them. All other types are ours (charge, refund, transfer, adjustment …) or a matter for an operator.
EXPLAINED = {
    "stripe_fee": ledger.FEES,
    "stripe_fx_fee": ledger.FEES,
    "tax_fee": ledger.FEES,
    "payout": ledger.BANK,
    "payout_cancel": ledger.BANK,
    "payout_failure": ledger.BANK,
    # A payout that leaves a minimum behind takes that out of the balance and puts it back at once.
    "payout_minimum_balance_hold": ledger.BANK,
    "payout_minimum_balance_release": ledger.BANK,
    "topup": ledger.CAPITAL,
    "topup_reversal": ledger.CAPITAL,
}
# Currencies whose smallest unit is not a hundredth, as Stripe counts them.
WHOLE = ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
EXPONENTS = dict.fromkeys(WHOLE, 0) | dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3)

State = Literal["matched", "explained", "suspense", "unmatched", "contradictory"]
STATES: tuple[str, ...] = get_args(State)


class MatchedLine(msgspec.Struct, frozen=True):
    """A line of Stripe's balance and what stands for it.

    matched: by a posting, and our row has the same amount · explained: by its type, by two operators, or because it
    moves nothing · suspense: posted there, its cause is not known · unmatched: nothing stands for it yet ·
    contradictory: what stands for it is not what our row or its posting says. Age counts from when it was first seen.
    `about` is our row, where the line leads to one; `transaction` and `suspense_transaction` are those of the ledger.
    """

    id: str
    state: State
    type: str
    category: str
    description: str
    source: str
    amount: Money
    fee: int
    net: int
    created_at: datetime
    seen_at: datetime
    age_s: int
    about: str | None
    transaction: str | None
    suspense_transaction: str | None
    closed_day: str | None


# One row for each line `b`: its state, our row behind it, and what its posting moved.
_LINES = """
    SELECT b.*, x.id AS tx, s.id AS suspense_tx,
           extract(epoch FROM market_now() - b.seen_at)::bigint AS age_s, w.about_type, w.about_id,
           CASE WHEN b.ledger_key IS NULL THEN
                  CASE WHEN b.suspense_key IS NOT NULL THEN 'suspense'
                       WHEN b.amount = 0 AND b.net = 0 THEN 'explained' ELSE 'unmatched' END
                WHEN m.moved <> b.net THEN 'contradictory'
                WHEN b.ledger_key LIKE ANY (ARRAY['mirror:%', 'suspense_resolved:%']) THEN 'explained'
                WHEN w.key IS DISTINCT FROM b.ledger_key OR w.amount <> b.amount OR w.currency <> b.currency
                  THEN 'contradictory'
                ELSE 'matched' END AS state
    FROM {lines} b
      LEFT JOIN ledger_tx x ON x.idem_key = b.ledger_key
      LEFT JOIN ledger_tx s ON s.idem_key = b.suspense_key
      LEFT JOIN LATERAL (
        SELECT coalesce(sum(e.amount), 0) AS moved FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
        WHERE e.tx_id = x.id
          AND a.code = CASE WHEN b.suspense_key IS NULL THEN 'stripe:clearing' ELSE 'suspense' END) m ON true
      LEFT JOIN LATERAL (
        SELECT 'funding' AS about_type, f.id AS about_id, 'fund:' || f.id AS key, f.amount, f.currency
          FROM funding f WHERE f.charge_id = b.source AND b.type IN ('charge', 'payment')
        UNION ALL
        -- One from before charges were kept, which only its posting leads to.
        SELECT 'funding', f.id, b.ledger_key, f.amount, f.currency FROM funding f
          WHERE f.charge_id IS NULL AND b.type IN ('charge', 'payment') AND f.status = 'succeeded'
            AND f.id = CASE WHEN b.ledger_key LIKE 'fund:%' THEN substr(b.ledger_key, 6)::uuid END
        UNION ALL
        SELECT 'payout', p.id, 'payout_paid:' || p.id, -p.amount, p.currency
          FROM payout p WHERE p.transfer_id = b.source
        UNION ALL
        SELECT 'payout', x.subject_id, b.ledger_key, b.amount, p.currency FROM payout p
          WHERE p.id = x.subject_id AND b.ledger_key = 'reversal:' || b.source AND p.reversed >= b.amount
        UNION ALL
        SELECT 'refund', r.id, CASE WHEN b.amount < 0 THEN 'refund-sent:' ELSE 'refund-back:' END || r.id,
               sign(b.amount)::bigint * r.amount, r.currency
          FROM refund r WHERE r.stripe_id = b.source
        UNION ALL
        SELECT 'dispute', d.id, 'dispute:' || d.id || ':' || b.id, b.amount, d.currency
          FROM dispute d WHERE d.stripe_id = b.source
        LIMIT 1) w ON true"""
_OPEN = {
    "suspense": "AND ledger_key IS NULL AND suspense_key IS NOT NULL",
    "unmatched": "AND ledger_key IS NULL AND suspense_key IS NULL AND (amount <> 0 OR net <> 0)",
}


def query(lines: str) -> str:
    """The query of lines with their states over a table, or a query in brackets, of rows of stripe_balance_txn."""
    return _LINES.replace("{lines}", lines)


async def open_currencies(conn: asyncpg.Connection, codes: set[str]) -> None:
    """Let the books hold these currencies: Stripe's balance may have one that the market does not trade in."""
    await conn.execute(
        """INSERT INTO currency (code, exponent) SELECT * FROM unnest($1::text[], $2::smallint[])
           ON CONFLICT (code) DO NOTHING""",
        sorted(codes), [EXPONENTS.get(code, 2) for code in sorted(codes)],
    )  # fmt: skip


async def see(conn: asyncpg.Connection, lines: Sequence[BalanceLine]) -> int:
    """Keep lines of Stripe's balance, and post those that explain themselves, each once; how many are new."""
    await open_currencies(conn, {line.currency for line in lines})
    new = await stripe_balance.see(conn, lines)
    open_rows = await conn.fetch(
        """SELECT id, type, source, currency, amount, fee, net, created_at, category, description
           FROM stripe_balance_txn
           WHERE id = ANY ($1::text[]) AND ledger_key IS NULL AND type = ANY ($2::text[]) AND (amount <> 0 OR net <> 0)
           ORDER BY id FOR NO KEY UPDATE""",
        [line.id for line in lines], list(EXPLAINED),
    )  # fmt: skip
    for row in open_rows:
        await _explain(conn, BalanceLine(**row))
    return new


async def _explain(conn: asyncpg.Connection, line: BalanceLine) -> None:
    """Post a line whose type says what it is. The fee within it is Stripe's, as everywhere."""
    key, account = f"mirror:{line.id}", EXPLAINED[line.type]
    counter = await stripe_balance.counter(conn, line)
    entries = (
        [(account, -line.net), (counter, line.net)]
        if account == ledger.FEES
        else [(account, -line.amount), (ledger.FEES, line.fee), (counter, line.net)]
    )
    await ledger.post(
        conn, f"stripe.{line.type}", key, entries, currency=line.currency, actor=ACTOR,
        meta={"txn": line.id, "source": line.source},
    )  # fmt: skip
    await stripe_balance.mirror(conn, line, key)


async def lines(
    conn: asyncpg.Connection, *, state: str | None = None, after: tuple[datetime, str] | None = None, limit: int
) -> list[MatchedLine]:
    """Lines of Stripe's balance, newest first: those in one state, or all. `after`: the last one of the page before."""
    at, id = after or (None, None)
    # The other states are found only by looking: line by line, newest first, until there are enough.
    own = "" if state is None or state in _OPEN else "WHERE state = $4"
    page = f"""(SELECT * FROM stripe_balance_txn
                WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2)) {_OPEN.get(state or "", "")}
                ORDER BY created_at DESC, id DESC {"" if own else "LIMIT $3"})"""
    rows = await conn.fetch(
        f"SELECT * FROM ({query(page)}) AS l {own} ORDER BY created_at DESC, id DESC LIMIT $3",
        at, id, limit, *([state] if own else []),
    )  # fmt: skip
    return [shown(row) for row in rows]


async def line(conn: asyncpg.Connection, txn: str) -> MatchedLine | None:
    """One line of Stripe's balance."""
    row = await conn.fetchrow(f"{query('stripe_balance_txn')} WHERE b.id = $1", txn)
    return None if row is None else shown(row)


def shown(row: asyncpg.Record) -> MatchedLine:
    """A row of the query above."""
    about = ids.show(row["about_type"], row["about_id"]) if row["about_id"] is not None else None
    return MatchedLine(
        row["id"], row["state"], row["type"], row["category"], row["description"], row["source"],
        Money(row["amount"], row["currency"]), row["fee"], row["net"], row["created_at"], row["seen_at"], row["age_s"],
        about, _ltx(row["tx"]), _ltx(row["suspense_tx"]), row["closed_day"] and row["closed_day"].isoformat(),
    )  # fmt: skip


def _ltx(id: UUID | None) -> str | None:
    return None if id is None else f"ltx_{id.hex}"


# ---- the two books side by side


class Side(msgspec.Struct, frozen=True):
    """One currency, in minor units: what Stripe holds, what `stripe:clearing` says, and why they differ.

    under_way: Stripe's lines that nothing stands for yet · without_line: postings on `stripe:clearing` that no line of
    Stripe's stands behind. difference = under_way - without_line + unexplained.
    """

    currency: str
    stripe: int
    ledger: int
    difference: int
    under_way: int
    without_line: int
    unexplained: int


async def sides(conn: asyncpg.Connection, held: dict[str, int]) -> list[Side]:
    """The books beside what Stripe says that it holds, by currency. Only a look on one snapshot sees them together."""
    rows = await conn.fetch(
        """WITH cleared AS (
             SELECT a.currency, sum(e.amount)::bigint AS total FROM ledger_account a
               JOIN ledger_entry e ON e.account_id = a.id WHERE a.code = 'stripe:clearing' GROUP BY a.currency),
           seen AS (
             SELECT currency,
               coalesce(sum(net) FILTER (WHERE ledger_key IS NULL AND suspense_key IS NULL), 0)::bigint AS waiting,
               coalesce(sum(net) FILTER (WHERE ledger_key IS NOT NULL OR suspense_key IS NOT NULL), 0)::bigint AS posted
             FROM stripe_balance_txn GROUP BY currency)
           SELECT currency, coalesce(c.total, 0) AS ledger, coalesce(s.waiting, 0) AS waiting,
                  coalesce(s.posted, 0) AS posted
           FROM cleared c FULL JOIN seen s USING (currency)"""
    )
    found = {row["currency"]: row for row in rows}
    sides = []
    for code in sorted(found.keys() | held.keys()):
        row = found.get(code)
        books, waiting, posted = (row["ledger"], row["waiting"], row["posted"]) if row else (0, 0, 0)
        there = held.get(code, 0)
        without = books - posted
        rest = there - books - waiting + without
        sides.append(Side(code, there, books, there - books, waiting, without, rest))
    return sides


async def counts(conn: asyncpg.Connection) -> dict[str, int]:
    """How many lines of Stripe's balance are in each state."""
    rows = await conn.fetch(f"SELECT state, count(*) AS count FROM ({query('stripe_balance_txn')}) AS l GROUP BY state")
    return dict.fromkeys(STATES, 0) | {row["state"]: row["count"] for row in rows}

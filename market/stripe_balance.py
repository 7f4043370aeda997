"""The mirror of Stripe's balance: each line there has exactly one ledger transaction here, or waits to be explained.

A line that nothing stands for after a while goes into `suspense`, so that `stripe:clearing` is what Stripe holds; when
its cause is found later, that is posted against suspense.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from market import ledger

RESOLVED = "suspense_resolved:"  # how the keys of what operators said about a line begin


class BalanceLine(msgspec.Struct, frozen=True):
    """One balance transaction of Stripe's, in minor units: net = amount - fee, signed."""

    id: str
    type: str
    source: str
    currency: str
    amount: int
    fee: int
    net: int
    created_at: datetime
    category: str = ""
    description: str = ""


async def counter(conn: asyncpg.Connection, line: BalanceLine) -> str:
    """The account that a posting for this line moves: `stripe:clearing`, or `suspense` when the line is there already.

    Keeps the line, or locks it where it is known, so that nobody puts it into suspense at the same moment. Ask before
    posting, and `mirror` after it.
    """
    return (await counters(conn, [line]))[line.id]


async def mirror(conn: asyncpg.Connection, line: BalanceLine, ledger_key: str) -> None:
    """Note which ledger transaction stands for a balance transaction; each has exactly one.

    Raises Matched when another ledger transaction stands for it already.
    """
    noted = await conn.fetchval(
        """INSERT INTO stripe_balance_txn AS b
             (id, type, source, currency, amount, fee, net, ledger_key, created_at, category, description)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           ON CONFLICT (id) DO UPDATE SET ledger_key = excluded.ledger_key
             WHERE b.ledger_key IS NULL OR b.ledger_key = excluded.ledger_key RETURNING true""",
        line.id, line.type, line.source, line.currency, line.amount, line.fee, line.net, ledger_key, line.created_at,
        line.category, line.description,
    )  # fmt: skip
    if noted is None:
        raise Matched(f"{line.id} has a ledger transaction already, and {ledger_key} would be a second one")


async def counters(conn: asyncpg.Connection, lines: Sequence[BalanceLine]) -> dict[str, str]:
    """`counter` of many lines, by id."""
    rows = await conn.fetch(
        f"{_KEEP} ON CONFLICT (id) DO UPDATE SET seen_at = b.seen_at RETURNING id, suspense_key, ledger_key",
        *_columns(lines),
    )
    for row in sorted(rows, key=lambda each: str(each["id"])):
        if row["ledger_key"] is not None and row["ledger_key"].startswith(RESOLVED):
            await _undo(conn, row["id"], row["ledger_key"])
    return {row["id"]: ledger.CLEARING if row["suspense_key"] is None else ledger.SUSPENSE for row in rows}


async def _undo(conn: asyncpg.Connection, line: str, key: str) -> None:
    """Operators said what a line in suspense was, and now its true cause has come: what they said is taken back.

    What a buyer was given for it and has spent is the platform's loss.
    """
    tx = await conn.fetchrow("SELECT id, subject_type, subject_id FROM ledger_tx WHERE idem_key = $1", key)
    entries = await conn.fetch(
        """SELECT a.code, e.currency, -e.amount AS amount, a.floor_zero
           FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id WHERE e.tx_id = $1 ORDER BY e.line""",
        tx["id"],
    )
    currency = entries[0]["currency"]
    await ledger.lock(conn, {(each["code"], currency) for each in entries})
    lines: list[tuple[str, int]] = []
    for each in entries:
        taken = each["amount"]
        if each["floor_zero"] and taken > 0:
            [there] = await ledger.balances(conn, [each["code"]], currency)
            taken = min(taken, there)
            lines.append((ledger.LOSSES, each["amount"] - taken))
        lines.append((each["code"], taken))
    await ledger.post(
        conn, "suspense.undone", f"undone:{key}", lines, currency=currency, actor="stripe",
        subject=(tx["subject_type"], tx["subject_id"]), meta={"txn": line}, reverses=tx["id"],
    )  # fmt: skip
    await conn.execute("UPDATE stripe_balance_txn SET ledger_key = NULL WHERE id = $1", line)


async def mirror_many(conn: asyncpg.Connection, lines: Sequence[tuple[BalanceLine, str]]) -> None:
    """`mirror` of many lines that `counters` has kept, each with its ledger key. Raises Matched."""
    done = await conn.fetch(
        """UPDATE stripe_balance_txn b SET ledger_key = w.key
           FROM unnest($1::text[], $2::text[]) AS w (id, key)
           WHERE b.id = w.id AND (b.ledger_key IS NULL OR b.ledger_key = w.key) RETURNING b.id""",
        [line.id for line, _ in lines], [key for _, key in lines],
    )  # fmt: skip
    if len(done) < len(lines):
        raise Matched("something else stands for one of these lines already")


class Matched(Exception):
    """Something else stands for this line of Stripe's balance."""


async def see(conn: asyncpg.Connection, lines: Sequence[BalanceLine]) -> int:
    """Keep lines of Stripe's balance as they stand there; how many are new."""
    rows = await conn.fetch(f"{_KEEP} ON CONFLICT (id) DO NOTHING RETURNING id", *_columns(lines))
    return len(rows)


# In one order, so that two who keep the same lines do not wait for each other in a ring.
_KEEP = """
    INSERT INTO stripe_balance_txn AS b
      (id, type, source, currency, amount, fee, net, created_at, category, description)
    SELECT DISTINCT ON (id) * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
      $7::bigint[], $8::timestamptz[], $9::text[], $10::text[])
      AS w (id, type, source, currency, amount, fee, net, created_at, category, description) ORDER BY id"""


def _columns(lines: Sequence[BalanceLine]) -> tuple[list[object], ...]:
    return (
        [each.id for each in lines], [each.type for each in lines], [each.source for each in lines],
        [each.currency for each in lines], [each.amount for each in lines], [each.fee for each in lines],
        [each.net for each in lines], [each.created_at for each in lines], [each.category for each in lines],
        [each.description for each in lines],
    )  # fmt: skip

"""Awards that a buyer's balance did not cover, made good as soon as it does: what was fronted, and what is owed."""

import asyncpg

from market import events, ledger

# SQL: what appeal `a` still wants from its buyer.
_DUE = "(a.fronted + a.owed + a.owed_fee)"


async def collect_due(conn: asyncpg.Connection, *, hold_s: int, limit: int = 20) -> int:
    """Take what is due from buyers whose balance covers it by now, pay whom it is owed to, and free what it kept from
    the buyers; how many. hold_s: how long what was owed is pending then."""
    due = await conn.fetch(
        f"""SELECT a.*, {_DUE} AS due, t.currency
            FROM appeal a JOIN task t ON t.id = a.task_id
              JOIN ledger_account l ON l.code = 'buyer:' || a.account_id || ':available' AND l.currency = t.currency
            WHERE (a.fronted > 0 OR a.owed > 0) AND a.collected_at IS NULL AND -l.posted >= {_DUE}
            ORDER BY a.id LIMIT $1 FOR NO KEY UPDATE OF a SKIP LOCKED""",
        limit,
    )
    await ledger.lock(
        conn,
        {(code, each["currency"]) for each in due
         for code in (ledger.buyer(each["account_id"]), ledger.person(each["person_id"], "pending"))},
    )  # fmt: skip
    return sum([await _collect(conn, each, hold_s) for each in due])


async def _collect(conn: asyncpg.Connection, due: asyncpg.Record, hold_s: int) -> bool:
    buyer, currency = ledger.buyer(due["account_id"]), due["currency"]
    [available] = await ledger.balances(conn, [buyer], currency)
    if available < due["due"]:
        return False
    # Also whoever has left meanwhile is paid as before: whom it is for is in the books, not who that was.
    owed, owed_fee, taken = due["owed"], due["owed_fee"], due["due"]
    await ledger.post(
        conn, "appeal.collect", f"collect:{due['id']}",
        [(buyer, taken), (ledger.LOSSES, -due["fronted"]), (ledger.person(due["person_id"], "pending"), -owed),
         (ledger.FEE_INCOME, -owed_fee)],
        currency=currency, actor="market", subject=("appeal", due["id"]),
    )  # fmt: skip
    if owed:
        await conn.execute(
            """INSERT INTO earning (submission_id, person_id, amount, currency, release_at, fee)
                 VALUES ($1, $2, $3, $4, market_now() + make_interval(secs => $5), $6)""",
            due["submission_id"], due["person_id"], owed, currency, hold_s, owed_fee,
        )  # fmt: skip
    await conn.execute(
        "UPDATE appeal SET collected_at = market_now(), paid = paid + $2 WHERE id = $1 AND collected_at IS NULL",
        due["id"], owed,
    )  # fmt: skip
    await conn.execute("UPDATE observation SET locked = false WHERE submission_id = $1", due["submission_id"])
    await conn.execute(
        """DELETE FROM account_hold WHERE account_id = $1 AND operator_id IS NULL AND NOT EXISTS (
             SELECT FROM appeal WHERE account_id = $1 AND (fronted > 0 OR owed > 0) AND collected_at IS NULL)""",
        due["account_id"],
    )  # fmt: skip
    await events.append(
        conn, "appeal.collected", ("appeal", due["id"]), "market", account=due["account_id"],
        person=due["person_id"] if owed else None, data={"amount": taken, "currency": currency},
    )  # fmt: skip
    return True

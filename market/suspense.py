"""Suspense: lines of Stripe's balance whose cause nobody knows, held apart until two operators, or a late event, say.

A line is given an hour for its event to come. Then it is posted between `stripe:clearing` and `suspense`, so that the
books hold what Stripe holds. What is its cause is posted against `suspense` afterwards, whoever finds it.
"""

import re
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from market import events, ids, ledger, matching, money_decisions, stripe_balance
from market.errors import Invalid, NotFound, WrongState
from market.matching import MatchedLine
from market.money_decisions import Asked
from market.stripe_balance import BalanceLine

SUSPENSE_AFTER_S = 3600  # of the market's time, since it was first seen
AT_ONCE = 100
ACTOR = "market"
# What an operator may say that a line was. The last kind is a buyer's balance.
TARGETS = (ledger.FEES, ledger.LOSSES, ledger.BANK, ledger.CAPITAL, ledger.FEE_INCOME)
BUYERS = re.compile(r"buyer:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):available")
BY_PUBLIC_ID = re.compile(r"buyer:(acct_[0-9a-f]{32}):available")

_COLUMNS = "id, type, source, currency, amount, fee, net, created_at, category, description"


async def put_overdue(conn: asyncpg.Connection, limit: int = AT_ONCE) -> int:
    """Post lines into suspense that nothing stands for after `SUSPENSE_AFTER_S`; how many.

    One that moves nothing in the end (its fee is its amount) stays unmatched: no account can hold nothing.
    """
    rows = await conn.fetch(
        f"""SELECT {_COLUMNS} FROM stripe_balance_txn
            WHERE ledger_key IS NULL AND suspense_key IS NULL AND net <> 0
              AND seen_at <= market_now() - make_interval(secs => $1)
            ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED""",
        SUSPENSE_AFTER_S, limit,
    )  # fmt: skip
    for row in rows:
        line = BalanceLine(**row)
        key = f"suspense:{line.id}"
        await ledger.post(
            conn, "suspense.put", key, [(ledger.CLEARING, line.net), (ledger.SUSPENSE, -line.net)],
            currency=line.currency, actor=ACTOR, meta={"txn": line.id, "type": line.type, "source": line.source},
        )  # fmt: skip
        await conn.execute("UPDATE stripe_balance_txn SET suspense_key = $2 WHERE id = $1", line.id, key)
    return len(rows)


async def items(conn: asyncpg.Connection, limit: int) -> list[MatchedLine]:
    """What is in suspense, oldest first."""
    rows = await conn.fetch(
        f"""{matching.query("stripe_balance_txn")} WHERE b.ledger_key IS NULL AND b.suspense_key IS NOT NULL
            ORDER BY b.seen_at, b.id LIMIT $1""",
        limit,
    )
    return [matching.shown(row) for row in rows]


# ---- two operators say what it was


async def ask(conn: asyncpg.Connection, operator: UUID, txn: str, target: str, reason: str) -> UUID:
    """Ask for a line to be what `target` says; another operator decides (market/money_decisions.py).

    The whole amount goes to the target, and Stripe's fee in it to `stripe:fees`. Raises NotFound for a line or an
    account that is not there, Invalid for a target that is none, WrongState for a line that is no open matter.
    """
    line = await _open_line(conn, txn)
    public = BY_PUBLIC_ID.fullmatch(target)
    target = ledger.buyer(ids.read("account", public[1])) if public else target
    await _require_target(conn, target, line.currency)
    if not [amount for _, amount in _entries(line, target, ledger.SUSPENSE) if amount]:
        raise Invalid("This line moves nothing between these accounts.", pointer="/target")
    return await money_decisions.ask(
        conn, operator, "suspense", amount=line.amount or line.net, currency=line.currency, reason=reason, txn_id=txn,
        target=target,
    )  # fmt: skip


async def _open_line(conn: asyncpg.Connection, txn: str) -> BalanceLine:
    row = await conn.fetchrow(f"SELECT {_COLUMNS}, ledger_key, suspense_key FROM stripe_balance_txn WHERE id = $1", txn)
    if row is None:
        raise NotFound("There is no line with this id in the mirror of Stripe's balance.")
    found = dict(row)
    matched, put = found.pop("ledger_key"), found.pop("suspense_key")
    if matched is not None:
        raise WrongState("Something stands for this line already.")
    if put is None and found["net"]:
        raise WrongState("This line is not in suspense: its event may still come.")
    await _require_no_doubt(conn, found["amount"], found["currency"])
    return BalanceLine(**found)


async def _require_no_doubt(conn: asyncpg.Connection, amount: int, currency: str) -> None:
    """The line may be what an operation has done of which nobody knows yet. Raises WrongState."""
    doubtful = await conn.fetchval(
        """SELECT o.kind FROM stripe_op o LEFT JOIN refund r ON o.kind = 'refund' AND r.id = o.subject_id
           WHERE o.status IN ('sending', 'unknown') AND o.kind IN ('transfer', 'charge', 'refund')
             AND coalesce(r.amount, (o.params->>'amount')::bigint) = abs($1::bigint)
             AND coalesce(r.currency, o.params->>'currency') = $2 LIMIT 1""",
        amount, currency,
    )  # fmt: skip
    if doubtful is not None:
        raise WrongState(f"A {doubtful} of the same amount is in doubt: find out first whether this line is its own.")


async def _require_target(conn: asyncpg.Connection, target: str, currency: str) -> UUID | None:
    """The buyer behind the target, if it is one's balance."""
    if target in TARGETS:
        return None
    named = BUYERS.fullmatch(target)
    if named is None:
        raise Invalid(f"The target is one of {', '.join((*TARGETS, 'buyer:<account>:available'))}.", pointer="/target")
    account = UUID(named[1])
    has = await conn.fetchval("SELECT currency FROM account WHERE id = $1", account)
    if has is None:
        raise NotFound("There is no account with this id.")
    if has != currency:
        raise Invalid(f"The account is in {has}, the line in {currency}.", pointer="/target")
    return account


def _entries(line: BalanceLine, target: str, counter: str) -> Sequence[tuple[str, int]]:
    if target == ledger.FEES:
        return [(counter, line.net), (target, -line.net)]
    return [(counter, line.net), (ledger.FEES, line.fee), (target, -line.amount)]


async def _resolve(conn: asyncpg.Connection, asked: Asked) -> None:
    """What the approval does. Raises WrongState when the cause has been found meanwhile."""
    txn, target = str(asked.txn_id), str(asked.target)
    await conn.execute("SELECT FROM stripe_balance_txn WHERE id = $1 FOR NO KEY UPDATE", txn)
    line = await _open_line(conn, txn)
    account = await _require_target(conn, target, line.currency)
    counter = await stripe_balance.counter(conn, line)
    key = f"{stripe_balance.RESOLVED}{asked.id}"
    await ledger.post(
        conn, "suspense.resolved", key, list(_entries(line, target, counter)), currency=line.currency, actor=asked.by,
        subject=("money_decision", asked.id), meta={"txn": txn, "reason": asked.reason},
    )  # fmt: skip
    await stripe_balance.mirror(conn, line, key)
    if account is not None:
        await events.append(
            conn, "account.adjusted", ("money_decision", asked.id), asked.by, account=account,
            data={"amount": line.amount, "currency": line.currency},
        )  # fmt: skip


money_decisions.APPROVALS["suspense"] = _resolve

"""The daily close: a day's books as they were at its end, signed, each chained to the one before.

Days are closed in order, from that of the first posting on. Once a day is closed the database lets nothing be posted
into it, so its numbers follow from the ledger for ever; `market/closing_audit.py` checks that they do. A line of
Stripe's belongs to the close that first counts it: one that came late is in a later day's.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import audit_log, books, events, ids
from market.books import TrialLine
from market.errors import NotFound, WrongState
from market.matching import Side

FIRST = b"\0" * 32  # what the first close follows
MOST_LISTED = 500
DOUBTFUL_AFTER_S = 600

Sign = Callable[[bytes], tuple[bytes, bytes]]  # (signature, public key) of a hash


class Unmatched(WrongState):
    """Lines of Stripe's balance from that day have nothing that stands for them."""


class Unexplained(WrongState):
    """The ledger and Stripe's balance differ, and nothing that is under way explains it."""


class Close(msgspec.Struct, frozen=True):
    """A closed day. `content` is what is signed, as numbers in minor units.

    hash: over the content, who closed it when, and the hash of the day before · signature: Ed25519 over the hash's 32
    bytes · all in hex.
    """

    day: date
    content: dict[str, Any]
    previous: str
    hash: str
    signature: str
    public_key: str
    closed_by: str
    closed_by_name: str
    closed_at: datetime


class CloseSummary(msgspec.Struct, frozen=True):
    """A closed day in a list."""

    day: date
    transactions: int
    stripe: dict[str, int]
    ledger: dict[str, int]
    suspense: int
    hash: str
    closed_by: str
    closed_by_name: str
    closed_at: datetime


def end_of(day: date) -> datetime:
    """The first moment after the day (UTC)."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


async def next_day(conn: asyncpg.Connection) -> date | None:
    """The day to be closed next, whether it is over or not; None while nothing was ever posted."""
    found: date | None = await conn.fetchval(
        """SELECT coalesce((SELECT max(day) + 1 FROM daily_close),
                           (SELECT (min(effective_at) AT TIME ZONE 'UTC')::date FROM ledger_tx))"""
    )
    return found


async def close(conn: asyncpg.Connection, operator: UUID, day: date, sides: Sequence[Side], sign: Sign) -> None:
    """Close a day that is over. `sides`: the books beside Stripe's, looked at just now (market/matching.py).

    Raises WrongState for a day that is not the next one or not over, Unexplained, and Unmatched. The database refuses
    the lock (LockNotAvailableError) while somebody who has not posted yet holds a line of Stripe's: try again.
    """
    wanted = await next_day(conn)
    if day != wanted:
        known = f"the next one is {wanted}" if wanted else "nothing has ever been posted"
        raise WrongState(f"Days are closed in order, each once: {known}.")
    if await conn.fetchval("SELECT market_now()") < end_of(day):
        raise WrongState("This day is not over (in UTC).")
    _require_explained(sides)
    # Whoever posts now ends first; whoever posts later finds the day closed. From here on the day does not change.
    # No other close gets past here either, which a mode that readers alone share would let it.
    await conn.execute("LOCK TABLE ledger_tx IN SHARE ROW EXCLUSIVE MODE")
    # Whoever still holds one of the lines has not posted yet and waits for us: we must not wait for them.
    await conn.execute(
        """WITH due AS (SELECT id FROM stripe_balance_txn WHERE closed_day IS NULL AND created_at < $2
                        FOR NO KEY UPDATE NOWAIT)
           UPDATE stripe_balance_txn b SET closed_day = $1 FROM due WHERE b.id = due.id""",
        day, end_of(day),
    )  # fmt: skip
    await _require_matched(conn, day)
    content = await _content(conn, day)
    previous = await conn.fetchval("SELECT hash FROM daily_close ORDER BY day DESC LIMIT 1") or FIRST
    closed_at = await conn.fetchval("SELECT market_now()")
    digest = await conn.fetchval(
        "SELECT close_hash($1, $2, $3, $4, $5)", day, content, operator, closed_at, previous
    )  # fmt: skip
    signature, public_key = sign(digest)
    try:
        await conn.execute(
            """INSERT INTO daily_close (day, content, previous, hash, signature, public_key, closed_by, closed_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
            day, content, previous, digest, signature, public_key, operator, closed_at,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise WrongState("Somebody else has closed this day just now.") from None
    await events.append(conn, "day.closed", ("operator", operator), f"operator:{operator}", data={"day": f"{day}"})


def _require_explained(sides: Sequence[Side]) -> None:
    wrong = [side for side in sides if side.unexplained or side.without_line]
    if wrong:
        said = "; ".join(
            f"{side.currency}: Stripe {side.stripe}, ledger {side.ledger}, under way {side.under_way}" for side in wrong
        )
        raise Unexplained(f"The ledger and Stripe's balance differ, and nothing under way explains it: {said}.")


async def _require_matched(conn: asyncpg.Connection, day: date) -> None:
    open_lines = await conn.fetch(
        """SELECT id FROM stripe_balance_txn WHERE ledger_key IS NULL AND suspense_key IS NULL AND net <> 0
             AND created_at < $1 ORDER BY created_at LIMIT 10""",
        end_of(day),
    )
    if open_lines:
        raise Unmatched(
            "Nothing stands yet for lines of Stripe's balance up to that day, such as "
            f"{', '.join(row['id'] for row in open_lines)}. What stays so for an hour goes into suspense."
        )


# ---- what is in it


class DayOfLedger(NamedTuple):
    """What a day's postings come to: how many, their hash, sums by kind of posting and by kind of account."""

    transactions: int
    hash: str
    by_kind: list[dict[str, Any]]
    moved: dict[tuple[str, str, str, int], tuple[int, int]]  # (account kind, class, currency, normal): debits, credits


# By day of `effective_at` (UTC), so that an audit reads all days in one go.
_HASHES = """
    SELECT (t.effective_at AT TIME ZONE 'UTC')::date AS day, count(*) AS count,
      encode(sha256(string_agg(sha256(convert_to(concat_ws('|', t.id, t.kind, t.idem_key, encode(t.body_hash, 'hex'),
        t.actor, (extract(epoch FROM t.effective_at) * 1000000)::bigint, t.reverses, e.lines), 'UTF8')), ''::bytea
        ORDER BY t.id)), 'hex') AS hash
    FROM ledger_tx t JOIN LATERAL (
      SELECT string_agg(concat_ws(' ', l.line, a.code, l.currency, l.amount), ',' ORDER BY l.line) AS lines
      FROM ledger_entry l JOIN ledger_account a ON a.id = l.account_id WHERE l.tx_id = t.id) e ON true
    WHERE t.effective_at >= $1 AND t.effective_at < $2 GROUP BY 1"""
_BY_KIND = """
    SELECT (t.effective_at AT TIME ZONE 'UTC')::date AS day, t.kind, e.currency, count(DISTINCT t.id) AS count,
           sum(e.amount) FILTER (WHERE e.amount > 0)::bigint AS amount
    FROM ledger_tx t JOIN ledger_entry e ON e.tx_id = t.id
    WHERE t.effective_at >= $1 AND t.effective_at < $2 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
_MOVED = f"""
    SELECT day, {books.KIND} AS kind, a.class, a.currency, a.normal, sum(s.debits)::bigint AS debits,
           sum(s.credits)::bigint AS credits
    FROM (SELECT (t.effective_at AT TIME ZONE 'UTC')::date AS day, e.account_id,
            coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0) AS debits,
            coalesce(-sum(e.amount) FILTER (WHERE e.amount < 0), 0) AS credits
          FROM ledger_tx t JOIN ledger_entry e ON e.tx_id = t.id
          WHERE t.effective_at >= $1 AND t.effective_at < $2 GROUP BY 1, 2) s
      JOIN ledger_account a ON a.id = s.account_id GROUP BY 1, 2, 3, 4, 5"""


async def days_of_ledger(conn: asyncpg.Connection, begins: datetime, ends: datetime) -> dict[date, DayOfLedger]:
    """What was posted on each day from `begins` on and before `ends`."""
    days = {
        row["day"]: DayOfLedger(row["count"], row["hash"], [], {}) for row in await conn.fetch(_HASHES, begins, ends)
    }
    for row in await conn.fetch(_BY_KIND, begins, ends):
        days[row["day"]].by_kind.append({name: row[name] for name in ("kind", "currency", "count", "amount")})
    for row in await conn.fetch(_MOVED, begins, ends):
        named = (row["kind"], row["class"], row["currency"], row["normal"])
        days[row["day"]].moved[named] = (row["debits"], row["credits"])
    return days


NOTHING = DayOfLedger(0, "", [], {})


def ledger_part(day: DayOfLedger, trial: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What of a close follows from the ledger alone."""
    return {
        "transactions": {"count": day.transactions, "sha256": day.hash},
        "by_kind": sorted(day.by_kind, key=lambda each: (each["kind"], each["currency"])),
        "trial_balance": sorted(trial, key=lambda each: (each["currency"], each["kind"])),
    }


def trial_row(kind: str, class_: str, currency: str, normal: int, debits: int, credits: int) -> dict[str, Any]:
    """One kind of account as it stands in a close."""
    return {
        "kind": kind, "class": class_, "currency": currency, "debits": debits, "credits": credits,
        "balance": normal * (debits - credits),
    }  # fmt: skip


def _trial_rows(lines: Sequence[TrialLine]) -> list[dict[str, Any]]:
    return [
        {
            "kind": line.kind, "class": line.class_, "currency": line.currency, "debits": line.debits,
            "credits": line.credits, "balance": line.balance,
        }
        for line in lines
    ]  # fmt: skip


async def _content(conn: asyncpg.Connection, day: date) -> dict[str, Any]:
    begins, ends = end_of(day) - timedelta(days=1), end_of(day)
    trial = await books.trial_balance(conn, ends)
    posted = (await days_of_ledger(conn, begins, ends)).get(day, NOTHING)
    seq, head = await audit_log.head(conn)
    return {
        "day": day.isoformat(),
        **ledger_part(posted, _trial_rows(trial.lines)),
        "stripe": await stripe_part(conn, day),
        "clearing": {
            line.currency: line.balance for line in trial.lines if line.kind == "stripe:clearing"
        },
        "suspense": await _open_lines(conn, day, "suspense_key IS NOT NULL"),
        "unmatched": await _open_lines(conn, day, "suspense_key IS NULL AND (amount <> 0 OR net <> 0)"),
        "doubtful_operations": await _doubtful(conn),
        "audit_log": {"seq": seq, "hash": head.hex()},
    }  # fmt: skip


async def stripe_part(conn: asyncpg.Connection, day: date) -> list[dict[str, Any]]:
    """Stripe's balance as mirrored, by currency: what this close counts first, and all that was counted up to it."""
    rows = await conn.fetch(
        """SELECT currency, count(*) FILTER (WHERE closed_day = $1) AS lines,
                  coalesce(sum(net) FILTER (WHERE closed_day = $1), 0)::bigint AS net,
                  count(*) AS lines_in_all, sum(net)::bigint AS net_in_all
           FROM stripe_balance_txn WHERE closed_day <= $1 GROUP BY currency ORDER BY currency""",
        day,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def _open_lines(conn: asyncpg.Connection, day: date, which: str) -> dict[str, Any]:
    rows = await conn.fetch(
        f"""SELECT id, type, currency, amount, net, created_at, seen_at,
                   extract(epoch FROM market_now() - seen_at)::bigint AS age_s,
                   count(*) OVER () AS count
            FROM stripe_balance_txn WHERE ledger_key IS NULL AND {which} AND created_at < $1
            ORDER BY created_at, id LIMIT $2""",
        end_of(day), MOST_LISTED,
    )  # fmt: skip
    names = ("id", "type", "currency", "amount", "net", "age_s")
    listed = [{name: row[name] for name in names} | {"created_at": row["created_at"].isoformat()} for row in rows]
    return {"count": rows[0]["count"] if rows else 0, "lines": listed}


async def _doubtful(conn: asyncpg.Connection) -> dict[str, Any]:
    """Operations of which nobody knows whether they have happened, or that wait for an operator."""
    rows = await conn.fetch(
        """SELECT kind, subject_id, attempt, status::text, count(*) OVER () AS count FROM stripe_op
           WHERE status IN ('sending', 'unknown') AND first_sent_at < now() - make_interval(secs => $1)
           ORDER BY first_sent_at LIMIT $2""",
        DOUBTFUL_AFTER_S, MOST_LISTED,
    )  # fmt: skip
    listed = [{"key": f"{row['kind']}:{row['subject_id']}:{row['attempt']}", "status": row["status"]} for row in rows]
    return {"count": rows[0]["count"] if rows else 0, "operations": listed}


# ---- looking


_SHOWN = "SELECT c.*, o.name FROM daily_close c JOIN operator o ON o.id = c.closed_by"


async def get(conn: asyncpg.Connection, day: date) -> Close:
    """One closed day. Raises NotFound."""
    row = await conn.fetchrow(f"{_SHOWN} WHERE c.day = $1", day)
    if row is None:
        raise NotFound("This day is not closed.")
    return Close(
        row["day"], row["content"], row["previous"].hex(), row["hash"].hex(), row["signature"].hex(),
        row["public_key"].hex(), ids.show("operator", row["closed_by"]), row["name"], row["closed_at"],
    )  # fmt: skip


async def listed(conn: asyncpg.Connection, *, before: date | None, limit: int) -> list[CloseSummary]:
    """Closed days, newest first."""
    rows = await conn.fetch(
        f"{_SHOWN} WHERE ($1::date IS NULL OR c.day < $1) ORDER BY c.day DESC LIMIT $2", before, limit
    )
    return [
        CloseSummary(
            row["day"], row["content"]["transactions"]["count"],
            {each["currency"]: each["net_in_all"] for each in row["content"]["stripe"]}, row["content"]["clearing"],
            row["content"]["suspense"]["count"], row["hash"].hex(), ids.show("operator", row["closed_by"]), row["name"],
            row["closed_at"],
        )
        for row in rows
    ]  # fmt: skip

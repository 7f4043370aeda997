"""Whether closed days are still what was signed: their chain, their signatures, and that their numbers follow."""

from typing import Any

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from market import audit_log, closing

CHECKS = {
    "daily closes are a chain: every day from the first on, each with its own hash over the one before": """
        SELECT day::text AS what FROM (
          SELECT *, lag(hash) OVER w AS before, lag(day) OVER w AS last FROM daily_close WINDOW w AS (ORDER BY day)) c
        WHERE previous <> coalesce(before, decode(repeat('00', 32), 'hex')) OR day <> coalesce(last + 1, day)
           OR content->>'day' <> to_char(day, 'YYYY-MM-DD')
           OR hash <> close_hash(day, content, closed_by, closed_at, previous)""",
    "the audit log is an unbroken chain from its beginning": audit_log.BROKEN,
    "the head of the audit log that a daily close holds is in it": """
        SELECT c.day::text AS what FROM daily_close c
          LEFT JOIN audit_log a ON a.seq = (c.content->'audit_log'->>'seq')::bigint
        WHERE c.content->'audit_log'->>'seq' <> '0'
          AND encode(a.hash, 'hex') IS DISTINCT FROM c.content->'audit_log'->>'hash'""",
}


async def unsigned(conn: asyncpg.Connection) -> list[str]:
    """Closed days whose signature is not that of their public key over their hash."""
    wrong = []
    for row in await conn.fetch("SELECT day, hash, signature, public_key FROM daily_close ORDER BY day"):
        try:
            Ed25519PublicKey.from_public_bytes(row["public_key"]).verify(row["signature"], row["hash"])
        except (InvalidSignature, ValueError):
            wrong.append(row["day"].isoformat())
    return wrong


async def unfounded(conn: asyncpg.Connection) -> list[str]:
    """Closed days whose numbers do not follow from the ledger and the mirror of Stripe's balance."""
    closes = await conn.fetch("SELECT day, content FROM daily_close ORDER BY day")
    if not closes:
        return []
    begins = await conn.fetchval("SELECT min(effective_at) FROM ledger_tx")
    if begins is None:
        return [row["day"].isoformat() for row in closes]
    posted = await closing.days_of_ledger(conn, begins, closing.end_of(closes[-1]["day"]))
    sums: dict[tuple[str, str, str, int], tuple[int, int]] = {}
    for day in sorted(each for each in posted if each < closes[0]["day"]):
        _add(sums, posted[day])
    wrong = []
    for row in closes:
        own = posted.get(row["day"], closing.NOTHING)
        _add(sums, own)
        trial = [
            closing.trial_row(kind, class_, currency, normal, debits, credits)
            for (kind, class_, currency, normal), (debits, credits) in sums.items()
        ]
        clearing = {each["currency"]: each["balance"] for each in trial if each["kind"] == "stripe:clearing"}
        follows: dict[str, Any] = {
            **closing.ledger_part(own, trial), "clearing": clearing,
            "stripe": await closing.stripe_part(conn, row["day"]),
        }  # fmt: skip
        if any(row["content"].get(name) != value for name, value in follows.items()):
            wrong.append(row["day"].isoformat())
    return wrong


def _add(sums: dict[tuple[str, str, str, int], tuple[int, int]], day: closing.DayOfLedger) -> None:
    for named, (debits, credits) in day.moved.items():
        before = sums.get(named, (0, 0))
        sums[named] = before[0] + debits, before[1] + credits


PROGRAMS = {
    "daily closes are signed by the key that they name": unsigned,
    "the numbers of daily closes follow from the ledger and the mirror of Stripe's balance": unfounded,
}

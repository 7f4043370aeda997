"""The invariants of the money, checked over everything there is. Nothing found: the books are right."""

import asyncpg
import msgspec

from market import closing_audit, groups_audit, resale_audit, review_audit, settlement_audit

CHECKS = (
    settlement_audit.CHECKS
    | closing_audit.CHECKS
    | review_audit.CHECKS
    | groups_audit.CHECKS
    | resale_audit.CHECKS
    | {
        "each ledger transaction sums to zero in its currency, over two entries or more": """
        SELECT t.id::text AS what FROM ledger_tx t LEFT JOIN ledger_entry e ON e.tx_id = t.id
        GROUP BY t.id HAVING count(e.*) < 2 OR sum(e.amount) <> 0 OR count(DISTINCT e.currency) <> 1""",
        "the whole ledger sums to zero in each currency": """
        SELECT currency || ' ' || sum(amount) AS what FROM ledger_entry GROUP BY currency HAVING sum(amount) <> 0""",
        "cached balances equal the sum of their entries": """
        SELECT a.code AS what FROM ledger_account a LEFT JOIN ledger_entry e ON e.account_id = a.id
        WHERE a.tracked GROUP BY a.id HAVING a.posted <> coalesce(sum(e.amount), 0) OR a.version <> count(e.*)""",
        "each account's entries form a chain without gaps": """
        SELECT code || ' ' || account_version AS what FROM (
          SELECT a.code, e.account_version, e.balance_after,
            row_number() OVER w AS n, sum(e.amount) OVER w AS running
          FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id WHERE a.tracked
          WINDOW w AS (PARTITION BY e.account_id ORDER BY e.account_version)) AS chain
        WHERE account_version <> n OR balance_after <> running""",
        "no balance is below its floor": """
        SELECT code AS what FROM ledger_account WHERE floor_zero AND normal * posted < 0""",
        "each task holds exactly what its free, claimed, undecided and appealed slots may cost, and the bonds": """
        SELECT t.id::text AS what FROM task t
          LEFT JOIN ledger_account l ON l.code = 'task:' || t.id || ':escrow' AND l.currency = t.currency
        WHERE coalesce(-l.posted, 0) <> t.bonds + (t.top + t.top_fee)
          * (t.appealed + CASE WHEN t.status = 'open' THEN t.quantity - t.done ELSE t.claimed END)""",
        "what is pending for a person is the sum of their lines in the hold window": """
        SELECT p.id::text AS what FROM person p
          LEFT JOIN ledger_account l ON l.code = 'person:' || p.id || ':pending'
          LEFT JOIN (SELECT person_id, currency, sum(amount) AS pending FROM earning WHERE released_at IS NULL
                     GROUP BY person_id, currency) e ON e.person_id = p.id AND e.currency = l.currency
        WHERE coalesce(-l.posted, 0) <> coalesce(e.pending, 0)""",
        "submissions belong to the buyer of their task": """
        SELECT s.id::text AS what FROM submission s JOIN task t ON t.id = s.task_id
        WHERE s.account_id <> t.account_id""",
    }
)

# What no query can say: each a function that names what breaks the rule.
PROGRAMS = closing_audit.PROGRAMS
RULES = len(CHECKS) + len(PROGRAMS)
MOST_NAMED = 5


class Finding(msgspec.Struct, frozen=True):
    """A broken invariant: which, how often, and some of the things that break it."""

    rule: str
    count: int
    examples: list[str]


async def audit(conn: asyncpg.Connection) -> list[Finding]:
    """Every broken invariant. All are checked on one snapshot."""
    findings = []
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        for rule, query in CHECKS.items():
            rows = await conn.fetch(
                f"SELECT what, count(*) OVER () AS total FROM ({query}) AS broken LIMIT {MOST_NAMED}"
            )
            if rows:
                findings.append(Finding(rule, rows[0]["total"], [row["what"] for row in rows]))
        for rule, named in PROGRAMS.items():
            if broken := await named(conn):
                findings.append(Finding(rule, len(broken), broken[:MOST_NAMED]))
    return findings

"""Who reviews a contested decision beside operators: people with experience, drawn by the market and chosen by nobody.

Anybody can make a few accounts and people that vouch for each other. So a reviewer has been paid for answers by several
buyers, is drawn by lot from many, has nothing in common with either side or with another who was drawn, and decides
over small sums alone. What a machine refused, and all that is worth more, is left to operators.
"""

import secrets
from collections.abc import Iterable
from ipaddress import ip_network
from uuid import UUID

import asyncpg

from market import events

# Answers of a reviewer that were paid out and bore a fee, so that they cost somebody something, and by how many others
# than this buyer.
EXPERIENCE, BUYERS = 20, 5
POOL = 20  # of fewer people nobody is drawn: who wanted to could be half of them
DRAWN = 5
MOST = 2_000  # minor units of the pay that people decide over

# SQL: person `p` has nothing in common with either side of appeal `a`: no claim on its task, not the account's
# address, no network that they signed in from in common with its person, no device that took part.
_APART = """p.id <> a.person_id AND p.erased_at IS NULL
  AND NOT EXISTS (SELECT FROM claim c WHERE c.task_id = a.task_id AND c.person_id = p.id)
  AND NOT EXISTS (SELECT FROM account b WHERE b.id = a.account_id AND lower(b.email) = lower(p.email))
  AND NOT EXISTS (SELECT FROM login_code m JOIN login_code o ON o.used_from = m.used_from
                  WHERE m.person_id = p.id AND o.person_id = a.person_id)
  AND NOT EXISTS (SELECT FROM submission s JOIN photo f ON f.claim_id = s.claim_id JOIN device d
                    ON f.capture->>'device' = 'dev_' || replace(d.id::text, '-', '')
                  WHERE s.id = a.submission_id AND d.person_id = p.id)"""
# SQL: person $1 was drawn to review appeal `a`, and has still nothing in common with either side.
MAY = f"""EXISTS (SELECT FROM appeal_reviewer r JOIN person p ON p.id = r.person_id
  WHERE r.appeal_id = a.id AND r.person_id = $1 AND {_APART})"""
_NETWORKS = """(SELECT coalesce(array_agg(DISTINCT c.used_from), '{}') FROM login_code c
    WHERE c.person_id = p.id AND c.used_from IS NOT NULL)"""
_POOL = f"""WITH paid AS (
    SELECT s.person_id FROM submission s JOIN earning e ON e.id = s.id
    WHERE e.released_at IS NOT NULL AND e.clawed_back_at IS NULL AND e.fee > 0 AND s.account_id <> $2
    GROUP BY s.person_id HAVING count(*) >= {EXPERIENCE} AND count(DISTINCT s.account_id) >= {BUYERS})
  SELECT p.id, {_NETWORKS} AS networks
  FROM appeal a CROSS JOIN paid JOIN person p ON p.id = paid.person_id WHERE a.id = $1 AND {_APART} ORDER BY p.id"""


def _sites(networks: Iterable[str]) -> set[str]:
    """Networks as one who has many of them has one: of IPv6 the /48 that a customer is given."""
    found = set()
    for each in networks:
        try:
            network = ip_network(each)
        except ValueError:
            found.add(each)
            continue
        found.add(str(network.supernet(new_prefix=48)) if network.version == 6 and network.prefixlen > 48 else each)
    return found


async def _seen_from(conn: asyncpg.Connection, person: UUID) -> set[str]:
    """From where somebody has signed in, as far as that is known."""
    return _sites(await conn.fetchval(f"SELECT {_NETWORKS} FROM person p WHERE p.id = $1", person))


async def are_apart(conn: asyncpg.Connection, reviewing: list[UUID], person: UUID) -> bool:
    """Whether it is known from where those who review sign in, and it is nowhere that another of them, or the person
    whose work it is, does."""
    known = await _seen_from(conn, person)
    for each in reviewing:
        seen = await _seen_from(conn, each)
        if not seen or known & seen:
            return False
        known |= seen
    return True


async def draw_due(conn: asyncpg.Connection, limit: int = 10) -> int:
    """Draw for what both sides have spoken on; for how many. Safe to run anywhere at once."""
    due = await conn.fetch(
        """UPDATE appeal SET drawn_at = market_now() WHERE id IN (
             SELECT id FROM appeal WHERE status = 'open' AND answer_by <= market_now() AND drawn_at IS NULL
             ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING id, account_id, submission_id, side, against""",
        limit,
    )
    for appeal in due:
        pay = await conn.fetchval(
            "SELECT c.reward FROM submission s JOIN claim c ON c.id = s.claim_id WHERE s.id = $1",
            appeal["submission_id"],
        )
        if pay <= MOST and (appeal["side"], appeal["against"]) != ("person", "market"):
            await _draw(conn, appeal["id"], appeal["account_id"])
    return len(due)


async def _draw(conn: asyncpg.Connection, appeal: UUID, account: UUID) -> None:
    pool = await conn.fetch(_POOL, appeal, account)
    if len(pool) < POOL:
        return
    secrets.SystemRandom().shuffle(pool)
    drawn: list[UUID] = []
    known = await _seen_from(conn, await conn.fetchval("SELECT person_id FROM appeal WHERE id = $1", appeal))
    for each in pool:
        # Of whom it is not known from where they come, it is not known who they are.
        seen = _sites(each["networks"])
        if len(drawn) < DRAWN and seen and not known & seen:
            drawn.append(each["id"])
            known |= seen
    await conn.executemany(
        "INSERT INTO appeal_reviewer (appeal_id, person_id) VALUES ($1, $2)", [(appeal, each) for each in drawn]
    )
    for each in drawn:
        await events.append(conn, "review.invited", ("appeal", appeal), "market", person=each)

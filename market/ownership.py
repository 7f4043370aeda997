"""Who has an observation: its first owner, who paid for the task, and whoever bought it from one who has it.

A copy that was bought keeps its licence, its royalty and the shares of those who sold it before: they follow it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from market.errors import EvidenceLocked, NotForResale, NotFound

# SQL, a row for each account that has an observation. `place` orders an account's by when it got them; a first owner
# has `own_license`, `resale` or `exclusive`, others the licence of their copy. No join on either side, so that a list
# is read from two indexes in its order.
HELD = """(
  SELECT id AS place, id AS observation_id, account_id, license AS own_license, NULL::uuid AS license_id,
    license = 'resale' AS resale, exclusive_until, created_at AS acquired_at, NULL::uuid AS sale_id FROM observation
  UNION ALL
  SELECT id, observation_id, account_id, NULL, license, resale, exclusive_until, created_at, sale_id FROM holding)"""


class Copy(NamedTuple):
    """One observation as an account has it that may sell it.

    holding, license, royalty_percent: null for its first owner, who sets them. upstream: the accounts that sold this
    copy before, with their percents. exclusive_until: when the task's buyer, or whoever bought it for themselves, has
    it no longer alone; it may lie in the past.
    """

    observation: UUID
    person: UUID
    submission: UUID
    holding: UUID | None
    license: UUID | None
    royalty_percent: int | None
    upstream: list[tuple[UUID, int]]
    exclusive_until: datetime | None


async def sellable(conn: asyncpg.Connection, account: UUID, observations: Sequence[UUID]) -> list[Copy]:
    """The account's copies of these observations, in their order, for selling them.

    Raises NotFound for one that the account does not have, NotForResale, EvidenceLocked.
    """
    rows = await conn.fetch(
        """SELECT o.id, o.person_id, o.submission_id, o.locked, h.id AS holding, h.license, h.royalty_percent,
             CASE WHEN h.id IS NULL THEN o.license = 'resale' ELSE h.resale END AS resale,
             greatest(o.exclusive_until, (SELECT max(x.exclusive_until) FROM holding x
               WHERE x.observation_id = o.id AND x.exclusive_until IS NOT NULL)) AS exclusive_until,
             p.erased_at IS NOT NULL AS erased,
             s.status = 'accepted' AND coalesce(e.clawed_back_at IS NULL, true) AS sound
           FROM unnest($2::uuid[]) WITH ORDINALITY AS w (id, n) JOIN observation o ON o.id = w.id
             JOIN submission s ON s.id = o.submission_id JOIN person p ON p.id = o.person_id
             LEFT JOIN earning e ON e.id = o.submission_id
             LEFT JOIN holding h ON h.observation_id = o.id AND h.account_id = $1
           WHERE o.account_id = $1 OR h.id IS NOT NULL ORDER BY w.n""",
        account, observations,
    )  # fmt: skip
    if len(rows) < len(observations):
        raise NotFound("Some of these observations do not exist here.")
    for row in rows:
        if row["locked"]:
            raise EvidenceLocked
        if row["erased"]:
            raise NotForResale("Whoever observed this has been erased; what remains of it is not sold.")
        if not row["sound"]:
            raise NotForResale("This evidence was refused, or its pay taken back; it is not sold.")
        if not row["resale"]:
            raise NotForResale
    chains = await _chains(conn, [row["holding"] for row in rows if row["holding"] is not None])
    return [
        Copy(
            row["id"], row["person_id"], row["submission_id"], row["holding"], row["license"], row["royalty_percent"],
            chains.get(row["holding"], []), row["exclusive_until"],
        )
        for row in rows
    ]  # fmt: skip


async def _chains(conn: asyncpg.Connection, holdings: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, int]]]:
    """Who has a share when these copies are sold on: by copy, the accounts that sold it before, with their percents."""
    rows = await conn.fetch(
        """WITH RECURSIVE chain AS (
             SELECT h.id AS copy, h.source, h.sale_id, h.share_percent FROM holding h WHERE h.id = ANY ($1::uuid[])
             UNION ALL
             SELECT c.copy, h.source, h.sale_id, h.share_percent FROM chain c JOIN holding h ON h.id = c.source)
           SELECT c.copy, s.seller_id, c.share_percent FROM chain c JOIN sale s ON s.id = c.sale_id
           WHERE c.share_percent > 0 ORDER BY c.copy, c.sale_id""",
        holdings,
    )
    found: dict[UUID, list[tuple[UUID, int]]] = defaultdict(list)
    for row in rows:
        found[row["copy"]].append((row["seller_id"], row["share_percent"]))
    return found

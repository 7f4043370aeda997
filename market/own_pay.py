"""How the pay of one answer stands, for the person whose it is."""

from datetime import datetime
from uuid import UUID

import asyncpg

from market import earnings


async def of_submission(conn: asyncpg.Connection, submission: UUID) -> tuple[earnings.Status, datetime] | None:
    """Where it is, and when it is released or was; None where there is none, or none yet."""
    row = await conn.fetchrow(
        """SELECT e.*, p.status::text AS payout FROM earning e LEFT JOIN payout p ON p.id = e.payout_id
           WHERE e.id = $1""",
        submission,
    )
    return None if row is None else (earnings.status_of(row), row["released_at"] or row["release_at"])

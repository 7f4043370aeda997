"""Why pay was taken back, as the person it was taken from is told."""

from uuid import UUID

import asyncpg


async def reason(conn: asyncpg.Connection, submission: UUID) -> str | None:
    """What two operators have written on taking back the pay of a submission; None where it was not taken back."""
    found: str | None = await conn.fetchval(
        """SELECT reason FROM money_decision WHERE kind = 'clawback' AND subject_id = $1 AND status = 'approved'""",
        submission,
    )
    return found

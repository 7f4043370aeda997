"""The market's clock: the database's, plus what the sandbox has moved it ahead."""

from datetime import datetime

import asyncpg

from market.errors import Invalid

LONGEST_STEP_S = 400 * 86_400


async def now(conn: asyncpg.Connection) -> datetime:
    """The market's time."""
    at: datetime = await conn.fetchval("SELECT market_now()")
    return at


async def advance(conn: asyncpg.Connection, seconds: int) -> datetime:
    """Move the clock ahead; the caller has made sure that this is a sandbox. Time never goes back."""
    if not 0 <= seconds <= LONGEST_STEP_S:
        raise Invalid(f"The clock moves ahead by 0 to {LONGEST_STEP_S} seconds at once.", pointer="/advance_s")
    await conn.execute("UPDATE market_clock SET ahead = ahead + make_interval(secs => $1)", seconds)
    return await now(conn)

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


async def set_to(conn: asyncpg.Connection, at: datetime) -> None:
    """Let the clock read exactly `at` in this transaction, and go on from there; the caller has made sure that this is
    a sandbox, and asks for no earlier time than before. Raises Invalid for a time before the real one."""
    done = await conn.execute("UPDATE market_clock SET ahead = $1::timestamptz - now() WHERE $1 >= now()", at)
    if done != "UPDATE 1":
        raise Invalid("The market's clock is never behind the real one.", pointer="/at")

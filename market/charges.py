"""Which funding a charge at Stripe has paid: where disputes and warnings about it lead."""

from uuid import UUID

import asyncpg


class NotYet(Exception):
    """Stripe's side, or ours, is not as far as this says. Nothing has been written; look again later."""


class Mismatch(Exception):
    """It does not fit what we know of the payment; nothing is posted until somebody has looked."""


async def funding_of(conn: asyncpg.Connection, charge: str) -> UUID | None:
    """The funding that a charge has paid: by its id, or by the line of Stripe's balance that it brought."""
    found: UUID | None = await conn.fetchval(
        """SELECT id FROM funding WHERE charge_id = $1 AND status = 'succeeded'
           UNION ALL
           SELECT f.id FROM stripe_balance_txn b JOIN funding f ON b.ledger_key = 'fund:' || f.id WHERE b.source = $1
           LIMIT 1""",
        charge,
    )
    return found


async def locked_funding(conn: asyncpg.Connection, charge: str) -> asyncpg.Record:
    """The row of the funding that a charge has paid. Raises NotYet while there is none."""
    about = await funding_of(conn, charge)
    if about is None:
        raise NotYet(f"{charge} has paid nothing here yet")
    return await conn.fetchrow("SELECT * FROM funding WHERE id = $1 FOR NO KEY UPDATE", about)

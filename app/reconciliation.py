"""The ledger beside Stripe's own books."""

from __future__ import annotations

import msgspec

from app.db import Database
from app.gateways.stripe import StripeGateway


class Reconciliation(msgspec.Struct, frozen=True):
    """The ledger's `stripe:clearing` beside what Stripe holds, in minor units by currency.

    agrees: they are the same, and every line of Stripe's balance has a posting · unmatched: the lines that have none.
    """

    agrees: bool
    ledger: dict[str, int]
    stripe: dict[str, int]
    unmatched: list[str]


async def reconcile(database: Database, stripe: StripeGateway) -> Reconciliation:
    """Compare the ledger with Stripe's balance (available + pending) and its balance transactions.

    Meaningful when nothing is under way: what has moved at Stripe and whose event has not come shows as a difference.
    """
    unmatched: set[str] = set()
    after = ""
    while page := await stripe.balance_txns(after):
        after = page[-1].id
        async with database.read() as connection:
            known = await connection.fetch(
                "SELECT id FROM stripe_balance_txn WHERE id = ANY ($1::text[])", [txn.id for txn in page]
            )
        unmatched |= {txn.id for txn in page} - {row["id"] for row in known}
    held = await stripe.balance()
    async with database.read() as connection:
        rows = await connection.fetch(
            """SELECT a.currency, sum(e.amount)::bigint AS total FROM ledger_entry e JOIN ledger_account a
                 ON a.id = e.account_id WHERE a.code = 'stripe:clearing' GROUP BY a.currency"""
        )
    ledger = {row["currency"]: row["total"] for row in rows}
    agrees = not unmatched and all(ledger.get(code, 0) == held.get(code, 0) for code in ledger.keys() | held.keys())
    return Reconciliation(agrees, ledger, held, sorted(unmatched))

"""Receipts: what a buyer has paid in, with what, and what has gone back since. Stripe's fee is not their matter."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import ids, refunds
from market.errors import NotFound, WrongState
from market.money import Money
from market.refunds import Refund


class Buyer(msgspec.Struct, frozen=True):
    """Whose receipt it is."""

    account_id: str
    name: str
    email: str


class Receipt(msgspec.Struct, frozen=True):
    """One payment. `refunded` is the sum of `refunds` that have not failed; `paid_with`: such as `visa 4242`."""

    number: str
    funding_id: str
    paid_at: datetime
    amount: Money
    paid_with: str
    for_what: str
    buyer: Buyer
    refunds: list[Refund]
    refunded: Money


async def get(conn: asyncpg.Connection, funding: UUID, account: UUID) -> Receipt:
    """The receipt of one of the account's fundings. Raises NotFound; WrongState before the money has arrived."""
    row = await conn.fetchrow(
        """SELECT f.*, a.name, a.email FROM funding f JOIN account a ON a.id = f.account_id
           WHERE f.id = $1 AND f.account_id = $2""",
        funding, account,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no funding with this id.")
    if row["status"] != "succeeded":
        raise WrongState(f"There is a receipt once the money has arrived; this funding is {row['status']}.")
    back = await refunds.of_funding(conn, funding)
    return Receipt(
        f"R-{row['settled_at']:%Y%m%d}-{funding.hex[-8:].upper()}", ids.show("funding", funding), row["settled_at"],
        Money(row["amount"], row["currency"]), row["paid_with"] or "card", "Balance for tasks",
        Buyer(ids.show("account", account), row["name"], row["email"]), back,
        Money(sum(each.amount.amount for each in back if each.status != "failed"), row["currency"]),
    )  # fmt: skip

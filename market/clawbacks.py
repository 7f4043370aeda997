"""From where pay that is taken back comes, and the royalties that go back with it."""

from uuid import UUID

import asyncpg

from market import earnings, events, ledger
from market.money_decisions import Asked


async def royalties(conn: asyncpg.Connection, rows: list[asyncpg.Record], asked: Asked) -> None:
    """What went to a person with the sales of a submission goes back too; rows: as they were before."""
    for row in rows:
        await _royalty(conn, row, asked)


async def _royalty(conn: asyncpg.Connection, row: asyncpg.Record, asked: Asked) -> None:
    """A royalty goes back to whoever paid it, as pay does; row: as it was before, with the sale's buyer."""
    if row["released_at"] is None:
        await earnings.post_release(conn, row)
    person, currency = row["person_id"], row["currency"]
    parts = await sources(conn, person, row["amount"], currency)
    told = {"currency": currency, "amount": row["amount"]}
    await ledger.post(
        conn, "earning.clawback", f"clawback:{row['id']}",
        [*((ledger.person(person, part), amount) for part, amount in parts.items()),
         (ledger.buyer(row["buyer_id"]), -row["amount"])],
        currency=currency, actor=asked.by, subject=("sale", row["sale_id"]), meta={"decision": str(asked.id)},
    )  # fmt: skip
    await events.append(
        conn, "earning.clawed_back", ("submission", row["submission_id"]), asked.by, person=person,
        data=told | {"owed": parts["receivable"]},
    )  # fmt: skip
    await events.append(conn, "sale.refunded", ("sale", row["sale_id"]), asked.by, account=row["buyer_id"], data=told)


async def sources(conn: asyncpg.Connection, person: UUID, amount: int, currency: str) -> dict[str, int]:
    """From where `amount` is taken: what is payable, then what an operator holds, and what remains is owed."""
    payable, held = await ledger.balances(conn, [ledger.person(person, part) for part in ("payable", "held")], currency)
    first = min(amount, payable)
    second = min(amount - first, held)
    return {"payable": first, "held": second, "receivable": amount - first - second}

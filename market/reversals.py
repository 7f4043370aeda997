"""Transfers that come back, whole or in part: what was sent is payable again, once for each of Stripe's reversals."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import earnings, events, ledger, stripe_balance
from market.charges import Mismatch
from market.stripe_balance import BalanceLine

ACTOR = "stripe"


class Reversal(msgspec.Struct, frozen=True):
    """Money of a transfer that has come back, with its line of the platform's balance; minor units."""

    id: str
    amount: int
    line: BalanceLine


class Returned(NamedTuple):
    """What has newly come back of a payout, and how much of it has by now (minor units)."""

    payout: UUID
    person: UUID
    amount: int
    in_all: int
    currency: str


async def apply(conn: asyncpg.Connection, transfer_id: str, reversals: Sequence[Reversal]) -> Returned | None:
    """Post those reversals of a transfer that are not posted yet; None when nothing is new, or it paid no line of ours.

    A payout that has come back whole leaves its earnings unpaid, for the next run. Raises Mismatch for a line that is
    not the amount of its reversal.
    """
    row = await conn.fetchrow(
        "SELECT * FROM payout WHERE transfer_id = $1 AND status = 'paid' FOR NO KEY UPDATE", transfer_id
    )
    if row is None:
        return None
    new = await _new(conn, row, reversals)
    if not new:
        return None
    person, currency, amount = row["person_id"], row["currency"], sum(each.amount for each in new)
    in_all = await conn.fetchval(
        "UPDATE payout SET reversed = reversed + $2 WHERE id = $1 AND status = 'paid' RETURNING reversed",
        row["id"], amount,
    )  # fmt: skip
    if in_all == row["amount"]:
        await conn.execute("UPDATE earning SET payout_id = NULL WHERE payout_id = $1", row["id"])
    counters = await stripe_balance.counters(conn, [each.line for each in new])
    await ledger.lock(conn, {(ledger.person(person, part), currency) for part in ("payable", "receivable")})
    for each in new:
        key = f"reversal:{each.id}"
        await ledger.post(
            conn, "payout_reversed", key,
            [(counters[each.line.id], each.line.net), (ledger.FEES, each.line.fee),
             (ledger.person(person, "payable"), -each.amount)],
            currency=currency, actor=ACTOR, subject=("payout", row["id"]), meta={"transfer": transfer_id},
        )  # fmt: skip
        await stripe_balance.mirror(conn, each.line, key)
        await earnings.net(conn, person, currency, each.id, ACTOR)
    await events.append(
        conn, "payout.reversed", ("payout", row["id"]), ACTOR, person=person,
        data={"amount": amount, "in_all": in_all, "currency": currency},
    )  # fmt: skip
    return Returned(row["id"], person, amount, in_all, currency)


async def _new(conn: asyncpg.Connection, row: asyncpg.Record, reversals: Sequence[Reversal]) -> list[Reversal]:
    posted = await conn.fetch(
        "SELECT idem_key FROM ledger_tx WHERE idem_key = ANY ($1::text[])",
        [f"reversal:{each.id}" for each in reversals],
    )
    known = {each["idem_key"] for each in posted}
    new = [each for each in reversals if f"reversal:{each.id}" not in known]
    for each in new:
        if (each.line.amount, each.line.currency) != (each.amount, row["currency"]):
            raise Mismatch(f"{each.id} of {each.amount} {row['currency']} brings {each.line.amount}")
    if row["reversed"] + sum(each.amount for each in new) > row["amount"]:
        raise Mismatch(f"more comes back of payout {row['id']} than was sent")
    return new

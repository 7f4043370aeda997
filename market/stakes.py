"""What is held while a decision is contested, so that whoever is right can be paid: the answer's slot, and a bond.

The slot: a free one of the task; else the buyer's money, held beside the task's slots (`task.appealed`); else none. Of
what a machine refused nothing is held: to be refused by it costs nothing, so else anybody could take every slot, or a
buyer's whole balance, for as long as a review takes. The bond: of a buyer who rejected or who disputes, in the task's
escrow too (`task.bonds`). It follows the award: the part that is awarded goes to the person, the rest back.
"""

from typing import NamedTuple
from uuid import UUID

import asyncpg

from market import ledger
from market.errors import InsufficientFunds

BOND_PERCENT = 20  # of the claim's reward


class Stake(NamedTuple):
    """kind: slot, held, none or paid, as the type `appeal_stake` has them; bond: minor units."""

    kind: str
    bond: int


def bond_for(reward: int) -> int:
    """What a buyer puts at risk, at least one unit."""
    return max(1, reward * BOND_PERCENT // 100)


async def take_slot(conn: asyncpg.Connection, task: UUID) -> bool:
    """Take a free slot of a task whose row the caller has locked; whether there was one."""
    taken = await conn.fetchval(
        """UPDATE task SET claimed = claimed + 1, version = version + 1
           WHERE id = $1 AND status = 'open' AND claimed + done < quantity RETURNING true""",
        task,
    )
    return taken is not None


async def put(
    conn: asyncpg.Connection, row: asyncpg.Record, appeal: UUID, bond: int, *, paid: bool, actor: str
) -> Stake:
    """Hold what there is to hold, and note it on the appeal. row: of decisions.lock, the task's row locked by it; bond:
    of a buyer who rejected, whose balance may cover less, or who disputes; paid: they dispute, the person was paid.

    Takes locks of the ledger: to be called after all other row locks. Raises InsufficientFunds where whoever disputes
    has not the bond.
    """
    buyer, escrow, currency = ledger.buyer(row["account_id"]), ledger.escrow(row["task_id"]), row["currency"]
    kind = "paid" if paid else "slot" if await take_slot(conn, row["task_id"]) else "none"
    await ledger.lock(conn, {(buyer, currency), (escrow, currency)})
    [available] = await ledger.balances(conn, [buyer], currency)
    slot = row["top"] + row["top_fee"] if kind == "none" and available >= row["top"] + row["top_fee"] else 0
    kind = "held" if slot else kind
    if paid and available < bond:
        raise InsufficientFunds("A dispute needs its bond, a fifth of the reward.", needed=bond)
    bond = min(bond, available - slot)
    if slot or bond:
        await conn.execute(
            "UPDATE task SET appealed = appealed + $2, bonds = bonds + $3, version = version + 1 WHERE id = $1",
            row["task_id"], int(slot > 0), bond,
        )  # fmt: skip
        await ledger.post(
            conn, "appeal.hold", f"appeal:{appeal}", [(buyer, slot + bond), (escrow, -(slot + bond))],
            currency=currency, actor=actor, subject=("appeal", appeal),
        )  # fmt: skip
    await conn.execute(
        "UPDATE appeal SET stake = $2::text::appeal_stake, bond = $3 WHERE id = $1 AND status = 'open'",
        appeal, kind, bond,
    )  # fmt: skip
    return Stake(kind, bond)


async def give_back(conn: asyncpg.Connection, row: asyncpg.Record, appeal: asyncpg.Record, *, actor: str) -> int:
    """The rejection stands: the slot is free again, the rest goes back to the buyer; how much of their balance that is.

    row: of decisions.lock; appeal: its row.
    """
    slot, held = appeal["stake"] == "slot", appeal["stake"] == "held"
    task = await conn.fetchrow(
        """UPDATE task SET claimed = claimed - $2, appealed = appealed - $3, bonds = bonds - $4, version = version + 1
           WHERE id = $1 RETURNING status, top + top_fee AS slot""",
        row["task_id"], int(slot), int(held), appeal["bond"],
    )  # fmt: skip
    back: int = appeal["bond"] + (task["slot"] if held or (slot and task["status"] != "open") else 0)
    if back:
        await ledger.post(
            conn, "appeal.release", f"upheld:{appeal['id']}",
            [(ledger.escrow(row["task_id"]), back), (ledger.buyer(row["account_id"]), -back)],
            currency=row["currency"], actor=actor, subject=("appeal", appeal["id"]),
        )  # fmt: skip
    return back

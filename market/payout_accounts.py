"""Where people are paid: their accounts at Stripe, and holds by operators."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import events, stripe_ops
from market.errors import NotFound


class PayoutAccount(msgspec.Struct, frozen=True):
    """none | incomplete | active | restricted. Only `active` is paid; `requirements` is what Stripe still asks for."""

    status: str
    requirements: list[str]


class Payable(msgspec.Struct, frozen=True):
    """A person's account at Stripe as we last saw it."""

    stripe_id: str
    transfers: str


async def find(conn: asyncpg.Connection, person: UUID) -> Payable | None:
    """The person's account, None before there is one."""
    row = await conn.fetchrow("SELECT stripe_id, transfers FROM payout_account WHERE person_id = $1", person)
    return None if row is None else Payable(row["stripe_id"], row["transfers"])


async def shown(conn: asyncpg.Connection, person: UUID) -> PayoutAccount:
    """As its owner sees it."""
    row = await conn.fetchrow("SELECT * FROM payout_account WHERE person_id = $1", person)
    if row is None:
        return PayoutAccount("none", [])
    if row["transfers"] == "active":
        return PayoutAccount("active", row["requirements"])
    return PayoutAccount("incomplete" if row["requirements"] else "restricted", row["requirements"])


async def plan(conn: asyncpg.Connection, person: UUID, country: str) -> UUID:
    """The operation that makes the person's account. Raises NotFound for somebody who is not there any more."""
    row = await conn.fetchrow(
        "SELECT email, display_name FROM person WHERE id = $1 AND erased_at IS NULL", person
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such person.")
    params = {"email": row["email"], "name": row["display_name"], "country": country}
    return await stripe_ops.plan(conn, "recipient", person, params)


async def refusal(conn: asyncpg.Connection, op: UUID) -> str | None:
    """Why Stripe does not open the account that `op` asks for; None unless it has refused."""
    refused = await stripe_ops.refusal(conn, op)
    return None if refused is None else refused[1]


async def keep(
    conn: asyncpg.Connection, person: UUID, stripe_id: str, transfers: str, requirements: tuple[str, ...]
) -> None:
    """The person's account exists."""
    await conn.execute(
        """INSERT INTO payout_account (person_id, stripe_id, transfers, requirements) VALUES ($1, $2, $3, $4)
           ON CONFLICT (person_id) DO NOTHING""",
        person, stripe_id, transfers, list(requirements),
    )  # fmt: skip


async def update(conn: asyncpg.Connection, stripe_id: str, transfers: str, requirements: tuple[str, ...]) -> bool:
    """What Stripe says of the account now. False for an account that is not one of ours (yet)."""
    row = await conn.fetchrow(
        """UPDATE payout_account a SET transfers = $2, requirements = $3, checked_at = market_now()
           FROM payout_account old WHERE a.stripe_id = $1 AND old.person_id = a.person_id
           RETURNING a.person_id, old.transfers AS before""",
        stripe_id, transfers, list(requirements),
    )  # fmt: skip
    if row is None:
        return False
    if row["before"] != transfers:
        await events.append(
            conn, "payout_account.changed", ("person", row["person_id"]), "stripe", person=row["person_id"],
            data={"transfers": transfers},
        )  # fmt: skip
    return True


async def hold(conn: asyncpg.Connection, person: UUID, operator: UUID, reason: str, until: datetime | None) -> None:
    """Pay this person nothing until `until`, or until it is released. Replaces an earlier hold."""
    known = await conn.fetchval("SELECT true FROM person WHERE id = $1", person)
    if known is None:
        raise NotFound("There is no such person.")
    await conn.execute(
        """INSERT INTO payout_hold (person_id, reason, operator_id, expires_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (person_id) DO UPDATE SET reason = excluded.reason, operator_id = excluded.operator_id,
             expires_at = excluded.expires_at, created_at = market_now()""",
        person, reason, operator, until,
    )  # fmt: skip
    await events.append(conn, "payout.held", ("person", person), f"operator:{operator}", data={"reason": reason})


async def release(conn: asyncpg.Connection, person: UUID, operator: UUID) -> None:
    """End a hold. Raises NotFound when there is none."""
    ended = await conn.fetchval("DELETE FROM payout_hold WHERE person_id = $1 RETURNING person_id", person)
    if ended is None:
        raise NotFound("This person is not held.")
    await events.append(conn, "payout.released", ("person", person), f"operator:{operator}")

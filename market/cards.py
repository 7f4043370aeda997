"""Saved cards: a mirror of those that an account's customer has at Stripe. Their numbers are only there."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import events
from market.errors import NotFound, WrongState

MOST_LISTED = 100


class Card(msgspec.Struct, frozen=True):
    """A card that can be charged while its owner is away. `tops_up`: automatic top-ups use it."""

    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    tops_up: bool
    created_at: datetime


class Seen(msgspec.Struct, frozen=True):
    """A card as Stripe has it."""

    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


async def keep(conn: asyncpg.Connection, account: UUID, seen: Sequence[Seen]) -> int:
    """Keep cards of an account's customer; how many are new. One that has been removed stays so: it is never attached
    again."""
    rows = await conn.fetch(
        """INSERT INTO saved_card (stripe_id, account_id, brand, last4, exp_month, exp_year)
           SELECT id, $1, brand, last4, month, year
           FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::int[]) AS c (id, brand, last4, month, year)
           ORDER BY id ON CONFLICT (stripe_id) DO UPDATE SET exp_month = excluded.exp_month,
             exp_year = excluded.exp_year RETURNING xmax = 0 AS new""",
        account, [each.id for each in seen], [each.brand for each in seen], [each.last4 for each in seen],
        [each.exp_month for each in seen], [each.exp_year for each in seen],
    )  # fmt: skip
    return sum(row["new"] for row in rows)


async def listed(conn: asyncpg.Connection, account: UUID) -> list[Card]:
    """The account's cards: the one that tops up, then the newest first; at most MOST_LISTED."""
    rows = await conn.fetch(
        """SELECT c.*, t.card IS NOT NULL AS tops_up FROM saved_card c
             LEFT JOIN auto_top_up t ON t.account_id = c.account_id AND t.card = c.stripe_id
           WHERE c.account_id = $1 AND c.removed_at IS NULL
           ORDER BY t.card IS NULL, c.created_at DESC, c.stripe_id LIMIT $2""",
        account, MOST_LISTED,
    )  # fmt: skip
    return [_shown(row) for row in rows]


async def may_charge(conn: asyncpg.Connection, account: UUID, card: str) -> bool:
    """False for a card that is another account's, or was removed. One that is not known here is for Stripe to judge,
    which charges none of another customer's."""
    row = await conn.fetchrow("SELECT account_id, removed_at FROM saved_card WHERE stripe_id = $1", card)
    return row is None or (row["account_id"] == account and row["removed_at"] is None)


async def lock(conn: asyncpg.Connection, account: UUID, card: str) -> asyncpg.Record:
    """The account's card, which stays as it is until the transaction ends. Raises NotFound."""
    row = await conn.fetchrow(
        """SELECT * FROM saved_card WHERE stripe_id = $1 AND account_id = $2 AND removed_at IS NULL
           FOR NO KEY UPDATE""",
        card, account,
    )  # fmt: skip
    if row is None:
        raise NotFound("This account has no such card.")
    return row


async def remove(conn: asyncpg.Connection, account: UUID, card: str, by: str) -> None:
    """Take a card away; it is to be detached at Stripe afterwards. Raises NotFound, WrongState while it tops up."""
    await lock(conn, account, card)
    if await conn.fetchval("SELECT true FROM auto_top_up WHERE account_id = $1 AND card = $2", account, card):
        raise WrongState("Automatic top-ups use this card: give them another one, or turn them off first.")
    await _removed(conn, card, by)


async def gone(conn: asyncpg.Connection, card: str, by: str) -> None:
    """Stripe has it no more. Automatic top-ups that used it pause."""
    account = await conn.fetchval(
        "SELECT account_id FROM saved_card WHERE stripe_id = $1 AND removed_at IS NULL FOR NO KEY UPDATE", card
    )
    if account is not None:
        await _removed(conn, card, by)
        await conn.execute(
            "UPDATE auto_top_up SET paused_for = 'card_removed' WHERE account_id = $1 AND card = $2", account, card
        )


async def _removed(conn: asyncpg.Connection, card: str, by: str) -> None:
    row = await conn.fetchrow(
        "UPDATE saved_card SET removed_at = market_now() WHERE stripe_id = $1 AND removed_at IS NULL RETURNING *", card
    )
    await events.append(
        conn, "card.removed", ("account", row["account_id"]), by, account=row["account_id"],
        data={"card": card, "last4": row["last4"]},
    )  # fmt: skip


def _shown(row: asyncpg.Record) -> Card:
    return Card(
        row["stripe_id"], row["brand"], row["last4"], row["exp_month"], row["exp_year"], row["tops_up"],
        row["created_at"],
    )  # fmt: skip

"""Operators: who may settle payouts and watch over the money."""

from datetime import datetime

import asyncpg
import msgspec

from market import events, ids, keys


class Operator(msgspec.Struct, frozen=True):
    """Somebody who works for the market."""

    id: str
    email: str
    name: str
    created_at: datetime


async def add(conn: asyncpg.Connection, email: str, name: str) -> tuple[Operator, str]:
    """The operator with this address, made if there is none, and the secret of a new key."""
    row = await conn.fetchrow(
        """INSERT INTO operator (id, email, name) VALUES ($1, $2, $3)
           ON CONFLICT (lower(email)) DO UPDATE SET name = excluded.name, disabled_at = NULL RETURNING *""",
        ids.new(), email, name,
    )  # fmt: skip
    _, secret = await keys.first(conn, "operator", row["id"], actor="command line")
    await events.append(conn, "operator.key_made", ("operator", row["id"]), "command line")
    return Operator(ids.show("operator", row["id"]), row["email"], row["name"], row["created_at"]), secret

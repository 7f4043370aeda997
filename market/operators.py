"""Operators: who may settle payouts and watch over the money. They are kept on the command line."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from market import audit_log, events, ids, keys
from market.errors import Invalid, NotFound, WrongState

ACTOR = "command line"
ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
LONGEST_NAME = 200


class Operator(msgspec.Struct, frozen=True):
    """Somebody who works for the market. Who is disabled opens no door."""

    id: str
    email: str
    name: str
    created_at: datetime
    disabled_at: datetime | None


class OperatorKey(msgspec.Struct, frozen=True):
    """One of an operator's keys; hint: how its secret begins."""

    id: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None


async def add(conn: asyncpg.Connection, email: str, name: str) -> tuple[Operator, str]:
    """A new operator and the secret of a first key. Raises Invalid; WrongState for a known e-mail."""
    name = name.strip()
    if not ADDRESS.fullmatch(email) or not email.isprintable():
        raise Invalid(f"{email!r} is no e-mail address, such as olu@example.org.", pointer="/email")
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid(f"The name must have 1 to {LONGEST_NAME} characters, all of which can be seen.", pointer="/name")
    row = await conn.fetchrow(
        """INSERT INTO operator (id, email, name) VALUES ($1, $2, $3)
           ON CONFLICT (lower(email)) DO NOTHING RETURNING *""",
        ids.new(), email, name,
    )  # fmt: skip
    if row is None:
        raise WrongState(f"{email} is an operator already.")
    await events.append(conn, "operator.added", ("operator", row["id"]), ACTOR)
    secret = await _make_key(conn, row["id"])
    await _keep(conn, "add_operator", row["id"], {"email": email, "name": name})
    return _operator(row), secret


async def add_key(conn: asyncpg.Connection, email: str) -> tuple[Operator, str]:
    """A further key's secret; those before go on working. Raises NotFound; WrongState when disabled."""
    # The lock makes a disabling at the same moment wait, which then sees, and revokes, this key as well.
    row = await conn.fetchrow(
        "SELECT * FROM operator WHERE lower(email) = lower($1) AND disabled_at IS NULL FOR NO KEY UPDATE", email
    )
    if row is None:
        raise await _refusal(conn, email, "is disabled.")
    secret = await _make_key(conn, row["id"])
    await _keep(conn, "add_operator_key", row["id"])
    return _operator(row), secret


async def disable(conn: asyncpg.Connection, email: str) -> tuple[Operator, int]:
    """Shut an operator out at once; all their keys are revoked for good, so many, sessions and passkeys as well.

    Raises NotFound, WrongState.
    """
    row = await conn.fetchrow(
        """UPDATE operator SET disabled_at = market_now() WHERE lower(email) = lower($1) AND disabled_at IS NULL
           RETURNING *""",
        email,
    )
    if row is None:
        raise await _refusal(conn, email, "is disabled already.")
    revoked = await conn.fetch(
        """UPDATE api_key SET revoked_at = market_now() WHERE operator_id = $1 AND revoked_at IS NULL
           RETURNING id, proven_at""",
        row["id"],
    )
    await conn.execute(
        "UPDATE operator_passkey SET removed_at = market_now() WHERE operator_id = $1 AND removed_at IS NULL", row["id"]
    )
    shown = [ids.show("key", key["id"]) for key in revoked if key["proven_at"] is None]
    await events.append(conn, "operator.disabled", ("operator", row["id"]), ACTOR, data={"keys_revoked": shown})
    await _keep(conn, "disable_operator", row["id"], {"keys_revoked": shown})
    return _operator(row), len(shown)


async def enable(conn: asyncpg.Connection, email: str) -> Operator:
    """Let a disabled operator in again, who needs a new key: old ones stay revoked, passkeys removed.

    Raises NotFound, WrongState.
    """
    row = await conn.fetchrow(
        """UPDATE operator SET disabled_at = NULL WHERE lower(email) = lower($1) AND disabled_at IS NOT NULL
           RETURNING *""",
        email,
    )
    if row is None:
        raise await _refusal(conn, email, "is not disabled.")
    await events.append(conn, "operator.enabled", ("operator", row["id"]), ACTOR)
    await _keep(conn, "enable_operator", row["id"])
    return _operator(row)


async def get(conn: asyncpg.Connection, operator: UUID) -> Operator:
    """An operator by id. Raises NotFound."""
    row = await conn.fetchrow("SELECT * FROM operator WHERE id = $1", operator)
    if row is None:
        raise NotFound("There is no such operator.")
    return _operator(row)


async def listed(conn: asyncpg.Connection) -> list[tuple[Operator, list[OperatorKey]]]:
    """All operators, oldest first, each with all keys that were ever made; sessions are none."""
    held: dict[UUID, list[OperatorKey]] = {}
    for row in await conn.fetch(
        "SELECT * FROM api_key WHERE operator_id IS NOT NULL AND proven_at IS NULL ORDER BY id"
    ):
        key = OperatorKey(ids.show("key", row["id"]), row["hint"], row["created_at"], row["revoked_at"])
        held.setdefault(row["operator_id"], []).append(key)
    rows = await conn.fetch("SELECT * FROM operator ORDER BY id")
    return [(_operator(row), held.get(row["id"], [])) for row in rows]


async def _make_key(conn: asyncpg.Connection, operator: UUID) -> str:
    _, secret = await keys.first(conn, "operator", operator, actor=ACTOR)
    await events.append(conn, "operator.key_made", ("operator", operator), ACTOR)
    return secret


async def _keep(conn: asyncpg.Connection, action: str, operator: UUID, data: dict[str, Any] | None = None) -> None:
    """In the audit log, which stands last in the order of locks."""
    await audit_log.record(conn, ACTOR, action, subject=ids.show("operator", operator), data=data)


async def _refusal(conn: asyncpg.Connection, email: str, otherwise: str) -> NotFound | WrongState:
    """Why no row was changed: there is no such operator, or they are in the wrong state."""
    if not await conn.fetchval("SELECT true FROM operator WHERE lower(email) = lower($1)", email):
        return NotFound(f"There is no operator {email}.")
    return WrongState(f"{email} {otherwise}")


def _operator(row: asyncpg.Record) -> Operator:
    return Operator(
        ids.show("operator", row["id"]), row["email"], row["name"], row["created_at"], row["disabled_at"]
    )  # fmt: skip

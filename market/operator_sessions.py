"""Sessions of operators: a browser in which somebody has proven who they are, and when they did so last.

A session is an `api_key` of kind operator with an end and a time of proof; a key of the command line has neither.
"""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys
from market.errors import NotFound, Unauthenticated
from market.keys import OPERATOR_IDLE_S


class OperatorSession(msgspec.Struct, frozen=True):
    """One open session. `way`: passkey or key, by which it was opened; `current`: it is the one that asks."""

    id: str
    way: str
    opened_at: datetime
    proven_at: datetime
    expires_at: datetime
    current: bool


async def holder(conn: asyncpg.Connection, secret: str) -> UUID | None:
    """The operator whose key this is; None for a session's secret and whatever else is no operator's key."""
    try:
        actor = await keys.find(conn, secret)
    except Unauthenticated:
        return None
    return actor.owner if actor.kind == "operator" and not actor.session else None


async def open(conn: asyncpg.Connection, operator: UUID, way: str) -> str:
    """The secret of a new session of somebody who has just proven who they are, by `way`: passkey or key.

    Raises Unauthenticated when they have been disabled since.
    """
    # The lock makes a disabling at the same moment wait, which then shuts this session as well.
    there = await conn.fetchval(
        "SELECT true FROM operator WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE", operator
    )
    if there is None:
        raise Unauthenticated
    key, secret = await keys.first(conn, "operator", operator, actor=f"operator:{operator}")
    await conn.execute(
        """UPDATE api_key SET name = $2, proven_at = market_now(),
             expires_at = market_now() + make_interval(secs => $3) WHERE id = $1""",
        ids.read("key", key.id), way, OPERATOR_IDLE_S,
    )  # fmt: skip
    await events.append(conn, "operator.signed_in", ("operator", operator), f"operator:{operator}", data={"by": way})
    return secret


async def prove(conn: asyncpg.Connection, session: UUID) -> None:
    """Who sits at this session has just proven once more who they are. Raises NotFound for one that is no session."""
    moved = await conn.fetchval(
        """UPDATE api_key SET proven_at = market_now()
           WHERE id = $1 AND proven_at IS NOT NULL AND revoked_at IS NULL RETURNING id""",
        session,
    )
    if moved is None:
        raise NotFound("There is no such session.")


async def listed(conn: asyncpg.Connection, operator: UUID, current: UUID) -> list[OperatorSession]:
    """The operator's open sessions, newest first."""
    rows = await conn.fetch(
        """SELECT * FROM api_key WHERE operator_id = $1 AND proven_at IS NOT NULL AND revoked_at IS NULL
             AND expires_at > market_now() ORDER BY id DESC""",
        operator,
    )
    return [
        OperatorSession(
            ids.show("key", row["id"]), row["name"], row["created_at"], row["proven_at"], row["expires_at"],
            row["id"] == current,
        )
        for row in rows
    ]  # fmt: skip


async def end(conn: asyncpg.Connection, operator: UUID, session: UUID) -> None:
    """Shut one of the operator's sessions. Raises NotFound."""
    ended = await conn.fetchval(
        """UPDATE api_key SET revoked_at = market_now() WHERE id = $1 AND operator_id = $2 AND proven_at IS NOT NULL
             AND revoked_at IS NULL RETURNING id""",
        session, operator,
    )  # fmt: skip
    if ended is None:
        raise NotFound("There is no such session, or it has ended.")
    await events.append(conn, "operator.signed_out", ("operator", operator), f"operator:{operator}")

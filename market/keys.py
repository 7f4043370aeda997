"""What opens a door: `sk_` keys of agents, `wk_` sessions of people, `op_` keys of operators. Only hashes are kept."""

import hashlib
import secrets
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids
from market.errors import NotFound, OverCap, Unauthenticated
from market.money import LARGEST

Scope = Literal["tasks:write", "tasks:read", "data:read", "models:write", "funding:write", "keys:write"]
ALL_SCOPES: tuple[Scope, ...] = (
    "tasks:write", "tasks:read", "data:read", "models:write", "funding:write", "keys:write",
)  # fmt: skip
PREFIX = {"agent": "sk_", "person": "wk_", "operator": "op_"}
SESSION_S = 60 * 86_400
ROTATION_OVERLAP_S = 86_400
MOST_KEYS = 100

Cap = Annotated[int, msgspec.Meta(ge=1, le=LARGEST * 100, description="minor units of the account's currency")]


class Caps(msgspec.Struct, frozen=True):
    """What a key may hold, in minor units: for one task, in a UTC day; None: no cap."""

    max_per_task: int | None
    max_per_day: int | None
    used_today: int = 0


class Actor(msgspec.Struct, frozen=True):
    """Whoever holds a key. `owner` is the account, person or operator; `currency` an account's own.

    purse: the key whose day's cap this one shares: the first of those rotated one into the next.
    """

    kind: Literal["agent", "person", "operator"]
    owner: UUID
    key: UUID
    purse: UUID
    scopes: frozenset[str]
    max_per_task: int | None
    max_per_day: int | None
    currency: str = "usd"

    @property
    def name(self) -> str:
        """As written into events and ledger transactions."""
        return f"{self.kind}:{self.owner}"


class Key(msgspec.Struct, frozen=True):
    """A key as its owner sees it, without the secret."""

    id: str
    name: str
    hint: str
    scopes: list[str]
    max_per_task: int | None
    max_per_day: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key to be made."""

    name: Annotated[str, msgspec.Meta(max_length=100)] = ""
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=10)] | None = None
    max_per_task: Cap | None = None
    max_per_day: Cap | None = None
    expires_in_s: Annotated[int, msgspec.Meta(ge=60, le=10 * 365 * 86_400)] | None = None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def make(
    conn: asyncpg.Connection,
    kind: Literal["agent", "person", "operator"],
    owner: UUID,
    draft: KeyDraft | None = None,
    *,
    actor: str,
) -> tuple[Key, str]:
    """A new key for `owner` and, this once, its secret. Raises OverCap when the owner has too many."""
    draft = draft or KeyDraft(expires_in_s=SESSION_S if kind == "person" else None)
    owners = {"agent": "account_id", "person": "person_id", "operator": "operator_id"}
    secret = PREFIX[kind] + secrets.token_urlsafe(32)
    if kind == "agent":
        held = await conn.fetchval(
            "SELECT count(*) FROM api_key WHERE account_id = $1 AND revoked_at IS NULL", owner
        )  # fmt: skip
        if held >= MOST_KEYS:
            raise OverCap(f"An account may have {MOST_KEYS} keys: revoke one first.")
    row = await conn.fetchrow(
        f"""INSERT INTO api_key (id, kind, {owners[kind]}, hash, hint, name, scopes, max_per_task, max_per_day,
              expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, market_now() + make_interval(secs => $10)) RETURNING *""",
        ids.new(), kind, owner, _digest(secret), secret[:7], draft.name,
        list(draft.scopes or ALL_SCOPES) if kind == "agent" else [],
        draft.max_per_task, draft.max_per_day, draft.expires_in_s,
    )  # fmt: skip
    if kind == "agent":
        await events.append(conn, "key.created", ("key", row["id"]), actor, account=owner)
    return _key(row), secret


async def find(conn: asyncpg.Connection, secret: str) -> Actor:
    """Who holds this secret. Raises Unauthenticated when it is unknown, expired or revoked, or its owner is gone."""
    row = await conn.fetchrow(
        """SELECT k.id, k.kind, coalesce(k.account_id, k.person_id, k.operator_id) AS owner, k.scopes, k.max_per_task,
                  k.max_per_day, coalesce(k.first_key, k.id) AS purse, coalesce(a.currency, 'usd') AS currency
           FROM api_key k LEFT JOIN account a ON a.id = k.account_id LEFT JOIN person p ON p.id = k.person_id
             LEFT JOIN operator o ON o.id = k.operator_id
           WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > market_now())
             AND p.erased_at IS NULL AND o.disabled_at IS NULL""",
        _digest(secret),
    )
    if row is None:
        raise Unauthenticated
    return Actor(
        row["kind"], row["owner"], row["id"], row["purse"], frozenset(row["scopes"]), row["max_per_task"],
        row["max_per_day"], row["currency"],
    )  # fmt: skip


async def listed(conn: asyncpg.Connection, account: UUID, *, after: UUID | None, limit: int) -> list[Key]:
    """The account's keys, newest first, those made before `after`."""
    rows = await conn.fetch(
        "SELECT * FROM api_key WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        account, after, limit,
    )  # fmt: skip
    return [_key(row) for row in rows]


async def revoke(conn: asyncpg.Connection, account: UUID, key: str, *, actor: str) -> Key:
    """Shut a key for good, at once and everywhere: every request looks its key up."""
    row = await conn.fetchrow(
        """UPDATE api_key SET revoked_at = market_now() WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL
           RETURNING *""",
        ids.read("key", key), account,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such key, or it is revoked already.")
    await events.append(conn, "key.revoked", ("key", row["id"]), actor, account=account)
    return _key(row)


async def rotate(conn: asyncpg.Connection, account: UUID, key: str, *, actor: str) -> tuple[Key, str]:
    """A new key with the same rights and as long a life; the old one works for a day more, so that nothing stops."""
    old = await conn.fetchrow(
        """SELECT * FROM api_key WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL AND rotated_to IS NULL
           FOR NO KEY UPDATE""",
        ids.read("key", key), account,
    )  # fmt: skip
    if old is None:
        raise NotFound("There is no such key, or it is revoked or rotated already.")
    lives_s = old["expires_at"] and int((old["expires_at"] - old["created_at"]).total_seconds())
    draft = KeyDraft(
        name=old["name"], scopes=old["scopes"], max_per_task=old["max_per_task"], max_per_day=old["max_per_day"],
        expires_in_s=lives_s,
    )  # fmt: skip
    made, secret = await make(conn, "agent", account, draft, actor=actor)
    await conn.execute(
        """UPDATE api_key SET rotated_to = $2, expires_at = least(expires_at, market_now() + make_interval(secs => $3))
           WHERE id = $1""",
        old["id"], ids.read("key", made.id), ROTATION_OVERLAP_S,
    )  # fmt: skip
    # Both work for a day, on one cap: rotating must not double it.
    await conn.execute(
        "UPDATE api_key SET first_key = $2 WHERE id = $1", ids.read("key", made.id), old["first_key"] or old["id"]
    )
    return made, secret


async def spend(conn: asyncpg.Connection, actor: Actor, amount: int, *, one_task: int) -> None:
    """Count `amount` against the key's day, in the transaction that holds the money. Raises OverCap.

    one_task: what the task as a whole may now cost at most, for the cap on a single task.
    """
    if actor.max_per_task is not None and one_task > actor.max_per_task:
        raise OverCap(f"This key may hold at most {actor.max_per_task} for one task; this one needs {one_task}.")
    if actor.max_per_day is None:
        return
    kept = await conn.fetchval(
        """INSERT INTO key_spend AS s (key_id, day, spent)
             SELECT $1, (market_now() AT TIME ZONE 'utc')::date, $2::bigint WHERE $2::bigint <= $3::bigint
           ON CONFLICT (key_id, day) DO UPDATE SET spent = s.spent + excluded.spent
             WHERE s.spent + excluded.spent <= $3 RETURNING spent""",
        actor.purse, amount, actor.max_per_day,
    )  # fmt: skip
    if kept is None:
        raise OverCap(f"This key may hold at most {actor.max_per_day} a day; {amount} more would exceed that.")


async def caps(conn: asyncpg.Connection, actor: Actor) -> Caps:
    """The key's caps and what of them is used today."""
    used: int = await conn.fetchval(
        """SELECT coalesce((SELECT spent FROM key_spend
             WHERE key_id = $1 AND day = (market_now() AT TIME ZONE 'utc')::date), 0)""",
        actor.purse,
    )
    return Caps(actor.max_per_task, actor.max_per_day, used)


def _key(row: asyncpg.Record) -> Key:
    return Key(
        ids.show("key", row["id"]), row["name"], row["hint"], row["scopes"], row["max_per_task"], row["max_per_day"],
        row["created_at"], row["expires_at"], row["revoked_at"],
    )  # fmt: skip

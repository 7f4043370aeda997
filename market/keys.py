"""What opens a door: `sk_` keys of agents, `wk_` sessions of people, `op_` keys of operators. Only hashes are kept."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
import msgspec

from market import clock, events, ids, spending
from market.errors import Forbidden, NotFound, OverCap, Unauthenticated
from market.money import LARGEST

Scope = Literal["tasks:write", "tasks:read", "data:read", "models:write", "funding:write", "keys:write"]
ALL_SCOPES: tuple[Scope, ...] = (
    "tasks:write", "tasks:read", "data:read", "models:write", "funding:write", "keys:write",
)  # fmt: skip
PREFIX = {"agent": "sk_", "person": "wk_", "operator": "op_"}
SESSION_S = 60 * 86_400
ROTATION_OVERLAP_S = 86_400
# An operator's session ends after so long, earlier when nothing is asked, and what needs a proof needs one this fresh.
OPERATOR_SESSION_S, OPERATOR_IDLE_S, PROVEN_S = 12 * 3_600, 30 * 60, 5 * 60
MOST_KEYS = 100

Cap = Annotated[int, msgspec.Meta(ge=1, le=LARGEST * 100, description="minor units of the account's currency")]


class Caps(msgspec.Struct, frozen=True):
    """What a key may hold, in minor units: for one task, in a UTC day; None: no cap."""

    max_per_task: int | None
    max_per_day: int | None
    used_today: int = 0


class Actor(msgspec.Struct, frozen=True):
    """Whoever holds a key. `owner` is the account, person or operator; `currency` an account's own.

    purses: the keys whose days' caps this one spends from: that of whoever made it first, its own last.
    session: an operator's browser, not a key · proven: who sits there has shown it lately; a key shows it by itself.
    """

    kind: Literal["agent", "person", "operator"]
    owner: UUID
    key: UUID
    purses: tuple[UUID, ...]
    scopes: frozenset[str]
    max_per_task: int | None
    max_per_day: int | None
    currency: str = "usd"
    expires_at: datetime | None = None
    session: bool = False
    proven: bool = True

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


async def first(
    conn: asyncpg.Connection, kind: Literal["agent", "person", "operator"], owner: UUID, *, actor: str
) -> tuple[Key, str]:
    """A key that nobody hands on: an account's first, a person's session, an operator's; and, this once, its secret."""
    scopes = list(ALL_SCOPES) if kind == "agent" else []
    ends = await _after(conn, SESSION_S) if kind == "person" else None
    return await _insert(conn, kind, owner, KeyDraft(), scopes, (), actor, ends=ends)


async def make(conn: asyncpg.Connection, actor: Actor, draft: KeyDraft) -> tuple[Key, str]:
    """A key of the actor's account with no more than the actor's has and, this once, its secret.

    It ends with the actor's at the latest, and with it where nothing is said of its life. What it spends counts against
    the day of the key that made it too. Raises Forbidden; OverCap for one key too many.
    """
    scopes: Sequence[str] = draft.scopes or sorted(actor.scopes)
    ends = actor.expires_at if draft.expires_in_s is None else await _after(conn, draft.expires_in_s)
    _require_no_more(actor, scopes, draft.max_per_task, draft.max_per_day, actor.purses, ends)
    await _require_room(conn, actor.owner)
    return await _insert(conn, "agent", actor.owner, draft, scopes, actor.purses, actor.name, ends=ends)


async def _require_room(conn: asyncpg.Connection, account: UUID) -> None:
    """Raises OverCap when the account has as many living keys as it may. It makes one key at a time from here on: the
    account's row is locked, the first of all locks."""
    await conn.fetchval("SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE", account)
    living = await conn.fetchval(
        """SELECT count(*) FROM api_key
           WHERE account_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > market_now())""",
        account,
    )
    if living >= MOST_KEYS:
        raise OverCap(f"An account may have {MOST_KEYS} keys that work: revoke one first.")


def _require_no_more(
    actor: Actor, scopes: Sequence[str], max_per_task: int | None, max_per_day: int | None, purses: Sequence[UUID],
    ends: datetime | None,
) -> None:  # fmt: skip
    """The one rule between keys: a key makes, replaces and revokes only such as have no more than itself."""
    if not actor.scopes.issuperset(scopes):
        raise Forbidden("A key reaches only keys without scopes that it lacks.")
    for name, own, given in (
        ("max_per_task", actor.max_per_task, max_per_task), ("max_per_day", actor.max_per_day, max_per_day)
    ):  # fmt: skip
        if own is not None and (given is None or given > own):
            raise Forbidden(f"A key reaches only keys with a `{name}` of at most its own, which is {own}.")
    # A key with a day of its own, next to this one's, would add to what its holder can spend.
    if not set(actor.purses) <= set(purses):
        raise Forbidden("A key with `max_per_day` reaches only keys that spend from its own day: those it has made.")
    # What was lent for a day must not become a key for ever.
    if actor.expires_at is not None and (ends is None or ends > actor.expires_at):
        until = actor.expires_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        raise Forbidden(f"A key reaches only keys that end with it or before; this one ends at {until}.")


async def _after(conn: asyncpg.Connection, seconds: int) -> datetime:
    return await clock.now(conn) + timedelta(seconds=seconds)


async def _insert(
    conn: asyncpg.Connection, kind: str, owner: UUID, draft: KeyDraft, scopes: Sequence[str], purses: Sequence[UUID],
    actor: str, *, ends: datetime | None, shares: bool = False,
) -> tuple[Key, str]:  # fmt: skip
    """shares: it has exactly these purses; else one of its own is added to them when it has a cap on its day."""
    owners = {"agent": "account_id", "person": "person_id", "operator": "operator_id"}
    key, secret = ids.new(), PREFIX[kind] + secrets.token_urlsafe(32)
    own = [key] if draft.max_per_day is not None and not shares else []
    row = await conn.fetchrow(
        f"""INSERT INTO api_key (id, kind, {owners[kind]}, hash, hint, name, scopes, max_per_task, max_per_day, purses,
              expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING *""",
        key, kind, owner, _digest(secret), secret[:7], draft.name, list(scopes), draft.max_per_task, draft.max_per_day,
        [*purses, *own], ends,
    )  # fmt: skip
    if kind == "agent":
        await events.append(conn, "key.created", ("key", key), actor, account=owner)
    return _key(row), secret


async def find(conn: asyncpg.Connection, secret: str) -> Actor:
    """Who holds this secret. Raises Unauthenticated when it is unknown, expired or revoked, or its owner is gone.

    An operator's session goes on by being used, which is written down once a minute.
    """
    row = await conn.fetchrow(
        """SELECT k.id, k.kind, coalesce(k.account_id, k.person_id, k.operator_id) AS owner, k.scopes, k.max_per_task,
                  k.max_per_day, k.purses, k.expires_at, coalesce(a.currency, 'usd') AS currency,
                  k.proven_at IS NOT NULL AS session,
                  coalesce(k.proven_at > market_now() - make_interval(secs => $2), true) AS proven,
                  k.proven_at IS NOT NULL AND k.expires_at < least(k.created_at + make_interval(secs => $3),
                    market_now() + make_interval(secs => $4 - 60)) AS ages
           FROM api_key k LEFT JOIN account a ON a.id = k.account_id LEFT JOIN person p ON p.id = k.person_id
             LEFT JOIN operator o ON o.id = k.operator_id
           WHERE k.hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > market_now())
             AND p.erased_at IS NULL AND o.disabled_at IS NULL""",
        _digest(secret), PROVEN_S, OPERATOR_SESSION_S, OPERATOR_IDLE_S,
    )  # fmt: skip
    if row is None:
        raise Unauthenticated
    if row["ages"]:
        await conn.execute(
            """UPDATE api_key SET expires_at = least(created_at + make_interval(secs => $2),
                 market_now() + make_interval(secs => $3)) WHERE id = $1""",
            row["id"], OPERATOR_SESSION_S, OPERATOR_IDLE_S,
        )  # fmt: skip
    return Actor(
        row["kind"], row["owner"], row["id"], tuple(row["purses"]), frozenset(row["scopes"]),
        row["max_per_task"], row["max_per_day"], row["currency"], row["expires_at"], row["session"], row["proven"],
    )  # fmt: skip


async def listed(conn: asyncpg.Connection, account: UUID, *, after: UUID | None, limit: int) -> list[Key]:
    """The account's keys, newest first, those made before `after`."""
    rows = await conn.fetch(
        "SELECT * FROM api_key WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        account, after, limit,
    )  # fmt: skip
    return [_key(row) for row in rows]


async def revoke(conn: asyncpg.Connection, actor: Actor, key: str) -> Key:
    """Shut a key for good, at once and everywhere: every request looks its key up. Raises Forbidden, NotFound."""
    found = await _reach(conn, actor, key)
    if found is None:
        raise NotFound("There is no such key, or it is revoked already.")
    row = await conn.fetchrow("UPDATE api_key SET revoked_at = market_now() WHERE id = $1 RETURNING *", found["id"])
    await events.append(conn, "key.revoked", ("key", row["id"]), actor.name, account=actor.owner)
    return _key(row)


async def rotate(conn: asyncpg.Connection, actor: Actor, key: str) -> tuple[Key, str]:
    """A new key with the same rights and as long a life; the old one works for a day more, so that nothing stops.

    The new one's life ends no later than that of the key that asks: one that ends can put its end off by no rotation.

    Raises Forbidden, NotFound; OverCap for one key too many, since both work for that day.
    """
    await _require_room(conn, actor.owner)
    old = await _reach(conn, actor, key)
    if old is None or old["rotated_to"] is not None:
        raise NotFound("There is no such key, or it is revoked or rotated already.")
    lives_s = old["expires_at"] and int((old["expires_at"] - old["created_at"]).total_seconds())
    ends = None if lives_s is None else await _after(conn, lives_s)
    if actor.expires_at is not None:
        ends = actor.expires_at if ends is None else min(ends, actor.expires_at)
    draft = KeyDraft(name=old["name"], max_per_task=old["max_per_task"], max_per_day=old["max_per_day"])
    # Both work for a day, on one cap: rotating must not double it.
    made, secret = await _insert(
        conn, "agent", actor.owner, draft, old["scopes"], old["purses"], actor.name, ends=ends, shares=True
    )  # fmt: skip
    await conn.execute(
        """UPDATE api_key SET rotated_to = $2, expires_at = least(expires_at, market_now() + make_interval(secs => $3))
           WHERE id = $1""",
        old["id"], ids.read("key", made.id), ROTATION_OVERLAP_S,
    )  # fmt: skip
    return made, secret


async def _reach(conn: asyncpg.Connection, actor: Actor, key: str) -> asyncpg.Record | None:
    """A living key of the actor's account, locked; None without one. Raises Forbidden when it has more than theirs."""
    row = await conn.fetchrow(
        "SELECT * FROM api_key WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL FOR NO KEY UPDATE",
        ids.read("key", key), actor.owner,
    )  # fmt: skip
    if row is not None:
        _require_no_more(
            actor, row["scopes"], row["max_per_task"], row["max_per_day"], row["purses"], row["expires_at"]
        )
    return row


async def spend(conn: asyncpg.Connection, actor: Actor, amount: int, *, one_task: int) -> None:
    """Count `amount` against the day of the account and of the key, in the transaction that holds the money. Raises
    OverCap, and AccountHeld while an operator holds the account; then only a rollback takes back what was counted.

    one_task: what the task as a whole may now cost at most, for the cap on a single task. Days are locked after tasks
    and before ledger accounts: the account's, then the keys', a maker's before that of a key it made.
    """
    if actor.max_per_task is not None and one_task > actor.max_per_task:
        raise OverCap(f"This key may hold at most {actor.max_per_task} for one task; this one needs {one_task}.")
    if amount:
        await spending.count(conn, actor.owner, amount)
    if not actor.purses:
        return
    kept = await conn.fetch(
        """INSERT INTO key_spend AS s (key_id, day, spent)
             SELECT k.id, (market_now() AT TIME ZONE 'utc')::date, $2::bigint
             FROM unnest($1::uuid[]) WITH ORDINALITY AS p (id, place) JOIN api_key k ON k.id = p.id
             WHERE $2::bigint <= k.max_per_day ORDER BY p.place
           ON CONFLICT (key_id, day) DO UPDATE SET spent = s.spent + excluded.spent
             WHERE s.spent + excluded.spent <= (SELECT max_per_day FROM api_key WHERE id = s.key_id)
           RETURNING key_id""",
        list(actor.purses), amount,
    )  # fmt: skip
    if actor.purses[-1] not in {row["key_id"] for row in kept}:
        raise OverCap(f"This key may hold at most {actor.max_per_day} a day; {amount} more would exceed that.")
    if len(kept) < len(actor.purses):
        raise OverCap(f"The key that made this one has a cap for the day; {amount} more would exceed that.")


async def caps(conn: asyncpg.Connection, actor: Actor) -> Caps:
    """The key's caps, and what it has used of them today together with the keys that it has made."""
    used: int = await conn.fetchval(
        """SELECT coalesce((SELECT spent FROM key_spend
             WHERE key_id = $1 AND day = (market_now() AT TIME ZONE 'utc')::date), 0)""",
        actor.purses[-1] if actor.purses else actor.key,
    )
    return Caps(actor.max_per_task, actor.max_per_day, used)


def _key(row: asyncpg.Record) -> Key:
    return Key(
        ids.show("key", row["id"]), row["name"], row["hint"], row["scopes"], row["max_per_task"], row["max_per_day"],
        row["created_at"], row["expires_at"], row["revoked_at"],
    )  # fmt: skip

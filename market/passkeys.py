"""Passkeys of operators: public keys that were enrolled, and the challenges that are signed with them, each once."""

import secrets
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids
from market.errors import NotFound, TooOften, WrongState

CHALLENGE_S = 5 * 60
CHALLENGE_BYTES = 32
MOST_PASSKEYS = 20
MOST_OPEN_OF_NETWORK = 30  # challenges to sign in, that nobody has answered
SWEPT_AT_ONCE = 100

Purpose = Literal["enrol", "sign_in", "prove"]


class Passkey(msgspec.Struct, frozen=True):
    """An enrolled passkey, as its owner sees it."""

    id: str
    name: str
    created_at: datetime
    used_at: datetime | None


class Known(NamedTuple):
    """What is needed to verify a signature: whose it is, the public key (COSE), how often it has signed."""

    operator: UUID
    public_key: bytes
    sign_count: int


# A credential's own name may have a thousand bytes; its hash is what lists and paths use.
_ID = "'pk_' || left(encode(sha256(credential), 'hex'), 32)"


async def challenge(conn: asyncpg.Connection, purpose: Purpose, operator: UUID) -> bytes:
    """A new challenge that this operator alone may answer, good once and for five minutes."""
    return await _insert(conn, purpose, operator, "")


async def sign_in_challenge(conn: asyncpg.Connection, network: str) -> bytes:
    """A new challenge for whoever comes, good once and for five minutes. Raises TooOften: anybody may ask, so of one
    network few are open at a time."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('challenges:' || $1, 0))", network)
    waiting = await conn.fetchval(
        """SELECT count(*) FROM passkey_challenge WHERE network = $1 AND purpose = 'sign_in' AND used_at IS NULL
             AND created_at > now() - make_interval(secs => $2)""",
        network, CHALLENGE_S,
    )  # fmt: skip
    if waiting >= MOST_OPEN_OF_NETWORK:
        raise TooOften("Too many challenges that nobody answered were asked for from your network. Wait five minutes.")
    return await _insert(conn, "sign_in", None, network)


async def _insert(conn: asyncpg.Connection, purpose: Purpose, operator: UUID | None, network: str) -> bytes:
    # Each sweeps more than it adds, and none a great heap.
    await conn.execute(
        """DELETE FROM passkey_challenge WHERE id IN (
             SELECT id FROM passkey_challenge WHERE created_at < now() - make_interval(secs => $1)
             ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)""",
        CHALLENGE_S, SWEPT_AT_ONCE,
    )  # fmt: skip
    made = secrets.token_bytes(CHALLENGE_BYTES)
    await conn.execute(
        "INSERT INTO passkey_challenge (id, challenge, purpose, operator_id, network) VALUES ($1, $2, $3, $4, $5)",
        ids.new(), made, purpose, operator, network,
    )  # fmt: skip
    return made


async def use_challenge(conn: asyncpg.Connection, given: bytes, purpose: Purpose, operator: UUID | None) -> bool:
    """Whether we have asked for this, for the same purpose, of the same operator, lately, and nobody has answered."""
    used = await conn.fetchval(
        """UPDATE passkey_challenge SET used_at = now()
           WHERE challenge = $1 AND purpose = $2 AND operator_id IS NOT DISTINCT FROM $3 AND used_at IS NULL
             AND created_at > now() - make_interval(secs => $4) RETURNING true""",
        given, purpose, operator, CHALLENGE_S,
    )  # fmt: skip
    return bool(used)


async def enrol(
    conn: asyncpg.Connection, operator: UUID, credential: bytes, public_key: bytes, sign_count: int, name: str
) -> Passkey:
    """Keep a new passkey of the operator's. Raises WrongState for one that is known, or one too many."""
    # The lock makes a disabling at the same moment wait, which then removes this one as well.
    await conn.fetchval("SELECT id FROM operator WHERE id = $1 FOR NO KEY UPDATE", operator)
    if await count(conn, operator) >= MOST_PASSKEYS:
        raise WrongState(f"An operator may have {MOST_PASSKEYS} passkeys: remove one first.")
    row = await conn.fetchrow(
        f"""INSERT INTO operator_passkey (credential, operator_id, public_key, sign_count, name)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING {_ID} AS id, name, created_at, used_at""",
        credential, operator, public_key, sign_count, name,
    )  # fmt: skip
    if row is None:
        raise WrongState("This passkey is enrolled already, or was removed: make a new one.")
    await _note(conn, "operator.passkey_enrolled", operator, row["id"])
    return _passkey(row)


async def find(conn: asyncpg.Connection, credential: bytes) -> Known | None:
    """A passkey that opens a door, locked; None when it is unknown or removed, or its owner is disabled."""
    row = await conn.fetchrow(
        """SELECT p.operator_id, p.public_key, p.sign_count FROM operator_passkey p
             JOIN operator o ON o.id = p.operator_id
           WHERE p.credential = $1 AND p.removed_at IS NULL AND o.disabled_at IS NULL FOR NO KEY UPDATE OF p""",
        credential,
    )
    return None if row is None else Known(row["operator_id"], row["public_key"], row["sign_count"])


async def used(conn: asyncpg.Connection, credential: bytes, sign_count: int) -> None:
    """It has signed: `sign_count` is how often it says that it has."""
    await conn.execute(
        "UPDATE operator_passkey SET sign_count = $2, used_at = market_now() WHERE credential = $1",
        credential, sign_count,
    )  # fmt: skip


async def listed(conn: asyncpg.Connection, operator: UUID) -> list[Passkey]:
    """The operator's passkeys, oldest first."""
    rows = await conn.fetch(
        f"""SELECT {_ID} AS id, name, created_at, used_at FROM operator_passkey
            WHERE operator_id = $1 AND removed_at IS NULL ORDER BY created_at, credential""",
        operator,
    )
    return [_passkey(row) for row in rows]


async def credentials(conn: asyncpg.Connection, operator: UUID) -> list[bytes]:
    """The names of the operator's credentials, for their browser."""
    rows = await conn.fetch(
        "SELECT credential FROM operator_passkey WHERE operator_id = $1 AND removed_at IS NULL ORDER BY credential",
        operator,
    )
    return [row["credential"] for row in rows]


async def count(conn: asyncpg.Connection, operator: UUID) -> int:
    """How many passkeys the operator has."""
    found: int = await conn.fetchval(
        "SELECT count(*) FROM operator_passkey WHERE operator_id = $1 AND removed_at IS NULL", operator
    )
    return found


async def any_enrolled(conn: asyncpg.Connection) -> bool:
    """Whether any operator has a passkey."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM operator_passkey WHERE removed_at IS NULL)"))


async def remove(conn: asyncpg.Connection, operator: UUID, passkey: str, *, even_the_last: bool) -> None:
    """Shut a passkey for good. Raises NotFound; WrongState for the last one, unless there is another way in."""
    await conn.fetchval("SELECT id FROM operator WHERE id = $1 FOR NO KEY UPDATE", operator)
    if not even_the_last and await count(conn, operator) == 1:
        raise WrongState("This is your last passkey: enrol another one first.")
    removed = await conn.fetchval(
        f"""UPDATE operator_passkey SET removed_at = market_now()
            WHERE operator_id = $1 AND removed_at IS NULL AND {_ID} = $2 RETURNING true""",
        operator, passkey,
    )  # fmt: skip
    if removed is None:
        raise NotFound("There is no such passkey, or it is removed.")
    await _note(conn, "operator.passkey_removed", operator, passkey)


async def _note(conn: asyncpg.Connection, type: str, operator: UUID, passkey: str) -> None:
    await events.append(conn, type, ("operator", operator), f"operator:{operator}", data={"passkey": passkey})


def _passkey(row: asyncpg.Record) -> Passkey:
    return Passkey(row["id"], row["name"], row["created_at"], row["used_at"])

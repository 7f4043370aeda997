"""People who answer: sign-up, one-time codes, what they say of themselves, erasure."""

import hashlib
import secrets
from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids, keys
from market.accounts import Email
from market.errors import NotFound, TooOften, Unauthenticated

CODE_S = 600
CODE_TRIES = 5
CODE_PAUSE_S = 30
CODES_A_DAY = 20

Language = Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$(?!\\n)", examples=["de"])]
DisplayName = Annotated[str, msgspec.Meta(min_length=1, max_length=80, examples=["Bo"])]


class PersonDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who wants to answer tasks."""

    email: Email
    display_name: DisplayName
    languages: Annotated[list[Language], msgspec.Meta(max_length=20)] = []
    accept_terms: bool


class PersonChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a person may change of themselves."""

    display_name: DisplayName | msgspec.UnsetType = msgspec.UNSET
    languages: Annotated[list[Language], msgspec.Meta(max_length=20)] | msgspec.UnsetType = msgspec.UNSET


class Person(msgspec.Struct, frozen=True):
    """A person as they see themselves."""

    id: str
    email: str
    display_name: str
    languages: list[str]
    created_at: datetime


async def sign_up(conn: asyncpg.Connection, draft: PersonDraft) -> UUID:
    """The person with this address, made if there is none. The answer to the outside must be the same in both cases."""
    person: UUID | None = await conn.fetchval(
        """INSERT INTO person (id, email, display_name, languages, accepted_terms_at)
           VALUES ($1, $2, $3, $4, market_now())
           ON CONFLICT (lower(email)) WHERE erased_at IS NULL DO NOTHING RETURNING id""",
        ids.new(), draft.email, draft.display_name, draft.languages,
    )  # fmt: skip
    if person is not None:
        await events.append(conn, "person.joined", ("person", person), f"person:{person}", person=person)
        return person
    known: UUID = await conn.fetchval(
        "SELECT id FROM person WHERE lower(email) = lower($1) AND erased_at IS NULL", draft.email
    )
    return known


async def make_code(conn: asyncpg.Connection, email: str) -> str | None:
    """A one-time code for the person with this address, replacing any before; None when there is nobody.

    Raises TooOften within half a minute of the last one, and above twenty in a day without a sign-in: mail must not be
    a weapon, and five guesses at each of any number of codes would in time be enough.
    """
    person = await conn.fetchval(
        "SELECT id FROM person WHERE lower(email) = lower($1) AND erased_at IS NULL", email
    )  # fmt: skip
    if person is None:
        return None
    code = f"{secrets.randbelow(1_000_000):06d}"
    kept = await conn.fetchval(
        """INSERT INTO login_code AS c (person_id, code_hash, expires_at)
             VALUES ($1, $2, market_now() + make_interval(secs => $3))
           ON CONFLICT (person_id) DO UPDATE SET code_hash = excluded.code_hash, expires_at = excluded.expires_at,
             attempts = 0, sent_at = market_now(),
             sent = CASE WHEN c.first_sent_at <= market_now() - interval '1 day' THEN 1 ELSE c.sent + 1 END,
             first_sent_at = CASE WHEN c.first_sent_at <= market_now() - interval '1 day' THEN market_now()
                                  ELSE c.first_sent_at END
             WHERE c.sent_at < market_now() - make_interval(secs => $4)
               AND (c.sent < $5 OR c.first_sent_at <= market_now() - interval '1 day') RETURNING 1""",
        person, _digest(person, code), CODE_S, CODE_PAUSE_S, CODES_A_DAY,
    )  # fmt: skip
    if kept is None:
        raise TooOften(f"Wait {CODE_PAUSE_S} seconds between two codes; {CODES_A_DAY} a day are sent at most.")
    return code


async def try_code(conn: asyncpg.Connection, email: str, code: str) -> UUID | None:
    """The person, when the code is theirs, fresh and unused; else None. Each try counts, so commit in both cases."""
    row = await conn.fetchrow(
        """UPDATE login_code SET attempts = attempts + 1 FROM person p
           WHERE p.id = person_id AND lower(p.email) = lower($1) AND p.erased_at IS NULL
             AND login_code.expires_at > market_now() AND attempts < $2
           RETURNING person_id, code_hash""",
        email, CODE_TRIES,
    )  # fmt: skip
    if row is None or not secrets.compare_digest(row["code_hash"], _digest(row["person_id"], code)):
        return None
    used: list[UUID] = await conn.fetch(
        "DELETE FROM login_code WHERE person_id = $1 RETURNING person_id", row["person_id"]
    )
    return row["person_id"] if used else None


async def open_session(conn: asyncpg.Connection, person: UUID) -> str:
    """A new `wk_` session."""
    _, secret = await keys.first(conn, "person", person, actor=f"person:{person}")
    await events.append(conn, "person.signed_in", ("person", person), f"person:{person}", person=person)
    return secret


async def sign_out(conn: asyncpg.Connection, session: UUID) -> None:
    """End one session."""
    ended = await conn.fetchval(
        "UPDATE api_key SET revoked_at = market_now() WHERE id = $1 AND revoked_at IS NULL RETURNING id", session
    )
    if ended is None:
        raise Unauthenticated


async def get(conn: asyncpg.Connection, person: UUID) -> Person:
    """A person by id."""
    row = await conn.fetchrow("SELECT * FROM person WHERE id = $1 AND erased_at IS NULL", person)
    if row is None:
        raise NotFound
    return Person(ids.show("person", row["id"]), row["email"], row["display_name"], row["languages"], row["created_at"])


async def change(conn: asyncpg.Connection, person: UUID, change: PersonChange) -> Person:
    """Set what the change names."""
    named = {field: value for field, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
    if named:
        done = await conn.fetchval(
            """UPDATE person SET display_name = coalesce($2, display_name), languages = coalesce($3, languages)
               WHERE id = $1 AND erased_at IS NULL RETURNING id""",
            person, named.get("display_name"), named.get("languages"),
        )  # fmt: skip
        if done is None:
            raise NotFound
        await events.append(
            conn, "person.changed", ("person", person), f"person:{person}", person=person,
            data={"fields": sorted(named)},
        )  # fmt: skip
    return await get(conn, person)


def _digest(person: UUID, code: str) -> bytes:
    return hashlib.sha256(f"{person}:{code}".encode()).digest()

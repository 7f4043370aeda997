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
CODE_PAUSE_S = 30
# A code may be tried so often from the network that asked for it, and from all others together; so nobody else can use
# up the tries of whoever stays where they asked.
CODE_TRIES, CODE_TRIES_ELSEWHERE = 5, 2
# Codes in a day that were not used: for one network, and for all from which the person has never signed in. The latter
# times all tries of a code bounds what guessing can do: 14 * 7 in a million, less than 1e-4 a day.
CODES_A_DAY, CODES_A_DAY_FOR_STRANGERS = 5, 14
# For one network over all persons, in a day: codes that were not used, and wrong tries. Guessing at many at once is
# bounded by the latter, mail to many addresses by the former. Whoever signs in uses up neither.
CODES_A_DAY_OF_NETWORK, WRONG_TRIES_OF_NETWORK = 30, 50

Language = Annotated[
    str,
    msgspec.Meta(
        pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$(?!\\n)",
        description="A language's code, such as en, de or pt-BR.",
        examples=["de"],
    ),
]
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


async def make_code(conn: asyncpg.Connection, email: str, network: str) -> str | None:
    """A one-time code for the person with this address, beside those still valid; None when there is nobody.

    network: where the request comes from. Raises TooOften within half a minute of the last code asked for there, above
    five a day without a sign-in, and above fourteen for all networks from which the person has never signed in: mail
    must not be a weapon, and guesses are bounded by the number of codes. What strangers ask for spoils no code that is
    on its way, and uses up nothing where the person has signed in before. Raises TooOften as well, whether the address
    is known or not, above thirty codes a day from that network, for whomever, that were not followed by a sign-in.
    """
    await _network_turn(conn, network)
    await _require_few_unused(conn, network)
    person = await _turn(conn, email)
    if person is None:
        return None
    await conn.execute(
        """DELETE FROM login_code WHERE person_id = $1 AND sent_at <= market_now()
             - CASE WHEN used_from IS NULL THEN interval '1 day' ELSE interval '90 days' END""",
        person,
    )
    code = f"{secrets.randbelow(1_000_000):06d}"
    kept = await conn.fetchval(
        """WITH unused AS (
             SELECT c.network, c.sent_at, EXISTS (
               SELECT FROM login_code u WHERE u.person_id = $2 AND u.used_from = c.network) AS known
             FROM login_code c WHERE c.person_id = $2 AND c.used_from IS NULL)
           INSERT INTO login_code (id, person_id, network, code_hash, expires_at)
             SELECT $1, $2, $3::text, $4, market_now() + make_interval(secs => $5)
             WHERE (SELECT count(*) < $7 AND coalesce(max(sent_at) < market_now() - make_interval(secs => $6), true)
                    FROM unused WHERE network = $3)
               AND ((SELECT count(*) FROM unused WHERE NOT known) < $8
                    OR EXISTS (SELECT FROM login_code WHERE person_id = $2 AND used_from = $3))
           RETURNING 1""",
        ids.new(), person, network, _digest(person, code), CODE_S, CODE_PAUSE_S, CODES_A_DAY, CODES_A_DAY_FOR_STRANGERS,
    )  # fmt: skip
    if kept is None:
        raise TooOften(f"Wait {CODE_PAUSE_S} seconds between two codes; only a few are sent in a day.")
    return code


async def try_code(conn: asyncpg.Connection, email: str, code: str, network: str) -> UUID | None:
    """The person, when the code is theirs, fresh and unused; else None. Each try counts, so commit in both cases.

    Raises TooOften, whether the address is known and the code right or not, after fifty wrong tries in a day from that
    network, for whomever.
    """
    await _network_turn(conn, network)
    wrong = await conn.fetchval(
        "SELECT wrong_tries FROM login_network WHERE network = $1 AND since > market_now() - interval '1 day'", network
    )
    if wrong is not None and wrong >= WRONG_TRIES_OF_NETWORK:
        raise TooOften("Too many wrong codes came from your network. Try again tomorrow, or from another network.")
    person = await _turn(conn, email)
    signed_in = person is not None and await _use(conn, person, code, network)
    if not signed_in:
        await _count_wrong(conn, network)
    return person if signed_in else None


async def _use(conn: asyncpg.Connection, person: UUID, code: str, network: str) -> bool:
    """Whether this is a code of theirs that may still be tried from there; it is used then, else the try is counted."""
    tried = await conn.fetch(
        """UPDATE login_code SET tries = tries + (network = $2)::int,
             tries_elsewhere = tries_elsewhere + (network <> $2)::int
           WHERE person_id = $1 AND used_from IS NULL AND expires_at > market_now()
             AND CASE WHEN network = $2 THEN tries < $3 ELSE tries_elsewhere < $4 END
           RETURNING id, code_hash""",
        person, network, CODE_TRIES, CODE_TRIES_ELSEWHERE,
    )  # fmt: skip
    given = _digest(person, code)
    right = [row["id"] for row in tried if secrets.compare_digest(row["code_hash"], given)]
    if not right:
        return False
    await conn.execute(
        """UPDATE login_code SET expires_at = least(expires_at, market_now()), used_from = CASE WHEN id = $2 THEN $3 END
           WHERE person_id = $1 AND used_from IS NULL""",
        person, right[0], network,
    )  # fmt: skip
    return True


async def _network_turn(conn: asyncpg.Connection, network: str) -> None:
    """Wait until nobody else asks or tries from this network, so that its limits hold; taken before a person's turn."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('network:' || $1, 0))", network)


async def _require_few_unused(conn: asyncpg.Connection, network: str) -> None:
    """Raises TooOften when too many codes asked for there were not followed by a sign-in of their persons."""
    unused = await conn.fetchval(
        """SELECT count(*) FROM login_code c
           WHERE c.network = $1 AND c.sent_at > market_now() - interval '1 day' AND c.used_from IS NULL
             AND NOT EXISTS (SELECT FROM login_code u WHERE u.person_id = c.person_id AND u.used_from = $1
                               AND u.expires_at >= c.sent_at)""",
        network,
    )
    if unused >= CODES_A_DAY_OF_NETWORK:
        raise TooOften(
            "Too many codes that nobody used were asked for from your network. Try again tomorrow, or from another one."
        )


async def _count_wrong(conn: asyncpg.Connection, network: str) -> None:
    await conn.execute(
        """INSERT INTO login_network AS n (network, since, wrong_tries) VALUES ($1, market_now(), 1)
           ON CONFLICT (network) DO UPDATE SET
             since = CASE WHEN n.since > market_now() - interval '1 day' THEN n.since ELSE excluded.since END,
             wrong_tries = CASE WHEN n.since > market_now() - interval '1 day' THEN n.wrong_tries + 1 ELSE 1 END""",
        network,
    )
    # Each try clears away a few of those that count no more; none is waited for.
    await conn.execute(
        """DELETE FROM login_network WHERE network IN (
             SELECT network FROM login_network WHERE since <= market_now() - interval '1 day'
             ORDER BY since LIMIT 10 FOR UPDATE SKIP LOCKED)"""
    )


async def _turn(conn: asyncpg.Connection, email: str) -> UUID | None:
    """The person with this address, once nobody else asks or tries for it; until the transaction ends."""
    # Not the person's row: its lock is written to disk, and so would tell by its time whether an address is known.
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('login:' || lower($1), 0))", email)
    found: UUID | None = await conn.fetchval(
        "SELECT id FROM person WHERE lower(email) = lower($1) AND erased_at IS NULL", email
    )
    return found


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

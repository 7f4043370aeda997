"""Claims: a person takes a slot for a while. A slot is never given twice."""

import secrets
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, fix_ups, ids, ledger, membership, tasks
from market.errors import (
    AlreadyAnswered,
    Changed,
    ClaimOver,
    DevicesOnly,
    Invalid,
    NotFound,
    PartOfRoute,
    Refusal,
    SeriesOtherPerson,
    SeriesReserved,
    SlotTaken,
    TaskNotOpen,
    TooManyClaims,
    TriesUsed,
    Unauthenticated,
)
from market.money import Money
from market.terms import Strict

MOST_ACTIVE = 20
MOST_TRIES = 3  # answers of one person to one task; who is rejected may try again up to here
MOST_LET_GO = 5  # claims of one person on one task that were given back or ran out: each kept others away
# Read aloud and typed with one thumb: no 0/O, 1/I/L, 5/S, 8/B.
CODE_LETTERS = "ACDEFGHJKMNPQRTUVWXY234679"


class Position(Strict, frozen=True, kw_only=True):
    """A fix: degrees (WGS 84) and its accuracy in metres."""

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90, examples=[52.5201])]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180, examples=[13.4049])]
    accuracy_m: Annotated[float, msgspec.Meta(ge=0, le=100_000, examples=[12.5])] = 0.0


class Challenge(msgspec.Struct, frozen=True):
    """What binds a capture to this claim: the nonce to send, and four characters to show in the picture."""

    nonce: str
    code: str
    expires_at: datetime


class Claim(msgspec.Struct, frozen=True):
    """A person's hold on one slot. `reward`: what it pays when accepted, whatever the price does; it can only rise."""

    id: str
    task_id: str
    status: str
    reward: Money
    created_at: datetime
    expires_at: datetime
    challenge: Challenge


class Chance(NamedTuple):
    """Whether a person may claim a task now: the tries they have left, and what stands against it."""

    tries_left: int
    refusal: Refusal | None


# SQL, where the row of a task is at hand: the round it is in, and whether that round has room for one more answer.
ROUND = "task_round(every_s, opens_at)"
_IN_ROUND = f"""(SELECT count(*) FROM claim c WHERE c.task_id = task.id AND c.round = {ROUND}
      AND c.status IN ('active', 'submitted'))"""
ROUND_OPEN = f"(per_round IS NULL OR {_IN_ROUND} < per_round)"
# SQL, beside them: how many of the round are taken, and when the next one begins; null where there are no rounds, or no
# further one.
ROUND_TAKEN = f"CASE WHEN task.per_round IS NOT NULL THEN {_IN_ROUND} END"
_NEXT = f"task.opens_at + make_interval(secs => task.every_s * ({ROUND} + 1.0))"
NEXT_ROUND = f"CASE WHEN task.every_s IS NOT NULL AND {_NEXT} < task.closes_at THEN {_NEXT} END"
PER_PERSON = "coalesce(per_person, 1)"


def _own(person: str, counted: str) -> str:
    return f"FROM claim c WHERE c.task_id = task.id AND c.person_id = {person} AND c.round = {ROUND} AND {counted}"


def answered_by(person: str, device: str = "NULL::uuid") -> str:
    """SQL: who answers has a claim on the task, or an answer that counts in this round, and so has the person as often
    as one person may.

    person, device: SQL expressions, the latter NULL for somebody who claims by hand. The row of `task` is at hand.
    """
    own = _own(person, membership.COUNTS)
    return f"""(EXISTS (SELECT {own} AND c.device_id IS NOT DISTINCT FROM {device})
        OR (SELECT count(*) {own}) >= {PER_PERSON})"""


def rejected_of(person: str) -> str:
    """SQL: how many answers of the person in this round were rejected, those appealed among them."""
    own = _own(person, "c.status = 'rejected'")
    return f"(SELECT count(*) {own})"


def let_go_by(person: str) -> str:
    """SQL: how many claims of the person in this round were given back or ran out."""
    own = _own(person, "c.status IN ('released', 'expired')")
    return f"(SELECT count(*) {own})"


def unanswered_by(person: str, device: str = "NULL::uuid") -> str:
    """SQL: neither `answered_by`, nor out of tries."""
    return f"""NOT {answered_by(person, device)} AND {rejected_of(person)} < {MOST_TRIES} * {PER_PERSON}
      AND {let_go_by(person)} < {MOST_LET_GO} * {PER_PERSON}"""


_SELECT = "SELECT c.*, t.currency FROM claim c JOIN task t ON t.id = c.task_id"


async def claim(
    conn: asyncpg.Connection, person: UUID, task: str, position: Position | None, country: str | None = None
) -> Claim:
    """Take a slot. Raises NotFound, Unauthenticated, and whatever refusal `chance` finds.

    country: of the address that asks, two letters, where that is known.
    """
    task_id = ids.read("task", task)
    await lock_person(conn, person)
    return await take(conn, person, task_id, position, country)


async def require_anywhere(conn: asyncpg.Connection, task: str) -> None:
    """Raise Invalid unless a task may be done anywhere, NotFound where there is none."""
    place = await conn.fetchrow("SELECT lat IS NOT NULL AS given FROM task WHERE id = $1", ids.read("task", task))
    if place is None:
        raise NotFound("There is no such task.")
    if place["given"]:
        raise Invalid("It is done at a place: say where you are.", pointer="/lat")


async def lock_person(conn: asyncpg.Connection, person: UUID) -> None:
    """Wait until nobody else claims for this person. Raises Unauthenticated where there is none any more."""
    # One claim of a person at a time: what they hold is counted in a statement that begins after this one, so it sees
    # their others. Before the task, and nobody takes a person's row after one: no ring of waiting can arise.
    if not await conn.fetchval("SELECT true FROM person WHERE id = $1 AND erased_at IS NULL FOR NO KEY UPDATE", person):
        raise Unauthenticated


async def take(
    conn: asyncpg.Connection, person: UUID, task: UUID, at: Position | None, country: str | None, *, tour: bool = False
) -> Claim:
    """`claim`, once the person is locked. tour: with all of its route, whose members are locked and free."""
    for _ in range(2):
        row = await _take(conn, person, task, at, country, tour)
        if row is not None:
            await require_room(conn, row)
            return show(row)
        refusal = (await chance(conn, person, task, tour=tour)).refusal
        if refusal is not None:
            raise refusal
        # What stood against it has gone in between: a slot has come free, or an answer was rejected. Once more.
    raise Changed


async def _take(
    conn: asyncpg.Connection, person: UUID, task: UUID, position: Position | None, country: str | None, tour: bool
) -> asyncpg.Record | None:
    return await conn.fetchrow(
        # The slot is counted in the statement that checks for it, so the last one has one winner however many ask.
        f"""WITH slot AS (
             UPDATE task SET claimed = claimed + 1, version = version + 1
             WHERE id = $1 AND status = 'open' AND claimed + done < quantity
               AND opens_at <= market_now() AND closes_at > market_now()
               AND NOT devices_only AND {unanswered_by("$3")} AND {ROUND_OPEN}
               AND {membership.free_to("$3", tour="$11")}
               AND (SELECT count(*) FROM claim c WHERE c.person_id = $3 AND c.status = 'active') < $9
             RETURNING id, account_id, {ROUND} AS round, per_round, per_person, currency,
               CASE WHEN $11 THEN (SELECT g.claim_ttl_s FROM task_group g WHERE g.id = task.group_id)
                    ELSE claim_ttl_s END AS claim_ttl_s,
               {tasks.PRICE} AS price, {tasks.FEE} AS price_fee),
           new AS (
             INSERT INTO claim (id, task_id, person_id, nonce, code, lat, lon, accuracy_m, expires_at, round, country,
                 reward, fee)
               SELECT $2, id, $3, $4, $5, $6, $7, $8, market_now() + make_interval(secs => claim_ttl_s), round, $10,
                 price, price_fee FROM slot
             RETURNING *),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
               SELECT 'task.claimed', slot.account_id, $3, 'task', slot.id, 'person:' || $3::uuid, '{{}}' FROM slot)
           SELECT new.*, slot.per_round, slot.per_person, slot.currency FROM new, slot""",
        task, ids.new(), person, secrets.token_urlsafe(16), "".join(secrets.choice(CODE_LETTERS) for _ in range(4)),
        position and position.lat, position and position.lon, position and position.accuracy_m, MOST_ACTIVE,
        country, tour,
    )  # fmt: skip


async def require_room(conn: asyncpg.Connection, row: asyncpg.Record) -> None:
    """Raise SlotTaken when a claim just made is one too many for its round, AlreadyAnswered when it is for its person.

    The statement that made it may have counted before another's commit; since then it holds the task's row, so a
    statement that begins now sees all that were before it. Only standing tasks have rounds to fill.
    """
    if row["per_round"] is None:
        return
    taken = await conn.fetchrow(
        """SELECT count(*) AS of_all, count(*) FILTER (WHERE person_id = $3) AS own
           FROM claim WHERE task_id = $1 AND round = $2 AND status IN ('active', 'submitted')""",
        row["task_id"], row["round"], row["person_id"],
    )  # fmt: skip
    if taken["of_all"] > row["per_round"]:
        raise SlotTaken("This round has all its answers.")
    if taken["own"] > row["per_person"]:
        raise AlreadyAnswered("You have answered this round already, as often as one person may.")


async def chance(conn: asyncpg.Connection, person: UUID, task: UUID, *, tour: bool = False) -> Chance:
    """Whether a person may claim a task (tour: with all of its route), and why not. Raises NotFound."""
    row = await conn.fetchrow(
        f"""SELECT status = 'open' AND opens_at <= market_now() AND closes_at > market_now() AS open,
                  {answered_by("$2")} AS mine, {rejected_of("$2")} AS rejected, {PER_PERSON} * {MOST_TRIES} AS tries,
                  (SELECT count(*) FROM claim c WHERE c.person_id = $2 AND c.status = 'active') AS held,
                  claimed + done < quantity AS free, {ROUND_OPEN} AS round_open, {NEXT_ROUND} AS next_round,
                  {let_go_by("$2")} >= {MOST_LET_GO} * {PER_PERSON} AS let_go, devices_only,
                  group_id, {membership.PART_OF_ROUTE} AS part,
                  {membership.by_another("$2")} AS by_another, {membership.reserved("$2")} AS reserved
           FROM task WHERE id = $1""",
        task, person,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such task.")
    route = PartOfRoute(row["group_id"] and f"It is taken with all of the route {ids.show('group', row['group_id'])}.")
    used_up = TriesUsed(f"{row['tries']} of your answers to this task were not accepted; there is no further try.")
    let_go = TriesUsed("You have let it go too often: it was kept from others each time.")
    against: list[tuple[bool, Refusal]] = [
        (
            row["mine"],
            AlreadyAnswered(
                _again("You hold a claim in this round or have answered it", row) if row["next_round"] else ""
            ),
        ),
        (row["rejected"] >= row["tries"], used_up),
        (row["let_go"], let_go),
        (not row["open"], TaskNotOpen()),
        (row["devices_only"], DevicesOnly()),
        (not row["free"], SlotTaken()),
        (not row["round_open"], SlotTaken(_again("This round has all its answers", row))),
        (row["part"] and not tour, route),
        (row["by_another"], SeriesOtherPerson()),
        (row["reserved"], SeriesReserved()),
        (row["held"] >= MOST_ACTIVE, TooManyClaims()),
    ]
    return Chance(
        0 if row["let_go"] else row["tries"] - row["rejected"],
        next((refusal for holds, refusal in against if holds), None),
    )


def _again(what: str, row: asyncpg.Record) -> str:
    """What stands against it until the next round of a standing task."""
    begins = row["next_round"]
    return f"{what}; " + (f"the next begins at {begins:%Y-%m-%dT%H:%M:%SZ}." if begins else "there is no further one.")


async def get(conn: asyncpg.Connection, person: UUID, claim: str) -> Claim:
    """One claim of this person."""
    row = await conn.fetchrow(
        f"{_SELECT} WHERE c.id = $1 AND c.person_id = $2", ids.read("claim", claim), person
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such claim.")
    return show(row)


async def active(conn: asyncpg.Connection, person: UUID) -> list[Claim]:
    """What this person is working on, the most urgent first."""
    rows = await conn.fetch(
        f"""{_SELECT} WHERE c.person_id = $1 AND c.status = 'active' AND c.expires_at > market_now()
           ORDER BY c.expires_at""",
        person,
    )
    return [show(row) for row in rows]


async def let_go(conn: asyncpg.Connection, person: UUID, *, days: int = 7, limit: int = 10) -> list[Claim]:
    """What this person has given back or let run out of late, the latest first."""
    rows = await conn.fetch(
        f"""{_SELECT} WHERE c.person_id = $1 AND c.status IN ('released', 'expired')
              AND c.ended_at > market_now() - make_interval(days => $2) ORDER BY c.ended_at DESC, c.id LIMIT $3""",
        person, days, limit,
    )  # fmt: skip
    return [show(row) for row in rows]


async def release(conn: asyncpg.Connection, person: UUID, claim: str) -> UUID | None:
    """Give a slot back before its time is over; a fix-up is given up, and the answer stays as it was.

    Returns a submission that is to be judged again: photos of it were replaced while it could be mended.
    """
    claim_id = ids.read("claim", claim)
    task, actor = await _lock_task(conn, claim_id, person), f"person:{person}"
    mending, again = await fix_ups.end(conn, claim_id, "given_up", actor)
    if not mending and not await _end(conn, claim_id, task, "released", actor):
        raise ClaimOver
    return again


async def release_all(conn: asyncpg.Connection, person: UUID) -> int:
    """Give back all that a person holds, whose tasks the caller has locked; how many. Fix-ups are given up."""
    held = await conn.fetch(
        "SELECT id, task_id FROM claim WHERE person_id = $1 AND status = 'active' ORDER BY task_id", person
    )
    actor = f"person:{person}"
    released = 0
    for row in held:
        mending, _ = await fix_ups.end(conn, row["id"], "given_up", actor)
        released += not mending and await _end(conn, row["id"], row["task_id"], "released", actor)
    return released


async def expire_due(conn: asyncpg.Connection, limit: int = 100) -> int:
    """End claims whose time is over; how many. Safe to run anywhere at once."""
    due = await conn.fetch(
        # Tasks in id order, and only those nobody else works on: two sweeps never wait for each other. What was handed
        # in before is being mended, and not lost with its claim: fix_ups.end_due ends those.
        """SELECT c.id AS claim_id, t.id, t.status, t.account_id, t.currency
           FROM claim c JOIN task t ON t.id = c.task_id
           WHERE c.status = 'active' AND c.expires_at <= market_now()
             AND NOT EXISTS (SELECT FROM submission s WHERE s.claim_id = c.id)
           ORDER BY t.id LIMIT $1 FOR NO KEY UPDATE OF t SKIP LOCKED""",
        limit,
    )
    await ledger.lock(conn, tasks.touched([row for row in due if row["status"] != "open"]))
    return sum([await _end(conn, row["claim_id"], row["id"], "expired", "market") for row in due])


async def _lock_task(conn: asyncpg.Connection, claim: UUID, person: UUID) -> UUID:
    task: UUID | None = await conn.fetchval(
        """SELECT t.id FROM task t JOIN claim c ON c.task_id = t.id WHERE c.id = $1 AND c.person_id = $2
           FOR NO KEY UPDATE OF t""",
        claim, person,
    )  # fmt: skip
    if task is None:
        raise NotFound("There is no such claim.")
    return task


async def _end(conn: asyncpg.Connection, claim: UUID, task: UUID, status: str, actor: str) -> bool:
    ended = await conn.fetchrow(
        """UPDATE claim SET status = $2::text::claim_status, ended_at = market_now()
           WHERE id = $1 AND status = 'active' RETURNING person_id""",
        claim, status,
    )  # fmt: skip
    if ended is None:
        return False
    account = await conn.fetchval("SELECT account_id FROM task WHERE id = $1", task)
    await events.append(
        conn, f"claim.{status}", ("claim", claim), actor, account=account, person=ended["person_id"],
        data={"task_id": ids.show("task", task)},
    )  # fmt: skip
    await tasks.free_slot(conn, task, because=f"claim:{claim}", actor=actor)
    return True


def show(row: asyncpg.Record) -> Claim:
    """A row of `claim` as its person sees it."""
    return Claim(
        ids.show("claim", row["id"]), ids.show("task", row["task_id"]), row["status"],
        Money(row["reward"], row["currency"]), row["created_at"], row["expires_at"],
        Challenge(row["nonce"], row["code"], row["expires_at"]),
    )  # fmt: skip

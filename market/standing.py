"""Standing tasks answered by devices: which of them a pushed batch of readings serves, and the answer to each.

A device answers a task once in each round. What it measured since its last answer, and at most one round ago, counts.
"""

from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import claims, ids, near
from market.errors import SlotTaken, WrongState
from market.terms import Evidence, License, Strict

MOST_TASKS = 50  # that one batch can answer
FARTHEST_M = 100_000.0  # the largest radius of a task
LARGEST_SEQUENCE = 2**53 - 1


class Batch(Strict, frozen=True, kw_only=True):
    """What a device pushes. `sequence` grows with each batch; `readings` is a SenML pack (RFC 8428)."""

    sequence: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_SEQUENCE, examples=[17])]
    readings: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=10_000)]


class Wanted(NamedTuple):
    """A standing task that a device may answer now. since: what it measured after this was not sold to it before."""

    id: UUID
    evidence: Evidence
    exclusive: bool
    since: datetime


async def count(conn: asyncpg.Connection, device: UUID, sequence: int) -> None:
    """Note that a batch came. Raises WrongState for one that came already, or came after a later one."""
    done = await conn.fetchval(
        "UPDATE device SET sequence = $2 WHERE id = $1 AND sequence < $2 AND revoked_at IS NULL RETURNING 1",
        device, sequence,
    )  # fmt: skip
    if done is None:
        raise WrongState("A batch with this sequence number, or a higher one, has come already.")


async def wanted(
    conn: asyncpg.Connection, person: UUID, device: UUID, place: tuple[float, float] | None, names: list[str]
) -> list[Wanted]:
    """Open standing tasks that ask for readings alone, all of them among `names`, where the device stands; best first.

    place: latitude and longitude of the device in degrees; None: it may stand anywhere, and serves tasks without one.
    """
    boxes = [] if place is None else near.box(*place, FARTHEST_M)
    rows = await conn.fetch(
        f"""SELECT *, greatest(opens_at, market_now() - make_interval(secs => every_s),
                     (SELECT max(c.created_at) FROM claim c WHERE c.task_id = task.id AND c.device_id = $2
                        AND c.status = 'submitted')) AS since
            FROM task WHERE status = 'open' AND every_s IS NOT NULL AND claimed + done < quantity
              AND opens_at <= market_now() AND closes_at > market_now()
              AND (loc IS NULL OR (cardinality($3::text[]) > 0
                   AND (loc <@ ($3::text[])[1]::box OR loc <@ ($3::text[])[2]::box)))
              AND jsonb_typeof(evidence->'photos') = 'null' AND jsonb_array_length(evidence->'readings') > 0
              AND NOT EXISTS (SELECT FROM jsonb_array_elements(evidence->'questions') q
                                WHERE (q->>'required')::boolean)
              AND NOT EXISTS (SELECT FROM jsonb_array_elements(evidence->'readings') r
                                WHERE r->>'name' <> ALL ($4::text[]))
              AND {claims.unanswered_by("$1", "$2::uuid")} AND {claims.ROUND_OPEN}
            ORDER BY reward DESC, id LIMIT $5""",
        person, device, ["({2},{3}),({0},{1})".format(*each) for each in boxes], names, 4 * MOST_TASKS,
    )  # fmt: skip
    found = [_wanted(row) for row in rows if place is None or _covers(row, place)][:MOST_TASKS]
    # Who pays for being the only one gets the batch alone; else all who asked for it do.
    return found[:1] if found and found[0].exclusive else [each for each in found if not each.exclusive]


def _covers(row: asyncpg.Record, place: tuple[float, float]) -> bool:
    return row["lat"] is None or near.distance_m(row["lat"], row["lon"], *place) <= row["radius_m"]


def _wanted(row: asyncpg.Record) -> Wanted:
    license = msgspec.convert(row["license"], License)
    evidence = msgspec.convert(row["evidence"], Evidence)
    return Wanted(row["id"], evidence, not license.resale or license.exclusive_s > 0, row["since"])


async def keep(conn: asyncpg.Connection, device: UUID, sequence: int, body: bytes, signature: bytes) -> None:
    """Keep a batch that somebody buys, as it was signed."""
    await conn.execute(
        "INSERT INTO device_batch (device_id, sequence, body, signature) VALUES ($1, $2, $3, $4)",
        device, sequence, body, signature,
    )  # fmt: skip


async def answer(
    conn: asyncpg.Connection, person: UUID, device: UUID, sequence: int, task: Wanted, readings: list[dict[str, Any]]
) -> UUID:
    """Claim a slot of this round for the device and hand its readings in, at once; the submission.

    Raises SlotTaken when the round is filled, or answered by this device, by now.
    """
    row = await conn.fetchrow(
        f"""WITH slot AS (
             UPDATE task SET claimed = claimed + 1, version = version + 1
             WHERE id = $1 AND status = 'open' AND claimed + done < quantity
               AND opens_at <= market_now() AND closes_at > market_now()
               AND {claims.unanswered_by("$3", "$4::uuid")} AND {claims.ROUND_OPEN}
             RETURNING id, account_id, claim_ttl_s, {claims.ROUND} AS round, per_round),
           new AS (
             INSERT INTO claim (id, task_id, person_id, device_id, batch, status, ended_at, nonce, code,
                 lat, lon, accuracy_m, expires_at, round, since)
               SELECT $2, slot.id, $3, d.id, $5, 'submitted', market_now(), '', '', d.lat, d.lon, 0,
                 market_now() + make_interval(secs => claim_ttl_s), round, $9
               FROM slot, device d WHERE d.id = $4 RETURNING *),
           handed AS (
             INSERT INTO submission (id, claim_id, task_id, person_id, account_id, outcome, answers, readings)
               SELECT $6, new.id, new.task_id, $3, slot.account_id, 'done', '{{}}', $7 FROM new, slot RETURNING *),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
               SELECT 'submission.received', account_id, $3, 'submission', id, 'device:' || $4::uuid,
                 jsonb_build_object('device_id', $8::text) FROM handed)
           SELECT new.*, slot.per_round, handed.id AS submission FROM new, slot, handed""",
        task.id, ids.new(), person, device, sequence, ids.new(), readings, ids.show("device", device), task.since,
    )  # fmt: skip
    if row is None:
        raise SlotTaken("This round's answers are all taken; the next round begins soon.")
    await claims.require_room(conn, row)
    submission: UUID = row["submission"]
    return submission

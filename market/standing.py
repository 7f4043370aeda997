"""Standing tasks answered by devices: which of them a pushed batch of readings serves, and the answer to each.

A device answers a task once in each round. What counts was measured since the task opened, at most one round ago, and
after all that the device has sold to it. Samples that one buyer has alone are sold to nobody else, and those that
anybody has to nobody alone.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import claims, ids, near, tasks
from market.errors import SlotTaken, WrongState
from market.terms import LONGEST_ROUND_S, Evidence, License, Standing, Strict

MOST_TASKS = 50  # that one batch can answer, and that it is told it cannot
FARTHEST_M = 100_000.0  # the largest radius of a task
LARGEST_SEQUENCE = 2**53 - 1
MOST_AHEAD_S = 60  # a device's clock before ours: kept by network time it is seconds off at most, by itself some a day


class Batch(Strict, frozen=True, kw_only=True):
    """What a device pushes. `sequence` grows with each batch; `readings` is a SenML pack (RFC 8428).

    `salt`: anything random. A receipt has the SHA-256 of the body, and whoever buys some of it could find out the rest
    by trying.
    """

    sequence: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_SEQUENCE, examples=[17])]
    readings: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=10_000)]
    salt: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Wanted(NamedTuple):
    """A standing task that asks for what a device measures, where it stands.

    since: only what was measured after it counts; because: what it is, in words. alone: its buyer pays to be the only
    one. refusal: why it cannot be answered now, None where it can; again_at: when the next round begins, where that
    helps.
    """

    id: UUID
    evidence: Evidence
    alone: bool
    since: datetime
    because: str
    refusal: str | None
    again_at: datetime | None


class Sold(NamedTuple):
    """The time of the newest sample of a quantity that a device sold: to anybody, and to one buyer alone."""

    to_any: datetime | None = None
    alone: datetime | None = None


class Sale(NamedTuple):
    """What is handed in to a task: a SenML pack, the time of its newest sample of each quantity, and whether alone."""

    readings: list[dict[str, Any]]
    until: dict[str, datetime]
    alone: bool


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
    """Open standing tasks that ask for readings alone, all of them among `names`, where the device stands.

    Those that may be answered now come first, the best paid before others; then those that may not.
    place: latitude and longitude of the device in degrees; None: it may stand anywhere, and serves tasks without one.
    """
    boxes = [] if place is None else near.box(*place, FARTHEST_M)
    rows = await conn.fetch(
        f"""SELECT *, NOT (sold_out OR answered OR tried OR filled) AS free FROM (
            SELECT *, market_now() AS now, {claims.ROUND} AS round, claimed + done >= quantity AS sold_out,
              {claims.answered_by("$1", "$2::uuid")} AS answered,
              {claims.rejected_of("$1")} >= {claims.MOST_TRIES} * {claims.PER_PERSON} AS tried,
              NOT {claims.ROUND_OPEN} AS filled,
              (SELECT max(greatest(c.created_at, s.until)) FROM claim c LEFT JOIN device_sale s ON s.claim_id = c.id
                 WHERE c.task_id = task.id AND c.device_id = $2 AND c.status IN ('submitted', 'awarded')) AS last
            FROM task WHERE status = 'open' AND every_s IS NOT NULL
              AND opens_at <= market_now() AND closes_at > market_now()
              AND (loc IS NULL OR (cardinality($3::text[]) > 0
                   AND (loc <@ ($3::text[])[1]::box OR loc <@ ($3::text[])[2]::box)))
              AND jsonb_typeof(evidence->'photos') = 'null' AND jsonb_array_length(evidence->'readings') > 0
              AND NOT EXISTS (SELECT FROM jsonb_array_elements(evidence->'questions') q
                                WHERE (q->>'required')::boolean)
              AND NOT EXISTS (SELECT FROM jsonb_array_elements(evidence->'readings') r
                                WHERE r->>'name' <> ALL ($4::text[]))) AS asked
            ORDER BY free DESC, reward DESC, id LIMIT $5""",
        person, device, ["({2},{3}),({0},{1})".format(*each) for each in boxes], names, 4 * MOST_TASKS,
    )  # fmt: skip
    found = [_wanted(row) for row in rows if place is None or _covers(row, place)]
    free = [each for each in found if each.refusal is None]
    return free[:MOST_TASKS] + [each for each in found if each.refusal is not None][:MOST_TASKS]


def _covers(row: asyncpg.Record, place: tuple[float, float]) -> bool:
    return row["lat"] is None or near.distance_m(row["lat"], row["lon"], *place) <= row["radius_m"]


def _wanted(row: asyncpg.Record) -> Wanted:
    license, evidence = msgspec.convert(row["license"], License), msgspec.convert(row["evidence"], Evidence)
    asked = tasks.standing_of(row)
    assert asked is not None
    length = timedelta(seconds=asked.every_s)
    marks = [(row["opens_at"], "when the task opened"), (row["now"] - length, f"one round of {asked.every_s} s ago")]
    if row["last"] is not None:
        marks.append((row["last"], "up to when this device has answered the task"))
    since, because = max(marks)
    next_at = row["opens_at"] + (row["round"] + 1) * length
    helps = not row["free"] and not row["sold_out"] and next_at < row["closes_at"]
    return Wanted(
        row["id"], evidence, not license.resale or license.exclusive_s > 0, since, because, _refusal(row, asked),
        next_at if helps else None,
    )  # fmt: skip


def _refusal(row: asyncpg.Record, asked: Standing) -> str | None:
    """Why a task cannot be answered by this device now."""
    if row["answered"]:
        most = asked.per_person
        return (
            f"It is answered in this round: at most {most} time{'s' * (most > 1)} by one person, once by each device."
        )
    if row["sold_out"]:
        return f"All {row['quantity']} answers that it buys are taken; one comes free if one is not accepted."
    if row["tried"]:
        return "Your answers in this round were not accepted; there is no further try before the next."
    return f"This round's answers ({asked.per_round}) are all taken." if row["filled"] else None


async def sold(conn: asyncpg.Connection, device: UUID, quantities: list[str]) -> dict[str, Sold]:
    """Up to when a device's samples of these quantities are sold. Whoever holds the device's row reads what holds."""
    rows = await conn.fetch(
        # No task takes what is older than its longest round.
        f"""SELECT s.quantity, max(s.until) AS to_any, max(s.until) FILTER (WHERE s.alone) AS alone
            FROM device_sale s JOIN claim c ON c.id = s.claim_id
            WHERE s.device_id = $1 AND s.quantity = ANY ($2::text[]) AND (c.status IN ('submitted', 'awarded')
                OR EXISTS (SELECT FROM submission d WHERE d.claim_id = c.id AND d.status = 'disputed'))
              AND s.until > market_now() - make_interval(secs => {LONGEST_ROUND_S}) GROUP BY s.quantity""",
        device, quantities,
    )  # fmt: skip
    return {row["quantity"]: Sold(row["to_any"], row["alone"]) for row in rows}


async def keep(conn: asyncpg.Connection, device: UUID, sequence: int, body: bytes, signature: bytes) -> None:
    """Keep a batch that somebody buys, as it was signed."""
    await conn.execute(
        "INSERT INTO device_batch (device_id, sequence, body, signature) VALUES ($1, $2, $3, $4)",
        device, sequence, body, signature,
    )  # fmt: skip


async def answer(conn: asyncpg.Connection, person: UUID, device: UUID, sequence: int, task: Wanted, sale: Sale) -> UUID:
    """Claim a slot of this round for the device and hand its readings in, at once; the submission.

    Raises SlotTaken when the round is filled, or answered by this device, by now; AlreadyAnswered when it is by another
    of this person's.
    """
    row = await conn.fetchrow(
        f"""WITH slot AS (
             UPDATE task SET claimed = claimed + 1, version = version + 1
             WHERE id = $1 AND status = 'open' AND claimed + done < quantity
               AND opens_at <= market_now() AND closes_at > market_now()
               AND {claims.unanswered_by("$3", "$4::uuid")} AND {claims.ROUND_OPEN}
             RETURNING id, account_id, claim_ttl_s, {claims.ROUND} AS round, per_round, per_person,
               {tasks.PRICE} AS price, {tasks.FEE} AS price_fee),
           new AS (
             INSERT INTO claim (id, task_id, person_id, device_id, batch, status, ended_at, nonce, code,
                 lat, lon, accuracy_m, expires_at, round, since, reward, fee)
               SELECT $2, slot.id, $3, d.id, $5, 'submitted', market_now(), '', '', d.lat, d.lon, 0,
                 market_now() + make_interval(secs => claim_ttl_s), round, $9, price, price_fee
               FROM slot, device d WHERE d.id = $4 RETURNING *),
           sale AS (
             INSERT INTO device_sale (claim_id, quantity, device_id, until, alone)
               SELECT new.id, s.quantity, $4, s.until, $12
               FROM new, unnest($10::text[], $11::timestamptz[]) AS s (quantity, until)),
           handed AS (
             INSERT INTO submission (id, claim_id, task_id, person_id, account_id, outcome, answers, readings)
               SELECT $6, new.id, new.task_id, $3, slot.account_id, 'done', '{{}}', $7 FROM new, slot RETURNING *),
           told AS (
             INSERT INTO event (type, account_id, person_id, subject_type, subject_id, actor, data)
               SELECT 'submission.received', account_id, $3, 'submission', id, 'device:' || $4::uuid,
                 jsonb_build_object('device_id', $8::text) FROM handed)
           SELECT new.*, slot.per_round, slot.per_person, handed.id AS submission FROM new, slot, handed""",
        task.id, ids.new(), person, device, sequence, ids.new(), sale.readings, ids.show("device", device), task.since,
        list(sale.until), list(sale.until.values()), sale.alone,
    )  # fmt: skip
    if row is None:
        raise SlotTaken("This round's answers are all taken; the next round begins soon.")
    await claims.require_room(conn, row)
    submission: UUID = row["submission"]
    return submission

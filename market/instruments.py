"""What is known of the instrument behind a submission, and what others measured beside it."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

MOST_BESIDE = 4
CO_LOCATED_M = 200
"""Answers to a task of a larger circle were not measured at one place."""


class Instrument(NamedTuple):
    """The registered device that measured: its height in metres and its sensors as enrolled."""

    altitude_m: float | None
    sensors: list[dict[str, Any]]


class Pack(NamedTuple):
    """Readings that were accepted, a SenML pack, and when they came: their relative times count from then."""

    received_at: datetime
    readings: list[dict[str, Any]]


async def of_device(conn: asyncpg.Connection, device: UUID | None) -> Instrument | None:
    """The instrument that a claim names; None where a person claimed."""
    if device is None:
        return None
    row = await conn.fetchrow("SELECT altitude_m, sensors FROM device WHERE id = $1", device)
    return None if row is None else Instrument(row["altitude_m"], row["sensors"])


async def beside(conn: asyncpg.Connection, submission: UUID) -> list[Pack]:
    """The last accepted readings of each of up to MOST_BESIDE other people for the same task and place, of one day."""
    rows = await conn.fetch(
        """SELECT submitted_at, readings FROM (
             SELECT DISTINCT ON (a.person_id) a.id, a.submitted_at, a.readings
             FROM submission s JOIN task t ON t.id = s.task_id JOIN submission a ON a.task_id = s.task_id
             WHERE s.id = $1 AND s.readings IS NOT NULL AND t.radius_m <= $2 AND a.person_id <> s.person_id
               AND a.status = 'accepted' AND a.outcome = 'done' AND a.readings IS NOT NULL
               AND a.submitted_at BETWEEN s.submitted_at - interval '1 day' AND s.submitted_at
             ORDER BY a.person_id, a.id DESC) newest
           ORDER BY id DESC LIMIT $3""",
        submission, CO_LOCATED_M, MOST_BESIDE,
    )  # fmt: skip
    return [Pack(row["submitted_at"], row["readings"]) for row in rows]

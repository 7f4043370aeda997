"""Devices of people: a phone that signs what it captures, an instrument that pushes what it measures."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from market import ids
from market.errors import NotFound


class Device(NamedTuple):
    """A device with its key, as the market knows it. place: latitude and longitude in degrees."""

    id: UUID
    person_id: UUID
    kind: str
    name: str
    public_key: bytes
    place: tuple[float, float] | None
    altitude_m: float | None
    sensors: list[dict[str, Any]]
    revoked_at: datetime | None


async def owned(conn: asyncpg.Connection, person: UUID, device: str) -> Device:
    """One device of this person, also a revoked one. Raises NotFound."""
    row = await conn.fetchrow(
        "SELECT * FROM device WHERE id = $1 AND person_id = $2", ids.read("device", device), person
    )
    if row is None:
        raise NotFound("There is no such device.")
    return _device(row)


def _device(row: asyncpg.Record) -> Device:
    return Device(
        row["id"], row["person_id"], row["kind"], row["name"], row["public_key"],
        None if row["lat"] is None else (row["lat"], row["lon"]), row["altitude_m"], row["sensors"], row["revoked_at"],
    )  # fmt: skip

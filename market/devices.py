"""Devices of people: a phone that signs what it captures, an instrument that pushes what it measures.

A key is enrolled once, by whoever shows that they hold it, and is theirs until they revoke it; then it is nobody's.
"""

from base64 import urlsafe_b64encode
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from market import events, ids
from market.errors import Invalid, NotFound, WrongState
from market.terms import Name, Strict

MOST_DEVICES = 20  # of a person, in use
MOST_KEYS = 200  # of a person, ever

Kind = Literal["phone", "sensor", "camera"]


class Calibration(Strict, frozen=True, kw_only=True):
    """How a sensor's values become true ones: true = gain × value + offset, in the sensor's unit."""

    gain: Annotated[float, msgspec.Meta(gt=0, le=1000, examples=[1.02])] = 1.0
    offset: Annotated[float, msgspec.Meta(ge=-1e6, le=1e6, examples=[-0.3])] = 0.0
    date: Annotated[date, msgspec.Meta(examples=["2026-03-31"])]
    certificate: Annotated[str, msgspec.Meta(max_length=200, examples=["DAkkS 12345"])] = ""


class Sensor(Strict, frozen=True, kw_only=True):
    """One quantity that a device measures, and the unit that it sends."""

    quantity: Name
    unit: Annotated[str, msgspec.Meta(min_length=1, max_length=16, examples=["ug/m3"])]
    calibration: Calibration | None = None


class Site(Strict, frozen=True, kw_only=True):
    """Where a device stands (WGS 84, degrees)."""

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90, examples=[52.52])]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180, examples=[13.405])]


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


class Enrolling(NamedTuple):
    """A device to be enrolled, its key checked. public_key: the 65 bytes of an uncompressed point of P-256."""

    name: str
    kind: Kind
    public_key: bytes
    place: Site | None
    altitude_m: float | None
    sensors: list[Sensor]


class DeviceView(msgspec.Struct, frozen=True):
    """A device as its owner sees it. `sequence` is that of its last batch of readings."""

    id: str
    name: str
    kind: Kind
    public_key: str
    place: Site | None
    altitude_m: float | None
    sensors: list[dict[str, Any]]
    sequence: int
    created_at: datetime
    revoked_at: datetime | None


async def enrol(conn: asyncpg.Connection, person: UUID, given: Enrolling) -> DeviceView:
    """Enrol a device whose key is shown to be held. Raises WrongState, and Invalid for a key that is known already."""
    # One enrolment of a person at a time, so that what they have is counted right.
    await conn.execute("SELECT FROM person WHERE id = $1 FOR NO KEY UPDATE", person)
    row = await conn.fetchrow(
        """INSERT INTO device (id, person_id, kind, name, public_key, lat, lon, altitude_m, sensors)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
           FROM (SELECT count(*) FILTER (WHERE revoked_at IS NULL) AS used, count(*) AS ever
                 FROM device WHERE person_id = $2) d WHERE d.used < $10 AND d.ever < $11
           ON CONFLICT (public_key) DO NOTHING RETURNING *""",
        ids.new(), person, given.kind, given.name, given.public_key, given.place and given.place.lat,
        given.place and given.place.lon, given.altitude_m, msgspec.to_builtins(given.sensors), MOST_DEVICES, MOST_KEYS,
    )  # fmt: skip
    if row is None:
        if await conn.fetchval("SELECT true FROM device WHERE public_key = $1", given.public_key):
            raise Invalid("This key is, or was, a device's. Make a new one.", pointer="/public_key")
        raise WrongState(f"You have {MOST_DEVICES} devices, or had {MOST_KEYS} in all. Revoke what you use no more.")
    await _tell(conn, "device.enrolled", person, row)
    return show(row)


async def revoke(conn: asyncpg.Connection, person: UUID, device: str) -> None:
    """End a device's key: what it signs from now on counts for nothing. Raises NotFound; again changes nothing."""
    row = await conn.fetchrow(
        """UPDATE device SET revoked_at = market_now() WHERE id = $1 AND person_id = $2 AND revoked_at IS NULL
           RETURNING *""",
        ids.read("device", device), person,
    )  # fmt: skip
    if row is None:
        await owned(conn, person, device)
        return
    await _tell(conn, "device.revoked", person, row)


async def _tell(conn: asyncpg.Connection, type: str, person: UUID, row: asyncpg.Record) -> None:
    await events.append(
        conn, type, ("device", row["id"]), f"person:{person}", person=person, data={"kind": row["kind"]}
    )


async def owned(conn: asyncpg.Connection, person: UUID, device: str) -> Device:
    """One device of this person, also a revoked one. Raises NotFound."""
    return _device(await _row(conn, person, device))


async def get(conn: asyncpg.Connection, person: UUID, device: str) -> DeviceView:
    """The same, as its owner sees it. Raises NotFound."""
    return show(await _row(conn, person, device))


async def _row(conn: asyncpg.Connection, person: UUID, device: str) -> asyncpg.Record:
    row = await conn.fetchrow(
        "SELECT * FROM device WHERE id = $1 AND person_id = $2", ids.read("device", device), person
    )
    if row is None:
        raise NotFound("There is no such device.")
    return row


async def listed(conn: asyncpg.Connection, person: UUID, *, before: str | None, limit: int) -> list[DeviceView]:
    """A person's devices, newest first, with the revoked ones."""
    rows = await conn.fetch(
        "SELECT * FROM device WHERE person_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        person, None if before is None else ids.read("device", before), limit,
    )  # fmt: skip
    return [show(row) for row in rows]


async def named(conn: asyncpg.Connection, devices: list[str]) -> list[Device]:
    """The devices with these public ids, whosever they are; those that there are and whose keys are not forgotten."""
    wanted = []
    for each in devices:
        try:
            wanted.append(ids.read("device", each))
        except NotFound:
            continue
    rows = await conn.fetch("SELECT * FROM device WHERE id = ANY($1::uuid[]) AND public_key IS NOT NULL", wanted)
    return [_device(row) for row in rows]


def written(public_key: bytes | None) -> str | None:
    """A key as the API writes it, in base64url; None for one that is forgotten."""
    return None if public_key is None else urlsafe_b64encode(public_key).decode().rstrip("=")


def show(row: asyncpg.Record) -> DeviceView:
    """A row of `device` as its owner sees it."""
    return DeviceView(
        ids.show("device", row["id"]), row["name"], row["kind"],
        written(row["public_key"]) or "",
        None if row["lat"] is None else Site(lat=row["lat"], lon=row["lon"]), row["altitude_m"], row["sensors"],
        row["sequence"], row["created_at"], row["revoked_at"],
    )  # fmt: skip


def _device(row: asyncpg.Record) -> Device:
    return Device(
        row["id"], row["person_id"], row["kind"], row["name"], row["public_key"],
        None if row["lat"] is None else (row["lat"], row["lon"]), row["altitude_m"], row["sensors"], row["revoked_at"],
    )  # fmt: skip

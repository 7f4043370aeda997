"""A person's devices: the keys that sign captures and batches of readings."""

from base64 import urlsafe_b64decode
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.paging import Page, Window, page, read_text
from app.request_headers import DEVICE_SIGNATURE
from market import devices, ids
from market.terms import Strict
from sensors import instruments, signatures

MOST_SENSORS = 30
# A point that everyone can see is nobody's: the example's private key is the number one.
EXAMPLE_KEY = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"

Base64url = Annotated[
    str,
    msgspec.Meta(
        max_length=100, pattern="^[A-Za-z0-9_-]+={0,2}$(?!\\n)", description="Bytes in base64url.",
        examples=[EXAMPLE_KEY],
    ),
]  # fmt: skip


class Jwk(Strict, frozen=True, kw_only=True):
    """A public key as WebCrypto exports it (RFC 7517): EC, P-256."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Base64url
    y: Base64url
    ext: bool = True
    key_ops: Annotated[list[Literal["verify"]], msgspec.Meta(max_length=1)] = []
    alg: Literal["ES256"] | None = None
    use: Literal["sig"] | None = None
    kid: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class DeviceDraft(Strict, frozen=True, kw_only=True):
    """A device to enrol. `public_key`: the 65 bytes of the uncompressed point in base64url, or a JWK."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80, examples=["Pixel 9"])]
    kind: devices.Kind
    public_key: Base64url | Jwk
    place: devices.Site | None = None
    altitude_m: Annotated[float, msgspec.Meta(ge=-500, le=9000, examples=[34.0])] | None = None
    sensors: Annotated[list[devices.Sensor], msgspec.Meta(max_length=MOST_SENSORS)] = []


@endpoint(
    "POST", "/v1/devices", by=PERSON, once=True, status=201, limit=50_000, problems=("wrong-state", "validation"),
    headers=(DEVICE_SIGNATURE,),
    example={
        "name": "Balcony", "kind": "sensor", "public_key": EXAMPLE_KEY, "place": {"lat": 52.52, "lon": 13.405},
        "sensors": [{"quantity": "pm25", "unit": "ug/m3", "calibration": {"gain": 1.02, "date": "2026-03-31"}}],
    },
)  # fmt: skip
async def enrol_device(call: Call, data: DeviceDraft) -> devices.DeviceView:
    """Enrol a device by its public key (ECDSA, P-256), and show that you hold the private one.

    The header `Device-Signature` holds the device's signature (over SHA-256; the 64 bytes r and s in base64url, as
    WebCrypto gives them) over three lines joined by a newline: `sensorium device 1`, your id (`prsn_…`), the body's
    SHA-256 in hexadecimal. A key belongs to one person and is enrolled once: also after it was revoked, nobody can
    enrol it again.
    """
    key = _key(data.public_key)
    body = await call.request.body()
    owner = ids.show("person", call.actor.owner)
    if not signatures.verify(key, signatures.spoken_for("sensorium device 1", owner, body), signature_of(call)):
        raise refused("The signature is not this key's over this body and your id.")
    wrong = instruments.mistakes([(each.quantity, each.unit) for each in data.sensors])
    if wrong:
        errors = [FieldError(f"/sensors/{each.sensor}/{each.field}", each.detail) for each in wrong]
        raise Problem("validation", "What the device measures is not as it must be.", errors=errors)
    given = devices.Enrolling(data.name, data.kind, key, data.place, data.altitude_m, data.sensors)
    enrolled = await devices.enrol(call.connection, call.actor.owner, given)
    wake(EVENTS)
    return enrolled


@endpoint("GET", "/v1/devices", by=PERSON)
async def list_devices(call: Call, query: Window) -> Page[devices.DeviceView]:
    """Your devices, newest first, with those that you revoked."""
    found = await devices.listed(
        call.connection, call.actor.owner, before=read_text(query.cursor), limit=query.limit + 1
    )
    return page(found, query.limit, lambda each: each.id, lambda each: each)


@endpoint("GET", "/v1/devices/{device_id}", by=PERSON)
async def get_device(call: Call, device_id: str) -> devices.DeviceView:
    """One of your devices."""
    return await devices.get(call.connection, call.actor.owner, device_id)


@endpoint("DELETE", "/v1/devices/{device_id}", by=PERSON, status=204)
async def revoke_device(call: Call, device_id: str) -> None:
    """Revoke a device's key: what it signed and you have not handed in yet, and all that it signs later, is refused."""
    await devices.revoke(call.connection, call.actor.owner, device_id)
    wake(EVENTS)


def signature_of(call: Call) -> bytes:
    """The 64 bytes that the header Device-Signature holds."""
    raw = _bytes(call.request.headers.get("device-signature", ""))
    if len(raw) != signatures.SIGNATURE_BYTES:
        raise refused("Send Device-Signature: the 64 bytes r and s of the signature in base64url.")
    return raw


def refused(detail: str) -> Problem:
    return Problem("validation", detail, errors=[FieldError("/device-signature", detail)])


def _key(given: str | Jwk) -> bytes:
    parts = [_bytes(given)] if isinstance(given, str) else [_bytes(given.x), _bytes(given.y)]
    key = parts[0] if isinstance(given, str) else b"\x04" + b"".join(part.rjust(32, b"\0") for part in parts)
    if not signatures.is_key(key):
        told = "This is no point of P-256: 65 bytes that begin with 04, in base64url, or a JWK with x and y."
        raise Problem("validation", told, errors=[FieldError("/public_key", told)])
    return key


def _bytes(text: str) -> bytes:
    """What base64url, with or without its padding, spells; nothing for what is none."""
    text = text.rstrip("=")
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) <= 100 else b""
    except ValueError:
        return b""


ROUTES: list[HTTPRouteHandler] = [enrol_device, list_devices, get_device, revoke_device]

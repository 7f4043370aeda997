"""Receipts: what became of evidence, with the devices' signatures over it, signed by the market's key."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

import msgspec
import structlog

from app import signing
from app.db import Connection, Unavailable
from app.jobs import sweep
from app.services import Services
from market import evidence_receipts, ids, verdicts
from market.devices import Device
from market.evidence_receipts import Batch, Observed, Sealed
from sensors.canonical import canonical
from sensors.evidence import Capture
from sensors.receipt import PURPOSE
from sensors.statement import is_signed, statement

log = structlog.get_logger()


async def issue(
    connection: Connection, secret: str, submission: UUID | None = None, *, after: UUID | None = None
) -> UUID | None:
    """Make some of the receipts that are due: that of one submission, or of observations with higher ids than `after`.

    One that cannot be made is logged, stays due, and stops neither the others nor what it is made with. Returns the
    last observation that was looked at, None where none was due.
    """
    due = await evidence_receipts.pending(connection, submission=submission, after=after)
    for observation in due:
        try:
            async with connection.transaction():
                found = await evidence_receipts.observed(connection, observation)
                await evidence_receipts.seal(connection, observation, sealed(content(found), secret))
        except Unavailable:
            raise
        except Exception as error:
            told = ids.show("observation", observation)
            log.error("receipt not made", observation=told, error=f"{type(error).__name__}: {error}")
    return due[-1] if due else None


@sweep("receipts", every_s=5)
async def issue_due(services: Services) -> None:
    """Make the receipts of what was accepted by nobody's request, such as by the deadline."""
    last: UUID | None = None
    while True:
        async with services.database.transaction() as connection:
            last = await issue(connection, services.config.secret_key, after=last)
        if last is None:
            return


def sealed(content: dict[str, Any], secret: str) -> Sealed:
    """A receipt's content, signed."""
    written = canonical(content)
    signature, public_key = signing.receipt_signer(secret)(PURPOSE + written)
    return Sealed(written, signature, public_key)


def content(found: Observed) -> dict[str, Any]:
    """All that the market signs of an observation; the shape is sensors.receipt.Content."""
    # As the buyer reads it: the hash of more would let them find out the rest by trying.
    verdict = None if found.verdict is None else verdicts.for_buyer(found.verdict)
    return {
        **found.content,
        "photos": [
            {"n": n, "sha256": sha256.hex(), "capture": _signed(capture, found)} for n, sha256, capture in found.photos
        ],
        "batch": None if found.batch is None else _batch(found.batch),
        "readings_sha256": None if found.readings is None else _digest(found.readings),
        "answers_sha256": _digest(found.answers),
        "verdict": None
        if verdict is None
        else {**{name: verdict[name] for name in ("outcome", "score", "version")}, "sha256": _digest(verdict)},
    }


def _signed(given: dict[str, Any] | None, found: Observed) -> dict[str, Any] | None:
    """The statement with its signature and key, where the person's own device signed it."""
    if given is None or "signature" not in given:
        return None
    device: Device | None = next(
        (each for each in found.signers if ids.show("device", each.id) == given.get("device")), None
    )
    stated = statement(msgspec.convert(given, Capture))
    if device is None or device.person_id != found.person_id:
        return None
    if not is_signed(stated, given["signature"], device.public_key):
        return None
    return {"statement": stated, "signature": given["signature"], "public_key": _base64url(device.public_key)}


def _batch(given: Batch) -> dict[str, Any]:
    """Whose batch it was, and its signature. Of the body no more than its hash: it may hold what others bought."""
    return {
        "device": ids.show("device", given.device),
        "sequence": given.sequence,
        "sha256": hashlib.sha256(given.body).hexdigest(),
        "signature": _base64url(given.signature),
        "public_key": _base64url(given.public_key),
    }


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()

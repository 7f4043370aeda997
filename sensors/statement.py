"""What a phone signs of one capture: thirteen fields, written down in one way, so that both sides mean the same bytes.

    message = "sensorium capture 1\\n" + canonical JSON (RFC 8785) of {v, claim, n, nonce, photo_sha256, taken_at, lat,
              lon, accuracy_m, heading, motion_sha256, frames_sha256, device}

Every member is there; what is not known is null, and frames_sha256 an empty list. Hashes are SHA-256 in lower-case
hexadecimal, frames_sha256[k − 1] that of frame k. taken_at is UTC with three digits of a second, as JavaScript's
toISOString has it (six where the clock is finer). The signature is ECDSA P-256 with SHA-256, r and s, in base64url.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any, Final

from sensors.canonical import canonical
from sensors.evidence import Capture
from sensors.signatures import verify

VERSION: Final = 1
PURPOSE: Final = b"sensorium capture 1\n"


def spelled(moment: datetime) -> str:
    """A time in the statement's spelling; one beyond the calendar in UTC as it came, which no phone spells."""
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        return moment.isoformat()
    digits = f"{utc.microsecond:06d}" if utc.microsecond % 1000 else f"{utc.microsecond // 1000:03d}"
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{digits}Z"


def statement(capture: Capture) -> dict[str, Any]:
    """The signed members of a capture."""
    return {
        "v": VERSION,
        "claim": capture.claim,
        "n": capture.n,
        "nonce": capture.nonce,
        "photo_sha256": capture.photo_sha256,
        "taken_at": None if capture.taken_at is None else spelled(capture.taken_at),
        "lat": capture.lat,
        "lon": capture.lon,
        "accuracy_m": capture.accuracy_m,
        "heading": capture.heading,
        "motion_sha256": capture.motion_sha256,
        "frames_sha256": capture.frames_sha256,
        "device": capture.device,
    }


def message(statement: dict[str, Any]) -> bytes:
    """The bytes that are signed."""
    return PURPOSE + canonical(statement)


def signature(text: str) -> bytes:
    """What base64url, with or without its padding, spells; nothing for what is none."""
    text = text.rstrip("=")
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) <= 100 else b""
    except ValueError:
        return b""


def is_signed(statement: dict[str, Any], given: str, public_key: bytes) -> bool:
    """Whether the holder of a key signed exactly this; given: the signature in base64url."""
    return verify(public_key, message(statement), signature(given))

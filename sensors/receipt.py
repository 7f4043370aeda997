"""A receipt of an observation, held against the files that one has: who signed what, and what the market says of it.

    {"content": {...}, "signature": "<hex>", "public_key": "<hex>", "algorithm": "Ed25519"}

The market signs PURPOSE and the canonical form (RFC 8785) of `content`, so that a receipt may be laid out anew. Nothing
here needs a server or a network: whoever has the file, the photos and the market's key from a place of their trust can
say whether they belong together.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sensors import signatures
from sensors.canonical import canonical
from sensors.freshness import SLACK
from sensors.statement import is_signed, signature

PURPOSE: Final = b"sensorium receipt 1\n"


class SignedCapture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device signed (sensors/statement.py), its signature and its key, both in base64url."""

    statement: dict[str, Any]
    signature: str
    public_key: str


class ReceiptPhoto(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One photo by the SHA-256 of the file as it came, in hexadecimal; capture is null where no device signed it."""

    n: int
    sha256: str
    capture: SignedCapture | None


class ReceiptBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device pushed by itself: its id, the batch's number, the SHA-256 of its body in hexadecimal.

    The signature is the device's over three lines, see sensors/signatures.py; it and the key are in base64url. The body
    may hold what others bought, so its hash is all there is of it.
    """

    device: str
    sequence: int
    sha256: str
    signature: str
    public_key: str


class ReceiptClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The claim that the evidence was made for: the nonce that was given for it, and from when to when it held."""

    id: str
    nonce: str
    claimed_at: datetime
    expires_at: datetime


class ReceiptVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the checks found, and the SHA-256 of the canonical form of the verdict as its buyer reads it."""

    outcome: str
    score: float
    version: str
    sha256: str


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the market signs. It names no person. batch: null where no device answered by itself."""

    v: Literal[1]
    observation: str
    submission: str
    task: str
    kind: str
    outcome: str
    claim: ReceiptClaim
    submitted_at: datetime
    accepted_at: datetime
    accepted_by: str
    photos: list[ReceiptPhoto]
    readings_sha256: str | None
    answers_sha256: str
    verdict: ReceiptVerdict | None
    batch: ReceiptBatch | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    content: msgspec.Raw
    signature: str
    public_key: str
    algorithm: Literal["Ed25519"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. ok: None where it could not be, as for a photo that nobody signed."""

    what: str
    ok: bool | None
    detail: str


def genuine(findings: Sequence[Finding]) -> bool:
    """Whether nothing that was looked at is wrong."""
    return all(each.ok is not False for each in findings)


def verify(receipt: bytes, photos: Sequence[bytes], market_public_key: bytes) -> list[Finding]:
    """What is right and wrong about a receipt and the photos that are said to be its.

    photos: whole files, in any order, as they came; those that are left out are not looked at. market_public_key: 32
    bytes, from elsewhere than the receipt.
    """
    try:
        file = msgspec.json.decode(receipt, type=_File)
        plain = msgspec.json.decode(file.content)
        content = msgspec.convert(plain, Content)
        signed = PURPOSE + canonical(plain)
        sealed, named_key = bytes.fromhex(file.signature), bytes.fromhex(file.public_key)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return [Finding("receipt", False, f"This is no receipt: {error}.")]
    found = [_of_market(signed, sealed, named_key, market_public_key)]
    if content.batch is not None:
        found.append(_of_batch(content.batch))
    for photo in content.photos:
        found += _of_capture(photo, content)
    return found + _of_files(content, photos)


def _of_market(signed: bytes, signature: bytes, named: bytes, key: bytes) -> Finding:
    if named != key:
        return Finding("market", False, "The receipt names another key than the market's.")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return Finding("market", False, "The market did not sign this content: something in the receipt was altered.")
    return Finding("market", True, "The market signed this content.")


def _of_batch(batch: ReceiptBatch) -> Finding:
    said = signatures.spoken_for_hash(signatures.BATCH, batch.device, batch.sha256)
    if not signatures.verify(signature(batch.public_key), said, signature(batch.signature)):
        return Finding("batch", False, f"The device's signature does not fit batch {batch.sequence}.")
    told = f"Device {batch.device} signed batch {batch.sequence}; that these readings are of it, the market says."
    return Finding("batch", True, told)


def _of_capture(photo: ReceiptPhoto, content: Content) -> list[Finding]:
    what = f"capture {photo.n}"
    if photo.capture is None:
        return [Finding(what, None, f"No device signed photo {photo.n}.")]
    try:
        key = urlsafe_b64decode(photo.capture.public_key + "=" * (-len(photo.capture.public_key) % 4))
        fits = is_signed(photo.capture.statement, photo.capture.signature, key)
    except ValueError:
        fits = False
    if not fits:
        return [Finding(what, False, f"The device's signature does not fit its statement of photo {photo.n}.")]
    stated = photo.capture.statement
    expected = {
        "claim": content.claim.id, "nonce": content.claim.nonce, "n": photo.n, "photo_sha256": photo.sha256,
    }  # fmt: skip
    wrong = sorted(name for name, value in expected.items() if stated.get(name) != value)
    if not wrong and not _timely(stated.get("taken_at"), content):
        wrong = ["taken_at"]
    if wrong:
        return [Finding(what, False, f"The statement of photo {photo.n} is not of this receipt: {', '.join(wrong)}.")]
    return [Finding(what, True, f"A device signed photo {photo.n} for this claim, within its time.")]


def _timely(taken_at: object, content: Content) -> bool:
    try:
        at = msgspec.convert(taken_at, datetime)
    except msgspec.ValidationError:
        return False
    if at.tzinfo is None:
        return False
    latest = min(content.claim.expires_at, content.submitted_at)
    return content.claim.claimed_at - SLACK <= at <= latest + SLACK


def _of_files(content: Content, photos: Sequence[bytes]) -> list[Finding]:
    named = {photo.sha256: photo.n for photo in content.photos}
    found = []
    for index, each in enumerate(photos, start=1):
        n = named.pop(hashlib.sha256(each).hexdigest(), None)
        if n is None:
            told = (
                f"File {index} is none of this receipt's photos as they came. Copies of them (full, display, thumb, a "
                "dataset's files) are written anew and have other hashes: only a file as it came, which a buyer has "
                "whose task asked for originals (variant=original), can be held against a receipt."
            )
            found.append(Finding(f"file {index}", False, told))
        else:
            found.append(Finding(f"photo {n}", True, f"File {index} is photo {n}, byte for byte."))
    return found + [Finding(f"photo {n}", None, f"Photo {n} was not given.") for n in sorted(named.values())]

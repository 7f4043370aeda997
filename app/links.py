"""Links to one document of a buyer's, for browsers, which carry no key: signed, and good for a week.

The address names the document and holds a signature (HMAC-SHA-256) under a key made from the installation's secret, so
nobody can make one for another document, or make it last longer. Whoever has the link can read that document.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec

from app.errors import Problem

DAYS = 7
PURPOSE = b"sensorium document link"
_LONGEST = 1_000
_NO_SUCH = "There is no such document, or the link is not whole."


class OfReceipt(msgspec.Struct, frozen=True, tag="receipt", forbid_unknown_fields=True):
    """A funding of an account."""

    account: UUID
    until: int  # Unix time
    funding: UUID


class OfStatement(msgspec.Struct, frozen=True, tag="statement", forbid_unknown_fields=True):
    """Days of an account, in one currency."""

    account: UUID
    until: int
    first: date
    last: date
    currency: str


Document = OfReceipt | OfStatement


def until(now: datetime) -> datetime:
    """When a link that is made now is over."""
    return (now + timedelta(days=DAYS)).astimezone(UTC).replace(microsecond=0)


def token(secret: str, document: Document) -> str:
    """What stands in the address of a document."""
    what = msgspec.json.encode(document)
    return f"{_text(what)}.{_text(_signature(secret, what))}"


def document(secret: str, text: str, now: datetime) -> Document:
    """The document that a token is for. Raises not-found for one that we have not signed, or that is over."""
    said, _, signature = text.partition(".")
    try:
        what, signed = _bytes(said), _bytes(signature)
    except ValueError:
        raise Problem("not-found", _NO_SUCH) from None
    if not hmac.compare_digest(signed, _signature(secret, what)):
        raise Problem("not-found", _NO_SUCH)
    found: Document = msgspec.json.decode(what, type=Document)
    if now.timestamp() >= found.until:
        raise Problem("not-found", f"This link was good for {DAYS} days, which are over. Ask for a new one.")
    return found


def _signature(secret: str, what: bytes) -> bytes:
    key = hmac.digest(secret.encode(), PURPOSE, sha256)
    return hmac.digest(key, what, sha256)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError for what `_text` does not write: each document has one address."""
    raw = urlsafe_b64decode((text + "=" * (-len(text) % 4)).encode()) if len(text) <= _LONGEST else b""
    if _text(raw) != text:
        raise ValueError(text)
    return raw

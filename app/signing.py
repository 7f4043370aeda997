"""The keys that sign daily closes and receipts of observations, each made from the installation's secret.

Whoever has the public one can verify what it signed.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from market.closing import Sign

PURPOSE = b"sensorium daily close"
RECEIPTS = b"sensorium receipt"


def _key(secret: str, purpose: bytes = PURPOSE) -> Ed25519PrivateKey:
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(secret: str) -> bytes:
    """32 bytes, the same as long as SENSORIUM_SECRET_KEY is."""
    return _key(secret).public_key().public_bytes_raw()


def signer(secret: str) -> Sign:
    """Signs a hash: (signature of 64 bytes, public key)."""
    key = _key(secret)
    return lambda digest: (key.sign(digest), key.public_key().public_bytes_raw())


def receipt_key(secret: str) -> bytes:
    """The public key of receipts: 32 bytes, the same as long as SENSORIUM_SECRET_KEY is."""
    return _key(secret, RECEIPTS).public_key().public_bytes_raw()


def receipt_signer(secret: str) -> Sign:
    """Signs a receipt: (signature of 64 bytes, public key)."""
    key = _key(secret, RECEIPTS)
    return lambda message: (key.sign(message), key.public_key().public_bytes_raw())

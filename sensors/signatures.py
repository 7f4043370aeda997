"""Signatures of devices: ECDSA over P-256 with SHA-256, in the form that WebCrypto gives (IEEE P1363: r and s, 32 bytes
each, big-endian)."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

KEY_BYTES: Final = 65
SIGNATURE_BYTES: Final = 64


def is_key(public_key: bytes) -> bool:
    """Whether these 65 bytes are a point of P-256, uncompressed (SEC 1, 2.3.3)."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError:
        return False
    return len(public_key) == KEY_BYTES


BATCH: Final = "sensorium batch 1"


def spoken_for(purpose: str, whose: str, body: bytes) -> bytes:
    """What a device signs of a request: the purpose, whose it is, the body's SHA-256 in hexadecimal, a line each."""
    return spoken_for_hash(purpose, whose, hashlib.sha256(body).hexdigest())


def spoken_for_hash(purpose: str, whose: str, sha256: str) -> bytes:
    """The same, where only the body's SHA-256 is at hand, in hexadecimal."""
    return f"{purpose}\n{whose}\n{sha256}".encode()


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of a key signed a message. public_key: 65 bytes; signature: 64; False for any other form."""
    if len(signature) != SIGNATURE_BYTES or not is_key(public_key):
        return False
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True

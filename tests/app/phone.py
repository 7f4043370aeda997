"""A phone as its app would be: it holds a P-256 key, signs as WebCrypto does, moves as a hand does, and takes bursts.

`key` never leaves it. Whatever a test wants altered is altered after the signature, by name.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.app.conftest import Caller, Json


def base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Key:
    """A key of P-256 that signs as WebCrypto does: r and s, 32 bytes each."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def point(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def jwk(self) -> Json:
        x, y = (base64url(part) for part in (self.point[1:33], self.point[33:]))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "ext": True, "key_ops": ["verify"]}


async def enrol(
    owner: Caller, key: Key, *, signer: Key | None = None, person: str = "", **given: Any
) -> httpx.Response:
    """Ask for a device with this key; signer and person: what the proof says, where it is not the truth."""
    draft = {"name": "Pixel", "kind": "phone", "public_key": base64url(key.point), **given}
    body = json.dumps(draft).encode()
    proof = f"sensorium device 1\n{person or owner.id}\n{sha256(body)}".encode()
    headers = {
        "content-type": "application/json",
        "device-signature": base64url((signer or key).sign(proof)),
    }
    return await owner.post("/v1/devices", content=body, headers=headers)

"""Keys as phones have them, for tests and measurements."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sensors.canonical import canonical


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

    def sign_capture(self, stated: dict[str, Any]) -> str:
        """As a browser does: JSON.stringify over sorted members, behind the purpose."""
        return base64url(self.sign(b"sensorium capture 1\n" + canonical(stated)))

    def jwk(self) -> dict[str, Any]:
        x, y = (base64url(part) for part in (self.point[1:33], self.point[33:]))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "ext": True, "key_ops": ["verify"]}

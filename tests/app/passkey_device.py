"""A passkey in software, so that it can lie."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.app.conftest import Json

ORIGIN = "http://localhost:8000"


def b64(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "===")


@dataclass
class Device:
    """A passkey in software: one credential for one name."""

    origin: str = ORIGIN
    name: str = "localhost"
    flags: int = 0x05  # a touch, and who touched was verified
    count: int = 0
    counts: bool = True
    user: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def credential(self) -> bytes:
        return hashlib.sha256(self.key.public_key().public_numbers().x.to_bytes(32, "big")).digest()

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": f"webauthn.{kind}", "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, more: int = 0) -> bytes:
        self.count += self.counts
        name = hashlib.sha256(self.name.encode()).digest()
        return name + bytes([self.flags | more]) + self.count.to_bytes(4, "big")

    def create(self, options: Json) -> Json:
        """As `navigator.credentials.create` answers."""
        self.user = unb64(options["user"]["id"])
        public = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        own = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential + cbor2.dumps(cose)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._data(0x40) + own})
        response = {
            "clientDataJSON": b64(self._client("create", options["challenge"])),
            "attestationObject": b64(attestation),
        }
        return self._answer(response)

    def get(self, options: Json) -> Json:
        """As `navigator.credentials.get` answers."""
        data, client = self._data(), self._client("get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature),
            "userHandle": b64(self.user),
        }  # fmt: skip
        return self._answer(response)

    def _answer(self, response: Json) -> Json:
        return {"id": b64(self.credential), "rawId": b64(self.credential), "type": "public-key", "response": response}

"""A maker of cameras who signs what they take (C2PA): an authority of its own, and keys that it vouches for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TAKEN = {"action": "c2pa.created", "digitalSourceType": f"{SOURCE}digitalCapture"}
PAINTED = {"action": "c2pa.created", "digitalSourceType": f"{SOURCE}trainedAlgorithmicMedia"}


class Maker(NamedTuple):
    """anchor: PEM of the authority · chain: PEM of the signing certificate and the authority · key: PEM, PKCS 8."""

    anchor: str
    chain: str
    key: str


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Plover Cameras"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


@lru_cache(maxsize=4)
def maker(number: int = 1) -> Maker:
    """One of several that know nothing of each other."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    began, ends = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=365)

    def certificate(subject: str, of: ec.EllipticCurvePrivateKey, authority: bool) -> x509.Certificate:
        usage = {
            each: each in (("key_cert_sign", "crl_sign") if authority else ("digital_signature",))
            for each in (
                "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
            )
        }  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(f"Authority {number}"))
            .public_key(of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(of.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )
        if not authority:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True
            )
        return builder.sign(root_key, hashes.SHA256())

    root, leaf = certificate(f"Authority {number}", root_key, True), certificate("Camera", key, False)
    anchor, own = (each.public_bytes(serialization.Encoding.PEM).decode() for each in (root, leaf))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Maker(anchor, own + anchor, private)


def signed(
    picture: bytes,
    by: Maker,
    media_type: str = "image/jpeg",
    actions: tuple[dict[str, Any], ...] = (TAKEN,),
    parents: tuple[bytes, ...] = (),
    generator: str = "Plover 3",
) -> bytes:
    """The picture with a manifest that says these actions, made from the parents."""
    manifest = {
        "claim_generator_info": [{"name": generator, "version": "1"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": list(actions)}}],
    }
    info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=by.chain.encode(), private_key=by.key.encode(), ta_url=None)
    settings = {"version": 1, "verify": {"verify_after_sign": False}, "builder": {"thumbnail": {"enabled": False}}}
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(json.dumps(manifest), context) as builder,
    ):
        for index, parent in enumerate(parents):
            told = json.dumps({"title": f"parent {index}", "relationship": "componentOf"})
            builder.add_ingredient(told, "image/jpeg", BytesIO(parent))
        written = BytesIO()
        builder.sign(signer, media_type, BytesIO(picture), written)
    return written.getvalue()

"""Passkeys (WebAuthn): what a browser is asked for, and whether what it answers is right.

A passkey belongs to a name, the host of the public URL. Numbers are no names, so `sensorium run` on 127.0.0.1 has its
console at http://localhost as well, where passkeys work; that is so in the sandbox only.
"""

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from webauthn.helpers import base64url_to_bytes, parse_client_data_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.config import Config
from app.errors import Problem

Json = dict[str, Any]

RP_NAME = "Sensorium"
TIMEOUT_MS = 120_000


class Site(NamedTuple):
    """Where passkeys are good: the name that they belong to, and the origins of our pages."""

    name: str
    origins: list[str]


class Enrolled(NamedTuple):
    """A new passkey, as the browser gave it."""

    credential: bytes
    public_key: bytes
    sign_count: int


def site(config: Config) -> Site:
    """Where this service's passkeys are good. Raises unavailable where its address is a number."""
    address = urlsplit(config.public_url)
    host = address.hostname or ""
    usual = {"http": 80, "https": 443}[address.scheme]
    port = "" if address.port in (None, usual) else f":{address.port}"
    if not _is_number(host):
        return Site(host, [f"{address.scheme}://{host}{port}"])
    if config.sandbox:
        return Site("localhost", [f"{address.scheme}://localhost{port}"])
    raise Problem(
        "unavailable", "Passkeys need a name: set SENSORIUM_PUBLIC_URL to an address whose host is not a number."
    )


def console_url(config: Config) -> str:
    """The console's address, where passkeys work if they work anywhere."""
    number = _is_number(urlsplit(config.public_url).hostname or "")
    return f"{site(config).origins[0] if number and config.sandbox else config.public_url}/operator"


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def creation(where: Site, challenge: bytes, operator: UUID, email: str, known: Sequence[bytes]) -> Json:
    """The options of `navigator.credentials.create`: a passkey that the device finds by itself, for a touch."""
    options = webauthn.generate_registration_options(
        rp_id=where.name,
        rp_name=RP_NAME,
        user_id=operator.bytes,
        user_name=email,
        user_display_name=email,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    found: Json = json.loads(webauthn.options_to_json(options))
    return found


def request(where: Site, challenge: bytes, allowed: Sequence[bytes] = ()) -> Json:
    """The options of `navigator.credentials.get`; allowed: only these, none: whichever the person picks."""
    options = webauthn.generate_authentication_options(
        rp_id=where.name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    found: Json = json.loads(webauthn.options_to_json(options))
    return found


def challenge_of(credential: Json) -> bytes:
    """The challenge that an answer says it is for; whether we have made it is for the caller to see. Raises refused."""
    try:
        return parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"])).challenge
    except Exception as error:  # whatever a stranger may have put there
        raise refused("It cannot be read.") from error


def credential_of(credential: Json) -> bytes:
    """The credential's name. Raises refused."""
    try:
        return base64url_to_bytes(credential["rawId"])
    except Exception as error:
        raise refused("It cannot be read.") from error


def read_new(where: Site, credential: Json, challenge: bytes) -> Enrolled:
    """A new passkey, when the browser's answer is right. Raises refused."""
    try:
        found = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=where.name,
            expected_origin=where.origins,
            require_user_verification=True,
        )
    except Exception as error:  # whatever a stranger may have put there
        raise refused(str(error)) from error
    return Enrolled(found.credential_id, found.credential_public_key, found.sign_count)


def verify(where: Site, credential: Json, challenge: bytes, public_key: bytes, sign_count: int, owner: UUID) -> int:
    """How often the passkey says it has signed, when the signature is right and counts on. Raises refused."""
    try:
        found = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=where.name,
            expected_origin=where.origins,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
        handle = credential["response"].get("userHandle")
        if handle and base64url_to_bytes(handle) != owner.bytes:
            raise ValueError("It is somebody else's.")
    except Exception as error:
        raise refused(str(error)) from error
    return found.new_sign_count


def refused(why: str) -> Problem:
    """What is told of an answer that is not right."""
    return Problem("unauthenticated", f"The passkey's answer is not right. {why}"[:500])

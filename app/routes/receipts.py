"""Receipts of observations, and the key that they are verified with."""

from typing import Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import receipts, signing
from app.auth import AGENT, EVERYONE
from app.edge import Call, endpoint
from market import evidence_receipts
from market.errors import Changed


class ObservationReceipt(msgspec.Struct, frozen=True):
    """`signature` is the market's over the text `sensorium receipt 1`, a newline and `content` in its canonical form
    (RFC 8785). Both it and the key are in hexadecimal."""

    content: msgspec.Raw
    signature: str
    public_key: str
    algorithm: Literal["Ed25519"] = "Ed25519"


class ReceiptKey(msgspec.Struct, frozen=True):
    """Ed25519, 32 bytes in hexadecimal. Keep a copy: receipts are verified with it, without this server."""

    public_key: str
    algorithm: Literal["Ed25519"] = "Ed25519"


@endpoint(
    "GET", "/v1/observations/{observation_id}/receipt", by=AGENT, scope="data:read", uses="own",
    problems=("conflict",),
)  # fmt: skip
async def get_observation_receipt(call: Call, observation_id: str) -> ObservationReceipt:
    """The receipt of an observation: what devices signed of it, what the market found, and its signature.

    Keep the file: `sensorium verify-receipt receipt.json --photo photo.jpg --key …`, or `sensors.receipt.verify`,
    checks it anywhere, without this server. It names no person, and goes when the person is erased.
    """
    async with call.services.database.transaction() as connection:
        submission, sealed = await evidence_receipts.get(connection, call.actor.owner, observation_id)
        if sealed is None:
            await receipts.issue(connection, call.services.config.secret_key, submission)
            _, sealed = await evidence_receipts.get(connection, call.actor.owner, observation_id)
    if sealed is None:
        raise Changed("The receipt is being made just now. Ask again.")
    return ObservationReceipt(msgspec.Raw(sealed.content), sealed.signature.hex(), sealed.public_key.hex())


@endpoint("GET", "/v1/keys/receipts", by=EVERYONE)
async def get_receipt_key(call: Call) -> ReceiptKey:
    """The public key of the receipts that this market signs now."""
    return ReceiptKey(signing.receipt_key(call.services.config.secret_key).hex())


ROUTES: list[HTTPRouteHandler] = [get_observation_receipt, get_receipt_key]

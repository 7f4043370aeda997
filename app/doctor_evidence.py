"""What `sensorium doctor` looks at of evidence: whose pictures are trusted, who judges them, and what opens them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from app.config import Config
from app.doctor_findings import TIMEOUT_S, Finding


def anchors(config: Config) -> Iterator[Finding]:
    """Whether the certificates whose signers of pictures (C2PA) are trusted can be read, and are still good."""
    if not config.c2pa_anchors:
        yield Finding(
            "ok",
            "c2pa",
            "no signer of pictures is trusted (SENSORIUM_C2PA_ANCHORS); broken signatures are found all the same",
        )
        return
    from cryptography import x509

    from app.services import anchors as trusted

    try:
        found = x509.load_pem_x509_certificates(trusted(config).encode())
    except (OSError, ValueError) as error:
        yield Finding("broken", "c2pa", f"{config.c2pa_anchors}: {error}; check SENSORIUM_C2PA_ANCHORS")
        return
    over = sum(each.not_valid_after_utc < datetime.now(UTC) for each in found)
    detail = f"{len(found)} certificates in {config.c2pa_anchors}"
    if over:
        yield Finding("warn", "c2pa", f"{detail}, {over} of them no longer valid: take a newer list")
    else:
        yield Finding("ok", "c2pa", detail)


def shows(config: Config) -> Iterator[Finding]:
    """Whether the endpoint that judges pictures can be reached. It is asked nothing: each question is paid for."""
    if not config.shows_protocol:
        yield Finding("ok", "shows", "no endpoint judges pictures; tasks may name a model, and no question")
        return
    parts = urlsplit(config.shows_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    where = f"{config.shows_model} at {parts.scheme}://{parts.netloc.rpartition('@')[2]} ({config.shows_protocol})"
    try:
        with socket.create_connection((host, parts.port or (443 if secure else 80)), timeout=TIMEOUT_S) as plain:
            if secure:
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
                    pass
    except OSError as error:
        yield Finding("warn", "shows", f"{where} cannot be reached: {error}; `shows` is left to buyers meanwhile")
        return
    calls = f"{config.shows_calls_per_day} calls a day, {config.shows_calls_per_account} of one account"
    without = "" if config.shows_key else ", without a key"
    yield Finding("ok", "shows", f"{where} can be reached{without}; not asked; at most {calls}")


def decoding(config: Config) -> Iterator[Finding]:
    """Open a picture in a child process, as each photo is."""
    began = time.monotonic()
    try:
        asyncio.run(_open_one(config))
    except Exception as error:
        why = f"{error or type(error).__name__}; a child needs 320 MB and may not be forbidden to start"
        yield Finding("broken", "decoding", f"no child process opens photos: {why}")
        return
    took = time.monotonic() - began
    yield Finding(
        "ok", "decoding", f"a child opened a photo {took:.1f} s after its start; {config.decode_workers} serve"
    )


async def _open_one(config: Config) -> None:
    import cv2
    import numpy as np

    from app.decode_pool import DecodePool
    from app.services import anchors as trusted

    picture = cv2.imencode(".jpg", np.tile(np.arange(256, dtype=np.uint8), (192, 1)))[1].tobytes()
    try:
        pem = trusted(config)
    except (OSError, ValueError):
        pem = ""  # told by `anchors`
    async with DecodePool(workers=1, anchors=pem) as pool:
        await pool.inspect(picture)

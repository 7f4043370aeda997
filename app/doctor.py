"""`sensorium doctor`: what is configured, what can be reached, what is missing, and how to mend it."""

from __future__ import annotations

import asyncio
import email.utils
import os
import secrets
import shutil
import smtplib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import click

from app import config as configuration
from app import running
from app.config import BadSetting, Config
from app.doctor_evidence import anchors, decoding, shows
from app.doctor_findings import TIMEOUT_S, Finding

LEAST_FREE_BYTES = 1_000_000_000
LARGEST_SKEW_S = 30  # Stripe refuses webhook signatures that are 300 s off; everything else minds less
OLDEST_POSTGRES = 150_000


Check = Callable[[Config], Iterator[Finding]]


def examine(environment: Mapping[str, str], show: Callable[[str], None] = click.echo) -> bool:
    """Print a line for each thing looked at; whether all that is needed works."""
    try:
        config = configuration.load(environment)
    except BadSetting as error:
        show(line(Finding("broken", "settings", str(error))))
        return False
    config, runs = as_running(config)
    with _database(config) as (reached, findings):
        findings.insert(0, runs)
        findings += [finding for check in CHECKS for finding in _attempt(check, reached)]
    for finding in findings:
        show(line(finding))
    broken = sum(finding.status == "broken" for finding in findings)
    show(f"{broken} broken" if broken else "all that is needed works")
    return not broken


def line(finding: Finding) -> str:
    """As it is printed."""
    return f"{finding.status:<7} {finding.subject:<12} {finding.detail}"


def as_running(config: Config) -> tuple[Config, Finding]:
    """The configuration as the system that runs on the data folder has it, by its own note, and whether one does."""
    import msgspec

    found = running.find(config.data_dir)
    if found is None:
        return config, Finding("ok", "running", f"no `sensorium run` on {config.data_dir} now")
    bundled = config.stripe_api_key == configuration.SANDBOX_STRIPE_KEY
    base = found.stripe_api_base if bundled else config.stripe_api_base
    seen = msgspec.structs.replace(config, public_url=found.public_url, stripe_api_base=base)
    return seen, Finding("ok", "running", f"`sensorium run` (pid {found.pid}), at {found.public_url}")


@contextmanager
def _database(config: Config) -> Iterator[tuple[Config, list[Finding]]]:
    """The configuration with a database URL in it: the embedded server is joined, or started for the examination."""
    if config.database_url:
        yield config, []
        return
    from app.embedded_postgres import EmbeddedPostgres
    from app.postgres_binaries import EmbeddedPostgresError

    postgres = EmbeddedPostgres(config.data_dir)
    try:
        postgres.start()
    except EmbeddedPostgresError as error:
        yield config, [Finding("broken", "database", str(error))]
        return
    try:
        import msgspec

        how = "started for this examination" if postgres.owned else "running"
        found = Finding("ok", "embedded", f"{how}, in {postgres.cluster}")
        yield msgspec.structs.replace(config, database_url=postgres.dsn), [found]
    finally:
        postgres.stop()


def _attempt(check: Check, config: Config) -> Iterator[Finding]:
    """A check that itself fails is a finding, not the end of the examination."""
    try:
        yield from check(config)
    except Exception as error:
        yield Finding("broken", check.__name__, f"{type(error).__name__}: {error}")


def settings(config: Config) -> Iterator[Finding]:
    """Which mode, and what that leaves open."""
    yield Finding("ok", "settings", f"{'sandbox (play money)' if config.sandbox else 'live'}, at {config.public_url}")
    host = urlsplit(config.public_url).hostname or ""
    if not config.public_url.startswith("https://") and host not in ("127.0.0.1", "localhost", "::1"):
        yield Finding(
            "warn" if config.sandbox else "broken",
            "settings",
            "SENSORIUM_PUBLIC_URL is not https: phones give camera and position to secure pages only; "
            "put a proxy with a certificate in front",
        )


def database(config: Config) -> Iterator[Finding]:
    """Version, schema, and settings on which the ledger's promises rest."""
    if not config.database_url:
        return
    from app import revisions
    from app.db import open_database
    from app.embedded_postgres import EmbeddedPostgres

    async def ask() -> tuple[int, str, str, float]:
        async with open_database(config.database_url, largest=1, name="doctor") as opened, opened.read() as connection:
            row = await connection.fetchrow(
                """SELECT current_setting('server_version_num')::int, current_setting('fsync'),
                          current_setting('synchronous_commit'), extract(epoch FROM clock_timestamp())::float8"""
            )
            return tuple(row)

    try:
        version, fsync, synchronous, clock = asyncio.run(asyncio.wait_for(ask(), TIMEOUT_S))
    except Exception as error:
        shown = configuration.without_password(config.database_url)
        yield Finding("broken", "database", f"{shown}: {error or 'no answer'}; check DATABASE_URL and the server")
        return
    yield Finding(
        "ok" if version >= OLDEST_POSTGRES else "broken",
        "database",
        f"PostgreSQL {version // 10_000}" + ("" if version >= OLDEST_POSTGRES else "; 15 or newer is needed"),
    )
    if fsync != "on" or synchronous == "off":
        yield Finding("broken", "database", "fsync or synchronous_commit is off: a crash would lose acknowledged money")
    yield _skew("database", clock)
    current, newest = revisions.current(config.database_url), revisions.newest()
    if current == newest:
        yield Finding("ok", "schema", current)
    elif config.database_url == EmbeddedPostgres(config.data_dir).dsn:
        yield Finding("warn", "schema", f"at {current or 'nothing'}; `sensorium run` brings it to {newest}")
    else:
        yield Finding("broken", "schema", f"at {current or 'nothing'}, wanted {newest}: run `sensorium migrate`")


def media(config: Config) -> Iterator[Finding]:
    """Write something, read it back, delete it."""
    import obstore
    from obstore.store import LocalStore, from_url

    name, content = f"doctor/{secrets.token_hex(8)}", secrets.token_bytes(1000)
    shown = configuration.without_password(config.media_url)

    async def write_and_read() -> bytes:
        folder = config.media_url.removeprefix("file://")
        store = LocalStore(folder, mkdir=True) if folder != config.media_url else from_url(config.media_url)
        await obstore.put_async(store, name, content)
        try:
            return bytes(await (await obstore.get_async(store, name)).bytes_async())
        finally:
            await obstore.delete_async(store, name)

    try:
        back = asyncio.run(asyncio.wait_for(write_and_read(), TIMEOUT_S))
    except Exception as error:
        yield Finding("broken", "media", f"{shown}: {error or 'no answer'}; check SENSORIUM_MEDIA_URL and its rights")
        return
    fine = back == content
    yield Finding(
        "ok" if fine else "broken", "media", f"{shown}: {'written and read' if fine else 'came back changed'}"
    )


def stripe(config: Config) -> Iterator[Finding]:
    """Whether the API answers and takes the key. The bundled sandbox is there only while `sensorium run` is."""
    import httpx

    if config.stripe_api_key == configuration.SANDBOX_STRIPE_KEY:
        yield Finding("ok", "stripe", f"the bundled sandbox, at {config.stripe_api_base} while `sensorium run` is")
        return
    try:
        answer = httpx.get(f"{config.stripe_api_base}/v1/balance", auth=(config.stripe_api_key, ""), timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        yield Finding("broken", "stripe", f"{config.stripe_api_base} does not answer: {error}")
        return
    if answer.status_code == 401:
        yield Finding("broken", "stripe", "STRIPE_API_KEY is refused: take the secret key of the right account")
    elif answer.status_code != 200:
        yield Finding("broken", "stripe", f"{config.stripe_api_base} answers {answer.status_code} for the balance")
    else:
        yield Finding("ok", "stripe", f"{config.stripe_api_base} takes the {'live' if config.live else 'test'} key")
    sent = email.utils.parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else None
    if sent is not None:
        yield _skew("stripe", sent.timestamp())


def mail(config: Config) -> Iterator[Finding]:
    """Log in to the mail server, send nothing."""
    if not config.smtp_url:
        yield Finding("ok", "mail", f"none leaves; it is at {config.public_url}/sandbox/outbox")
        return
    parts = urlsplit(config.smtp_url)
    secure = parts.scheme == "smtps"
    kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
    try:
        with kind(parts.hostname or "", parts.port or (465 if secure else 587), timeout=TIMEOUT_S) as server:
            if not secure:
                server.starttls()
            if parts.username:
                server.login(parts.username, parts.password or "")
    except (OSError, smtplib.SMTPException) as error:
        shown = configuration.without_password(config.smtp_url)
        yield Finding("broken", "mail", f"{shown}: {error}; check SENSORIUM_SMTP_URL")
        return
    yield Finding("ok", "mail", f"{parts.hostname} takes the login")


def disk(config: Config) -> Iterator[Finding]:
    """Room for the database and the photos."""
    folder = config.data_dir
    while not os.path.isdir(folder):  # Path.is_dir raises where this user may not look
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_FREE_BYTES
    advice = "" if enough else "; make room, or move SENSORIUM_DATA_DIR"
    yield Finding("ok" if enough else "broken", "disk", f"{free / 1e9:.1f} GB free in {folder}{advice}")
    if config.media_url.startswith("file://") and not os.access(folder, os.W_OK):
        yield Finding("broken", "disk", f"{folder} cannot be written to by this user")


def _skew(subject: str, there: float) -> Finding:
    skew = there - time.time()
    if abs(skew) <= LARGEST_SKEW_S:
        return Finding("ok", "clock", f"within {max(1, round(abs(skew)))} s of the {subject}'s")
    return Finding("broken", "clock", f"{skew:+.0f} s off the {subject}'s: turn on time synchronisation (NTP)")


CHECKS: tuple[Check, ...] = (settings, database, media, decoding, anchors, shows, stripe, mail, disk)

"""Mail leaves by SMTP, or stays in the table `mail` that the sandbox shows as its outbox.

    await mail.write(call.connection, call.services, "bo@example.com", "Your code", "Your code is 123456.")

writes it in the caller's transaction: it is sent if and only if that commits.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from app.config import Config
from app.db import Connection
from app.jobs import enqueue, handler
from app.services import Services

TIMEOUT_S = 20
PORTS = {"smtp": 587, "smtps": 465}


async def write(connection: Connection, services: Services, to: str, subject: str, text: str) -> None:
    """Write a mail, and the job that sends it. Raises ValueError for an address or subject of several lines."""
    if any(character in to + subject for character in "\r\n\x00"):
        raise ValueError("an address or a subject is one line")
    written = await connection.fetchval(
        "INSERT INTO mail (recipient, subject, text) VALUES ($1, $2, $3) RETURNING id", to, subject, text
    )
    if services.config.smtp_url:
        await enqueue(connection, "mail", {"mail": written})


@handler("mail")
async def send_mail(services: Services, payload: dict[str, int]) -> None:
    """Send one mail, unless it has been sent."""
    async with services.database.read() as connection:
        row = await connection.fetchrow("SELECT * FROM mail WHERE id = $1 AND sent_at IS NULL", payload["mail"])
    if row is None:
        return
    message = EmailMessage()
    message["From"] = sender(services.config)
    message["To"] = row["recipient"]
    message["Subject"] = row["subject"]
    message["Date"] = formatdate(row["created_at"].timestamp())
    message["Message-ID"] = make_msgid(f"mail-{row['id']}", domain=sender(services.config).partition("@")[2])
    message.set_content(row["text"])
    await asyncio.to_thread(deliver, services.config.smtp_url, message)
    async with services.database.transaction() as connection:
        await connection.execute("UPDATE mail SET sent_at = market_now() WHERE id = $1", row["id"])


def sender(config: Config) -> str:
    """The SMTP user where that is an address, else no-reply at the service's own host."""
    user = unquote(urlsplit(config.smtp_url).username or "")
    return user if "@" in user else f"no-reply@{urlsplit(config.public_url).hostname or 'localhost'}"


def deliver(smtp_url: str, message: EmailMessage) -> None:
    """Hand one message to the server of smtp:// (STARTTLS wherever it is offered) or smtps://.

    A password never travels unencrypted. Raises OSError, which includes smtplib's own errors.
    """
    url = urlsplit(smtp_url)
    host, port = url.hostname or "localhost", url.port or PORTS[url.scheme]
    context = ssl.create_default_context()
    server = (
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        if url.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    )
    with server:
        server.ehlo()
        encrypted = url.scheme == "smtps"
        if not encrypted and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            encrypted = True
        if url.username:
            if not encrypted:
                raise OSError(f"{host} offers no STARTTLS: the password stays here")
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(message)

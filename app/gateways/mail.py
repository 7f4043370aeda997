"""Mail: written into a table in the transaction that causes it, sent by a job; in sandbox mode shown on a page only."""

import asyncio
import smtplib
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from app.db import Connection
from app.jobs import Payload, enqueue, handler
from app.services import Services

TIMEOUT_S = 30


async def write(connection: Connection, services: Services, recipient: str, subject: str, text: str) -> None:
    """Have one mail sent, if and only if the transaction of `connection` commits."""
    number = await connection.fetchval(
        "INSERT INTO mail (recipient, subject, text) VALUES ($1, $2, $3) RETURNING id", recipient, subject, text
    )
    if services.config.smtp_url:
        await enqueue(connection, "mail", {"mail_id": number})


@handler("mail")
async def send(services: Services, payload: Payload) -> None:
    """Send one mail by SMTP. A worker that dies between sending and noting it sends it again."""
    async with services.database.read() as connection:
        row = await connection.fetchrow("SELECT * FROM mail WHERE id = $1 AND sent_at IS NULL", payload["mail_id"])
        if row is None:
            return
    message = EmailMessage()
    message["To"], message["Subject"] = row["recipient"], row["subject"]
    message["From"] = sender(services.config.smtp_url, services.config.public_url)
    message.set_content(row["text"])
    await asyncio.to_thread(_deliver, services.config.smtp_url, message)
    async with services.database.transaction() as connection:
        await connection.execute("UPDATE mail SET sent_at = market_now() WHERE id = $1", row["id"])


def sender(smtp_url: str, public_url: str) -> str:
    """The address that mail comes from: the SMTP user when it is one, else one at our own host."""
    user = unquote(urlsplit(smtp_url).username or "")
    return user if "@" in user else f"sensorium@{urlsplit(public_url).hostname}"


def _deliver(smtp_url: str, message: EmailMessage) -> None:
    place = urlsplit(smtp_url)
    encrypted = place.scheme == "smtps"
    kind = smtplib.SMTP_SSL if encrypted else smtplib.SMTP
    with kind(place.hostname or "", place.port or (465 if encrypted else 587), timeout=TIMEOUT_S) as server:
        if not encrypted:
            server.starttls()
        if place.username:
            server.login(unquote(place.username), unquote(place.password or ""))
        server.send_message(message)

"""Mail leaves by SMTP when there is a server, once; otherwise it stays for the outbox page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import msgspec
import pytest

from app import config as configuration
from app.config import Config
from app.gateways import mail
from app.services import Services
from tests.app.conftest import World


class Post:
    """An SMTP server of a few verbs that keeps what it is given; `refusing` the first so many."""

    def __init__(self) -> None:
        self.port, self.received, self.refusing = 0, list[bytes](), 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.received.append((await reader.readuntil(b"\r\n.\r\n"))[:-5])
            if verb == b"MAIL" and self.refusing:
                self.refusing -= 1
                writer.write(b"451 later\r\n")
                continue
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
        writer.close()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    found = Post()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@pytest.fixture
def config(database_url: str, tmp_path: Path, post: Post) -> Config:
    settings = {"DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(tmp_path / "data")}
    return configuration.load({**settings, "SENSORIUM_SMTP_URL": f"smtp://127.0.0.1:{post.port}"})


async def write(services: Services, *, subject: str = "Your code") -> None:
    async with services.database.transaction() as connection:
        await mail.write(connection, services, "bo@example.test", subject, "It is 123456, für Bø.")


async def test_a_mail_is_sent_once_after_its_commit(world: World, post: Post) -> None:
    await write(world.services)
    assert post.received == []
    await world.jobs()
    await mail.send_mail(world.services, {"mail": 1})  # the job runs once more
    (raw,) = post.received
    sent = message_from_bytes(raw, policy=policy.default)
    assert (sent["To"], sent["Subject"]) == ("bo@example.test", "Your code")
    assert "für Bø" in sent.get_content()


async def test_a_server_that_says_later_is_asked_again(world: World, post: Post) -> None:
    post.refusing = 1
    await write(world.services)
    with pytest.raises(OSError, match="451"):
        await mail.send_mail(world.services, {"mail": 1})
    await mail.send_mail(world.services, {"mail": 1})
    assert len(post.received) == 1


async def test_a_subject_of_two_lines_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="one line"):
        await write(world.services, subject="Your code\r\nBcc: all@example.test")


async def test_a_password_does_not_travel_in_the_open(world: World, post: Post) -> None:
    url = f"smtp://bo:secret@127.0.0.1:{post.port}"
    services = replace(world.services, config=msgspec.structs.replace(world.services.config, smtp_url=url))
    await write(services)
    with pytest.raises(OSError, match="STARTTLS"):
        await mail.send_mail(services, {"mail": 1})
    assert post.received == []


async def test_without_a_server_it_waits_for_the_outbox_page(world: World) -> None:
    services = replace(world.services, config=msgspec.structs.replace(world.services.config, smtp_url=""))
    await write(services)
    await world.jobs()
    listed = await world.client.get("/sandbox/outbox?to=bo@example.test")
    assert listed.json()["items"][0]["text"] == "It is 123456, für Bø."

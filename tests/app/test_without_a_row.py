"""Bytes that no row refers to go a day later: a process died between storing a photo and recording it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app import erasing
from app.media import Media
from tests.app.conftest import Caller, World, answer, claim, ok, person, photo, picture, post_task
from tests.app.test_erasure import files, leave, rows

DYING = """
import asyncio, os, signal, sys
from app import config as configuration
from market import claim_photos, claims
from tests.app.conftest import Caller, running, photo

def dies(*given):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(url, folder, secret, claim, content):
    claim_photos.put = dies
    async with running(configuration.load({"DATABASE_URL": url, "SENSORIUM_DATA_DIR": folder})) as world:
        await photo(Caller(world, "", secret), {"id": claim, "challenge": {"nonce": "x"}}, open(content, "rb").read())

asyncio.run(main(*sys.argv[1:]))
"""


async def killed_between_bytes_and_row(world: World, bo: Caller, claimed: Any, content: bytes, folder: Path) -> None:
    """Upload a photo to a process of its own, which is killed once the bytes are stored."""
    file = folder / "content"
    file.write_bytes(content)
    config = world.services.config
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DYING, config.database_url, str(config.data_dir), bo.secret, claimed["id"], str(file)
    )
    assert await child.wait() == -signal.SIGKILL
    file.unlink()


def age(world: World, days: float = 2) -> None:
    """Let all files be so old."""
    then = time.time() - days * 86_400
    for path in files(world):
        os.utime(world.services.config.data_dir / "media" / path, (then, then))


async def swept(world: World) -> None:
    await erasing.doom_unneeded(world.services)
    await erasing.remove_doomed(world.services)


async def test_what_a_killed_process_stored_and_did_not_record_goes_a_day_later(
    world: World, ada: Caller, bo: Caller, tmp_path: Path
) -> None:
    await answer(await person(world, "Dee"), await post_task(ada), picture(2))
    [seen] = ok(await ada.get("/v1/observations"))["items"]
    assert (await ada.get(seen["photos"][0]["links"]["thumb"])).status_code == 200
    before = files(world)
    claimed = await claim(bo, await post_task(ada))
    await killed_between_bytes_and_row(world, bo, claimed, picture(1), tmp_path)
    assert len(files(world)) == len(before) + 1
    ok(await leave(bo))
    await world.jobs()
    await swept(world)
    assert len(files(world)) == len(before) + 1  # it might still be on its way
    age(world)
    await swept(world)
    assert files(world) == before
    assert await rows(world, "SELECT count(*) FROM doomed_media") == [(0,)]


async def test_an_upload_of_the_same_bytes_that_is_under_way_keeps_them(
    world: World, ada: Caller, bo: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = await claim(bo, await post_task(ada))
    await killed_between_bytes_and_row(world, bo, claimed, picture(1), tmp_path)
    age(world)
    keep = Media.keep

    async def kept_and_swept(self: Media, *given: Any) -> None:
        await keep(self, *given)
        await swept(world)
        assert files(world) == {}

    monkeypatch.setattr(Media, "keep", kept_and_swept)
    ok(await photo(bo, claimed, picture(1)))
    assert list(files(world).values()) == [picture(1)]
    age(world)
    await swept(world)  # and a row keeps them
    assert list(files(world).values()) == [picture(1)]


async def test_a_name_doomed_just_before_its_row_came_stays(
    world: World, ada: Caller, bo: Caller, tmp_path: Path
) -> None:
    claimed = await claim(bo, await post_task(ada))
    await killed_between_bytes_and_row(world, bo, claimed, picture(1), tmp_path)
    age(world)
    await erasing.doom_unneeded(world.services)
    ok(await photo(bo, claimed, picture(1)))
    await erasing.remove_doomed(world.services)
    assert list(files(world).values()) == [picture(1)]


async def test_what_a_crash_left_half_written_goes_too(world: World, ada: Caller, bo: Caller) -> None:
    ok(await photo(bo, await claim(bo, await post_task(ada)), picture(1)))
    [stored] = files(world)
    media = world.services.config.data_dir / "media"
    for number in (1, 2):
        (media / f"{stored}#{number}").write_bytes(b"half of a photo")
    age(world)
    now = time.time()
    os.utime(media / f"{stored}#2", (now, now))
    await swept(world)
    assert set(files(world)) == {stored, f"{stored}#2"}

"""Jobs: they exist if and only if their cause does, run at least once, survive a killed worker, and are tried again."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app import jobs
from app.config import Config, without_settings
from app.services import Services
from tests.app.conftest import Caller, World, claim, ok, photo, post_task, submit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test declares is forgotten after it."""
    monkeypatch.setattr(jobs, "_handlers", dict(jobs._handlers))
    monkeypatch.setattr(jobs, "FIRST_RETRY", jobs.FIRST_RETRY / 10)


async def test_a_job_exists_only_if_its_transaction_commits(world: World, handlers: None) -> None:
    ran: list[Any] = []

    @jobs.handler("note")
    async def note(services: Services, payload: jobs.Payload) -> None:
        ran.append(payload["n"])

    database = world.services.database
    async with database.transaction() as connection:
        await jobs.enqueue(connection, "note", {"n": 1})
    with pytest.raises(RuntimeError):
        async with database.transaction() as connection:
            await jobs.enqueue(connection, "note", {"n": 2})
            raise RuntimeError
    await world.jobs()
    assert ran == [1]


async def test_of_jobs_that_must_be_alone_one_is_kept(world: World, handlers: None) -> None:
    ran: list[Any] = []

    @jobs.handler("alone")
    async def alone(services: Services, payload: jobs.Payload) -> None:
        ran.append(payload["n"])

    for n in range(3):
        async with world.services.database.transaction() as connection:
            await jobs.enqueue(connection, "alone", {"n": n}, only_one="alone:7")
    await world.jobs()
    assert ran == [0]


async def test_a_job_that_fails_is_tried_again_until_it_works(world: World, handlers: None) -> None:
    tries: list[int] = []

    @jobs.handler("fragile")
    async def fragile(services: Services, payload: jobs.Payload) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not yet")

    async with world.services.database.transaction() as connection:
        await jobs.enqueue(connection, "fragile", {})
    await world.jobs()
    assert len(tries) == 3
    async with world.services.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_a_job_that_never_works_is_kept_as_failed(world: World, handlers: None) -> None:
    @jobs.handler("hopeless", attempts=1)
    async def hopeless(services: Services, payload: jobs.Payload) -> None:
        raise ValueError("never")

    async with world.services.database.transaction() as connection:
        await jobs.enqueue(connection, "hopeless", {"n": 1})
    await world.jobs()
    async with world.services.database.read() as connection:
        rows = await connection.fetch("SELECT status::text, payload FROM pgqueuer")
    assert [(row["status"], json.loads(row["payload"])) for row in rows] == [("failed", {"n": 1})]


@asynccontextmanager
async def worker(config: Config) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real worker process; killed at the end if it still runs."""
    environment = {
        **without_settings(os.environ),
        "DATABASE_URL": config.database_url,
        "SENSORIUM_DATA_DIR": str(config.data_dir),
        "SENSORIUM_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "app.cli", "worker"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def has_verdict(caller: Caller, submission: str, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if ok(await caller.get(f"/v1/people/submissions/{submission}"))["status"] != "checking":
            return True
        await asyncio.sleep(0.1)
    return False


async def until_picked(world: World) -> None:
    async with asyncio.timeout(20):
        while True:
            async with world.services.database.read() as connection:
                if await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'picked'"):
                    return
            await asyncio.sleep(0.1)


async def test_what_a_killed_worker_left_is_done_by_the_next_one_within_ten_seconds(
    world: World, config: Config, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada)
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed))
    async with world.services.database.transaction() as connection:
        # The judge waits for this lock, so that its job is unfinished when the worker is killed.
        await connection.execute("SELECT FROM task FOR NO KEY UPDATE")
        async with worker(config) as process:
            submitted = await submit(bo, claimed)
            await until_picked(world)
            await asyncio.sleep(0.5)
            process.kill()
            await process.wait()
    assert ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))["status"] == "checking"
    async with worker(config):
        assert await has_verdict(bo, submitted["id"], 10 + 5)  # starting a process takes some of it
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 300

"""Real PostgreSQL for every test: a throw-away server for each test process, databases copied from a template.

`conn`: a connection inside a transaction that is rolled back; by far the quickest, for tests of market functions.
`pool`, `database_url`: a fresh database of its own, for tests that commit, use several connections or start processes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from app import migrate
from app.db import create_pool, init_connection
from app.embedded_postgres import EmbeddedPostgres

# A busy machine is slow at making examples too; that says nothing about what is tested.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

TEMPLATE = "template_sensorium"
LONGEST = ("tests/test_simulation.py", "tests/web/", "tests/test_outbox_kills.py")
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first: two processes share the tests, and neither shall wait for the other's last."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def _settings_of_the_caller_stay_outside() -> None:
    for name in list(os.environ):
        if name.startswith("SENSORIUM_") or name in ("DATABASE_URL", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"):
            del os.environ[name]


@contextmanager
def throw_away_folder() -> Iterator[Path]:
    """For a data folder: in memory where there is plenty of it. Not pytest's own, which is closed to the user that a
    root's server runs as."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4_000_000_000
    folder = Path(tempfile.mkdtemp(prefix="sensorium-test-", dir=memory if roomy else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The server of this test process. fsync is off: these clusters are thrown away.

    So is autovacuum: its workers are a superuser's, and a database that one is in cannot be dropped by our role.
    """
    settings = {"autovacuum": "off", "fsync": "off", "max_connections": "200"}
    with throw_away_folder() as folder, EmbeddedPostgres(folder, settings) as server:
        yield server


def run_sql(dsn: str, sql: str) -> None:
    """One statement on a connection of its own, from outside any event loop."""

    async def body() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(body())


def named(server: EmbeddedPostgres, database: str) -> str:
    """The URL of another database on the same server."""
    return server.dsn.replace("/sensorium?", f"/{database}?", 1)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database that nobody is connected to."""
    run_sql(postgres.dsn, f"CREATE DATABASE {TEMPLATE}")
    migrate.upgrade(named(postgres, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A migrated database for one test alone, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    run_sql(postgres.dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield named(postgres, name)
    run_sql(postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shared_database_url(postgres: EmbeddedPostgres, template: str) -> str:
    """A migrated database in which nothing is ever committed."""
    run_sql(postgres.dsn, f"CREATE DATABASE shared TEMPLATE {template}")
    return named(postgres, "shared")


@pytest.fixture
async def conn(shared_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that is rolled back. `SET CONSTRAINTS ALL IMMEDIATE` forces deferred checks."""
    connection = await asyncpg.connect(shared_database_url)
    await init_connection(connection)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Up to twenty connections to the test's own database."""
    async with await create_pool(database_url, largest=20) as connections:
        yield connections

"""The schema: applied by Alembic, written in raw SQL, dumped for comparison.

A migration calls `run_script(op, "…several statements…")`. Each migration is one transaction together with its row in
`alembic_version`, so one that fails leaves nothing. Two processes that migrate at once wait for each other.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.config import Config as AlembicConfig
from alembic.operations import Operations
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import command
from app import postgres_binaries
from app.revisions import cannot_connect, folder

# Long enough for the traffic of a busy moment to pass, short enough that waiting for a lock never blocks the service:
# everything that comes later queues up behind a waiting ALTER TABLE.
LOCK_TIMEOUT_S = 5.0
ADVISORY_LOCK = 0x53454E534F52  # any number that nobody else takes


def upgrade(dsn: str, revision: str = "head", migrations: Path | None = None) -> None:
    """Bring the database at the libpq URL `dsn` up to `revision`."""
    _run(dsn, lambda config: command.upgrade(config, revision), migrations)


def downgrade(dsn: str, revision: str, migrations: Path | None = None) -> None:
    """Take the database back to `revision` ("base": empty)."""
    _run(dsn, lambda config: command.downgrade(config, revision), migrations)


def run_script(op: Operations, sql: str) -> None:
    """Execute several SQL statements at once inside the migration's transaction.

    `op.execute` prepares its statement, and PostgreSQL prepares only one at a time; the driver's own execute sends the
    whole text. SQLAlchemy begins lazily, so something must go through it first to have the transaction open.
    """
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")
    adapted: Any = connection.connection.dbapi_connection
    adapted.run_async(lambda driver: driver.execute(sql))


def dump_schema(dsn: str) -> str:
    """The schema as SQL text, the same for the same schema: what docs/schema.sql holds."""
    said = subprocess.run(
        [
            postgres_binaries.find() / "pg_dump",
            "--schema-only",
            "--no-owner",
            "--no-privileges",
            "--exclude-table=alembic_version",
            dsn,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode != 0:
        raise RuntimeError(f"pg_dump failed: {said.stderr.strip()}")
    return _without_noise(said.stdout)


def _without_noise(dump: str) -> str:
    """Drop the session settings, the random \\restrict keys, and comments, which name versions and owners."""
    noise = ("--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict")
    lines = [line.rstrip() for line in dump.split("\n") if not line.startswith(noise)]
    kept = [line for before, line in zip(["", *lines], lines, strict=False) if line or before]
    return "\n".join(kept).strip() + "\n"


def _run(dsn: str, work: Callable[[AlembicConfig], object], migrations: Path | None) -> None:
    """Call Alembic with a connection of ours. Must not be called from inside an event loop."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(migrations or folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")

    def on_connection(connection: Connection) -> None:
        # Taken before the time-out is set: waiting for another migration is fine, waiting for a table is not.
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
        connection.exec_driver_sql(f"SET lock_timeout = {int(LOCK_TIMEOUT_S * 1000)}")
        connection.commit()
        config.attributes["connection"] = connection
        work(config)

    async def body() -> None:
        # The driver reads the URL itself: SQLAlchemy would not understand all of what libpq URLs may say.
        engine = create_async_engine("postgresql+asyncpg://", connect_args={"dsn": dsn}, poolclass=pool.NullPool)
        try:
            connection = await engine.connect()
        except Exception as error:  # of the driver, of SQLAlchemy, of the network
            raise cannot_connect(dsn, error) from error
        try:
            await connection.run_sync(on_connection)
        finally:
            await connection.close()

    asyncio.run(body())

"""Which revision of the schema the database is at, and which one this program wants; without loading Alembic.

A migration's file is named after its revision and its number: `0002_jobs.py`. They form one line, in that order.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from app.config import without_password


class DatabaseProblem(Exception):
    """The database cannot be reached, or its schema is not ours; the message says why."""


def folder() -> Path:
    """Where the migrations are: beside the packages in a checkout, inside `app` in an installed wheel."""
    here = Path(__file__).resolve().parent
    installed = here / "migrations"
    return installed if installed.is_dir() else here.parent / "alembic"


def known() -> list[str]:
    """All revisions, oldest first."""
    found = sorted(file.stem for file in (folder() / "versions").glob("[0-9]*.py"))
    if not found:
        raise DatabaseProblem(f"there are no migrations in {folder()}")
    return found


def newest() -> str:
    """The revision that this version of the program wants."""
    return known()[-1]


def is_older(revision: str, *, than: str | None) -> bool:
    """Whether going to `revision` from `than` means undoing migrations."""
    line = ["base", *known()]
    return than in line and revision in line and line.index(revision) < line.index(than)


def current(dsn: str) -> str | None:
    """The revision that the database at the libpq URL `dsn` is at; None when no migration was ever applied.

    Must not be called from inside an event loop, like all that is here to be used at a start.
    """
    return asyncio.run(_current(dsn))


def require(dsn: str) -> None:
    """DatabaseProblem unless the schema is ours. A revision that we do not know is of a newer release, which first
    migrates and then replaces its processes one by one: that one is fine."""
    revision = current(dsn)
    if revision is None or is_older(revision, than=newest()):
        raise DatabaseProblem(f"the schema is at {revision or 'nothing'}, not {newest()}: run `sensorium migrate`")


async def _current(dsn: str) -> str | None:
    from app.db import create_plain_pool

    try:
        async with create_plain_pool(dsn, largest=1) as pool:
            if not await pool.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
                return None
            revision: str | None = await pool.fetchval("SELECT version_num FROM alembic_version")
            return revision
    except Exception as error:  # of the driver, of the network, of the URL
        raise cannot_connect(dsn, error) from error


def cannot_connect(dsn: str, error: Exception) -> DatabaseProblem:
    """One line that names the database, not its password."""
    return DatabaseProblem(f"cannot connect to {without_password(dsn)}: {error or type(error).__name__}")

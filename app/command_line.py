"""What the commands share: where the settings and the database are, and how to end with one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from app.config import Config

DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where everything is kept (SENSORIUM_DATA_DIR).",
)


def fail(message: str) -> NoReturn:
    """One line for whoever runs the command, and exit status 1."""
    click.echo(f"sensorium: {message}", err=True)
    sys.exit(1)


def environment(data_dir: Path | None) -> dict[str, str]:
    """Ours, with the option's folder in it."""
    return {**os.environ, **({"SENSORIUM_DATA_DIR": str(data_dir)} if data_dir else {})}


def settings(data_dir: Path | None) -> Config:
    """The configuration in force. Raises BadSetting."""
    from app import config

    return config.load(environment(data_dir))


def settings_with_database() -> Config:
    """For a process that needs a database which is there, and at this version's schema."""
    found = settings(None)
    if not found.database_url:
        fail("DATABASE_URL is missing; `sensorium run` brings a database of its own")
    from app import config, revisions

    config.require_media(found)
    revisions.require(found.database_url)
    return found


def require_system(data_dir: Path | None) -> None:
    """End where nothing is kept yet, before anything is made there: probably another folder is meant."""
    from app import config

    folder, url = config.where_kept(environment(data_dir))
    if not url and not (folder / "postgres").is_dir():
        fail(f"{folder} holds no system: look at --data-dir, or set DATABASE_URL")


@contextmanager
def database(data_dir: Path | None) -> Iterator[str]:
    """The URL of the database; the embedded one is joined when it runs, else started for as long as we need it."""
    found = settings(data_dir)
    if found.database_url:
        yield found.database_url
        return
    from app.embedded_postgres import EmbeddedPostgres

    with EmbeddedPostgres(found.data_dir) as postgres:
        yield postgres.dsn

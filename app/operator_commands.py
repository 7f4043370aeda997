"""`sensorium operator …`: the people who settle payouts, and their keys. Each works while the system runs, too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from app.command_line import DATA_DIR, database, fail, settings

if TYPE_CHECKING:
    from app.db import Connection

EMAIL = click.option("--email", required=True, help="Whose; upper and lower case are the same.")
FURTHER = "`sensorium operator key` makes a further key, `operator enable` lets a disabled one in again"

T = TypeVar("T")


@click.group()
def operator() -> None:
    """The people who settle payouts and watch over the money."""


@operator.command()
@DATA_DIR
@EMAIL
@click.option("--name", required=True, help="As other operators see it.")
def add(data_dir: Path | None, email: str, name: str) -> None:
    """Make an operator and print the key (op_…), which is shown this once.

    The key alone goes to the standard output, so that it can be kept by a program; what it is for, beside it.
    """
    from market import operators
    from market.errors import WrongState

    async def work(connection: Connection) -> str:
        return (await operators.add(connection, email, name))[1]

    try:
        _show(data_dir, _done(data_dir, work))
    except WrongState as refusal:
        fail(f"{refusal} {FURTHER}")


def _show(data_dir: Path | None, key: str) -> None:
    from app import passkeys
    from app.errors import Problem

    config = settings(data_dir)
    try:
        console = passkeys.console_url(config)
    except Problem:
        console = f"{config.public_url}/operator"
    way = (
        "and give it on the sign-in page (in a sandbox that is enough)"
        if config.sandbox
        else "and on the sign-in page, under `You have no passkey yet`, enrol a first passkey with it, which signs in"
    )
    click.echo(key)
    for line in (
        "This key is its operator's alone and is shown this once; `sensorium operator key` makes another.",
        f"For the console, open {console} (or the address that `sensorium run` was given) {way}.",
        "Programs send it to /v1/operator/… as `Authorization: Bearer op_…`.",
    ):
        click.echo(line, err=True)


@operator.command()
@DATA_DIR
@EMAIL
def key(data_dir: Path | None, email: str) -> None:
    """Print a further key (op_…) of an operator, shown this once; those before go on working."""
    from market import operators

    async def work(connection: Connection) -> str:
        return (await operators.add_key(connection, email))[1]

    _show(data_dir, _done(data_dir, work))


@operator.command()
@DATA_DIR
@EMAIL
def disable(data_dir: Path | None, email: str) -> None:
    """Shut an operator out at once, and revoke all their keys for good."""
    from market import operators

    async def work(connection: Connection) -> tuple[operators.Operator, int]:
        return await operators.disable(connection, email)

    found, revoked = _done(data_dir, work)
    click.echo(f"{found.email} is disabled; keys revoked: {revoked}")


@operator.command()
@DATA_DIR
@EMAIL
def enable(data_dir: Path | None, email: str) -> None:
    """Let a disabled operator in again; their old keys stay revoked."""
    from market import operators

    async def work(connection: Connection) -> operators.Operator:
        return await operators.enable(connection, email)

    found = _done(data_dir, work)
    click.echo(f"{found.email} is enabled; `sensorium operator key --email {found.email}` makes a key")


@operator.command("list")
@DATA_DIR
def list_all(data_dir: Path | None) -> None:
    """All operators with their keys: how each begins, when it was made and revoked."""
    from market import operators

    for found, held in _done(data_dir, operators.listed):
        state = f"disabled {_day(found.disabled_at)}" if found.disabled_at else "enabled"
        click.echo(f"{found.id}  {found.email}  {found.name}  {state}")
        for each in held:
            revoked = f"  revoked {_day(each.revoked_at)}" if each.revoked_at else ""
            click.echo(f"    {each.id}  {each.hint}…  made {_day(each.created_at)}{revoked}")


def _done(data_dir: Path | None, work: Callable[[Connection], Awaitable[T]]) -> T:
    """The answer of `work`, which is one transaction, on a database at this version's schema."""
    with database(data_dir) as dsn:
        from app import revisions, supervisor
        from app.db import open_database

        if settings(data_dir).database_url:  # somebody else's to migrate
            revisions.require(dsn)
        else:
            supervisor.bring_up_to_date(dsn)

        async def body() -> T:
            async with (
                open_database(dsn, largest=2, name="sensorium-operator") as opened,
                opened.transaction() as connection,
            ):
                return await work(connection)

        return asyncio.run(body())


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"

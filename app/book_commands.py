"""`sensorium books …`: the journal written and read back, and the trial balance. Each works while the system runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

import click

from app.command_line import DATA_DIR, database, fail

if TYPE_CHECKING:
    from app.db import Connection
    from market.journal import Rebuilt

MOST_SHOWN = 20
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]

T = TypeVar("T")


class Moment(click.ParamType[datetime]):
    """A day or a moment in UTC, as over HTTP; last: the first moment after it."""

    name = "day or moment"

    def __init__(self, *, last: bool = False) -> None:
        self.last = last

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Fails with what to write instead."""
        from datetime import UTC

        from app.moments import moment

        try:
            return moment(value, last=self.last, zone=UTC)
        except ValueError as error:
            self.fail(f"{value}: {error}", param, ctx)


@click.group()
def books() -> None:
    """The ledger's books: journal, trial balance, and balances made again from a journal alone."""


@books.command()
@DATA_DIR
@click.option("--from", "begins", type=Moment(), help="Posted from this day or moment on (UTC).")
@click.option("--to", "ends", type=Moment(last=True), help="Posted by the end of this day, or before this (UTC).")
@click.option("-o", "--output", type=click.File("w", encoding="utf-8", lazy=False), default="-", help="A file, or -.")
def journal(data_dir: Path | None, begins: datetime | None, ends: datetime | None, output: TextIO) -> None:
    """Write the journal as CSV: every line of every transaction, by time, in minor units."""
    from market import csv_cells
    from market import journal as own

    async def work(connection: Connection) -> None:
        place: own.Place | None = None
        _write(output, csv_cells.lines([own.COLUMNS]))
        while True:
            rows, place = await own.part(connection, begins=begins, ends=ends, after=place)
            if not rows:
                return
            _write(output, csv_cells.lines(rows))

    _on_snapshot(data_dir, work)


@books.command()
@DATA_DIR
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--compare", is_flag=True, help="Say which balances are others in the database; exit status 1 then.")
def rebuild(data_dir: Path | None, file: Path, compare: bool) -> None:
    """Make every balance again from a journal alone, and check that each transaction sums to zero.

    Prints account, currency and balance (debit positive). Exit status 1 when something in the journal is wrong.
    """
    from app.amounts import counted
    from market import csv_cells
    from market import journal as own

    try:
        with file.open(encoding="utf-8", newline="") as opened:
            found = own.rebuild(csv_cells.read(opened))
    except ValueError as error:  # as is a byte that is no UTF-8
        fail(f"{file}: {error}")
    click.echo(csv_cells.lines(_balances(found)), nl=False)
    wrong = list(found.wrong)
    if compare:
        wrong += _on_snapshot(data_dir, lambda connection: own.differences(connection, found))
    for each in wrong[:MOST_SHOWN]:
        click.echo(f"wrong: {each}", err=True)
    if wrong:
        fail(f"{counted(len(wrong), 'thing is', 'things are')} wrong with this journal")
    same = ", and every balance is that of the database" if compare else ""
    click.echo(
        f"{counted(found.transactions, 'transaction')} of {counted(found.lines, 'line')} sum to zero{same}", err=True
    )


@books.command("trial-balance")
@DATA_DIR
@click.option("--at", type=click.DateTime(TIMES), help="Of what was posted before this (UTC); otherwise of everything.")
def trial_balance(data_dir: Path | None, at: datetime | None) -> None:
    """Print the trial balance as CSV, in minor units; exit status 1 when it does not balance."""
    from market import books as own
    from market import csv_cells, exports

    async def work(connection: Connection) -> tuple[exports.Rows, list[own.TrialSum]]:
        sums = (await own.trial_balance(connection, _utc(at))).sums
        return await exports.trial_rows(connection, _utc(at)), sums

    rows, sums = _on_snapshot(data_dir, work)
    click.echo(csv_cells.lines([exports.TRIAL_COLUMNS, *rows]), nl=False)
    for each in sums:
        state = "balanced" if each.balanced else "NOT BALANCED"
        click.echo(f"{each.currency}: debits {each.debits}, credits {each.credits}: {state}", err=True)
    if not all(each.balanced for each in sums):
        sys.exit(1)


def _balances(found: Rebuilt) -> list[tuple[str, str, int]]:
    return [(code, currency, balance) for (code, currency), balance in sorted(found.balances.items())]


def _write(output: TextIO, text: str) -> None:
    """As it is: with the line ends of CSV, on every system."""
    buffer = getattr(output, "buffer", None)
    if buffer is None:
        output.write(text)
    else:
        output.flush()
        buffer.write(text.encode())


def _utc(given: datetime | None) -> datetime | None:
    from datetime import UTC

    return None if given is None else given.replace(tzinfo=UTC)


def _on_snapshot(data_dir: Path | None, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What `work` finds, all of it at one moment, on a database at this version's schema."""
    with database(data_dir) as dsn:
        from app import revisions
        from app.db import open_database

        revisions.require(dsn)

        async def body() -> T:
            async with (
                open_database(dsn, largest=2, name="sensorium-books") as opened,
                opened.read() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                return await work(connection)

        return asyncio.run(body())

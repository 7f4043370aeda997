"""Commands about evidence: judging again what was judged before."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.command_line import DATA_DIR, database, environment, require_system

if TYPE_CHECKING:
    from app.config import Config


@click.command()
@DATA_DIR
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="At most so many.")
@click.option("--since", type=click.DateTime(), help="Handed in at or after this time (UTC).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for each submission.")
def rejudge(data_dir: Path | None, limit: int, since: datetime | None, as_json: bool) -> None:
    """What today's checks say of evidence that was judged before. Changes nothing, and makes no new system.

    Lists the submissions whose outcome would be another, with the checks that differ, the newest first.
    """
    require_system(data_dir)
    with database(data_dir) as dsn:
        from app import config, logs, revisions

        revisions.require(dsn)
        found = config.load({**environment(data_dir), "DATABASE_URL": dsn})
        logs.configure(found.log_level)
        asyncio.run(_rejudge(found, limit, since and since.replace(tzinfo=UTC), as_json))


async def _rejudge(found: Config, limit: int, since: datetime | None, as_json: bool) -> None:
    import msgspec

    from app.rejudging import NotRejudged
    from app.rejudging import rejudge as again
    from app.services import open_services

    moves: Counter[str] = Counter()
    async with open_services(found, name="sensorium-rejudge") as services:
        async for each in again(services, since=since, limit=limit):
            if isinstance(each, NotRejudged):
                moves["could not be looked at again"] += 1
            else:
                moves[f"{each.was_outcome} -> {each.outcome}"] += 1
            if as_json:
                click.echo(msgspec.json.encode(each).decode())
            elif isinstance(each, NotRejudged):
                click.echo(f"{each.submission}: {each.detail}")
            elif not each.same:
                why = ", ".join(f"{name} {was} -> {now}" for name, (was, now) in each.differs.items()) or "the weights"
                click.echo(
                    f"{each.submission} ({each.status}): {each.was_outcome} {each.was_score} by {each.was_version} -> "
                    f"{each.outcome} {each.score} by {each.version}: {why}"
                )
    if not as_json:
        click.echo(f"{sum(moves.values())} submissions; nothing was changed")
        for move, count in moves.most_common():
            click.echo(f"  {move}: {count}")

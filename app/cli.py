"""`sensorium`: a command for each thing that somebody who runs the service does. Imports wait until they are needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from app.book_commands import books
from app.command_line import DATA_DIR, database, environment, fail, settings, settings_with_database
from app.evidence_commands import rejudge
from app.operator_commands import operator
from app.receipt_commands import verify_receipt
from app.simulation_commands import simulate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sensorium", message="%(package)s %(version)s")
def commands() -> None:
    """An information market: agents post priced questions, people and devices answer with evidence.

    Settings come from the environment; `sensorium config` lists them.
    """


@commands.command()
@DATA_DIR
@click.option("--host", help="Address to listen on (SENSORIUM_HOST, 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0: any free one (SENSORIUM_PORT, 8000).")
def run(data_dir: Path | None, host: str | None, port: int | None) -> None:
    """Everything in the foreground: database, Stripe sandbox, HTTP, worker. Ctrl-C stops it."""
    from app import supervisor

    supervisor.run(data_dir, host, port)


@commands.command()
@click.option("--host", help="Address to listen on (SENSORIUM_HOST, 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port (SENSORIUM_PORT, 8000).")
def serve(host: str | None, port: int | None) -> None:
    """Answer HTTP, on the database at DATABASE_URL; as many of these as you like."""
    for name, value in (("SENSORIUM_HOST", host), ("SENSORIUM_PORT", port)):
        if value is not None:
            os.environ[name] = str(value)  # the server's worker processes read the environment as well
    config = settings_with_database()
    from app import logs
    from app import serve as http

    logs.configure(config.log_level)
    http.serve(config)


@commands.command()
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="There while jobs are taken up.")
def worker(ready_file: Path | None) -> None:
    """Do the background work, on the database at DATABASE_URL; as many of these as you like."""
    config = settings_with_database()
    from app import logs, worker

    logs.configure(config.log_level)
    worker.run(config, ready_file)


@commands.command()
@DATA_DIR
@click.option("--to", "revision", default="head", show_default=True, help="A revision, or base for an empty database.")
@click.option("--yes", is_flag=True, help="Confirm that going back loses data.")
@click.option("--dump", is_flag=True, help="Print the schema afterwards, as docs/schema.sql has it.")
def migrate(data_dir: Path | None, revision: str, yes: bool, dump: bool) -> None:
    """Bring the database's schema to this version of the program (or back, with --to)."""
    with database(data_dir) as dsn:
        from app import migrate as migrations
        from app import revisions

        before = revisions.current(dsn)
        target = revisions.newest() if revision == "head" else revision
        if revisions.is_older(target, than=before):
            if not yes:
                fail(f"from {before} back to {target} loses data; say --yes if that is meant")
            migrations.downgrade(dsn, target)
        else:
            migrations.upgrade(dsn, target)
        click.echo(f"schema: {before or 'none'} -> {revisions.current(dsn) or 'none'}", err=dump)
        if dump:
            click.echo(migrations.dump_schema(dsn), nl=False)


@commands.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> None:
    """The main job end to end on real images, from a priced task to a trained model, with a report."""
    from app import demo as show

    show.main(list(arguments), prog_name="sensorium demo")


@commands.command()
@DATA_DIR
def audit(data_dir: Path | None) -> None:
    """Check the ledger's invariants; exit status 1 when one is broken."""
    with database(data_dir) as dsn:
        import asyncio

        from app import revisions
        from app.db import open_database
        from market.audit import RULES, Finding
        from market.audit import audit as check

        revisions.require(dsn)

        async def body() -> list[Finding]:
            async with open_database(dsn, largest=2, name="sensorium-audit") as opened, opened.read() as connection:
                return await check(connection)

        findings = asyncio.run(body())
    for finding in findings:
        click.echo(f"broken: {finding.rule}: {finding.count} times, such as {', '.join(finding.examples)}")
    if findings:
        sys.exit(1)
    click.echo(f"clean: {RULES} invariants hold")


@commands.command()
@DATA_DIR
def doctor(data_dir: Path | None) -> None:
    """What is configured, reachable and missing, and how to mend it; exit status 1 when something needed is broken."""
    from app import doctor as examination

    if not examination.examine(environment(data_dir)):
        sys.exit(1)


@commands.command()
@DATA_DIR
def config(data_dir: Path | None) -> None:
    """List the settings: name, value in force (secrets hidden), meaning."""
    from app.config import SETTINGS

    shown = settings(data_dir).shown()
    for setting in SETTINGS:
        click.echo(f"{setting.name}={shown[setting.field]}")
        file = f" (or {setting.name}_FILE)" if setting.secret else ""
        click.echo(f"    {setting.help}{file}")


commands.add_command(operator)
commands.add_command(books)
commands.add_command(rejudge)
commands.add_command(verify_receipt)
commands.add_command(simulate)


def main() -> None:
    """The command's entry: what can go wrong outside the program is one line, never a traceback."""
    try:
        commands(prog_name="sensorium")
    except Exception as error:
        if isinstance(error, OSError) and error.filename and error.strerror:  # a disk that is full, a file of another's
            fail(f"{os.fsdecode(error.filename)}: {error.strerror}")
        if not _is_explained(error):
            raise
        fail(str(error))


def _is_explained(error: Exception) -> bool:
    """Whether the message is written for whoever runs the command; only modules in use can have raised it."""
    explained = {
        "app.config": "BadSetting",
        "app.demo.learning": "RunnerFailed",
        "app.postgres_binaries": "EmbeddedPostgresError",
        "app.serve": "PortBusy",
        "app.supervisor": "CannotRun",
        "app.revisions": "DatabaseProblem",
        "market.errors": "Refusal",
        "alembic.util": "CommandError",
    }
    kinds = tuple(getattr(sys.modules[module], name) for module, name in explained.items() if module in sys.modules)
    return isinstance(error, kinds)


if __name__ == "__main__":
    main()

"""`sensorium-runner`: new, buy, loop, report, publish, score. Each command imports only what it needs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from research_runner.errors import RunnerError

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def main() -> None:
    """Buys observations, experiments on them without a person in the loop, keeps what provably works, publishes it."""


@main.command()
@click.argument("workspace", type=FOLDER)
@click.option("--program", type=FILE, help="The research programme; a sensible one is written when absent.")
@click.option("--data", type=FOLDER, help="A folder with labels.csv (file,label,group[,split]) and the photos.")
def new(workspace: Path, program: Path | None, data: Path | None) -> None:
    """Make a workspace: a git repository with program.md, prepare.py and train.py."""
    from research_runner import workspace as workspaces

    with told():
        made = workspaces.create(workspace, program, data)
        click.echo(f"made {made.root}: read program.md, then run: sensorium-runner loop {workspace}")


@main.command()
@click.argument("workspace", type=FOLDER)
@click.option("--data", type=FOLDER, help="Learn from this folder with labels.csv.")
@click.option("--experiments", type=click.IntRange(1), help="Stop after this many more experiments.")
@click.option("--seconds", type=click.FloatRange(1), help="Stop before this much wall time is used up.")
@click.option("--program", type=FILE, help="Replace the workspace's program.md first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
def loop(
    workspace: Path,
    data: Path | None,
    experiments: int | None,
    seconds: float | None,
    program: Path | None,
    as_json: bool,
) -> None:
    """Experiment until stopped; goes on where an earlier call, even a killed one, left off."""
    from research_runner import loop as loops
    from research_runner import program as programs
    from research_runner.results import Row
    from research_runner.workspace import Workspace

    def show(row: Row) -> None:
        if as_json:
            click.echo(json.dumps({"event": "experiment", **msgspec.structs.asdict(row)}))
        else:
            effect = f"{row.effect:+.4f}" if row.effect is not None else ""
            metric = f"{row.metric:.4f}" if row.metric is not None else "-"
            accuracy = f"{row.accuracy:.3f}" if row.accuracy is not None else "-"
            click.echo(f"{row.experiment:>4}  {row.status:<8} {metric:>8} {accuracy:>6} {effect:>8}  {row.description}")

    def warn(line: str) -> None:
        click.echo(json.dumps({"event": "warning", "detail": line}) if as_json else f"note: {line}")

    with told():
        opened = Workspace(workspace)
        if program is not None:
            programs.read(program)
            (opened.root / "program.md").write_text(program.read_text(encoding="utf-8"), encoding="utf-8")
        if data is not None:
            opened.use_data(data)
        if not as_json:
            click.echo("   #  status     metric    acc   effect  change")
        summary = loops.run(opened, experiments, seconds, show, warn)
        ended = dataclasses.asdict(summary)
        words = f"{summary.experiments} experiments, {summary.kept} kept, {summary.seconds:.0f} s"
        click.echo(json.dumps({"event": "end", **ended}) if as_json else words)


@contextmanager
def told() -> Iterator[None]:
    """A refusal is one line on stderr and exit status 1; Ctrl-C is 130."""
    try:
        yield
    except RunnerError as problem:
        click.echo(f"error: {problem}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from here", err=True)
        sys.exit(130)


def show_json(value: Any) -> None:
    click.echo(json.dumps(value))


if __name__ == "__main__":
    main()

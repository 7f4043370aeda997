"""`sensorium-runner`: new, buy, loop, report, publish, score, curve. Each command imports only what it needs."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from research_runner.client import Money
from research_runner.errors import RunnerError

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
SERVER = click.option("--server", help="The market's address; else SENSORIUM_URL. The key is SENSORIUM_API_KEY.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")


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
@click.argument("tasks", type=FILE)
@click.option("--budget", required=True, help="The most to hold and spend, as in 50usd or 12.50eur.")
@click.option("--question", required=True, help="Id of the question whose answer is the label.")
@click.option("--reason", default="photos to learn from", show_default=True, help="Written to the purchase log.")
@click.option(
    "--seconds", type=click.FloatRange(1), default=3600.0, show_default=True, help="Cancel what is open then."
)
@SERVER
@JSON
def buy(
    workspace: Path,
    tasks: Path,
    budget: str,
    question: str,
    reason: str,
    seconds: float,
    server: str | None,
    as_json: bool,
) -> None:
    """Post the task drafts in TASKS (a JSON list), wait for them, and make what was accepted the workspace's data."""
    from research_runner import buy as buying
    from research_runner import client as clients
    from research_runner import dataset
    from research_runner.workspace import Workspace

    with told(), clients.from_environment(server) as client:
        opened = Workspace(workspace)
        drafts = read_drafts(tasks)
        money = read_money(budget)
        log = opened.root / "purchases.tsv"
        bought = buying.buy(client, drafts, budget=money, reason=reason, log=log, timeout_s=seconds)
        say(as_json, "bought", f"{bought.accepted} accepted, {bought.rejected} rejected", dataclasses.asdict(bought))
        for line in bought.refused:
            say(as_json, "warning", line)
        if not bought.accepted:
            raise RunnerError("nothing was bought")
        made = client.make_dataset({"query": {"task_ids": list(bought.tasks), "outcome": "done"}})
        folder = dataset.download(client, made.id, question, opened.inner / "dataset", bought.spent)
        opened.use_data(folder)
        say(as_json, "dataset", f"dataset {made.id} downloaded", {"dataset_id": made.id, "folder": str(folder)})


@main.command()
@click.argument("workspace", type=FOLDER)
@click.option("--data", type=FOLDER, help="Learn from this folder with labels.csv.")
@click.option("--dataset", "dataset_id", help="Learn from this dataset of the market.")
@click.option("--question", help="With --dataset: id of the question whose answer is the label.")
@click.option("--experiments", type=click.IntRange(1), help="Stop after this many more experiments.")
@click.option("--seconds", type=click.FloatRange(1), help="Stop before this much wall time is used up.")
@click.option("--program", type=FILE, help="Replace the workspace's program.md first.")
@SERVER
@JSON
def loop(
    workspace: Path,
    data: Path | None,
    dataset_id: str | None,
    question: str | None,
    experiments: int | None,
    seconds: float | None,
    program: Path | None,
    server: str | None,
    as_json: bool,
) -> None:
    """Experiment up to the limits given; goes on where an earlier call, even a killed one, left off."""
    from research_runner import loop as loops
    from research_runner import program as programs
    from research_runner.results import Row
    from research_runner.workspace import Workspace

    begun: list[Row] = []

    def show(row: Row) -> None:
        if not begun and not as_json:
            click.echo("   #  status     metric    acc   effect  change")
        begun.append(row)
        effect = f"{row.effect:+.4f}" if row.effect is not None else ""
        metric = f"{row.metric:.4f}" if row.metric is not None else "-"
        accuracy = f"{row.accuracy:.3f}" if row.accuracy is not None else "-"
        line = f"{row.experiment:>4}  {row.status:<8} {metric:>8} {accuracy:>6} {effect:>8}  {row.description}"
        say(as_json, "experiment", line, msgspec.structs.asdict(row))

    with told():
        opened = Workspace(workspace)
        if program is not None:
            programs.read(program)
            (opened.root / "program.md").write_text(program.read_text(encoding="utf-8"), encoding="utf-8")
        if dataset_id is not None:
            data = fetch(opened.inner / "dataset", dataset_id, question, server)
        if data is not None:
            opened.use_data(data)
        summary = loops.run(opened, experiments, seconds, show, lambda line: say(as_json, "warning", line))
        words = f"{summary.experiments} experiments, {summary.kept} kept, {summary.seconds:.0f} s"
        say(as_json, "end", words, dataclasses.asdict(summary))


@main.command()
@click.argument("workspace", type=FOLDER)
def report(workspace: Path) -> None:
    """Write report.html: progress, costs, mistakes with pictures, the card."""
    from research_runner import report as reports
    from research_runner.workspace import Workspace

    with told():
        click.echo(reports.write(Workspace(workspace)))


@main.command()
@click.argument("workspace", type=FOLDER)
@click.option("--local", is_flag=True, help="Finish and measure the model, open the vault, but do not send it.")
@SERVER
@JSON
def publish(workspace: Path, local: bool, server: str | None, as_json: bool) -> None:
    """Train the finished model, check its graph, open the vault once, and send it to the market with its card."""
    from research_runner import client as clients
    from research_runner import final
    from research_runner import publish as publishing
    from research_runner.workspace import Workspace

    def step(line: str) -> None:
        say(as_json, "step", line)

    with told():
        opened = Workspace(workspace)
        if local:
            package = final.build(opened, step)
            told_of = msgspec.to_builtins(package)
            accuracy = package.measured.accuracy
            words = f"{package.folder}: vault {accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%})"
            say(as_json, "package", words, told_of)
            return
        with clients.from_environment(server) as client:
            model = publishing.publish(opened, client, step)
            say(as_json, "model", f"published {model['name']} version {model['version']}: {model['id']}", model)


@main.command()
@click.argument("workspace", type=FOLDER)
@click.argument("folder", type=FOLDER)
@click.option("--model", type=click.Choice(["first", "published"]), default="published", show_default=True)
@JSON
def score(workspace: Path, folder: Path, model: str, as_json: bool) -> None:
    """Accuracy on FOLDER, labelled photos that it never saw, of the first experiment's or the latest finished model."""
    from research_runner import final, unseen
    from research_runner.workspace import Workspace

    with told():
        opened = Workspace(workspace)
        onnx = final.first(opened) if model == "first" else final.built(opened).onnx
        found = unseen.score(opened, onnx, folder)
        accuracy = found.accuracy
        words = f"{accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f}) on {found.photos} photos"
        say(as_json, "score", words, {"model": model, **msgspec.to_builtins(found)})


@main.command()
@click.argument("workspace", type=FOLDER)
@click.argument("folder", type=FOLDER, required=False)
@JSON
def curve(workspace: Path, folder: Path | None, as_json: bool) -> None:
    """How accuracy grows with the number of photos, on val or on FOLDER, labelled photos that it never saw."""
    from research_runner import curve as curves
    from research_runner.workspace import Workspace

    def show(point: curves.Point) -> None:
        words = f"{point.photos:>6} photos  {point.accuracy:.4f} ({point.low:.4f} to {point.high:.4f})"
        say(as_json, "point", words, msgspec.to_builtins(point))

    with told():
        curves.measure(Workspace(workspace), folder, show)


def fetch(folder: Path, dataset_id: str, question: str | None, server: str | None) -> Path:
    from research_runner import client as clients
    from research_runner import dataset

    if question is None:
        raise RunnerError("--dataset needs --question: the id of the question whose answer is the label")
    with clients.from_environment(server) as client:
        return dataset.download(client, dataset_id, question, folder, {})


def read_drafts(path: Path) -> list[dict[str, Any]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
    except (OSError, msgspec.MsgspecError) as problem:
        raise RunnerError(f"{path} is not a JSON list of task drafts: {problem}") from problem


def read_money(text: str) -> Money:
    """50usd or 12.50eur, in minor units."""
    match = re.fullmatch(r"(\d+)(?:\.(\d{2}))?\s*([a-z]{3})", text.strip().lower())
    if match is None:
        raise RunnerError(f"{text!r} is not an amount such as 50usd or 12.50eur")
    return Money(int(match[1]) * 100 + int(match[2] or 0), match[3])


def say(as_json: bool, event: str, words: str, more: dict[str, Any] | None = None) -> None:
    """A line for a person, or {"event": …} for a machine."""
    click.echo(json.dumps({"event": event, **(more or {"detail": words})}) if as_json else words)


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


if __name__ == "__main__":
    main()

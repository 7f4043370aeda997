"""The whole loop in one command, over the HTTP API that phones and agents use: ask, observe, verify, pay, learn."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder with images and labels.csv (file,label,group); without it, handwritten digits.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Where the report goes.",
)
@click.option("--buy", type=click.IntRange(60, 20_000), default=440, show_default=True, help="Photos to buy.")
@click.option("--experiments", type=click.IntRange(1, 1000), default=12, show_default=True, help="Experiments to run.")
def main(data: Path | None, out: Path, buy: int, experiments: int) -> None:
    """The main job end to end on real images, from a priced task to a trained model, with a report."""
    from app.demo import story

    sys.exit(story.main(data, out, buy=buy, experiments=experiments))

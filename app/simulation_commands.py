"""The command of the simulated market."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from app.simulation.run import Run


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same market.")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True)
@click.option("--people", type=click.IntRange(1, 100_000), default=1500, show_default=True)
@click.option("--tasks", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True)
@click.option("--buyers", type=click.IntRange(1, 1000), default=30, show_default=True)
@click.option("--cities", type=click.IntRange(1, 12), default=6, show_default=True)
@click.option("--set", "others", multiple=True, metavar="NAME=VALUE", help="Any other parameter (docs/simulation.md).")
@click.option("--fixed", type=click.FloatRange(min=0, min_open=True), help="All at this part of the usual pay.")
@click.option("--rising", nargs=4, type=float, metavar="START TOP PERCENT STEPS", help="All at this rising schedule.")
@click.option("--quotes/--no-quotes", default=True, show_default=True, help="Forecasts are made and scored.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for numbers and pictures.")
def simulate(
    seed: int,
    days: int,
    people: int,
    tasks: int,
    buyers: int,
    cities: int,
    others: tuple[str, ...],
    fixed: float | None,
    rising: tuple[float, float, float, float] | None,
    quotes: bool,
    out: Path | None,
) -> None:
    """A made-up population in the real market, on a database of its own that is thrown away.

    Prints what came of it and whether the books are right; exit status 1 when a rule of the audit is broken.
    """
    import msgspec

    from app.simulation import pictures
    from app.simulation.parameters import Parameters, Pricing
    from app.simulation.run import simulate as run_all

    if fixed is not None and rising is not None:
        raise click.UsageError("Either --fixed or --rising.")
    given = {"seed": seed, "days": days, "people": people, "tasks": tasks, "buyers": buyers, "cities": cities}
    parsed = dict(_parsed(each) for each in others)
    try:
        parameters = msgspec.convert({**given, **parsed}, Parameters, strict=False)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"--set: {error}") from None
    pricing = Pricing(start=fixed) if fixed is not None else None
    if rising is not None:
        pricing = Pricing(start=rising[0], top=rising[1], percent=int(rising[2]), steps=int(rising[3]))
    done = run_all(parameters, pricing=pricing, quotes=quotes)
    _tell(done)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        numbers = msgspec.json.format(msgspec.json.encode(done.result), indent=2)
        (out / "result.json").write_bytes(numbers + b"\n")
        written = pictures.write(done.result, out)
        click.echo(f"{out}: result.json, {', '.join(path.name for path in written)}")
    if done.result.broken:
        sys.exit(1)


def _parsed(each: str) -> tuple[str, str]:
    name, equals, value = each.partition("=")
    if not equals:
        raise click.UsageError(f"--set {each}: NAME=VALUE is expected.")
    return name, value


def _tell(run: Run) -> None:
    found, whole = run.result, run.result.whole
    click.echo(f"seed {found.parameters.seed}: {whole.tasks} tasks in {run.seconds:.1f} s")
    for kind, each in {**found.by_kind, "all": whole}.items():
        hours = "" if each.median_h is None else f", median {each.median_h:.1f} h"
        spent = f"{each.paid / 100:,.2f} usd to people, {each.fees / 100:,.2f} in fees"
        click.echo(f"  {kind:8s} {each.share:6.1%} of {each.slots} slots filled in time{hours}; {spent}")
    for name, counted in (("claims", found.claims), ("answers", found.submissions), ("counts", found.counts)):
        click.echo(f"  {name}: " + ", ".join(f"{what} {count}" for what, count in counted.items()))
    if found.right is not None:
        click.echo(f"  {found.right:.1%} of the accepted answers are the truth; {found.earners} people earned")
    if found.calibration is not None and found.calibration.inside is not None:
        brier = found.calibration.brier
        click.echo(
            f"  forecasts of {found.calibration.tasks} tasks: the 80 % interval covers {found.calibration.inside:.1%}; "
            f"Brier score {brier.score:.4f}, by each kind's share {brier.base_rate:.4f}"
        )
    for act, (seconds, times) in run.acts.items():
        click.echo(f"  {act:18s} {times:8d} x {1000 * seconds / times:.2f} ms")
    for rule, example in found.broken.items():
        click.echo(f"broken: {rule}: such as {example}")
    if not found.broken:
        click.echo(f"audit: clean, {found.rules} invariants hold")

"""Run many lives, each on a database of its own; say which points were struck, and what was broken."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.simulation import points

FOLDERS = ("app.money", "app.gateways.stripe", "app.routes.operator")
MODULES = {
    "app.edge", "app.idempotency", "app.routes.funding", "app.routes.refunds", "app.routes.cards",
    "app.routes.payout_account", "app.routes.stripe_webhooks", "app.reconciliation",
    *(f"market.{name}" for name in (
        "funding", "cards", "charges", "top_ups", "refunds", "spending", "payouts", "payout_lines", "payout_accounts",
        "bank_payouts", "disputes", "fraud_warnings", "debts", "money_decisions", "reversals", "earnings", "decisions",
        "stripe_ops", "stripe_inbox", "stripe_balance", "operations_desk", "inbox_desk", "suspense", "matching",
        "switches", "ledger", "holds",
    )),
}  # fmt: skip


# What no life comes to: nobody appeals in them. tests/market has what becomes of that money.
OUTSIDE = {"app.routes.operator.appeals"}


def is_moneys(name: str) -> bool:
    """Whether a module is one that moves money, or leads to it."""
    return name not in OUTSIDE and (
        name in MODULES or any(name == folder or name.startswith(f"{folder}.") for folder in FOLDERS)
    )


def import_all() -> None:
    """Read every module that is instrumented, so that the list of points is whole before the first life."""
    for name in sorted(MODULES | {f"{folder}.{file.stem}" for folder in FOLDERS
                                  for file in (points.ROOT / Path(*folder.split("."))).glob("[!_]*.py")}):  # fmt: skip
        importlib.import_module(name)


async def one_life(
    dsn: str, folder: Path, seed: int, strikes: points.Strikes, steps: int
) -> tuple[list[str], int, str]:
    """(what is broken, how often somebody died, what happened)."""
    from tests.simulation import checks, world
    from tests.simulation.life import Life

    async with world.open_world(dsn, folder, seed, strikes) as opened:
        life = Life(opened)
        try:
            await life.begin()
            await (life.hunt() if strikes.hunted else life.live(steps))
            await life.rest()
            return await checks.broken(life), opened.deaths, ""
        except Exception:
            return [traceback.format_exc()], opened.deaths, "\n".join(opened.failures[-10:])


class Run:
    """All lives of one command, on one server."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.failed: dict[int, list[str]] = {}
        self.deaths = self.lives = 0
        self.in_vain = 0  # how many hunts in a row have struck nothing
        self.stopped = False
        self.seen: Counter[str] = Counter()

    def stop(self, *_: object) -> None:
        """After the life that runs; what has been found until then is told."""
        self.stopped = True

    def go(self) -> None:
        from app import migrate
        from app.embedded_postgres import EmbeddedPostgres
        from tests.conftest import named, run_sql, throw_away_folder

        settings = {"autovacuum": "off", "fsync": "off", "full_page_writes": "off", "max_connections": "60"}
        with throw_away_folder() as folder, EmbeddedPostgres(folder, settings) as server:
            run_sql(server.dsn, "CREATE DATABASE template_life")
            migrate.upgrade(named(server, "template_life"))
            asyncio.run(self._all(server.dsn, named(server, "life"), folder))

    async def _all(self, server: str, dsn: str, folder: Path) -> None:
        import_all()
        first, count = self.given.first, self.given.seeds
        for seed in range(first, first + count):
            await self._life(server, dsn, folder, seed, points.Strikes(seed, self.given.one_in))
            if self.stopped or (self.failed and self.given.until_broken):
                return
        for seed in range(first + count, first + count + self.given.hunt):
            strikes = self._hunt(seed)
            if self.stopped or not strikes.hunted or (self.failed and self.given.until_broken):
                return
            before = len(points.STRUCK)
            await self._life(server, dsn, folder, seed, strikes)
            self.in_vain = 0 if len(points.STRUCK) > before else self.in_vain + 1

    def _again(self, seed: int, strikes: points.Strikes) -> str:
        """How to have this very life again."""
        if not strikes.hunted:
            return (
                f"again: python -m tests.simulation --seed {seed} --steps {self.given.steps} --one-in {strikes.one_in}"
            )
        kept = Path(tempfile.gettempdir()) / f"sensorium-hunted-{seed}.json"
        kept.write_text(json.dumps({"points": sorted(strikes.hunted), "plan": strikes.plan}))
        return f"again: python -m tests.simulation --first {seed} --seeds 0 --hunt 1 --hunted {kept}"

    def _hunt(self, seed: int) -> points.Strikes:
        """What no dice has struck is struck when it is met."""
        from tests.simulation.life import plan

        if self.given.hunted:
            kept = json.loads(self.given.hunted.read_text())
            return points.Strikes(seed, 1, frozenset(kept["points"]), kept["plan"])
        left = frozenset(points.TOTAL - points.STRUCK)
        if self.given.until_met and points.MET.keys() >= points.TOTAL:
            left = frozenset()
        return points.Strikes(seed, 1, left, plan(left, self.in_vain))

    async def _life(self, server: str, dsn: str, folder: Path, seed: int, strikes: points.Strikes) -> None:
        from tests.simulation import world

        await world.execute(server, "CREATE DATABASE life TEMPLATE template_life STRATEGY FILE_COPY")
        began = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as data:
                wrong, deaths, said = await one_life(dsn, Path(data), seed, strikes, self.given.steps)
        finally:
            await world.execute(server, "DROP DATABASE life WITH (FORCE)")
        self.lives += 1
        self.deaths += deaths
        if wrong:
            self.failed[seed] = wrong
            print(f"seed {seed}: BROKEN", *wrong, said, self._again(seed, strikes), sep="\n  ", flush=True)
        elif self.given.verbose:
            struck = f"{len(points.STRUCK)} of {len(points.TOTAL)} points struck"
            print(f"seed {seed}: {deaths} deaths, {time.monotonic() - began:.2f} s; {struck}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=100, help="how many lives")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--steps", type=int, default=40, help="acts in a life")
    parser.add_argument("--one-in", type=int, default=12, help="each seed strikes one in so many points")
    parser.add_argument("--hunt", type=int, default=0, help="at most so many lives more, until every point was struck")
    parser.add_argument("--hunted", type=Path, help="hunt these points, from a file that a broken life has left")
    parser.add_argument("--until-met", action="store_true", help="hunt only until every point was met; fail if not")
    parser.add_argument("--require-all", action="store_true", help="fail when a point was never struck")
    parser.add_argument("--plant", choices=("fresh-keys", "silence-is-refusal", "no-transactions", "events-forgotten"),
                        help="put a bug in, to see it found")  # fmt: skip
    parser.add_argument("--until-broken", action="store_true", help="stop at the first that is broken")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--points", type=Path, help="write the list of points, and whether each was struck")
    given = parser.parse_args()
    if given.seed is not None:
        given.first, given.seeds, given.verbose = given.seed, 1, True
    points.install(is_moneys)
    from app import logs

    logs.configure("critical")
    if given.plant:
        from tests.simulation import planted

        planted.BUGS[given.plant]()
    run = Run(given)
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, run.stop)
    run.go()
    missed = sorted(points.TOTAL - points.STRUCK)
    took = time.monotonic() - began
    print(
        f"{run.lives} lives, {run.deaths} deaths, {len(run.failed)} broken, {took:.0f} s; "
        f"{len(points.TOTAL) - len(missed)} of {len(points.TOTAL)} points struck"
    )
    unmet = sorted(points.TOTAL - points.MET.keys())
    for what, some in (("never met", unmet), ("not struck", missed)):
        if some and (given.verbose or given.require_all or (given.until_met and some is unmet)):
            print(f"{what}:", *some[:60], sep="\n  ")
    if given.points:
        told = {point: "struck" if point in points.STRUCK else "met" if point in points.MET else "never met"
                for point in sorted(points.TOTAL)}  # fmt: skip
        given.points.write_text(json.dumps(told, indent=1))
    sys.exit(bool(run.failed or (given.require_all and missed) or (given.until_met and unmet)))


if __name__ == "__main__":
    main()

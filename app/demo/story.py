"""`sensorium demo`: a fresh system on free ports, the whole loop on it, a report, and nothing left behind."""

from __future__ import annotations

import asyncio
import csv
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.demo import agent as agents
from app.demo import learning, market, photos, report
from app.demo import scratch as scratches
from app.demo.market import Outcome
from app.demo.photos import BadData, Collection
from app.demo.report import Learned
from app.supervisor import System

SEED = 20
PEOPLE = 22
WANTED = 440
LEAST_ACCEPTED = 0.9  # of the honest photos; a set of real ones may hold a few that are copies

Say = Callable[[str], None]


def main(data: Path | None, out: Path, *, buy: int = WANTED, experiments: int = 12) -> int:
    """Run the demo; the process's exit status. data: a folder with labels.csv; out: where the report goes."""
    console = Console(highlight=False)
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {line}", soft_wrap=True)

    _end_as_by_ctrl_c()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (
            _collecting(data) as collected,
            scratches.folder() as scratch,
            (out / "system.log").open("wb") as log,
            System(scratch / "data", host="127.0.0.1", port=0, environment=_clean(), say=say, output=log) as system,
        ):
            say(f"the system runs at {system.url}")
            rows, failures = asyncio.run(_tell(system, collected, scratch, out, say, began, buy, experiments))
    except BadData as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        return 2
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return 130
    return conclude(console, rows, failures, out / "report.html")


@contextmanager
def _collecting(data: Path | None) -> Iterator[Future[Collection]]:
    """The photos to be taken. A folder is read before anything is started; our own digits are, while the system is."""
    with ThreadPoolExecutor(1) as executor:
        collected = executor.submit(_collection, data)
        if data is not None:
            collected.result()
        yield collected


def _collection(data: Path | None) -> Collection:
    try:
        return photos.folder(data, SEED) if data else photos.digits(SEED)
    except UnicodeError as error:
        raise BadData(f"{data}: labels.csv is not UTF-8 text ({error})") from None
    except csv.Error as error:
        raise BadData(f"{data}: labels.csv cannot be read ({error})") from None


def conclude(console: Console, rows: list[tuple[str, str]], failures: list[str], page: Path) -> int:
    """The last words, and the exit status: whatever failed is said."""
    table = Table(title="Sensorium demo", show_header=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(f"report: {page}")
    for failure in failures:
        console.print(f"[red]failed: {escape(failure)}[/red]", soft_wrap=True)
    return 1 if failures else 0


def _end_as_by_ctrl_c() -> None:
    """SIGTERM and SIGHUP clear up as Ctrl-C does: once, however often they come; a second Ctrl-C does not wait."""

    def interrupt(_number: int, _frame: object) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.raise_signal(signal.SIGINT)  # which asyncio turns into the end of what it runs

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what it puts in the background without
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, interrupt)


def _clean() -> dict[str, str]:
    """The environment without anything that would point the demo at a real database or a real Stripe."""
    import os

    from app import config

    return config.without_settings(os.environ)


async def _tell(
    system: System,
    collected: Future[Collection],
    scratch: Path,
    out: Path,
    say: Say,
    began: float,
    buy: int,
    experiments: int,
) -> tuple[list[tuple[str, str]], list[str]]:
    """The rows of the summary, and what failed."""
    collection = await asyncio.wrap_future(collected)
    hands, unseen = photos.divide(collection, buy, PEOPLE)
    quantities = [sum(len(hand) > j for hand in hands) for j in range(max(map(len, hands)))]
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        agent = await agents.open_account(client)
        say("an agent has signed up and is funded through Stripe's flow")
        drafts = agents.drafts(collection.name, collection.labels, quantities)
        results = (await agent.caller.post("/v1/tasks/batch", {"tasks": drafts}))["results"]
        tasks: list[dict[str, Any]] = [each["task"] for each in results]
        say(f"{len(tasks)} priced tasks for {sum(quantities)} photos are posted")
        outcome = await market.buy(client, agent, tasks, hands, unseen)
        say(f"{outcome.accepted} observations are bought, {len(outcome.refused)} cheats were refused")
        olu, pia = [await asyncio.to_thread(_operator, system, name) for name in ("Olu", "Pia")]
        await market.settle(client, outcome, olu, pia)
        say("the hold window is over; Olu's payout run, approved by Pia, is paid")
        learned = await learning.learn(agent, system.url, collection, unseen, scratch, out, say, experiments)
        account = await agent.caller.get("/v1/account")
        movements = await agents.movements(agent)
    broken = await asyncio.to_thread(_audit, system, say)
    rows = report.summary(collection, outcome, learned, account, not broken, time.monotonic() - began)
    report.write(out / "report.html", f"learning to tell one {collection.name} from another", rows, agent, outcome,
                 learned, movements)  # fmt: skip
    turned_down = agent.counts["submission.rejected"] - sum(map(report.caught, outcome.refused))
    return rows, failings(sum(quantities), turned_down, outcome, learned, broken)


def failings(wanted: int, turned_down: int, outcome: Outcome, learned: Learned, broken: list[str]) -> list[str]:
    """A line for each thing that the demo is to show and did not.

    wanted: photos that honest people were to take; turned_down: those the checks refused; broken: the audit's lines.
    """
    found = []
    if outcome.accepted < max(wanted - turned_down, LEAST_ACCEPTED * wanted):
        found.append(
            f"only {outcome.accepted} observations were accepted, of {wanted} photos wanted and {turned_down} refused"
        )
    for cheat in outcome.refused:
        if not report.caught(cheat):
            instead = "" if cheat["failed_check"] == "-" else f"but by {cheat['failed_check']}, "
            found.append(f"a cheat ({cheat['trick']}) was not caught by {cheat['check']}, {instead}{cheat['detail']}")
    if learned.final < learned.first:
        found.append(
            f"the published model names {learned.final:.4f} of the unseen photos rightly, "
            f"the first experiment's {learned.first:.4f}"
        )
    return found + [f"the audit: {line}" for line in broken]


def _operator(system: System, name: str) -> str:
    """An operator's key, made as an administrator makes it: on the command line."""
    said = subprocess.run(
        [sys.executable, "-m", "app.cli", "operator", "add", "--email", f"{name.lower()}@ops.example", "--name", name],
        env=system.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return next(word for word in said.stdout.split() if word.startswith("op_"))


def _audit(system: System, say: Say) -> list[str]:
    """What the audit found broken, or why there was none; nothing: the books are right."""
    said = subprocess.run(
        [sys.executable, "-m", "app.cli", "audit"], env=system.environment, capture_output=True, text=True, check=False
    )
    lines = (said.stdout.strip() or said.stderr.strip()).splitlines() or ["it said nothing"]
    say(f"audit: {lines[-1]}")
    return lines if said.returncode != 0 else []

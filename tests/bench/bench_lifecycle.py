"""Whole lifecycles through HTTP, beside pgbench with the bare statements on the same server in the same run.

A lifecycle: a task is posted, claimed, photographed, answered, judged, accepted, and settled in the ledger. Both have
50,000 finished tasks of history, eight clients, fsync on. BENCH_SECONDS (default 15) is the length of each measurement.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg

from app import postgres_binaries
from app.db import init_connection
from app.embedded_postgres import ROLE, EmbeddedPostgres
from app.supervisor import System
from app.worker import fast_loop
from market import accounts, ids, ledger, people
from market.audit import audit
from tests.bench import processor
from tests.bench.lifecycle_client import Market, Pair, live, pictures

T = TypeVar("T")
SECONDS = float(os.environ.get("BENCH_SECONDS", "15"))
CLIENTS = 8
SQL = Path(__file__).parent / "lifecycle"
BAR = 0.15
FUNDS = 10_000_000_000
PHOTOS_A_SECOND = 150


def main() -> None:
    """Measure both and print the ratio."""
    folder = Path(tempfile.mkdtemp(prefix="sensorium-bench-"))
    try:
        photos = pictures(int(2 * (SECONDS + 2) * PHOTOS_A_SECOND))
        with EmbeddedPostgres(folder / "database") as postgres:
            asyncio.run(_prepare_reference(postgres))
            before = _bare(postgres, SECONDS / 2)
            found = _service(folder, postgres, photos)
            after = _bare(postgres, SECONDS / 2)
        bare = (before + after) / 2
        print(f"\nbare statements (pgbench, before and after): {before:.0f} and {after:.0f} lifecycles a second")
        for name, rate in found.items():
            print(f"through HTTP, {name}: {rate:.1f} a second = {rate / bare:.3f} of the bare statements (bar: {BAR})")
    finally:
        shutil.rmtree(folder)


async def _prepare_reference(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute("CREATE DATABASE reference")
    finally:
        await connection.close()
    connection = await asyncpg.connect(postgres.dsn.replace("/sensorium?", "/reference?", 1))
    try:
        await connection.execute((SQL / "schema.sql").read_text())
    finally:
        await connection.close()


def _bare(postgres: EmbeddedPostgres, seconds: float) -> float:
    """Lifecycles a second of pgbench: every statement its own round trip, prepared."""
    command = [str(postgres_binaries.find() / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"]
    command += ["-T", str(max(1, round(seconds))), "-D", "buyers=1000", "-f", str(SQL / "lifecycle.sql")]
    command += ["-h", str(postgres.socket_folder), "-p", "5432", "-U", ROLE, "reference"]
    used = processor.seconds_by_part()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode != 0 or rate is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[-1000:]}")
    _print_processor(processor.between(used, processor.seconds_by_part()), float(rate[1]) * round(seconds))
    return float(rate[1])


def _service(folder: Path, postgres: EmbeddedPostgres, photos: list[bytes]) -> dict[str, float]:
    """Lifecycles a second of the service as it is started by `sensorium run`, for both ways of acceptance."""
    environment = {**os.environ, "DATABASE_URL": postgres.dsn, "SENSORIUM_LOG_LEVEL": "warning"}
    found = {}
    with System(folder / "service", port=0, environment=environment, output=subprocess.DEVNULL) as system:
        market = asyncio.run(_cast(postgres, system.url, photos))
        _quickly(live(market, 2))  # connections, caches and plans
        for mode, name in (("manual", "accepted by the buyer"), ("auto", "accepted by the verdict")):
            market.mode = mode
            market.timings.clear()
            market.done_at.clear()
            used = processor.seconds_by_part()
            took_s = _quickly(live(market, SECONDS))
            done = len(market.done_at)
            found[name] = done / took_s
            print(f"\n{name}: {done} lifecycles in {took_s:.1f} s")
            _print_requests(market)
            _print_processor(processor.between(used, processor.seconds_by_part()), done)
            if not market.photos:
                print("the photos ran out before the time: raise PHOTOS_A_SECOND")
        asyncio.run(_check(postgres, market))
    return found


def _quickly(work: Coroutine[None, None, T]) -> T:
    """On uvloop: the clients share the processors with what they measure, and should take as little as they can."""
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(work)


async def _cast(postgres: EmbeddedPostgres, url: str, photos: list[bytes]) -> Market:
    """History, then eight funded accounts and eight people with sessions."""
    connection = await asyncpg.connect(postgres.dsn)
    await init_connection(connection)
    try:
        async with connection.transaction():
            await connection.execute((SQL / "history.sql").read_text())
        await connection.execute("VACUUM ANALYZE")
        pairs = []
        async with connection.transaction():
            for n in range(CLIENTS):
                draft = accounts.AccountDraft(name=f"Ada {n}", email=f"ada{n}@example.com")
                opened, secret = await accounts.open_account(connection, draft)
                buyer = ledger.buyer(ids.read("account", opened.id))
                await ledger.post(
                    connection, "funding", f"bench {n}", [(ledger.CLEARING, FUNDS), (buyer, -FUNDS)],
                    currency="usd", actor="bench",
                )  # fmt: skip
                who = people.PersonDraft(email=f"bo{n}@example.com", display_name=f"Bo {n}", accept_terms=True)
                session = await people.open_session(connection, await people.sign_up(connection, who))
                pairs.append(Pair(secret, session))
    finally:
        await connection.close()
    parts = urlsplit(url)
    return Market(parts.hostname or "", parts.port or 0, pairs, photos, "manual")


async def _check(postgres: EmbeddedPostgres, market: Market) -> None:
    """What was measured must have happened, and the books must be right."""
    connection = await asyncpg.connect(postgres.dsn)
    await init_connection(connection)
    try:
        accepted = await connection.fetchval("SELECT count(*) FROM submission WHERE status = 'accepted'")
        open_ones = await connection.fetchval("SELECT count(*) FROM submission WHERE status <> 'accepted'")
        findings = await audit(connection)
    finally:
        await connection.close()
    if findings or open_ones:
        raise RuntimeError(f"{open_ones} submissions not accepted; audit: {findings}")
    print(f"\n{accepted} accepted submissions in the database, audit clean")


def _print_requests(market: Market) -> None:
    print(f"  {'':<24}{'number':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for name, seconds in market.timings.items():
        cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else seconds * 99
        print(f"  {name:<24}{len(seconds):>8}{cuts[49] * 1000:>9.1f}{cuts[98] * 1000:>9.1f}")


def _print_processor(used: dict[str, float], lifecycles: float) -> None:
    each = ", ".join(f"{part} {seconds / max(1, lifecycles) * 1000:.2f}" for part, seconds in used.items())
    print(f"  processor time, ms a lifecycle: {each}; together {sum(used.values()) / max(1, lifecycles) * 1000:.1f}")


if __name__ == "__main__":
    main()

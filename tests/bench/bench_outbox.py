"""The outbox under fire: transfers while the worker is killed every two seconds and a fifth of the calls end in silence
after Stripe has done them. Each effect must stand once at Stripe, and nothing may be stuck.

BENCH_OPERATIONS (5000) and BENCH_KILL_S (2) change its size. The same on a small scale is a test.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx

from app import config as configuration
from app import migrate
from app.db import open_database
from app.embedded_postgres import EmbeddedPostgres
from app.money.runs import queue_run
from market import operators, payouts
from market.audit import audit
from tests.app.stripe_sandbox import SECRET, Sandbox, running_sandbox
from tests.bench.bench_settlement import SQL, people_at_stripe

OPERATIONS = int(os.environ.get("BENCH_OPERATIONS", "5000"))
KILL_S = float(os.environ.get("BENCH_KILL_S", "2"))
SILENT = 0.2
STUCK_BAR_S = 60.0
PATIENCE_S = 1800.0
TIMEOUT_S = 1  # of a call to Stripe: silence is what is measured here, not how long we bear it


class Found(NamedTuple):
    """What came of it: how often each transfer stands, how long each operation took, how many kills and faults."""

    operations: int
    took_s: float
    kills: int
    tries: int
    silences: int
    times: list[float]  # seconds from first sent to settled, sorted
    doubled: int
    lost: int
    broken: list[str]


def main() -> None:
    """Run it and print what came of it."""
    found = go(OPERATIONS, KILL_S)
    last = found.times[-1]
    print(f"{found.operations} operations in {found.took_s:.0f} s, {found.kills} kills, {found.tries} tries, "
          f"{found.silences} calls done and not answered")  # fmt: skip
    print(f"lost {found.lost}, doubled {found.doubled}, audit: {found.broken or 'clean'}")
    middle, late = found.times[len(found.times) // 2], found.times[int(len(found.times) * 0.99)]
    print(f"from first sent to settled: p50 {middle:.1f} s, p99 {late:.1f} s, longest {last:.1f} s "
          f"(bar: {STUCK_BAR_S:.0f} s)")  # fmt: skip
    if found.lost or found.doubled or found.broken:
        raise RuntimeError("an effect is not there once")


def go(operations: int, kill_s: float) -> Found:
    """Pay a run of so many lines in that weather."""
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-") as name, running_sandbox() as sandbox:
        folder = Path(name)
        people_at_stripe(sandbox, operations)
        with EmbeddedPostgres(folder / "database") as postgres:
            migrate.upgrade(postgres.dsn)
            run = asyncio.run(_approved(postgres.dsn, operations))
            rule = {"fault": "timeout_after", "verb": "post", "path": "/v1/transfers$", "probability": SILENT,
                    "seed": 7, "delay_s": 5}  # fmt: skip
            httpx.post(f"{sandbox.url}/control/faults", json={"rules": [rule]}, trust_env=False).raise_for_status()
            began = time.monotonic()
            kills = _kill_again_and_again(folder, postgres.dsn, sandbox, run, kill_s)
            took_s = time.monotonic() - began
            shown = httpx.get(f"{sandbox.url}/control/faults", trust_env=False).json()
            silences = sum(rule["struck"] for rule in shown["rules"])
            return asyncio.run(_judged(postgres.dsn, sandbox, operations, took_s, kills, silences))


async def _approved(dsn: str, operations: int) -> str:
    """A run of so many people, executing, and its job queued."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(SQL.read_text().replace(":people", str(operations)).replace(":each", "1"))
    await connection.close()
    async with open_database(dsn) as database, database.transaction() as conn:
        made = [(await operators.add(conn, f"{name}@sensorium.example", name))[0] for name in ("olu", "pia")]
        rows = [await conn.fetchval("SELECT id FROM operator WHERE email = $1", each.email) for each in made]
        run = await payouts.make(conn, rows[0], "usd", 1)
        await payouts.submit(conn, rows[0], run)
        await payouts.approve(conn, rows[1], run)
        await payouts.execute(conn, rows[0], run)
        await queue_run(conn, run)
    return str(run)


def _kill_again_and_again(folder: Path, dsn: str, sandbox: Sandbox, run: str, kill_s: float) -> int:
    """Workers, one after the other, each killed after its time, until the run is over. How many were killed."""
    settings = {
        "DATABASE_URL": dsn, "SENSORIUM_DATA_DIR": str(folder / "data"), "SENSORIUM_SANDBOX": "true",
        "SENSORIUM_STRIPE_API_BASE": sandbox.url, "SENSORIUM_STRIPE_TIMEOUT_S": str(TIMEOUT_S),
        "STRIPE_WEBHOOK_SECRET": SECRET, "SENSORIUM_LOG_LEVEL": "error",
    }  # fmt: skip
    configuration.load(settings)
    kills, until = 0, time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "app.cli", "worker"], env={**os.environ, **settings},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(kill_s)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        kills += 1
        if asyncio.run(_over(dsn, run)):
            return kills
    raise RuntimeError("the run does not end")


async def _over(dsn: str, run: str) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        status = await connection.fetchval("SELECT status::text FROM payout_run WHERE id = $1::text::uuid", run)
        return status in ("done", "partial")
    finally:
        await connection.close()


async def _judged(dsn: str, sandbox: Sandbox, operations: int, took_s: float, kills: int, silences: int) -> Found:
    gateway = sandbox.gateway()
    stands: Counter[str] = Counter()
    async for one in gateway._all(gateway._client.v1.transfers.list_async, {}):
        stands[one["metadata"]["payout"]] += 1
    await gateway.close()
    async with open_database(dsn) as database, database.read() as conn:
        times = await conn.fetch(
            """SELECT extract(epoch FROM settled_at - first_sent_at)::float AS s, tries, status::text FROM stripe_op
               WHERE kind = 'transfer' ORDER BY 1"""
        )
        paid = await conn.fetchval("SELECT count(*) FROM payout WHERE status = 'paid'")
        broken = [each.rule for each in await audit(conn) if "payout" in each.rule or "run" in each.rule]
    doubled = sum(1 for count in stands.values() if count > 1)
    lost = operations - min(len(stands), paid)
    return Found(
        operations, took_s, kills, sum(row["tries"] for row in times), silences, [row["s"] for row in times], doubled,
        lost, broken,
    )  # fmt: skip


if __name__ == "__main__":
    main()

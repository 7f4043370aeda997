"""A payout run of many people: its preview, and the run itself beside bare transfers to the same sandbox.

10,000 people with 100,000 earnings (BENCH_PEOPLE for fewer). Bare: the official SDK sends transfers over as many
connections as the run does, with no database; before and after, since machines are noisy.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import asyncpg

from app import config as configuration
from app import migrate
from app.embedded_postgres import EmbeddedPostgres
from app.gateways.stripe import StripeGateway
from app.money.runs import SENDERS_AT_ONCE, pay_run
from app.sandbox.stripe.store import Store
from app.worker import fast_loop
from market import ids
from market.audit import audit
from tests.app.conftest import Caller, World, ok, operator, running
from tests.app.stripe_sandbox import Sandbox, running_sandbox
from tests.bench import processor

PEOPLE = int(os.environ.get("BENCH_PEOPLE", "10000"))
EACH = 10
SQL = Path(__file__).parent / "settlement" / "history.sql"
PREVIEW_BAR_S, OVERHEAD_BAR = 2.0, 0.20
RUNS = "/v1/operator/payout-runs"


def main() -> None:
    """Measure both and print seconds and the ratio."""
    with tempfile.TemporaryDirectory(prefix="sensorium-bench-") as folder, running_sandbox() as sandbox:
        people_at_stripe(sandbox, PEOPLE)
        with EmbeddedPostgres(Path(folder) / "database") as postgres:
            migrate.upgrade(postgres.dsn)
            with asyncio.Runner(loop_factory=fast_loop()) as runner:
                runner.run(_measure(postgres.dsn, Path(folder), sandbox))


def people_at_stripe(sandbox: Sandbox, people: int) -> None:
    """So many recipients, all able to receive, and enough money, in the sandbox's file."""
    gateway_made = asyncio.run(_one_recipient(sandbox))
    sandbox.end()
    with closing(sqlite3.connect(sandbox.state)) as file:
        [body] = file.execute("SELECT body FROM object WHERE id = ?", (gateway_made,)).fetchone()
        account = json.loads(body)
        transfers = {"status": "active", "status_details": []}
        account["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"] = transfers
        rows = []
        for n in range(people):
            account["id"] = f"acct_bench{n + 1:012x}"
            rows.append((account["id"], "v2.core.account", json.dumps(account)))
        file.executemany("INSERT INTO object (id, kind, body) VALUES (?, ?, ?)", rows)
        file.execute(
            "INSERT INTO balance (account, currency, available) VALUES ('', 'usd', ?)", (PEOPLE * EACH * 1000,)
        )
        file.commit()
    Store(sandbox.state)._db.close()
    sandbox.start()


async def _one_recipient(sandbox: Sandbox) -> str:
    gateway = sandbox.gateway()
    made = await gateway.create_recipient("bench", "bench", "bench@example.com", "Bench", "us")
    await gateway.close()
    return made.id


async def _measure(dsn: str, folder: Path, sandbox: Sandbox) -> None:
    connection = await asyncpg.connect(dsn)
    script = SQL.read_text().replace(":people", str(PEOPLE)).replace(":each", str(EACH))
    await connection.execute(script)
    await connection.execute("ANALYZE")
    await connection.close()
    settings = {"DATABASE_URL": dsn, "SENSORIUM_DATA_DIR": str(folder / "data"), "SENSORIUM_SANDBOX": "true"}
    config = configuration.load({**settings, "SENSORIUM_STRIPE_API_BASE": sandbox.url})
    async with running(config) as world:
        olu, pia = await operator(world, "Olu"), await operator(world, "Pia")
        await _preview(olu)
        await _run(world, sandbox, olu, pia)
        async with world.services.database.read() as reading:
            # The history is the benchmark's own, so only what concerns payouts can hold.
            found = [each for each in await audit(reading) if "payout" in each.rule or "run" in each.rule]
        if found:
            raise RuntimeError(f"the books are wrong: {found}")


async def _preview(olu: Caller) -> None:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        found = ok(await olu.get(f"{RUNS}/preview?currency=usd&minimum=100"))
        took.append(time.perf_counter() - began)
    print(
        f"preview of {PEOPLE} people with {PEOPLE * EACH} earnings: median {statistics.median(took):.2f} s, "
        f"worst {max(took):.2f} s (bar: {PREVIEW_BAR_S:.0f} s); {found['total']['count']} lines"
    )


async def _run(world: World, sandbox: Sandbox, olu: Caller, pia: Caller) -> None:
    began = time.perf_counter()
    run = ok(await olu.post(RUNS, {"minimum": 100}), 201)
    made_s = time.perf_counter() - began
    ok(await olu.post(f"{RUNS}/{run['id']}/submit"))
    ok(await pia.post(f"{RUNS}/{run['id']}/approve"))
    print(f"made and frozen in {made_s:.2f} s; {run['total']['count']} lines")
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    share = max(200, PEOPLE // 5)
    before = await _bare(sandbox, share)
    used = processor.seconds_by_part()
    began = time.perf_counter()
    await pay_run(world.services, {"run": str(ids.read("payout_run", run["id"]))})
    took_s = time.perf_counter() - began
    spent = processor.between(used, processor.seconds_by_part())
    after = await _bare(sandbox, share)
    done = ok(await olu.get(f"{RUNS}/{run['id']}"))
    paid = done["totals"].get("paid", {"count": 0})["count"]
    if done["status"] != "done" or paid != PEOPLE:
        raise RuntimeError(f"the run is {done['status']}: {done['totals']}")
    bare, rate = 2 * share / (share / before + share / after), PEOPLE / took_s
    print(f"bare transfers: {before:.0f} and {after:.0f} a second; the run: {rate:.0f} a second, {took_s:.1f} s in all")
    print(f"the run's own overhead: {bare / rate - 1:+.1%} over the bare rate (bar: {OVERHEAD_BAR:.0%})")
    each = ", ".join(f"{part} {seconds / PEOPLE * 1000:.2f}" for part, seconds in spent.items())
    print(f"  processor time, ms a transfer: {each}")


async def _bare(sandbox: Sandbox, count: int) -> float:
    """Transfers a second of the SDK alone."""
    gateway = StripeGateway("sk_test_bench", "whsec_" + "0" * 64, sandbox.url)
    left = iter(range(count))
    group = f"bare {uuid4()}"

    async def send() -> None:
        for n in left:
            await gateway.create_transfer(
                f"bare:{uuid4()}", amount=1, currency="usd", destination=f"acct_bench{1 + n % PEOPLE:012x}",
                group=group, metadata={"payout": f"bare {uuid4()}", "person": "nobody"},
            )  # fmt: skip

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS_AT_ONCE)))
    took_s = time.perf_counter() - began
    await gateway.close()
    return count / took_s


if __name__ == "__main__":
    main()

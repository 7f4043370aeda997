"""One process at a time pays a run, and takes no connection from others; a line that cannot be settled waits alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack

from app.db import Database
from app.money.outgoing import Outcome, ask
from app.money.runs import settle_together
from market import ids, ledger, payout_lines, stripe_balance
from tests.app.conftest import Caller, World, ok, person
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_payout_runs import RUNS, approved, buyer, earn, row

__all__ = ["buyer", "desk", "world"]

NAME = "payout_run of these tests"
HOLDER = """
import asyncio, sys
from app.db import open_database

async def hold():
    async with open_database(sys.argv[1], name="holder") as database, database.holding(sys.argv[2]) as alone:
        print(alone, flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


async def free_again(database: Database) -> None:
    """Returns when the lock can be had: nothing of it times out by itself."""
    async with asyncio.timeout(20):
        while True:
            async with database.holding(NAME) as alone:
                if alone:
                    return
            await asyncio.sleep(0.01)


async def test_whoever_holds_a_run_takes_no_connection_of_the_pool_and_holds_it_alone(world: World) -> None:
    database = world.services.database
    most = database.pool.get_max_size()
    async with AsyncExitStack() as stack:
        held = [await stack.enter_async_context(database.holding(f"{NAME} {n}")) for n in range(most + 2)]
        assert held == [True] * (most + 2)
        # With more locks held than the pool has connections, all its connections are there, at one time.
        taken = [await stack.enter_async_context(database.transaction()) for _ in range(most)]
        assert [await each.fetchval("SELECT 1") for each in taken] == [1] * most
        async with database.holding(f"{NAME} 0") as second, database.holding("another run") as other:
            assert (second, other) == (False, True)
    async with database.holding(f"{NAME} 0") as alone:
        assert alone


async def test_a_block_that_fails_lets_go_of_the_lock(world: World) -> None:
    database = world.services.database
    try:
        async with database.holding(NAME) as alone:
            assert alone
            raise RuntimeError("the run cannot be paid")
    except RuntimeError:
        pass
    await free_again(database)


async def test_the_lock_of_a_process_that_is_killed_is_free_at_once(world: World) -> None:
    database = world.services.database
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, database.signals.url, NAME, stdout=asyncio.subprocess.PIPE, cwd=os.getcwd()
    )
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"True\n"
        async with database.holding(NAME) as alone:
            assert not alone
    finally:
        holder.send_signal(signal.SIGKILL)
        await holder.wait()
    await free_again(database)


async def test_the_lock_of_a_connection_that_is_cut_is_free_at_once(world: World) -> None:
    database = world.services.database
    async with database.holding(NAME) as alone, database.read() as connection:
        assert alone
        cut = """SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE l.locktype = 'advisory' AND application_name = 'sensorium-lock'
                   AND datname = current_database()"""
        assert [each[0] for each in await connection.fetch(cut)] == [True]
        await free_again(database)


async def test_of_several_transfers_the_one_that_cannot_be_settled_waits_and_the_others_do_not(
    desk: Desk, buyer: Caller, bo: Caller, olu: Caller, pia: Caller
) -> None:
    services = desk.world.services
    people = [bo, await person(desk.world, "Dee"), await person(desk.world, "Eve")]
    for each in people:
        await desk.onboard(each)
        await earn(desk.world, buyer, each, 1_000)
    run = await approved(olu, pia)
    ok(await olu.post(f"{RUNS}/{run['id']}/execute"))
    async with services.database.transaction() as connection:
        _, ops, _ = await payout_lines.plan_lines(connection, ids.read("payout_run", run["id"]), 10, 10_000)
    gathered = [(op, await ask(services, op)) for op in ops]
    assert len(gathered) == 3
    op, answer = gathered[1]
    assert isinstance(answer, Outcome) and answer.line is not None
    async with services.database.transaction() as connection:
        await ledger.post(
            connection, "test", "something-else", [(ledger.LOSSES, 1), (ledger.FEE_INCOME, -1)],
            currency="usd", actor="test",
        )  # fmt: skip
        await stripe_balance.mirror(connection, answer.line, "something-else")
    await settle_together(services, gathered)
    lines = {each["id"]: each["status"] for each in ok(await olu.get(f"{RUNS}/{run['id']}"))["lines"]}
    waits = ids.show("payout", op.subject)
    assert lines.pop(waits) == "planned" and list(lines.values()) == ["paid", "paid"]
    states = "SELECT array_agg(status::text ORDER BY status::text) FROM stripe_op WHERE kind = 'transfer'"
    assert await row(desk, states) == ["sending", "succeeded", "succeeded"]
    assert (
        await row(desk, "SELECT ledger_key FROM stripe_balance_txn WHERE id = $1", answer.line.id) == "something-else"
    )
    # When it is mended, the same answer settles it.
    async with services.database.transaction() as connection:
        await connection.execute("UPDATE stripe_balance_txn SET ledger_key = NULL WHERE id = $1", answer.line.id)
    await settle_together(services, [gathered[1]])
    await desk.rest()
    assert ok(await olu.get(f"{RUNS}/{run['id']}"))["status"] == "done"
    await desk.agrees()

"""Payout runs are paid: lines are planned some at a time, and a run ends when none is left."""

from __future__ import annotations

from uuid import UUID

import structlog

from app.db import EVENTS, Connection, wake
from app.jobs import Payload, enqueue, handler
from app.money.outgoing import queue_op
from app.services import Services
from market import payout_lines

log = structlog.get_logger()

LINES_AT_ONCE = 50


async def queue_run(connection: Connection, run: UUID) -> None:
    """Go on with an executing run soon after this transaction has committed."""
    await enqueue(connection, "payout_run", {"run": str(run)}, only_one=f"payout_run:{run}")


@handler("payout_run")
async def pay_run(services: Services, payload: Payload) -> None:
    """Set money aside and plan transfers, some lines in each transaction, until no line is left."""
    run, looked = UUID(payload["run"]), LINES_AT_ONCE
    while looked == LINES_AT_ONCE:
        async with services.database.transaction() as connection:
            looked, ops = await payout_lines.plan_lines(connection, run, LINES_AT_ONCE)
            for op in ops:
                await queue_op(connection, op)
    await finish(services, run)


async def finish(services: Services, run: UUID) -> None:
    """End the run if it is over."""
    async with services.database.transaction() as connection:
        status = await payout_lines.finish(connection, run)
        wake(EVENTS)
    if status is not None:
        log.info("payout run ended", run=str(run), status=status)


async def finish_all(services: Services) -> None:
    """End what is over: a line may have been the last of its run."""
    async with services.database.read() as connection:
        under_way = await payout_lines.executing(connection)
    for run in under_way:
        await finish(services, run)

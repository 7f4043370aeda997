"""Background work: durable jobs on the same database, and sweeps that make the passing of time take effect.

    await enqueue(call.connection, "judge", {"submission_id": …})      inside the caller's transaction

    @handler("judge")
    async def judge(services: Services, payload: Payload) -> None: …

A job runs at least once: what a killed worker leaves is taken up again within `HEARTBEAT_TIMEOUT`, so a handler must
do no harm when it runs again. A job that fails is tried again, later each time; one that goes on failing is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import structlog
from pgqueuer import QueueManager
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.executors import AbstractEntrypointExecutor, DatabaseRetryEntrypointExecutor
from pgqueuer.domain.types import QueueExecutionMode
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from app.db import JOBS, Connection, create_plain_pool, wake
from app.services import Services

log = structlog.get_logger()

Payload = dict[str, Any]
Handler = Callable[[Services, Payload], Awaitable[None]]
Sweep = Callable[[Services], Awaitable[object]]

HEARTBEAT_TIMEOUT = timedelta(seconds=6)
POLL = timedelta(seconds=2)  # for what no wake-up announces: retries that are due, jobs of the dead
RESTART_S = 1.0
DRAIN_POLL = timedelta(seconds=0.02)
BATCH = 10
AT_ONCE = 20
FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(minutes=5)


class _Handled(NamedTuple):
    run: Handler
    attempts: int


class _Swept(NamedTuple):
    run: Sweep
    every_s: float


_handlers: dict[str, _Handled] = {}
_sweeps: dict[str, _Swept] = {}


def handler(kind: str, *, attempts: int = 12) -> Callable[[Handler], Handler]:
    """Declare what runs jobs of `kind`; after so many failed attempts (over half an hour by default) it is given up."""

    def register(run: Handler) -> Handler:
        if kind in _handlers:
            raise ValueError(f"two handlers for jobs of kind {kind!r}")
        _handlers[kind] = _Handled(run, attempts)
        return run

    return register


def sweep(name: str, *, every_s: float) -> Callable[[Sweep], Sweep]:
    """Declare something that workers do again and again; it must be harmless when two do it at once."""

    def register(run: Sweep) -> Sweep:
        if name in _sweeps:
            raise ValueError(f"two sweeps named {name!r}")
        _sweeps[name] = _Swept(run, every_s)
        return run

    return register


async def enqueue(
    connection: Connection, kind: str, payload: Payload, *, after_s: float = 0, only_one: str | None = None
) -> None:
    """Add a job in the transaction of `connection`: it exists if and only if that commits.

    after_s: not before so many seconds · only_one: while a job with this text waits or runs, no second one is added.
    """
    await connection.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, status)
           VALUES (0, $1, $2, now() + $3, $4, 'queued')
           ON CONFLICT (dedupe_key)
             WHERE status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status]) AND dedupe_key IS NOT NULL
             DO NOTHING""",
        kind,
        msgspec.json.encode(payload),
        timedelta(seconds=after_s),
        only_one,
    )
    wake(JOBS)


async def work(services: Services, stop: asyncio.Event) -> None:
    """Run jobs and sweeps until `stop` is set; jobs that run then are finished first."""
    sweeping = [asyncio.create_task(_sweep_on(services, name, each)) for name, each in _sweeps.items()]
    try:
        while not stop.is_set():
            try:
                await _run_queue(services, QueueExecutionMode.continuous, stop)
            except Exception:
                # The database was restarted, or a connection was cut: what waits in it is still there.
                log.exception("queue interrupted")
                await asyncio.sleep(RESTART_S)
    finally:
        for task in sweeping:
            task.cancel()
        await asyncio.gather(*sweeping, return_exceptions=True)


async def drain(services: Services) -> None:
    """Run all jobs that are due, and return when none is left."""
    await _run_queue(services, QueueExecutionMode.drain, asyncio.Event())


async def sweep_once(services: Services) -> None:
    """Do each sweep now, as when the sandbox's clock has been moved."""
    for name, each in _sweeps.items():
        try:
            await each.run(services)
        except Exception:
            log.exception("sweep failed", sweep=name)


async def _run_queue(services: Services, mode: QueueExecutionMode, stop: asyncio.Event) -> None:
    # A pool without our jsonb codec: pgqueuer passes jsonb as text.
    async with create_plain_pool(services.config.database_url, largest=5) as pool:
        manager = QueueManager(Queries(AsyncpgPoolDriver(pool)))
        for kind, handled in _handlers.items():
            _register(manager, services, kind, handled)

        async def pass_on_stop() -> None:
            await stop.wait()
            manager.shutdown.set()

        stopping = asyncio.create_task(pass_on_stop())
        try:
            await manager.run(
                dequeue_timeout=POLL if mode is QueueExecutionMode.continuous else DRAIN_POLL,
                batch_size=BATCH,
                max_concurrent_tasks=AT_ONCE,
                mode=mode,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                shutdown_on_listener_failure=True,
                log_aggregation_interval=timedelta(0),  # nobody reads the statistics
            )
        finally:
            stopping.cancel()
            with suppress(asyncio.CancelledError):
                await stopping


def _register(manager: QueueManager, services: Services, kind: str, handled: _Handled) -> None:
    def make_executor(parameters: Any) -> AbstractEntrypointExecutor:
        return DatabaseRetryEntrypointExecutor(
            parameters, max_attempts=handled.attempts, initial_delay=FIRST_RETRY, max_delay=LONGEST_RETRY
        )

    async def run(job: Job) -> None:
        await handled.run(services, msgspec.json.decode(job.payload or b"{}"))

    manager.entrypoint(kind, accepts_context=False, on_failure="hold", executor_factory=make_executor)(run)


async def _sweep_on(services: Services, name: str, each: _Swept) -> None:
    while True:
        try:
            await each.run(services)
        except Exception:
            # The next round may well succeed; a sweep that stopped would stop the market's time.
            log.exception("sweep failed", sweep=name)
        await asyncio.sleep(each.every_s)


@sweep("job log", every_s=600)
async def forget_old_jobs(services: Services) -> None:
    """Drop the queue's log of what went well; what failed stays for a month."""
    async with services.database.transaction() as connection:
        await connection.execute(
            """DELETE FROM pgqueuer_log WHERE created < now() - interval '1 hour'
               AND (status <> 'exception' OR created < now() - interval '30 days')"""
        )

"""The market as its people reach it: each act is a transaction at a moment of the market's clock, on one connection."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

from app import migrate
from app.db import Connection, open_database
from app.demo.scratch import folder
from app.embedded_postgres import EmbeddedPostgres
from market import clock

# A Monday, far enough ahead: the market's clock never goes back.
BEGINS = datetime(2040, 1, 2, tzinfo=UTC)
# The cluster is thrown away, so nothing needs to survive a crash.
SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "TimeZone": "UTC", "max_connections": "20",
    "max_wal_size": "4GB", "autovacuum_naptime": "15s",
    "plan_cache_mode": "force_generic_plan",  # planning what is near by takes longer than finding it
}  # fmt: skip


@contextmanager
def scratch() -> Iterator[str]:
    """The URL of a fresh database at this version's schema, gone at the end; one of a run that was killed goes with the
    next run."""
    with folder() as ours, EmbeddedPostgres(ours / "database", SETTINGS) as postgres:
        migrate.upgrade(postgres.dsn)
        yield postgres.dsn


class Service:
    """One connection, and how long each kind of act has taken: `spent` in seconds, `times` how often."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.spent: dict[str, float] = defaultdict(float)
        self.times: dict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def at(self, seconds: float, act: str) -> AsyncIterator[Connection]:
        """A transaction in which the market's clock reads so many seconds since the beginning."""
        begun = time.perf_counter()
        try:
            async with self.connection.transaction():
                await clock.set_to(self.connection, BEGINS + timedelta(seconds=seconds))
                yield self.connection
        finally:
            self.spent[act] += time.perf_counter() - begun
            self.times[act] += 1


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Service]:
    """The service on the database at `url`."""
    async with open_database(url, largest=1, name="sensorium-simulation") as database, database.read() as connection:
        yield Service(connection)

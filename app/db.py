"""The pool, and the only BEGIN and COMMIT of the service.

One request is one transaction: `Database.transaction()` commits when its block ends well, which is before the answer is
sent, and rolls back on any exception. So a handler that refuses must raise; one that returned an error would commit.
Reads take `Database.read()`, which saves the two round trips of BEGIN and COMMIT.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, TypeAlias

import asyncpg
import msgspec
import structlog

log = structlog.get_logger()

Connection: TypeAlias = asyncpg.Connection
# What the edge must recognise of the driver's errors, so that nothing else in app/ imports the driver.
UniqueViolation = asyncpg.UniqueViolationError


def is_beyond(error: Exception) -> bool:
    """Whether a statement failed because a value is more than its column or parameter can hold."""
    return type(error) is asyncpg.DataError or isinstance(error, _BEYOND)


def is_day_closed(error: Exception) -> bool:
    """Whether a posting came just after the close of the day in which its transaction began; now is a later day."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == "LG007"


_BEYOND = (
    asyncpg.NumericValueOutOfRangeError,
    asyncpg.DatetimeFieldOverflowError,
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
)


class DatabaseAway(Exception):
    """No connection to the database can be had."""


Unavailable = (
    DatabaseAway,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the driver says when the server goes away at the wrong moment
    ConnectionError,
)

# Whatever the database may say or do to a statement of ours, for those who go on working without it.
DatabaseFault = (*Unavailable, asyncpg.PostgresError, OSError)

# Somebody appended to the event log; somebody enqueued a job (the name is pgqueuer's, which listens there itself).
EVENTS = "sensorium_events"
JOBS = "ch_pgqueuer"

# Wake-ups asked for inside the running transaction; sent once it has committed, never before.
_wakes: ContextVar[set[str] | None] = ContextVar("wakes", default=None)

STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 10_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
ACQUIRE_TIMEOUT_S = 10
# The first wake-up leaves at once, those within this time after it together: under load, fewer and fuller looks.
SPACING_S = 0.05
RECONNECT_S = 1.0


def wake(channel: str) -> None:
    """Notify the listeners of `channel` when the transaction around this call has committed; outside one, nothing."""
    wakes = _wakes.get()
    if wakes is not None:
        wakes.add(channel)


def _encode_json(value: object) -> bytes:
    # Binary jsonb is a version byte and the text.
    return b"\x01" + msgspec.json.encode(value)


def _decode_json(value: bytes) -> Any:
    return msgspec.json.decode(value[1:])


async def init_connection(connection: Connection) -> None:
    """jsonb travels as Python values; json as well. uuid, timestamptz and bytea are asyncpg's own."""
    await connection.set_type_codec(
        "jsonb", encoder=_encode_json, decoder=_decode_json, schema="pg_catalog", format="binary"
    )


async def _keep_session(connection: Connection) -> None:
    """Nothing here changes session state, so the pool need not spend a round trip on resetting it."""


async def create_pool(url: str, *, smallest: int = 1, largest: int = 10, name: str = "sensorium") -> asyncpg.Pool:
    """A pool of connections that speak jsonb and give up on stuck statements and locks."""
    return await asyncpg.create_pool(
        url,
        min_size=smallest,
        max_size=largest,
        init=init_connection,
        reset=_keep_session,
        max_inactive_connection_lifetime=300,
        command_timeout=60,
        server_settings={
            "application_name": name,
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
            # Statements here take milliseconds; compiling them would take longer.
            "jit": "off",
        },
    )


def create_plain_pool(url: str, *, largest: int) -> asyncpg.Pool:
    """A pool for the job queue, which brings its own ideas of jsonb; to be entered with `async with`."""
    return asyncpg.create_pool(
        url,
        min_size=1,
        max_size=largest,
        reset=_keep_session,
        command_timeout=60,
        server_settings={"application_name": "sensorium-queue", "jit": "off"},
    )


# What pgqueuer wants to hear; the others only look up.
_NOTIFY = """
    SELECT pg_notify(channel, json_build_object('channel', channel, 'operation', 'insert', 'sent_at', clock_timestamp(),
                                                'table', 'pgqueuer', 'type', 'table_changed_event')::text)
    FROM unnest($1::text[]) AS channel
"""


class Signals:
    """Named wake-ups between the processes on one database. They carry nothing but "look again".

    A NOTIFY inside a writing transaction holds a lock of the whole database until its commit is on disk, which would
    make all writers wait for one another. So it is sent on its own right after the commit, many at a time. When a
    process dies between the two, waiters learn of the change at their next look, which every waiter takes anyway.
    """

    def __init__(self, url: str, pool: asyncpg.Pool) -> None:
        self.url = url
        self._pool = pool
        self._due: set[str] = set()
        self._sending: asyncio.Task[None] | None = None
        self._flags: dict[str, asyncio.Event] = {}
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (self._sending, self._listening):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def send(self, channel: str) -> None:
        """Wake the listeners of `channel` in every process, soon; calls close together become one."""
        self._due.add(channel)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_due())

    async def _send_due(self) -> None:
        while self._due:
            due, self._due = self._due, set()
            try:
                await self._pool.execute(_NOTIFY, list(due))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("wake-up not sent", channels=sorted(due), error=str(error))
            await asyncio.sleep(SPACING_S)

    def flag(self, channel: str) -> asyncio.Event:
        """An event that is set at the next wake-up of `channel`. Take it before looking, wait on it after."""
        if channel not in self._flags:
            self._flags[channel] = asyncio.Event()
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        return self._flags[channel]

    def _raise_flag(self, channel: str) -> None:
        flag = self._flags.pop(channel, None)
        if flag is not None:
            flag.set()

    async def _listen(self) -> None:
        """Hold one connection of its own on the event channel; when it is lost, wake everyone and connect again."""
        while True:
            lost = asyncio.Event()
            try:
                connection = await asyncpg.connect(self.url, server_settings={"application_name": "sensorium-listen"})
                try:
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    await connection.add_listener(EVENTS, lambda _c, _pid, name, _payload: self._raise_flag(name))
                    # Whatever happened while nobody listened must be looked at.
                    self._raise_all()
                    await lost.wait()
                finally:
                    await connection.close(timeout=2)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("listening connection lost", error=str(error))
            self._raise_all()
            await asyncio.sleep(RECONNECT_S)

    def _raise_all(self) -> None:
        for channel in list(self._flags):
            self._raise_flag(channel)


class Database:
    """The service's way to PostgreSQL: a pool, and the signals that follow a commit."""

    def __init__(self, pool: asyncpg.Pool, signals: Signals) -> None:
        self.pool = pool
        self.signals = signals

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection where each statement stands alone. Raises DatabaseAway when none is free or to be had."""
        try:
            connection = await self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseAway(str(error) or type(error).__name__) from error
        try:
            yield connection
        finally:
            await self.pool.release(connection)

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """A connection for one writing statement, which is a transaction by itself and needs no BEGIN and COMMIT."""
        wakes: set[str] = set()
        token = _wakes.set(wakes)
        try:
            async with self.read() as connection:
                yield connection
        finally:
            _wakes.reset(token)
        for channel in wakes:
            self.signals.send(channel)

    @asynccontextmanager
    async def transaction(self, connection: Connection | None = None) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed when the block ends, rolled back when it raises.

        `connection` is one from `read()` to go on with; without it one is taken from the pool.
        """
        if connection is None:
            async with self.read() as fresh, self.transaction(fresh) as begun:
                yield begun
            return
        wakes: set[str] = set()
        token = _wakes.set(wakes)
        try:
            async with connection.transaction():
                yield connection
        finally:
            _wakes.reset(token)
        for channel in wakes:
            self.signals.send(channel)

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[bool]:
        """Whether we alone hold `name` while the block lasts, which may be long: so on a connection of its own.

        The lock is the session's: it dies with the process.
        """
        try:
            connection = await asyncpg.connect(
                self.signals.url, timeout=ACQUIRE_TIMEOUT_S, server_settings={"application_name": "sensorium-lock"}
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseAway(str(error) or type(error).__name__) from error
        try:
            yield await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name)
            await connection.close(timeout=2)
        finally:
            connection.terminate()


@asynccontextmanager
async def open_database(
    url: str, *, smallest: int = 1, largest: int = 10, name: str = "sensorium"
) -> AsyncIterator[Database]:
    """The database for one process, closed with everything that it holds."""
    pool = await create_pool(url, smallest=smallest, largest=largest, name=name)
    try:
        async with Signals(url, pool) as signals:
            yield Database(pool, signals)
    finally:
        # A connection that is still busy after this is cut: whoever holds it has been told to stop before.
        try:
            await asyncio.wait_for(pool.close(), 5)
        except TimeoutError:
            pool.terminate()

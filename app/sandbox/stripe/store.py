"""The sandbox's memory: one SQLite file (WAL, fsync on every commit), one writer thread, one savepoint a call.

Calls that wait while another is written share one commit. An acknowledged call is on disk before its answer leaves, and
so is the outbox row of every event it caused: `kill -9` at any moment loses neither. What falls due later (`scheduled`)
happens before the first call after its time.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import string
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from app.sandbox.stripe.errors import StripeRefusal, invalid, missing
from app.sandbox.stripe.tables import TABLES, bring_up_to_date
from app.sandbox.stripe.webhook_rules import NEVER, WebhookQueue

Object = dict[str, Any]
Result = TypeVar("Result")
ALPHABET = (string.ascii_letters + string.digits).encode()
CHARACTERS = bytes(ALPHABET[byte % len(ALPHABET)] for byte in range(256))
DEFAULT_LIMIT = 10  # objects on a page of a list


def new_id(prefix: str) -> str:
    return f"{prefix}_{os.urandom(24).translate(CHARACTERS).decode()}"


def text_of(thing: Object) -> str:
    """An object as JSON."""
    return msgspec.json.encode(thing).decode()


def copied(thing: Object) -> Object:
    """An object of its own, as JSON would have it."""
    found: Object = msgspec.json.decode(msgspec.json.encode(thing))
    return found


@dataclass
class Conditions:
    """What the control door sets and a restart keeps."""

    ahead_s: float = 0.0
    """How far the sandbox's clock is ahead of the machine's."""
    pending_s: int = 0
    """How long a card payment stays pending before transfers can use it."""
    most_listed: int = 0
    """A page of any list has no more than so many, whatever its caller asks for; 0: as many as asked."""


class State:
    """What one call may read and write; alive only inside its transaction."""

    def __init__(self, db: sqlite3.Connection, now: float, conditions: Conditions, webhooks: WebhookQueue) -> None:
        self.db = db
        self.now = int(now)
        self.conditions = conditions
        self.webhooks = webhooks
        self.soonest = inf
        """The earliest time that this call has scheduled something for."""

    def put(self, thing: Object, account: str = "") -> Object:
        """Insert or replace by id. The kind is the object's own `object` field, and whose it is when not ours."""
        self.db.execute(
            "INSERT INTO object (id, kind, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (thing["id"], kind_of(thing["object"], account), text_of(thing)),
        )
        return thing

    def find(self, identifier: str) -> Object | None:
        row = self.db.execute("SELECT body FROM object WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else dict(msgspec.json.decode(row[0]))

    def get(self, kind: str, identifier: str, account: str = "") -> Object:
        """Raises `StripeRefusal` (404) when the account ('': the platform) has no such object of that kind."""
        row = self.db.execute("SELECT kind, body FROM object WHERE id = ?", (identifier,)).fetchone()
        if row is None or row[0] != kind_of(kind, account):
            raise missing(kind, identifier)
        return dict(msgspec.json.decode(row[1]))

    def owner(self, identifier: str) -> str:
        """The connected account that an object belongs to, '' for the platform."""
        row = self.db.execute("SELECT kind FROM object WHERE id = ?", (identifier,)).fetchone()
        return "" if row is None else str(row[0]).partition("@")[2]

    def page(self, kind: str, params: dict[str, Any], filters: dict[str, Any], url: str, account: str = "") -> Object:
        """A v1 list, newest first. `filters` maps field names of the object to wanted values; None means any."""
        kind = kind_of(kind, account)
        where, values = ["kind = ?"], [kind]
        for name, value in filters.items():
            if value is not None:
                where.append(f"json_extract(body, '$.{name}') = ?")
                values.append(value)
        found, more = self._page("object", "kind = ?", kind, where, values, params)
        return {"object": "list", "url": url, "has_more": more, "data": found}

    def _page(
        self, table: str, own: str, kind: str, where: list[str], values: list[Any], params: dict[str, Any]
    ) -> tuple[list[Object], bool]:
        limit = int(params.get("limit", DEFAULT_LIMIT))
        if not 1 <= limit <= 100:
            raise invalid("Invalid limit: must be between 1 and 100", param="limit")
        created = params.get("created")
        if created is not None:
            bounds = created if isinstance(created, dict) else {"gte": created, "lte": created}
            for name, sign in (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")):
                if name in bounds:
                    where.append(f"json_extract(body, '$.created') {sign} ?")
                    values.append(bounds[name])
        forward = "ending_before" not in params
        cursor = params.get("starting_after") if forward else params["ending_before"]
        if cursor is not None:
            row = self.db.execute(f"SELECT seq FROM {table} WHERE id = ? AND {own}", (cursor, kind)).fetchone()
            if row is None:
                raise missing(kind, cursor)
            where.append("seq < ?" if forward else "seq > ?")
            values.append(row[0])
        order = "DESC" if forward else "ASC"
        rows = self.db.execute(
            f"SELECT body FROM {table} WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?", (*values, limit + 1)
        ).fetchall()
        found = [msgspec.json.decode(row[0]) for row in rows[:limit]]
        return (found if forward else found[::-1]), len(rows) > limit

    def available(self, account: str, currency: str) -> int:
        """Minor units. The platform's own account is ''."""
        row = self.db.execute(
            "SELECT available FROM balance WHERE account = ? AND currency = ?", (account, currency)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def move(self, account: str, currency: str, available: int, pending: int = 0) -> None:
        self.db.execute(
            "INSERT INTO balance (account, currency, available, pending) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " available = available + excluded.available, pending = pending + excluded.pending",
            (account, currency, available, pending),
        )

    def balances(self, account: str) -> list[tuple[str, int, int]]:
        """(currency, available, pending) of an account."""
        return self.db.execute(
            "SELECT currency, available, pending FROM balance WHERE account = ? ORDER BY currency", (account,)
        ).fetchall()

    def schedule(self, due: float, action: str, object_id: str, **details: Any) -> None:
        """Let one of `schedule.ACTIONS` happen to an object once the sandbox's clock reaches `due`."""
        self.db.execute(
            "INSERT INTO scheduled (due, action, object_id, details) VALUES (?, ?, ?, ?)",
            (due, action, object_id, text_of(details)),
        )
        self.soonest = min(self.soonest, due)

    def unschedule(self, action: str, object_id: str) -> None:
        self.db.execute("DELETE FROM scheduled WHERE action = ? AND object_id = ?", (action, object_id))

    def hurry(self, action: str) -> None:
        """Take up, before the next call, everything of this kind that waits without a time."""
        moved = self.db.execute(
            "UPDATE scheduled SET due = ? WHERE action = ? AND due = ?", (self.now, action, NEVER)
        ).rowcount
        if moved:
            self.soonest = min(self.soonest, self.now)

    def record_event(self, event: Object, object_id: str, deliver: bool) -> None:
        """Write the event and, in the same transaction, its place in the delivery queue."""
        cursor = self.db.execute(
            "INSERT INTO event (id, kind, type, object_id, body) VALUES (?, ?, ?, ?, ?)",
            (event["id"], event["object"], event["type"], object_id, text_of(event)),
        )
        if deliver:
            self.webhooks.queue(self.db, int(cursor.lastrowid or 0))

    def events(
        self, kind: str, params: dict[str, Any], types: list[str], object_id: str | None, since: int | str
    ) -> tuple[list[Object], bool]:
        """Newest first. since: the `created` of the oldest that is still kept, in the form that this kind has."""
        where, values = ["kind = ?", "json_extract(body, '$.created') >= ?"], [kind, since]
        if types:
            where.append(f"type IN ({', '.join('?' * len(types))})")
            values.extend(types)
        if object_id is not None:
            where.append("object_id = ?")
            values.append(object_id)
        if "delivery_success" in params:
            unsent = "" if not params["delivery_success"] else "NOT "
            where.append(f"seq {unsent}IN (SELECT event_seq FROM delivery)")
        return self._page("event", "kind = ?", kind, where, values, params)

    def event(self, kind: str, identifier: str) -> Object:
        row = self.db.execute("SELECT body FROM event WHERE id = ? AND kind = ?", (identifier, kind)).fetchone()
        if row is None:
            raise missing("event", identifier)
        return dict(msgspec.json.decode(row[0]))


def kind_of(name: str, account: str) -> str:
    """What connected accounts own is kept apart from what is ours."""
    return f"{name}@{account}" if account else name


class _Job(NamedTuple):
    """A call's work, and whom it is done for."""

    work: Callable[[State], Any]
    answer: asyncio.Future[Any]


class Store:
    """Owns the file. `run` executes work in the writer thread: all of it happens, or nothing."""

    def __init__(self, path: Path, *, inline: bool = False) -> None:
        """`inline`: work runs in the caller's thread and nothing is synced to the disk, for sandboxes of one test."""
        if str(path) != ":memory:":
            path.parent.mkdir(parents=True, exist_ok=True)
        self._thread = None if inline else ThreadPoolExecutor(1, thread_name_prefix="stripe-sandbox-state")
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._db.execute(f"PRAGMA journal_mode = {'MEMORY' if inline else 'WAL'}")
        self._db.execute(f"PRAGMA synchronous = {'OFF' if inline else 'FULL'}")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA temp_store = MEMORY")  # what a savepoint may have to restore
        self._db.executescript(TABLES)
        bring_up_to_date(self._db)
        self._db.execute("UPDATE delivery SET attempts = 0, due = 0 WHERE due < ?", (NEVER,))
        self.conditions = self._kept_conditions()
        self.webhooks = WebhookQueue()
        self.committed = asyncio.Event()
        """Set after every call's commit, so that the delivery loop need not poll."""
        self.perform_due: Callable[[State], None] = lambda state: None
        """Does what `scheduled` says is due; set by whoever knows the actions."""
        self._next_due = self._soonest()
        self._waiting: list[_Job] = []
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def now(self) -> float:
        """The sandbox's own clock, seconds since 1970."""
        return time.time() + self.conditions.ahead_s

    async def run(self, work: Callable[[State], Result]) -> Result:
        try:
            return await self.run_quietly(work)
        finally:
            self.committed.set()

    async def run_quietly(self, work: Callable[[State], Result]) -> Result:
        """The same without waking the delivery loop, for that loop itself."""
        if self._thread is None:
            return self._transaction(work)
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._idle.is_set():
            self._write_next()
        return await job.answer  # type: ignore[no-any-return]

    def _write_next(self) -> None:
        """Hand everything that waits to the writer thread, together."""
        jobs, self._waiting = self._waiting, []
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._write, [job.work for job in jobs])
        self._idle.clear()
        done.add_done_callback(partial(self._written, jobs))

    def _written(self, jobs: list[_Job], done: asyncio.Future[list[tuple[Any, BaseException | None]]]) -> None:
        if self._waiting:
            self._write_next()
        else:
            self._idle.set()
        failure = done.exception()
        results = [(None, failure)] * len(jobs) if failure is not None else done.result()
        for job, (result, error) in zip(jobs, results, strict=True):
            if job.answer.done():
                continue  # whoever asked has gone
            if error is None:
                job.answer.set_result(result)
            else:
                job.answer.set_exception(error)

    def _write(self, works: Sequence[Callable[[State], Any]]) -> list[tuple[Any, BaseException | None]]:
        """What each came to. Raises when the commit fails: then none of it has happened."""
        results: list[tuple[Any, BaseException | None]] = []
        with self._committed():
            for work in works:
                try:
                    results.append((self._call(work), None))
                except Exception as error:  # its own affair: it is undone, and the others stand
                    if not self._db.in_transaction:
                        raise  # a full disk, say: SQLite has undone everything
                    results.append((None, error))
        return results

    def _transaction(self, work: Callable[[State], Result]) -> Result:
        """A call alone, in the caller's own thread."""
        [(result, error)] = self._write([work])
        if error is not None:
            raise error
        return cast(Result, result)

    @contextmanager
    def _committed(self) -> Iterator[None]:
        known = self._next_due
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._next_due = known
            raise

    def _call(self, work: Callable[[State], Result]) -> Result:
        """Inside a transaction: what is due by now, and then the call."""
        if self.now >= self._next_due:
            self._saved(self.perform_due)
            self._next_due = self._soonest()
        return self._saved(work)

    def _saved(self, work: Callable[[State], Result]) -> Result:
        state = State(self._db, self.now, self.conditions, self.webhooks)
        self._db.execute("SAVEPOINT call")
        kept = False
        try:
            result = work(state)
            kept = True
        except StripeRefusal as refusal:
            kept = refusal.keeps_effects
            raise
        finally:
            if kept:
                self._next_due = min(self._next_due, state.soonest)
            if self._db.in_transaction:
                if not kept:
                    self._db.execute("ROLLBACK TO call")
                self._db.execute("RELEASE call")
        return result

    def _soonest(self) -> float:
        found = self._db.execute("SELECT min(due) FROM scheduled").fetchone()[0]
        return inf if found is None else float(found)

    def _kept_conditions(self) -> Conditions:
        kept = dict(self._db.execute("SELECT name, value FROM condition").fetchall())
        return Conditions(float(kept.get("ahead_s", 0)), int(kept.get("pending_s", 0)), int(kept.get("most_listed", 0)))

    async def set_condition(self, name: str, value: float) -> None:
        """Change one of the `Conditions` and keep it."""
        sql = "INSERT INTO condition VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
        await self.run(lambda state: state.db.execute(sql, (name, value)))
        setattr(self.conditions, name, value)

    async def close(self) -> None:
        if self._thread is None:
            self._db.close()
            return
        await self._idle.wait()  # what was asked for is done first
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()

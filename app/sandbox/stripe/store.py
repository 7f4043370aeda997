"""The sandbox's memory: one SQLite file (WAL, fsync on every commit), one writer thread, one transaction a call.

An acknowledged call is on disk before its answer leaves, and so is the outbox row of every event it caused: `kill -9`
at any moment loses neither.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import string
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from app.sandbox.stripe.errors import StripeRefusal, invalid, missing

Object = dict[str, Any]
Result = TypeVar("Result")
ALPHABET = string.ascii_letters + string.digits
TABLES = """
CREATE TABLE IF NOT EXISTS object (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_by_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_by_group ON object (kind, json_extract(body, '$.transfer_group'), seq);
CREATE INDEX IF NOT EXISTS object_by_customer ON object (kind, json_extract(body, '$.customer'), seq);
CREATE INDEX IF NOT EXISTS object_by_source ON object (kind, json_extract(body, '$.source'), seq);
CREATE TABLE IF NOT EXISTS balance (
  account TEXT NOT NULL, currency TEXT NOT NULL, available INTEGER NOT NULL, PRIMARY KEY (account, currency));
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, type TEXT NOT NULL,
  object_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
  event_seq INTEGER PRIMARY KEY REFERENCES event, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  last_error TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due);
CREATE TABLE IF NOT EXISTS idempotency (
  scope TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
  created REAL NOT NULL, PRIMARY KEY (scope, key));
"""


def new_id(prefix: str) -> str:
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(24))


class State:
    """What one call may read and write; alive only inside its transaction."""

    def __init__(self, db: sqlite3.Connection, now: float) -> None:
        self.db = db
        self.now = int(now)

    def put(self, thing: Object) -> Object:
        """Insert or replace by id. The kind is the object's own `object` field."""
        self.db.execute(
            "INSERT INTO object (id, kind, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (thing["id"], thing["object"], json.dumps(thing)),
        )
        return thing

    def find(self, identifier: str) -> Object | None:
        row = self.db.execute("SELECT body FROM object WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def get(self, kind: str, identifier: str) -> Object:
        """Raises `StripeRefusal` (404) when there is no such object of that kind."""
        found = self.find(identifier)
        if found is None or found["object"] != kind:
            raise missing(kind, identifier)
        return found

    def page(self, kind: str, params: dict[str, Any], filters: dict[str, Any], url: str) -> Object:
        """A v1 list, newest first. `filters` maps field names of the object to wanted values; None means any."""
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
        limit = int(params.get("limit", 10))
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
        found = [json.loads(row[0]) for row in rows[:limit]]
        return (found if forward else found[::-1]), len(rows) > limit

    def available(self, account: str, currency: str) -> int:
        """Minor units. The platform's own account is ''."""
        row = self.db.execute(
            "SELECT available FROM balance WHERE account = ? AND currency = ?", (account, currency)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def move(self, account: str, currency: str, amount: int) -> None:
        self.db.execute(
            "INSERT INTO balance VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET available = available + excluded.available",
            (account, currency, amount),
        )

    def balances(self, account: str) -> list[tuple[str, int]]:
        return self.db.execute(
            "SELECT currency, available FROM balance WHERE account = ? ORDER BY currency", (account,)
        ).fetchall()

    def record_event(self, event: Object, object_id: str, deliver: bool) -> None:
        """Write the event and, in the same transaction, its place in the delivery queue."""
        cursor = self.db.execute(
            "INSERT INTO event (id, kind, type, object_id, body) VALUES (?, ?, ?, ?, ?)",
            (event["id"], event["object"], event["type"], object_id, json.dumps(event)),
        )
        if deliver:
            self.db.execute("INSERT INTO delivery (event_seq, due) VALUES (?, ?)", (cursor.lastrowid, 0.0))

    def events(
        self, kind: str, params: dict[str, Any], types: list[str], object_id: str | None
    ) -> tuple[list[Object], bool]:
        where, values = ["kind = ?"], [kind]
        if types:
            where.append(f"type IN ({', '.join('?' * len(types))})")
            values.extend(types)
        if object_id is not None:
            where.append("object_id = ?")
            values.append(object_id)
        return self._page("event", "kind = ?", kind, where, values, params)

    def event(self, kind: str, identifier: str) -> Object:
        row = self.db.execute("SELECT body FROM event WHERE id = ? AND kind = ?", (identifier, kind)).fetchone()
        if row is None:
            raise missing("event", identifier)
        return dict(json.loads(row[0]))


class Store:
    """Owns the file. `run` executes work in the writer thread inside one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stripe-sandbox-state")
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(TABLES)
        self._db.execute("UPDATE delivery SET attempts = 0, due = 0")
        self.committed = asyncio.Event()
        """Set after every call's commit, so that the delivery loop need not poll."""

    async def run(self, work: Callable[[State], Result]) -> Result:
        try:
            return await self.run_quietly(work)
        finally:
            self.committed.set()

    async def run_quietly(self, work: Callable[[State], Result]) -> Result:
        """The same without waking the delivery loop, for that loop itself."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)

    def _transaction(self, work: Callable[[State], Result]) -> Result:
        with self._begun() as state:
            return work(state)

    @contextmanager
    def _begun(self) -> Iterator[State]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield State(self._db, time.time())
        except StripeRefusal as refusal:
            self._db.execute("COMMIT" if refusal.keeps_effects else "ROLLBACK")
            raise
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()

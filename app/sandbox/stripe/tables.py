"""The tables of the sandbox's file, and what a file of an earlier version lacks."""

from __future__ import annotations

import sqlite3

TABLES = """
CREATE TABLE IF NOT EXISTS object (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_by_kind ON object (kind, seq);
CREATE TABLE IF NOT EXISTS balance (
  account TEXT NOT NULL, currency TEXT NOT NULL, available INTEGER NOT NULL, pending INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, currency));
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, type TEXT NOT NULL,
  object_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, event_seq INTEGER NOT NULL REFERENCES event,
  manner TEXT NOT NULL DEFAULT '', rank REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  due REAL NOT NULL, last_error TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS idempotency (
  scope TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
  created REAL NOT NULL, PRIMARY KEY (scope, key));
CREATE INDEX IF NOT EXISTS idempotency_by_age ON idempotency (scope, created);
CREATE TABLE IF NOT EXISTS scheduled (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, action TEXT NOT NULL, object_id TEXT NOT NULL,
  details TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS scheduled_by_due ON scheduled (due);
CREATE INDEX IF NOT EXISTS scheduled_by_action ON scheduled (action, object_id);
CREATE TABLE IF NOT EXISTS condition (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""
# What lists are filtered by; of each index, only the objects that have it: most have none.
FIELDS = ("transfer_group", "customer", "source")
INDEXES = """
DROP INDEX IF EXISTS object_by_group;
DROP INDEX IF EXISTS object_by_customer;
DROP INDEX IF EXISTS object_by_source;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due);
CREATE INDEX IF NOT EXISTS delivery_by_event ON delivery (event_seq);
"""


def bring_up_to_date(db: sqlite3.Connection) -> None:
    """Give a file that an earlier version made the columns that have come since."""
    if "pending" not in _columns(db, "balance"):
        db.execute("ALTER TABLE balance ADD COLUMN pending INTEGER NOT NULL DEFAULT 0")
    if "manner" not in _columns(db, "delivery"):
        db.executescript(
            "ALTER TABLE delivery RENAME TO delivery_before; DROP INDEX IF EXISTS delivery_due;"
            + TABLES
            + "INSERT INTO delivery (event_seq, due) SELECT event_seq, 0 FROM delivery_before ORDER BY event_seq;"
            "DROP TABLE delivery_before;"
        )
    db.executescript(INDEXES)
    for name in FIELDS:
        its = f"json_extract(body, '$.{name}')"
        db.execute(f"CREATE INDEX IF NOT EXISTS object_of_{name} ON object ({its}, kind, seq) WHERE {its} IS NOT NULL")


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}

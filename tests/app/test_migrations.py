"""The schema goes up and down without a trace, is what docs/schema.sql says, and never stays half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from app import migrate, revisions
from app.embedded_postgres import EmbeddedPostgres
from tests.conftest import named, run_sql

ROOT = Path(__file__).resolve().parents[2]
HEADER = "from alembic import op\nfrom app.migrate import run_script\n"
GOOD = """
revision, down_revision = "one", None
def upgrade(): run_script(op, "CREATE TABLE first (x int); CREATE INDEX ON first (x); INSERT INTO first VALUES (1);")
def downgrade(): run_script(op, "DROP TABLE first")
"""
FAILING = """
revision, down_revision = "two", "one"
def upgrade(): run_script(op, "CREATE TABLE second (x int); UPDATE first SET x = 2; SELECT 1 / 0;")
def downgrade(): run_script(op, "DROP TABLE second")
"""
LOCKING = """
revision, down_revision = "two", "one"
def upgrade(): run_script(op, "CREATE TABLE second (x int); ALTER TABLE first ADD y int;")
def downgrade(): run_script(op, "DROP TABLE second")
"""


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    run_sql(postgres.dsn, "CREATE DATABASE migrations")
    yield named(postgres, "migrations")
    run_sql(postgres.dsn, "DROP DATABASE migrations WITH (FORCE)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of migrations with our env.py and a good first one."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text((ROOT / "alembic" / "env.py").read_text())
    (tmp_path / "versions" / "one.py").write_text(HEADER + GOOD)
    return tmp_path


def value(dsn: str, sql: str) -> object:
    async def body() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(body())


def test_the_schema_is_the_one_that_is_checked_in(empty_database: str) -> None:
    migrate.upgrade(empty_database)
    assert migrate.dump_schema(empty_database) == (ROOT / "docs" / "schema.sql").read_text(), (
        "the migrations and docs/schema.sql differ; when the change is meant: "
        "sensorium migrate --dump --data-dir $(mktemp -d) > docs/schema.sql"
    )


def test_every_migration_goes_up_down_and_up_again_to_the_same_schema(empty_database: str) -> None:
    line = revisions.known()
    schemas = {"base": migrate.dump_schema(empty_database)}
    for revision in line:
        migrate.upgrade(empty_database, revision)
        schemas[revision] = migrate.dump_schema(empty_database)
    for revision in [*line[-2::-1], "base"]:
        migrate.downgrade(empty_database, revision)
        assert migrate.dump_schema(empty_database) == schemas[revision], f"going back to {revision} leaves something"
    migrate.upgrade(empty_database)
    assert migrate.dump_schema(empty_database) == schemas[line[-1]]


RUNNING = """
INSERT INTO account (id, name, email) VALUES (gen_random_uuid(), 'Ada', 'ada@example.com');
INSERT INTO task (id, account_id, kind, title, instructions, purpose, opens_at, closes_at, evidence, acceptance,
    license, mode, reward, fee, currency, quantity, claim_ttl_s, review_deadline_s, every_s, per_round)
  SELECT gen_random_uuid(), id, 'reading', 'PM2.5', 'Measure.', 'A map.', now(), now() + interval '1 day', '{}', '{}',
    '{}', 'auto', 10, 1, 'usd', 100, 60, 60, each.every_s, each.per_round
  FROM account, (VALUES (3600, 7), (NULL, NULL)) AS each (every_s, per_round);
INSERT INTO photo_hash (n, task_id, sha256, pdq, quality, submitted_at)
  VALUES (1, gen_random_uuid(), sha256('photo'), sha256('looks'), 100, '2026-11-25T17:30:01Z');
INSERT INTO photo_word (word, seq) SELECT 1, seq FROM photo_hash;
"""


def test_what_ran_before_things_were_sold_once_goes_on_as_posted_and_the_erased_leave_less(empty_database: str) -> None:
    migrate.upgrade(empty_database, "0006_evidence")
    run_sql(empty_database, RUNNING)
    migrate.upgrade(empty_database, "0007_sold_once")
    assert value(empty_database, "SELECT array_agg(per_person ORDER BY per_person) FROM task") == [7, None]
    left = "SELECT task_id IS NULL AND submitted_at = '2026-11-25T00:00:00Z' FROM photo_hash"
    assert value(empty_database, left) is True
    migrate.downgrade(empty_database, "0006_evidence")
    assert value(empty_database, "SELECT count(*) FROM task") == 2
    assert value(empty_database, "SELECT count(*) FROM photo_hash") == 0


def test_going_up_twice_changes_nothing_and_the_revision_can_be_asked_for(empty_database: str) -> None:
    assert revisions.current(empty_database) is None
    migrate.upgrade(empty_database)
    before = migrate.dump_schema(empty_database)
    migrate.upgrade(empty_database)
    assert migrate.dump_schema(empty_database) == before
    assert revisions.current(empty_database) == revisions.newest()


def test_a_failing_migration_leaves_nothing_of_itself_and_all_of_those_before(
    empty_database: str, folder: Path
) -> None:
    (folder / "versions" / "two.py").write_text(HEADER + FAILING)
    with pytest.raises(asyncpg.DivisionByZeroError):
        migrate.upgrade(empty_database, migrations=folder)
    assert revisions.current(empty_database) == "one"
    assert value(empty_database, "SELECT to_regclass('second')::text") is None
    assert value(empty_database, "SELECT x FROM first") == 1


def test_a_migration_gives_up_on_a_table_that_stays_locked(
    empty_database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(empty_database, migrations=folder)
    (folder / "versions" / "two.py").write_text(HEADER + LOCKING)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_S", 0.2)

    async def hold_while_migrating() -> None:
        connection = await asyncpg.connect(empty_database)
        try:
            async with connection.transaction():
                await connection.execute("SELECT * FROM first")
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await asyncio.to_thread(migrate.upgrade, empty_database, "head", folder)
        finally:
            await connection.close()

    asyncio.run(hold_while_migrating())
    assert revisions.current(empty_database) == "one"
    assert value(empty_database, "SELECT to_regclass('second')::text") is None


def test_two_that_migrate_at_once_wait_for_each_other(empty_database: str) -> None:
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(migrate.upgrade, [empty_database] * 3))
    assert revisions.current(empty_database) == revisions.newest()


def test_files_are_named_after_their_revisions_which_form_one_line() -> None:
    from alembic.script import ScriptDirectory

    found = [each.revision for each in ScriptDirectory(str(revisions.folder())).walk_revisions()]
    assert found[::-1] == revisions.known()


def test_an_older_revision_is_recognised() -> None:
    assert revisions.is_older("base", than=revisions.newest())
    assert not revisions.is_older(revisions.newest(), than=revisions.newest())
    assert not revisions.is_older(revisions.newest(), than=None)


def test_a_database_out_of_reach_is_named_without_its_password() -> None:
    with pytest.raises(revisions.DatabaseProblem, match=r"postgresql://ada:\*\*\*@127\.0\.0\.1:1/x") as caught:
        migrate.upgrade("postgresql://ada:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)

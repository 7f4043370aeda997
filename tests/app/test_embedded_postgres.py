"""The embedded PostgreSQL keeps what it was given, lets nobody else in, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from app.embedded_postgres import EmbeddedPostgres
from app.folder_lock import FolderLock
from app.postgres_binaries import EmbeddedPostgresError
from tests.conftest import throw_away_folder

LAUNCHER = """
import sys, threading
from pathlib import Path
from app.embedded_postgres import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1])).start()
print(postgres.pid, postgres.owned, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    with throw_away_folder() as made:
        yield made


@pytest.fixture(scope="module")
def stopped_folder() -> Iterator[Path]:
    with throw_away_folder() as made:
        with EmbeddedPostgres(made):
            pass
        yield made


@pytest.fixture
def folder(stopped_folder: Path, empty_folder: Path) -> Path:
    """A data folder after a first start and a clean stop: making a cluster takes longer than most tests."""
    subprocess.run(["cp", "-a", f"{stopped_folder}/.", str(empty_folder)], check=True)
    return empty_folder


def ask(dsn: str, *statements: str) -> Any:
    """The single value that the last statement gives."""

    async def body() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(body())


def launch(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that runs the server of `folder`, and the server's pid, once it answers."""
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline().split()[0])


def ends(pid: int, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # those wait only to be counted by their parent
                time.sleep(0.05)
                continue
        return True
    return False


def test_data_is_kept_across_a_restart_and_the_second_start_is_quick(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        assert postgres.owned
        assert ask(postgres.dsn, "CREATE TABLE kept (x int)", "INSERT INTO kept VALUES (7) RETURNING x") == 7
    began = time.monotonic()
    with EmbeddedPostgres(folder) as postgres:
        assert time.monotonic() - began < 5
        assert ask(postgres.dsn, "SELECT x FROM kept") == 7


def test_a_clean_stop_leaves_no_process_and_no_socket(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        pid = postgres.pid
        assert pid is not None
        assert list(postgres.socket_folder.iterdir())
    assert ends(pid, within_s=0.5)
    assert not list(postgres.socket_folder.iterdir())
    assert not (postgres.cluster / "postmaster.pid").exists()


def test_no_server_outlives_a_killed_launcher_and_what_was_committed_is_there_in_ten_seconds(folder: Path) -> None:
    process, server_pid = launch(folder)
    dsn = EmbeddedPostgres(folder).dsn
    ask(dsn, "CREATE TABLE kept (x int)", "INSERT INTO kept SELECT generate_series(1, 5000)", "SELECT 1")
    process.kill()
    process.communicate()
    began = time.monotonic()
    with EmbeddedPostgres(folder) as postgres:
        assert time.monotonic() - began < 10
        assert ask(postgres.dsn, "SELECT count(*) FROM kept") == 5000
    assert ends(server_pid)


def test_a_killed_server_and_launcher_are_recovered_from(folder: Path) -> None:
    process, server_pid = launch(folder)
    ask(EmbeddedPostgres(folder).dsn, "CREATE TABLE kept (x int)", "INSERT INTO kept VALUES (1)", "SELECT 1")
    os.kill(server_pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    assert (folder / "postgres" / "postmaster.pid").exists(), "this is about a stale pid file"
    began = time.monotonic()
    with EmbeddedPostgres(folder) as postgres:
        assert time.monotonic() - began < 10
        assert ask(postgres.dsn, "SELECT x FROM kept") == 1


def test_a_stale_pid_file_that_names_somebody_elses_process_harms_neither(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        assert postgres.owned
    with subprocess.Popen(["sleep", "60"]) as stranger:
        # What a crash leaves, with a number that was given out again.
        (folder / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n/elsewhere\n1\n5432\n\n\n")
        (folder / "postgres" / "socket" / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        with EmbeddedPostgres(folder) as postgres:
            assert ask(postgres.dsn, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_lost_its_launcher_is_ended_before_another_starts(folder: Path) -> None:
    first = EmbeddedPostgres(folder).start()
    first._lock.release()  # as the kernel does when a launcher dies
    old_pid = first.pid
    assert old_pid is not None
    with EmbeddedPostgres(folder) as second:
        assert second.owned
        assert second.pid != old_pid
        assert first.exit_status() == 0
        assert ask(second.dsn, "SELECT 1") == 1


def test_the_server_lives_on_when_the_thread_that_started_it_ends(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    thread = threading.Thread(target=postgres.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.3)
        assert postgres.exit_status() is None
        assert ask(postgres.dsn, "SELECT 1") == 1
    finally:
        postgres.stop()


def test_it_keeps_what_it_acknowledges(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(postgres.dsn, f"SHOW {setting}") == "on"
        assert ask(postgres.dsn, "SHOW server_encoding") == "UTF8"


def test_it_listens_on_no_port_and_only_its_owner_reaches_the_socket(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        assert ask(postgres.dsn, "SHOW listen_addresses") == ""
        for guarded in (postgres.socket_folder, postgres.cluster, postgres.socket_folder / ".s.PGSQL.5432"):
            assert stat.S_IMODE(guarded.stat().st_mode) == 0o700
        assert (postgres.cluster / "pg_hba.conf").read_text() == "local all all peer map=sensorium\n"
        assert not ask(postgres.dsn, "SELECT usesuper FROM pg_user WHERE usename = current_user")
        assert postgres.cluster.stat().st_uid != 0


def test_two_data_folders_run_side_by_side(empty_folder: Path) -> None:
    with EmbeddedPostgres(empty_folder / "a") as a, EmbeddedPostgres(empty_folder / "b") as b:
        assert ask(a.dsn, "CREATE TABLE only_in_a (x int)", "SELECT to_regclass('only_in_a')::text") == "only_in_a"
        assert ask(b.dsn, "SELECT to_regclass('only_in_a')::text") is None


def test_a_second_start_joins_the_running_server_and_does_not_stop_it(folder: Path) -> None:
    with EmbeddedPostgres(folder) as first:
        with EmbeddedPostgres(folder) as second:
            assert not second.owned
            assert ask(second.dsn, "SELECT 1") == 1
        assert first.exit_status() is None
        assert ask(first.dsn, "SELECT 1") == 1


def test_of_several_that_start_at_once_one_launches_and_the_others_join(empty_folder: Path) -> None:
    starters = [EmbeddedPostgres(empty_folder) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda each: each.start(), starters))
    try:
        assert sorted(each.owned for each in starters) == [False, False, False, True]
        assert [ask(each.dsn, "SELECT 1") for each in starters] == [1, 1, 1, 1]
    finally:
        for each in starters:
            each.stop()


def test_a_folder_that_is_held_by_something_that_does_not_answer_is_said_to_be(empty_folder: Path) -> None:
    lock = FolderLock(empty_folder / "postgres.lock")
    assert lock.take()
    with pytest.raises(EmbeddedPostgresError, match=rf"pid {os.getpid()}\) holds .*postgres\.lock"):
        EmbeddedPostgres(empty_folder).start(timeout_s=0.3)
    lock.release()


@pytest.mark.parametrize("name", ["with space and 100% ünïcode", "x" * 150])
def test_a_data_folder_may_have_any_name_and_a_long_one_leaves_nothing_in_tmp(empty_folder: Path, name: str) -> None:
    with EmbeddedPostgres(empty_folder / name) as postgres:
        assert ask(postgres.dsn, "SELECT 1") == 1
        sockets = postgres.socket_folder
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        with EmbeddedPostgres(empty_folder / name) as second:
            assert not second.owned
    assert sockets.is_relative_to(empty_folder) or not sockets.exists()
    with EmbeddedPostgres(empty_folder / name) as postgres:
        assert ask(postgres.dsn, "SELECT 1") == 1


def test_the_folders_above_the_data_folder_may_be_closed_to_the_servers_user(empty_folder: Path) -> None:
    (empty_folder / "closed").mkdir(mode=0o700)
    with EmbeddedPostgres(empty_folder / "closed" / "deeper" / "data") as postgres:
        assert ask(postgres.dsn, "SELECT 1") == 1


def test_an_interrupted_first_start_is_begun_anew(empty_folder: Path) -> None:
    unfinished = empty_folder / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(empty_folder) as postgres:
        assert ask(postgres.dsn, "SELECT 1") == 1
    assert not unfinished.exists()


def test_the_data_of_another_version_is_refused_with_advice(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        cluster = postgres.cluster
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 16"):
        EmbeddedPostgres(folder).start()


def test_a_server_that_cannot_start_says_what_its_log_says(folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "shared_buffers"'):
        EmbeddedPostgres(folder, {"shared_buffers": "much"}).start()
    with EmbeddedPostgres(folder) as postgres:
        assert ask(postgres.dsn, "SELECT 1") == 1


def test_a_data_folder_that_is_a_file_is_refused(empty_folder: Path) -> None:
    (empty_folder / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="cannot make the data folder"):
        EmbeddedPostgres(empty_folder / "file").start()


async def test_it_can_be_started_inside_an_event_loop(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        connection = await asyncpg.connect(postgres.dsn)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


def test_a_dead_sockets_file_does_not_stop_a_start(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        path = postgres.socket_folder / ".s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with EmbeddedPostgres(folder) as postgres:
        assert ask(postgres.dsn, "SELECT 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_everything_lies_in_the_data_folder_even_after_a_kill(folder: Path) -> None:
    memory = Path("/dev/shm")
    process, server_pid = launch(folder)
    opened = {Path(line.split()[-1]) for line in Path(f"/proc/{server_pid}/maps").read_text().splitlines()}
    assert not [path for path in opened if path.parent == memory]
    os.kill(server_pid, signal.SIGKILL)
    process.kill()
    process.communicate()

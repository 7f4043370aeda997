"""The commands, each as the process that a person starts: what it prints, how it exits, what it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.cli import commands
from app.config import without_settings
from app.supervisor import CannotRun, System
from tests.app.test_embedded_postgres import ask
from tests.conftest import throw_away_folder

SENSORIUM = [sys.executable, "-m", "app.cli"]
PARTS = ("postgres", "serve", "app.cli worker", "app.sandbox.stripe")  # in the words of their command lines


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with throw_away_folder() as made:
        yield made


def sensorium(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**without_settings(os.environ), **settings}
    return subprocess.run([*SENSORIUM, *arguments], capture_output=True, text=True, env=environment, timeout=60)


class Running:
    """A `sensorium run` on free ports, and its URL once it is ready."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*SENSORIUM, "run", "--port", "0", "--data-dir", str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=without_settings(os.environ),
        )
        self.began = time.monotonic()
        self.url = ""
        self.lines: list[str] = []
        self.read_until("ready in")
        self.ready_after_s = time.monotonic() - self.began
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def read_until(self, wanted: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if " people " in line:
                self.url = line.split()[-1].removesuffix("/w")
            if wanted in line:
                return
        raise AssertionError(f"ended without saying {wanted!r}: {self.lines}")

    def part(self, word: str) -> psutil.Process:
        for each in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # one that has just ended
                if word in " ".join(each.cmdline()):
                    return each
        raise LookupError(word)

    def ends(self) -> int:
        status = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def alive(family: list[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Which of them still run after so many seconds."""
    return psutil.wait_procs(family, within_s)[1]


@pytest.fixture
def run(folder: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def body(*arguments: str) -> Running:
        started.append(Running(folder, *arguments))
        return started[-1]

    yield body
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.ends()
            assert not alive(each.family, 15)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        content: bytes = answer.read()
    return content


def test_run_brings_everything_up_and_sigterm_takes_it_down_in_order(run: Callable[..., Running], folder: Path) -> None:
    system = run()
    assert get(f"{system.url}/health/ready")
    for part in PARTS:
        assert system.part(part).is_running()
    assert (folder / "worker.ready").exists()
    system.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert system.ends() == 0
    assert time.monotonic() - began < 10
    assert not alive(system.family, 0)
    assert not (folder / "worker.ready").exists()


def test_ready_is_said_when_the_worker_is_ready_too(run: Callable[..., Running], folder: Path) -> None:
    (folder / "worker.ready").write_text("of one that was killed")
    run()
    assert (folder / "worker.ready").read_text() == ""


def test_nothing_outlives_a_killed_run_and_the_next_one_is_ready_in_ten_seconds(run: Callable[..., Running]) -> None:
    system = run()
    system.process.kill()
    system.ends()
    again = run()
    assert again.ready_after_s < 10
    assert not alive(system.family, 5)
    for each in [psutil.Process(again.process.pid), *again.family]:  # and now all of them at once
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    again.ends()
    assert not alive(again.family, 5)
    assert run().ready_after_s < 10


def test_a_part_that_dies_is_started_again_and_said_so(run: Callable[..., Running]) -> None:
    system = run()
    for word in PARTS:
        dead = system.part(word)
        orphans = dead.children(recursive=True)
        dead.kill()
        system.read_until("starting it again")
        assert comes_back(system, word, dead.pid), f"{word} did not come back"
        assert not alive(orphans, 5), f"what {word} had started must not go on without it"


def comes_back(system: Running, word: str, old_pid: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, LookupError):
            if system.part(word).pid != old_pid and get(f"{system.url}/health/ready"):
                return True
        time.sleep(0.1)
    return False


def test_while_it_runs_operators_are_added_a_second_run_is_refused_and_ctrl_c_ends_it(
    run: Callable[..., Running], folder: Path
) -> None:
    system = run()
    said = sensorium("operator", "add", "--email", "olu@example.org", "--name", "Olu", "--data-dir", str(folder))
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("op_")
    assert len(said.stdout.split()) == 1
    second = sensorium("run", "--port", "0", "--data-dir", str(folder))
    assert second.returncode == 1
    assert f"another system (pid {system.process.pid}) runs on {folder}" in second.stderr
    assert "Traceback" not in second.stderr
    system.process.send_signal(signal.SIGINT)
    assert system.ends() == 0
    assert not alive(system.family, 0)


def test_a_busy_port_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        said = sensorium("run", "--port", port, "--data-dir", str(tmp_path / "data"))
    assert said.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in said.stderr
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SENSORIUM_HOST": "1.2.3.4"}, "SENSORIUM_HOST '1.2.3.4' is no address of this machine"),
        ({"SENSORIUM_HOST": "a..b"}, "SENSORIUM_HOST 'a..b' is no address of this machine"),
        ({"SENSORIUM_MEDIA_URL": "/proc/nowhere"}, "SENSORIUM_MEDIA_URL: /proc/nowhere cannot be written to"),
        ({"SENSORIUM_DATA_DIR": "/proc/nowhere"}, "SENSORIUM_DATA_DIR: /proc/nowhere cannot be written to"),
    ],
)
def test_what_the_machine_refuses_is_one_line(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    for port in ("0", "8123"):
        refused = sensorium("run", "--port", port, **({"SENSORIUM_DATA_DIR": str(tmp_path)} | settings))
        assert refused.returncode == 1
        assert said in refused.stderr and refused.stderr.count("\n") == 1
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("labels", [b"file,label\n\xff\xfe,a\n", b'file,label\n"' + b"x" * 200_000 + b'",a\n'])
def test_a_demo_of_unreadable_labels_or_without_a_place_for_its_report_is_one_line(
    labels: bytes, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_bytes(labels)
    said = sensorium("demo", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert said.returncode == 2
    assert "labels.csv" in said.stdout and "Traceback" not in said.stderr
    said = sensorium("demo", "--out", "/proc/nowhere")
    assert (said.returncode, said.stderr) == (1, "sensorium: /proc/nowhere: No such file or directory\n")


def test_the_version_is_said() -> None:
    assert sensorium("--version").stdout.startswith("sensorium 0.")


def test_every_address_that_a_run_names_is_there(run: Callable[..., Running]) -> None:
    system = run()
    named = {words[1]: words[2] for line in system.lines if len(words := line.split()) > 2 and "http://" in words[2]}
    for name in ("people", "agents", "sandbox"):
        assert get(named[name])
    for name, path in (("operators", "payout-runs"), ("stripe", "balance")):
        with pytest.raises(urllib.error.HTTPError, match="401"):  # there, for who has a key
            get(named[name].replace("…", path))


def test_help_is_quick_because_nothing_heavy_is_loaded() -> None:
    code = "import sys, app.cli; print([m for m in ('asyncpg', 'litestar', 'alembic', 'msgspec') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
    said = sensorium("--help")
    for command in ("run", "serve", "worker", "migrate", "demo", "audit", "operator", "doctor", "config"):
        assert f"\n  {command} " in said.stdout


@pytest.mark.parametrize("command", [["run"], ["serve"], ["worker"], ["migrate"], ["audit"], ["doctor"], ["config"]])
def test_a_setting_that_nobody_knows_stops_every_command(command: list[str], tmp_path: Path) -> None:
    said = sensorium(*command, SENSORIUM_FEE_BP="5", SENSORIUM_DATA_DIR=str(tmp_path))
    assert said.returncode == 1
    assert "SENSORIUM_FEE_BP is not a setting: did you mean SENSORIUM_FEE_BPS?" in said.stderr + said.stdout
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("command", ["serve", "worker", "audit"])
def test_a_database_without_our_schema_is_said_to_be(command: str, database_url: str, tmp_path: Path) -> None:
    ask(database_url, "UPDATE alembic_version SET version_num = '0001_market'", "SELECT 1")
    said = sensorium(command, DATABASE_URL=database_url, SENSORIUM_DATA_DIR=str(tmp_path))
    assert said.returncode == 1
    assert "the schema is at 0001_market" in said.stderr and "sensorium migrate" in said.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_serve_and_worker_need_a_database(command: str, tmp_path: Path) -> None:
    said = sensorium(command, SENSORIUM_DATA_DIR=str(tmp_path))
    assert said.returncode == 1
    assert "DATABASE_URL is missing" in said.stderr


def test_a_database_out_of_reach_is_one_line(tmp_path: Path) -> None:
    for command in ("migrate", "audit", "run"):
        said = sensorium(
            command, SENSORIUM_DATA_DIR=str(tmp_path), DATABASE_URL="postgresql://ada:secret@127.0.0.1:1/x"
        )
        assert said.returncode == 1, command
        assert "cannot connect to postgresql://ada:***@127.0.0.1:1/x" in said.stderr
        assert "secret" not in said.stderr and "Traceback" not in said.stderr


def test_going_back_loses_data_only_when_that_is_confirmed(database_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(tmp_path)}
    refused = sensorium("migrate", "--to", "base", **settings)
    assert refused.returncode == 1
    assert "loses data" in refused.stderr
    assert sensorium("migrate", "--to", "base", "--yes", **settings).returncode == 0
    assert ask(database_url, "SELECT to_regclass('task')::text") is None
    assert "nowhere" in sensorium("migrate", "--to", "nowhere", **settings).stderr
    assert sensorium("migrate", **settings).returncode == 0
    assert ask(database_url, "SELECT to_regclass('task')::text") == "task"


def test_the_audit_of_an_untouched_ledger_is_clean_and_a_planted_error_is_found(
    database_url: str, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(tmp_path)}
    clean = sensorium("audit", **settings)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    ask(
        database_url,
        """INSERT INTO ledger_account (code, class, normal, currency, floor_zero, tracked, posted)
           VALUES ('suspense:planted', 'liability', -1, 'usd', false, true, -5) RETURNING 1""",
    )
    broken = sensorium("audit", **settings)
    assert broken.returncode == 1
    assert "suspense:planted" in broken.stdout


def test_doctor_says_what_works_and_what_is_broken(database_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(tmp_path)}
    # The tests' server has fsync off, on which the doctor insists.
    said = sensorium("doctor", **settings).stdout
    assert "broken  database     fsync" in said
    assert "ok      schema" in said
    assert f"ok      media        file://{tmp_path}/media: written and read" in said
    closed = sensorium("doctor", **settings, SENSORIUM_MEDIA_URL="/proc/nowhere")
    assert closed.returncode == 1
    assert "broken  media" in closed.stdout and "SENSORIUM_MEDIA_URL" in closed.stdout
    unreachable = sensorium("doctor", **{**settings, "DATABASE_URL": "postgresql://ada:secret@127.0.0.1:1/x"})
    assert unreachable.returncode == 1
    assert "broken  database     postgresql://ada:***@127.0.0.1:1/x" in unreachable.stdout


def test_doctor_is_content_with_a_fresh_laptop(folder: Path) -> None:
    said = sensorium("doctor", "--data-dir", str(folder))
    assert said.returncode == 0, said.stdout
    assert "all that is needed works" in said.stdout


def test_config_lists_every_setting_and_no_secret(tmp_path: Path) -> None:
    key = "sk_test_0123456789abcdef"
    said = sensorium("config", SENSORIUM_DATA_DIR=str(tmp_path), STRIPE_API_KEY=key, SENSORIUM_SANDBOX="on")
    assert "STRIPE_API_KEY=set" in said.stdout
    assert "SENSORIUM_FEE_BPS=1000" in said.stdout
    assert key not in said.stdout


def test_a_system_serves_as_a_library_too(folder: Path, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        before = psutil.Process().children(recursive=True)
        system = System(folder, port=0, environment=without_settings(os.environ), output=output)
        with system:
            assert json.loads(get(f"{system.url}/health/ready"))
            assert ask(system.database_url, "SELECT 1") == 1
            assert system.environment["DATABASE_URL"] == system.database_url
            family = [each for each in psutil.Process().children(recursive=True) if each not in before]
            with pytest.raises(CannotRun, match="another system"):
                System(folder, port=0).start()
        assert family and not alive(family, 0)
    with pytest.raises(OSError):
        get(f"{system.url}/health/ready")


def test_every_command_that_the_documents_name_is_there() -> None:
    root = Path(__file__).resolve().parents[2]
    texts = [file.read_text() for file in (*root.glob("*.md"), *(root / "docs").glob("*.md"))]
    # A number behind the word: a text that is signed, such as `sensorium capture 1`.
    named = {found for text in texts for found in re.findall(r"(?:`|^|\n)sensorium ([a-z-]+)\b(?! \d)", text)}
    assert {"run", "migrate", "operator"} <= named <= set(commands.commands)
    for module in {found for text in texts for found in re.findall(r"python -m ([\w.]+)", text)} - {"venv", "pip"}:
        file = root / Path(*module.split("."))
        source = file / "__main__.py" if file.is_dir() else file.with_suffix(".py")
        assert source.is_file() and (source.name == "__main__.py" or "__main__" in source.read_text()), module

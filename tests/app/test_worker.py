"""The worker process finds all work there is to do, and ends when told to even if the database is gone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from app import worker
from app.config import without_settings
from app.embedded_postgres import EmbeddedPostgres
from app.migrate import upgrade
from tests.conftest import throw_away_folder

ROOT = Path(__file__).resolve().parents[2]


def test_it_loads_every_module_that_declares_jobs_or_sweeps() -> None:
    declared: set[str] = set()
    for file in (ROOT / "app").rglob("*.py"):
        declared |= set(re.findall(r'^@(?:jobs\.)?handler\(\s*"([^"]+)"', file.read_text(), re.MULTILINE))
    code = (
        "import importlib; from app import jobs, worker\n"
        "for name in worker.modules_with_work(): importlib.import_module(name)\n"
        "print(*sorted(jobs._handlers), sep='\\n')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert declared
    assert set(found.splitlines()) == declared


def test_it_ends_within_its_grace_when_the_database_ends_at_the_same_moment() -> None:
    with throw_away_folder() as folder:
        postgres = EmbeddedPostgres(folder).start()
        upgrade(postgres.dsn)
        environment = {
            **without_settings(os.environ),
            "DATABASE_URL": postgres.dsn,
            "SENSORIUM_DATA_DIR": str(folder),
        }
        with subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker"], stderr=subprocess.PIPE, env=environment, text=True
        ) as process:
            assert process.stderr is not None
            assert any("worker ready" in line for line in process.stderr)
            postgres.stop()
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            process.wait(worker.GRACE_S + 5)
            assert time.monotonic() - began < worker.GRACE_S + 2
            process.stderr.read()

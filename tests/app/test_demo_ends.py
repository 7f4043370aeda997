"""However a demo ends, nothing of it goes on: no process, no folder once the next one has begun. And why it failed."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from app.config import without_settings
from app.demo import scratch, story
from app.demo.market import Outcome
from app.demo.report import Learned
from tests.app.test_cli import SENSORIUM, alive
from tests.conftest import throw_away_folder

# Stands where the runner's package is looked for first: it would go on for minutes, with a child that, as the runner's
# zygote does, ends when its input does.
LONG_RUN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
print(f'{{"pid": {child.pid}}}', flush=True)
time.sleep(600)
"""
LEARNING = """
import asyncio, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests in the background ignores it
from pathlib import Path
from app.demo.learning import Runner
runner = Runner("http://127.0.0.1:9", "sk_none", Path(sys.argv[2]))
async def main():
    if sys.argv[1] == "lines":
        async for line in runner.lines("loop"):
            pass
    else:
        await runner("publish")
try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where a demo makes its folder."""
    with throw_away_folder() as folder:
        if os.geteuid() == 0:
            folder.chmod(0o755)
        yield folder


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def started_demo(temporary: Path) -> subprocess.Popen[str]:
    """A demo whose system runs."""
    process = subprocess.Popen(
        [*SENSORIUM, "demo", "--out", str(temporary / "out")],
        env={**without_settings(os.environ), "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "the system runs" in process.stdout.readline()
    return process


def test_sigterm_ends_a_demo_as_ctrl_c_does_also_when_it_comes_twice(temporary: Path) -> None:
    with started_demo(temporary) as process:
        family = family_of(process)
        for _ in range(2):  # a signal to the group of `make demo` arrives from make, too
            process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said and "stopped" in said
    assert family and not alive(family, 1)
    assert os.listdir(temporary) == ["out"]


def test_nothing_of_a_killed_demo_goes_on_and_the_next_one_clears_its_folder_away(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with started_demo(temporary) as process:
        family = family_of(process)
        (left,) = temporary.glob("sensorium-demo-*")
        scratch.clear_left_behind()
        assert left.exists(), "the folder of a demo that runs is left alone"
        process.kill()
    assert not alive(family, 15)
    with scratch.folder() as ours:
        assert list(temporary.glob("*sensorium-demo-*")) == [ours]
    assert not ours.exists()


def test_what_only_looks_like_a_demos_folder_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    (temporary / "sensorium-demo-notes").mkdir()
    (temporary / "sensorium-demo-file").write_text("")
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / scratch.LOCK).write_text("")
    (temporary / "sensorium-demo-link").symlink_to(elsewhere)
    with scratch.folder():
        pass
    assert sorted(os.listdir(temporary)) == [
        "elsewhere", "sensorium-demo-file", "sensorium-demo-link", "sensorium-demo-notes"
    ]  # fmt: skip
    assert (elsewhere / scratch.LOCK).exists()


@pytest.mark.parametrize("how", ["lines", "once"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_runner_and_its_children_end_with_the_demo(how: str, number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "research_runner").mkdir()
    (tmp_path / "research_runner" / "__init__.py").write_text("")
    (tmp_path / "research_runner" / "cli.py").write_text(LONG_RUN)
    with subprocess.Popen(
        [sys.executable, "-c", LEARNING, how, str(tmp_path / "tmp")], env={**os.environ, "PYTHONPATH": str(tmp_path)}
    ) as process:
        try:
            while len(family := family_of(process)) < 2:
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(number)
            assert process.wait(10) == (130 if number == signal.SIGINT else -signal.SIGKILL)
        finally:
            process.kill()  # one that does not end must fail, not hang
    assert not alive(family, 5)


CAUGHT = {"trick": "photo from yesterday", "check": "fresh", "failed_check": "fresh", "detail": "too old"}
MISTAKEN = CAUGHT | {"failed_check": "quality", "detail": "too dark"}
MISSED = CAUGHT | {"failed_check": "-", "detail": "it was accepted"}


def test_a_demo_that_shows_all_it_is_to_show_ends_well() -> None:
    outcome = Outcome(accepted=98, refused=[CAUGHT])
    assert story.failings(100, 2, outcome, Learned(first=0.8, final=0.8), []) == []
    assert story.conclude(Console(file=io.StringIO()), [("audit", "clean")], [], Path("report.html")) == 0


@pytest.mark.parametrize(
    ("accepted", "cheat", "final", "broken", "said"),
    [
        (97, CAUGHT, 0.9, [], "only 97 observations were accepted, of 100 photos wanted and 2 refused"),
        (98, MISSED, 0.9, [], "a cheat (photo from yesterday) was not caught by fresh, it was accepted"),
        (98, MISTAKEN, 0.9, [], "a cheat (photo from yesterday) was not caught by fresh, but by quality, too dark"),
        (98, CAUGHT, 0.7, [], "the published model names 0.7000 of the unseen photos rightly, the first"),
        (98, CAUGHT, 0.9, ["broken: sums [1]: 3 times"], "the audit: broken: sums [1]: 3 times"),
    ],
)
def test_what_a_demo_failed_to_show_is_said_in_a_line(
    accepted: int, cheat: dict[str, str], final: float, broken: list[str], said: str
) -> None:
    outcome = Outcome(accepted=accepted, refused=[CAUGHT, cheat])
    failures = story.failings(100, 2, outcome, Learned(first=0.8, final=final), broken)
    written = io.StringIO()
    console = Console(file=written, width=60, force_terminal=True, highlight=False)
    assert story.conclude(console, [], failures, Path("report.html")) == 1
    assert len(failures) == 1
    (line,) = [line for line in written.getvalue().splitlines() if "failed: " in line]
    assert said in line and "\x1b[31m" in line

"""Thirty lives of the market's money, each with faults at Stripe and some fifty deaths: the books always close.

In a process of its own, since the modules are read with points in them. `python -m tests.simulation --seeds 1000` is
the same for longer, and `--seeds 100 --hunt 400 --require-all` goes on until every point was struck.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIVES = 30


def simulated(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_money_survives_thirty_lives_with_deaths_and_no_await_is_out_of_their_reach() -> None:
    done = simulated("--seeds", str(LIVES), "--steps", "15", "--hunt", "10", "--until-met")
    assert done.returncode == 0, done.stdout + done.stderr  # it names what was never met
    assert ", 0 broken" in done.stdout, done.stdout
    assert int(done.stdout.splitlines()[-1].split(" lives")[0]) >= LIVES, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("bug", ["fresh-keys", "silence-is-refusal", "no-transactions", "events-forgotten"])
def test_the_simulation_finds_a_planted_bug(bug: str) -> None:
    done = simulated("--seeds", "60", "--plant", bug, "--until-broken")
    assert done.returncode == 1 and "BROKEN" in done.stdout, done.stdout + done.stderr

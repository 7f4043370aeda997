"""The loop logs every experiment, survives whatever an experiment does, and goes on after any kill."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from research_runner import loop, results
from research_runner.errors import RunnerError
from research_runner.proposers import Change, History
from research_runner.results import Row, RunLog
from research_runner.workspace import Workspace
from tests.research_runner.conftest import QUICK, Maker

BETTER = QUICK.replace("NOISE = 2.0", "NOISE = 0.0")
HEAD = "import os, sys, time, json\n"


class Script:
    """A proposer that proposes what it was told, in order."""

    def __init__(self, *sources: str) -> None:
        self.sources = list(sources)

    def propose(self, history: History) -> Change | None:
        if not self.sources:
            return None
        return Change(self.sources.pop(0), f"script {history.number}")


def run(workspace: Workspace, proposer: Script | None = None, experiments: int = 20) -> list[Row]:
    loop.run(workspace, experiments, proposer=proposer)
    return workspace.rows()


def test_what_is_better_is_kept_and_the_branch_advances(make: Maker) -> None:
    made = make()
    before = made.repository.head()
    rows = run(made, Script(BETTER))
    assert [row.status for row in rows] == ["keep", "keep"]
    assert (rows[0].seeds, rows[1].seeds) == (6, 6)
    assert rows[1].effect is not None and rows[1].low is not None and rows[1].effect > rows[1].low > 0
    assert made.repository.head() == rows[1].commit and made.repository.parent(rows[1].commit) == before
    assert (made.root / "train.py").read_text() == BETTER
    assert made.repository.changed_files() == []


def test_what_is_worse_is_discarded_at_the_screen_and_stays_readable(make: Maker) -> None:
    made = make()
    before = made.repository.head()
    worse = QUICK.replace("NOISE = 2.0", "NOISE = 4.0")
    rows = run(made, Script(worse))
    assert (rows[1].status, rows[1].seeds, rows[1].passed) == ("discard", 1, False)
    assert made.repository.head() == before and (made.root / "train.py").read_text() == QUICK
    assert made.repository.file(rows[1].commit, "train.py") == worse
    assert made.repository.experiments() == {1: rows[1].commit}


def test_proposals_that_change_only_what_the_seed_changes_are_not_kept(make: Maker) -> None:
    made = make()
    null = [QUICK.replace("UNUSED = 0", f"UNUSED = {number}") for number in range(1, 16)]
    rows = run(made, Script(*null))
    assert len(rows) == 16 and {row.status for row in rows[1:]} == {"discard"}


def test_search_finds_that_noise_hurts(make: Maker) -> None:
    made = make()
    rows = run(made, experiments=8)
    assert len(rows) == 9
    kept = [row for row in rows[1:] if row.status == "keep"]
    assert kept and "NOISE" in kept[0].description
    assert rows[0].metric is not None and kept[-1].metric is not None and kept[-1].metric < rows[0].metric


SPOILS = {
    "raises": ("raise ValueError('no')", "crash", "ValueError: no"),
    "no python": ("def (", "crash", "SyntaxError"),
    "sleeps": ("time.sleep(30)", "timeout", "over 3 s"),
    "spins": ("while True: pass", "timeout", "over 3 s"),
    "leaves early": ("sys.exit(3)", "crash", ""),
    "writes nothing": ("pass", "crash", "absent or cannot be read"),
    "writes NaN": (QUICK.replace(".astype(np.float32)", " * np.nan"), "crash", "not finite"),
    "another shape": (QUICK.replace("np.savez(out", "said['val'] = said['val'][1:]\nnp.savez(out"), "crash", "shape"),
    "no probabilities": (QUICK.replace(".astype(np.float32)", " + 1"), "crash", "not probabilities"),
    "pickles": (
        QUICK.replace("np.savez(out", "said['val'] = np.array([{}], object)\nnp.savez(out"), "crash", "cannot be read",
    ),
    "eats memory": ("import numpy as np\nx = np.ones(6 * 10**7)\ntime.sleep(9)", "crash", "over 400 MB"),
    "kills its parent": ("os.kill(os.getppid(), 9)", "crash", "process that runs experiments was ended"),
    "a bomb": (
        QUICK.replace("np.savez(out", "said['x'] = np.zeros(10**7)\nnp.savez_compressed(out"), "crash", "larger than",
    ),
}  # fmt: skip


def test_whatever_an_experiment_does_is_logged_and_harmless(make: Maker) -> None:
    made = make(program="---\nsteps: 40\nworkers: 1\nmemory_mb: 400\n---\n")
    rows = run(made, Script(*(HEAD + source for source, _, _ in SPOILS.values()), BETTER))
    for name, row in zip(SPOILS, rows[1:], strict=False):
        _, status, words = SPOILS[name]
        assert row.status == status and words in row.description, f"{name}: {row.status} {row.description}"
        assert row.metric is None and row.effect is None
    assert rows[-1].status == "keep" and len(rows) == len(SPOILS) + 2
    assert not list((made.inner / "runs").iterdir())


def test_a_run_that_leaves_a_process_behind_takes_it_with_it(make: Maker, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    lingers = (
        HEAD
        + f"pid = os.fork()\nif not pid:\n    open({str(mark)!r}, 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
    )
    made = make()
    run(made, Script(lingers + "    os._exit(0)\ntime.sleep(0.3)\n"))
    assert not psutil.pid_exists(int(mark.read_text()))


def test_an_experiment_sees_no_key_and_reads_no_input(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_API_KEY", "sk_secret")
    made = make()
    rows = run(
        made,
        Script(HEAD + "print(dict(os.environ), sys.stdin.read()); raise SystemError('SENSORIUM' in str(os.environ))"),
    )
    assert "SystemError: False" in rows[1].description


def test_an_edited_prepare_stops_the_loop(make: Maker) -> None:
    made = make()
    run(made, Script(), 1)
    frozen = made.root / "prepare.py"
    frozen.write_text(frozen.read_text().replace("log_loss@1", "log_loss@2"))
    with pytest.raises(RunnerError, match=r"prepare\.py has changed since it was frozen"):
        run(made, Script(BETTER), 1)


def test_a_run_that_edits_prepare_is_noticed_before_its_score_counts(make: Maker) -> None:
    made = make()
    cheat = BETTER + f"\nopen({str(made.root / 'prepare.py')!r}, 'a').write('# mine')\n"
    with pytest.raises(RunnerError, match=r"prepare\.py has changed"):
        run(made, Script(cheat))
    assert len(made.rows()) == 1


def test_a_run_that_edits_the_data_is_noticed(make: Maker) -> None:
    made = make()
    with pytest.raises(RunnerError, match=r"public/train_images\.npy has changed"):
        run(made, Script(BETTER + "\nopen(data / 'train_images.npy', 'ab').write(b'x')\n"))


def test_uncommitted_changes_are_refused_and_committed_ones_become_the_baseline(make: Maker) -> None:
    made = make()
    run(made, Script(), 1)
    (made.root / "train.py").write_text(BETTER)
    with pytest.raises(RunnerError, match=r"train\.py has changes that are not committed"):
        run(made, Script(), 1)
    made.repository.git("commit", "--quiet", "--all", "-m", "by hand")
    rows = run(made, Script(), 1)
    assert [row.description for row in rows] == ["baseline", "train.py as committed by hand"]


def test_a_program_being_edited_is_left_alone(make: Maker) -> None:
    made = make()
    edited = (made.root / "program.md").read_text() + "\nAnd be quick.\n"
    (made.root / "program.md").write_text(edited)
    run(made, Script(BETTER))
    assert (made.root / "program.md").read_text() == edited


def test_two_loops_do_not_share_a_workspace(make: Maker) -> None:
    made = make()
    with made.hold(), pytest.raises(RunnerError, match="in use by another loop"):
        run(made, Script(), 1)


def test_a_baseline_that_does_not_run_says_why(make: Maker) -> None:
    with pytest.raises(RunnerError, match=r"does not run: .*ModuleNotFoundError: No module named 'tensorbrew'"):
        run(make(source="import tensorbrew\n"), Script(), 1)


def test_a_loop_without_a_limit_is_refused(make: Maker) -> None:
    with pytest.raises(RunnerError, match="give the loop a limit"):
        loop.run(make())


def test_it_works_without_a_home_and_inside_another_repository(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert run(make(), Script(BETTER))[-1].status == "keep"


COMMAND = (sys.executable, "-m", "research_runner.cli", "loop")
EXPERIMENTS = 10


def story(workspace: Workspace) -> list[tuple[object, ...]]:
    """What must be the same however often the loop was killed."""
    return [(row.experiment, row.status, row.metric, row.seeds, row.test, row.description) for row in workspace.rows()]


def descendants(pid: int) -> Iterator[psutil.Process]:
    try:
        yield from psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return


def test_killed_at_random_moments_it_ends_as_if_it_had_never_been(make: Maker) -> None:
    slower = QUICK.replace("import json\n", "import json\nimport time\ntime.sleep(0.05)\n")
    calm, killed = make("calm", slower), make("killed", slower)
    run(calm, experiments=EXPERIMENTS)
    dice = random.Random(11)
    kills = 0
    while len(killed.rows()) < EXPERIMENTS and kills < 12:
        left = EXPERIMENTS - max(0, len(killed.rows()) - 1)
        process = subprocess.Popen([*COMMAND, str(killed.root), "--experiments", str(left)], stdout=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.5, 2.2))
        below = list(descendants(process.pid))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        assert not psutil.wait_procs(below, timeout=5)[1], "something outlived the runner"
        assert not _torn_rows(killed)
    left = EXPERIMENTS - max(0, len(killed.rows()) - 1)
    if left:
        run(killed, experiments=left)
    assert kills >= 3
    assert story(killed) == story(calm)
    runs = (killed.inner / "runs.jsonl").read_text().splitlines()
    assert (
        len(runs)
        == len(RunLog(killed.inner / "runs.jsonl").runs)
        == len((calm.inner / "runs.jsonl").read_text().splitlines())
    )
    last = loop.best(killed.rows())
    assert last is not None and killed.repository.head() == last.commit
    assert killed.repository.changed_files() == []


def _torn_rows(workspace: Workspace) -> bool:
    """Whether a line is cut off in the middle of the log, rather than at its end."""
    lines = workspace.log.read_text().splitlines()[:-1] if workspace.log.exists() else []
    return any(line.count("\t") != len(results.COLUMNS) - 1 for line in lines)


def test_a_kill_between_row_and_branch_is_made_good(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make()

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(made.repository), "advance", killed)
        with pytest.raises(KeyboardInterrupt):
            run(made, Script(BETTER))
    row = made.rows()[-1]
    assert row.status == "keep" and made.repository.head() != row.commit
    run(made, Script(), 1)
    assert made.repository.head() == row.commit and (made.root / "train.py").read_text() == BETTER
    assert len(made.rows()) == 2


def test_a_kill_between_branch_and_files_is_made_good(make: Maker) -> None:
    made = make()
    head = made.repository.head()
    run(made, Script(), 1)
    commit = made.repository.commit_file(head, "train.py", BETTER, "script 1")
    made.repository.name_experiment(1, commit)
    run(made, Script(), 1)  # the commit is taken up, without a proposal
    made.repository.git("checkout", "--quiet", head, "--", "train.py")
    (made.root / ".git" / "index.lock").touch()
    run(made, Script(), 1)
    assert (made.root / "train.py").read_text() == BETTER and made.repository.head() == commit


def test_a_torn_last_line_is_dropped(make: Maker) -> None:
    made = make()
    run(made, Script(QUICK.replace("NOISE = 2.0", "NOISE = 3.0")))
    before = made.rows()
    for log in (made.log, made.inner / "runs.jsonl"):
        with log.open("ab") as file:
            file.write(b'{"commit":"abc')
    run(made, Script(), 1)
    assert made.rows() == before and len(RunLog(made.inner / "runs.jsonl").runs) >= 7


def test_the_budget_is_measured_once_and_then_fixed(make: Maker) -> None:
    made = make(program="---\nseconds_per_run: 1\n---\n")
    (made.inner / "budget.json").unlink()
    run(made, Script(), 1)
    first = made.budget()
    assert first is not None and first.steps >= 60
    run(made, Script(BETTER), 1)
    assert made.budget() == first

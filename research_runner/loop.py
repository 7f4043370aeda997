"""The experiment loop: propose, commit, run, decide, log; and again, until the experiments or the seconds are used up.

What a kill may interrupt, in order: the commit (named refs/experiments/N), its runs (runs.jsonl), its row
(results.tsv), the branch. The row is the decision: at the next start a commit without a row is taken up where it was
left, and a kept row whose commit the branch has not reached advances it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from research_runner import constants, keep, results
from research_runner.errors import RunnerError
from research_runner.laboratory import Laboratory
from research_runner.proposers import History, Proposer
from research_runner.proposers.search import Search
from research_runner.results import Row, Run, Status
from research_runner.workspace import Workspace

MIN_EFFECT_OF_NOISE = 0.25  # min_effect: auto, as a share of the noise between seeds
OVERHEAD_S = 0.3  # of wall time a run, beside what it computes


@dataclass(frozen=True)
class Summary:
    """What a call of `run` did: experiments decided now, those kept among them, and where the branch stands."""

    experiments: int
    kept: int
    commit: str
    seconds: float


def run(
    workspace: Workspace,
    experiments: int | None = None,
    seconds: float | None = None,
    on_result: Callable[[Row], None] = lambda row: None,
    on_warning: Callable[[str], None] = lambda line: None,
    proposer: Proposer | None = None,
) -> Summary:
    """Decide up to `experiments` more experiments (the baseline, made once, is not counted) within `seconds` of wall
    time; at least one of the two limits is given. Resumes whatever an earlier call left. Raises RunnerError."""
    if experiments is None and seconds is None:
        raise RunnerError("give the loop a limit: --experiments or --seconds")
    started = time.monotonic()
    with workspace.hold():
        recover(workspace)
        for line in workspace.prepare():
            on_warning(line)
        with Laboratory(workspace) as laboratory:
            laboratory.budget(_most_seconds_per_run(experiments, seconds, laboratory.workers))
            loop = _Loop(workspace, laboratory, proposer)
            baseline = loop.baseline()
            if baseline is not None:
                on_result(baseline)
            done = kept = 0
            while experiments is None or done < experiments:
                if seconds is not None and time.monotonic() - started + loop.longest_s > seconds and done:
                    break
                row = loop.step()
                if row is None:
                    on_warning("the proposer has nothing new to try")
                    break
                on_result(row)
                done, kept = done + 1, kept + (row.status == "keep")
    return Summary(done, kept, workspace.repository.head(), time.monotonic() - started)


def recover(workspace: Workspace) -> None:
    """Make the branch, the working tree and the log agree after whatever happened; refuse edits made by hand."""
    results.drop_torn_line(workspace.log)
    repository, rows = workspace.repository, workspace.rows()
    kept = [row for row in rows if row.status == "keep"]
    head = repository.head()
    if kept and kept[-1].commit != head and repository.parent(kept[-1].commit) == head:
        repository.advance(kept[-1].commit, head)
    changed = repository.changed_files()
    parent = repository.parent(repository.head())
    here = (workspace.root / "train.py").read_text(encoding="utf-8") if "train.py" in changed else None
    if here is not None and parent and here == repository.file(parent, "train.py"):
        changed.remove("train.py")  # an advance was cut off between the branch and the file
    workspace.check_frozen()
    if set(changed) - {"program.md"}:
        raise RunnerError(f"{changed[0]} has changes that are not committed: commit them or restore the file")
    repository.settle()


def best(rows: list[Row]) -> Row | None:
    """The row that the branch stands on: the last one kept."""
    return next((row for row in reversed(rows) if row.status == "keep"), None)


def _most_seconds_per_run(experiments: int | None, seconds: float | None, workers: int) -> float:
    """What a run may take so that the experiments fit into the seconds: most candidates end at the screen."""
    if experiments is None or seconds is None:
        return math.inf
    rounds = -(-keep.TEST // workers) + experiments * (1.6 if workers > 1 else 2.5) + 2
    return max(1.0, seconds / rounds - OVERHEAD_S)


class _Loop:
    def __init__(self, workspace: Workspace, laboratory: Laboratory, proposer: Proposer | None) -> None:
        self.workspace, self.laboratory = workspace, laboratory
        self.repository, self.program = workspace.repository, workspace.program
        self.rows = workspace.rows()
        self.seeds = workspace.seeds(keep.TEST)
        self.proposer = proposer or Search(workspace.seeds(keep.TEST + 1)[-1])
        self.longest_s = 0.0  # wall seconds of the longest experiment so far
        known = constants.find(self.repository.file(self.repository.head(), "train.py"))
        unknown = [name for name in self.program.fixed if name not in known]
        if unknown:
            raise RunnerError(f"program.md: fixed names {unknown[0]}, which train.py does not have")

    def baseline(self) -> Row | None:
        """Measure the branch's own train.py on every seed, the noise floor, unless the log has it already."""
        head = self.repository.head()
        if any(row.status == "keep" and row.commit == head for row in self.rows):
            return None
        number = max([row.experiment for row in self.rows], default=-1) + 1
        runs = self.laboratory.runs(head, self.seeds)
        failed = next((each for each in runs if each.status != "ok"), None)
        if failed is not None:
            raise RunnerError(f"the branch's train.py does not run: {_last_line(failed)}")
        words = "baseline" if number == 0 else "train.py as committed by hand"
        return self._record(number, head, "keep", words, runs, None, passed=False)

    def step(self) -> Row | None:
        """One experiment, from the proposal (or where a kill left it) to its row; None without a proposal."""
        started = time.monotonic()
        number = max(row.experiment for row in self.rows) + 1
        incumbent = self.repository.head()
        commit = self.repository.experiments().get(number)
        if commit is None or self.repository.parent(commit) != incumbent:
            source = self.repository.file(incumbent, "train.py")
            history = History(number, self.rows, source, self._source, frozenset(self.program.fixed))
            change = self.proposer.propose(history)
            if change is None:
                return None
            commit = self.repository.commit_file(incumbent, "train.py", change.source, change.description)
            self.repository.name_experiment(number, commit)
        row = self._decide(number, incumbent, commit)
        if row.status == "keep":
            self.repository.advance(commit, incumbent)
        else:
            self.laboratory.forget(commit, self.seeds)
        self.longest_s = max(self.longest_s, time.monotonic() - started)
        return row

    def _decide(self, number: int, incumbent: str, commit: str) -> Row:
        noise = self.noise()
        test = 1 + sum(row.passed for row in self.rows)
        least = self.program.min_effect
        min_effect = MIN_EFFECT_OF_NOISE * noise if least == "auto" else least
        # What runs ahead of a decision costs no time where workers would stand idle, and never enters the decision.
        ahead = min(keep.LOOK, max(keep.SCREEN, self.laboratory.workers))
        stages = {keep.SCREEN: ahead, keep.LOOK: keep.LOOK, keep.TEST: keep.TEST}
        for stage, carried_out in stages.items():
            before = self.laboratory.runs(incumbent, self.seeds[:carried_out])
            runs = self.laboratory.runs(commit, self.seeds[:carried_out])
            failed = next((each for each in runs if each.status != "ok"), None)
            if failed is not None:
                status: Status = "timeout" if failed.status == "timeout" else "crash"
                said = f"{self.repository.message(commit)} · {_last_line(failed)}"
                return self._record(number, commit, status, said, runs, None, passed=stage > keep.SCREEN)
            pairs = list(zip(before[:stage], runs[:stage], strict=True))
            decision = keep.judge(
                [_metric(old) - _metric(new) for old, new in pairs],
                test=test, risk=self.program.risk, noise=noise, min_effect=min_effect,
                simpler=self._simpler(incumbent, commit, pairs),
            )  # fmt: skip
            if decision.verdict != "more":
                said = f"{self.repository.message(commit)} · {decision.reason}"
                passed = stage > keep.SCREEN
                return self._record(number, commit, decision.verdict, said, runs[:stage], decision, passed=passed)
        raise AssertionError("unreachable: the last stage decides")

    def noise(self) -> float:
        """Standard deviation of the metric between seeds, of the first baseline."""
        runs = self.laboratory.log.of(self.rows[0].commit, self.seeds)
        return statistics.stdev(_metric(each) for each in runs)

    def _simpler(self, incumbent: str, commit: str, pairs: list[tuple[Run, Run]]) -> bool:
        sizes = constants.size(self._source(incumbent)), constants.size(self._source(commit))
        cpu_s = min(old.cpu_s for old, _ in pairs), min(new.cpu_s for _, new in pairs)
        return keep.simpler(sizes, cpu_s)

    def _source(self, commit: str) -> str:
        return self.repository.file(commit, "train.py")

    def _record(
        self, number: int, commit: str, status: Status, description: str, runs: list[Run],
        decision: keep.Decision | None, *, passed: bool,
    ) -> Row:  # fmt: skip
        good = [each for each in runs if each.status == "ok"]
        metrics = [_metric(each) for each in good]
        spent = [each for seed in self.seeds if (each := self.laboratory.log.runs.get((commit, seed)))]
        row = Row(
            experiment=number,
            commit=commit,
            metric=statistics.fmean(metrics) if metrics else None,
            std=statistics.stdev(metrics) if len(metrics) > 1 else None,
            seeds=len(runs),
            seconds=round(sum(each.seconds for each in spent), 2),
            memory_mb=max((each.memory_mb for each in spent), default=0.0),
            cost=round(sum(each.cpu_s for each in spent) * self.program.cpu_hour_price_micro / 3600),
            status=status,
            accuracy=statistics.fmean(each.accuracy or 0.0 for each in good) if good else None,
            effect=decision.effect if decision else None,
            low=decision.low if decision else None,
            high=decision.high if decision else None,
            test=self._released(good) if status == "keep" else None,
            passed=passed,
            description=description,
        )
        results.append_row(self.workspace.log, row)
        self.rows.append(row)
        return row

    def _released(self, runs: list[Run]) -> float | None:
        """The public score by the Ladder rule (Blum & Hardt 2015): the best so far, unless this is better by more than
        one standard error of the test's size; so that many looks at one test set tell little about it."""
        seen = [each.test_accuracy for each in runs if each.test_accuracy is not None]
        if not seen:
            return None
        now, size = statistics.fmean(seen), len(self.laboratory.scorer.labels["test"])
        before = [row.test for row in self.rows if row.test is not None]
        if not before or now > before[-1] + (before[-1] * (1 - before[-1]) / size) ** 0.5:
            return round(now, 4)
        return before[-1]


def _last_line(run: Run) -> str:
    """What a failed run said last."""
    return run.detail.splitlines()[-1] if run.detail else run.status


def _metric(run: Run) -> float:
    assert run.metric is not None  # of a run that is ok
    return run.metric

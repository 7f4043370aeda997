"""Training runs for a workspace: carried out in the sandbox, scored by the runner, logged once each."""

from __future__ import annotations

import math
import os
import shutil
import statistics
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from research_runner.errors import RunnerError
from research_runner.results import Run, RunLog
from research_runner.sandbox import Order, Outcome, Sandbox, modules_of
from research_runner.score import Scorer, Unusable, write_job
from research_runner.workspace import Budget, Workspace

PROBES = (10, 40)  # steps of the two runs that measure what a step takes
FEWEST_STEPS, MOST_STEPS = 60, 20_000
PATIENCE = 12.0  # a run is stopped after this many times the CPU seconds it should take; the machine may be busy
LEAST_TIMEOUT_S = 60.0


class Laboratory:
    """Runs of train.py at given commits and seeds. Use it in a `with`, holding the workspace's lock."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.program = workspace.program
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        wanted = self.program.workers
        self.workers = max(1, cores // self.program.threads) if wanted == "auto" else wanted
        source = workspace.repository.file(workspace.repository.head(), "train.py")
        self.sandbox = Sandbox(self.program.threads, self.workers, modules_of(source))
        self.log = RunLog(workspace.inner / "runs.jsonl")
        self.scorer = Scorer(workspace)
        self._folders = workspace.inner / "runs"
        shutil.rmtree(self._folders, ignore_errors=True)  # of runs that a kill interrupted
        self._folders.mkdir(mode=0o700)

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.sandbox.close()

    def budget(self, most_seconds: float = math.inf) -> Budget:
        """The fixed budget of a run; measured on the branch's train.py the first time, kept from then on.

        CPU time is measured, not wall time, so that a busy machine does not shrink the experiments.
        """
        fixed = self.workspace.budget()
        if fixed is not None:
            return fixed
        target = min(most_seconds, self.program.seconds_per_run)
        short, long = self._probe()
        per_step = max(1e-4, (long - short) / (PROBES[1] - PROBES[0]) / self.program.threads)
        steps = self.program.steps
        if steps == "auto":
            wanted = (target - max(0.0, short - PROBES[0] * per_step)) / per_step
            steps = int(min(MOST_STEPS, max(FEWEST_STEPS, float(f"{wanted:.2g}"))))
        timeout_s = max(LEAST_TIMEOUT_S, PATIENCE * (short + steps * per_step))
        fixed = Budget(steps=steps, timeout_s=round(timeout_s, 1), threads=self.program.threads)
        self.workspace.fix_budget(fixed)
        return fixed

    def runs(self, commit: str, seeds: Sequence[int]) -> list[Run]:
        """The runs of a commit on these seeds, in order: from the log where it has them, else carried out now."""
        budget = self.budget()
        missing = [seed for seed in seeds if (commit, seed) not in self.log.runs]
        if missing:
            source = self.workspace.repository.file(commit, "train.py")
            self.workspace.check_frozen()
            orders = [self._order(source, self._training(budget, seed), budget.timeout_s) for seed in missing]

            def ended(index: int, outcome: Outcome) -> None:
                self.workspace.check_frozen()
                self.log.append(self._judged(commit, missing[index], budget, orders[index].folder, outcome))
                shutil.rmtree(orders[index].folder, ignore_errors=True)

            self.sandbox.run(orders, ended)
        return self.log.of(commit, list(seeds))

    def carry_out(
        self,
        source: str,
        jobs: Sequence[dict[str, Any]],
        timeout_s: float,
        on_end: Callable[[int, Path, Outcome], None],
    ) -> None:
        """Jobs other than logged runs (final training, export); on_end gets the folder before it is removed."""
        orders = [self._order(source, job, timeout_s) for job in jobs]

        def ended(index: int, outcome: Outcome) -> None:
            on_end(index, orders[index].folder, outcome)
            shutil.rmtree(orders[index].folder, ignore_errors=True)

        self.sandbox.run(orders, ended)

    def forget(self, commit: str, seeds: Sequence[int]) -> None:
        """Drop the files of runs that came to nothing; their lines in the log stay."""
        for seed in seeds:
            for kind in ("npz", "safetensors"):
                self.workspace.kept_file(kind, commit, seed).unlink(missing_ok=True)

    def _training(self, budget: Budget, seed: int) -> dict[str, Any]:
        data = str(self.workspace.public)
        return {"do": "train", "seed": seed, "steps": budget.steps, "threads": budget.threads, "data": data}

    def _order(self, source: str, job: dict[str, Any], timeout_s: float) -> Order:
        folder = self._folders / uuid.uuid4().hex
        write_job(folder, source, job)
        return Order(folder, timeout_s, self.program.memory_mb)

    def _judged(self, commit: str, seed: int, budget: Budget, folder: Path, outcome: Outcome) -> Run:
        """The log's entry; predictions and weights of a run that counts are put aside before it is written."""
        base = Run(
            commit=commit, seed=seed, steps=budget.steps, threads=budget.threads, status="crash",
            seconds=outcome.seconds, cpu_s=outcome.cpu_s, memory_mb=outcome.memory_mb,
        )  # fmt: skip
        known = {field: getattr(base, field) for field in Run.__struct_fields__}
        if outcome.status == "timeout":
            return Run(**{**known, "status": "timeout", "detail": f"over {budget.timeout_s:.0f} s"})
        if outcome.status == "memory":
            return Run(**{**known, "detail": f"over {self.program.memory_mb} MB"})
        if outcome.status != "ok":
            return Run(**{**known, "detail": outcome.tail[-500:]})
        try:
            score = self.scorer.score(self.scorer.read(folder / "out" / "predictions.npz"))
        except Unusable as problem:
            return Run(**{**known, "detail": str(problem)})
        (folder / "out" / "predictions.npz").replace(self.workspace.kept_file("npz", commit, seed))
        weights = folder / "out" / "weights.safetensors"
        if weights.is_file():
            weights.replace(self.workspace.kept_file("safetensors", commit, seed))
        scored = {"metric": score.metric, "accuracy": score.accuracy}
        tested = {"test_metric": score.test_metric, "test_accuracy": score.test_accuracy}
        return Run(**{**known, **scored, **tested, "status": "ok"})

    def _probe(self) -> tuple[float, float]:
        """CPU seconds of the two probing runs, on as many workers as experiments will use."""
        source = self.workspace.repository.file(self.workspace.repository.head(), "train.py")
        measured: dict[int, list[float]] = {steps: [] for steps in PROBES}
        failed: list[str] = []
        jobs = [
            {**self._training(Budget(steps, 0, self.program.threads), seed), "steps": steps}
            for steps in PROBES
            for seed in range(max(2, self.workers))
        ]

        def ended(index: int, folder: Path, outcome: Outcome) -> None:
            if outcome.status == "ok":
                measured[jobs[index]["steps"]].append(outcome.cpu_s)
            else:
                failed.append(outcome.tail or outcome.status)

        self.carry_out(source, jobs, 300.0, ended)
        if failed:
            raise RunnerError(f"the branch's train.py does not run: {failed[0].splitlines()[-1]}")
        return statistics.median(measured[PROBES[0]]), statistics.median(measured[PROBES[1]])

"""Where experiments run: child processes with a clean environment, limits and no labels of what they are scored on."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from research_runner.errors import RunnerError

TORCH_AHEAD = ("torch.optim.swa_utils", "torch._dynamo")  # the first optimizer imports the latter by itself, in 1.5 s
ZYGOTE = Path(__file__).with_name("zygote.py")
TAIL = 2000  # characters of a run's own output that are kept for a person to read


@dataclass(frozen=True)
class Order:
    """One run: `folder` holds train.py and job.json; the run writes to folder/out."""

    folder: Path
    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Outcome:
    """How a run ended: status ok | crash | timeout | memory, its costs, and the end of what it printed."""

    status: str
    seconds: float
    cpu_s: float
    memory_mb: float
    tail: str


class Sandbox:
    """`workers` runs at a time, forked from one process that has imported `modules`. Use it in a `with`."""

    def __init__(self, threads: int, workers: int, modules: Sequence[str]) -> None:
        self.threads = threads
        self.modules = list(modules)
        self.workers = workers
        self._process: subprocess.Popen[str] | None = None
        self._last_id = 0

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process and, with it, whatever still runs."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin and process.stdout
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def run(self, orders: Sequence[Order], on_end: Callable[[int, Outcome], None]) -> None:
        """Carry out the orders, calling on_end(index, outcome) as each ends, in the order in which they end."""
        waiting = list(enumerate(orders))
        running: dict[int, int] = {}
        while waiting or running:
            while waiting and len(running) < self.workers:
                index, order = waiting.pop(0)
                self._last_id += 1
                running[self._last_id] = index
                self._say(order, self._last_id)
            report = self._hear()
            if report is None:  # a run has taken the whole process with it
                for index in running.values():
                    on_end(index, Outcome("crash", 0.0, 0.0, 0.0, "the process that runs experiments was ended"))
                running.clear()
                self.close()
                continue
            index = running.pop(report["id"])
            costs = (report["seconds"], report["cpu_s"], report["memory_mb"])
            on_end(index, Outcome(report["status"], *costs, _tail(orders[index].folder / "log.txt")))

    def _say(self, order: Order, number: int) -> None:
        process = self._started()
        assert process.stdin
        message = {"id": number, "folder": str(order.folder), "seconds": order.seconds, "memory_mb": order.memory_mb}
        try:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # the end of its output says the same and is handled where reports are read

    def _hear(self) -> dict[str, Any] | None:
        process = self._started()
        assert process.stdout
        line = process.stdout.readline()
        return json.loads(line) if line.endswith("\n") else None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            passed = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
            threads = {f"{name}_NUM_THREADS": str(self.threads) for name in ("OMP", "MKL", "OPENBLAS")}
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(ZYGOTE), *self.modules],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={**passed, **threads, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
            assert self._process.stdout
            if not self._process.stdout.readline():
                self.close()
                raise RunnerError("the process that runs experiments does not start")
        return self._process


def modules_of(source: str) -> list[str]:
    """What a train.py imports at its top, and what torch imports later by itself."""
    found: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return [*found, *TORCH_AHEAD] if "torch" in found else found


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""

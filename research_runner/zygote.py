"""A process that has imported torch once and forks a child for every run: a run starts in milliseconds, not seconds.

Started as a plain script with a clean environment and the modules to import; spoken to in JSON lines:

    in   {"id": int, "folder": path, "seconds": float, "memory_mb": int}      run folder/train.py on folder/job.json
    out  {"id", "status": "ok|crash|timeout|memory", "seconds", "cpu_s", "memory_mb", "exit"}

Nothing is computed before a fork, so no thread pool and no GPU context is inherited. Every child leads a process group
that ends with it; when the runner goes away, stdin closes, and everything here ends too.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

LOOK_S = 0.25  # how often memory and time are looked at while something runs
LARGEST_FILE = 1 << 30  # bytes a run may write to one file
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass
class Run:
    number: int
    pid: int
    started: float
    seconds: float
    memory_mb: int
    peak_mb: float = 0.0
    verdict: str | None = None  # why it was stopped, when it was


def start(order: dict[str, Any]) -> Run:
    """Fork; the child never returns from here."""
    started = time.monotonic()
    mother = os.getpid()
    pid = os.fork()
    if pid:
        return Run(order["id"], pid, started, order["seconds"], order["memory_mb"])
    code = 1
    try:
        os.setpgid(0, 0)
        die_with(mother)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        limit(order["memory_mb"], order["seconds"])
        os.chdir(order["folder"])
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        sys.argv = ["train.py", "job.json"]
        runpy.run_path("train.py", run_name="__main__")
        code = 0
    except SystemExit as leaving:
        code = 0 if leaving.code in (None, 0) else 1
    except BaseException:
        sys.stdout.flush()  # so that the reason stands last in the log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def die_with(mother: int) -> None:
    """On Linux the kernel ends the child when the zygote ends, however that happens."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != mother:
        os._exit(1)


def limit(memory_mb: int, seconds: float) -> None:
    """Hard limits that hold between two looks: data twice the allowed memory, CPU time, file size, no core dump."""
    cpu_s = int(seconds * (os.cpu_count() or 1)) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not os.path.exists("/dev/nvidiactl"):  # the GPU's driver reserves more address space than there is memory
        data = 2 * memory_mb << 20
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))


def resident_mb(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() / 1e6
    except (OSError, IndexError):
        return 0.0


def stop_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def adopt() -> None:
    """On Linux, what a run leaves behind becomes a child of this process, whatever group it has fled to."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


def clear_left_behind(runs: list[Run]) -> None:
    """Reap adopted processes that have ended; when nothing runs, end those that have not."""
    if not runs:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as children:
                for pid in map(int, children.read().split()):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        except (OSError, ValueError):
            pass
    known = {run.pid for run in runs}
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in known:
            return
        os.waitpid(found.si_pid, 0)


def look(run: Run) -> None:
    """Stop the run when it is over its time or memory."""
    run.peak_mb = max(run.peak_mb, resident_mb(run.pid))
    if time.monotonic() - run.started > run.seconds:
        run.verdict = "timeout"
    elif run.peak_mb > run.memory_mb:
        run.verdict = "memory"
    if run.verdict:
        stop_group(run.pid)


def ended(run: Run) -> dict[str, Any] | None:
    """The report of a run that has ended, or None."""
    pid, status, usage = os.wait4(run.pid, os.WNOHANG)
    if pid == 0:
        return None
    stop_group(run.pid)
    exit_code = os.waitstatus_to_exitcode(status)
    by_clock = exit_code == -signal.SIGXCPU
    verdict = run.verdict or ("timeout" if by_clock else "ok" if exit_code == 0 else "crash")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # ru_maxrss: bytes there, kilobytes here
    return {
        "id": run.number,
        "status": verdict,
        "seconds": round(time.monotonic() - run.started, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "memory_mb": round(max(run.peak_mb, usage.ru_maxrss / unit), 1),
        "exit": exit_code,
    }


def serve() -> None:
    adopt()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the runner, which then closes our stdin
    signal.set_wakeup_fd(wakes.fileno())
    print(json.dumps({"ready": True}), file=answers)
    runs: list[Run] = []
    pending = b""
    while True:
        ready, _, _ = select.select([0, woken.fileno()], [], [], LOOK_S if runs else None)
        if woken.fileno() in ready:
            woken.recv(4096)
        if 0 in ready:
            received = os.read(0, 65536)
            if not received:
                break
            *lines, pending = (pending + received).split(b"\n")
            runs += [start(json.loads(line)) for line in lines]
        for run in list(runs):
            look(run)
            report = ended(run)
            if report is not None:
                runs.remove(run)
                clear_left_behind(runs)
                print(json.dumps(report), file=answers)
    for run in runs:
        stop_group(run.pid)


def import_ahead(names: list[str]) -> None:
    """So that no child has to; what cannot be imported fails again in the child that needs it, which tells why."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


if __name__ == "__main__":
    import_ahead(sys.argv[1:])
    serve()

"""Child processes that never outlive us: not when we stop, not when we are killed with SIGKILL."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Loaded before any fork: between fork and exec a child must not import anything.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(death_signal: int, parent_pid: int) -> None:
    """Ask the kernel to send us `death_signal` when the thread that started us ends (Linux only; see prctl(2)).

    Must run after any change of uid, which clears the request. A parent that died before the request was made is
    noticed by its pid.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


class Child:
    """A process in a session of its own, so that a Ctrl-C at the terminal reaches only us and we stop it in order.

    On Linux the kernel signals it when we die; elsewhere a watchdog waits on a pipe that only we hold open.
    `user` is a numeric uid to run as; the working directory is entered before the uid changes.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        death_signal: signal.Signals = signal.SIGTERM,
        user: int | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        output: int | IO[bytes] | None = None,
        kernel_watches: bool = _LIBC is not None,
    ) -> None:
        parent_pid = os.getpid()

        def before_exec() -> None:
            die_with_parent(death_signal, parent_pid)

        def launch() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                cwd=cwd,
                env=env,
                user=user,
                group=_group_of(user),
                extra_groups=[] if user is not None else None,
                start_new_session=True,
                preexec_fn=before_exec if kernel_watches else None,
            )

        self._process = _keeper().call(launch)
        self._watchdog: subprocess.Popen[bytes] | None = None
        if not kernel_watches:
            # `read` returns when the pipe closes, that is when we are gone, however that came about.
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", f"read _; kill -{int(death_signal)} {self._process.pid}"],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self) -> int | None:
        """None while it runs; otherwise its status (negative: the signal). What it left in its group is ended too."""
        if self._process.returncode is None and _has_ended(self._process.pid):
            self._sweep()
            self._process.wait()
        return self._process.returncode

    def wait(self, timeout_s: float) -> int | None:
        """The exit status, or None when it still runs after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while (status := self.exit_status()) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return status

    def send(self, number: signal.Signals) -> None:
        """Signal the process itself; nothing happens when it has already ended."""
        if self.exit_status() is None:
            self._process.send_signal(number)

    def stop(self, *steps: tuple[signal.Signals, float]) -> int:
        """Go through (signal, seconds of grace) until it has ended, then SIGKILL. Returns its exit status."""
        for number, grace_s in steps:
            self.send(number)
            if self.wait(grace_s) is not None:
                break
        else:
            self._sweep()
            self._process.wait()
        return self._process.returncode

    def _sweep(self) -> None:
        """SIGKILL to the process group. Only while the leader is not reaped: afterwards its number may be another's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._end_watchdog()

    def _end_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None


def _has_ended(pid: int) -> bool:
    """Whether our child is a zombie; it stays one, so that its number is not given to another process yet."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # another thread of ours has just reaped it
        return True


def _group_of(user: int | None) -> int | None:
    if user is None:
        return None
    import pwd

    return pwd.getpwuid(user).pw_gid


class _Keeper(threading.Thread):
    """The one thread that starts children, alive as long as the process: the kernel's notice of a parent's death goes
    out when the *thread* that forked ends, and callers' threads come and go."""

    def __init__(self) -> None:
        super().__init__(name="child-keeper", daemon=True)
        self.owner_pid = os.getpid()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]] = (
            queue.SimpleQueue()
        )
        self.start()

    def run(self) -> None:
        while True:
            job, result = self._jobs.get()
            try:
                result.set_result(job())
            except BaseException as error:
                result.set_exception(error)

    def call(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        result: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, result))
        return result.result()


_keeper_lock = threading.Lock()
_the_keeper: _Keeper | None = None


def _keeper() -> _Keeper:
    global _the_keeper
    with _keeper_lock:
        if _the_keeper is None or _the_keeper.owner_pid != os.getpid():  # a fork copies the object, not the thread
            _the_keeper = _Keeper()
        return _the_keeper

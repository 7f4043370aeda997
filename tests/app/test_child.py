"""A child process ends when it is told to, and when we are gone without having told it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from app.child import Child
from tests.app.test_embedded_postgres import ends

PARENT = """
import sys, threading
from app.child import Child
child = Child(["sleep", "60"], kernel_watches=sys.argv[1] == "kernel")
print(child.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize(
    "watched_by", [pytest.param("kernel", marks=pytest.mark.skipif(sys.platform != "linux", reason="prctl")), "pipe"]
)
def test_a_child_ends_with_a_parent_that_is_killed(watched_by: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, watched_by], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        os.kill(child_pid, 0)
        parent.kill()
    assert ends(child_pid, within_s=5)


def test_the_watchdog_of_a_child_that_ended_by_itself_ends_too() -> None:
    child = Child(["true"], kernel_watches=False)
    assert child._watchdog is not None
    watchdog = child._watchdog.pid
    assert child.wait(5) == 0
    assert ends(watchdog, within_s=1)


def test_a_child_lives_on_when_the_thread_that_started_it_ends() -> None:
    started: list[Child] = []
    thread = threading.Thread(target=lambda: started.append(Child(["sleep", "60"])))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert started[0].exit_status() is None
    assert started[0].stop((signal.SIGTERM, 5)) == -signal.SIGTERM


def test_one_that_ignores_the_signal_is_killed_after_its_grace() -> None:
    child = Child(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    time.sleep(0.2)
    began = time.monotonic()
    assert child.stop((signal.SIGTERM, 0.3)) == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 3


def test_what_a_killed_child_leaves_in_its_group_is_ended_too() -> None:
    child = Child(["/bin/sh", "-c", "sleep 61 & echo $!; wait"], output=(pipe := os.pipe())[1])
    grandchild = int(os.read(pipe[0], 20))
    child.send(signal.SIGKILL)
    assert child.wait(5) == -signal.SIGKILL
    assert ends(grandchild, within_s=2)
    for end in pipe:
        os.close(end)


def test_the_status_of_an_ended_child_can_be_asked_for_again_and_stopping_it_is_harmless() -> None:
    child = Child(["/bin/sh", "-c", "exit 3"])
    assert child.wait(5) == 3
    assert child.exit_status() == 3
    assert child.stop((signal.SIGTERM, 1)) == 3


def test_a_command_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(FileNotFoundError):
        Child(["/no/such/program"])

"""Every file through the pool of decode children alone: what becomes of it, how long it takes, what a child needs."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from app.decode_pool import CRASHED, DecodeError, DecodePool
from sensors.inspection import Undecodable
from tests.bench.hostile import corpus


class Look(NamedTuple):
    """What one file did: the outcome in words, seconds of wall and of the child's processor, most MB resident.

    crashed: the child died of it, or failed in a way that is ours.
    """

    family: str
    name: str
    outcome: str
    wall_s: float
    processor_s: float
    peak_mb: float
    crashed: bool


def forget_peak(child: psutil.Process) -> None:
    """Have the kernel count the child's peak anew (Linux: proc_pid_clear_refs(5))."""
    Path(f"/proc/{child.pid}/clear_refs").write_text("5")


def peak_mb(child: psutil.Process) -> float:
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def processor_s(child: psutil.Process) -> float:
    times = child.cpu_times()
    return float(times.user + times.system)


class Watch:
    """The most that children held and used, looked at again and again: of one that dies nothing is left to ask."""

    def __init__(self) -> None:
        self.peak_mb = self.processor_s = 0.0

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            for child in psutil.Process().children():
                with suppress(psutil.NoSuchProcess, OSError, StopIteration):
                    self.peak_mb = max(self.peak_mb, peak_mb(child))
                    self.processor_s = max(self.processor_s, processor_s(child))


async def look_at_all(*, only: str = "", every: int = 1) -> list[Look]:
    """One child, one file after the other. A child that a file ended is replaced before the next is timed.

    The peak of a child that was ended is what was seen of it, every 10 ms, until then.
    """
    looks = []
    async with DecodePool(workers=1) as pool:
        for number, each in enumerate(corpus()):
            if number % every or each.way != "photo" or only not in f"{each.family}/{each.name}":
                continue
            child = await _ready(pool)
            forget_peak(child)
            crashed, began, used = False, time.perf_counter(), processor_s(child)
            watch = Watch()
            watching = asyncio.create_task(watch.follow())
            try:
                seen = await pool.inspect(each.content)
                outcome = f"read: {seen.width}x{seen.height}"
            except Undecodable as refused:
                outcome, crashed = refused.reason, refused.reason == CRASHED
            except DecodeError as error:
                outcome, crashed = f"our error: {error}", True
            wall = time.perf_counter() - began
            watching.cancel()
            spent, peak = max(0.0, watch.processor_s - used), watch.peak_mb
            with suppress(psutil.NoSuchProcess, OSError, StopIteration):
                spent, peak = processor_s(child) - used, max(peak, peak_mb(child))
            looks.append(Look(each.family, each.name, outcome, wall, spent, peak, crashed))
    return looks


async def _ready(pool: DecodePool) -> psutil.Process:
    """The idle child, started if the last file cost its predecessor's life."""
    children = psutil.Process().children()
    if not children:
        with suppress(Undecodable):
            await pool.inspect(b"")
        children = psutil.Process().children()
    return children[0]

"""Photos of strangers are opened where they can do no harm: bounded memory and time, no secrets, no leftovers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.decode_pool import CRASHED, TOO_SLOW, DecodeError, DecodePool
from sensors import decode
from sensors.inspection import MAX_BYTES, Inspection, Undecodable
from tests.sensors.difficult import Difficult, difficult, made
from tests.sensors.pictures import blank_png, photo, slow_progressive

ROOT = Path(__file__).resolve().parents[2]
MOST_RSS_KB = 400_000


def children(parent: int | None = None) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(parent).children():
        try:
            if "app.decode_worker" in each.cmdline():
                found.append(each)
        except psutil.Error:
            continue
    return found


def peak_rss_kb(child: psutil.Process) -> int:
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def refusal(job: Awaitable[object]) -> str:
    with pytest.raises(Undecodable) as refused:
        await job
    return refused.value.reason


async def until_a_child_works(pool: DecodePool, other_than: int = 0) -> psutil.Process:
    """The one child, once it is busy with a photo."""
    for _ in range(1_000):
        await asyncio.sleep(0.02)
        for worker in pool._busy:
            if worker.process.pid != other_than:
                await asyncio.sleep(0.05)
                return psutil.Process(worker.process.pid)
    raise AssertionError("no child took the photo")


def limit_of(child: psutil.Process, name: str) -> list[str]:
    """Soft and hard limit of a child, as the kernel has it."""
    lines = Path(f"/proc/{child.pid}/limits").read_text().splitlines()
    return next(line.split()[3:5] for line in lines if line.startswith(name))


async def test_a_photo_comes_out_as_if_opened_here() -> None:
    data = photo(800, 600)
    async with DecodePool(workers=1) as pool:
        assert children() == [], "children start with the first photo"
        assert await pool.inspect(data) == decode.inspect(data)
        assert await pool.render(data, 200) == decode.render(data, 200)
        assert np.array_equal(await pool.pixels(data, 32, 24, 3), decode.pixels(data, 32, 24, 3))
        assert len(children()) == 1
    assert children() == []


async def test_no_more_children_than_allowed_serve_any_number() -> None:
    photos = [photo(64, 64, seed) for seed in range(1, 31)]
    async with DecodePool(workers=2) as pool:
        seen = await asyncio.gather(*(pool.inspect(each) for each in photos))
        assert [each.sha256 for each in seen] == [decode.inspect(each).sha256 for each in photos]
        assert len(children()) == 2


async def test_a_bomb_costs_a_refusal_and_no_memory() -> None:
    bomb = blank_png(16_000, 13_400, bits=1, color=0)
    async with DecodePool(workers=1) as pool:
        await pool.inspect(photo())
        (child,) = children()
        before = peak_rss_kb(child)
        assert "214 million pixels" in await refusal(pool.inspect(bomb))
        assert children() == [child] and peak_rss_kb(child) - before < 5_000


@pytest.mark.parametrize("color", [0, 2, 3, 6])
async def test_the_largest_accepted_png_stays_within_memory(color: int) -> None:
    async with DecodePool(workers=1) as pool:
        job = asyncio.create_task(pool.inspect(blank_png(7_700, 7_700, color=color)))
        peak = 0
        while not job.done():
            for child in children():
                try:
                    peak = max(peak, peak_rss_kb(child))
                except (OSError, StopIteration):
                    continue
            await asyncio.sleep(0.02)
        assert 30_000 < peak < MOST_RSS_KB
        if isinstance(job.exception(), Undecodable):
            assert "too much memory" in str(job.exception())
        else:
            assert job.result().width == 7_700
        assert (await pool.inspect(photo())).width == 320


async def test_too_little_memory_is_a_refusal_and_the_next_photo_is_fine() -> None:
    async with DecodePool(workers=1, memory_bytes=150_000_000) as pool:
        assert "too much memory" in await refusal(pool.inspect(blank_png(7_000, 7_000)))
        assert (await pool.inspect(photo())).width == 320


async def test_a_slow_photo_is_given_up_and_its_child_ended() -> None:
    slow = slow_progressive(6_000, 55)
    for limit in ({"timeout_s": 0.5}, {"processor_s": 0.4}):
        await given_up(slow, limit)


async def given_up(slow: bytes, limit: dict[str, float]) -> None:
    async with DecodePool(workers=1, **limit) as pool:  # type: ignore[arg-type]
        await pool.inspect(photo())
        (child,) = children()
        started = time.monotonic()
        assert await refusal(pool.inspect(slow)) == TOO_SLOW
        assert time.monotonic() - started < 3 and not child.is_running()
        assert (await pool.inspect(photo())).width == 320


async def test_a_killed_child_costs_an_honest_photo_nothing() -> None:
    async with DecodePool(workers=1) as pool:
        job = asyncio.create_task(pool.inspect(blank_png(7_700, 7_700)))
        child = await until_a_child_works(pool)
        child.kill()
        assert (await job).width == 7_700
        # One that died while idle is noticed before it is used.
        (idle,) = children()
        idle.kill()
        idle.wait(5)
        assert (await pool.inspect(photo())).width == 320


async def test_a_photo_that_kills_twice_is_refused() -> None:
    async with DecodePool(workers=1, timeout_s=30) as pool:
        job = asyncio.create_task(pool.inspect(slow_progressive(6_000, 55)))
        first = await until_a_child_works(pool)
        first.kill()
        second = await until_a_child_works(pool, other_than=first.pid)
        second.kill()
        assert await refusal(job) == CRASHED
        assert (await pool.inspect(photo())).width == 320


async def test_a_cancelled_request_never_answers_the_next() -> None:
    large, small = blank_png(7_700, 7_700), photo(64, 48)
    async with DecodePool(workers=1) as pool:
        job = asyncio.create_task(pool.inspect(large))
        await until_a_child_works(pool)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert (await pool.inspect(small)).width == 64


async def test_children_are_replaced_after_their_share_of_jobs() -> None:
    async with DecodePool(workers=1, jobs_each=2) as pool:
        used = set()
        for _ in range(4):
            await pool.inspect(photo(64, 64))
            used |= {child.pid for child in children()}
        assert len(used) == 2 and len(children()) <= 1


async def test_closing_ends_what_is_running() -> None:
    pool = DecodePool(workers=1)
    async with pool:
        job = asyncio.create_task(pool.inspect(slow_progressive(6_000, 55)))
        await until_a_child_works(pool)
    with pytest.raises(DecodeError, match="closed"):
        await job
    assert children() == []
    with pytest.raises(DecodeError, match="closed"):
        await pool.inspect(photo())


async def test_a_file_beyond_the_limit_is_not_even_sent() -> None:
    async with DecodePool(workers=1) as pool:
        assert "larger than 50 MB" in await refusal(pool.inspect(bytes(MAX_BYTES + 1)))
        assert children() == []


async def test_a_wrong_size_is_our_fault_and_not_the_photos() -> None:
    async with DecodePool(workers=1) as pool:
        with pytest.raises(DecodeError, match="channels"):
            await pool.pixels(photo(), 8, 8, 2)
        assert (await pool.pixels(photo(), 8, 8, 1)).shape == (8, 8, 1)


async def test_children_know_no_secret_and_can_write_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "sk_of_ours")
    async with DecodePool(workers=1, memory_bytes=200_000_000) as pool:
        await pool.inspect(photo())
        (child,) = children()
        assert "sk_of_ours" not in child.environ().values() and "STRIPE_API_KEY" not in child.environ()
        most, hard = (int(each) for each in limit_of(child, "Max address space"))
        assert most == hard and 0 < most - child.memory_info().vms <= 200_000_000
        assert limit_of(child, "Max file size") == ["0", "0"]
        assert child.net_connections() == []


def test_children_die_with_a_killed_parent() -> None:
    script = (
        "import asyncio, sys\n"
        "from app.decode_pool import DecodePool\n"
        "from tests.sensors.pictures import photo, slow_progressive\n"
        "async def main():\n"
        "    async with DecodePool(workers=2, timeout_s=60) as pool:\n"
        "        await asyncio.gather(pool.inspect(photo()), pool.inspect(photo()))\n"
        "        print('ready', flush=True)\n"
        "        await pool.inspect(slow_progressive(6000, 55))\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
        orphans = children(parent.pid)
        assert orphans
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(5)
        _, alive = psutil.wait_procs(orphans, timeout=5)
        assert alive == []
    finally:
        parent.kill()
        parent.communicate()


@pytest.mark.parametrize("source", [difficult, made])
async def test_every_difficult_photo_yields_a_measure_or_a_reason(source: Callable[[], Difficult]) -> None:
    photos, unreadable, _ = source()
    outcomes: dict[str, Inspection | str] = {}
    async with DecodePool(workers=2) as pool:

        async def look(name: str, data: bytes) -> None:
            try:
                outcomes[name] = await pool.inspect(data)
            except Undecodable as refused:
                outcomes[name] = refused.reason
                assert refused.reason == await refusal(pool.render(data, 1600))
            else:
                assert (await pool.render(data, 1600)).startswith(b"\xff\xd8\xff")

        await asyncio.gather(*(look(name, data) for name, data in photos.items()))
        assert all(peak_rss_kb(child) < MOST_RSS_KB for child in children())
    refused = {name: reason for name, reason in outcomes.items() if isinstance(reason, str)}
    assert all(reason.endswith(".") and len(reason) > 15 for reason in refused.values())
    assert set(refused) == unreadable

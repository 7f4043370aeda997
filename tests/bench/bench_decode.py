"""What looking at a photo costs, beside one bare full decode of the same file by Pillow in the same run.

python -m tests.bench.bench_decode
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from app.decode_pool import DecodePool
from sensors.check import check
from sensors.decode import inspect
from sensors.inspection import Undecodable
from sensors.pdq import MATCH_RADIUS
from sensors.pdq_index import PdqIndex
from sensors.verdict import OPEN
from tests.sensors.cast import WINDOW, asked, evidence, photo
from tests.sensors.pictures import blank_png, encoded, pattern, scene

CHILDREN = 2  # as the worker's pool has


def grainy(width: int, height: int, quality: int) -> bytes:
    """A JPEG as a camera gives it: structure in three channels, and grain."""
    base = np.asarray(scene(width, height, 3)).astype(np.int16)
    grain = np.random.default_rng(7).integers(-10, 11, base.shape, dtype=np.int16)
    return encoded(Image.fromarray((base + grain).clip(0, 255).astype(np.uint8)), quality=quality)


def samples() -> dict[str, bytes]:
    small = Image.fromarray(pattern(8, 8, 2)).resize((128, 128), Image.Resampling.LANCZOS)
    return {
        "scan 128x128 JPEG": encoded(small, quality=92),
        "scan 128x128 PNG": encoded(small, "PNG"),
        "photo 480x360 JPEG": grainy(480, 360, 80),
        "photo 480x360 WebP": encoded(scene(480, 360, 3), "WEBP", quality=85),
        "photo 4000x3000 JPEG": grainy(4000, 3000, 88),
        "photo 4000x3000 progressive": encoded(scene(4000, 3000, 3), quality=88, progressive=True),
        "shot 1080x2400 PNG": encoded(scene(1080, 2400, 3), "PNG"),
    }


def bare_decode(data: bytes) -> None:
    with Image.open(BytesIO(data)) as image:
        image.load()


def verdict(data: bytes) -> None:
    """Everything that judging one photo costs but the search for duplicates."""
    check(evidence(photo(1, inspect(data))), asked(checks=list(OPEN)), WINDOW, [])


def best_ms(work: Callable[[], object], seconds: float = 1.0) -> float:
    """The quickest of many runs by processor time, in milliseconds: other programs' turns do not count."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times) * 1000


async def through_pool(data: bytes, count: int) -> tuple[float, float]:
    """Photos a second of wall time through CHILDREN children, and milliseconds of a child's processor time a photo."""
    async with DecodePool(workers=CHILDREN) as pool:
        await asyncio.gather(*(pool.inspect(data) for _ in range(CHILDREN)))
        children = psutil.Process().children()
        before, started = sum(sum(each.cpu_times()[:2]) for each in children), time.perf_counter()
        for _ in range(0, count, CHILDREN):
            await asyncio.gather(*(pool.inspect(data) for _ in range(CHILDREN)))
        wall = time.perf_counter() - started
        spent = sum(sum(each.cpu_times()[:2]) for each in children) - before
        return count / wall, spent / count * 1000


async def memory_of(data: bytes) -> tuple[str, float]:
    """What became of a file, and the most memory in MB that its child ever held (Linux)."""
    async with DecodePool(workers=1) as pool:
        job = asyncio.create_task(pool.inspect(data))
        peak = 0
        while not job.done():
            for child in psutil.Process().children():
                try:
                    status = Path(f"/proc/{child.pid}/status").read_text()  # noqa: ASYNC240  a pseudo file, no disk
                    peak = max(peak, *(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line))
                except (OSError, TypeError):
                    continue
            await asyncio.sleep(0.01)
        error = job.exception()
        if error is not None and not isinstance(error, Undecodable):
            raise error
        return ("read" if error is None else str(error)), peak / 1000


def search_ms(count: int) -> float:
    hashes = np.random.default_rng(1).bytes(32 * count)
    index = PdqIndex()
    index.add(range(count), [hashes[place : place + 32] for place in range(0, len(hashes), 32)])
    wanted = hashes[:32]
    return best_ms(lambda: index.search(wanted, MATCH_RADIUS))


def main() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # The children multiply on one thread; numpy reads this only when it is first imported.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, "-m", "tests.bench.bench_decode"])
    print(f"{'file':30}{'kB':>7}{'bare ms':>9}{'verdict ms':>11}{'ratio':>7}{'pool /s':>9}{'child ms':>9}")
    for name, data in samples().items():
        bare, ours = best_ms(lambda each=data: bare_decode(each)), best_ms(lambda each=data: verdict(each))  # type: ignore[misc]
        rate, child = asyncio.run(through_pool(data, 300 if len(data) < 100_000 else 60))
        print(f"{name:30}{len(data) / 1000:7.1f}{bare:9.2f}{ours:11.2f}{ours / bare:7.2f}{rate:9.0f}{child:9.2f}")
    print()
    bombs = {
        "PNG 16000x13400, 1 bit": blank_png(16_000, 13_400, bits=1, color=0),
        "PNG 7700x7700 RGB": blank_png(7_700, 7_700),
        "PNG 7700x7700 RGBA": blank_png(7_700, 7_700, color=6),
    }
    for name, data in bombs.items():
        outcome, peak = asyncio.run(memory_of(data))
        print(f"{name:30}{len(data) / 1000:7.1f} kB, child at most {peak:.0f} MB: {outcome}")
    print()
    for count in (50_000, 1_000_000):
        print(f"PDQ search, radius {MATCH_RADIUS}, {count:>9,} hashes: {search_ms(count):.2f} ms")


if __name__ == "__main__":
    main()

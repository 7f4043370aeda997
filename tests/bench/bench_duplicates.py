"""Search among millions of hashes, beside comparing with every one; what a photo costs; reading the table at a start.

python -m tests.bench duplicates          1 and 10 million hashes in memory, 1 million read from PostgreSQL
BENCH_HASHES=100000 python -m …           so many in place of both

Every twentieth search is checked against all hashes. Times are of the processor, and of the wall where another process
takes part. What is found in which shape: bench_likeness.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from app import migrate
from app.db import create_pool, open_database
from app.decode_pool import DecodePool
from app.duplicates import PhotoIndex
from app.embedded_postgres import EmbeddedPostgres
from app.media import Media
from sensors.pdq import MATCH_RADIUS
from sensors.pdq_index import PdqIndex

SIZES = [int(os.environ["BENCH_HASHES"])] if "BENCH_HASHES" in os.environ else [1_000_000, 10_000_000]
SEARCHES = 400
BARS_MS = {1_000_000: 5, 10_000_000: 30}
WORDS_EACH = 190
FILLED = """INSERT INTO photo_hash (submission_id, n, task_id, person_id, sha256, pdq, quality, submitted_at)
            SELECT gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(), sha256(int8send(g)),
              sha256(int8send(-g)), 100, now() FROM generate_series(1::bigint, $1::bigint) g"""
WORDS = """INSERT INTO photo_word (word, seq) SELECT (random() * 67108863)::int, h.seq
           FROM (SELECT seq FROM photo_hash ORDER BY seq LIMIT $1) h, generate_series(1, $2::int)
           ON CONFLICT DO NOTHING"""
SIZE = "SELECT pg_total_relation_size($1::regclass)"


def main() -> None:
    for count in SIZES:
        search(count)
    asyncio.run(_start(min(SIZES)))


def _changed(words: NDArray[np.uint64], bits: int, random: np.random.Generator) -> bytes:
    apart = np.unpackbits(words.view(np.uint8))
    apart[random.choice(256, bits, replace=False)] ^= 1
    return np.packbits(apart).tobytes()


def search(count: int) -> None:
    """Hashes changed by up to 31 bits are looked for among `count` of them."""
    random = np.random.default_rng(1)
    hashes = random.integers(0, 2**64, (count, 4), dtype=np.uint64)
    index, began = PdqIndex(), time.process_time()
    for start in range(0, count, 100_000):
        part = hashes[start : start + 100_000]
        index.extend(np.arange(start, start + len(part)), part.tobytes())
    index.sort()
    rate = count / (time.process_time() - began)
    ours, brute = [], []
    for number in range(SEARCHES):
        at = int(random.integers(count))
        wanted = _changed(hashes[at], int(random.integers(MATCH_RADIUS + 1)), random)
        began = time.process_time()
        found = index.search(wanted)
        ours.append((time.process_time() - began) * 1000)
        if at not in [key for key, _ in found]:
            raise AssertionError(f"hash {at} was not found")
        if number % 20 == 0:
            began = time.process_time()
            bits = np.bitwise_count(hashes ^ np.frombuffer(wanted, np.uint64)).sum(axis=1, dtype=np.uint16)
            expected = np.flatnonzero(bits <= MATCH_RADIUS).tolist()
            brute.append((time.process_time() - began) * 1000)
            if sorted(key for key, _ in found) != expected:
                raise AssertionError(f"search {number} differs from comparing with every hash")
    middle, late = np.percentile(ours, (50, 99))
    bar = f"bar {BARS_MS[count]}" if count in BARS_MS else "no bar"
    print(f"{count:>11,} hashes: p50 {middle:.2f} ms, p99 {late:.2f} ms ({bar}), all {np.median(brute):.1f} ms "
          f"= {np.median(brute) / middle:.0f}x; {index.nbytes / count:.0f} bytes a hash (bar 150); "
          f"ordered at {rate / 1e6:.2f} million a second")  # fmt: skip


async def _start(count: int) -> None:
    """A process starts with `count` photos in the table: how long until its index is whole, and what they occupy."""
    with (
        tempfile.TemporaryDirectory(prefix="sensorium-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "database") as postgres,
    ):
        await asyncio.to_thread(migrate.upgrade, postgres.dsn)
        await _fill(postgres.dsn, count)
        async with open_database(postgres.dsn, largest=2, name="bench") as database, DecodePool() as decoders:
            index = PhotoIndex(database, Media(f"{folder}/media"), decoders)
            wall, own, all_of_it = time.perf_counter(), time.process_time(), _spent()
            await index.warm()
            wall, own, all_of_it = time.perf_counter() - wall, time.process_time() - own, _spent() - all_of_it
            if len(index._index) != count:
                raise AssertionError(f"{len(index._index)} of {count} hashes were read")
    print(f"{count:>11,} rows read at a start, million a second: {count / all_of_it / 1e6:.2f} of one processor "
          f"(this process {count / own / 1e6:.2f}; bar 0.5), {count / wall / 1e6:.2f} of wall time")  # fmt: skip


def _spent() -> float:
    """Processor seconds of this process and of the database's."""
    everyone = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in everyone)


async def _fill(dsn: str, count: int) -> None:
    async with await create_pool(dsn, largest=1) as pool:
        await pool.execute("ALTER TABLE photo_hash DROP CONSTRAINT photo_hash_submission_id_fkey")
        for start in range(0, count, 200_000):
            await pool.execute(FILLED, min(200_000, count - start))
        sample = min(count, 2_000)
        await pool.execute(WORDS, sample, WORDS_EACH)
        await pool.execute("ANALYZE photo_hash")
        rows, words = await pool.fetchval(SIZE, "photo_hash"), await pool.fetchval(SIZE, "photo_word")
        print(f"            in the database: {rows / count:.0f} bytes a photo for its row and indexes, "
              f"{words / sample:,.0f} for {WORDS_EACH} numbers of its features")  # fmt: skip


if __name__ == "__main__":
    main()

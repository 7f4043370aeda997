"""The fill model on a market it does not know the form of, and what a quote takes at a million tasks.

First: six cities of tests/market/fill_world.py over four weeks, the last kept back. Then a database with 1,000,000
tasks of 60 days in 200 cities, 300,000 people active in them: fitting, and quotes as the endpoint makes them.
BENCH_TASKS makes the database smaller.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path

import asyncpg
import h3.api.basic_int as h3
import msgspec
import numpy as np

from app import migrate
from app.db import init_connection
from app.embedded_postgres import EmbeddedPostgres
from market import fill_history, fill_model, quotes, reliability
from market.posting import Rates
from tests.market import fill_world
from tests.market.conftest import BAKERY

TASKS = int(os.environ.get("BENCH_TASKS", "1000000"))
PEOPLE = 300_000
CITIES = 200
QUOTES = 300


def main() -> None:
    """Print both."""
    for tasks, slots in [(20_000, 1), (2_000, 1), (200, 1), (4_000, 3)]:
        world = fill_world.made(tasks, 28, 1, quantity=slots)
        tried = fill_world.tried(world, days=21, slots=slots)
        print(
            f"{tasks} tasks of {slots}, the last week of four kept back: inside the 80 % interval {tried.inside:.3f}, "
            f"Brier {tried.brier:.4f}, base rate {tried.base:.4f}: {1 - tried.brier / tried.base:.0%} better"
        )
    world = fill_world.made(50_000, 60, 2)
    begun = time.perf_counter()
    fill_model.fit(world.rows)
    print(f"fitting 50,000 slots: {time.perf_counter() - begun:.2f} s")
    folder = Path(tempfile.mkdtemp(prefix="sensorium-bench-"))
    try:
        with EmbeddedPostgres(folder / "database") as postgres:
            migrate.upgrade(postgres.dsn)
            asyncio.run(_database(postgres.dsn))
    finally:
        shutil.rmtree(folder)


async def _database(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    await init_connection(conn)
    spots = await _fill(conn)
    begun = time.perf_counter()
    rows = await fill_history.rows(conn)
    read = time.perf_counter()
    model = fill_model.fit(rows)
    fitted = time.perf_counter()
    async with conn.transaction():
        await fill_history.keep(conn, model)
        await reliability.learn(conn)
    kept = time.perf_counter()
    print(
        f"at {TASKS} tasks: {len(rows.end)} slots read in {read - begun:.2f} s, fitted in {fitted - read:.2f} s, "
        f"kept and answers compared in {kept - fitted:.2f} s"
    )
    decision = {
        "prior": {"open": 0.5, "closed": 0.5},
        "acts": {"go": {"open": 900, "closed": -600}, "stay": {"open": 0, "closed": 0}},
    }
    took = []
    for i in range(QUOTES):
        lat, lon = spots[i % len(spots)]
        draft = BAKERY | {"place": {"lat": lat, "lon": lon}, "decision": decision}
        asked = msgspec.convert(draft, quotes.QuoteDraft)
        begun = time.perf_counter()
        await quotes.quote(conn, "usd", asked, rates=Rates(1000), known=[])
        took.append((time.perf_counter() - begun) * 1000)
    print(f"a quote: p50 {np.quantile(took, 0.5):.1f} ms, p99 {np.quantile(took, 0.99):.1f} ms (bar: 20 ms)")
    await conn.close()


async def _fill(conn: asyncpg.Connection) -> list[tuple[float, float]]:
    """Tasks, half of them answered after an exponential time, and people active where they are."""
    random = np.random.default_rng(1)
    cities = np.stack([random.uniform(-50, 60, CITIES), random.uniform(-120, 140, CITIES)], axis=1)
    spots = [(float(lat), float(lon)) for city in cities for lat, lon in city + random.normal(0, 0.05, (100, 2))]
    await conn.execute("CREATE TEMP TABLE spot (n int PRIMARY KEY, lat float8, lon float8, near bigint, city bigint)")
    await conn.copy_records_to_table(
        "spot", records=[(n, lat, lon, *fill_history.cells(lat, lon)) for n, (lat, lon) in enumerate(spots)]
    )
    await conn.execute("INSERT INTO account (id, name, email) VALUES (gen_random_uuid(), 'Ada', 'ada@example.com')")
    await conn.execute("DROP INDEX task_near")  # plays no part here
    for done in range(0, TASKS, 100_000):
        await conn.execute(_TASKS, done, min(done + 100_000, TASKS), len(spots))
    await conn.execute(_TOLD)
    await conn.execute(
        """INSERT INTO person (id, email, display_name, accepted_terms_at)
             SELECT gen_random_uuid(), 'p' || n || '@example.com', 'P', now() FROM generate_series(1, $1::int) AS n""",
        PEOPLE,
    )
    await conn.execute(
        """INSERT INTO active_near (cell, person_id, last_at)
             SELECT DISTINCT ON (s.near, p.id) s.near, p.id, now() - random() * interval '20 days'
             FROM (SELECT id, row_number() OVER () AS n FROM person) p
               JOIN spot s ON s.n / 100 = p.n % $1 AND (s.n + p.n) % 33 < 3""",
        CITIES,
    )
    await conn.execute(_ANSWERS)
    await conn.execute("ANALYZE")
    counts = [
        await conn.fetchval(f"SELECT count(*) FROM {name}") for name in ("task_fill", "active_near", "submission")
    ]
    print(f"filled: {counts[0]} tasks, {counts[1]} people in cells, {counts[2]} answers")
    assert h3.is_valid_cell(await conn.fetchval("SELECT near FROM spot LIMIT 1"))
    return spots


_TASKS = """
INSERT INTO task (id, account_id, kind, title, instructions, purpose, lat, lon, radius_m, loc, opens_at, closes_at,
    evidence, acceptance, license, mode, reward, fee, top, top_fee, currency, quantity, claim_ttl_s, review_deadline_s,
    created_at)
  SELECT gen_random_uuid(), (SELECT id FROM account), 'photo', 'Is it open?', 'Look.', 'A map.', s.lat, s.lon, 80,
    point(s.lon, s.lat), at, at + interval '1 day', '{"questions": []}', '{}', '{}', 'auto', reward, 10, reward, 10,
    'usd', 1, 3600, 86400, at
  FROM generate_series($1::int, $2::int - 1) AS g (i)
    CROSS JOIN LATERAL (SELECT now() - random() * interval '59 days' + i * interval '0 s' AS at,
      (100 + random() * 400 + i * 0)::bigint AS reward) AS drawn
    JOIN spot s ON s.n = i % $3::int
"""
_TOLD = """
INSERT INTO task_fill (task_id, kind, currency, opened_at, closes_at, lat, lon, near, city, minutes, reward, top, step,
    step_s, quantity, people, way, lot)
  SELECT t.id, t.kind, 'usd', t.opens_at, t.closes_at, t.lat, t.lon, s.near, s.city, 6.75, t.reward, t.reward, 0, 0, 1,
    20, 0, (random() * 2000000000)::int
  FROM task t JOIN spot s ON s.lat = t.lat AND s.lon = t.lon
"""
_ANSWERS = """
WITH who AS (SELECT id FROM person LIMIT 1),
taken AS (
  INSERT INTO claim (id, task_id, person_id, status, nonce, code, created_at, expires_at, ended_at, reward, fee)
    SELECT gen_random_uuid(), t.id, who.id, 'submitted', '', '', t.opens_at, t.opens_at + interval '1 day',
      t.opens_at + random() * interval '8 hours', t.reward, t.fee FROM task t, who WHERE t.reward > 300 RETURNING *)
INSERT INTO submission (id, claim_id, task_id, person_id, account_id, status, outcome, answers, submitted_at,
    decided_at)
  SELECT gen_random_uuid(), taken.id, task_id, person_id, (SELECT id FROM account), 'accepted', 'done', '{}', ended_at,
    ended_at FROM taken
"""

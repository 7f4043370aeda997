"""What is near, at ten thousand, a hundred thousand and a million open tasks; and posting, claiming and listing there.

Near-by search over 200 cities with filters on kind and price, at eight clients while tasks are posted, beside a full
scan of the same table (whose answers must be the same). BENCH_SECONDS (default 15) is the length of each measurement.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec

from app import postgres_binaries
from app.db import init_connection
from app.embedded_postgres import ROLE, EmbeddedPostgres
from app.supervisor import System
from app.worker import fast_loop
from market import accounts, claims, ids, keys, ledger, near, offers, people, posting, tasks
from market.terms import TaskDraft
from tests.bench.http_client import Connection, Timings

SECONDS = float(os.environ.get("BENCH_SECONDS", "15"))
STAGES = (10_000, 100_000, 1_000_000)
CLIENTS, CALLS, LIMIT, PLACES = 8, 300, 50, 5000
SHOWN = (20, 50)  # offers of one search: what a phone is shown at a time, and what the API gives if nothing is said
FUNDS = 10_000_000_000
SQL = (Path(__file__).parent / "near" / "open_tasks.sql").read_text()
CITIES = """CREATE TABLE city AS SELECT n AS id, degrees(asin(random() * 1.6 - 0.8)) AS lat, random() * 360 - 180 AS lon
  FROM generate_series(0, 200) AS n"""
WISHES: tuple[dict[str, Any], ...] = (
    {}, {"kind": "photo"}, {"min_reward": 300}, {"kind": "photo", "min_reward": 300},
    {"kind": "reading", "min_reward": 800},
)  # fmt: skip
DRAFT = {
    "kind": "photo", "title": "Is the bakery open?", "instructions": "The shop front.", "purpose": "Opening hours.",
    "evidence": {"photos": {"min": 1}}, "reward": {"amount": 300, "currency": "usd"},
}  # fmt: skip


def main() -> None:
    """Each stage in turn on one database, then the service on the last."""
    folder = Path(tempfile.mkdtemp(prefix="sensorium-bench-"))
    try:
        with EmbeddedPostgres(folder / "database", {"shared_buffers": "1GB"}) as postgres:
            environment = {**os.environ, "DATABASE_URL": postgres.dsn, "SENSORIUM_LOG_LEVEL": "warning"}
            with (
                System(folder / "service", port=0, environment=environment, output=subprocess.DEVNULL) as system,
                asyncio.Runner(loop_factory=fast_loop()) as runner,
            ):
                runner.run(_measure(postgres, system.url))
    finally:
        shutil.rmtree(folder)


async def _measure(postgres: EmbeddedPostgres, url: str) -> None:
    conn = await _connect(postgres.dsn)
    await conn.execute("SELECT setseed(0.5)")
    await conn.execute(CITIES)
    cities = [(row["lat"], row["lon"]) for row in await conn.fetch("SELECT lat, lon FROM city")]
    actor, person, session = await _cast(conn)
    had, found = 0, {}
    for stage in STAGES:
        for start in range(had, stage, 50_000):
            await conn.execute(SQL, actor.owner, start, min(stage, start + 50_000) - 1, False)
        had = stage
        await conn.execute("VACUUM ANALYZE")
        found[stage] = await _calls(conn, actor, person, cities)
    _print_growth(found)
    await _same_as_a_scan(conn, cities)
    await _place_searches(conn, cities)
    for limit in SHOWN:
        await _near_in_the_database(postgres, conn, actor, cities, limit)
    for limit in SHOWN:
        await _near_over_http(url, conn, actor, session, cities, limit)
    await conn.close()


async def _connect(dsn: str) -> asyncpg.Connection:
    conn = await asyncpg.connect(dsn, server_settings={"jit": "off"})
    await init_connection(conn)
    return conn


async def _cast(conn: asyncpg.Connection) -> tuple[keys.Actor, UUID, str]:
    """A funded buyer, and somebody with a session."""
    async with conn.transaction():
        draft = accounts.AccountDraft(name="Ada", email="ada@example.com")
        opened, secret = await accounts.open_account(conn, draft)
        buyer = ledger.buyer(ids.read("account", opened.id))
        await ledger.post(
            conn, "funding", "bench", [(ledger.CLEARING, FUNDS), (buyer, -FUNDS)], currency="usd", actor="bench"
        )
        who = people.PersonDraft(email="bo@example.com", display_name="Bo", accept_terms=True)
        person = await people.sign_up(conn, who)
        return await keys.find(conn, secret), person, await people.open_session(conn, person)


def _somewhere(rng: random.Random, cities: list[tuple[float, float]]) -> tuple[float, float]:
    lat, lon = rng.choice(cities)
    return max(-85, min(85, lat + rng.gauss(0, 0.05))), (lon + rng.gauss(0, 0.08) + 540) % 360 - 180


async def _post(conn: asyncpg.Connection, actor: keys.Actor, at: tuple[float, float]) -> tasks.Task:
    draft = msgspec.convert({**DRAFT, "place": {"lat": at[0], "lon": at[1]}}, TaskDraft)
    async with conn.transaction():
        return await posting.post(conn, actor, draft, rates=posting.Rates(1000))


async def _calls(
    conn: asyncpg.Connection, actor: keys.Actor, person: UUID, cities: list[tuple[float, float]]
) -> dict[str, float]:
    """Median milliseconds of a call, one after another."""
    rng, took = random.Random(1), Timings(list)

    async def timed(name: str, act: Callable[[], Awaitable[Any]]) -> Any:
        began = time.perf_counter()
        done = await act()
        took[name].append((time.perf_counter() - began) * 1000)
        return done

    async def claimed(task: str) -> None:
        async with conn.transaction():
            claim = await claims.claim(conn, person, task, None)
        async with conn.transaction():
            await claims.release(conn, person, claim.id)

    for _ in range(CALLS):
        at = _somewhere(rng, cities)
        task = await timed("post", lambda at=at: _post(conn, actor, at))
        await timed("claim and release", lambda task=task: claimed(task.id))
        await timed("list own", lambda: tasks.listed(conn, actor.owner, limit=50))
        await timed("near by", lambda at=at: offers.near_by(conn, person, lat=at[0], lon=at[1], limit=LIMIT))
    return {name: statistics.median(each) for name, each in took.items()}


def _print_growth(found: dict[int, dict[str, float]]) -> None:
    print(f"\nmedian ms of a call{'':<12}" + "".join(f"{stage:>12,}" for stage in STAGES) + "      growth (bar 1.3)")
    for name in found[STAGES[0]]:
        line = [found[stage][name] for stage in STAGES]
        print(f"  {name:<28}" + "".join(f"{ms:>12.2f}" for ms in line) + f"{line[-1] / line[0]:>12.2f}")


async def _same_as_a_scan(conn: asyncpg.Connection, cities: list[tuple[float, float]]) -> None:
    """The search's answers, held against those of a look at every row."""
    rng, took = random.Random(2), Timings(list)
    for n in range(20):
        lat, lon = _somewhere(rng, cities)
        wish = WISHES[n % len(WISHES)]
        began = time.perf_counter()
        seen = await offers.near_by(conn, None, lat=lat, lon=lon, limit=LIMIT, **wish)
        took["search"].append(time.perf_counter() - began)
        began = time.perf_counter()
        rows = await conn.fetch(
            f"""SELECT id, lat, lon FROM task WHERE status = 'open' AND claimed + done < quantity
                AND opens_at <= market_now() AND closes_at > market_now()
                AND ($1::text IS NULL OR kind = $1) AND ($2::bigint IS NULL OR {tasks.PRICE} >= $2)""",
            wish.get("kind"), wish.get("min_reward"),
        )  # fmt: skip
        every = sorted((near.distance_m(lat, lon, row["lat"], row["lon"]), row["id"]) for row in rows)
        took["scan"].append(time.perf_counter() - began)
        expected = [ids.show("task", task) for metres, task in every if metres <= 5000][:LIMIT]
        if [each.id for each in seen] != expected:
            raise RuntimeError(f"the search differs from the scan at {lat}, {lon} for {wish}")
    ratio = statistics.median(took["scan"]) / statistics.median(took["search"])
    print(f"\nthe same answers as a full scan, 20 of 20; {ratio:,.0f} times as fast")


async def _place_searches(conn: asyncpg.Connection, cities: list[tuple[float, float]]) -> None:
    """Where pgbench looks."""
    await conn.execute("CREATE TABLE place (id int PRIMARY KEY, x float8, y float8, box text)")
    rng, rows = random.Random(4), []
    for n in range(PLACES):
        lat, lon = _somewhere(rng, cities)
        left, bottom, right, top = near.box(lat, lon, 5000)[0]
        rows.append((n, *near.project(lat, lon), f"({right},{top}),({left},{bottom})"))
    await conn.copy_records_to_table("place", records=rows)


async def _near_in_the_database(
    postgres: EmbeddedPostgres, conn: asyncpg.Connection, actor: keys.Actor, cities: list[tuple[float, float]],
    limit: int,
) -> None:  # fmt: skip
    """Eight clients of pgbench with the search's first statement; how often a second follows is told beside it."""
    rng, scripts = random.Random(5), []
    for n, wish in enumerate(WISHES):
        file = postgres.data_dir.parent / f"near{n}.sql"
        file.write_text(_script(wish, limit))
        scripts += ["-f", str(file)]
    until = time.perf_counter() + SECONDS
    command = [str(postgres_binaries.find() / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-l"]
    command += ["-T", str(round(SECONDS)), *scripts, "-h", str(postgres.socket_folder), "-p", "5432", "-U", ROLE]
    folder = Path(tempfile.mkdtemp(prefix="sensorium-bench-"))

    async def bench() -> None:
        running = await asyncio.create_subprocess_exec(
            *command, "sensorium", cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, said = await running.communicate()
        if running.returncode != 0:
            raise RuntimeError(f"pgbench failed: {said.decode()[-1000:]}")

    posted = await _while_posting(conn, actor, cities, until, bench())
    _print({f"{limit} near by in the database": _latencies(folder)}, posted, 8)
    again, timed = 0, Timings(list)
    for n in range(CALLS):
        (lat, lon), counted = _somewhere(rng, cities), _Counted(conn)
        began = time.perf_counter()
        await offers.near_by(counted, None, lat=lat, lon=lon, limit=limit, **WISHES[n % len(WISHES)])
        timed["whole"].append(time.perf_counter() - began)
        again += counted.asked > 1
    cuts = [cut * 1000 for cut in statistics.quantiles(timed["whole"], n=100)]
    print(f"the whole function, one client: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
    print(f"  a second statement was needed by {again / CALLS:.0%} of the searches")


def _latencies(folder: Path) -> list[float]:
    """Seconds of each transaction that pgbench has logged; the folder goes."""
    lines = [line.split() for file in folder.glob("pgbench_log.*") for line in file.read_text().splitlines()]
    shutil.rmtree(folder)
    return [int(line[2]) / 1e6 for line in lines]


def _script(wish: dict[str, Any], limit: int) -> str:
    """The search's first statement for pgbench, at a place drawn anew each time."""
    own = offers.Wish(None, wish.get("kind"), wish.get("min_reward"))
    number = offers.at_least(limit + 1 + offers.SLACK)
    sql = (offers.IN_BOX if wish else offers.NEAREST).format(wanted=own.sql, most=number)
    kind, least = ("NULL" if each is None else f"'{each}'" for each in own[1:])
    given = ("$1", "NULL"), ("$2", kind), ("$3", least), ("$4", "point(:x, :y)"), ("$5", ":box")
    for parameter, value in given:
        sql = sql.replace(parameter, value)
    look_up = "SELECT x, y, box FROM place WHERE id = :id \\gset\n"
    return f"\\set id random(0, {PLACES - 1})\n{look_up}{sql};\n"


class _Counted:
    """A connection that counts what is asked through it."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn, self.asked = conn, 0

    async def fetch(self, sql: str, *given: Any) -> list[asyncpg.Record]:
        self.asked += 1
        return list(await self.conn.fetch(sql, *given))


async def _near_over_http(
    url: str, conn: asyncpg.Connection, actor: keys.Actor, session: str, cities: list[tuple[float, float]], limit: int
) -> None:
    timings, parts = Timings(list), urlsplit(url)
    until = time.perf_counter() + SECONDS

    async def client(n: int) -> None:
        own, rng = Connection(parts.hostname or "", parts.port or 0, timings), random.Random(n)
        while time.perf_counter() < until:
            lat, lon = _somewhere(rng, cities)
            wish = "".join(f"&{name}={value}" for name, value in rng.choice(WISHES).items())
            path = f"/v1/people/tasks?lat={lat}&lon={lon}&limit={limit}{wish}"
            await own.ask(f"{limit} near by over HTTP", "GET", path, session)
        own.close()

    posted = await _while_posting(conn, actor, cities, until, *[client(n) for n in range(CLIENTS)])
    _print(timings, posted, 20)


async def _while_posting(
    conn: asyncpg.Connection, actor: keys.Actor, cities: list[tuple[float, float]], until: float,
    *clients: Awaitable[None],
) -> int:  # fmt: skip
    """Run the clients while a task is posted every 50 ms; how many were."""
    rng, posted = random.Random(7), 0

    async def poster() -> None:
        nonlocal posted
        while time.perf_counter() < until:
            await _post(conn, actor, _somewhere(rng, cities))
            posted += 1
            await asyncio.sleep(0.05)

    await asyncio.gather(poster(), *clients)
    return posted


def _print(timings: Mapping[str, list[float]], posted: int, bar: int) -> None:
    for name, seconds in timings.items():
        cuts = [cut * 1000 for cut in statistics.quantiles(seconds, n=100)]
        print(
            f"{name}, {CLIENTS} clients: {len(seconds) / SECONDS:,.0f} a second, p50 {cuts[49]:.1f} ms, "
            f"p99 {cuts[98]:.1f} ms (bar {bar}), {posted} tasks posted meanwhile"
        )


if __name__ == "__main__":
    main()

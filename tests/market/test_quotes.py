"""What quotes are made of: the history that the log tells, the model that is kept, how reliable answers have been."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest

from market import claims, clock, decisions, fill_history, forecasts, ids, keys, reliability, submissions, tasks
from market.decision_value import agreement_of
from market.fill_model import fit
from market.fill_rows import Rows
from market.terms import TaskChange
from tests.market import fill_world
from tests.market.conftest import HOLD_S, Cast
from tests.market.test_fill_model import one

HOUR, HALF = 3600, 1800


class Committing:
    """The cast, each act a transaction of its own: the log is read only once it is committed."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn = conn
        self._cast = Cast(conn)

    async def agent(self, name: str) -> keys.Actor:
        async with self.conn.transaction():
            return await self._cast.agent(name, funds=10_000_000)

    async def person(self, name: str) -> UUID:
        async with self.conn.transaction():
            return await self._cast.person(name)

    async def post(self, actor: keys.Actor, **changes: Any) -> tasks.Task:
        async with self.conn.transaction():
            return await self._cast.post(actor, **changes)

    async def answer(self, person: UUID, task: str, *, after: int = 0, judged: bool = True, says: str = "open") -> UUID:
        """Claim now, hand in `after` seconds later, and be accepted."""
        async with self.conn.transaction():
            held = await claims.claim(self.conn, person, task, None)
            await self._cast.photo(person, held.id)
            await clock.advance(self.conn, after)
            given = submissions.Answering(answers={"open": says})
            submission = await submissions.submit(self.conn, person, held.id, given)
            if judged:
                row = await decisions.lock(self.conn, submission)
                assert row is not None
                await decisions.accept(self.conn, row, "test", hold_s=HOLD_S)
        return submission

    async def read_log(self) -> list[fill_history.Posted]:
        async with self.conn.transaction():
            return (await fill_history.take_in(self.conn))[1]


@pytest.fixture
async def acts(pool: asyncpg.Pool) -> AsyncIterator[Committing]:
    async with pool.acquire() as connection:
        yield Committing(connection)


def by_task(rows: Rows) -> dict[float, list[tuple[float, bool, float]]]:
    """What is known of each task, by its pay in cents: seconds, filled, weight."""
    found: dict[float, list[tuple[float, bool, float]]] = {}
    for pay, end, filled, weight in zip(rows.pay, rows.end, rows.filled, rows.weight, strict=True):
        found.setdefault(round(pay * 25 * 6.75), []).append((round(end), bool(filled), weight))
    return found


async def test_history_tells_of_each_slot_how_long_it_was_open_and_what_ended_it(acts: Committing) -> None:
    ada, bo, cy = await acts.agent("ada"), await acts.person("bo"), await acts.person("cy")

    async def post(cents: int, **changes: Any) -> str:
        return (await acts.post(ada, reward={"amount": cents, "currency": "usd"}, **changes)).id

    filled, several = await post(300), await post(301, quantity=3)
    cancelled, changed, pending, open_still = await post(302), await post(303), await post(304), await post(305)
    standing = await post(306, standing={"every_s": 3600}, kind="reading", evidence={
        "readings": [{"name": "pm25", "unit": "ug/m3"}]})  # fmt: skip
    await acts.read_log()
    await acts.answer(bo, filled, after=HALF)
    await acts.answer(cy, several, after=HALF)
    async with acts.conn.transaction():
        await tasks.cancel(acts.conn, ada, cancelled)
        await tasks.change(acts.conn, ada, changed, TaskChange(add_quantity=1), fee_bps=1000)
    await acts.answer(bo, pending, after=HALF, judged=False)
    await clock.advance(acts.conn, HOUR)
    await acts.read_log()
    found = by_task(await fill_history.rows(acts.conn))

    def near(hours: float) -> Any:
        return pytest.approx(hours * HOUR, abs=20)  # the test itself takes time

    assert found == {
        300: [(near(0.5), True, 1.0)],
        301: [(near(1), True, 1.0), (near(2.5), False, 2.0)],
        302: [(near(1), False, 1.0)],
        303: [(near(1), False, 1.0)],
        304: [(near(1.5), False, 1.0)],
        305: [(near(2.5), False, 1.0)],
    }, (open_still, standing)


async def test_who_was_near_counts_as_of_the_posting(acts: Committing) -> None:
    ada = await acts.agent("ada")
    task = await acts.post(ada, quantity=9)
    for n in range(7):
        await acts.answer(await acts.person(f"p{n}"), task.id)
    again = await acts.post(ada)
    apart = await acts.post(ada, place={"lat": 52.55, "lon": 13.405, "radius_m": 80})
    anywhere = await acts.post(ada, place=None, acceptance={})
    # In no certain order: ids of one millisecond have none.
    posted = {ids.show("task", each.row["task_id"]): each.row for each in await acts.read_log()}
    expected = {task.id: (0, 5), again.id: (5, 0), apart.id: (5, 2), anywhere.id: (0, 5)}
    assert {each: (row["people"], row["way"]) for each, row in posted.items()} == expected
    # Two weeks later they are not active any more.
    near = fill_history.cells(52.52, 13.405)[0]
    assert await fill_history.around(acts.conn, near) == (5, 0)
    await clock.advance(acts.conn, 15 * 86_400)
    assert await fill_history.around(acts.conn, near) == (0, 5)


async def test_the_log_is_read_in_order_and_what_commits_late_is_not_missed(
    acts: Committing, pool: asyncpg.Pool
) -> None:
    ada = await acts.agent("ada")
    async with pool.acquire() as slow:
        late = slow.transaction()
        await late.start()
        first = await Cast(slow).post(ada)
        async with pool.acquire() as quick, quick.transaction():
            account = await Cast(quick).agent("cy")
            second = await Cast(quick).post(account)
        assert await acts.read_log() == []
        await late.commit()
    seen = [ids.show("task", each.row["task_id"]) for each in await acts.read_log()]
    assert sorted(seen) == sorted([first.id, second.id]) and await acts.read_log() == []


async def test_a_sample_is_taken_where_there_is_more(acts: Committing) -> None:
    ada = await acts.agent("ada")
    for _ in range(6):
        await acts.post(ada, quantity=2)
    await acts.post(ada, quantity=1000, reward={"amount": 100, "currency": "usd"})
    await acts.read_log()
    everything = await fill_history.rows(acts.conn)
    assert sorted(everything.weight) == [2.0] * 6 + [20.0]
    for most in (4, 5):
        assert sum((await fill_history.rows(acts.conn, most=most)).quantity) in (4, 2, 1000)


async def test_a_model_that_is_kept_foretells_the_same(conn: asyncpg.Connection) -> None:
    assert (await fill_history.current(conn)).id is None
    model = fit(fill_world.made(300, 7, 2).rows)
    made = await fill_history.keep(conn, model)
    known = await fill_history.current(conn)
    assert known.id == made and known.model.slots == 300 and known.model.places == {}
    city, near = next((c, n) for c in model.places for n in model.places if c != n)
    asked = one(city=city, near=near)
    found = known.model.curve(asked, *await fill_history.evidence(conn, known, asked))
    assert found.at(HOUR) == pytest.approx(model.curve(asked).at(HOUR))
    for _ in range(7):
        await fill_history.keep(conn, model)
    assert await conn.fetchval("SELECT count(*) FROM fill_model") == fill_history.MODELS_KEPT
    assert await conn.fetchval("SELECT count(DISTINCT model_id) FROM fill_place") == fill_history.MODELS_KEPT


async def test_answers_are_as_reliable_as_different_people_agree(acts: Committing) -> None:
    ada = await acts.agent("ada")
    crowd = [await acts.person(f"p{n}") for n in range(4)]
    thin = await reliability.of(acts.conn, "photo", "choice", 2)
    assert thin.based_on == 0 and thin.accuracy.mean == pytest.approx(0.9, abs=0.03)
    for said in (["open"] * 4, ["open", "open", "closed"], ["closed"]):
        task = await acts.post(ada, quantity=4)
        for person, each in zip(crowd, said, strict=False):
            await acts.answer(person, task.id, says=each)
    async with acts.conn.transaction():
        await reliability.learn(acts.conn)
    [row] = await acts.conn.fetch("SELECT * FROM answer_agreement")
    # Four who agree are three comparisons; of three, one pair of three agrees: two thirds of two.
    assert dict(row) == {"kind": "photo", "type": "choice", "choices": 2, "compared": 5.0, "agreed": 3 + 2 / 3}
    learned = await reliability.of(acts.conn, "photo", "choice", 2)
    assert learned.based_on == 5 and learned.accuracy.low < learned.accuracy.mean < learned.accuracy.high
    await acts.conn.execute("UPDATE answer_agreement SET compared = 5000, agreed = $1", 5000 * agreement_of(0.75, 2))
    assert (await reliability.of(acts.conn, "photo", "choice", 2)).accuracy.mean == pytest.approx(0.75, abs=0.01)
    # Of other questions less is known, but people are people.
    other = await reliability.of(acts.conn, "answer", "boolean", 2)
    assert other.based_on == 0 and 0.7 < other.accuracy.mean < 0.8 and other.accuracy.high > 0.85


def test_of_forecasts_that_are_right_four_of_five_fill_times_are_inside_whatever_ended_the_tasks() -> None:
    random = np.random.default_rng(3)
    deciles = [round(-np.log(1 - n / 10) * HOUR) for n in range(1, 10)]
    closing = 2 * HOUR
    stored = [each if each <= closing else None for each in deciles]
    horizons, truth = [HOUR, closing], [1 - np.exp(-1.0), 1 - np.exp(-2.0)]
    scored = []
    for _ in range(3000):
        at, ended = random.exponential(HOUR), random.choice([closing, random.uniform(0, closing)], p=[0.7, 0.3])
        row = {
            "filled_s": int(at) if at <= ended else None, "known_s": None if at <= ended else int(ended),
            "deciles": stored, "horizons": horizons, "chances": truth,
        }  # fmt: skip
        scored.append(forecasts.inside(row))
    assert np.mean(scored) == pytest.approx(0.8, abs=0.02)
    assert forecasts.chance_by(row, HOUR) == pytest.approx(truth[0], abs=1e-9)

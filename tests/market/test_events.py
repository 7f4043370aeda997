"""The log of what happened: nothing is skipped, nothing is told twice, nobody reads what is not theirs."""

import asyncio
import random
from uuid import UUID

import asyncpg
import pytest

from market import events, ids
from market.errors import Invalid

ADA, BO, CY = (UUID(int=n) for n in (1, 2, 3))


async def happen(conn: asyncpg.Connection, name: str, account: UUID | None = ADA, person: UUID | None = None) -> None:
    await events.append(conn, name, ("task", ids.new()), "test", account=account, person=person, data={"name": name})


async def read(
    pool: asyncpg.Pool, cursor: str | None = None, limit: int = 100, account: UUID = ADA
) -> list[events.Event]:
    async with pool.acquire() as conn:
        return await events.after(conn, account=account, cursor=cursor, limit=limit)


async def test_an_event_that_commits_late_is_not_skipped(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as slow, pool.acquire() as quick:
        late = slow.transaction()
        await late.start()
        await happen(slow, "begun first")
        await happen(quick, "committed first")
        assert await read(pool) == [], "what follows an open transaction waits for it"
        await happen(slow, "in the same breath")
        await late.commit()
    seen = await read(pool)
    assert [event.type for event in seen] == ["begun first", "in the same breath", "committed first"]
    assert [event.id for event in seen] == sorted(event.id for event in seen)


async def test_a_transaction_that_is_rolled_back_holds_nobody_up(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as slow, pool.acquire() as quick:
        late = slow.transaction()
        await late.start()
        await happen(slow, "never")
        await happen(quick, "stays")
        await late.rollback()
    assert [event.type for event in await read(pool)] == ["stays"]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_reader_that_goes_on_from_its_cursor_sees_everything_once(pool: asyncpg.Pool, seed: int) -> None:
    """Twelve writers with transactions of random length, and a reader that never looks back."""
    written: list[str] = []
    writing = True

    async def write(n: int) -> None:
        randomly = random.Random(seed * 100 + n)
        async with pool.acquire() as conn:
            for i in range(15):
                names = [f"{n}.{i}.{k}" for k in range(randomly.randint(1, 3))]
                turn = conn.transaction()
                await turn.start()
                for name in names:
                    await happen(conn, name)
                    await asyncio.sleep(randomly.random() * 0.004)
                if randomly.random() < 0.2:
                    await turn.rollback()
                else:
                    await turn.commit()
                    written.extend(names)

    async def follow() -> list[str]:
        seen: list[str] = []
        cursor = None
        while True:
            last = not writing
            found = await read(pool, cursor, limit=5)
            seen += [event.type for event in found]
            cursor = found[-1].id if found else cursor
            if last and not found:
                return seen
            await asyncio.sleep(0.001)

    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(n) for n in range(12)))
    writing = False
    assert sorted(await following) == sorted(written)


async def test_a_reader_sees_their_own_events_only(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await happen(conn, "adas")
        await happen(conn, "cys", account=CY)
        await happen(conn, "both", account=ADA, person=BO)
        await happen(conn, "nobodys", account=None)
        assert [event.type for event in await events.after(conn, account=ADA, cursor=None, limit=9)] == ["adas", "both"]
        assert [event.type for event in await events.after(conn, person=BO, cursor=None, limit=9)] == ["both"]
        [theirs] = await events.after(conn, account=CY, cursor=None, limit=9)
        later = await events.after(conn, account=ADA, cursor=theirs.id, limit=9)
        assert [event.type for event in later] == ["both"], "a cursor is a place in the log, whoever got it"


async def test_pages_follow_each_other_without_gap_or_overlap(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        for n in range(7):
            await happen(conn, str(n))
    seen: list[str] = []
    cursor = None
    while found := await read(pool, cursor, limit=3):
        seen += [event.type for event in found]
        cursor = found[-1].id
    assert seen == [str(n) for n in range(7)]


@pytest.mark.parametrize(
    "cursor",
    ["", "evt_", "1", "evt_" + "g" * 32, "evt_" + "0" * 31, "evt_" + "f" * 32, "task_" + "0" * 32, "evt_" + "-" * 32,
     "evt_" + "0" * 15 + "_" + "0" * 16, "evt_" + " " * 31 + "1"],
)  # fmt: skip
async def test_a_cursor_that_is_none_is_refused(conn: asyncpg.Connection, cursor: str) -> None:
    with pytest.raises(Invalid):
        await events.after(conn, account=ADA, cursor=cursor, limit=9)


async def test_the_data_of_an_event_come_back_as_they_were(pool: asyncpg.Pool) -> None:
    data = {"n": 1, "text": "Grüß Gott", "list": [1.5, None, True], "deep": {"a": {}}}
    async with pool.acquire() as conn:
        await events.append(conn, "t", ("task", ADA), "test", account=ADA, data=data)
    [event] = await read(pool)
    assert event.data == data
    assert event.subject == events.Subject("task", ids.show("task", ADA))

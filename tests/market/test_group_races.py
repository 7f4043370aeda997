"""Routes and series when everybody comes at once, on real connections."""

import random
from typing import Any
from uuid import UUID

import asyncpg

from market import claims, errors, groups, ids, keys, tours
from tests.market.conftest import Cast
from tests.market.grouping import a_route, a_series, until
from tests.market.test_market_races import ada_and, at_once, doing, no_findings, once


async def a_posted_route(pool: asyncpg.Pool, ada: keys.Actor) -> groups.WholeGroup:
    async with pool.acquire() as conn, conn.transaction():
        return await a_route(Cast(conn), ada)


async def counted(pool: asyncpg.Pool, group: str) -> dict[UUID, int]:
    """Who holds how many of a group's tasks."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            """SELECT c.person_id, count(*) AS held FROM claim c JOIN task t ON t.id = c.task_id
               WHERE t.group_id = $1 AND c.status = 'active' GROUP BY c.person_id""",
            ids.read("group", group),
        )
    return {row["person_id"]: row["held"] for row in rows}


async def test_one_of_twelve_gets_the_whole_route_and_nobody_a_part(pool: asyncpg.Pool) -> None:
    ada, people = await ada_and(pool, *(f"p{n}" for n in range(12)))
    posted = await a_posted_route(pool, ada)
    alone = [doing(claims.claim, who, task, None) for who, task in zip(people, posted.tasks * 4, strict=True)]
    answers = await at_once(pool, *(doing(tours.claim, who, posted.id, None) for who in people), *alone)
    won = [answer for answer in answers[:12] if isinstance(answer, list)]
    assert len(won) == 1 and len(won[0]) == 3
    assert {type(each) for each in answers[:12] if each is not won[0]} == {errors.RouteTaken}
    assert {type(each) for each in answers[12:]} <= {
        errors.PartOfRoute, errors.SlotTaken, errors.AlreadyAnswered, errors.Changed,
    }  # fmt: skip
    assert list((await counted(pool, posted.id)).values()) == [3]
    await no_findings(pool)


async def test_parts_given_back_taken_alone_and_routes_claimed_at_once_lose_no_slot(pool: asyncpg.Pool) -> None:
    chance = random.Random(7)
    ada, people = await ada_and(pool, *(f"p{n}" for n in range(6)))
    posted = await a_posted_route(pool, ada)
    for _ in range(6):
        async with pool.acquire() as conn:
            held = await conn.fetch("SELECT id, person_id FROM claim WHERE status = 'active'")
        acts: list[Any] = [
            doing(claims.release, row["person_id"], ids.show("claim", row["id"]))
            for row in held
            if chance.random() < 0.7
        ]
        acts += [doing(tours.claim, who, posted.id, None) for who in people[:3]]
        acts += [doing(claims.claim, who, chance.choice(posted.tasks), None) for who in people[3:]]
        chance.shuffle(acts)
        await at_once(pool, *acts)
        async with pool.acquire() as conn:
            slots = await conn.fetch(
                """SELECT t.claimed, (SELECT count(*) FROM claim c
                     WHERE c.task_id = t.id AND c.status = 'active') AS held
                   FROM task t WHERE group_id = $1""",
                ids.read("group", posted.id),
            )
        assert all(row["claimed"] == row["held"] <= 1 for row in slots)
    await no_findings(pool)


async def test_a_route_cancelled_while_it_is_claimed_is_the_ones_or_nobodys(pool: asyncpg.Pool) -> None:
    ada, people = await ada_and(pool, "bo", "cleo")
    for _ in range(4):
        posted = await a_posted_route(pool, ada)
        claiming = [doing(tours.claim, who, posted.id, None) for who in people]
        answers = await at_once(pool, claiming[0], doing(groups.cancel, ada, posted.id), claiming[1])
        assert isinstance(answers[1], groups.WholeGroup) and answers[1].counts.cancelled == 3
        assert list((await counted(pool, posted.id)).values()) in ([], [3])
        assert isinstance(await once(pool, doing(groups.cancel, ada, posted.id)), errors.GroupOver)
    await no_findings(pool)


async def test_one_person_claims_all_of_a_series_at_once_and_gets_one(pool: asyncpg.Pool) -> None:
    ada, [bo] = await ada_and(pool, "bo")
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        now = await conn.fetchval("SELECT market_now()")
        schedule = {
            "times": [f"{hour:02}:00" for hour in range(24)], "timezone": "UTC", "days": 2, "open_s": 40 * 3600,
            "from_date": now.date().isoformat(),
        }  # fmt: skip
        posted = await a_series(cast, ada, schedule=schedule, same_person="forbidden")
        await until(cast, posted.tasks[9])
    answers = await at_once(pool, *(doing(claims.claim, bo, task, None) for task in posted.tasks[:10]))
    assert sum(isinstance(answer, claims.Claim) for answer in answers) == 1
    assert sum(isinstance(answer, errors.SeriesOtherPerson) for answer in answers) == 9
    await no_findings(pool)

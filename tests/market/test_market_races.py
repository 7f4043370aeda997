"""Everybody at once: slots, decisions and sweeps that meet each other, on real connections."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from market import claims, clock, earnings, errors, ids, keys, ledger, review, submissions, tasks
from market.audit import audit
from market.terms import TaskChange
from tests.market.conftest import FEE_BPS, HOLD_S, PASS, Cast

Act = Callable[[asyncpg.Connection], Awaitable[Any]]
REVIEW = PASS | {"score": 0.5, "outcome": "review"}
FAIL = PASS | {"score": 0.0, "outcome": "fail", "checks": [{"name": "fresh", "detail": "Old."}]}
BUSY_CONNECTIONS = 16


async def once(pool: asyncpg.Pool, act: Act) -> Any:
    """Do `act` in a transaction of its own; a refusal is an answer, anything else an error."""
    async with pool.acquire() as conn:
        try:
            async with conn.transaction():
                return await act(conn)
        except errors.Refusal as refusal:
            return refusal


def doing(act: Callable[..., Awaitable[Any]], *given: Any, **named: Any) -> Act:
    """`act` with what it needs beside the connection."""
    return lambda conn: act(conn, *given, **named)


async def at_once(pool: asyncpg.Pool, *acts: Act) -> list[Any]:
    """What became of each of `acts`, all begun together."""
    return await asyncio.gather(*(once(pool, act) for act in acts))


async def ada_and(pool: asyncpg.Pool, *names: str) -> tuple[keys.Actor, list[UUID]]:
    """Ada's agent with funds, and people with these names."""
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        return await cast.agent("ada"), [await cast.person(name) for name in names]


async def posted(pool: asyncpg.Pool, ada: keys.Actor, **changes: Any) -> str:
    async with pool.acquire() as conn, conn.transaction():
        return (await Cast(conn).post(ada, **changes)).id


async def waiting(pool: asyncpg.Pool, person: UUID, task: str) -> UUID:
    """A submission of this person that the buyer has to decide on."""
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        _, submission = await cast.submit(person, task)
        assert await cast.judge(submission, REVIEW) == "needs_review"
    return submission


async def no_findings(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        assert await audit(conn) == []


async def balance(pool: asyncpg.Pool, code: str) -> int:
    async with pool.acquire() as conn:
        return (await ledger.balances(conn, [code], "usd"))[0]


async def test_one_slot_and_fifty_people_at_once(pool: asyncpg.Pool) -> None:
    ada, people = await ada_and(pool, *(f"p{n}" for n in range(50)))
    task = await posted(pool, ada)
    answers = await at_once(pool, *(doing(claims.claim, who, task, None) for who in people))
    assert sum(isinstance(answer, claims.Claim) for answer in answers) == 1
    assert sum(isinstance(answer, errors.SlotTaken) for answer in answers) == 49
    await no_findings(pool)


async def test_one_person_claiming_the_same_task_twenty_times_at_once_gets_it_once(pool: asyncpg.Pool) -> None:
    ada, [bo] = await ada_and(pool, "bo")
    task = await posted(pool, ada, quantity=20)
    answers = await at_once(pool, *[doing(claims.claim, bo, task, None)] * 20)
    assert sum(isinstance(answer, claims.Claim) for answer in answers) == 1
    assert sum(isinstance(answer, errors.AlreadyAnswered) for answer in answers) == 19
    await no_findings(pool)


async def test_a_rejection_and_twenty_new_claims_at_once_give_one_new_try_and_three_in_all(pool: asyncpg.Pool) -> None:
    ada, [bo] = await ada_and(pool, "bo")
    task = await posted(pool, ada, quantity=20)
    for left in (2, 1, 0):
        submission = await waiting(pool, bo, task)
        why = review.Rejecting(comment="Unreadable.", reason_code="unreadable")
        rejecting = doing(review.reject, ada, ids.show("submission", submission), why)
        claiming = [doing(claims.claim, bo, task, None)] * 10
        answers = await at_once(pool, *claiming, rejecting, *claiming)
        assert answers[10] is None
        answers += await at_once(pool, *claiming)
        held = [answer for answer in answers if isinstance(answer, claims.Claim)]
        assert len(held) == (left > 0)
        refused = [answer for answer in answers if answer is not None and answer not in held]
        assert {type(answer) for answer in refused} <= {errors.AlreadyAnswered, errors.TriesUsed, errors.Changed}
        for each in held:
            await once(pool, doing(claims.release, bo, each.id))
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    await no_findings(pool)


async def test_fifty_tasks_claimed_at_once_by_one_person_end_at_the_cap(pool: asyncpg.Pool) -> None:
    ada, [bo, cy] = await ada_and(pool, "bo", "cy")
    wanted = [await posted(pool, ada) for _ in range(50)]
    for round_, free in ((0, claims.MOST_ACTIVE), (1, 3)):
        answers = await at_once(pool, *(doing(claims.claim, bo, task, None) for task in wanted))
        held = [answer for answer in answers if isinstance(answer, claims.Claim)]
        assert len(held) == free, f"round {round_}"
        refused = [answer for answer in answers if not isinstance(answer, claims.Claim)]
        assert {type(answer) for answer in refused} <= {errors.TooManyClaims, errors.AlreadyAnswered}
        for claim in held[:3]:
            await once(pool, doing(claims.release, bo, claim.id))
    async with pool.acquire() as conn:
        assert len(await claims.active(conn, bo)) == claims.MOST_ACTIVE - 3
        assert await conn.fetchval("SELECT sum(claimed) FROM task") == claims.MOST_ACTIVE - 3
    assert isinstance(await once(pool, doing(claims.claim, cy, wanted[0], None)), claims.Claim | errors.SlotTaken)
    await no_findings(pool)


async def test_claims_and_releases_of_a_few_people_on_a_few_tasks_never_wait_in_a_ring(pool: asyncpg.Pool) -> None:
    """Each claim takes a person and a task, each release or submission a task and a claim."""
    ada, people = await ada_and(pool, *(f"p{n}" for n in range(4)))
    wanted = [await posted(pool, ada, quantity=4, claim_ttl_s=60) for _ in range(4)]
    given = submissions.Answering(answers={"open": "open"})

    async def work(conn: asyncpg.Connection, person: UUID, seed: int) -> None:
        randomly = random.Random(seed)
        held = await claims.active(conn, person)
        if held and randomly.random() < 0.6:
            chosen = randomly.choice(held)
            if randomly.random() < 0.8:
                await claims.release(conn, person, chosen.id)
            else:
                await Cast(conn).photo(person, chosen.id)
                await submissions.submit(conn, person, chosen.id, given)
        else:
            await claims.claim(conn, person, randomly.choice(wanted), None)

    for round_ in range(15):
        acts = [doing(work, person, 100 * round_ + n) for n, person in enumerate(people * 5)]
        answers = await at_once(pool, *acts, claims.expire_due, doing(tasks.expire_due, 7))
        assert not [answer for answer in answers if isinstance(answer, asyncpg.PostgresError)]
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    await no_findings(pool)


async def test_one_submission_accepted_twenty_times_at_once_is_paid_once(pool: asyncpg.Pool) -> None:
    ada, [bo] = await ada_and(pool, "bo")
    submission = await waiting(pool, bo, await posted(pool, ada))
    public = ids.show("submission", submission)
    answers = await at_once(pool, *[doing(review.accept, ada, public, hold_s=HOLD_S)] * 20)
    assert answers.count(None) == 1
    assert sum(isinstance(answer, errors.WrongState) for answer in answers) == 19
    assert await balance(pool, ledger.person(bo, "pending")) == 300
    await no_findings(pool)


async def test_accept_and_reject_at_once_are_one_decision(pool: asyncpg.Pool) -> None:
    ada, people = await ada_and(pool, *(f"p{n}" for n in range(6)))
    task = await posted(pool, ada, quantity=6)
    why = review.Rejecting(comment="Unreadable.", reason_code="unreadable")
    paid = 0
    for person in people:
        public = ids.show("submission", await waiting(pool, person, task))
        answers = await at_once(
            pool,
            doing(review.accept, ada, public, hold_s=HOLD_S),
            doing(review.reject, ada, public, why),
        )
        assert sum(isinstance(answer, errors.WrongState) for answer in answers) == 1
        paid += answers[0] is None
        assert await balance(pool, ledger.person(person, "pending")) == (300 if answers[0] is None else 0)
    assert await balance(pool, ledger.escrow(ids.read("task", task))) == 330 * (6 - paid)
    await no_findings(pool)


async def test_one_judgement_run_twice_at_once_counts_once(pool: asyncpg.Pool) -> None:
    ada, [bo] = await ada_and(pool, "bo")
    task = await posted(pool, ada)
    async with pool.acquire() as conn, conn.transaction():
        _, submission = await Cast(conn).submit(bo, task)

    async def judge(conn: asyncpg.Connection) -> str | None:
        return await submissions.judge(conn, submission, PASS, failed_check=None, hold_s=HOLD_S)

    assert sorted(map(str, await at_once(pool, *[judge] * 10))) == ["None"] * 9 + ["accepted"]
    assert await balance(pool, ledger.person(bo, "pending")) == 300
    await no_findings(pool)


async def test_release_expiry_and_submission_at_once_end_a_claim_once(pool: asyncpg.Pool) -> None:
    ada, people = await ada_and(pool, *(f"p{n}" for n in range(8)))
    task = await posted(pool, ada, quantity=8)
    given = submissions.Answering(answers={"open": "open"})
    for person in people:
        async with pool.acquire() as conn, conn.transaction():
            held = await claims.claim(conn, person, task, None)
            await Cast(conn).photo(person, held.id)
            await conn.execute(
                "UPDATE claim SET expires_at = market_now() + '0.02 s' WHERE id = $1", ids.read("claim", held.id)
            )
        await asyncio.sleep(0.015)
        released, expired, submitted = await at_once(
            pool,
            doing(claims.release, person, held.id),
            claims.expire_due,
            doing(submissions.submit, person, held.id, given),
        )
        ends = (released is None) + (expired == 1) + isinstance(submitted, UUID)
        await asyncio.sleep(0.01)
        ends += await once(pool, claims.expire_due)
        assert ends == 1
    await no_findings(pool)


async def test_cancel_and_claims_at_once_leave_no_money_behind(pool: asyncpg.Pool) -> None:
    ada, people = await ada_and(pool, *(f"p{n}" for n in range(6)))
    for _ in range(8):
        task = await posted(pool, ada, quantity=4)
        acts = [doing(claims.claim, person, task, None) for person in people]
        acts.insert(3, doing(tasks.cancel, ada, task))
        answers = await at_once(pool, *acts)
        held = [answer for answer in answers if isinstance(answer, claims.Claim)]
        assert await balance(pool, ledger.escrow(ids.read("task", task))) == 330 * len(held)
        for answer in held:
            owner = next(p for p, a in zip([*people[:3], None, *people[3:]], answers, strict=True) if a is answer)
            await once(pool, doing(claims.release, owner, answer.id))
        assert await balance(pool, ledger.escrow(ids.read("task", task))) == 0
    assert await balance(pool, ledger.buyer(ada.owner)) == 100_000
    await no_findings(pool)


async def test_two_tasks_at_once_never_spend_the_same_money(pool: asyncpg.Pool) -> None:
    ada, _ = await ada_and(pool)
    answers = await at_once(pool, *[lambda conn: Cast(conn).post(ada, quantity=60)] * 10)
    assert sum(isinstance(answer, tasks.Task) for answer in answers) == 100_000 // (60 * 330)
    assert sum(isinstance(answer, errors.InsufficientFunds) for answer in answers) == 5
    await no_findings(pool)


async def test_sweeps_over_many_buyers_and_people_never_block_each_other(pool: asyncpg.Pool) -> None:
    """Each sweep moves money of many accounts in one transaction: without one order they would wait in a ring."""
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        buyers = [await cast.agent(f"buyer{n}") for n in range(4)]
        people = [await cast.person(f"p{n}") for n in range(20)]
        randomly = random.Random(7)
        for n in range(120):
            buyer = randomly.choice(buyers)
            task = await cast.post(buyer, quantity=2, claim_ttl_s=3600)
            who = randomly.sample(people, 2)
            _, submission = await cast.submit(who[0], task.id)
            await cast.judge(submission, PASS if n % 2 else REVIEW)
            try:
                await claims.claim(conn, who[1], task.id, None)
            except errors.TooManyClaims:
                pass
            if n % 3 == 0:
                await tasks.cancel(conn, buyer, task.id)
        await clock.advance(conn, 8 * 86_400)

    steps: list[Act] = [
        doing(tasks.expire_due, 7), doing(claims.expire_due, 7), doing(earnings.release_due, 7),
        doing(review.accept_overdue, hold_s=HOLD_S, limit=7),
    ]  # fmt: skip
    for _ in range(12):
        answers = await at_once(pool, *steps * 4)
        assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert [await once(pool, step) for step in steps] == [0, 0, 0, 0]
    await no_findings(pool)


class Life:
    """One connection's random doings in a small market that all of them share."""

    def __init__(self, conn: asyncpg.Connection, seed: int, buyers: list[keys.Actor], people: list[UUID]) -> None:
        self.conn, self.cast, self.random = conn, Cast(conn), random.Random(seed)
        self.buyers, self.people = buyers, people
        self.done = 0

    async def step(self) -> None:
        """One random act in a transaction; being refused is part of life."""
        act: Callable[[], Awaitable[Any]] = self.random.choices(
            [self.post, self.answer, self.release, self.judge, self.decide, self.cancel, self.change, self.time],
            [4, 8, 2, 6, 4, 1, 1, 3],
        )[0]
        try:
            async with self.conn.transaction():
                await act()
            self.done += 1
        except errors.Refusal:
            pass

    async def pick(self, sql: str) -> asyncpg.Record | None:
        rows = await self.conn.fetch(sql)
        return self.random.choice(rows) if rows else None

    async def post(self) -> None:
        quantity = self.random.randint(1, 3)
        await self.cast.post(self.random.choice(self.buyers), quantity=quantity, claim_ttl_s=60)

    async def answer(self) -> None:
        """Claim a task, or go on with what is claimed."""
        person = self.random.choice(self.people)
        mine = await claims.active(self.conn, person)
        if mine and self.random.random() < 0.7:
            held = self.random.choice(mine)
            await self.cast.photo(person, held.id)
            await submissions.submit(self.conn, person, held.id, submissions.Answering(answers={"open": "open"}))
        elif task := await self.pick("SELECT id FROM task WHERE status = 'open' ORDER BY id DESC LIMIT 4"):
            await claims.claim(self.conn, person, ids.show("task", task["id"]), None)

    async def release(self) -> None:
        person = self.random.choice(self.people)
        for held in (await claims.active(self.conn, person))[:1]:
            await claims.release(self.conn, person, held.id)

    async def judge(self) -> None:
        found = await self.pick("SELECT id FROM submission WHERE status = 'checking' ORDER BY id LIMIT 3")
        if found:
            verdict = self.random.choice([PASS, PASS, REVIEW, FAIL])
            await self.cast.judge(found["id"], verdict, "fresh" if verdict is FAIL else None)

    async def decide(self) -> None:
        found = await self.pick("SELECT id, account_id FROM submission WHERE status = 'needs_review' LIMIT 3")
        if not found:
            return
        public = ids.show("submission", found["id"])
        buyer = next(each for each in self.buyers if each.owner == found["account_id"])
        if self.random.random() < 0.6:
            bonus = self.random.choice([0, 20])
            await review.accept(self.conn, buyer, public, hold_s=HOLD_S, bonus=bonus)
        else:
            why = review.Rejecting(comment="Unreadable.", reason_code="unreadable")
            await review.reject(self.conn, buyer, public, why)

    async def cancel(self) -> None:
        buyer = self.random.choice(self.buyers)
        for task in (await tasks.listed(self.conn, buyer.owner, status="open", limit=1))[:1]:
            await tasks.cancel(self.conn, buyer, task.id)

    async def change(self) -> None:
        buyer = self.random.choice(self.buyers)
        for task in await tasks.listed(self.conn, buyer.owner, status="open", limit=1):
            better = {"reward": {"amount": task.reward.amount + 10, "currency": "usd"}, "add_quantity": 1}
            await tasks.change(self.conn, buyer, task.id, msgspec.convert(better, TaskChange), fee_bps=FEE_BPS)

    async def time(self) -> None:
        """Time passes, and one of the sweeps goes round."""
        sweep = self.random.randrange(5)
        if sweep == 0:
            await clock.advance(self.conn, self.random.choice([20, 3600, 86_400]))
        elif sweep == 1:
            await claims.expire_due(self.conn)
        elif sweep == 2:
            await tasks.expire_due(self.conn)
        elif sweep == 3:
            await review.accept_overdue(self.conn, hold_s=HOLD_S)
        else:
            await earnings.release_due(self.conn)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_random_market_on_sixteen_connections_keeps_its_books(pool: asyncpg.Pool, seed: int) -> None:
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        buyers = [await cast.agent(f"buyer{n}", 20_000) for n in range(3)]
        people = [await cast.person(f"p{n}") for n in range(6)]

    async def live(n: int) -> int:
        async with pool.acquire() as conn:
            life = Life(conn, seed * 100 + n, buyers, people)
            for _ in range(60):
                await life.step()
            return life.done

    done = await asyncio.gather(*(live(n) for n in range(BUSY_CONNECTIONS)))
    assert sum(done) > 300, "most of what they tried must have happened"
    async with pool.acquire() as conn:
        for status in ("accepted", "rejected"):
            assert await conn.fetchval("SELECT count(*) FROM submission WHERE status::text = $1", status) > 0
        assert await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    await no_findings(pool)

"""The whole market as a state machine: whatever buyers, people, reviewers and time do, in any order, nothing breaks.

After each step: the books are right, nobody's claim pays less than when it was made, and evidence that is rejected or
contested is not readable by its buyer. MACHINE_EXAMPLES sequences of 40 steps (else 25; 300 for a long look).
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.db import init_connection
from market import (
    appeals,
    awards,
    claims,
    clock,
    collecting,
    earnings,
    fix_ups,
    ids,
    keys,
    listings,
    observations,
    review,
    sales,
    submissions,
    tasks,
)  # fmt: skip
from market.errors import Refusal
from market.terms import TaskChange
from tests.market.conftest import FEE_BPS, HOLD_S, PASS, Cast

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "25"))
REVIEW = PASS | {"score": 0.5, "outcome": "review"}
FAIL = PASS | {"score": 0.1, "outcome": "fail", "checks": [{"name": "fresh", "status": "fail", "detail": "old"}]}
WHY = {"reason_code": "unreadable", "comment": "Nothing can be seen."}
AUDITED_EVERY = 5
ODD = st.integers(1, 999)


POSSIBLE = """SELECT (SELECT count(*) FROM task WHERE status = 'open') AS open,
  (SELECT count(*) FROM claim WHERE status = 'active') AS active, (SELECT count(*) FROM appeal WHERE status = 'open')
  AS appealed, (SELECT count(*) FROM listing WHERE status = 'active') AS listed, s.* FROM (
  SELECT count(*) FILTER (WHERE status = 'checking') AS checking, count(*) FILTER (WHERE status = 'needs_review')
    AS needs_review, count(*) FILTER (WHERE status = 'accepted') AS accepted,
    count(*) FILTER (WHERE status = 'rejected') AS rejected FROM submission) AS s"""
met: Counter[str] = Counter()


class Market(RuleBasedStateMachine):
    """Two buyers and three people on one connection, whose transaction is taken back in the end."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.promised: dict[UUID, int] = {}
        self.steps = 0

    def do(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """One act as a request would be: whole, or refused and nothing of it done."""

        async def whole() -> Any:
            try:
                async with self.conn.transaction():
                    return await act()
            except Refusal as refused:
                met[type(refused).__name__] += 1
                return None

        return self.runner.run(whole())

    @initialize()
    def begin(self) -> None:
        async def cast() -> None:
            self.conn = await asyncpg.connect(self.url)
            await init_connection(self.conn)
            self.outer = self.conn.transaction()
            await self.outer.start()
            self.cast = Cast(self.conn)
            self.buyers = [await self.cast.agent(name, 6_000) for name in ("ada", "eve")]
            self.people = [await self.cast.person(name) for name in ("bo", "cy", "di")]

        self.runner.run(cast())

    def teardown(self) -> None:
        async def over() -> None:
            try:
                assert await self.cast.broken() == []
                met.update(row["type"] for row in await self.conn.fetch("SELECT type FROM event"))
            finally:
                await self.outer.rollback()
                await self.conn.close()

        self.runner.run(over())
        self.runner.close()

    def row(self, sql: str, n: int) -> asyncpg.Record | None:
        rows = self.runner.run(self.conn.fetch(sql))
        return rows[n % len(rows)] if rows else None

    def buyer_of(self, account: UUID) -> keys.Actor:
        return next(each for each in self.buyers if each.owner == account)

    @rule(
        pick=st.integers(0, 10_000), n=st.integers(0, 5), amount=ODD, percent=st.integers(0, 100),
        chance=st.randoms(use_true_random=False),
    )  # fmt: skip
    def act(self, pick: int, n: int, amount: int, percent: int, chance: Random) -> None:
        """Something that can be done now; what is rarely possible comes first where it is."""
        there = self.row(POSSIBLE, 0)
        assert there is not None
        acts: list[Callable[[], None]] = [
            lambda: self.post(n % 2, amount, 1 + n % 3, chance.random() < 0.5, chance.random() < 0.5,
                              max(1, percent), chance.random() < 0.8),
            lambda: self.time(chance.choice([60, 1800, 3600, 86_400, 3 * 86_400, 8 * 86_400])),
        ]  # fmt: skip
        if there["open"]:
            acts += [lambda: self.claim(chance.randrange(3), n)] * 3
            acts += [lambda: self.change(n, amount // 5, 1 + n % 2)]
            acts += [lambda: self.cancel(n)] * (pick % 3 == 0)
        if there["active"]:
            acts += [lambda: self.hand_in(n, chance.random() < 0.2)] * 5 + [lambda: self.release(n % 3)]
        if there["checking"]:
            acts += [lambda: self.judge(n, chance.choice([PASS, PASS, REVIEW, REVIEW, FAIL]))] * 5
        if there["needs_review"]:
            acts += [lambda: self.decide(n, chance.choice(["accept", "bonus", "reject", "reject", "fix-up"]))] * 4
        if there["accepted"]:
            acts += [lambda: self.decide(n, "dispute"), lambda: self.decide(n, "thank")]
            acts += [lambda: self.sell(n, chance.randrange(2), amount, 10 + n * 10)]
        if there["rejected"]:
            acts += [lambda: self.appeal(n)] * 3
        if there["appealed"]:
            acts += [lambda: self.award(n, chance.choice([0, 1, 33, 99, 100, percent]))] * 2
        if there["listed"]:
            acts += [lambda: self.buy(n, chance.randrange(2))] * 2
        acts[pick % len(acts)]()

    # ---- buyers

    def post(self, who: int, reward: int, quantity: int, rises: bool, manual: bool, percent: int, resale: bool) -> None:
        changes: dict[str, Any] = {
            "reward": {"amount": reward, "currency": "usd"}, "quantity": quantity, "license": {"resale": resale},
            "acceptance": {"mode": "manual" if manual else "auto", "honest_negative_percent": percent},
        }  # fmt: skip
        if rises:
            top = {"amount": reward * 2, "currency": "usd"}
            changes["price_schedule"] = {"max": top, "step_s": 1800, "step_percent": 33}
        self.do(lambda: self.cast.post(self.buyers[who], **changes))

    def change(self, n: int, more: int, slots: int) -> None:
        row = self.row("SELECT id, account_id, reward FROM task WHERE status = 'open' ORDER BY id", n)
        if row is not None:
            better = {"reward": {"amount": row["reward"] + more, "currency": "usd"}, "add_quantity": slots}
            change, actor = msgspec.convert(better, TaskChange), self.buyer_of(row["account_id"])
            public = ids.show("task", row["id"])
            self.do(lambda: tasks.change(self.conn, actor, public, change, fee_bps=FEE_BPS))

    def cancel(self, n: int) -> None:
        row = self.row("SELECT id, account_id FROM task WHERE status = 'open' ORDER BY id", n)
        if row is not None:
            self.do(lambda: tasks.cancel(self.conn, self.buyer_of(row["account_id"]), ids.show("task", row["id"])))

    def decide(self, n: int, way: str) -> None:
        status = "accepted" if way in ("dispute", "thank") else "needs_review"
        row = self.row(f"SELECT id, account_id FROM submission WHERE status = '{status}' ORDER BY id", n)
        if row is None:
            return
        actor, public, conn = self.buyer_of(row["account_id"]), ids.show("submission", row["id"]), self.conn
        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "accept": lambda: review.accept(conn, actor, public, hold_s=HOLD_S),
            "bonus": lambda: review.accept(conn, actor, public, hold_s=HOLD_S, bonus=17),
            "thank": lambda: review.accept(conn, actor, public, hold_s=HOLD_S, bonus=13, rating=5),
            "reject": lambda: review.reject(conn, actor, public, msgspec.convert(WHY, review.Rejecting)),
            "fix-up": lambda: fix_ups.ask(conn, actor, public, msgspec.convert(WHY | {"within_s": 3600},
                                                                              fix_ups.Asking)),
            "dispute": lambda: appeals.dispute(conn, actor, public, appeals.Disputing(
                reason_code="wrong_answer", words="It was closed that day.")),
        }  # fmt: skip
        self.do(acts[way])

    # ---- people

    def claim(self, who: int, n: int) -> None:
        row = self.row("SELECT id FROM task WHERE status = 'open' ORDER BY id DESC", n)
        if row is not None:
            self.do(lambda: claims.claim(self.conn, self.people[who], ids.show("task", row["id"]), None))

    def release(self, who: int) -> None:
        person = self.people[who]
        row = self.row(f"SELECT id FROM claim WHERE person_id = '{person}' AND status = 'active' ORDER BY id", 0)
        if row is not None:
            self.do(lambda: claims.release(self.conn, person, ids.show("claim", row["id"])))

    def hand_in(self, n: int, negative: bool) -> None:
        row = self.row("SELECT id, person_id FROM claim WHERE status = 'active' ORDER BY id", n)
        if row is None:
            return
        claim, outcome = ids.show("claim", row["id"]), "honest_negative" if negative else "done"
        given = submissions.Answering(answers={} if negative else {"open": "open"}, outcome=outcome)

        async def act() -> None:
            await self.cast.photo(row["person_id"], claim, sha256=ids.new().bytes * 2)
            await submissions.submit(self.conn, row["person_id"], claim, given)

        self.do(act)

    def appeal(self, n: int) -> None:
        row = self.row("SELECT id, person_id FROM submission WHERE status = 'rejected' ORDER BY id DESC", n)
        if row is not None:
            words = "The door can be seen in the photo."
            public = ids.show("submission", row["id"])
            self.do(lambda: appeals.appeal(self.conn, row["person_id"], public, words))

    # ---- the market, its reviewers, and time

    def judge(self, n: int, verdict: dict[str, Any]) -> None:
        row = self.row("SELECT id FROM submission WHERE status = 'checking' ORDER BY id", n)
        if row is not None:
            self.do(lambda: self.cast.judge(row["id"], verdict, "fresh" if verdict is FAIL else None))

    def award(self, n: int, percent: int) -> None:
        row = self.row("SELECT id FROM appeal WHERE status = 'open' ORDER BY id", n)
        if row is not None:
            decision = awards.Decision(percent, "Looked at again.", "operator")
            self.do(lambda: awards.decide(self.conn, row["id"], decision, hold_s=HOLD_S))

    def time(self, seconds: int) -> None:
        self.do(lambda: clock.advance(self.conn, seconds))
        for sweep in (
            lambda: fix_ups.end_due(self.conn), lambda: claims.expire_due(self.conn),
            lambda: tasks.expire_due(self.conn), lambda: review.accept_overdue(self.conn, hold_s=HOLD_S),
            lambda: appeals.decide_due(self.conn, hold_s=HOLD_S),
            lambda: collecting.collect_due(self.conn, hold_s=HOLD_S),
            lambda: earnings.release_due(self.conn),
        ):  # fmt: skip
            self.do(sweep)

    # ---- resale

    def sell(self, n: int, who: int, price: int, royalty: int) -> None:
        row = self.row("SELECT id, account_id FROM observation ORDER BY id", n)
        if row is not None:
            seller = self.buyer_of(row["account_id"]) if who else self.buyers[n % 2]
            draft = msgspec.convert(
                {"observation_id": ids.show("observation", row["id"]), "price": {"amount": price, "currency": "usd"},
                 "royalty_percent": royalty, "license": {"id": "CC-BY-4.0"}, "resale": True},
                listings.ListingDraft,
            )  # fmt: skip
            self.do(lambda: listings.create(self.conn, seller, draft, fee_bps=FEE_BPS))

    def buy(self, n: int, who: int) -> None:
        row = self.row("SELECT id, price, account_id FROM listing WHERE status = 'active' ORDER BY id", n)
        if row is not None:
            buyer = next(each for each in self.buyers if each.owner != row["account_id"]) if who else self.buyers[n % 2]
            asked = msgspec.convert({"max_price": {"amount": row["price"], "currency": "usd"}}, sales.Purchase)
            public = ids.show("listing", row["id"])
            self.do(lambda: sales.buy(self.conn, buyer, public, asked, fee_bps=FEE_BPS, hold_s=HOLD_S))

    # ---- what must hold

    @invariant()
    def nobody_s_terms_get_worse(self) -> None:
        if not hasattr(self, "cast"):
            return
        for row in self.runner.run(self.conn.fetch("SELECT id, reward FROM claim")):
            assert row["reward"] >= self.promised.get(row["id"], 0)
            self.promised[row["id"]] = row["reward"]

    @invariant()
    def locked_evidence_is_not_readable(self) -> None:
        if not hasattr(self, "cast"):
            return
        locked = self.runner.run(
            self.conn.fetch("SELECT id, account_id FROM submission WHERE status IN ('rejected', 'disputed')")
        )
        for row in locked:
            self.runner.run(self._unreadable(row["id"], row["account_id"]))

    async def _unreadable(self, submission: UUID, account: UUID) -> None:
        seen = await submissions.get(self.conn, ids.show("submission", submission), account=account)
        assert (seen.answers, seen.readings, seen.notes, seen.photos) == ({}, None, "", [])
        with pytest.raises(Refusal):
            await submissions.photo(self.conn, seen.id, 1, account=account)
        for each in await observations.listed(self.conn, account, limit=200):
            if each.submission_id == seen.id:
                with pytest.raises(Refusal):
                    await observations.photo(self.conn, account, each.id, 1)
                assert each.answers == {}

    @invariant()
    def the_books_are_right(self) -> None:
        self.steps += 1
        if hasattr(self, "cast") and self.steps % AUDITED_EVERY == 0:
            assert self.runner.run(self.cast.broken()) == []
            self.runner.run(self.conn.execute("SET CONSTRAINTS ALL DEFERRED"))


# What so many sequences must have come to: else nothing was shown.
DEEP = {
    "submission.accepted", "submission.rejected", "submission.fix_up", "appeal.opened", "appeal.decided", "sale.bought",
    "claim.expired", "task.completed", "task.cancelled", "earning.released", "submission.thanked",
}  # fmt: skip


def test_no_order_of_acts_breaks_the_market(shared_database_url: str) -> None:
    Market.url = shared_database_url
    met.clear()
    Market.TestCase.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize="MACHINE_EXAMPLES" not in os.environ,
        database=None,
    )
    Market.TestCase().runTest()
    print(EXAMPLES, "sequences;", dict(met.most_common()))
    assert set(met) >= DEEP

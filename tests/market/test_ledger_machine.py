"""Random postings, replays, reversals and crowds against a model of a few lines, on real PostgreSQL.

LEDGER_EXAMPLES=5000 runs more sequences than the suite does. What the machine is worth is shown on planted bugs.
"""

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app.db import create_pool
from market import ledger
from market.audit import CHECKS
from market.errors import InsufficientFunds

CONNECTIONS = 16
SEQUENCES = int(os.environ.get("LEDGER_EXAMPLES", "120"))
LEDGER_SQL = Path(__file__).parents[2] / "alembic" / "sql" / "0005_posting.sql"

ONE, TWO = UUID(int=1), UUID(int=2)
# Natural side of each account that keeps a floor: credit (-1) or debit (+1).
FLOORS = {
    ledger.buyer(ONE): -1, ledger.buyer(TWO): -1, ledger.escrow(ONE): -1, ledger.person(ONE, "pending"): -1,
    ledger.person(ONE, "payable"): -1, ledger.person(TWO, "receivable"): 1,
}  # fmt: skip
HOT = [ledger.CLEARING, ledger.FEE_INCOME]
CODES = [*FLOORS, *HOT]

Lines = list[tuple[str, int]]
Posting = tuple[str, str, Lines, UUID | None]  # key, currency, lines, the transaction that it reverses

AMOUNTS = st.integers(1, 60)
NTH = st.integers(0, 1000)
CURRENCIES = st.sampled_from(["usd", "usd", "usd", "eur"])


@st.composite
def balanced(draw: st.DrawFn) -> Lines:
    """Two to four lines over different accounts that sum to zero."""
    codes = draw(st.lists(st.sampled_from(CODES), min_size=2, max_size=4, unique=True))
    amounts = [draw(AMOUNTS) * draw(st.sampled_from([1, -1])) for _ in codes[1:]]
    lines = list(zip(codes, [-sum(amounts), *amounts], strict=True))
    return [line for line in lines if line[1]]


TO_POST = balanced().filter(lambda lines: len(lines) >= 2)


class Books:
    """One scratch database, and an event loop to reach it from the machine, which is not asynchronous."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.pool: asyncpg.Pool = self.run(create_pool(url, smallest=CONNECTIONS, largest=CONNECTIONS))

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def close(self) -> None:
        self.run(self.pool.close())
        self.runner.close()

    def sql(self, text: str) -> None:
        self.run(self.pool.execute(text))

    def empty(self) -> None:
        """Back to empty books, which only the owner of the schema can do."""
        self.sql(
            """ALTER TABLE ledger_entry DISABLE TRIGGER USER; ALTER TABLE ledger_tx DISABLE TRIGGER USER;
               TRUNCATE ledger_entry, ledger_tx, ledger_account RESTART IDENTITY CASCADE;
               ALTER TABLE ledger_entry ENABLE TRIGGER USER; ALTER TABLE ledger_tx ENABLE TRIGGER USER"""
        )

    async def post(self, posting: Posting) -> bool | str:
        """True, False, or why not: `funds`, or an SQLSTATE."""
        key, currency, lines, reverses = posting
        async with self.pool.acquire() as conn:
            try:
                async with conn.transaction():
                    return await ledger.post(
                        conn, "test", key, lines, currency=currency, actor="test", reverses=reverses
                    )
            except InsufficientFunds:
                return "funds"
            except asyncpg.PostgresError as error:
                return str(error.sqlstate)

    async def crowd(self, postings: list[Posting]) -> list[bool | str]:
        return await asyncio.gather(*(self.post(posting) for posting in postings))

    async def post_together(self, postings: list[Posting]) -> int | str:
        """How many were new, or why none was posted."""
        many = [ledger.Posting(key, lines, (None, None), {}, reverses) for key, _, lines, reverses in postings]
        async with self.pool.acquire() as conn:
            try:
                async with conn.transaction():
                    return await ledger.post_many(conn, "test", many, currency="usd", actor="test")
            except InsufficientFunds:
                return "funds"

    async def balances(self) -> dict[tuple[str, str], int]:
        rows = await self.pool.fetch(
            """SELECT a.code, a.currency, CASE WHEN a.tracked THEN a.posted ELSE sum(e.amount) END AS balance
               FROM ledger_account a JOIN ledger_entry e ON e.account_id = a.id GROUP BY a.id"""
        )
        return {(row["code"], row["currency"]): int(row["balance"]) for row in rows if row["balance"]}

    async def broken(self) -> list[str]:
        async with self.pool.acquire() as conn:
            return [rule for rule, query in CHECKS.items() if await conn.fetch(query)]


class LedgerMachine(RuleBasedStateMachine):
    """The model: a balance for each account, and what stands under each key."""

    crowds: ClassVar[int] = 0

    def __init__(self, books: Books) -> None:
        super().__init__()
        self.books = books
        self.balance: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.posted: dict[str, Posting] = {}
        self.reversed: set[str] = set()
        self.number = 0

    def key(self) -> str:
        self.number += 1
        return f"key {self.number}"

    def covered(self, posting: Posting) -> bool:
        _, currency, lines, _ = posting
        return all(
            code not in FLOORS or FLOORS[code] * (self.balance[code, currency] + amount) >= 0 for code, amount in lines
        )

    def apply(self, posting: Posting) -> None:
        key, currency, lines, _ = posting
        self.posted[key] = posting
        for code, amount in lines:
            self.balance[code, currency] += amount

    def expect(self, posting: Posting) -> bool:
        covered = self.covered(posting)
        assert self.books.run(self.books.post(posting)) == (True if covered else "funds")
        if covered:
            self.apply(posting)
        return covered

    @initialize()
    def empty_books(self) -> None:
        self.books.empty()

    @rule(code=st.sampled_from(list(FLOORS)), amount=AMOUNTS, currency=CURRENCIES)
    def money_comes_in(self, code: str, amount: int, currency: str) -> None:
        natural = FLOORS[code] * amount
        self.expect((self.key(), currency, [(ledger.CLEARING, -natural), (code, natural)], None))

    @rule(lines=TO_POST, currency=CURRENCIES)
    def anything_balanced(self, lines: Lines, currency: str) -> None:
        self.expect((self.key(), currency, lines, None))

    @rule(lines=TO_POST, wrong=st.integers(-3, 3).filter(bool))
    def a_unit_too_many(self, lines: Lines, wrong: int) -> None:
        (code, amount), *rest = lines
        posting = self.key(), "usd", [(code, amount + wrong), *rest], None
        # The floor is looked at while posting, the balance when committing.
        assert self.books.run(self.books.post(posting)) == ("LG003" if self.covered(posting) else "funds")

    def earlier(self, nth: int) -> Posting | None:
        """One of the postings that stand. What is drawn never depends on how a crowd came out."""
        keys = sorted(self.posted)
        return self.posted[keys[nth % len(keys)]] if keys else None

    @rule(nth=NTH, change=st.booleans())
    def the_same_key_again(self, nth: int, change: bool) -> None:
        if (found := self.earlier(nth)) is None:
            return
        key, currency, lines, reverses = found
        if change:
            (a, amount), (b, other), *rest = lines
            changed = [(a, amount + 1), (b, other - 1), *rest]
            assert self.books.run(self.books.post((key, currency, changed, reverses))) == "LG004"
        else:
            assert self.books.run(self.books.post(found)) is False

    @rule(nth=NTH)
    def a_reversal(self, nth: int) -> None:
        if (found := self.earlier(nth)) is None:
            return
        key, currency, lines, _ = found
        tx = self.books.run(self.books.pool.fetchval("SELECT id FROM ledger_tx WHERE idem_key = $1", key))
        back = self.key(), currency, [(code, -amount) for code, amount in lines], tx
        if key in self.reversed:
            assert self.books.run(self.books.post(back)) == "23505"
        elif self.expect(back):
            self.reversed.add(key)

    @rule(batch=st.lists(TO_POST, min_size=2, max_size=5), nth=NTH, again=st.booleans())
    def several_together(self, batch: list[Lines], nth: int, again: bool) -> None:
        """All of them or none, each held to the floors where it stands; what was posted before counts as nothing."""
        before, standing = dict(self.balance), dict(self.posted)
        postings: list[Posting] = [(self.key(), "usd", lines, None) for lines in batch]
        covered = True
        for posting in postings:
            covered = covered and self.covered(posting)
            if covered:
                self.apply(posting)
        found = self.earlier(nth) if again else None
        known = [found] if found is not None and found[0] in standing and found[1] == "usd" else []
        told = self.books.run(self.books.post_together(postings + known))
        if covered:
            assert told == len(postings)
        else:
            assert told == "funds"
            self.balance, self.posted = defaultdict(int, before), standing

    @rule(seed=st.integers(0, 2**32))
    def sixteen_at_once(self, seed: int) -> None:
        """In any order: what was let in is what counts. Some share a key, with the same or with other content."""
        randomly = random.Random(seed)
        ours = [self.key() for _ in range(12)]
        crowd: list[Posting] = []
        for _ in range(CONNECTIONS):
            if crowd and randomly.random() < 0.1:
                crowd.append(randomly.choice(crowd))
                continue
            codes = randomly.sample(CODES, randomly.randint(2, 4))
            amounts = [randomly.randint(1, 60) * randomly.choice([1, -1]) for _ in codes[1:]]
            lines = [line for line in zip(codes, [-sum(amounts), *amounts], strict=True) if line[1]]
            crowd.append((randomly.choice(ours), "usd", lines, None))
        outcomes = self.books.run(self.books.crowd(crowd))
        assert set(outcomes) <= {True, False, "funds", "LG004"}, outcomes
        for posting, outcome in zip(crowd, outcomes, strict=True):
            if outcome is True:
                assert posting[0] not in self.posted, "one key let in twice"
                self.apply(posting)
        for posting, outcome in zip(crowd, outcomes, strict=True):
            if outcome in (False, "LG004"):
                assert (self.posted[posting[0]][2] == posting[2]) == (outcome is False)
        type(self).crowds += 1

    def teardown(self) -> None:
        stands = {place: balance for place, balance in self.balance.items() if balance}
        assert self.books.run(self.books.balances()) == stands
        assert self.books.run(self.books.broken()) == []


def run_machine(books: Books, examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    run_state_machine_as_test(
        lambda: LedgerMachine(books),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, database=None, phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    made = Books(database_url)
    yield made
    made.close()


@pytest.mark.slow
def test_random_histories_keep_every_invariant_and_agree_with_the_model(books: Books) -> None:
    LedgerMachine.crowds = 0
    run_machine(books, SEQUENCES)
    assert LedgerMachine.crowds >= SEQUENCES // 2
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert books.run(books.pool.fetchval(deadlocks)) == 0


LOCK = "ORDER BY id FOR NO KEY UPDATE"
BUGS = {
    "the cached balance is not kept": [("SET posted = a.posted + s.v,", "SET posted = a.posted,")],
    "the balance is read before it is locked": [
        (LOCK, ""),
        ("SET posted = a.posted + s.v,", "SET posted = s.was + s.v,"),
        ("SELECT account, sum(v)::bigint AS v, count(*) AS n FROM line",
         "SELECT account, sum(v)::bigint AS v, count(*) AS n, (SELECT pg_sleep(0.001))::text AS slept,"
         " (SELECT b.posted FROM ledger_account b WHERE b.id = account) AS was FROM line"),
    ],
    "locks are taken in the order of the lines": [  # each after a while, so that crowds meet between two of them
        (LOCK, "ORDER BY array_position(ids, id) FOR NO KEY UPDATE"),
        ("SELECT code, closed_at FROM", "SELECT code, closed_at, pg_sleep(0.001)::text FROM"),
    ],
    "a key is forgotten": [("IF fresh = '{}' THEN RETURN 0;", "IF fresh = '{}' THEN RETURN cardinality(p_ids);")],
    "other content under a key goes unnoticed": [("AND t.body_hash <> p.hash", "AND false")],
    "large entries are cut": [("p_currency, e.v, e.version", "p_currency, least(e.v, 50), e.version")],
    "the chain of an account begins anew": [("m.version + row_number()", "row_number()")],
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(books: Books, bug: str) -> None:
    source = LEDGER_SQL.read_text()
    function = source[source.index("CREATE FUNCTION ledger_post(") :].replace("CREATE", "CREATE OR REPLACE", 1)
    for right, wrong in BUGS[bug]:
        assert function.count(right) == 1, "the source has changed: plant the bug elsewhere"
        function = function.replace(right, wrong)
    books.sql(function)
    # A deadlock does not come again on demand: then hypothesis reports that what failed is flaky.
    with pytest.raises((AssertionError, asyncpg.PostgresError, Flaky)):
        run_machine(books, 60, (Phase.generate,))

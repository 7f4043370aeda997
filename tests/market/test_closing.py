"""A day is closed in order and once, signed, and stays as it was signed; whoever changes anything is found."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from market import audit, audit_log, closing, closing_audit, ids, ledger, matching, stripe_balance, suspense
from market.closing import Close
from market.errors import NotFound, WrongState
from market.stripe_balance import BalanceLine

KEY = Ed25519PrivateKey.generate()
ADA = UUID(int=1)
TODAY = datetime.now(UTC).date()


def sign(digest: bytes) -> tuple[bytes, bytes]:
    return KEY.sign(digest), KEY.public_key().public_bytes_raw()


@pytest.fixture
async def olu(conn: asyncpg.Connection) -> UUID:
    return await an_operator(conn)


async def an_operator(conn: asyncpg.Connection) -> UUID:
    made: UUID = await conn.fetchval(
        "INSERT INTO operator (id, email, name) VALUES ($1, 'olu@sensorium.example', 'Olu') RETURNING id", ids.new()
    )
    return made


async def later(conn: asyncpg.Connection, days: int) -> None:
    await conn.execute("UPDATE market_clock SET ahead = ahead + make_interval(days => $1)", days)


def a_line(txn: str, net: int, at: datetime | None = None, type: str = "charge") -> BalanceLine:
    return BalanceLine(txn, type, "ch_1", "usd", net, 0, net, at or datetime.now(UTC))


async def paid(conn: asyncpg.Connection, txn: str, amount: int, at: datetime | None = None) -> None:
    """A line of Stripe's balance with its posting."""
    line = a_line(txn, amount, at)
    lines = [(await stripe_balance.counter(conn, line), amount), (ledger.buyer(ADA), -amount)]
    await ledger.post(conn, "funding", f"fund:{txn}", lines, currency="usd", actor="test")
    await stripe_balance.mirror(conn, line, f"fund:{txn}")


async def close(conn: asyncpg.Connection, operator: UUID, day: date, held: int) -> Close:
    await closing.close(conn, operator, day, await matching.sides(conn, {"usd": held}), sign)
    return await closing.get(conn, day)


async def broken(conn: asyncpg.Connection) -> set[str]:
    """Rules about closes and the audit log that do not hold."""
    rules = {rule for rule, query in closing_audit.CHECKS.items() if await conn.fetch(query)}
    return rules | {rule for rule, named in closing_audit.PROGRAMS.items() if await named(conn)}


async def without_triggers(conn: asyncpg.Connection) -> None:
    """As whoever owns the tables may."""
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in ("ledger_tx", "ledger_entry", "daily_close", "audit_log"):
        await conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")


async def forged(conn: asyncpg.Connection, sql: str, *values: Any) -> set[str]:
    """The broken rules after somebody with the database's own rights has run `sql`; afterwards all is as it was."""
    step = conn.transaction()
    await step.start()
    await without_triggers(conn)
    assert not (await conn.execute(sql, *values)).endswith(" 0")
    found = await broken(conn)
    await step.rollback()
    return found


async def test_days_are_closed_in_order_each_once_and_when_they_are_over(conn: asyncpg.Connection, olu: UUID) -> None:
    with pytest.raises(WrongState, match="nothing has ever been posted"):
        await close(conn, olu, TODAY, 0)
    await paid(conn, "txn_1", 1_000)
    with pytest.raises(WrongState, match="not over"):
        await close(conn, olu, TODAY, 1_000)
    await later(conn, 3)
    with pytest.raises(WrongState, match=str(TODAY)):
        await close(conn, olu, TODAY + timedelta(days=1), 1_000)
    first = await close(conn, olu, TODAY, 1_000)
    with pytest.raises(WrongState, match=str(TODAY + timedelta(days=1))):
        await close(conn, olu, TODAY, 1_000)
    second = await close(conn, olu, TODAY + timedelta(days=1), 1_000)
    assert (first.previous, second.previous) == ("00" * 32, first.hash)
    assert [one.day for one in await closing.listed(conn, before=None, limit=9)] == [second.day, first.day]
    assert [one.day for one in await closing.listed(conn, before=second.day, limit=9)] == [first.day]
    with pytest.raises(NotFound):
        await closing.get(conn, TODAY + timedelta(days=2))
    assert await broken(conn) == set()


async def test_a_close_says_what_the_books_and_stripe_came_to(conn: asyncpg.Connection, olu: UUID) -> None:
    await paid(conn, "txn_1", 1_000)
    await audit_log.record(conn, f"operator:{olu}", "look", subject="x")
    await matching.see(conn, [a_line("txn_2", 250)])
    await conn.execute("UPDATE stripe_balance_txn SET seen_at = market_now() - interval '2 hours' WHERE id = 'txn_2'")
    assert await suspense.put_overdue(conn) == 1
    await later(conn, 1)
    found = (await close(conn, olu, TODAY, 1_250)).content
    assert found["transactions"]["count"] == 2
    assert found["by_kind"] == [
        {"kind": "funding", "currency": "usd", "count": 1, "amount": 1_000},
        {"kind": "suspense.put", "currency": "usd", "count": 1, "amount": 250},
    ]
    assert {line["kind"]: line["balance"] for line in found["trial_balance"]} == {
        "stripe:clearing": 1_250, "buyer:available": 1_000, "suspense": 250,
    }  # fmt: skip
    assert found["stripe"] == [{"currency": "usd", "lines": 2, "net": 1_250, "lines_in_all": 2, "net_in_all": 1_250}]
    assert found["clearing"] == {"usd": 1_250}
    assert (found["suspense"]["count"], found["suspense"]["lines"][0]["id"]) == (1, "txn_2")
    assert found["suspense"]["lines"][0]["age_s"] >= 7_200
    assert found["audit_log"]["seq"] == 1 and found["doubtful_operations"]["count"] == 0


async def test_a_line_that_nothing_stands_for_keeps_its_day_open(conn: asyncpg.Connection, olu: UUID) -> None:
    await paid(conn, "txn_1", 1_000)
    await matching.see(conn, [a_line("txn_2", 250)])
    await later(conn, 1)
    with pytest.raises(closing.Unmatched, match="txn_2"):
        await close(conn, olu, TODAY, 1_250)


async def test_a_difference_that_nothing_explains_keeps_a_day_open(conn: asyncpg.Connection, olu: UUID) -> None:
    await paid(conn, "txn_1", 1_000)
    await later(conn, 1)
    with pytest.raises(closing.Unexplained, match="Stripe 999, ledger 1000"):
        await close(conn, olu, TODAY, 999)
    lines = [(ledger.CLEARING, 5), (ledger.LOSSES, -5)]
    await ledger.post(conn, "wrong", "wrong", lines, currency="usd", actor="test")
    with pytest.raises(closing.Unexplained):
        await close(conn, olu, TODAY, 1_000)


async def test_a_line_that_comes_late_is_in_the_close_of_a_later_day(conn: asyncpg.Connection, olu: UUID) -> None:
    await paid(conn, "txn_1", 1_000)
    await later(conn, 2)
    await close(conn, olu, TODAY, 1_000)
    await paid(conn, "txn_2", 70)  # made at Stripe on the closed day
    await later(conn, 1)
    second = await close(conn, olu, TODAY + timedelta(days=1), 1_070)
    assert second.content["stripe"][0] | {"currency": "usd"} == {
        "currency": "usd", "lines": 1, "net": 70, "lines_in_all": 2, "net_in_all": 1_070,
    }  # fmt: skip
    assert await broken(conn) == set()


async def test_nothing_is_posted_into_a_closed_day(conn: asyncpg.Connection, olu: UUID) -> None:
    await paid(conn, "txn_1", 1_000)
    await later(conn, 1)
    await close(conn, olu, TODAY, 1_000)
    with pytest.raises(asyncpg.PostgresError, match="is closed") as caught:
        await conn.execute(
            """INSERT INTO ledger_tx (id, kind, idem_key, body_hash, actor, effective_at)
               VALUES ($1, 'late', 'late', '', 'test', $2)""",
            ids.new(), closing.end_of(TODAY) - timedelta(microseconds=1),
        )  # fmt: skip
    assert caught.value.sqlstate == "LG007"


FORGERIES = {
    "a posting of another amount": "UPDATE ledger_entry SET amount = amount * 2",
    "a posting moved to another day": "UPDATE ledger_tx SET effective_at = effective_at - interval '1 day'",
    "another kind of posting": "UPDATE ledger_tx SET kind = 'x'",
    "another content": "UPDATE daily_close SET content = jsonb_set(content, '{clearing,usd}', '5')",
    "another day": "UPDATE daily_close SET day = day - 1",
    "somebody else's name": "UPDATE daily_close SET closed_at = closed_at + interval '1 second'",
    "a line of Stripe's more in the day": "UPDATE stripe_balance_txn SET net = net + 1, amount = amount + 1",
    "another signature": "UPDATE daily_close SET signature = decode(repeat('01', 64), 'hex')",
    "a key that did not sign": "UPDATE daily_close SET public_key = decode(repeat('00', 32), 'hex')",
    "a hash of one's own": "UPDATE daily_close SET hash = sha256('x')",
    "an act taken out": "DELETE FROM audit_log WHERE seq = 2",
    "the newest act taken out": "DELETE FROM audit_log WHERE seq = 3",
    "an act rewritten": "UPDATE audit_log SET actor = 'nobody' WHERE seq = 1",
}


@pytest.mark.parametrize("sql", FORGERIES.values(), ids=FORGERIES)
async def test_whoever_changes_what_was_signed_is_found(conn: asyncpg.Connection, olu: UUID, sql: str) -> None:
    for n in range(3):
        await audit_log.record(conn, f"operator:{olu}", "look", data={"n": n})
    await paid(conn, "txn_1", 1_000)
    await later(conn, 1)
    await close(conn, olu, TODAY, 1_000)
    assert await broken(conn) == set()
    assert await forged(conn, sql)


async def test_what_follows_from_the_ledger_is_checked_over_many_days(conn: asyncpg.Connection, olu: UUID) -> None:
    held = 0
    for n in range(5):
        if n != 2:  # a day without any posting
            await paid(conn, f"txn_{n}", 100 + n, datetime.now(UTC) + timedelta(days=n))
            held += 100 + n
        await later(conn, 1)
        await close(conn, olu, TODAY + timedelta(days=n), held)
    assert await closing_audit.unfounded(conn) == []
    days = [str(TODAY + timedelta(days=n)) for n in range(5)]
    assert (await closing.get(conn, TODAY + timedelta(days=2))).content["transactions"] == {"count": 0, "sha256": ""}
    await without_triggers(conn)
    await conn.execute("UPDATE ledger_tx SET actor = 'x' WHERE idem_key = 'fund:txn_3'")
    assert await closing_audit.unfounded(conn) == [days[3]]
    posting = "SELECT id FROM ledger_tx WHERE idem_key = 'fund:txn_1'"
    await conn.execute(f"UPDATE ledger_entry SET amount = amount * 2 WHERE tx_id IN ({posting})")
    assert await closing_audit.unfounded(conn) == days[1:]


# ---- with others at the same time


@pytest.fixture
async def open_day(pool: asyncpg.Pool) -> AsyncIterator[UUID]:
    """A day with one posting that is over, committed; the operator."""
    async with pool.acquire() as conn, conn.transaction():
        await paid(conn, "txn_1", 1_000)
        await later(conn, 1)
        operator = await an_operator(conn)
    yield operator


async def test_whoever_posts_while_the_day_is_closed_is_waited_for_or_waits(pool: asyncpg.Pool, open_day: UUID) -> None:
    async with pool.acquire() as poster, pool.acquire() as closer, pool.acquire() as late:
        begun = poster.transaction()
        await begun.start()
        await paid(poster, "txn_2", 30)

        async def closes() -> None:
            async with closer.transaction():
                await close(closer, open_day, TODAY, 1_000)

        closing_now = asyncio.create_task(closes())
        await asyncio.sleep(0.2)
        assert not closing_now.done()
        await begun.commit()
        await closing_now
        async with late.transaction():
            await paid(late, "txn_3", 5)
        assert await broken(late) == set()
        assert [one.rule for one in await audit.audit(late) if "close" in one.rule] == []


async def test_of_two_who_close_a_day_one_does(pool: asyncpg.Pool, open_day: UUID) -> None:
    async def closes() -> bool:
        try:
            async with pool.acquire() as conn, conn.transaction():
                await close(conn, open_day, TODAY, 1_000)
        except WrongState:
            return False
        return True

    assert sorted(await asyncio.gather(*(closes() for _ in range(4)))) == [False, False, False, True]


@pytest.mark.parametrize("first", ["its posting", "its line"])
async def test_whoever_settles_a_line_and_whoever_closes_its_day_never_wait_for_each_other_in_a_ring(
    pool: asyncpg.Pool, open_day: UUID, first: str
) -> None:
    """Some post before they take the line, some after; a close at that moment waits, or is to be tried again."""
    steps = [
        lambda conn: ledger.post(
            conn, "test", "x", [(ledger.FEES, 1), (ledger.LOSSES, -1)], currency="usd", actor="test"
        ),
        lambda conn: conn.execute("UPDATE stripe_balance_txn SET seen_at = seen_at WHERE id = 'txn_1'"),
    ]
    if first == "its line":
        steps.reverse()
    async with pool.acquire() as settler, pool.acquire() as closer:
        begun = settler.transaction()
        await begun.start()
        await steps[0](settler)

        async def closes() -> None:
            async with closer.transaction():
                await close(closer, open_day, TODAY, 1_000)

        closing_now = asyncio.create_task(closes())
        if first == "its line":
            with pytest.raises(asyncpg.LockNotAvailableError):
                await closing_now
        else:
            await asyncio.sleep(0.2)
        await steps[1](settler)
        await begun.commit()
        await (closes() if first == "its line" else closing_now)
        assert await closing.next_day(closer) == TODAY + timedelta(days=1)
        assert await broken(closer) == set()

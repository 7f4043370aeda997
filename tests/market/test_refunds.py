"""Refunds at the level of the rules: whose money, how much, in what order the news come; and an account's day."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from market import (
    appeals,
    audit,
    awards,
    clock,
    funding,
    ids,
    keys,
    ledger,
    refunds,
    review,
    settlement_audit,
    spending,
    stripe_ops,
    tasks,
    top_ups,
)
from market.accounts import AccountChange, change
from market.errors import AccountHeld, Forbidden, InsufficientFunds, Invalid, OverCap, WrongState
from market.refunds import Mismatch, Seen
from market.stripe_balance import BalanceLine
from tests.market.conftest import HOLD_S, Cast


def line(id: str, amount: int, fee: int = 0) -> BalanceLine:
    return BalanceLine(id, "x", "x", "usd", amount, fee, amount - fee, datetime.now(UTC))


async def paid(conn: asyncpg.Connection, account: UUID, amount: int) -> UUID:
    """A funding that has succeeded."""
    made, _ = await funding.ask(conn, account, amount, "usd", by="test", method="pm_card_visa")
    await stripe_ops.found(conn, "charge", made, f"pi_{made.hex}")
    of = made.hex
    arrived = funding.Paid(f"pi_{of}", amount, line(f"txn_{of}", amount, 30), f"ch_{of}", "visa 4242")
    assert await funding.credit(conn, made, arrived)
    return made


async def broken(conn: asyncpg.Connection) -> list[str]:
    """The invariants of settlement that do not hold, inside the test's own transaction."""
    return [rule for rule, query in settlement_audit.CHECKS.items() if await conn.fetch(query)]


async def balance(conn: asyncpg.Connection, account: UUID) -> int:
    return (await ledger.balances(conn, [ledger.buyer(account)], "usd"))[0]


async def sent(conn: asyncpg.Connection, refund: UUID, seen: Seen) -> str | None:
    """What the worker does with Stripe's answer."""
    await stripe_ops.found(conn, "refund", refund, seen.id)
    return await refunds.settle(conn, refund, seen)


@pytest.fixture
async def eve(cast: Cast) -> keys.Actor:
    return await cast.agent("eve", funds=0)


async def test_ends_stay_whatever_comes_later_and_in_whatever_order(cast: Cast, eve: keys.Actor) -> None:
    conn = cast.conn
    await paid(conn, eve.owner, 1_000)
    [(refund, _)] = await refunds.ask(conn, eve.owner, 400, by=eve.name)
    gone, back = line("txn_gone", -400), line("txn_back", 400)
    done = Seen("re_1", "succeeded", "", gone, None)
    failed = Seen("re_1", "failed", "lost_or_stolen_card", gone, back)
    assert await sent(conn, refund, Seen("re_1", "pending", "", None, None)) is None
    assert await balance(conn, eve.owner) == 600
    # The news of the failure come before those of the success.
    assert await sent(conn, refund, failed) == "failed"
    for late in (done, failed, Seen("re_1", "pending", "", gone, None)):
        assert await sent(conn, refund, late) is None
    shown = await refunds.get(conn, refund)
    assert (shown.status, shown.failure, shown.returned) == ("failed", "lost_or_stolen_card", True)
    assert await balance(conn, eve.owner) == 1_000
    assert await broken(conn) == []


async def test_a_failure_waits_for_the_line_that_brings_the_money_back(cast: Cast, eve: keys.Actor) -> None:
    conn = cast.conn
    await paid(conn, eve.owner, 1_000)
    [(refund, _)] = await refunds.ask(conn, eve.owner, 400, by=eve.name)
    gone = line("txn_gone", -400)
    assert await sent(conn, refund, Seen("re_1", "succeeded", "", gone, None)) == "succeeded"
    assert await sent(conn, refund, Seen("re_1", "failed", "unknown", gone, None)) is None
    assert ((await refunds.get(conn, refund)).status, await balance(conn, eve.owner)) == ("succeeded", 600)
    assert await broken(conn) == []
    assert await sent(conn, refund, Seen("re_1", "failed", "unknown", gone, line("txn_back", 400))) == "failed"
    assert await broken(conn) == []


async def test_what_does_not_fit_moves_nothing(cast: Cast, eve: keys.Actor) -> None:
    conn = cast.conn
    await paid(conn, eve.owner, 1_000)
    [(refund, _)] = await refunds.ask(conn, eve.owner, 400, by=eve.name)
    with pytest.raises(Mismatch):
        async with conn.transaction():
            await sent(conn, refund, Seen("re_1", "succeeded", "", line("txn_gone", -399), None))
    assert await sent(conn, refund, Seen("re_1", "succeeded", "", line("txn_gone", -400), None)) == "succeeded"
    with pytest.raises(Mismatch):
        async with conn.transaction():
            await sent(conn, refund, Seen("re_2", "succeeded", "", line("txn_2", -400), None))
    [(other, _)] = await refunds.ask(conn, eve.owner, 100, by=eve.name)
    assert await refunds.refused(conn, other, "charge_disputed")
    assert not await refunds.refused(conn, other, "charge_disputed")
    with pytest.raises(Mismatch):
        async with conn.transaction():
            await refunds.settle(conn, other, Seen("re_3", "succeeded", "", line("txn_3", -100), None))
    assert await refunds.settle(conn, ids.new(), Seen("re_4", "succeeded", "", line("txn_4", -1), None)) is None
    assert await balance(conn, eve.owner) == 600


async def test_disputed_and_suspected_payments_go_back_only_by_an_operator(cast: Cast, eve: keys.Actor) -> None:
    conn = cast.conn
    first, second = await paid(conn, eve.owner, 500), await paid(conn, eve.owner, 300)
    await conn.execute(
        """INSERT INTO fraud_warning (id, stripe_id, charge_id, account_id, funding_id, kind, actionable)
           VALUES ($1, 'issfr_1', 'ch_1', $2, $3, 'card_never_received', true)""",
        ids.new(), eve.owner, second,
    )  # fmt: skip
    with pytest.raises(Invalid, match="At most 500"):
        await refunds.ask(conn, eve.owner, 501, by=eve.name)
    await conn.execute("UPDATE funding SET disputed = 200 WHERE id = $1", first)
    with pytest.raises(Invalid, match="At most 300"):
        await refunds.ask(conn, eve.owner, 301, by=eve.name)
    [(refund, _)] = await refunds.ask(conn, eve.owner, None, by="operator:x", funding=second)
    assert (await refunds.get(conn, refund)).amount.amount == 300
    with pytest.raises(WrongState):
        await refunds.ask(conn, eve.owner, None, by="operator:x", funding=second)
    assert await conn.fetchval("SELECT refunded FROM funding WHERE id = $1", second) == 300


async def test_a_hold_stops_the_account_and_not_an_operator(cast: Cast, eve: keys.Actor) -> None:
    conn = cast.conn
    made = await paid(conn, eve.owner, 500)
    olu = ids.new()
    await conn.execute("INSERT INTO operator (id, email, name) VALUES ($1, 'olu@example.com', 'Olu')", olu)
    await conn.execute(
        "INSERT INTO account_hold (account_id, reason, operator_id) VALUES ($1, 'r', $2)", eve.owner, olu
    )
    with pytest.raises(AccountHeld):
        await refunds.ask(conn, eve.owner, 100, by=eve.name)
    with pytest.raises(AccountHeld):
        await spending.count(conn, eve.owner, 1)
    await refunds.ask(conn, eve.owner, 100, by="operator:x", funding=made)
    with pytest.raises(InsufficientFunds):
        await refunds.ask(conn, eve.owner, 401, by="operator:x", funding=made)


async def test_refunds_and_spending_at_once_take_what_there_is_and_no_more(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        eve = await cast.agent("eve", funds=0)
        for _ in range(4):
            await paid(conn, eve.owner, 500)

    async def act(n: int) -> int:
        async with pool.acquire() as conn:
            try:
                async with conn.transaction():
                    if n % 2:
                        await refunds.ask(conn, eve.owner, 170, by=eve.name)
                        return 170
                    await Cast(conn).post(eve)
                    return 330
            except InsufficientFunds:
                return 0

    taken = sum(await asyncio.gather(*(act(n) for n in range(24))))
    async with pool.acquire() as conn:
        assert await balance(conn, eve.owner) == 2_000 - taken < 170
        assert await audit.audit(conn) == []
        assert await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


async def test_an_account_s_cap_holds_over_all_its_keys_for_twenty_at_once(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        ada = await Cast(conn).agent("ada")
        await change(conn, ada, AccountChange(max_per_day=1_000))
        made = []
        for _ in range(3):
            _, secret = await keys.make(conn, ada, keys.KeyDraft(max_per_day=700))
            made.append(await keys.find(conn, secret))

    async def spend(n: int) -> bool:
        async with pool.acquire() as conn:
            try:
                async with conn.transaction():
                    await keys.spend(conn, [ada, *made][n % 4], 130, one_task=130)
            except OverCap:
                return False
            return True

    assert sum(await asyncio.gather(*(spend(n) for n in range(24)))) == 7
    async with pool.acquire() as conn:
        limits = await spending.limits_of(conn, ada.owner)
        assert (limits.max_per_day, limits.used_today, limits.on_hold) == (1_000, 910, False)
        assert await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


async def test_a_key_with_caps_only_lowers_the_account_s(cast: Cast, ada: keys.Actor) -> None:
    await change(cast.conn, ada, AccountChange(max_per_day=1_000))
    _, secret = await keys.make(cast.conn, ada, keys.KeyDraft(max_per_task=100))
    capped = await keys.find(cast.conn, secret)
    for more in (1_001, None):
        with pytest.raises(Forbidden):
            await change(cast.conn, capped, AccountChange(max_per_day=more))
    await change(cast.conn, capped, AccountChange(max_per_day=900))
    with pytest.raises(Forbidden):
        await change(cast.conn, capped, AccountChange(max_per_day=1_000))
    await change(cast.conn, ada, AccountChange(max_per_day=None))
    await keys.spend(cast.conn, ada, 50_000, one_task=50_000)


async def test_a_cap_that_was_lowered_below_today_s_use_stops_at_once(cast: Cast, ada: keys.Actor) -> None:
    await cast.post(ada)  # 330
    await change(cast.conn, ada, AccountChange(max_per_day=500))
    with pytest.raises(OverCap, match="at most 500 a day"):
        await cast.post(ada)


async def test_what_waited_since_yesterday_counts_when_it_arrives_today(cast: Cast, eve: keys.Actor) -> None:
    conn = cast.conn
    await conn.execute(
        """INSERT INTO saved_card (stripe_id, account_id, brand, last4, exp_month, exp_year)
           VALUES ('pm_1', $1, 'visa', '4242', 1, 2040)""",
        eve.owner,
    )  # fmt: skip
    rule = top_ups.TopUpDraft(threshold=5_000, amount=500, max_per_day=600, card="pm_1")
    await top_ups.put(conn, eve, rule)
    begun = await top_ups.begin(conn, eve.owner)
    assert begun is not None and await top_ups.begin(conn, eve.owner) is None
    await conn.execute("UPDATE market_clock SET ahead = ahead + interval '1 day'")
    assert await top_ups.due(conn, 10) == []  # the one of yesterday is still under way
    await stripe_ops.found(conn, "charge", begun[0], "pi_1")
    await funding.credit(conn, begun[0], funding.Paid("pi_1", 500, line("txn_1", 500), "ch_1", "visa 4242"))
    assert (await top_ups.get(conn, eve.owner)).asked_today == 500
    assert await top_ups.due(conn, 10) == []
    await conn.execute("UPDATE market_clock SET ahead = ahead + interval '1 day'")
    assert await top_ups.due(conn, 10) == [eve.owner]


async def test_what_a_rejection_may_yet_cost_stays_as_long_as_it_may_be_appealed(cast: Cast, eve: keys.Actor) -> None:
    """Else whoever has worked for it would find nothing there: the task is ended, and the balance gone to a card."""
    conn, bo = cast.conn, await cast.person("bo")
    await paid(conn, eve.owner, 1_000)
    task = await cast.post(eve, acceptance={"mode": "manual"})
    _, submission = await cast.submit(bo, task.id)
    await cast.judge(submission, {"score": 0.5, "outcome": "review", "version": "1", "checks": []})
    why = review.Rejecting(comment="Too dark.", reason_code="unreadable")
    await review.reject(conn, eve, ids.show("submission", submission), why)
    await tasks.cancel(conn, eve, task.id)
    assert await balance(conn, eve.owner) == 1_000
    with pytest.raises(WrongState, match="Up to 670"):
        await refunds.ask(conn, eve.owner, 671, by=eve.name)
    await refunds.ask(conn, eve.owner, None, by=eve.name)
    assert await balance(conn, eve.owner) == 330
    with pytest.raises(WrongState, match="72 hours"):
        await refunds.ask(conn, eve.owner, None, by=eve.name)
    await clock.advance(conn, appeals.APPEAL_S)
    appeal = await appeals.appeal(conn, bo, ids.show("submission", submission), "It is bright enough.")
    assert await conn.fetchval("SELECT stake::text FROM appeal WHERE id = $1", appeal) == "held"
    await awards.decide(conn, appeal, awards.Decision(100, "So it is.", "operator:test"), hold_s=HOLD_S)
    assert await cast.balance(ledger.person(bo, "pending")) == 300
    assert await cast.broken() == []


async def test_junk_does_not_keep_a_balance_more_than_once(cast: Cast, eve: keys.Actor) -> None:
    """Three tries of one person, of which one can be paid, while the slot is free: its money is in the task."""
    conn, bo = cast.conn, await cast.person("bo")
    await paid(conn, eve.owner, 1_000)
    task = await cast.post(eve, acceptance={"mode": "manual"})
    why = review.Rejecting(comment="Junk.", reason_code="not_what_was_asked")
    for _ in range(3):
        _, submission = await cast.submit(bo, task.id)
        await cast.judge(submission, {"score": 0.5, "outcome": "review", "version": "1", "checks": []})
        await review.reject(conn, eve, ids.show("submission", submission), why)
    assert await appeals.at_stake(conn, eve.owner, "usd") == 0
    await tasks.cancel(conn, eve, task.id)
    assert await appeals.at_stake(conn, eve.owner, "usd") == 330

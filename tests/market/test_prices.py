"""A price rises while nobody takes it, a claim keeps its own, and what was held for more comes back."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import claims, clock, effort, keys, ledger, offers, posting, prices, tasks
from market.errors import BelowMinimum, DevicesOnly, Invalid, TriesUsed
from market.money import Price
from market.terms import Evidence, PhotosAsked, Question, ReadingAsked, TaskChange, TaskDraft
from tests.market.conftest import BAKERY, FEE_BPS, Cast

HALF_HOUR = 1800
RISING: dict[str, Any] = {"max": {"amount": 900, "currency": "usd"}, "step_s": HALF_HOUR, "step_percent": 15}


@pytest.fixture
async def ada(cast: Cast) -> keys.Actor:
    return await cast.agent("ada")


@pytest.fixture
async def bo(cast: Cast) -> UUID:
    return await cast.person("bo")


async def price(cast: Cast, ada: keys.Actor, task: tasks.Task) -> int:
    return (await tasks.get(cast.conn, ada.owner, task.id)).price_now.amount


async def test_the_price_rises_by_its_steps_to_its_end(cast: Cast, ada: keys.Actor) -> None:
    task = await cast.post(ada, price_schedule=RISING)
    assert task.price_now.amount == 300 and task.fee.amount == 30
    assert task.next_rise_at == task.opens_at + timedelta(seconds=HALF_HOUR)
    await clock.advance(cast.conn, HALF_HOUR - 1)
    assert await price(cast, ada, task) == 300
    await clock.advance(cast.conn, 1)
    assert await price(cast, ada, task) == 345
    await clock.advance(cast.conn, 12 * HALF_HOUR)
    assert await price(cast, ada, task) == 885
    await clock.advance(cast.conn, HALF_HOUR)
    last = await tasks.get(cast.conn, ada.owner, task.id)
    assert last.price_now.amount == 900 and last.fee.amount == 90 and last.next_rise_at is None


async def test_the_worst_case_is_held_and_the_unused_part_comes_back(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada, price_schedule=RISING, quantity=2)
    assert task.held.amount == 2 * 990 and await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 1980
    await clock.advance(cast.conn, HALF_HOUR)
    _, submission = await cast.submit(bo, task.id)
    await clock.advance(cast.conn, 5 * HALF_HOUR)  # what is claimed keeps its price
    assert await cast.judge(submission) == "accepted"
    assert await cast.balance(ledger.person(bo, "pending")) == 345
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 990 - 345 - 34
    assert (await tasks.get(cast.conn, ada.owner, task.id)).held.amount == 990
    assert await cast.broken() == []


async def test_people_see_the_price_now_its_next_rise_and_its_end(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada, price_schedule=RISING)
    await clock.advance(cast.conn, HALF_HOUR + 60)
    offer = await offers.get(cast.conn, task.id)
    assert (offer.reward.amount, offer.fee.amount, offer.most.amount) == (345, 34, 900)
    assert offer.next_rise_at == task.opens_at + timedelta(seconds=2 * HALF_HOUR)
    where: dict[str, Any] = {"lat": 52.52, "lon": 13.405, "limit": 5}
    assert [each.id for each in await offers.near_by(cast.conn, bo, min_reward=345, **where)] == [task.id]
    assert await offers.near_by(cast.conn, bo, min_reward=346, **where) == []
    assert (await claims.claim(cast.conn, bo, task.id, None)).reward.amount == 345


async def test_a_raise_reaches_whoever_has_claimed(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada, quantity=2)
    held, submission = await cast.submit(bo, task.id)
    await tasks.change(cast.conn, ada, task.id, TaskChange(reward=_usd(450)), fee_bps=FEE_BPS)
    assert (await claims.get(cast.conn, bo, held)).reward.amount == 450
    await cast.judge(submission)
    assert await cast.balance(ledger.person(bo, "pending")) == 450
    assert await cast.broken() == []


async def test_a_raise_of_a_rising_price_goes_on_from_there(cast: Cast, ada: keys.Actor) -> None:
    task = await cast.post(ada, price_schedule=RISING)
    await clock.advance(cast.conn, 2 * HALF_HOUR + 10)
    change = TaskChange(reward=_usd(400))
    raised = await tasks.change(cast.conn, ada, task.id, change, fee_bps=FEE_BPS)
    assert raised.price_now.amount == 400 and raised.held.amount == 990
    now = await clock.now(cast.conn)
    assert raised.next_rise_at == now + timedelta(seconds=HALF_HOUR)
    await clock.advance(cast.conn, HALF_HOUR)
    assert await price(cast, ada, task) == 460


async def test_a_fixed_price_may_begin_to_rise_and_a_rising_one_to_end_higher(cast: Cast, ada: keys.Actor) -> None:
    task = await cast.post(ada)
    change = msgspec.convert({"price_schedule": RISING}, TaskChange)
    rising = await tasks.change(cast.conn, ada, task.id, change, fee_bps=FEE_BPS)
    assert rising.price_now.amount == 300 and rising.held.amount == 990
    higher = {"price_schedule": RISING | {"max": {"amount": 1200, "currency": "usd"}}}
    change = msgspec.convert(higher, TaskChange)
    assert (await tasks.change(cast.conn, ada, task.id, change, fee_bps=FEE_BPS)).held.amount == 1320
    assert await cast.broken() == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"reward": {"amount": 344, "currency": "usd"}}, "/reward"),
        ({"reward": {"amount": 500, "currency": "eur"}}, "/reward"),
        ({"price_schedule": RISING | {"max": {"amount": 899, "currency": "usd"}}}, "/price_schedule/max"),
        ({"price_schedule": RISING | {"max": {"amount": 999, "currency": "eur"}}}, "/price_schedule/max"),
    ],
)
async def test_no_change_makes_it_worse(cast: Cast, ada: keys.Actor, change: dict[str, Any], pointer: str) -> None:
    task = await cast.post(ada, price_schedule=RISING)
    await clock.advance(cast.conn, HALF_HOUR)
    with pytest.raises(Invalid) as refused:
        await tasks.change(cast.conn, ada, task.id, msgspec.convert(change, TaskChange), fee_bps=FEE_BPS)
    assert refused.value.pointer == pointer


async def test_the_database_itself_lets_no_claim_have_less(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    await claims.claim(cast.conn, bo, (await cast.post(ada)).id, None)
    with pytest.raises(asyncpg.PostgresError, match="may only get better"):
        await cast.conn.execute("UPDATE claim SET reward = reward - 1")


async def test_a_schedule_begins_when_the_task_opens(cast: Cast, ada: keys.Actor) -> None:
    opens = await clock.now(cast.conn) + timedelta(hours=3)
    task = await cast.post(ada, price_schedule=RISING, opens_at=opens.isoformat())
    assert task.next_rise_at == opens + timedelta(seconds=HALF_HOUR)
    await clock.advance(cast.conn, 3 * 3600 + HALF_HOUR)
    assert await price(cast, ada, task) == 345


async def test_what_a_task_paid_stays_when_it_has_ended(cast: Cast, ada: keys.Actor) -> None:
    task = await cast.post(ada, price_schedule=RISING)
    await clock.advance(cast.conn, HALF_HOUR)
    await tasks.cancel(cast.conn, ada, task.id)
    await clock.advance(cast.conn, 5 * HALF_HOUR)
    ended = await tasks.get(cast.conn, ada.owner, task.id)
    assert ended.price_now.amount == 345 and ended.next_rise_at is None and ended.held.amount == 0
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000


async def test_an_honest_negative_is_paid_at_its_declared_rate(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada, acceptance={"honest_negative_percent": 33})
    _, submission = await cast.submit(bo, task.id, outcome="honest_negative")
    assert await cast.judge(submission) == "accepted"
    assert await cast.balance(ledger.person(bo, "pending")) == 99
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 99 - 9
    assert await cast.broken() == []


MINUTES = [
    (Evidence(photos=PhotosAsked(min=2, max=3)), True, None, 7.0),
    (Evidence(questions=[Question(id="open", type="boolean")]), False, None, 1.25),
    (Evidence(readings=[ReadingAsked(name="pm25", unit="ug/m3")]), True, None, 8.0),
    (Evidence(questions=[Question(id="open", type="boolean")]), True, 30, 35.0),
    (Evidence(photos=PhotosAsked(min=20, max=20)), False, 5, 11.0),
]


@pytest.mark.parametrize(("evidence", "has_place", "own", "minutes"), MINUTES)
def test_expected_minutes_count_the_way_there(
    evidence: Evidence, has_place: bool, own: int | None, minutes: float
) -> None:
    assert effort.expected(evidence, has_place=has_place, own=own) == minutes


async def test_less_than_the_minimum_a_minute_is_refused_naming_what_is_needed(cast: Cast, ada: keys.Actor) -> None:
    rates = posting.Rates(FEE_BPS, {"usd": 50})
    draft = msgspec.convert(BAKERY, TaskDraft)
    with pytest.raises(BelowMinimum, match="338 usd") as refused:  # 6.75 minutes
        await posting.post(cast.conn, ada, draft, rates=rates)
    assert refused.value.pointer == "/reward/amount"
    enough = msgspec.convert(BAKERY | {"reward": {"amount": 338, "currency": "usd"}}, TaskDraft)
    assert (await posting.post(cast.conn, ada, enough, rates=rates)).reward.amount == 338


async def test_what_devices_answer_for_less_is_for_them_alone(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    measured = BAKERY | {
        "kind": "reading", "evidence": {"readings": [{"name": "pm25", "unit": "ug/m3"}]}, "standing": {"every_s": 3600},
        "reward": {"amount": 1, "currency": "usd"},
    }  # fmt: skip
    cast.rates = posting.Rates(FEE_BPS, {"usd": 50})
    cheap = await cast.post(ada, **measured)
    assert cheap.reward.amount == 1
    with pytest.raises(DevicesOnly):
        await claims.claim(cast.conn, bo, cheap.id, None)
    fair = await cast.post(ada, **measured | {"reward": {"amount": 1000, "currency": "usd"}})
    assert [each.id for each in await offers.near_by(cast.conn, bo, lat=52.52, lon=13.405, limit=5)] == [fair.id]
    await claims.claim(cast.conn, bo, fair.id, None)


PATHS = st.tuples(
    st.integers(1, 10_000_000), st.integers(0, 10_000_000), st.integers(60, 30 * 86_400), st.integers(1, 100),
    st.integers(-10, 90 * 86_400),
)  # fmt: skip


@settings(max_examples=20)
@given(given=st.lists(PATHS, min_size=50, max_size=50))
def test_the_schema_and_the_plan_of_prices_agree(shared_database_url: str, given: list[tuple[int, ...]]) -> None:
    async def in_the_database() -> list[int]:
        connection = await asyncpg.connect(shared_database_url)
        try:
            rows = await connection.fetch(
                """SELECT price_at(r, r + more, step, percent, now(), now() + make_interval(secs => after)) AS price
                   FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::int[]) WITH ORDINALITY
                     AS p (r, more, step, percent, after, n) ORDER BY n""",
                *[list(column) for column in zip(*given, strict=True)],
            )
            return [row["price"] for row in rows]
        finally:
            await connection.close()

    planned = [
        prices.Path(reward, reward + more, step_s, prices.step_of(reward, percent)).at(after)
        for reward, more, step_s, percent, after in given
    ]
    assert asyncio.run(in_the_database()) == planned
    assert all(each[0] <= price <= each[0] + each[1] for each, price in zip(given, planned, strict=True))


def _usd(amount: int) -> Price:
    return Price(amount, "usd")


def test_every_step_of_a_path_is_one_that_the_price_takes() -> None:
    path = prices.Path(300, 400, 60, 45)
    assert path.rises(600) == [(0.0, 300), (60.0, 345), (120.0, 390), (180.0, 400)]
    assert path.rises(100) == [(0.0, 300), (60.0, 345)] and prices.Path(5, 5).rises(9) == [(0.0, 5)]


async def test_no_less_is_paid_for_finding_nothing_than_the_way_there_is_worth(cast: Cast, ada: keys.Actor) -> None:
    """One photo, the way and a minute: 6.5 minutes."""
    cast.rates = posting.Rates(FEE_BPS, {"usd": 5})
    negative = {"honest_negative_percent": 10}
    with pytest.raises(BelowMinimum, match="33 usd") as refused:
        await cast.post(ada, reward={"amount": 329, "currency": "usd"}, acceptance=negative)
    assert refused.value.pointer == "/acceptance/honest_negative_percent"
    await cast.post(ada, reward={"amount": 330, "currency": "usd"}, acceptance=negative)
    unpaid = {"honest_negative_percent": 1, "pay_honest_negative": False}
    await cast.post(ada, reward={"amount": 329, "currency": "usd"}, acceptance=unpaid)


async def test_a_standing_task_has_one_price(cast: Cast, ada: keys.Actor) -> None:
    """It would rise while a round is full, for whoever holds it."""
    standing = {"standing": {"every_s": 3600}, "quantity": 5}
    with pytest.raises(Invalid) as refused:
        await cast.post(ada, price_schedule=RISING, **standing)
    assert refused.value.pointer == "/price_schedule"
    task = await cast.post(ada, **standing)
    with pytest.raises(Invalid, match="one price"):
        await tasks.change(
            cast.conn, ada, task.id, msgspec.convert({"price_schedule": RISING}, TaskChange), fee_bps=FEE_BPS
        )


async def test_nobody_holds_a_slot_to_take_it_dearer(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    """While no slot is free the price waits; with one free again it goes on from where it was."""
    task = await cast.post(ada, price_schedule=RISING)
    await clock.advance(cast.conn, HALF_HOUR + 600)
    held = await claims.claim(cast.conn, bo, task.id, None)
    assert held.reward.amount == 345
    waiting = await tasks.get(cast.conn, ada.owner, task.id)
    assert (waiting.price_now.amount, waiting.next_rise_at) == (345, None)
    await clock.advance(cast.conn, 20 * HALF_HOUR)
    assert await price(cast, ada, task) == 345
    await claims.expire_due(cast.conn)
    assert (await claims.claim(cast.conn, bo, task.id, None)).reward.amount == 345
    again = (await claims.active(cast.conn, bo))[0]
    await claims.release(cast.conn, bo, again.id)
    await clock.advance(cast.conn, HALF_HOUR - 601)
    assert await price(cast, ada, task) == 345, "what had passed of the step counts"
    await clock.advance(cast.conn, 1)
    assert await price(cast, ada, task) == 390
    assert await cast.broken() == []


async def test_a_raise_while_all_is_taken_begins_anew_once_something_is_free(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    task = await cast.post(ada, price_schedule=RISING, quantity=1)
    held = await claims.claim(cast.conn, bo, task.id, None)
    await clock.advance(cast.conn, HALF_HOUR)
    raised = TaskChange(reward=Price(500, "usd"))
    await tasks.change(cast.conn, ada, task.id, raised, fee_bps=FEE_BPS)
    await clock.advance(cast.conn, HALF_HOUR)
    assert await price(cast, ada, task) == 500
    await claims.release(cast.conn, bo, held.id)
    await clock.advance(cast.conn, HALF_HOUR - 1)
    assert await price(cast, ada, task) == 500
    await clock.advance(cast.conn, 1)
    assert await price(cast, ada, task) == 575


async def test_a_raise_reaches_nobody_who_has_been_paid(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada, quantity=2)
    claim, submission = await cast.submit(bo, task.id)
    await cast.judge(submission)
    raised = TaskChange(reward=Price(9000, "usd"))
    await tasks.change(cast.conn, ada, task.id, raised, fee_bps=FEE_BPS)
    assert (await claims.get(cast.conn, bo, claim)).reward.amount == 300
    assert await cast.broken() == []


async def test_whoever_lets_a_task_go_too_often_keeps_it_from_nobody_any_more(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    task, other = await cast.post(ada), await cast.person("cy")
    for n in range(claims.MOST_LET_GO):
        held = await claims.claim(cast.conn, bo, task.id, None)
        if n % 2:
            await claims.release(cast.conn, bo, held.id)
        else:
            await clock.advance(cast.conn, task.claim_ttl_s)
            await claims.expire_due(cast.conn)
    with pytest.raises(TriesUsed, match="too often"):
        await claims.claim(cast.conn, bo, task.id, None)
    assert await offers.near_by(cast.conn, bo, lat=52.52, lon=13.405, limit=5) == []
    assert len(await offers.near_by(cast.conn, other, lat=52.52, lon=13.405, limit=5)) == 1
    await claims.claim(cast.conn, other, task.id, None)

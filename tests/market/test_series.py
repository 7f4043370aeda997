"""Series: when their tasks open, what is held, and who may take them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from market import claims, clock, keys, ledger, series, tasks
from market.errors import Invalid, SeriesOtherPerson, SeriesReserved, TaskNotOpen
from tests.market.conftest import BAKERY, Cast
from tests.market.grouping import HELD, HOUR, a_series, answered, near, until

# ---- when


def moments(**changes: Any) -> list[str]:
    given = {"times": ["09:00"], "timezone": "Europe/Berlin", "from_date": "2027-03-26", "days": 1, "open_s": HOUR}
    found = series.moments(msgspec.convert(given | changes, series.Schedule))
    assert found == sorted(set(found)) and all(at.tzinfo is UTC for at in found)
    return [f"{at:%m-%d %H:%M}" for at in found]


def test_a_series_opens_at_the_clock_of_its_place() -> None:
    assert moments(days=4) == ["03-26 08:00", "03-27 08:00", "03-28 07:00", "03-29 07:00"]  # summer time from the 28th
    assert moments(times=["18:30", "07:15"]) == ["03-26 06:15", "03-26 17:30"]
    assert moments(weekdays=[6, 1], days=7) == ["03-27 08:00", "03-29 07:00"]
    assert moments(timezone="Asia/Kathmandu") == ["03-26 03:15"]


def test_a_time_that_is_left_out_comes_later_by_the_gap() -> None:
    # In Berlin 02:00 to 03:00 is left out: 02:30 becomes 03:30, which is 01:30 UTC.
    assert moments(times=["02:30"], from_date="2027-03-28") == ["03-28 01:30"]
    assert moments(times=["01:59", "03:00"], from_date="2027-03-28") == ["03-28 00:59", "03-28 01:00"]
    # What falls together so is one task. On Lord Howe the gap is of half an hour: 02:15 becomes 02:45.
    assert moments(times=["02:30", "03:30"], from_date="2027-03-28") == ["03-28 01:30"]
    assert moments(times=["02:15"], timezone="Australia/Lord_Howe", from_date="2026-10-04") == ["10-03 15:45"]


def test_a_time_that_comes_twice_is_taken_the_first_time() -> None:
    assert moments(times=["02:30"], from_date="2027-10-31") == ["10-31 00:30"]
    assert moments(times=["01:30"], timezone="America/New_York", from_date="2026-11-01") == ["11-01 05:30"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"timezone": "Europe/Nowhere"}, "/schedule/timezone"),
        ({"timezone": "../../etc/passwd"}, "/schedule/timezone"),
        ({"timezone": "Europe"}, "/schedule/timezone"),
        ({"times": ["09:00", "09:00"]}, "/schedule/times"),
        ({"weekdays": [1, 1]}, "/schedule/weekdays"),
        ({"from_date": "9999-12-31"}, "/schedule/from_date"),
    ],
)
def test_schedules_that_make_no_sense(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        moments(**changes)
    assert refused.value.pointer == pointer


async def test_a_series_holds_what_all_its_tasks_may_cost(cast: Cast, ada: keys.Actor) -> None:
    posted = await a_series(cast, ada)
    assert (posted.kind, posted.total, posted.counts.open, posted.held.amount) == ("series", 3, 3, 3 * HELD)
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 3 * HELD
    rows = [await tasks.get(cast.conn, ada.owner, task) for task in posted.tasks]
    assert [row.opens_at.hour for row in rows] == [12] * 3 and {row.group for row in rows} == {posted.id}
    assert all(row.closes_at - row.opens_at == timedelta(hours=2) for row in rows)
    assert rows[2].opens_at - rows[0].opens_at == timedelta(days=2)
    assert not await cast.broken()


async def test_times_that_have_passed_are_left_out(cast: Cast, ada: keys.Actor) -> None:
    now: datetime = await cast.conn.fetchval("SELECT market_now()")
    schedule = {
        "times": ["00:00", "12:00"], "timezone": "UTC", "from_date": (now - timedelta(days=3)).date().isoformat(),
        "days": 6, "open_s": HOUR,
    }  # fmt: skip
    posted = await a_series(cast, ada, schedule=schedule)
    opens = [(await tasks.get(cast.conn, ada.owner, task)).opens_at for task in posted.tasks]
    assert opens[0] > now and opens[0] - now <= timedelta(hours=12)
    assert opens[-1].date() == (now + timedelta(days=2)).date()
    with pytest.raises(Invalid) as refused:
        await a_series(cast, ada, schedule=schedule | {"days": 2})
    assert refused.value.pointer == "/schedule"


FAR = {"from_date": "2040-01-01"}
MANY = {"times": [f"{hour:02}:00" for hour in range(9, 15)], "days": 90}


@pytest.mark.parametrize(
    ("changes", "schedule", "pointer"),
    [
        ({}, MANY, "/schedule"),
        ({}, FAR, "/schedule/from_date"),
        ({"same_person": "preferred", "head_start_s": 2 * HOUR}, {}, "/head_start_s"),
        ({"head_start_s": HOUR}, {}, "/head_start_s"),
        ({"task": BAKERY | {"closes_at": "2040-01-01T00:00:00Z"}}, {}, "/task/closes_at"),
        ({"task": BAKERY | {"standing": {"every_s": HOUR}}}, {}, "/task/standing"),
        ({"task": BAKERY | {"kind": "answer", "evidence": {"photos": {}}}}, {}, "/task/evidence/questions"),
    ],
)
async def test_what_is_no_series(
    cast: Cast, ada: keys.Actor, changes: dict[str, Any], schedule: dict[str, Any], pointer: str
) -> None:
    begins = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    given = {"times": ["09:00"], "timezone": "UTC", "from_date": begins, "days": 2, "open_s": 2 * HOUR} | schedule
    with pytest.raises(Invalid) as refused:
        await a_series(cast, ada, schedule=given, **changes)
    assert refused.value.pointer == pointer


# ---- who


async def test_whoever_answered_before_has_a_head_start(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    cleo = await cast.person("cleo")
    first, second, third = (await a_series(cast, ada, same_person="preferred", head_start_s=600)).tasks
    await until(cast, first)
    assert await near(cast, cleo) == [first]  # nobody has answered yet: it is for everybody
    await answered(cast, bo, first)
    await until(cast, second)
    with pytest.raises(SeriesReserved):
        await claims.claim(cast.conn, cleo, second, None)
    assert (await near(cast, cleo), await near(cast, bo)) == ([], [second])
    await clock.advance(cast.conn, 541)
    assert await near(cast, cleo) == [second]
    await answered(cast, cleo, second, b"\x02" * 32)
    await until(cast, third)
    for person in (bo, cleo):  # both have answered the series
        held = await claims.claim(cast.conn, person, third, None)
        await claims.release(cast.conn, person, held.id)
    assert not await cast.broken()


async def test_nothing_is_kept_for_whoever_has_answered_this_very_task_or_is_gone(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    cleo = await cast.person("cleo")
    task = BAKERY | {"quantity": 2}
    first, second, _ = (await a_series(cast, ada, task=task, same_person="preferred", head_start_s=600)).tasks
    await until(cast, first)
    await answered(cast, bo, first)
    held = await claims.claim(cast.conn, cleo, first, None)  # the other slot, within the head start
    await claims.release(cast.conn, cleo, held.id)
    await until(cast, second)
    await cast.conn.execute("UPDATE person SET erased_at = market_now() WHERE id = $1", bo)
    assert await claims.claim(cast.conn, cleo, second, None)


async def test_another_person_each_time(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    cleo = await cast.person("cleo")
    schedule = {
        "times": ["12:00", "12:30", "13:00"], "timezone": "UTC", "days": 1, "open_s": 2 * HOUR,
        "from_date": (await cast.conn.fetchval("SELECT market_now()") + timedelta(days=1)).date().isoformat(),
    }  # fmt: skip
    first, second, third = (await a_series(cast, ada, schedule=schedule, same_person="forbidden")).tasks
    await until(cast, third)
    held = await claims.claim(cast.conn, bo, first, None)
    with pytest.raises(SeriesOtherPerson):
        await claims.claim(cast.conn, bo, second, None)
    assert await near(cast, bo) == [] and set(await near(cast, cleo)) == {second, third}
    await claims.release(cast.conn, bo, held.id)  # what came to nothing does not count
    await answered(cast, bo, second)
    with pytest.raises(SeriesOtherPerson):
        await claims.claim(cast.conn, bo, third, None)
    with pytest.raises(TaskNotOpen):
        await claims.claim(cast.conn, cleo, second, None)
    await answered(cast, cleo, third, b"\x02" * 32)
    elsewhere = await cast.post(ada)
    assert await claims.claim(cast.conn, bo, elsewhere.id, None)  # other tasks are none of its business
    assert not await cast.broken()


async def test_any_person_is_free_to_come_back(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    first, second, _ = (await a_series(cast, ada)).tasks
    await until(cast, first)
    await answered(cast, bo, first)
    await until(cast, second)
    assert await claims.claim(cast.conn, bo, second, None)

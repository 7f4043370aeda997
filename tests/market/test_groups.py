"""Series, routes and groups: who may take what, what is held, and what ends together."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from market import claims, clock, groups, ids, keys, ledger, offers, posting, series, submissions, tasks, tours
from market.errors import (
    AlreadyAnswered,
    BelowMinimum,
    GroupOver,
    InsufficientFunds,
    Invalid,
    NotFound,
    PartOfRoute,
    Refusal,
    RouteTaken,
    SeriesOtherPerson,
    SeriesReserved,
    SlotTaken,
    TaskNotOpen,
    TooManyClaims,
)
from tests.market.conftest import BAKERY, PASS, Cast

HELD = 330  # for one answer, with the fee
HOUR, DAY = 3600, 86_400
LONS = (13.405, 13.425, 13.415)  # the middle one is named last
HERE = {"lat": 52.52, "lon": 13.405}


async def a_series(cast: Cast, actor: keys.Actor, days: int = 3, **changes: Any) -> groups.WholeGroup:
    """One task a day at noon, from tomorrow on."""
    now: datetime = await cast.conn.fetchval("SELECT market_now()")
    schedule = {
        "times": ["12:00"], "timezone": "UTC", "from_date": (now + timedelta(days=1)).date().isoformat(), "days": days,
        "open_s": 2 * HOUR,
    }  # fmt: skip
    draft = msgspec.convert({"task": BAKERY, "schedule": schedule} | changes, series.SeriesDraft)
    return await series.post(cast.conn, actor, draft, rates=cast.rates)


def stops(count: int = 3, **changes: Any) -> list[dict[str, Any]]:
    lons = [*LONS, *(13.43 + n / 100 for n in range(count - 3))][:count]
    return [
        BAKERY | {"title": f"Stop {n}", "place": {"lat": 52.52, "lon": lon}} | changes for n, lon in enumerate(lons)
    ]


async def a_route(cast: Cast, actor: keys.Actor, **changes: Any) -> groups.WholeGroup:
    given = {"title": "Along the street", "tasks": stops(), "claim_ttl_s": 4 * HOUR} | changes
    return await tours.post(cast.conn, actor, msgspec.convert(given, tours.RouteDraft), rates=cast.rates)


async def until(cast: Cast, task: str, seconds: int = 60) -> None:
    """Move the clock to `seconds` after a task opens."""
    opens = await cast.conn.fetchval("SELECT opens_at FROM task WHERE id = $1", ids.read("task", task))
    now = await cast.conn.fetchval("SELECT market_now()")
    await clock.advance(cast.conn, int((opens - now).total_seconds()) + seconds)


async def answered(cast: Cast, person: UUID, task: str, sha256: bytes = b"\x01" * 32) -> None:
    """An accepted answer."""
    held = await claims.claim(cast.conn, person, task, None)
    await cast.photo(person, held.id, sha256=sha256)
    given = submissions.Answering(answers={"open": "open"})
    assert await cast.judge(await submissions.submit(cast.conn, person, held.id, given), PASS) == "accepted"


async def near(cast: Cast, person: UUID | None) -> list[str]:
    return [offer.id for offer in await offers.near_by(cast.conn, person, **HERE, limit=20)]


async def routes_near(cast: Cast, person: UUID | None) -> list[str]:
    return [route.id for route in await tours.near_by(cast.conn, person, **HERE, limit=20)]


# ---- series: when


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
MANY = {"times": ["09:00", "10:00", "11:00"], "days": 90}


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


# ---- series: who


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


# ---- routes


async def test_a_route_is_put_in_order_held_for_and_measured(cast: Cast, ada: keys.Actor) -> None:
    posted = await a_route(cast, ada)
    titles = [(await tasks.get(cast.conn, ada.owner, task)).title for task in posted.tasks]
    assert titles in (["Stop 0", "Stop 2", "Stop 1"], ["Stop 1", "Stop 2", "Stop 0"])
    assert posted.length_m == pytest.approx(1353, abs=2)
    assert posted.minutes == round(3 * 1.75 + 1353 / 80)
    assert posted.held.amount == 3 * HELD == 100_000 - await cast.balance(ledger.buyer(ada.owner))
    assert not await cast.broken()


async def test_a_route_is_taken_as_a_whole(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    posted = await a_route(cast, ada)
    assert await near(cast, bo) == await near(cast, None) == []
    [route] = await tours.near_by(cast.conn, bo, **HERE, limit=5)
    assert (route.id, route.tasks, route.reward.amount, route.fee.amount) == (posted.id, 3, 900, 90)
    assert (route.distance_m, route.length_m, route.minutes) == (0, posted.length_m, posted.minutes)
    assert not await tours.near_by(cast.conn, bo, lat=52.6, lon=13.405, radius_m=5_000, limit=5)
    for task in posted.tasks:
        with pytest.raises(PartOfRoute):
            await claims.claim(cast.conn, bo, task, None)
    taken = await tours.claim(cast.conn, bo, posted.id, None)
    assert [claim.task_id for claim in taken] == posted.tasks
    assert {claim.expires_at - claim.created_at for claim in taken} == {timedelta(hours=4)}  # the route's own time
    assert await routes_near(cast, bo) == []
    assert not await cast.broken()


async def test_what_is_given_back_of_a_route_becomes_a_task_of_its_own(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    cleo = await cast.person("cleo")
    posted = await a_route(cast, ada)
    taken = await tours.claim(cast.conn, bo, posted.id, None)
    await claims.release(cast.conn, bo, taken[1].id)
    assert await near(cast, cleo) == [posted.tasks[1]]
    held = await claims.claim(cast.conn, cleo, posted.tasks[1], None)
    assert held.expires_at - held.created_at == timedelta(hours=1)  # as any claim of that task
    await claims.release(cast.conn, cleo, held.id)
    for claim in (taken[0], taken[2]):
        await claims.release(cast.conn, bo, claim.id)
    assert (await near(cast, cleo), await routes_near(cast, cleo)) == ([], [posted.id])  # whole again
    assert len(await tours.claim(cast.conn, cleo, posted.id, None)) == 3


async def test_a_route_is_all_or_none_for_whoever_holds_much(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    others = [await cast.post(ada) for _ in range(claims.MOST_ACTIVE - 2)]
    posted = await a_route(cast, ada)
    for task in others:
        held = await claims.claim(cast.conn, bo, task.id, None)
    with pytest.raises(TooManyClaims):
        async with cast.conn.transaction():
            await tours.claim(cast.conn, bo, posted.id, None)
    assert await cast.conn.fetchval("SELECT max(claimed) FROM task WHERE group_id IS NOT NULL") == 0
    await claims.release(cast.conn, bo, held.id)
    assert len(await tours.claim(cast.conn, bo, posted.id, None)) == 3


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ([*stops(2), BAKERY | {"place": None}], "/tasks/2/place"),
        ([*stops(2), BAKERY | {"place": {"lat": 52.9, "lon": 13.4}}], "/tasks/2/place"),
        (stops(2, quantity=2), "/tasks/0/quantity"),
        (stops(2, standing={"every_s": HOUR}), "/tasks/0/standing"),
        ([*stops(2), stops(3)[2] | {"opens_at": "2040-01-01T00:00:00Z"}], "/tasks/2/opens_at"),
        ([*stops(2), stops(3)[2] | {"reward": {"amount": 300, "currency": "eur"}}], "/tasks/2/reward/currency"),
    ],
)
async def test_what_is_no_route(cast: Cast, ada: keys.Actor, parts: list[dict[str, Any]], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        await a_route(cast, ada, tasks=parts)
    assert refused.value.pointer == pointer


async def test_each_task_pays_the_minimum_and_all_are_covered(cast: Cast, ada: keys.Actor) -> None:
    cast.rates = posting.Rates(1000, {"usd": 20})
    with pytest.raises(BelowMinimum) as refused:
        await a_route(cast, ada, tasks=[*stops(2), stops(3)[2] | {"reward": {"amount": 100, "currency": "usd"}}])
    assert refused.value.pointer == "/tasks/2/reward/amount"
    poor = await cast.agent("poor", funds=2 * HELD)
    with pytest.raises(InsufficientFunds):
        async with cast.conn.transaction():
            await a_route(cast, poor)
    assert await cast.balance(ledger.buyer(poor.owner)) == 2 * HELD and not await cast.broken()


# ---- groups: every state with every act


class Stage:
    """A route of three, Bo who has begun it, and Cleo who looks for work."""

    def __init__(self, cast: Cast, ada: keys.Actor, bo: UUID, cleo: UUID) -> None:
        self.cast, self.conn, self.ada, self.bo, self.cleo = cast, cast.conn, ada, bo, cleo
        self.group = ""
        self.tasks: list[str] = []
        self.held: list[claims.Claim] = []

    async def post(self) -> None:
        found = await a_route(self.cast, self.ada)
        self.group, self.tasks = found.id, found.tasks


async def _whole(on: Stage) -> None:
    await on.post()


async def _taken(on: Stage) -> None:
    await on.post()
    on.held = await tours.claim(on.conn, on.bo, on.group, None)


async def _begun(on: Stage) -> None:
    """Bo has the last two; the first was given back."""
    await _taken(on)
    await claims.release(on.conn, on.bo, on.held[0].id)


async def _broken_off(on: Stage) -> None:
    """The last task was ended by itself; nobody has the others."""
    await on.post()
    await tasks.cancel(on.conn, on.ada, on.tasks[2])


async def _late(on: Stage) -> None:
    """Its time is over, and no sweep has come by yet."""
    await on.post()
    await clock.advance(on.conn, 8 * DAY)


async def _ended(on: Stage) -> None:
    await _late(on)
    await tasks.expire_due(on.conn)


async def _cancelled(on: Stage) -> None:
    await on.post()
    await groups.cancel(on.conn, on.ada, on.group)


async def _claim_route(on: Stage) -> str:
    return f"{len(await tours.claim(on.conn, on.cleo, on.group, None))} claims"


async def _claim_one(on: Stage) -> str:
    await claims.claim(on.conn, on.cleo, on.tasks[0], None)
    return "claimed"


async def _look_for_routes(on: Stage) -> str:
    return "offered" if on.group in await routes_near(on.cast, on.cleo) else "hidden"


async def _look_for_tasks(on: Stage) -> str:
    return f"{len(set(on.tasks) & set(await near(on.cast, on.cleo)))} tasks"


async def _cancel(on: Stage) -> str:
    found = await groups.cancel(on.conn, on.ada, on.group)
    assert found == await groups.get(on.conn, on.ada.owner, on.group) and found.cancelled_at is not None
    spent = 100_000 - await on.cast.balance(ledger.buyer(on.ada.owner))
    assert found.held.amount == spent  # nothing is held but for claims in progress
    return f"{found.status}, {found.counts.cancelled} ended, {found.held.amount // HELD} held"


async def _get(on: Stage) -> str:
    return (await groups.get(on.conn, on.ada.owner, on.group)).status


STATES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "whole": _whole, "taken": _taken, "begun": _begun, "broken off": _broken_off, "late": _late, "ended": _ended,
    "cancelled": _cancelled,
}  # fmt: skip
ACTS: dict[str, Callable[[Stage], Awaitable[str]]] = {
    "claim route": _claim_route, "claim one": _claim_one, "routes": _look_for_routes, "tasks": _look_for_tasks,
    "cancel": _cancel, "get": _get,
}  # fmt: skip
TABLE: dict[tuple[str, str], str | type[Refusal]] = {
    ("whole", "claim route"): "3 claims", ("whole", "claim one"): PartOfRoute,
    ("whole", "routes"): "offered", ("whole", "tasks"): "0 tasks",
    ("whole", "cancel"): "cancelled, 3 ended, 0 held", ("whole", "get"): "open",
    ("taken", "claim route"): RouteTaken, ("taken", "claim one"): SlotTaken,
    ("taken", "routes"): "hidden", ("taken", "tasks"): "0 tasks",
    ("taken", "cancel"): "cancelled, 3 ended, 3 held", ("taken", "get"): "open",
    ("begun", "claim route"): RouteTaken, ("begun", "claim one"): "claimed",
    ("begun", "routes"): "hidden", ("begun", "tasks"): "1 tasks",
    ("begun", "cancel"): "cancelled, 3 ended, 2 held", ("begun", "get"): "open",
    ("broken off", "claim route"): RouteTaken, ("broken off", "claim one"): "claimed",
    ("broken off", "routes"): "hidden", ("broken off", "tasks"): "2 tasks",
    ("broken off", "cancel"): "cancelled, 3 ended, 0 held", ("broken off", "get"): "open",
    ("late", "claim route"): RouteTaken, ("late", "claim one"): TaskNotOpen,
    ("late", "routes"): "hidden", ("late", "tasks"): "0 tasks",
    ("late", "cancel"): "cancelled, 3 ended, 0 held", ("late", "get"): "open",
    ("ended", "claim route"): TaskNotOpen, ("ended", "claim one"): TaskNotOpen,
    ("ended", "routes"): "hidden", ("ended", "tasks"): "0 tasks",
    ("ended", "cancel"): GroupOver, ("ended", "get"): "ended",
    ("cancelled", "claim route"): TaskNotOpen, ("cancelled", "claim one"): TaskNotOpen,
    ("cancelled", "routes"): "hidden", ("cancelled", "tasks"): "0 tasks",
    ("cancelled", "cancel"): GroupOver, ("cancelled", "get"): "cancelled",
}  # fmt: skip


def test_the_table_names_every_pair() -> None:
    assert set(TABLE) == {(state, act) for state in STATES for act in ACTS}


@pytest.mark.parametrize(("state", "act"), TABLE)
async def test_a_group(cast: Cast, ada: keys.Actor, bo: UUID, state: str, act: str) -> None:
    on = Stage(cast, ada, bo, await cast.person("cleo"))
    await STATES[state](on)
    expected = TABLE[state, act]
    if isinstance(expected, str):
        assert await ACTS[act](on) == expected
    else:
        with pytest.raises(Refusal) as refused:
            await ACTS[act](on)
        assert type(refused.value) is expected
    assert await cast.broken() == []


async def test_who_holds_a_route_answers_it_after_it_was_cancelled(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    posted = await a_route(cast, ada)
    taken = await tours.claim(cast.conn, bo, posted.id, None)
    with pytest.raises(AlreadyAnswered):
        await claims.claim(cast.conn, bo, posted.tasks[0], None)
    await groups.cancel(cast.conn, ada, posted.id)
    for n, claim in enumerate(taken[:2]):
        await cast.photo(bo, claim.id, sha256=bytes([n]) * 32)
        given = submissions.Answering(answers={"open": "open"})
        assert await cast.judge(await submissions.submit(cast.conn, bo, claim.id, given), PASS) == "accepted"
    await claims.release(cast.conn, bo, taken[2].id)
    assert (await groups.get(cast.conn, ada.owner, posted.id)).held.amount == 0
    assert await cast.balance(ledger.buyer(ada.owner)) == 100_000 - 2 * HELD
    assert not await cast.broken()


async def test_others_do_not_see_a_group(cast: Cast, ada: keys.Actor) -> None:
    posted, cy = await a_route(cast, ada), await cast.agent("cy")
    for act in (groups.get(cast.conn, cy.owner, posted.id), groups.cancel(cast.conn, cy, posted.id)):
        with pytest.raises(NotFound):
            await act
    assert await groups.listed(cast.conn, cy.owner, limit=5) == []
    later = await a_series(cast, ada)
    assert [each.id for each in await groups.listed(cast.conn, ada.owner, limit=5)] == [later.id, posted.id]
    assert [each.id for each in await groups.listed(cast.conn, ada.owner, before=later.id, limit=5)] == [posted.id]
    assert [each.id for each in await groups.listed(cast.conn, ada.owner, kind="series", limit=5)] == [later.id]

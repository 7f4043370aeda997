"""Routes and groups: who may take what, what is held, and what ends together."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from market import claims, clock, groups, keys, ledger, posting, submissions, tasks, tours
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
    SlotTaken,
    TaskNotOpen,
    TooManyClaims,
)
from tests.market.conftest import BAKERY, PASS, Cast
from tests.market.grouping import DAY, HELD, HERE, HOUR, a_route, a_series, near, routes_near, stops

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
        with pytest.raises(PartOfRoute, match=posted.id):  # it says where to claim instead
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
        async with cast.conn.transaction():
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


async def test_the_search_for_routes_reads_what_lies_in_reach_by_its_index(cast: Cast, ada: keys.Actor) -> None:
    await a_route(cast, ada)
    await cast.conn.execute("SET LOCAL enable_seqscan = off")
    plan = await cast.conn.fetch(f"EXPLAIN {tours.NEAR_BY}", None, ["(13.5,62),(13.3,61)"])
    assert "task_grouped_near" in str(plan)

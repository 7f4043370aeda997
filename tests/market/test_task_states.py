"""Every state of a task and of a claim, with all that may be tried on it: it moves, or is refused by name."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from market import claims, clock, ids, keys, offers, submissions, tasks
from market.errors import AlreadyAnswered, ClaimOver, Refusal, SlotTaken, TaskNotOpen
from market.terms import TaskChange
from tests.market.conftest import FEE_BPS, PASS, Cast

FAIL = PASS | {"score": 0.1, "outcome": "fail", "checks": [{"name": "fresh", "status": "fail", "detail": "old"}]}
DAY = 86_400
ANSWER = submissions.Answering(answers={"open": "open"})


@pytest.fixture
async def ada(cast: Cast) -> keys.Actor:
    return await cast.agent("ada")


class Stage:
    """A task in a state, with whom it takes to try something on it."""

    def __init__(self, cast: Cast, ada: keys.Actor, bo: UUID, cy: UUID) -> None:
        self.cast, self.conn, self.ada, self.bo, self.cy = cast, cast.conn, ada, bo, cy
        self.task = self.claim = ""

    async def post(self, **changes: Any) -> None:
        self.task = (await self.cast.post(self.ada, **changes)).id

    async def held(self) -> None:
        self.claim = (await claims.claim(self.conn, self.bo, self.task, None)).id

    async def handed_in(self) -> UUID:
        self.claim, submission = await self.cast.submit(self.bo, self.task)
        return submission

    async def status(self) -> tuple[str, str | None]:
        task = (await tasks.get(self.conn, self.ada.owner, self.task)).status
        return task, (await claims.get(self.conn, self.bo, self.claim)).status if self.claim else None


async def _open(on: Stage) -> None:
    await on.post(quantity=2)


async def _full(on: Stage) -> None:
    await on.post()
    await on.held()


async def _completed(on: Stage) -> None:
    await on.post()
    assert await on.cast.judge(await on.handed_in()) == "accepted"


async def _cancelled(on: Stage) -> None:
    await on.post(quantity=2)
    await tasks.cancel(on.conn, on.ada, on.task)


async def _expired(on: Stage) -> None:
    await on.post(quantity=2)
    await clock.advance(on.conn, 8 * DAY)
    assert await tasks.expire_due(on.conn) >= 1


async def _change(on: Stage) -> Any:
    return await tasks.change(on.conn, on.ada, on.task, TaskChange(add_quantity=1), fee_bps=FEE_BPS)


async def _cancel(on: Stage) -> Any:
    return await tasks.cancel(on.conn, on.ada, on.task)


async def _claim(on: Stage) -> Any:
    return await claims.claim(on.conn, on.cy, on.task, None)


async def _expire(on: Stage) -> Any:
    await clock.advance(on.conn, 91 * DAY)
    return await tasks.expire_due(on.conn)


async def _look(on: Stage) -> Any:
    return [each.id for each in await offers.near_by(on.conn, on.cy, lat=52.52, lon=13.405, limit=5)]


STATES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "open": _open, "full": _full, "completed": _completed, "cancelled": _cancelled, "expired": _expired,
}  # fmt: skip
TASK_ACTS: dict[str, Callable[[Stage], Awaitable[Any]]] = {
    "change": _change, "cancel": _cancel, "claim": _claim, "expire": _expire, "look": _look,
}  # fmt: skip
# What comes of it: the task's state afterwards, or the refusal.
TASK_TABLE: dict[tuple[str, str], str | type[Refusal]] = {
    ("open", "change"): "open", ("open", "cancel"): "cancelled", ("open", "claim"): "open",
    ("open", "expire"): "expired", ("open", "look"): "offered",
    ("full", "change"): "open", ("full", "cancel"): "cancelled", ("full", "claim"): SlotTaken,
    ("full", "expire"): "expired", ("full", "look"): "hidden",
    ("completed", "change"): TaskNotOpen, ("completed", "cancel"): TaskNotOpen, ("completed", "claim"): TaskNotOpen,
    ("completed", "expire"): "completed", ("completed", "look"): "hidden",
    ("cancelled", "change"): TaskNotOpen, ("cancelled", "cancel"): TaskNotOpen, ("cancelled", "claim"): TaskNotOpen,
    ("cancelled", "expire"): "cancelled", ("cancelled", "look"): "hidden",
    ("expired", "change"): TaskNotOpen, ("expired", "cancel"): TaskNotOpen, ("expired", "claim"): TaskNotOpen,
    ("expired", "expire"): "expired", ("expired", "look"): "hidden",
}  # fmt: skip


def test_the_tables_name_every_pair() -> None:
    assert set(TASK_TABLE) == {(state, act) for state in STATES for act in TASK_ACTS}
    assert set(CLAIM_TABLE) == {(state, act) for state in CLAIM_STATES for act in CLAIM_ACTS}


@pytest.mark.parametrize(("state", "act"), TASK_TABLE)
async def test_a_task(cast: Cast, ada: keys.Actor, state: str, act: str) -> None:
    on = Stage(cast, ada, await cast.person("bo"), await cast.person("cy"))
    await STATES[state](on)
    expected = TASK_TABLE[state, act]
    if isinstance(expected, str):
        found = await TASK_ACTS[act](on)
        if act == "look":
            assert (on.task in found) == (expected == "offered")
        else:
            assert (await on.status())[0] == expected
    else:
        with pytest.raises(Refusal) as refused:
            await TASK_ACTS[act](on)
        assert type(refused.value) is expected
    assert await cast.broken() == []


async def _claim_active(on: Stage) -> None:
    await on.post()
    await on.held()


async def _claim_submitted(on: Stage) -> None:
    await on.post()
    await on.handed_in()


async def _claim_rejected(on: Stage) -> None:
    await on.post()
    assert await on.cast.judge(await on.handed_in(), FAIL, "fresh") == "rejected"


async def _claim_released(on: Stage) -> None:
    await _claim_active(on)
    await claims.release(on.conn, on.bo, on.claim)


async def _claim_expired(on: Stage) -> None:
    await _claim_active(on)
    await clock.advance(on.conn, DAY)
    assert await claims.expire_due(on.conn) >= 1


async def _claim_late(on: Stage) -> None:
    """Its time is over, and no sweep has come by yet."""
    await _claim_active(on)
    await clock.advance(on.conn, DAY)


async def _photo(on: Stage) -> Any:
    return await on.cast.photo(on.bo, on.claim)


async def _submit(on: Stage) -> Any:
    if (await on.status())[1] == "active":
        try:
            await on.cast.photo(on.bo, on.claim)
        except ClaimOver:
            pass
    return await submissions.submit(on.conn, on.bo, on.claim, ANSWER)


async def _release(on: Stage) -> Any:
    return await claims.release(on.conn, on.bo, on.claim)


async def _expire_claim(on: Stage) -> Any:
    await clock.advance(on.conn, DAY)
    return await claims.expire_due(on.conn)


async def _claim_again(on: Stage) -> Any:
    return await claims.claim(on.conn, on.bo, on.task, None)


CLAIM_STATES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "active": _claim_active, "late": _claim_late, "submitted": _claim_submitted, "rejected": _claim_rejected,
    "released": _claim_released, "expired": _claim_expired,
}  # fmt: skip
CLAIM_ACTS: dict[str, Callable[[Stage], Awaitable[Any]]] = {
    "photo": _photo, "submit": _submit, "release": _release, "expire": _expire_claim, "claim again": _claim_again,
}  # fmt: skip
CLAIM_TABLE: dict[tuple[str, str], str | type[Refusal]] = {
    ("active", "photo"): "active", ("active", "submit"): "submitted", ("active", "release"): "released",
    ("active", "expire"): "expired", ("active", "claim again"): AlreadyAnswered,
    ("late", "photo"): ClaimOver, ("late", "submit"): ClaimOver, ("late", "release"): "released",
    ("late", "expire"): "expired", ("late", "claim again"): AlreadyAnswered,
    ("submitted", "photo"): ClaimOver, ("submitted", "submit"): ClaimOver, ("submitted", "release"): ClaimOver,
    ("submitted", "expire"): "submitted", ("submitted", "claim again"): AlreadyAnswered,
    ("rejected", "photo"): ClaimOver, ("rejected", "submit"): ClaimOver, ("rejected", "release"): ClaimOver,
    ("rejected", "expire"): "rejected", ("rejected", "claim again"): "rejected",
    ("released", "photo"): ClaimOver, ("released", "submit"): ClaimOver, ("released", "release"): ClaimOver,
    ("released", "expire"): "released", ("released", "claim again"): "released",
    ("expired", "photo"): ClaimOver, ("expired", "submit"): ClaimOver, ("expired", "release"): ClaimOver,
    ("expired", "expire"): "expired", ("expired", "claim again"): "expired",
}  # fmt: skip


@pytest.mark.parametrize(("state", "act"), CLAIM_TABLE)
async def test_a_claim(cast: Cast, ada: keys.Actor, state: str, act: str) -> None:
    on = Stage(cast, ada, await cast.person("bo"), await cast.person("cy"))
    await CLAIM_STATES[state](on)
    expected = CLAIM_TABLE[state, act]
    if isinstance(expected, str):
        found = await CLAIM_ACTS[act](on)
        assert (await on.status())[1] == expected
        assert act != "claim again" or ids.read("claim", found.id) != ids.read("claim", on.claim)
    else:
        with pytest.raises(Refusal) as refused:
            await CLAIM_ACTS[act](on)
        assert type(refused.value) is expected
    assert await cast.broken() == []

"""The audit of groups: what it finds once somebody has written past the rules."""

from uuid import UUID

import pytest

from market import claims, ids, keys, membership
from market.errors import SeriesOtherPerson
from tests.market.conftest import BAKERY, Cast
from tests.market.grouping import DAY, HOUR, a_route, a_series, until

ONE_PERSON = "no person has answers to two tasks of a series in which that is forbidden"
ROUND = "no round of a task has more answers than it asks for"
CELL = "each cell of an area has one task"
MEMBERS = "the tasks of a group are its buyer's, in its currency, and none is missing"


async def test_the_audit_sees_one_person_in_two_tasks_of_a_series(
    cast: Cast, ada: keys.Actor, bo: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = await a_series(cast, ada, same_person="forbidden", schedule=_all_at_once())
    await until(cast, posted.tasks[1])
    await claims.claim(cast.conn, bo, posted.tasks[0], None)
    with pytest.raises(SeriesOtherPerson):
        await claims.claim(cast.conn, bo, posted.tasks[1], None)
    assert await cast.broken() == []
    monkeypatch.setattr(membership, "by_another", lambda _: "false")
    await claims.claim(cast.conn, bo, posted.tasks[1], None)
    assert await cast.broken() == [ONE_PERSON]


def _all_at_once() -> dict[str, object]:
    """Two tasks that are open together for most of a day."""
    return {"times": ["12:00", "13:00"], "timezone": "UTC", "from_date": "2027-03-01", "days": 1, "open_s": DAY}


async def test_the_audit_sees_a_round_with_too_many_answers(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada, **BAKERY | {"standing": {"every_s": HOUR, "per_round": 2}, "quantity": 4})
    for person in (bo, await cast.person("cleo")):
        await claims.claim(cast.conn, person, task.id, None)
    assert await cast.broken() == []
    await cast.conn.execute("UPDATE task SET per_round = 1 WHERE id = $1", ids.read("task", task.id))
    assert await cast.broken() == [ROUND]


async def test_the_audit_sees_a_cell_asked_twice_and_a_group_without_one_of_its_tasks(
    cast: Cast, ada: keys.Actor
) -> None:
    posted = await a_route(cast, ada)
    members = [ids.read("task", task) for task in posted.tasks]
    await cast.conn.execute("UPDATE task SET cell = '891f1d48177ffff' WHERE id = ANY($1)", members[:2])
    assert await cast.broken() == [CELL]
    await cast.conn.execute("UPDATE task SET cell = NULL WHERE id = ANY($1)", members)
    await cast.conn.execute("UPDATE task SET place_in_group = place_in_group + 1 WHERE id = $1", members[2])
    assert await cast.broken() == [MEMBERS]

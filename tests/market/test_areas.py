"""Areas posted: a task for each cell, what is held, and how the coverage grows."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import h3
import msgspec
import pytest

from market import areas, claims, keys, submissions, tasks
from market.errors import Invalid, NotFound, OverCap, SlotTaken
from tests.market.conftest import BAKERY, PASS, Cast

RING = [[13.40, 52.515], [13.412, 52.515], [13.412, 52.524], [13.40, 52.524], [13.40, 52.515]]
WIDE = [[13.40, 52.515], [13.42, 52.515], [13.42, 52.524], [13.40, 52.524], [13.40, 52.515]]
TASK = {key: value for key, value in BAKERY.items() if key != "place"}
HELD = 330  # for one answer, with the fee


def area(**changes: Any) -> areas.AreaDraft:
    drawn = {"type": "Polygon", "coordinates": [RING]}
    given = {"title": "Around the bakery", "area": drawn, "resolution": 9, "task": TASK}
    return msgspec.convert(given | changes, areas.AreaDraft)


async def post(cast: Cast, actor: keys.Actor, **changes: Any) -> areas.Area:
    draft = area(**changes)
    posted, _ = await areas.post(cast.conn, actor, draft, areas.drafts(draft), rates=cast.rates)
    return await areas.get(cast.conn, actor.owner, posted)


async def answer(cast: Cast, person: UUID, task: str, sha256: bytes) -> None:
    held = await claims.claim(cast.conn, person, task, None)
    await cast.photo(person, held.id, sha256=sha256)
    given = submissions.Answering(answers={"open": "open"})
    assert await cast.judge(await submissions.submit(cast.conn, person, held.id, given), PASS) == "accepted"


async def test_each_cell_has_a_task_with_its_own_place_and_money(cast: Cast, ada: keys.Actor) -> None:
    found = await post(cast, ada)
    assert (found.title, found.resolution, found.covered) == ("Around the bakery", 9, 0)
    assert found.total == len(found.cells) == len({cell.cell for cell in found.cells}) > 3
    for cell in found.cells:
        task = await tasks.get(cast.conn, ada.owner, cell.task_id)
        assert task.place is not None and (task.place.lat, task.place.lon) == h3.cell_to_latlng(cell.cell)
        assert task.acceptance.checks == ["fresh", "at_place", "not_duplicate"] and task.standing is None
        assert (cell.status, cell.answered, cell.last_answered_at) == ("open", 0, None)
    assert await cast.balance(f"buyer:{ada.owner}:available") == 100_000 - HELD * found.total
    assert not await cast.broken()


async def test_an_answer_covers_the_cell_whose_task_was_claimed_and_no_other(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    found = await post(cast, ada)
    await answer(cast, bo, found.cells[1].task_id, b"\x01" * 32)
    seen = await areas.get(cast.conn, ada.owner, found.id)
    assert seen.covered == 1
    assert [(cell.status, cell.answered) for cell in seen.cells[:3]] == [("open", 0), ("completed", 1), ("open", 0)]
    assert seen.cells[1].last_answered_at == await cast.conn.fetchval("SELECT decided_at FROM submission")
    shown = areas.as_geojson(seen)["features"][1]
    assert shown["id"] == seen.cells[1].cell and shown["properties"]["answered"] == 1
    [ring] = shown["geometry"]["coordinates"]
    assert ring[0] == ring[-1] and {(lat, lon) for lon, lat in ring} == set(h3.cell_to_boundary(shown["id"]))


async def test_with_periods_each_cell_is_paid_once_in_each(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    found = await post(cast, ada, every_s=3600, task=TASK | {"quantity": 3})
    cell, cleo = found.cells[0].task_id, await cast.person("cleo")
    await answer(cast, bo, cell, b"\x01" * 32)
    assert (await areas.get(cast.conn, ada.owner, found.id)).covered == 1
    with pytest.raises(SlotTaken):
        await claims.claim(cast.conn, cleo, cell, None)
    await cast.conn.execute("UPDATE market_clock SET ahead = ahead + $1::interval", timedelta(hours=1))
    seen = await areas.get(cast.conn, ada.owner, found.id)
    assert (seen.covered, seen.cells[0].answered, seen.cells[0].status) == (0, 1, "open")
    await answer(cast, bo, cell, b"\x02" * 32)
    seen = await areas.get(cast.conn, ada.owner, found.id)
    assert (seen.covered, seen.cells[0].answered) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"task": BAKERY}, "/task/place"),
        ({"task": TASK | {"standing": {"every_s": 3600}}}, "/task/standing"),
        ({"resolution": 11, "area": {"type": "Polygon", "coordinates": [WIDE]}}, "/resolution"),
        ({"area": {"type": "Polygon", "coordinates": [RING[:-1]]}}, "/area/coordinates/0"),
    ],
)
def test_what_is_refused_before_anything_is_posted(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        areas.drafts(area(**changes))
    assert refused.value.pointer == pointer


async def test_the_caps_of_a_key_hold_for_all_cells_together(cast: Cast, ada: keys.Actor) -> None:
    with pytest.raises(OverCap):
        await post(cast, msgspec.structs.replace(ada, purses=ada.purses, max_per_task=HELD - 1))
    cy = await cast.agent("cy")
    mine = await post(cast, ada)
    with pytest.raises(NotFound):
        await areas.get(cast.conn, cy.owner, mine.id)

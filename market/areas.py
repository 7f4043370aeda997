"""Areas: a polygon covered by hexagonal cells (h3), one task for each cell, in the middle of it."""

import math
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import h3
import msgspec

from market import claims, groups, ids, keys, near, posting, tasks
from market.errors import Invalid, NotFound
from market.polygons import Polygon, require_sound
from market.terms import LONGEST_ROUND_S, Place, Standing, Strict, TaskDraft

MOST_CELLS = 500
# Above so many in the box around an area, its cells are not counted one by one: that many of them could be found.
MOST_IN_BOX = 100_000
FULL_TURN = 360.0


class CellTask(TaskDraft, frozen=True, kw_only=True):
    """What is asked in each cell: a task without a place, which the cell gives it."""

    def __post_init__(self) -> None:
        """Nothing is filled in before there is a place: which checks follow depends on it."""


class AreaDraft(Strict, frozen=True, kw_only=True):
    """An area to be covered: one task, at the same price, for each cell whose centre lies in it.

    resolution: of the cells, from 5 (edges of about 10 km) to 11 (about 29 m). every_s: each cell is asked anew in each
    period of so many seconds, and one answer a period is paid; `task.quantity` then caps the answers of a cell.
    """

    title: Annotated[str, msgspec.Meta(min_length=3, max_length=200, examples=["Street lights of the old town"])]
    area: Polygon
    resolution: Annotated[int, msgspec.Meta(ge=5, le=11, examples=[9])]
    task: CellTask
    every_s: Annotated[int, msgspec.Meta(ge=60, le=LONGEST_ROUND_S, examples=[86_400])] | None = None


class Cell(NamedTuple):
    """A cell, and the circle around its centre that covers it."""

    id: str
    place: Place


class CellDraft(NamedTuple):
    """The task of one cell, to be posted."""

    cell: str
    task: TaskDraft


class CellState(msgspec.Struct, frozen=True):
    """How a cell stands. answered: accepted answers so far; last_answered_at: when the last one was accepted."""

    cell: str
    task_id: str
    status: str
    answered: int
    last_answered_at: datetime | None


class Area(msgspec.Struct, frozen=True):
    """An area and its cells. covered: how many of all (`total`) have an accepted answer, in this period where it has
    periods."""

    id: str
    title: str
    resolution: int
    every_s: int | None
    created_at: datetime
    covered: int
    total: int
    cells: list[CellState]


def cells(area: Polygon, resolution: int) -> list[Cell]:
    """The cells whose centres lie in the area. Raises Invalid for one badly drawn, without cells, or with too many."""
    require_sound(area, "/area")
    west, south, east, north = area.box
    corners: list[tuple[float, float]] = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    box = Polygon(type="Polygon", coordinates=[corners])
    each_km2 = h3.average_hexagon_area(resolution, unit="km^2")
    if box.km2 / each_km2 > MOST_IN_BOX:
        _refuse_many(f"about {max(MOST_CELLS + 1, round(area.km2 / each_km2)):,}", resolution)
    rings = [[(lat, lon) for lon, lat in ring] for ring in area.coordinates]
    found = sorted(h3.h3shape_to_cells(h3.LatLngPoly(rings[0], *rings[1:]), resolution))
    if len(found) > MOST_CELLS:
        _refuse_many(f"{len(found):,}", resolution)
    if not found:
        raise Invalid("No cell has its centre in this area: take smaller cells.", pointer="/resolution")
    return [Cell(cell, _around(cell)) for cell in found]


def _refuse_many(count: str, resolution: int) -> None:
    raise Invalid(
        f"This area has {count} cells of resolution {resolution}; at most {MOST_CELLS} are posted at once. Take larger "
        "cells or a smaller area.",
        pointer="/resolution",
    )


def _around(cell: str) -> Place:
    """The centre of a cell, and how far its farthest vertex is from it, in whole metres."""
    lat, lon = h3.cell_to_latlng(cell)
    return Place(lat=lat, lon=lon, radius_m=math.ceil(max(near.distance_m(lat, lon, *at) for at in _vertices(cell))))


def _vertices(cell: str) -> tuple[tuple[float, float], ...]:
    found: tuple[tuple[float, float], ...] = h3.cell_to_boundary(cell)
    return found


def drafts(draft: AreaDraft) -> list[CellDraft]:
    """The task of each cell, in the order of their names. Raises Invalid. Up to half a second of arithmetic."""
    if draft.task.place is not None:
        raise Invalid("Each cell has its own place: leave it out.", pointer="/task/place")
    if draft.task.standing is not None:
        raise Invalid("How often an area is asked is said by `every_s`: leave it out.", pointer="/task/standing")
    standing = None if draft.every_s is None else Standing(every_s=draft.every_s)
    given: dict[str, Any] = msgspec.structs.asdict(draft.task) | {"standing": standing}
    found = cells(draft.area, draft.resolution)
    return [CellDraft(cell, TaskDraft(**(given | {"place": place}))) for cell, place in found]


async def post(
    conn: asyncpg.Connection, actor: keys.Actor, draft: AreaDraft, members: list[CellDraft], *, rates: posting.Rates
) -> tuple[str, list[tasks.Task]]:
    """Post an area's tasks, and hold what each may cost: its id, and the tasks. `members` are its `drafts`.

    Raises what posting.post_all does; what was posted before is then to be rolled back.
    """
    group = await groups.open_group(conn, actor, "area", draft.title, msgspec.to_builtins(draft))
    posted = await groups.post_members(
        conn, actor, group, [each.task for each in members], rates=rates, cells=[each.cell for each in members]
    )  # fmt: skip
    return groups.shown(group), posted


async def get(conn: asyncpg.Connection, account: UUID, area: str) -> Area:
    """An area of the account. Raises NotFound."""
    group = await conn.fetchrow(
        "SELECT * FROM task_group WHERE id = $1 AND account_id = $2 AND kind = 'area'", ids.read("group", area), account
    )
    if group is None:
        raise NotFound("There is no such area.")
    rows = await conn.fetch(
        f"""SELECT task.id, task.cell, task.status, task.done, a.last_at, a.in_round
            FROM task CROSS JOIN LATERAL (
              SELECT max(s.decided_at) AS last_at, bool_or(c.round IS NOT DISTINCT FROM {claims.ROUND}) AS in_round
              FROM submission s JOIN claim c ON c.id = s.claim_id
              WHERE s.task_id = task.id AND s.status = 'accepted') AS a
            WHERE task.group_id = $1 ORDER BY task.place_in_group""",
        group["id"],
    )
    states = [
        CellState(row["cell"], ids.show("task", row["id"]), row["status"], row["done"], row["last_at"]) for row in rows
    ]
    spec = group["spec"]
    return Area(
        area, group["title"], spec["resolution"], spec["every_s"], group["created_at"],
        sum(bool(row["in_round"]) for row in rows), len(rows), states,
    )  # fmt: skip


def as_geojson(area: Area) -> dict[str, Any]:
    """The area as a FeatureCollection (RFC 7946): each cell's outline with how it stands.

    Longitudes run on beyond ±180° in a cell that lies across it.
    """
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": state.cell,
                "geometry": {"type": "Polygon", "coordinates": [outline(state.cell)]},
                "properties": msgspec.to_builtins(state),
            }
            for state in area.cells
        ],
    }


def outline(cell: str) -> list[tuple[float, float]]:
    """The closed ring around a cell: longitude, latitude in degrees."""
    middle = h3.cell_to_latlng(cell)[1]
    turned = [(lon - FULL_TURN * round((lon - middle) / FULL_TURN), lat) for lat, lon in _vertices(cell)]
    return [*turned, turned[0]]

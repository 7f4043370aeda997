"""Areas: a polygon covered cell by cell, one task each."""

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, encode, json_answer
from app.auth import AGENT
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.postings import Rehearsing, available, rehearse, require_usable
from market import areas, tasks
from market.money import Money

EXAMPLE = {
    "title": "Street lights of the old town",
    "area": {
        "type": "Polygon",
        "coordinates": [[[13.40, 52.51], [13.42, 52.51], [13.42, 52.52], [13.40, 52.52], [13.40, 52.51]]],
    },
    "resolution": 9,
    "task": {
        "kind": "photo",
        "title": "Street lights after dark",
        "instructions": "One photo of the street, with its lights.",
        "purpose": "A map of where it is dark.",
        "evidence": {"photos": {"min": 1, "max": 1}},
        "reward": {"amount": 300, "currency": "usd"},
    },
}


class AreaRehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What posting an area would be: it passed every check, and nothing was done.

    total: how many cells, each with a task · worst_case_cost: what would be held for all, fee included.
    """

    dry_run: bool = True
    total: int
    worst_case_cost: Money
    available_after: Money
    reward: Money
    fee: Money
    checks: list[str]


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an area is told."""

    format: Annotated[
        Literal["json", "geojson"],
        msgspec.Meta(description="`geojson`: a FeatureCollection of the cells' outlines (application/geo+json)."),
    ] = "json"


@endpoint(
    "POST", "/v1/areas", by=AGENT, scope="tasks:write", once=True, status=201, rehearsal=AreaRehearsal,
    problems=("below-minimum", "insufficient-funds", "over-cap", "account-held"), example=EXAMPLE,
)  # fmt: skip
async def post_area(call: Call, data: areas.AreaDraft, query: Rehearsing) -> areas.Area | Answer:
    """Post a task for each cell of an area.

    The cells are hexagons (h3) of one size, those whose centres lie in the polygon, at most 500; each task's place is a
    circle around its cell. All are posted, and held for, or none. With `every_s` each cell is asked anew in each
    period, and one answer a period is paid. With `?dry_run=true` everything is checked and nothing done.
    """
    members = await asyncio.to_thread(areas.drafts, data)
    if query.dry_run:
        return json_answer(await rehearse(call, lambda: _tried(call, data, members)))
    area, _ = await _post(call, data, members)
    wake(EVENTS)
    return area


async def _post(
    call: Call, data: areas.AreaDraft, members: list[areas.CellDraft]
) -> tuple[areas.Area, list[tasks.Task]]:
    # What they ask for is the same in each cell, so the first speaks for all.
    await require_usable(call, members[0].task, "/task")
    group, posted = await areas.post(call.connection, call.actor, data, members, rates=call.services.config.rates)
    return await areas.get(call.connection, call.actor.owner, group), posted


async def _tried(call: Call, data: areas.AreaDraft, members: list[areas.CellDraft]) -> AreaRehearsal:
    area, posted = await _post(call, data, members)
    first, currency = posted[0], posted[0].reward.currency
    return AreaRehearsal(
        total=area.total,
        worst_case_cost=Money(sum(task.held.amount for task in posted), currency),
        available_after=await available(call, currency),
        reward=first.reward,
        fee=first.fee,
        checks=list(first.acceptance.declared),
    )


@endpoint("GET", "/v1/areas/{area_id}", by=AGENT, scope="tasks:read")
async def get_area(call: Call, area_id: str, query: Format) -> areas.Area | Answer:
    """An area, cell by cell: which have been answered, and when the last time."""
    area = await areas.get(call.connection, call.actor.owner, area_id)
    if query.format == "geojson":
        return Answer(encode(areas.as_geojson(area)), media_type="application/geo+json")
    return area


ROUTES: list[HTTPRouteHandler] = [post_area, get_area]

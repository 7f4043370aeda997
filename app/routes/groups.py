"""Tasks posted together: series and routes; and any group looked at, and ended, as one."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, json_answer
from app.auth import AGENT, PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.paging import Limit, Page, Window, page, page_at, read_offset, read_text
from app.postings import Rehearsing, available, rehearse, require_usable
from app.routes.claims import From, Latitude, Longitude
from app.whereabouts import country_of
from market import claims, groups, offers, series, tours
from market.money import Money

BATCH_LIMIT = 1_000_000

TASK = {
    "kind": "photo",
    "title": "The queue at the ferry",
    "instructions": "Stand at the gate; the whole queue in frame.",
    "purpose": "Waiting times for a travel planner.",
    "place": {"lat": 52.52, "lon": 13.405, "radius_m": 80},
    "evidence": {"photos": {"min": 1, "max": 2, "live_capture": True}},
    "reward": {"amount": 300, "currency": "usd"},
}
A_SERIES = {
    "task": TASK,
    "schedule": {
        "times": ["09:00"],
        "weekdays": [1, 2, 3, 4, 5],
        "timezone": "Europe/Berlin",
        "from_date": "2027-03-01",
        "days": 14,
        "open_s": 7200,
    },
    "same_person": "preferred",
    "head_start_s": 1800,
}
A_ROUTE = {
    "title": "The ferries of the old town",
    "tasks": [
        TASK,
        TASK | {"title": "The queue at the second ferry", "place": {"lat": 52.523, "lon": 13.41, "radius_m": 80}},
    ],
    "claim_ttl_s": 14_400,
}


class GroupRehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a posting would be: it passed every check, and nothing was done. total: how many tasks ·
    worst_case_cost: what would be held for all of them, fee included."""

    dry_run: bool = True
    total: int
    worst_case_cost: Money
    available_after: Money
    length_m: int | None
    minutes: int | None


class GroupsAsked(Window, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which groups."""

    kind: groups.Kind | None = None


class RouteReach(Window, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the person is, and how far they look."""

    lat: Latitude
    lon: Longitude
    radius_m: Annotated[float, msgspec.Meta(gt=0, le=offers.FARTHEST_M, examples=[5000])] = 5000
    limit: Limit = 50


class RouteClaims(msgspec.Struct, frozen=True):
    """A claim on each task of a route, in the order of the way."""

    claims: list[claims.Claim]


@endpoint(
    "POST", "/v1/series", by=AGENT, scope="tasks:write", once=True, status=201, rehearsal=GroupRehearsal,
    problems=("below-minimum", "insufficient-funds", "over-cap", "account-held"), example=A_SERIES,
)  # fmt: skip
async def post_series(call: Call, data: series.SeriesDraft, query: Rehearsing) -> groups.WholeGroup | Answer:
    """Post the same task again and again.

    One task for each time of the schedule that is still to come, at most 500; each opens at its time. All are posted,
    and held for, or none. `same_person` says whether whoever has answered before is preferred, or may not answer
    again. With `?dry_run=true` everything is checked and nothing done.
    """
    await require_usable(call, data.task, "/task")
    rates = call.services.config.rates
    return await _posted(call, query, lambda: series.post(call.connection, call.actor, data, rates=rates))


@endpoint(
    "POST", "/v1/routes", by=AGENT, scope="tasks:write", once=True, status=201, limit=BATCH_LIMIT,
    rehearsal=GroupRehearsal, problems=("below-minimum", "insufficient-funds", "over-cap", "account-held"),
    example=A_ROUTE,
)  # fmt: skip
async def post_route(call: Call, data: tours.RouteDraft, query: Rehearsing) -> groups.WholeGroup | Answer:
    """Post tasks that one person does on one way.

    They are put into the order of a short way, and claimed all together or not at all while nobody has a part of it.
    All are posted, and held for, or none. With `?dry_run=true` everything is checked and nothing done.
    """
    for n, draft in enumerate(data.tasks):
        await require_usable(call, draft, f"/tasks/{n}")
    rates = call.services.config.rates
    return await _posted(call, query, lambda: tours.post(call.connection, call.actor, data, rates=rates))


async def _posted(
    call: Call, query: Rehearsing, post: Callable[[], Awaitable[groups.WholeGroup]]
) -> groups.WholeGroup | Answer:
    """Post a group, or only try to."""

    async def tried() -> GroupRehearsal:
        group = await post()
        return GroupRehearsal(
            total=group.total, worst_case_cost=group.held, available_after=await available(call, group.held.currency),
            length_m=group.length_m, minutes=group.minutes,
        )  # fmt: skip

    if query.dry_run:
        return json_answer(await rehearse(call, tried))
    group = await post()
    wake(EVENTS)
    return group


@endpoint("GET", "/v1/groups", by=AGENT, scope="tasks:read")
async def list_groups(call: Call, query: GroupsAsked) -> Page[groups.Group]:
    """The account's series, routes and areas, newest first, and how their tasks stand."""
    found = await groups.listed(
        call.connection, call.actor.owner, kind=query.kind, before=read_text(query.cursor), limit=query.limit + 1
    )
    return page(found, query.limit, lambda group: group.id, lambda group: group)


@endpoint("GET", "/v1/groups/{group_id}", by=AGENT, scope="tasks:read")
async def get_group(call: Call, group_id: str) -> groups.WholeGroup:
    """One group, how its tasks stand, what they hold together, and their ids in order."""
    return await groups.get(call.connection, call.actor.owner, group_id)


@endpoint(
    "POST", "/v1/groups/{group_id}/cancel", by=AGENT, scope="tasks:write", once=True, problems=("group-over",)
)  # fmt: skip
async def cancel_group(call: Call, group_id: str) -> groups.WholeGroup:
    """End all tasks of a group that are open.

    Their open slots end and what was held for them comes back; claims in progress may finish and are paid.
    """
    group = await groups.cancel(call.connection, call.actor, group_id)
    wake(EVENTS)
    return group


@endpoint("GET", "/v1/people/routes", by=PERSON, optional=True)
async def list_routes(call: Call, query: RouteReach) -> Page[tours.Route]:
    """Routes with a place near by, the nearest first.

    Each is a bundle of tasks on one way, which one person takes as a whole.
    """
    offset = read_offset(query.cursor)
    found = await tours.near_by(
        call.connection,
        None if call.actor_or_none is None else call.actor.owner,
        lat=query.lat,
        lon=query.lon,
        radius_m=query.radius_m,
        offset=offset,
        limit=query.limit + 1,
    )
    return page_at(found, offset, query.limit)


@endpoint("GET", "/v1/people/routes/{route_id}", by=PERSON, optional=True)
async def get_route(call: Call, route_id: str, query: From) -> tours.WholeRoute:
    """One route, with its tasks as people see them, in the order of the way."""
    return await tours.get(call.connection, route_id, lat=query.lat, lon=query.lon)


@endpoint(
    "POST", "/v1/people/routes/{route_id}/claims", by=PERSON, once=True, status=201,
    problems=("task-not-open", "route-taken", "slot-taken", "already-answered", "too-many-claims"),
)  # fmt: skip
async def claim_route(call: Call, route_id: str, data: claims.Position) -> RouteClaims:
    """Claim all tasks of a route: all of them are yours for a while, or none.

    Each is answered, or given back, by itself. What is given back becomes a task like any other.
    """
    taken = await tours.claim(call.connection, call.actor.owner, route_id, data, country_of(call))
    wake(EVENTS)
    return RouteClaims(taken)


@endpoint("DELETE", "/v1/people/routes/{route_id}/claims", by=PERSON, status=204, problems=("claim-expired",))
async def release_route(call: Call, route_id: str) -> None:
    """Give back all of a route that you hold and have not handed in.

    What you have handed in stays. `DELETE /v1/people/claims/{id}` gives back one task of it.
    """
    await tours.release(call.connection, call.actor.owner, route_id)
    wake(EVENTS)


ROUTES: list[HTTPRouteHandler] = [
    post_series, post_route, list_groups, get_group, cancel_group, list_routes, get_route, claim_route,
    release_route,
]  # fmt: skip

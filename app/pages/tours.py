"""Pages for whoever takes a route: its tasks in the order of the way, and taking all of them at once."""

from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, redirect
from app.auth import PERSON
from app.db import Connection
from app.edge import Call, endpoint
from app.pages import facts
from app.pages.operations import FORM_LIMIT, asked, perform, read_form
from app.pages.render import refuse, show
from app.pages.work import Standing
from app.routes import groups as operations
from app.routes.claims import From
from app.strict import decode_query
from market import claims, tours
from market.money import Money


@endpoint("GET", "/w/routes/{route_id}", by=PERSON, optional=True, hidden=True)
async def route_page(call: Call, route_id: str) -> Answer:
    """A route as one: what all of it pays, and each of its tasks."""
    return await _show_route(call, call.connection, route_id, asked(call, From))


async def _show_route(
    call: Call, connection: Connection, route_id: str, here: From, *, claiming: bool = False
) -> Answer:
    """claiming: its button has been pressed, and only the position is still missing."""
    route = await tours.get(connection, route_id, lat=here.lat, lon=here.lon)
    held: list[claims.Claim] = []
    if call.actor_or_none is not None:
        held = await claims.active(connection, call.actor.owner)
    mine = {claim.task_id: claim for claim in held}
    reward = Money(sum(task.reward.amount for task in route.tasks), route.tasks[0].reward.currency)
    negatives = sum(facts.negative(task).amount for task in route.tasks if task.acceptance.pay_honest_negative)
    return await show(
        call, connection, "route.html", route=route, here=here, mine=mine, reward=reward, claiming=claiming,
        whole=all(task.slots_open for task in route.tasks), stops=[facts.of(task) for task in route.tasks],
        rules=facts.Rules(call.services.config.hold_window_s), rises=facts.rise_of(route.tasks),
        negatives=Money(negatives, reward.currency),
        fee=Money(sum(task.fee.amount for task in route.tasks), reward.currency),
        ends=min(task.closes_at for task in route.tasks),
    )  # fmt: skip


@endpoint("POST", "/w/routes/{route_id}/claims", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def claim_route_by_form(call: Call, route_id: str) -> Answer:
    """Take a route, and go on to its first task. Without a position the page comes again and finds it by itself."""
    given = await read_form(call)
    if not given.first("lat") and not given.first("lon"):
        async with call.services.database.read() as connection:
            return await _show_route(call, connection, route_id, From(), claiming=True)
    here = decode_query(given.filled(), Standing)
    position = claims.Position(lat=here.lat, lon=here.lon, accuracy_m=here.accuracy_m)
    taken = await perform(operations.claim_route, call, route_id=route_id, data=position)
    return redirect(f"/w/claims/{taken.claims[0].id}")


@endpoint("POST", "/w/routes/{route_id}/release", by=PERSON, uses="own", limit=FORM_LIMIT, hidden=True)
async def release_route_by_form(call: Call, route_id: str) -> Answer:
    """Give back what of a route has not been handed in."""
    await perform(operations.release_route, call, route_id=route_id)
    return redirect(f"/w/routes/{route_id}")


ROUTES: list[HTTPRouteHandler] = [route_page, claim_route_by_form, release_route_by_form]
for route in ROUTES:
    route.exception_handlers = {Exception: refuse}

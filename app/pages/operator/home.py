"""The console's first page, and the kill switches."""

from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.pages.operations import perform, view
from app.pages.operator.forms import form_at
from app.pages.operator.frame import guarded, onward, show, taken
from app.routes.operator import switches as operations
from app.strict import decode_query
from market import appeal_desk, today


@endpoint("GET", "/operator", by=OPERATOR, hidden=True)
async def operator_home_page(call: Call) -> Answer:
    """Today's numbers, each of which leads to what it is made of, and what waits for somebody to look."""
    day, sums = await today.sums(call.connection)
    waiting = await today.waiting(call.connection)
    appeals = await appeal_desk.outstanding(call.connection)
    return await show(call, call.connection, "home.html", day=day, sums=sums, waiting=waiting, appeals=appeals)


@endpoint("GET", "/operator/switches", by=OPERATOR, hidden=True)
async def switches_page(call: Call) -> Answer:
    """What is stopped, why and by whom."""
    found = await view(operations.list_switches, call)
    return await show(call, call.connection, "switches.html", switches=found.items)


@form_at("/operator/switches/{switch_name}/turn")
async def turn_switch_by_form(call: Call, switch_name: str) -> Answer:
    """Stop a kind of payment, or start it again."""
    form = await taken(call)
    stopped = form.first("stopped") == "true"
    given = decode_query({"stopped": str(stopped).lower(), "reason": form.first("reason")}, operations.Turn)
    await perform(operations.turn_switch, call, switch_name=switch_name, data=given)
    return onward("/operator/switches", "stopped" if stopped else "started")


ROUTES: list[HTTPRouteHandler] = guarded([operator_home_page, switches_page, turn_switch_by_form])

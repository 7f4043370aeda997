"""Quotes before posting, and how well they have come true."""

from litestar.handlers import HTTPRouteHandler

from app import judging, shows
from app.auth import AGENT, EVERYONE
from app.edge import Call, endpoint
from app.routes.tasks import EXAMPLE as TASK
from market import forecasts, quotes, stock

EXAMPLE = {
    **{name: value for name, value in TASK.items() if name != "external_id"},
    "within_s": [3600, 14400],
    "wished_probability": 0.9,
    "decision": {
        "question": "open",
        "prior": {"open": 0.6, "closed": 0.3, "gone": 0.1},
        "acts": {
            "go": {"open": 900, "closed": -600, "gone": -600},
            "stay": {"open": 0, "closed": 0, "gone": 0},
        },
    },
}


@endpoint(
    "POST", "/v1/quotes", by=AGENT, scope="tasks:read", uses="read", problems=("below-minimum",), example=EXAMPLE
)  # fmt: skip
async def get_quote(call: Call, data: quotes.QuoteDraft) -> quotes.Quote:
    """Ask what a task would cost and when it would be answered.

    Takes a task draft, passes it through all the checks of posting, and holds nothing. With a `decision` it also says
    what the answer is worth to you. How well quotes have come true is at `GET /v1/quotes/calibration`.
    """
    judging.require_checkable(data)
    await shows.require_usable(call.services, call.connection, call.actor.owner, data)
    known = await stock.known(call.connection, call.actor.owner, data)
    return await quotes.quote(
        call.connection, call.actor.currency, data, rates=call.services.config.rates, known=known
    )  # fmt: skip


@endpoint("GET", "/v1/quotes/calibration", by=EVERYONE)
async def get_calibration(call: Call) -> forecasts.Calibration:
    """How well quotes have come true.

    What was foretold of posted tasks, stored before anybody had answered, beside what became of them: reliability by
    bins, the Brier score beside that of each kind's base rate, and how many fill times lay inside their 80 % interval.
    """
    return await forecasts.published(call.connection)


ROUTES: list[HTTPRouteHandler] = [get_quote, get_calibration]

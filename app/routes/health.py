"""Is it alive, is it ready, what does it offer, what do its problems mean."""

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import docs
from app.answers import Answer, html_answer
from app.auth import EVERYONE
from app.db import Unavailable
from app.edge import Call, endpoint
from app.errors import PROBLEMS, Problem
from app.problems import type_page, types_page


class Health(msgspec.Struct, frozen=True):
    """`ok`, or the request fails."""

    status: str


@endpoint("GET", "/health/live", by=EVERYONE, uses="own")
async def get_live(call: Call) -> Health:
    """Does the process answer."""
    return Health("ok")


@endpoint("GET", "/health/ready", by=EVERYONE, uses="own")
async def get_ready(call: Call) -> Health:
    """Can it do its work: the database answers and has the market's tables."""
    try:
        async with call.services.database.read() as connection:
            await connection.fetchval("SELECT one FROM market_clock")
    except Unavailable:
        raise Problem("unavailable", "The database does not answer.") from None
    return Health("ok")


@endpoint("GET", "/openapi.json", by=EVERYONE, uses="own", produces="application/json", hidden=True)
async def get_description(call: Call) -> Answer:
    """This description."""
    return Answer(docs.description(call.request.app), headers={"cache-control": "max-age=300"})


@endpoint("GET", "/docs", by=EVERYONE, uses="own", produces="text/html", hidden=True)
async def get_docs(call: Call) -> Answer:
    """The description for people."""
    return html_answer(docs.page(call.request.app), headers={"cache-control": "max-age=300"})


@endpoint("GET", "/problems", by=EVERYONE, uses="own", produces="text/html", hidden=True)
async def list_problems(call: Call) -> Answer:
    """All problem types."""
    return html_answer(types_page())


@endpoint("GET", "/problems/{slug}", by=EVERYONE, uses="own", produces="text/html", hidden=True)
async def get_problem(call: Call, slug: str) -> Answer:
    """What a problem's `type` means."""
    if slug not in PROBLEMS:
        raise Problem("not-found", "There is no such problem type.")
    return html_answer(type_page(slug))


ROUTES: list[HTTPRouteHandler] = [
    get_live,
    get_ready,
    get_description,
    get_docs,
    list_problems,
    get_problem,
]

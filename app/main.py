"""The web application: routes, services, errors; nothing else lives here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ASGIApp

from app import config as configuration
from app import garbage, pages
from app.answers import Answer
from app.config import Config
from app.pages.operator.frame import refuse_anywhere
from app.routes import (
    accounts,
    appeals,
    areas,
    captures,
    cards,
    claims,
    datasets,
    device_observations,
    devices,
    documents,
    events,
    funding,
    groups,
    health,
    listings,
    models,
    observations,
    operator,
    operator_sessions,
    own_photos,
    payout_account,
    people,
    questions,
    quotes,
    readings,
    receipts,
    refunds,
    statements,
    stripe_webhooks,
    submissions,
    tasks,
)
from app.sandbox import clock, outbox
from app.services import open_services

ALWAYS = (
    accounts,
    funding,
    refunds,
    cards,
    tasks,
    areas,
    groups,
    questions,
    quotes,
    submissions,
    appeals,
    observations,
    receipts,
    datasets,
    listings,
    devices,
    device_observations,
    events,
    people,
    claims,
    captures,
    readings,
    own_photos,
    payout_account,
    statements,
    documents,
    operator,
    operator_sessions,
    stripe_webhooks,
    health,
    models,
    pages,
)
SANDBOX_ONLY = (outbox, clock)


def all_routes(config: Config) -> list[HTTPRouteHandler]:
    """Every route of the service; those of the sandbox only where play money is used."""
    modules = [*ALWAYS, *(SANDBOX_ONLY if config.sandbox else ())]
    return [route for module in modules for route in module.ROUTES]


def create_app(config: Config) -> Litestar:
    """The service for `config`; opens its database and storage when it starts and closes them when it stops.

    Started again after a stop, it opens those of the `config` that its state holds by then.
    """
    routes = all_routes(config)
    no_openapi: OpenAPIConfig | None = None  # ours is made from the routes' own declarations: app/openapi.py
    return Litestar(
        [*_told_methods(routes), *routes],
        state=State({"config": config}),
        lifespan=[_open],
        exception_handlers={Exception: refuse_anywhere},
        openapi_config=no_openapi,
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
        include_in_schema=False,
    )


@asynccontextmanager
async def _open(app: Litestar) -> AsyncIterator[None]:
    async with open_services(app.state.config, name="sensorium-http") as services:
        app.state.services = services
        yield


def _told_methods(routes: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """What answers OPTIONS at each address, with every method that it takes, as a refusal with 405 names them.

    The framework's own answer names those of the route that it met first.
    """
    taken: dict[str, set[str]] = {}
    for route in routes:
        for path in route.paths:
            taken.setdefault(path, {"OPTIONS"}).update(route.http_methods)
    return [_options(path, ", ".join(sorted(methods))) for path, methods in taken.items()]


def _options(path: str, allow: str) -> HTTPRouteHandler:
    async def tell() -> ASGIApp:
        return Answer(status=204, headers={"allow": allow})

    return HTTPRouteHandler(path, http_method=["OPTIONS"], status_code=200)(tell)


def application() -> Litestar:
    """What the HTTP server imports: the service as the environment configures it."""
    app = create_app(configuration.load())
    garbage.tune()
    return app

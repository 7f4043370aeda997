"""What operators do, one file a matter; each has ROUTES, and stands here in the list of all."""

from litestar.handlers import HTTPRouteHandler

from app.routes.operator import holds, reconciliation, runs

ROUTES: list[HTTPRouteHandler] = [
    *runs.ROUTES,
    *holds.ROUTES,
    *reconciliation.ROUTES,
]

"""What operators do, one file a matter; each has ROUTES, and stands here in the list of all."""

from litestar.handlers import HTTPRouteHandler

from app.routes.operator import (
    appeals,
    books,
    closes,
    decisions,
    disputes,
    exports,
    holds,
    operations,
    parties,
    reconciliation,
    runs,
    switches,
)

ROUTES: list[HTTPRouteHandler] = [
    *runs.ROUTES,
    *holds.ROUTES,
    *switches.ROUTES,
    *operations.ROUTES,
    *disputes.ROUTES,
    *appeals.ROUTES,
    *decisions.ROUTES,
    *parties.ROUTES,
    *reconciliation.ROUTES,
    *books.ROUTES,
    *closes.ROUTES,
    *exports.ROUTES,
]

"""The console: pages at /operator for those who settle payouts and watch over the money.

They show what the JSON operations under /v1/operator show, and their forms do what those do, so no rule stands here. No
page needs a script, but for passkeys.
"""

from litestar.handlers import HTTPRouteHandler

from app.pages.operator import appeals, books, disputes, home, ledger, operations, parties, runs, sign_in

ROUTES: list[HTTPRouteHandler] = [
    *sign_in.ROUTES,
    *home.ROUTES,
    *runs.ROUTES,
    *operations.ROUTES,
    *parties.ROUTES,
    *disputes.ROUTES,
    *appeals.ROUTES,
    *ledger.ROUTES,
    *books.ROUTES,
]

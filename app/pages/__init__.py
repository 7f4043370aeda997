"""Pages for people: HTML rendered here, the same rules as the JSON API behind it.

A page that shows something reads by the functions of `market/`; a form does what a JSON operation does, through
`operations.perform`. So no rule stands here: only words and looks.
"""

from litestar.handlers import HTTPRouteHandler

from app.pages import assets, earnings, operator, people, reviews, tours, work

ROUTES: list[HTTPRouteHandler] = [
    *assets.ROUTES, *people.ROUTES, *tours.ROUTES, *work.ROUTES, *reviews.ROUTES, *earnings.ROUTES, *operator.ROUTES,
]  # fmt: skip

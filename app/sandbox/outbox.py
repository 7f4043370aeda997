"""Mail in sandbox mode: nothing leaves, everybody who can reach the sandbox can read it."""

import html
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, html_answer, json_answer
from app.auth import EVERYONE
from app.edge import Call, endpoint
from app.problems import page, wants_page

MOST = 200


class OutboxAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose mail; without it everybody's."""

    to: Annotated[str, msgspec.Meta(max_length=300)] | None = None


@endpoint("GET", "/sandbox", by=EVERYONE, uses="own", hidden=True)
async def get_sandbox(call: Call) -> Answer:
    """What the sandbox offers."""
    return html_answer(
        page(
            "Sandbox",
            "<ul><li><a href=/sandbox/outbox>Outbox</a>: the mail that would have been sent"
            "<li><code>POST /sandbox/clock {&quot;advance_s&quot;: 3600}</code>: moves the market's clock ahead</ul>",
        )
    )


@endpoint("GET", "/sandbox/outbox", by=EVERYONE, hidden=True)
async def list_outbox(call: Call, query: OutboxAsked) -> Answer:
    """The mail that would have been sent, newest first; JSON unless a browser asks."""
    rows = await call.connection.fetch(
        """SELECT recipient AS to, subject, text, created_at FROM mail
           WHERE $1::text IS NULL OR lower(recipient) = lower($1) ORDER BY id DESC LIMIT $2""",
        query.to,
        MOST,
    )
    if not wants_page(call.request.headers):
        return json_answer({"items": [dict(row) for row in rows]})
    mails = "".join(
        f"<h3>{html.escape(row['subject'])}</h3><p class=quiet>{html.escape(row['to'])} · {row['created_at']:%F %T}"
        f"<pre>{html.escape(row['text'])}</pre>"
        for row in rows
    )
    return html_answer(page("Outbox", mails or "<p>No mail yet."))


ROUTES: list[HTTPRouteHandler] = [get_sandbox, list_outbox]

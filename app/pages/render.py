"""A template and what it shows become a page: escaped, without inline script or style, compressed."""

import gzip
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response

from app import amounts
from app.answers import HTML, SAFE_HEADERS, Answer, request_id
from app.auth import session_cookie
from app.db import Connection
from app.edge import Call, endpoint_of
from app.errors import PROBLEMS
from app.pages import assets, words
from app.problems import handle, to_problem, wants_page
from market import clock

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
PAGE_HEADERS = {
    "content-security-policy": POLICY,
    "permissions-policy": "camera=(self), geolocation=(self), microphone=()",
    "cache-control": "no-store",  # every page shows something of the moment, and back must not show an old timer
    "vary": "accept-encoding, cookie",
}
HOME = "/w"
WORTH_PACKING = 800
SENT_TO_ITSELF = ("/w/me", "/w/sign-in", "/w/sign-in/code")  # pages whose form goes to their own address

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(
    money=amounts.money,
    metres=words.metres,
    span=words.span,
    duration=words.duration,
    moment=words.moment,
    day=amounts.day,
    iso=words.iso,
    counted=amounts.counted,
)
_templates.globals.update(asset=assets.address, position=words.position)


def teach(**filters: Callable[..., object]) -> None:
    """Give all templates further filters, by name."""
    _templates.filters.update(filters)


async def show(
    call: Call, connection: Connection, template: str, *, status: int = 200, refresh: str | None = None, **shown: Any
) -> Answer:
    """The page of `template` with `shown`, and the market's time for scripts and timers."""
    now = await clock.now(connection)
    text = render(
        template, now=now, signed_in=call.actor_or_none is not None, sandbox=call.services.config.sandbox, **shown
    )
    headers = {**PAGE_HEADERS, **call.headers}
    if refresh is not None:
        headers["refresh"] = refresh
    return answer(call.request, text, status=status, headers=headers)


def render(template: str, *, now: datetime | None, signed_in: bool, sandbox: bool, **shown: Any) -> str:
    """The HTML of one template."""
    return _templates.get_template(template).render(now=now, signed_in=signed_in, sandbox=sandbox, **shown)


def answer(request: Request[Any, Any, Any], text: str, *, status: int, headers: dict[str, str]) -> Answer:
    """HTML as a response, compressed where that is understood and worth it."""
    body = text.encode()
    if len(body) > WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = gzip.compress(body, 6, mtime=0), {**headers, "content-encoding": "gzip"}
    return Answer(body, status=status, media_type=HTML, headers=headers)


def refuse(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What a browser gets for a refusal: the way to sign in, or a page that says what is wrong; programs a problem."""
    problem = to_problem(error)
    if not wants_page(request.headers):
        return handle(request, error)
    if problem.status >= 500:
        handle(request, error)  # it is logged there
    config = request.app.state.services.config
    headers = {**SAFE_HEADERS, **PAGE_HEADERS, **problem.headers, "x-request-id": request_id(request.scope)}
    if problem.status == 401:
        # The session has ended, or there was none. The cookie goes, so that this cannot run in a circle.
        headers["set-cookie"] = session_cookie("", max_age_s=0, secure=config.public_url.startswith("https:"))
        return Response(b"", status_code=303, headers={**headers, "location": _way_in(request)})
    text = render(
        "problem.html", now=None, signed_in=True, sandbox=config.sandbox, problem=problem,
        kind=PROBLEMS[problem.slug], back=_way_back(request), request_id=request_id(request.scope),
    )  # fmt: skip
    return Response(
        text.encode(), status_code=problem.status, media_type="text/html", headers=headers
    )  # adds the charset


def _way_in(request: Request[Any, Any, Any]) -> str:
    """Where somebody without a valid session goes: to the same page as a guest where that may be, else to sign in."""
    spec = endpoint_of(request.route_handler)
    if spec is not None and spec.optional and request.method == "GET":
        return request.url.path
    return f"/w/sign-in?next={_way_back(request)}"


def _way_back(request: Request[Any, Any, Any]) -> str:
    """The page that a form stood on: its own address, or that without the last part, which names what the form does."""
    path: str = request.scope["path"]  # request.url would read the Host header, which may be what is wrong
    if request.scope.get("route_handler") is None:
        return HOME  # nothing is there
    return path if request.method == "GET" or path in SENT_TO_ITSELF else path.rpartition("/")[0]

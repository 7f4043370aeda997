"""From an exception to an answer: problem details for programs, a short page for a browser."""

import html
import re
from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import Headers
from litestar.exceptions import HTTPException

from app.answers import PROBLEM_JSON, SAFE_HEADERS, encode, request_id
from app.db import Unavailable, is_beyond, is_day_closed
from app.errors import PROBLEMS, Problem, of_refusal
from market.errors import Refusal

log = structlog.get_logger()

# What the framework itself refuses.
_BY_STATUS = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media",
    422: "validation",
    429: "rate-limited",
}
_FRAMEWORK_SAYS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is larger than this operation takes.",
}
# The last resort: what the routes' own bounds let through and the database did not. It is logged, to be mended there.
BEYOND = "A number, a time or a text in this request is more than can be kept."


def to_problem(error: Exception) -> Problem:
    """What to tell the one who asked. Anything unforeseen becomes `internal`, without a word about the inside."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal):
        return of_refusal(error)
    if isinstance(error, HTTPException) and error.status_code < 500:
        slug = _BY_STATUS.get(error.status_code, "validation")
        detail = _FRAMEWORK_SAYS.get(error.status_code, error.detail)
        return Problem(slug, detail, status=error.status_code, headers=_headers(error))
    if isinstance(error, HTTPException) and "disconnected" in error.detail:
        return Problem("malformed", "The body ended early.")
    if isinstance(error, Unavailable):
        return Problem("unavailable", "The database is busy or away for a moment.")
    if is_day_closed(error):
        return Problem("unavailable", "The books of that day were closed at this very moment. Try again.")
    if is_beyond(error):
        return Problem("validation", BEYOND)
    return Problem("internal", "Something went wrong on our side; nothing has been done.")


def _headers(error: HTTPException) -> dict[str, str]:
    """What the framework would send along; methods in one order, as OPTIONS names them."""
    found = dict(error.headers or {})
    if "allow" in found:
        found["allow"] = ", ".join(sorted(each.strip() for each in found["allow"].split(",")))
    return found


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    problem = to_problem(error)
    identity = request_id(request.scope)
    path = request.scope["path"]  # request.url would read the Host header, which may be what is wrong
    if problem.status >= 500 or problem.detail == BEYOND:
        log.error("request failed", request_id=identity, path=path, exc_info=error)
    headers = {**SAFE_HEADERS, "x-request-id": identity, "cache-control": "no-store", **problem.headers}
    if problem.status == 401:
        headers.setdefault("www-authenticate", 'Bearer realm="sensorium"')
    if wants_page(request.headers):
        # The framework adds the charset to a text.
        shown = problem_page(problem, identity).encode()
        return Response(shown, status_code=problem.status, media_type="text/html", headers=headers)
    base = request.app.state.services.config.public_url
    content = encode(members(error, base, path, identity))
    return Response(content, status_code=problem.status, media_type=PROBLEM_JSON, headers=headers)


def members(error: Exception, base: str, path: str, identity: str) -> dict[str, Any]:
    """An error as the members of RFC 9457, section 3.1, and ours."""
    problem = to_problem(error)
    found: dict[str, Any] = {
        "type": f"{base}/problems/{problem.slug}",
        "title": PROBLEMS[problem.slug].title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": path,
        "request_id": identity,
    }
    if problem.errors:
        found["errors"] = problem.errors
    return found | problem.members


def wants_page(headers: Headers) -> bool:
    """Whether a browser asks for something to look at, rather than a program."""
    accept = headers.get("accept", "")
    return "text/html" in accept and "json" not in accept


def problem_page(problem: Problem, identity: str) -> str:
    """A refusal for a person in a browser."""
    kind = PROBLEMS[problem.slug]
    return page(
        kind.title,
        f"<p>{marked(problem.detail)}</p><p>{marked(kind.advice)}</p>"
        f"<p class=quiet>{problem.status} · {html.escape(identity)} · <a href=/>start</a></p>",
    )


def type_page(slug: str) -> str:
    """What a problem type means, for whoever follows its address."""
    kind = PROBLEMS[slug]
    return page(
        kind.title,
        f"<p>{marked(kind.advice)}</p><p class=quiet>Status {kind.status} · type <code>{slug}</code> · "
        "<a href=/problems>all problem types</a></p>",
    )


def types_page() -> str:
    """All problem types."""
    rows = "".join(
        f"<tr><td>{kind.status}<td><a href=/problems/{slug}><code>{slug}</code></a><td>{html.escape(kind.title)}"
        for slug, kind in sorted(PROBLEMS.items(), key=lambda each: (each[1].status, each[0]))
    )
    return page("Problem types", f"<table><tr><th>Status<th>Type<th>Meaning{rows}</table>")


def marked(text: str) -> str:
    """A text of ours as HTML: escaped, and what stands between backticks as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text))


def page(title: str, body: str) -> str:
    """A plain page of ours; `body` is HTML already."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)} · Sensorium</title><style>body{{font:1.05rem/1.5 system-ui,sans-serif;"
        "max-width:44rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}.quiet{opacity:.7}"
        f"td,th{{text-align:left;padding:.2rem 1rem .2rem 0}}</style><h1>{html.escape(title)}</h1>{body}</html>"
    )

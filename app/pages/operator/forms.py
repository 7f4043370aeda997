"""The console's forms: what was typed is never lost, whatever the answer is.

A form that is refused is shown again on its page, with what was typed and, in plain words, what is wrong. One that came
after the session had ended is kept on the page that asks who sits there, and shown again when that is known. Nothing is
sent by itself, and no key or proof is kept.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NamedTuple

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, Endpoint, do, endpoint, endpoint_of
from app.errors import Problem
from app.pages.operations import FORM_LIMIT, KEY
from app.problems import to_problem, wants_page
from market.errors import Refusal

PROOF_KEY = "proof_key"
NO_FORM = ("proof-required", "unauthenticated")  # refusals that are pages of their own
ELSEWHERE = {"/operator/runs": "/operator/runs/new"}  # forms whose page is not at, or above, their own address

Handler = Callable[..., Awaitable[Answer]]

# What the checks of input say, as somebody reads it who fills in a form.
_PLAINLY = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"This field is required\.", "Fill this in."),
        (r"Expected `str` of length >= 1\b", "Fill this in."),
        (r"Expected `str` of length >= (\d+)", "At least {} characters."),
        (r"Expected `str` of length <= (\d+)", "At most {} characters."),
        (r"Expected `int` >= (\d+)", "At least {}."),
        (r"Expected `int` <= (\d+)", "That is too much: at most {}."),
        (r"Expected `int", "Write a whole number."),
        (r"Invalid enum value", "Choose one of those that are offered."),
        (r"This field is not known here\.", "There is no such field in this form."),
        (r"(?:Invalid|Expected).*\bdate", "Write a day such as 2026-03-31."),
        (r"(?:Invalid|Expected) ", "This cannot be taken as it is."),
    )
]
_NAMES = {
    "minimum": "Least for one", "most_per_line": "Most for one", "reason": "Why", "subject": "Person or answer",
    "target": "What it was", "account": "Whose balance", "person_id": "Person", "sure": "That you have looked",
}  # fmt: skip
_SAYS = {
    "idempotency-key-reused": "This page was used for something else already. Look whether that is what you wanted; "
    "if not, send it again.",
    "in-flight": "The same form is at work this moment. Look in a second whether it is done.",
}


class Mistake(NamedTuple):
    """A field, as it is called on the page ("" for the form as a whole), and what is wrong with it."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A form as it was sent to `action`, and why it was refused; without a problem it was not even looked at."""

    action: str = ""
    texts: Mapping[str, list[str]] = field(default_factory=dict)
    problem: Problem | None = None

    def to(self, action: str) -> bool:
        """Whether it is this form."""
        return bool(self.action) and action == self.action

    def value(self, action: str, name: str, otherwise: str = "") -> str:
        """What stands in a field: what was typed, or what the page would say otherwise."""
        return self.texts.get(name, [""])[0] if self.to(action) else otherwise

    def wrong(self, action: str, name: str) -> str:
        """What is wrong with a field, in plain words; "" when nothing is."""
        found = self.problem.errors if self.problem is not None and self.to(action) else []
        return " ".join(plain(each.detail) for each in found if _field(each.pointer) == name)

    @property
    def mistakes(self) -> list[Mistake]:
        """All that is wrong."""
        return mistakes(self.problem) if self.problem is not None else []

    @property
    def once(self) -> str:
        """The key that it came with, to go with it again: then what is done once stays done once. "" for a new one."""
        key = self.texts.get("once", [""])[0]
        used = self.problem is not None and self.problem.slug == "idempotency-key-reused"
        return key if KEY.fullmatch(key) and not used else ""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form while it is asked who sits there."""

    action: str
    texts: dict[str, list[str]]


def mistakes(problem: Problem) -> list[Mistake]:
    """What is wrong, field by field; what is refused as a whole has no name."""
    if not problem.errors:
        return [Mistake("", _SAYS.get(problem.slug, problem.detail))]
    found = ((_field(each.pointer), plain(each.detail)) for each in problem.errors)
    return [Mistake(_NAMES.get(name, name.replace("_", " ").capitalize()), words) for name, words in found]


def plain(detail: str) -> str:
    """A message of the checks in words for people; those of the market are already."""
    for pattern, words in _PLAINLY:
        if found := pattern.match(detail):
            return words.format(*found.groups())
    return detail


def _field(pointer: str) -> str:
    """The field of a form that a JSON pointer is about."""
    return pointer.removeprefix("/").partition("/")[0]


# ---- which form stands on which page

_pages: dict[str, HTTPRouteHandler] = {}
_forms: dict[str, re.Pattern[str]] = {}


def form_at(path: str, *, limit: int = FORM_LIMIT) -> Callable[[Handler], HTTPRouteHandler]:
    """Make a handler what the console's form at `path` does. What it refuses is shown again, filled in."""
    _forms[path] = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def decorate(handler: Handler) -> HTTPRouteHandler:
        @wraps(handler)
        async def done(call: Call, **named: Any) -> Answer:
            try:
                return await handler(call, **named)
            except (Problem, Refusal) as error:
                problem = to_problem(error)
                if problem.status >= 500 or problem.slug in NO_FORM or not wants_page(call.request.headers):
                    raise
                sent = Sent(call.request.scope["path"], call.request.scope["state"].get("form", {}), problem)
                return await _again(call, path, named, sent) or _raised(error)

        return endpoint("POST", path, by=OPERATOR, uses="own", limit=limit, hidden=True)(done)

    return decorate


def _raised(error: Exception) -> Answer:
    raise error


def know(route: HTTPRouteHandler) -> None:
    """A page of the console, on which forms may stand."""
    spec = endpoint_of(route)
    if spec is not None and spec.method == "GET":
        _pages[spec.path] = route


def _page_of(path: str) -> Endpoint | None:
    """The page on which the form at `path` stands: at the same address, or the nearest one above it."""
    at = ELSEWHERE.get(path, path)
    while at not in _pages and at:
        at = at.rpartition("/")[0]
    return endpoint_of(_pages[at]) if at else None


def way_back(spec: Endpoint, named: Mapping[str, Any]) -> str:
    """The address of the page on which a form stands; a page's own."""
    page = _page_of(spec.path)
    return (page or spec).path.format(**named)


def is_form(spec: Endpoint | None) -> bool:
    """Whether this is a form made by `form_at`."""
    return spec is not None and spec.method == "POST" and spec.path in _forms


# ---- shown again


async def _again(call: Call, path: str, named: Mapping[str, Any], sent: Sent) -> Answer | None:
    """The page of the form at `path`, with the form as it was sent; None when the page cannot be shown."""
    page = _page_of(path)
    if page is None:
        return None
    call.request.scope["state"]["sent"] = sent
    given = {name: named[name] for name in page.parameters}
    try:
        async with call.services.database.read() as connection:
            call.connection_or_none, call.kept = connection, False
            answer: Answer = await do(page, call, given)
    except (Problem, Refusal):
        return None
    finally:
        call.connection_or_none = None
    answer.status = 200 if sent.problem is None else sent.problem.status
    return answer


def keep(action: str, texts: Mapping[str, list[str]]) -> str:
    """A form as a text for a hidden field; "" when there is none at that address."""
    if not any(pattern.fullmatch(action) for pattern in _forms.values()):
        return ""
    kept = Kept(action, {name: values for name, values in texts.items() if name != PROOF_KEY})
    return msgspec.json.encode(kept).decode()


async def restore(call: Call, text: str) -> Answer:
    """The page of a form that was kept, filled in as it was. Raises Problem when it is none of ours."""
    try:
        kept = msgspec.json.decode(text, type=Kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem("malformed", "The form that was kept cannot be read.") from None
    for path, pattern in _forms.items():
        if found := pattern.fullmatch(kept.action):
            answer = await _again(call, path, found.groupdict(), Sent(kept.action, kept.texts))
            if answer is not None:
                return answer
    raise Problem("not-found", "The page of this form is not there any more.")


def sent_with(call: Call) -> Sent:
    """The form that this page is shown again with; an empty one when it is just looked at."""
    sent: Sent = call.request.scope["state"].get("sent", NOTHING)
    return sent


NOTHING = Sent()

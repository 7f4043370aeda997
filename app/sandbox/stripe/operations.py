"""What an operation of the sandbox is, and the table of all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from app.sandbox.stripe.errors import invalid, unsupported
from app.sandbox.stripe.store import Object, State

LIST_PARAMS = ("limit", "starting_after", "ending_before", "expand")
METADATA_LIMITS = (50, 40, 500)  # keys, characters of a key, characters of a value


@dataclass(frozen=True)
class Call:
    """One request as an operation sees it, already judged by the SDK's schema."""

    params: dict[str, Any]
    names: dict[str, str]
    """What the path's placeholders stood for."""
    path: str
    account: str
    """The connected account that the call acts for (`Stripe-Account`), '' for the platform."""
    request_id: str
    idempotency_key: str
    public_url: str
    webhooks: bool
    query: str = ""
    page: str = ""
    """Where a list of API v2 goes on: the id of the last object of the page before."""

    def next_page_url(self, found: list[Object], more: bool) -> str | None:
        """What leads from this page of an API v2 list to the next."""
        if not more:
            return None
        kept = [(name, value) for name, value in parse_qsl(self.query) if name != "page"]
        return f"{self.path}?{urlencode([*kept, ('page', found[-1]['id'])])}"


@dataclass(frozen=True)
class Operation:
    verb: str
    path: str
    supports: tuple[str, ...]
    function: Callable[[State, Call], Object]
    pattern: re.Pattern[str] = field(repr=False)

    def refuse_unsupported(self, params: dict[str, Any]) -> None:
        for leaf in leaves(params):
            if leaf not in self.supports and not leaf.startswith(tuple(f"{name}." for name in self.supports)):
                raise unsupported(leaf, f"{self.verb.upper()} {self.path}")


OPERATIONS: dict[tuple[str, str], Operation] = {}
_BY_SHAPE: dict[tuple[str, int], list[Operation]] = {}
"""The same by verb and number of slashes, so that a request is compared with few of them."""


def operation(
    verb: str, path: str, *supports: str
) -> Callable[[Callable[[State, Call], Object]], Callable[[State, Call], Object]]:
    """Register a function for a path template of the SDK. `supports` names the parameters that it honours, dotted."""
    pattern = re.compile("^" + re.sub(r"{(\w+)}", r"(?P<\1>[A-Za-z0-9_]{1,255})", path) + "$")

    def register(function: Callable[[State, Call], Object]) -> Callable[[State, Call], Object]:
        OPERATIONS[verb, path] = one = Operation(verb, path, supports, function, pattern)
        _BY_SHAPE.setdefault((verb, path.count("/")), []).append(one)
        return function

    return register


def match(verb: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    for one in _BY_SHAPE.get((verb, path.count("/")), ()):
        if found := one.pattern.match(path):
            return one, found.groupdict()
    return None


def leaves(params: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of everything set: {"a": {"b": 1}, "c": [{"d": 2}]} → a.b, c.d."""
    if isinstance(params, dict) and params:
        for name, value in params.items():
            yield from leaves(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(params, list) and params:
        for value in params:
            yield from leaves(value, prefix)
    elif prefix:
        yield prefix


def merge_metadata(old: dict[str, str], given: Any) -> dict[str, str]:
    """Stripe's rule: given keys replace, an empty value removes the key, an empty string removes all."""
    if given is None:
        return old
    if given == "":
        return {}
    merged = {key: value for key, value in {**old, **given}.items() if value != ""}
    keys, key_length, value_length = METADATA_LIMITS
    if len(merged) > keys or any(len(k) > key_length or len(v) > value_length for k, v in merged.items()):
        raise invalid("Metadata holds at most 50 keys of 40 characters with values of 500.", param="metadata")
    return merged


# What may be expanded although an object that has none of it leaves it out.
LEFT_OUT = {("refund", "failure_balance_transaction")}


def expand(state: State, thing: Object, paths: list[str]) -> Object:
    """Replace ids by their objects, as `expand[]=latest_charge.balance_transaction` asks."""
    for path in paths:
        if not _expand(state, thing, path.split(".")):
            raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    return thing


def _expand(state: State, thing: Object, steps: list[str]) -> bool:
    step, *rest = steps
    if step == "data" and thing.get("object") == "list":
        return all(_expand(state, one, rest) for one in thing["data"]) if rest else False
    if step not in thing:
        return (thing.get("object"), step) in LEFT_OUT
    if thing[step] is None:
        return True
    if isinstance(thing[step], str):
        found = state.find(thing[step])
        if found is None:
            return False
        thing[step] = found
    if not isinstance(thing[step], dict):
        return False
    return _expand(state, thing[step], rest) if rest else True

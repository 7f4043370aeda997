"""Values at the edges of what a database, a clock or a text can hold, and where in a request they may be put."""

import copy
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from app.openapi import example_of

Json = dict[str, Any]
Path = tuple[str | int, ...]
FEW = 5  # of so many values one is taken where all have been taken before

NUMBERS: list[Any] = [
    0, -1, 40_000, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400,
    1e18, 1e19, 1e20, 1e308, -1e308, 5e-324, -0.0,
]  # fmt: skip
TIMES = [
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00-14:00", "1899-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59+14:00", "2026-02-30T00:00:00Z",
    "2999-12-31T23:59:59-14:00", "1900-01-01T00:00:00+14:00", "2026-01-01T00:00:00",
]  # fmt: skip
TEXTS = [
    "", " ", "\x00", "a\x00b", "\ud800", "a\udfffb", "\U0010ffff", "\u202e\ufeff", "x" * 10_000, "é" * 200,
    "' OR 1=1 --", "%", "evt_" + "f" * 32, "task_" + "f" * 32, "obs_" + "0" * 32, "NaN", "Infinity",
]  # fmt: skip
OTHERS: list[Any] = [None, True, [], {}, [[]], {"": ""}, {"\x00": 1}]


def deep(levels: int) -> Any:
    """A value nested so many levels deep."""
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


ANYTHING: list[Any] = [*NUMBERS, *TIMES, *TEXTS, *OTHERS, deep(200), deep(900), {"a": [1e20, 10**30, "\x00"]}]


def as_cursors() -> Iterator[str]:
    """What a page's cursor may be taken for once it is decoded."""
    for cursor in (*map(str, NUMBERS), "f" * 32, "task_" + "f" * 32, "evt_" + "f" * 32, "\x00", ""):
        yield urlsafe_b64encode(cursor.encode()).decode().rstrip("=")[:200]


def in_words() -> Iterator[str]:
    """Percent-encoded texts for paths, queries and forms."""
    yield from (str(number) for number in NUMBERS if number != 10**400)
    yield from (quote(text) for text in TIMES)
    yield from (quote(text, errors="surrogatepass") for text in TEXTS)
    yield from ("%ff%fe", "%ED%A0%80", "1_000", "%D9%A3", "+1", "1e3", "9" * 5_000, "90,180,100000", "0,0,1e308")


def nodes(schema: Json, components: Json, at: Path = (), depth: int = 0) -> Iterator[tuple[Path, Json]]:
    """Each place in a body of this schema, with the schema of what stands there."""
    schema = _resolved(schema, components)
    yield at, schema
    if depth > 8:
        return
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, components, (*at, name), depth + 1)
    if isinstance(schema.get("items"), dict):
        yield from nodes(schema["items"], components, (*at, 0), depth + 1)
    if schema.get("type") == "object" and "properties" not in schema:
        yield (*at, "extreme"), {}


def _resolved(schema: Json, components: Json) -> Json:
    """The schema itself: of several, the one that is not null."""
    while True:
        if "$ref" in schema:
            schema = components[schema["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in schema:
            schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
        else:
            return schema


def values(schema: Json) -> list[Any]:
    """What to put where the schema stands: all that is of its kind, and some that is not."""
    match schema.get("type"):
        case "integer" | "number":
            return [*NUMBERS, "", *OTHERS]
        case "string":
            return [*TEXTS, *TIMES, 2**63, *OTHERS]
        case "boolean":
            return [0, "", None]
        case "array" | "object":
            return [*OTHERS, 2**63, "", deep(900)]
        case _:
            return ANYTHING


def put(body: Any, at: Path, value: Any, schema: Json, components: Json) -> Any:
    """The body with `value` at a place; what is missing on the way there is made up from examples."""
    if not at:
        return value
    schema = _resolved(schema, components)
    step = at[0]
    if isinstance(step, int):
        items: list[Any] = list(body) if isinstance(body, list) and body else [None]
        items[0] = put(items[0], at[1:], value, schema.get("items", {}), components)
        return items
    body = copy.copy(body) if isinstance(body, dict) else example_of(schema, components)
    body = body if isinstance(body, dict) else {}
    inner = schema.get("properties", {}).get(step, {})
    body[step] = put(body.get(step), at[1:], value, inner, components)
    return body


def bodies(
    example: Any, schema: Json, components: Json, known: Mapping[Path, Json] | None = None
) -> Iterator[tuple[Path, bytes]]:
    """Each place of a body and each extreme value there, as JSON.

    known: places, with their schema, of something large that was walked through whole elsewhere. Where it stands here,
    at the root or in one of its fields, each place takes a few of the values in turn.
    """
    for n, (at, inner) in enumerate(nodes(schema, components)):
        again = known is not None and any(known.get(at[deep:]) == inner for deep in range(min(3, len(at))))
        for value in values(inner)[n % FEW :: FEW] if again else values(inner):
            yield at, json.dumps(put(example, at, value, schema, components)).encode()

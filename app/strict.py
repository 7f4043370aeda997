"""Strict input: what was sent is what was meant, and every field that is wrong is named in one answer.

msgspec stops at the first mistake. When it finds one, a second and slower pass over the decoded value collects them
all, each with the JSON pointer (RFC 6901) of its field.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import fields

from app.errors import FieldError, Problem

T = TypeVar("T")

MOST_ERRORS = 50
_AT = " - at `"  # in msgspec's messages, before the place of what lies further inside
# Calendars and clocks end somewhere, those of the database and of Python in different places; nobody means times there.
YEARS = range(1900, 3000)


def decode_body(body: bytes, kind: type[T], what: str = "The body") -> T:
    """The JSON `body` as a `kind`. Not JSON at all: 400; unknown fields, wrong types, values out of range: 422.

    what: where it stands, for the one who is told.
    """
    try:
        value = msgspec.json.decode(body, type=kind, strict=True)
        if b"\\u0000" in body:
            _refuse_nul(msgspec.json.decode(body))
        _refuse_far(value)
        return value
    except msgspec.ValidationError as first:
        # What does not fit may not even be JSON further on.
        raise _unprocessable(_plain_json(body, what), kind, first, strict=True) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, what, error) from None


def _plain_json(body: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:  # a number beyond all types
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(body, what, error) from None


def _malformed(body: bytes, what: str, error: Exception) -> Problem:
    detail = f"{what} is not JSON: {error}." if body else f"{what} is empty; a JSON object is expected."
    return Problem("malformed", detail)


def decode_query(pairs: Mapping[str, str], kind: type[T]) -> T:
    """Query parameters as a `kind`: texts that spell a number or a truth value count as such, the rest is strict."""
    _refuse_nul(pairs)
    try:
        value = msgspec.convert(dict(pairs), kind, strict=False)
        _refuse_far(value)
        return value
    except msgspec.ValidationError as first:
        raise _unprocessable(dict(pairs), kind, first, strict=False) from None


def _refuse_nul(value: Any) -> None:
    """PostgreSQL keeps no NUL in texts, so none may come in."""
    steps = _way_to_nul(value)
    if steps is not None:
        detail = "This text holds a NUL character, which cannot be kept."
        pointer = "".join(f"/{escape(step)}" for step in reversed(steps))
        raise Problem("validation", "One field is not as it must be.", errors=[FieldError(pointer, detail)])


def _way_to_nul(value: Any) -> list[str] | None:
    """The steps to the first text with a NUL, innermost first, put together on the way back only; None without one."""
    if isinstance(value, str):
        return [] if "\x00" in value else None
    if isinstance(value, Mapping):
        inside: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, list):
        inside = enumerate(value)
    else:
        return None
    for step, inner in inside:
        way = [] if isinstance(step, str) and "\x00" in step else _way_to_nul(inner)
        if way is not None:
            way.append(str(step))
            return way
    return None


def _refuse_far(value: Any) -> None:
    found = [FieldError(pointer, _FAR) for pointer in islice(_far_times(value, ""), MOST_ERRORS)]
    if found:
        raise _wrong(found)


_FAR = f"Times lie between the years {YEARS[0]} and {YEARS[-1]}."


def _far_times(value: Any, pointer: str) -> Iterator[str]:
    """Where in a decoded value times stand that nobody means."""
    if isinstance(value, datetime):
        if value.year not in YEARS:
            yield pointer
    elif isinstance(value, msgspec.Struct):
        for name, encoded in _timed(type(value)):
            yield from _far_times(getattr(value, name), f"{pointer}/{escape(encoded)}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _far_times(each, f"{pointer}/{index}")


@cache
def _timed(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    """The fields of a struct that are or hold times: name and name in JSON."""
    return [(field.name, field.encode_name) for field in fields(kind) if _holds_times(field.type)]


def _holds_times(kind: Any) -> bool:
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return bool(_timed(kind))
    return kind is datetime or any(_holds_times(option) for option in get_args(kind))


def _unprocessable(value: Any, kind: Any, first: Exception, *, strict: bool) -> Problem:
    found: list[FieldError] = []
    _collect(value, kind, "", found, strict=strict)
    return _wrong(found or [FieldError(pointer="", detail=_plain(first))])


def _wrong(found: list[FieldError]) -> Problem:
    count = len(found)
    some = f"At least {count}" if count >= MOST_ERRORS else f"{count}"
    detail = "One field is not as it must be." if count == 1 else f"{some} fields are not as they must be."
    return Problem("validation", detail, errors=found)


def _collect(value: Any, kind: Any, pointer: str, found: list[FieldError], *, strict: bool) -> None:
    """Append to `found` each mistake in `value`, deepest place first known, until there are enough of them."""
    try:
        msgspec.convert(value, kind, strict=strict)
        return
    except msgspec.ValidationError as error:
        before = len(found)
        inner = _struct_of(kind)
        if inner is not None and isinstance(value, dict):
            _collect_struct(value, inner, pointer, found, strict=strict)
        elif _AT in str(error) and isinstance(value, list) and (item := _item_of(kind)) is not None:
            for index, each in enumerate(value):
                if len(found) >= MOST_ERRORS:
                    return
                _collect(each, item, f"{pointer}/{index}", found, strict=strict)
        if len(found) == before:
            found.append(FieldError(pointer=pointer, detail=_plain(error, kind)))


def _collect_struct(
    value: dict[str, Any], kind: type[msgspec.Struct], pointer: str, found: list[FieldError], *, strict: bool
) -> None:
    known = {field.encode_name: field for field in fields(kind)}
    if kind.__struct_config__.forbid_unknown_fields:
        for name in value:
            if len(found) >= MOST_ERRORS:
                return
            if name not in known:
                found.append(FieldError(pointer=f"{pointer}/{escape(name)}", detail="This field is not known here."))
    for name, field in known.items():
        here = f"{pointer}/{escape(name)}"
        if len(found) >= MOST_ERRORS:
            return
        if name in value:
            _collect(value[name], field.type, here, found, strict=strict)
        elif field.required:
            found.append(FieldError(pointer=here, detail="This field is required."))


def _bare(kind: Any) -> Any:
    """`kind` without Annotated."""
    while hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    return kind


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The one struct that `kind` is, or may be (`Place | None`)."""
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    inside = [_struct_of(option) for option in get_args(kind) if get_origin(kind) not in (list, tuple, dict)]
    structs = [option for option in inside if option is not None]
    return structs[0] if len(structs) == 1 else None


def _described(kind: Any) -> str:
    """The description of the text with a pattern that `kind` is or may be; "" without one."""
    for each in getattr(kind, "__metadata__", ()):
        if isinstance(each, msgspec.Meta) and each.pattern is not None:
            return each.description or ""
    return next((found for option in get_args(kind) if (found := _described(option))), "")


def _allowed(kind: Any) -> list[str]:
    """What may stand where `kind` is one of a few values, as written in JSON; [] where it may be anything else."""
    kind = _bare(kind)
    if get_origin(kind) is Literal:
        return [msgspec.json.encode(each).decode() for each in get_args(kind)]
    options = [option for option in get_args(kind) if option is not type(None)]
    if get_origin(kind) not in (Union, UnionType) or not options:
        return []
    inside = [_allowed(option) for option in options]
    return [each for found in inside for each in found] if all(inside) else []


def _item_of(kind: Any) -> Any:
    """What a list of `kind` holds; None when it is no list."""
    kind = _bare(kind)
    if get_origin(kind) in (list, Sequence):
        return get_args(kind)[0]
    for option in get_args(kind):
        if (item := _item_of(option)) is not None:
            return item
    return None


def escape(name: str) -> str:
    """A name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _plain(error: Exception, kind: Any = None) -> str:
    """msgspec's message without its own path, which the pointer replaces, and in words where it shows a pattern."""
    text = str(error).split(_AT)[0]
    allowed = _allowed(kind)
    if allowed and text.startswith(("Invalid enum value", "Expected")):
        return f"{text.removesuffix('.')}. One of these is wanted: {', '.join(allowed)}."
    if "matching regex" in text:
        what = _described(kind)
        return f"This is not {what[0].lower()}{what[1:]}" if what else "This is not in the form that is wanted here."
    return text if text.endswith(".") else text + "."

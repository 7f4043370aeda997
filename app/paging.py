"""Lists: `?limit=` and an opaque `?cursor=`, answered by `{items, next_cursor}`."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec

from app.errors import FieldError, Problem

T = TypeVar("T")
R = TypeVar("R")

MOST_BEFORE = 2000

Limit = Annotated[int, msgspec.Meta(ge=1, le=200, description="How many at most.", examples=[50])]
Cursor = Annotated[str, msgspec.Meta(max_length=200, description="`next_cursor` of the page before.")]


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part of a list."""

    limit: Limit = 50
    cursor: Cursor | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list. `next_cursor` asks for the next part; null: this was the last."""

    items: list[T]
    next_cursor: str | None


def page(rows: Sequence[R], limit: int, place: Callable[[R], object], item: Callable[[R], T]) -> Page[T]:
    """The page of `rows`, which were fetched with one more than `limit`; `place` says where a row stands."""
    shown = rows[:limit]
    more = write_cursor(place(shown[-1])) if len(rows) > limit else None
    return Page([item(row) for row in shown], more)


def read_offset(cursor: str | None) -> int:
    """How many come before, in a list that is worked out anew for each page: so not without end."""
    offset = read_number(cursor) or 0
    if not 0 <= offset <= MOST_BEFORE:
        raise Problem("validation", "That is the end of the list.", errors=[FieldError("/cursor", "Too far.")])
    return offset


def page_at(rows: Sequence[T], offset: int, limit: int) -> Page[T]:
    """The page of `rows` after `offset` others, which were fetched with one more than `limit`."""
    return Page(list(rows[:limit]), write_cursor(offset + limit) if len(rows) > limit else None)


def write_cursor(place: object) -> str:
    """A place in a list as a cursor."""
    return urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def read_uuid(cursor: str | None) -> UUID | None:
    """The place of a list that goes by uuid."""
    return None if cursor is None else _read(cursor, UUID)


def read_number(cursor: str | None) -> int | None:
    """The place of a list that goes by a number."""
    return None if cursor is None else _read(cursor, _bounded)


def read_text(cursor: str | None) -> str | None:
    """The place of a list that goes by something else."""
    return None if cursor is None else _read(cursor, _some)


def _some(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _bounded(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _read(cursor: str, kind: Callable[[str], R]) -> R:
    try:
        return kind(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode())
    except ValueError:
        wrong = FieldError("/cursor", "This is no cursor of this list.")
        raise Problem("validation", "One field is not as it must be.", errors=[wrong]) from None

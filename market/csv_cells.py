"""Cells of CSV files that people open in a spreadsheet, which would run a text that begins like a formula.

Numbers stay numbers, negative ones too. A text that begins with what starts a formula gets an apostrophe before it,
which a spreadsheet shows as text; one that begins with an apostrophe gets another, so that reading back takes exactly
one away and finds what was written. Where semicolons or tabs part the cells, as in many countries' editions, our quotes
do not hold a cell together: what follows one of those inside a text, or a line's end, is guarded in the same way.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

Cell = str | int | Decimal | None
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones count in East Asian editions
GUARD = "'"
_BEGINS = rf"\A(?=[{re.escape(''.join(FORMULA))}{GUARD}])"
# A quote counts, too: doubled, as it is written, it would be an empty text before a formula.
_BEGINS_AGAIN = rf"(?<=[;\t\r\n])(?=[=+\-@＝＋－＠{GUARD}\"])"
_DANGER = re.compile(f"{_BEGINS}|{_BEGINS_AGAIN}")
_GUARDED = re.compile(rf"(?:\A|(?<=[;\t\r\n])){GUARD}")


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula, nor any part of it."""
    return _DANGER.sub(GUARD, text)


def unguarded(cell: str) -> str:
    """The text that `guarded` was given."""
    return _GUARDED.sub("", cell)


def lines(rows: Iterable[Sequence[Cell]]) -> str:
    """The rows in RFC 4180, each ended by CR LF; None is an empty cell."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerows([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return written.getvalue()


def read(text: Iterable[str]) -> Iterator[list[str]]:
    """The rows of such a file, as texts. `text`: lines with their ends as they stand, of a file opened with newline="".

    Raises ValueError for what is no CSV.
    """
    try:
        for row in csv.reader(text, strict=True):
            yield [unguarded(cell) for cell in row]
    except csv.Error as error:
        raise ValueError(f"this is no CSV: {error}") from None

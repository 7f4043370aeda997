"""Readings in CSV as instruments and spreadsheets write them, turned into SenML; what cannot be is said cell by cell.

Two forms, told apart by the header. Long: columns `time`, `name`, `value`, `unit`, one reading a row. Wide: a column
of times, then one for each quantity with its unit in brackets, `pm25 (ug/m3)`. Delimiters are comma, semicolon and
tab; decimals have a point or a comma, one of them in a file. No cell is ever computed: "=1+1" is no number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from sensors.senml import MAX_RECORDS
from sensors.units import find_unit

MAX_BYTES: Final = 1_000_000
MAX_ROWS: Final = 10_000
MAX_COLUMNS: Final = 50
MAX_PROBLEMS: Final = 100
MAX_CELL: Final = 200
_TIMES: Final = ("time", "timestamp", "datetime", "date", "date_time", "utc", "zeit")
_NAMES: Final = ("name", "quantity", "sensor", "parameter", "n")
_UNITS: Final = ("unit", "units", "u")
_VALUES: Final = ("value", "reading", "measurement", "v")
_NOTHING: Final = frozenset(("", "-", "na", "n/a", "nan", "null", "none"))
_NUMBER = re.compile(r"[+\-−]?[0-9]{1,30}(?:[.,][0-9]{1,30})?(?:[eE][+\-]?[0-9]{1,3})?")
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)? ?(Z|[+\-]\d{2}:?\d{2})?", re.ASCII
)
_WIDE = re.compile(r"([^()\[\]]{1,150})[(\[]([^()\[\]]{1,40})[)\]]")
_SECONDS = re.compile(r"[0-9]{9,11}(?:[.,][0-9]{1,6})?")


class BadTable(Exception):
    """This is no table of readings; the message says why."""


class Trouble(NamedTuple):
    """row: its line in the file, the header being 1; column: its heading, None for the row as a whole."""

    row: int
    column: str | None
    detail: str


class Converted(NamedTuple):
    """records: SenML in the order of the file; problems: the first MAX_PROBLEMS of `found`; missing: empty cells."""

    records: list[dict[str, Any]]
    problems: list[Trouble]
    found: int
    missing: int


class _Column(NamedTuple):
    heading: str
    name: str
    unit: str


class _Refused(Exception):
    """One cell cannot be read; the message says why."""


def convert_table(content: bytes, *, offset_min: int | None = None) -> Converted:
    """A CSV file as SenML records, each with a name, a unit on the list, a number and a time.

    offset_min: minutes east of UTC for times without a zone; None refuses them. Raises BadTable for what is no such
    table at all, is larger than MAX_BYTES, or has more than MAX_ROWS rows; a cell that cannot be read is a problem, and
    the others are still converted.
    """
    text = _decoded(content)
    rows = _rows(text)
    header = next(rows, (1, []))[1]
    headings = [cell.strip() for cell in header]
    if len(headings) < 2 or len(headings) > MAX_COLUMNS:
        raise BadTable(f"A header with 2 to {MAX_COLUMNS} columns is expected, with a time and what was measured")
    keys = [re.sub(r"[ _-]+", "_", heading.lower()) for heading in headings]
    clock = next((keys.index(each) for each in _TIMES if each in keys), None)
    if clock is None:
        raise BadTable(f"No column is called {_TIMES[0]!r} or {_TIMES[1]!r}")
    reader = _Reader(headings, clock, offset_min)
    long = [next((keys.index(each) for each in names if each in keys), None) for names in (_NAMES, _VALUES, _UNITS)]
    if None not in long:
        reader.long(rows, [index for index in long if index is not None])
    else:
        reader.wide(rows)
    return Converted(reader.records, reader.problems, reader.found, reader.missing)


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise BadTable(f"A table may have at most {MAX_BYTES} bytes")
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        if "\0" in text:
            break
        return text
    raise BadTable("This is no text")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lines that hold anything, each with its number. The delimiter is the one that the header has most of."""
    first = text.lstrip("\r\n").partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    count = 0
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            count += 1
            if count > MAX_ROWS + 1:
                raise BadTable(f"A table may have at most {MAX_ROWS} rows")
            yield reader.line_num, row
    except csv.Error as error:
        raise BadTable(f"Line {reader.line_num} is no CSV: {error}") from None


class _Reader:
    """What was converted so far, and what could not be."""

    def __init__(self, headings: list[str], clock: int, offset_min: int | None) -> None:
        self.headings, self.clock = headings, clock
        self.zone = None if offset_min is None else timezone(timedelta(minutes=offset_min))
        self.records: list[dict[str, Any]] = []
        self.problems: list[Trouble] = []
        self.found = self.missing = 0
        self.mark = ""

    def refuse(self, row: int, column: int | None, detail: str) -> None:
        self.found += 1
        if len(self.problems) < MAX_PROBLEMS:
            heading = None if column is None or column >= len(self.headings) else self.headings[column][:MAX_CELL]
            self.problems.append(Trouble(row, heading, detail))

    def long(self, rows: Iterator[tuple[int, list[str]]], places: list[int]) -> None:
        named, valued, measured = places
        for row, cells in rows:
            if not self._fits(row, cells):
                continue
            if cells[valued].strip().lower() in _NOTHING:
                self.missing += 1
                continue
            at = self._time(row, cells)
            column = self._column(row, cells[named], cells[measured], named, measured)
            if at is not None and column is not None:
                self._take(row, valued, cells[valued], column, at)

    def wide(self, rows: Iterator[tuple[int, list[str]]]) -> None:
        columns: dict[int, _Column] = {}
        for index, heading in enumerate(self.headings):
            if index == self.clock:
                continue
            found = _WIDE.fullmatch(heading)
            if found is None:
                self.refuse(
                    1, index, "This column has no unit: write it behind the name in brackets, as in pm25 (ug/m3)."
                )
                continue
            column = self._column(1, found[1], found[2], index, index)
            if column is not None:
                columns[index] = column
        for row, cells in rows:
            if not self._fits(row, cells):
                continue
            present = [index for index in columns if cells[index].strip().lower() not in _NOTHING]
            self.missing += len(columns) - len(present)
            at = self._time(row, cells) if present else None
            if at is None:
                continue
            for index in present:
                self._take(row, index, cells[index], columns[index], at)

    def _fits(self, row: int, cells: list[str]) -> bool:
        if len(cells) != len(self.headings):
            self.refuse(row, None, f"This row has {len(cells)} cells, the header has {len(self.headings)}.")
            return False
        return True

    def _column(self, row: int, name: str, unit: str, named: int, measured: int) -> _Column | None:
        """A quantity by its name and unit; letters that SenML names do not have become an underscore."""
        plain = re.sub(r"[^A-Za-z0-9\-:./_]+", "_", name.strip()).strip("_")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,99}", plain):
            self.refuse(row, named, f"{name.strip()[:40]!r} is no name for a quantity.")
            return None
        found = find_unit(unit[:MAX_CELL])
        if found is None:
            self.refuse(row, measured, f"The unit {unit.strip()[:20]!r} is not known here.")
            return None
        return _Column(name.strip(), plain, found.symbol)

    def _time(self, row: int, cells: list[str]) -> float | None:
        try:
            return _seconds(cells[self.clock].strip(), self.zone)
        except _Refused as refused:
            self.refuse(row, self.clock, str(refused))
            return None

    def _take(self, row: int, index: int, cell: str, column: _Column, at: float) -> None:
        try:
            value = self._number(cell.strip())
        except _Refused as refused:
            self.refuse(row, index, str(refused))
            return
        if len(self.records) >= MAX_RECORDS:
            raise BadTable(f"The table holds more than {MAX_RECORDS} readings; send it in parts")
        self.records.append({"n": column.name, "u": column.unit, "v": value, "t": at})

    def _number(self, cell: str) -> float:
        if len(cell) > MAX_CELL or not _NUMBER.fullmatch(cell):
            raise _Refused(f"{cell[:40]!r} is no number.")
        mark = "," if "," in cell else "." if "." in cell else ""
        if mark and self.mark and mark != self.mark:
            raise _Refused(f"{cell[:40]!r} has another decimal mark than the numbers before: {self.mark!r}.")
        self.mark = self.mark or mark
        return float(cell.replace(",", ".").replace("−", "-"))


def _seconds(cell: str, zone: timezone | None) -> float:
    """Seconds since 1970 of an ISO 8601 time, or of such a number itself."""
    if len(cell) <= MAX_CELL and _SECONDS.fullmatch(cell):
        return float(cell.replace(",", "."))
    found = _TIME.fullmatch(cell) if len(cell) <= MAX_CELL else None
    if found is None:
        raise _Refused(f"{cell[:40]!r} is no time; write it as 2026-05-03T12:00:00Z.")
    day, hour, minute, second, fraction, offset = found.groups()
    if offset is None and zone is None:
        raise _Refused(
            f"{cell[:40]!r} has no zone: write Z or +02:00 behind it, or say which offset the file's times have."
        )
    micro = ((fraction or "") + "000000")[:6]
    try:
        at = datetime.fromisoformat(f"{day}T{hour:0>2}:{minute}:{second or '00'}.{micro}{offset or ''}")
    except ValueError as error:
        raise _Refused(f"{cell[:40]!r} is no time: {error}.") from None
    return (at if offset is not None else at.replace(tzinfo=zone)).timestamp()

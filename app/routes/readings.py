"""Readings of instruments that write tables: turned into what a submission takes, before anything is handed in."""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import PERSON
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from market.terms import Strict
from sensors import tables


class Zone(Strict, frozen=True, kw_only=True):
    """What the times of the table count from, where they do not say so themselves."""

    offset_min: (
        Annotated[
            int,
            msgspec.Meta(ge=-840, le=840, description="Minutes east of UTC for times without a zone.", examples=[60]),
        ]
        | None
    ) = None


class CellProblem(msgspec.Struct, frozen=True):
    """A cell, or a whole row, that could not be converted. `row` is its line in the file, the header being 1."""

    row: int
    column: str | None
    detail: str


class Conversion(msgspec.Struct, frozen=True):
    """`readings` goes into a submission as it is. `problem_count` counts all problems, of which the first are listed;
    `missing` counts cells that hold nothing."""

    readings: list[dict[str, Any]]
    problems: list[CellProblem]
    problem_count: int
    missing: int


@endpoint(
    "POST", "/v1/people/readings/convert", by=PERSON, uses="own", limit=tables.MAX_BYTES, consumes="text/csv",
    problems=("validation",),
)  # fmt: skip
async def convert_readings(call: Call, query: Zone) -> Conversion:
    """Turn a table of readings (CSV) into SenML, and see what cannot be.

    Nothing is handed in or kept: the answer's `readings` belong into a submission. The first line names the columns:
    either `time`, `name`, `value` and `unit`, or `time` and then each quantity with its unit in brackets, as in
    `pm25 (ug/m3)`. Cells are divided by commas, semicolons or tabs; decimals have a point or a comma; times are ISO
    8601 with a zone, unless `offset_min` says which. At most 10,000 rows, readings and 1 MB.
    """
    kind = call.request.headers.get("content-type", "text/csv").split(";")[0].strip().lower()
    if kind != "text/csv":
        raise Problem("unsupported-media", f"This operation takes text/csv, not {kind[:100]}.")
    body = await call.request.body()
    try:
        found = await asyncio.to_thread(tables.convert_table, body, offset_min=query.offset_min)
    except tables.BadTable as error:
        raise Problem("validation", "This is no table of readings.", errors=[FieldError("", f"{error}.")]) from None
    problems = [CellProblem(*each) for each in found.problems]
    return Conversion(found.records, problems, found.found, found.missing)


ROUTES: list[HTTPRouteHandler] = [convert_readings]

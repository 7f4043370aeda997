"""Exports as CSV: the journal, the trial balance, a payout run, the lines of Stripe's balance.

No text in them can become a formula of a spreadsheet (market/csv_cells.py says how, and how to undo it).
"""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.csv_out import CsvStream, csv_answer
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.moments import moment
from app.routes.operator.books import TrialQuery
from market import exports, ids, journal
from market.matching import State

EXPORTS = "/v1/operator/exports"

From = Annotated[
    str,
    msgspec.Meta(
        max_length=40, examples=["2026-03-01"],
        description="Posted from this day (UTC) on, or from this moment on: 2026-03-01, 2026-03-01T09:00:00Z.",
    ),
]  # fmt: skip
To = Annotated[
    str,
    msgspec.Meta(
        max_length=40, examples=["2026-03-31"],
        description="Posted by the end of this day (UTC), or before this moment: 2026-03-31, 2026-03-31T17:00:00Z.",
    ),
]  # fmt: skip


class JournalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was posted on these days, both included, or between these moments; left out: everything."""

    begins: From | None = msgspec.field(name="from", default=None)
    ends: To | None = msgspec.field(name="to", default=None)

    def span(self) -> tuple[datetime | None, datetime | None]:
        """The first moment, and the first one after. Raises Problem, which names the field."""
        found: list[datetime | None] = []
        wrong: list[FieldError] = []
        for name, text in (("from", self.begins), ("to", self.ends)):
            try:
                found.append(None if text is None else moment(text, last=name == "to"))
            except ValueError as error:
                wrong.append(FieldError(f"/{name}", str(error)))
        if wrong:
            raise Problem("validation", "A time cannot be read.", errors=wrong)
        begins, ends = found
        return begins, ends


class StateQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """In one state, or all."""

    state: State | None = None


@endpoint("GET", f"{EXPORTS}/journal", by=OPERATOR, uses="own", produces="text/csv", audited=True)
async def export_journal(call: Call, query: JournalQuery) -> Answer:
    """The journal: every line of every transaction, by time.

    Amounts are minor units, in `debit` or in `credit`. From the whole of it every balance can be made again:
    `sensorium books rebuild`.
    """
    batches = exports.journal_batches(call.services.database, *query.span())
    return CsvStream("journal.csv", journal.COLUMNS, batches)


@endpoint("GET", f"{EXPORTS}/trial-balance", by=OPERATOR, produces="text/csv", audited=True)
async def export_trial_balance(call: Call, query: TrialQuery) -> Answer:
    """The trial balance, one row a kind of account and currency, in minor units."""
    rows = await exports.trial_rows(call.connection, query.at)
    return csv_answer("trial-balance.csv", exports.TRIAL_COLUMNS, rows)


@endpoint("GET", f"{EXPORTS}/payout-runs/{{run_id}}", by=OPERATOR, uses="own", produces="text/csv", audited=True)
async def export_payout_run(call: Call, run_id: str) -> Answer:
    """The lines of a payout run, with names and addresses of those who are paid: it is kept who took them."""
    run = ids.read("payout_run", run_id)
    async with call.services.database.read() as connection:
        await exports.require_run(connection, run)
    return CsvStream(f"{run_id}.csv", exports.RUN_COLUMNS, exports.run_batches(call.services.database, run))


@endpoint("GET", f"{EXPORTS}/balance-lines", by=OPERATOR, uses="own", produces="text/csv", audited=True)
async def export_balance_lines(call: Call, query: StateQuery) -> Answer:
    """Lines of Stripe's balance, newest first, and what stands for each."""
    batches = exports.line_batches(call.services.database, query.state)
    return CsvStream("balance-lines.csv", exports.LINE_COLUMNS, batches)


ROUTES: list[HTTPRouteHandler] = [
    export_journal, export_trial_balance, export_payout_run, export_balance_lines,
]  # fmt: skip

"""Payout runs: made, submitted, approved by somebody else, executed."""

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.money.runs import queue_run
from app.paging import Page, Window, page, read_uuid
from market import ids, payout_views, payouts
from market.money import LARGEST, Currency
from market.payout_views import Line, Run


class RunDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A run to be made: everybody with at least `minimum` (minor units) payable in `currency`."""

    currency: Currency = "usd"
    minimum: Annotated[int, msgspec.Meta(ge=1, le=LARGEST, examples=[100])] = 100


@endpoint("POST", "/v1/operator/payout-runs", by=OPERATOR, once=True, status=201)
async def make_payout_run(call: Call, data: RunDraft) -> Run:
    """Make a payout run.

    Its lines are fixed and hashed at once. `exclusions` names who has earnings and is left out, and why.
    """
    run = await payouts.make(call.connection, call.actor.owner, data.currency, data.minimum)
    return await payout_views.get(call.connection, run)


@endpoint("GET", "/v1/operator/payout-runs", by=OPERATOR)
async def list_payout_runs(call: Call, query: Window) -> Page[Run]:
    """Payout runs, newest first, with totals and without their lines."""
    runs = await payout_views.listed(call.connection, before=read_uuid(query.cursor), limit=query.limit + 1)
    return page(runs, query.limit, lambda run: ids.read("payout_run", run.id), lambda run: run)


@endpoint("GET", "/v1/operator/payout-runs/{run_id}", by=OPERATOR)
async def get_payout_run(call: Call, run_id: str) -> Run:
    """One payout run: totals, its first 500 lines and exclusions."""
    return await payout_views.get(call.connection, ids.read("payout_run", run_id))


@endpoint("GET", "/v1/operator/payout-runs/{run_id}/lines", by=OPERATOR)
async def list_payout_lines(call: Call, run_id: str, query: Window) -> Page[Line]:
    """All lines of a payout run."""
    run, after = ids.read("payout_run", run_id), read_uuid(query.cursor)
    lines = await payout_views.lines(call.connection, run, after=after, limit=query.limit + 1)
    return page(lines, query.limit, lambda line: ids.read("payout", line.id), lambda line: line)


@endpoint("POST", "/v1/operator/payout-runs/{run_id}/submit", by=OPERATOR, problems=("wrong-state",))
async def submit_payout_run(call: Call, run_id: str) -> Run:
    """Hand a run in for approval."""
    run = ids.read("payout_run", run_id)
    await payouts.submit(call.connection, call.actor.owner, run)
    return await payout_views.get(call.connection, run)


@endpoint("POST", "/v1/operator/payout-runs/{run_id}/approve", by=OPERATOR, problems=("wrong-state", "policy-refused"))
async def approve_payout_run(call: Call, run_id: str) -> Run:
    """Approve a run that another operator has made and submitted.

    The approval is of exactly the lines whose hash the run shows.
    """
    run = ids.read("payout_run", run_id)
    await payouts.approve(call.connection, call.actor.owner, run)
    return await payout_views.get(call.connection, run)


@endpoint("POST", "/v1/operator/payout-runs/{run_id}/execute", by=OPERATOR, once=True, problems=("wrong-state",))
async def execute_payout_run(call: Call, run_id: str) -> Run:
    """Pay an approved run.

    Each person is checked once more. Transfers go out in the background; the run ends as `done`, or as `partial` when
    some were refused. Executing a partial run tries those lines again.
    """
    run = ids.read("payout_run", run_id)
    await payouts.execute(call.connection, call.actor.owner, run)
    await queue_run(call.connection, run)
    return await payout_views.get(call.connection, run)


ROUTES: list[HTTPRouteHandler] = [
    make_payout_run,
    list_payout_runs,
    get_payout_run,
    list_payout_lines,
    submit_payout_run,
    approve_payout_run,
    execute_payout_run,
]

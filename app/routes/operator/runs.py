"""Payout runs: looked at, made, changed, submitted, approved by somebody else, executed."""

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, UnsetType

from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.money.runs import queue_run
from app.paging import Page, Window, page, read_uuid
from market import ids, payout_history, payout_preview, payout_views, payouts
from market.money import LARGEST, Currency
from market.payout_history import LineHistory
from market.payout_preview import LARGEST_SUM, Preview
from market.payout_views import Exclusion, Line, Run

RUNS = "/v1/operator/payout-runs"

Minimum = Annotated[int, msgspec.Meta(ge=1, le=LARGEST, description="Who has less waits; minor units.", examples=[100])]
PerLine = Annotated[
    int, msgspec.Meta(ge=1, le=LARGEST_SUM, description="Nobody gets more at once; minor units.", examples=[50_000])
]
InAll = Annotated[
    int, msgspec.Meta(ge=1, le=LARGEST_SUM, description="The whole run; minor units.", examples=[2_000_000])
]
Note = Annotated[str, msgspec.Meta(max_length=500, examples=["October, first half"])]
Why = Annotated[str, msgspec.Meta(min_length=1, max_length=500, examples=["asked us to wait for the new bank account"])]
PersonId = Annotated[str, msgspec.Meta(max_length=50, examples=["prsn_0199a7c2f3d47c9e8a1b2c3d4e5f6a7b"])]


class RunDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A run to be made: everybody with at least `minimum` payable in `currency`, whose own minimum counts without one.

    With `most_in_all`, those whose oldest unpaid earning is oldest come first. draft: it may still be changed.
    """

    currency: Currency = "usd"
    minimum: Minimum | None = None
    most_per_line: PerLine | None = None
    most_in_all: InAll | None = None
    note: Note = ""
    draft: bool = False


class RunChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What becomes different; what is left out stays. null takes a cap away."""

    minimum: Minimum | UnsetType = UNSET
    most_per_line: PerLine | UnsetType | None = UNSET
    most_in_all: InAll | UnsetType | None = UNSET
    note: Note | UnsetType = UNSET


class PreviewQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A run to be thought of. shown: how many lines and exclusions are listed."""

    currency: Currency = "usd"
    minimum: Minimum | None = None
    most_per_line: PerLine | None = None
    most_in_all: InAll | None = None
    shown: Annotated[int, msgspec.Meta(ge=0, le=payout_views.SHOWN, examples=[50])] = 50


class TakenOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is left out of this run by an operator's decision, and why."""

    person_id: PersonId
    note: Why


class TakenIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is judged like everybody again."""

    person_id: PersonId


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """lines_sha256: of the lines that you have looked at. When the run has others by now, nothing happens.

    A run that was reopened is approved with it only.
    """

    lines_sha256: Annotated[str, msgspec.Meta(max_length=100, examples=["5f" * 32])] | None = None


NOT_SAID = Seen()
AS_SEEN = {"lines_sha256": "5f" * 32}


@endpoint("POST", RUNS, by=OPERATOR, once=True, status=201)
async def make_payout_run(call: Call, data: RunDraft) -> Run:
    """Make a payout run.

    Its lines are fixed and hashed at once, unless it is to be a draft. `exclusions` names who has earnings and is left
    out, and why.
    """
    connection, operator = call.connection, call.actor.owner
    terms = await payout_preview.terms(
        connection, data.currency, data.minimum, data.most_per_line, data.most_in_all, data.note.strip()
    )
    run = await payouts.draft(connection, operator, terms)
    if not data.draft:
        await payouts.freeze(connection, operator, run)
    return await payout_views.get(connection, run)


@endpoint("GET", RUNS, by=OPERATOR)
async def list_payout_runs(call: Call, query: Window) -> Page[Run]:
    """Payout runs, newest first, with totals and without their lines."""
    runs = await payout_views.listed(call.connection, before=read_uuid(query.cursor), limit=query.limit + 1)
    return page(runs, query.limit, lambda run: ids.read("payout_run", run.id), lambda run: run)


@endpoint("GET", f"{RUNS}/preview", by=OPERATOR)
async def preview_payout_run(call: Call, query: PreviewQuery) -> Preview:
    """What a run would pay, to how many, and who would be left out and why, as of now. Nothing is written."""
    terms = await payout_preview.terms(
        call.connection, query.currency, query.minimum, query.most_per_line, query.most_in_all
    )
    return await payout_preview.preview(call.connection, terms, shown=query.shown)


@endpoint("GET", f"{RUNS}/{{run_id}}", by=OPERATOR)
async def get_payout_run(call: Call, run_id: str) -> Run:
    """One payout run: totals, its first 500 lines and exclusions."""
    return await payout_views.get(call.connection, ids.read("payout_run", run_id))


@endpoint("GET", f"{RUNS}/{{run_id}}/lines", by=OPERATOR)
async def list_payout_lines(call: Call, run_id: str, query: Window) -> Page[Line]:
    """All lines of a payout run."""
    run, after = ids.read("payout_run", run_id), read_uuid(query.cursor)
    lines = await payout_views.lines(call.connection, run, after=after, limit=query.limit + 1)
    return page(lines, query.limit, lambda line: ids.read("payout", line.id), lambda line: line)


@endpoint("GET", f"{RUNS}/{{run_id}}/exclusions", by=OPERATOR)
async def list_payout_exclusions(call: Call, run_id: str, query: Window) -> Page[Exclusion]:
    """Everybody who has earnings and is not in the run, and why."""
    run, after = ids.read("payout_run", run_id), read_uuid(query.cursor)
    others = await payout_views.exclusions(call.connection, run, after=after, limit=query.limit + 1)
    return page(others, query.limit, lambda one: ids.read("person", one.person_id), lambda one: one)


@endpoint("GET", "/v1/operator/payouts/{payout_id}", by=OPERATOR)
async def get_payout(call: Call, payout_id: str) -> LineHistory:
    """One line of a run: each try at Stripe, under which key and what came of it, and its transactions in the books."""
    return await payout_history.get(call.connection, ids.read("payout", payout_id))


# ---- drafts


@endpoint(
    "PATCH", f"{RUNS}/{{run_id}}", by=OPERATOR, problems=("wrong-state",), example={"most_per_line": 50_000}
)  # fmt: skip
async def change_payout_run(call: Call, run_id: str, data: RunChange) -> Run:
    """Change a draft. Its lines are made anew; an empty change does just that."""
    run = ids.read("payout_run", run_id)
    before = await payouts.terms_of(call.connection, run)
    terms = await payout_preview.terms(
        call.connection,
        before.currency,
        before.minimum if data.minimum is UNSET else data.minimum,
        before.most_per_line if data.most_per_line is UNSET else data.most_per_line,
        before.most_in_all if data.most_in_all is UNSET else data.most_in_all,
        before.note if data.note is UNSET else data.note.strip(),
    )
    await payouts.change(call.connection, call.actor.owner, run, terms)
    return await payout_views.get(call.connection, run)


@endpoint("DELETE", f"{RUNS}/{{run_id}}", by=OPERATOR, problems=("wrong-state",))
async def discard_payout_run(call: Call, run_id: str) -> None:
    """Delete a draft."""
    await payouts.discard(call.connection, call.actor.owner, ids.read("payout_run", run_id))


@endpoint("POST", f"{RUNS}/{{run_id}}/exclude", by=OPERATOR, problems=("wrong-state",))
async def exclude_from_payout_run(call: Call, run_id: str, data: TakenOut) -> Run:
    """Take somebody out of a draft. For all runs until further notice there are holds."""
    run, person = ids.read("payout_run", run_id), ids.read("person", data.person_id)
    await payouts.exclude(call.connection, call.actor.owner, run, person, data.note.strip())
    return await payout_views.get(call.connection, run)


@endpoint("POST", f"{RUNS}/{{run_id}}/include", by=OPERATOR, problems=("wrong-state",))
async def include_in_payout_run(call: Call, run_id: str, data: TakenIn) -> Run:
    """Take back that somebody was taken out of a draft."""
    run, person = ids.read("payout_run", run_id), ids.read("person", data.person_id)
    await payouts.include(call.connection, call.actor.owner, run, person)
    return await payout_views.get(call.connection, run)


@endpoint("POST", f"{RUNS}/{{run_id}}/freeze", by=OPERATOR, problems=("wrong-state",))
async def freeze_payout_run(call: Call, run_id: str) -> Run:
    """Fix a draft's lines as they were last shown, and hash them."""
    run = ids.read("payout_run", run_id)
    await payouts.freeze(call.connection, call.actor.owner, run)
    return await payout_views.get(call.connection, run)


@endpoint("POST", f"{RUNS}/{{run_id}}/reopen", by=OPERATOR, problems=("wrong-state",))
async def reopen_payout_run(call: Call, run_id: str) -> Run:
    """Make a run a draft again.

    Possible until it is executed. Its hash, submission and approval are void, and its lines are made anew.
    """
    run = ids.read("payout_run", run_id)
    await payouts.reopen(call.connection, call.actor.owner, run)
    return await payout_views.get(call.connection, run)


# ---- four eyes


@endpoint("POST", f"{RUNS}/{{run_id}}/submit", by=OPERATOR, problems=("wrong-state", "conflict"), example=AS_SEEN)
async def submit_payout_run(call: Call, run_id: str, data: Seen = NOT_SAID) -> Run:
    """Hand a run in for approval."""
    run, seen = ids.read("payout_run", run_id), payouts.read_hash(data.lines_sha256)
    await payouts.submit(call.connection, call.actor.owner, run, seen)
    return await payout_views.get(call.connection, run)


@endpoint(
    "POST", f"{RUNS}/{{run_id}}/approve", by=OPERATOR, proven=True, example=AS_SEEN,
    problems=("wrong-state", "policy-refused", "conflict"),
)  # fmt: skip
async def approve_payout_run(call: Call, run_id: str, data: Seen = NOT_SAID) -> Run:
    """Approve a run that another operator has made and submitted.

    The approval is of exactly the lines whose hash the run shows, and lasts 72 hours. Send `lines_sha256` as you have
    seen it: of a run that was reopened, which had other lines before, it is required. An approved run, or one that was
    paid in part, is approved anew in the same way.
    """
    run, seen = ids.read("payout_run", run_id), payouts.read_hash(data.lines_sha256)
    await payouts.approve(call.connection, call.actor.owner, run, seen)
    return await payout_views.get(call.connection, run)


@endpoint(
    "POST", f"{RUNS}/{{run_id}}/execute", by=OPERATOR, once=True, proven=True,
    problems=("wrong-state", "approval-expired", "stopped", "conflict"),
)  # fmt: skip
async def execute_payout_run(call: Call, run_id: str) -> Run:
    """Pay an approved run.

    Any operator may: the decision was the approver's. Each person is checked once more. Transfers go out in the
    background; the run ends as `done`, or as `partial` when some were refused. Executing a partial run tries those
    lines again, while its approval lasts.
    """
    run = ids.read("payout_run", run_id)
    await payouts.execute(call.connection, call.actor.owner, run)
    await queue_run(call.connection, run)
    return await payout_views.get(call.connection, run)


ROUTES: list[HTTPRouteHandler] = [
    make_payout_run,
    list_payout_runs,
    preview_payout_run,
    get_payout_run,
    list_payout_lines,
    list_payout_exclusions,
    get_payout,
    change_payout_run,
    discard_payout_run,
    exclude_from_payout_run,
    include_in_payout_run,
    freeze_payout_run,
    reopen_payout_run,
    submit_payout_run,
    approve_payout_run,
    execute_payout_run,
]

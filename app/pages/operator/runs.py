"""Payout runs: looked at beforehand, made, frozen, submitted, approved by somebody else, executed, and their lines."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.answers import Answer
from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.errors import Problem
from app.pages.operations import Form, asked, perform, perform_once, view
from app.pages.operator import phrases
from app.pages.operator.forms import Sent, form_at, sent_with
from app.pages.operator.frame import At, Cursor, Done, guarded, onward, pressed, show, taken
from app.paging import Window
from app.problems import to_problem
from app.routes.operator import runs as operations
from app.strict import decode_query
from market import answers_desk, ids
from market.errors import Refusal
from market.money import CURRENCIES, Currency
from market.payout_preview import Expected, Preview
from market.payout_views import Exclusion, Line
from market.terms import Strict

STEPS = ("draft", "frozen", "submitted", "approved", "executing", "done")
SHOWN = 50
Typed = Annotated[str, msgspec.Meta(max_length=40)]


class Thought(Strict, frozen=True, kw_only=True):
    """The form of a run to be made: amounts as people type them."""

    currency: Currency = "usd"
    minimum: Typed = ""
    most_per_line: Typed = ""
    most_in_all: Typed = ""
    note: operations.Note = ""
    draft: bool = False
    once: Typed = ""  # for the buttons that make it; looking again takes it along

    def filled(self) -> dict[str, str]:
        """The amounts in minor units, as the operation takes them, those that were typed."""
        typed = {name: getattr(self, name) for name in ("minimum", "most_per_line", "most_in_all")}
        units = {
            name: phrases.minor_units(text.strip(), self.currency, f"/{name}") for name, text in typed.items()
        }  # fmt: skip
        return {name: str(value) for name, value in units.items() if value is not None}


class Changing(Thought, frozen=True, kw_only=True):
    """A draft's terms as they stand in its form; a blank cap is none, and a blank minimum stays as it is."""

    def change(self) -> operations.RunChange:
        """As the operation takes it."""
        filled = decode_query({"note": self.note, **self.filled()}, operations.RunChange)
        caps = {name: None for name in ("most_per_line", "most_in_all") if not getattr(self, name).strip()}
        return msgspec.structs.replace(filled, **caps)


class Seen(Strict, frozen=True, kw_only=True):
    """person: whom the form to leave somebody out is about."""

    person: Annotated[str, msgspec.Meta(max_length=60)] = ""
    cursor: Cursor | None = None
    done: Done = ""


@endpoint("GET", "/operator/runs", by=OPERATOR, hidden=True)
async def runs_page(call: Call) -> Answer:
    """All runs, newest first."""
    found = await view(operations.list_payout_runs, call, query=Window(cursor=asked(call, At).cursor))
    return await show(call, call.connection, "runs.html", found=found)


@endpoint("GET", "/operator/runs/new", by=OPERATOR, audited=True, hidden=True)
async def new_run_page(call: Call) -> Answer:
    """What a run would pay as of now, whom it would leave out and why; and the form that makes it."""
    sent = sent_with(call)
    texts = {name: values[0] for name, values in sent.texts.items()} or dict(call.request.query_params)
    try:
        thought, preview = await _thought(call, texts)
    except (Problem, Refusal) as error:
        if sent.problem is None:
            sent = Sent("/operator/runs", {name: [text] for name, text in texts.items()}, to_problem(error))
        thought, preview = await _thought(call, {"currency": texts.get("currency", "")}, even_so=True)
    return await show(
        call, call.connection, "run_new.html", thought=thought, preview=preview, currencies=phrases.CURRENCIES,
        people=await _called(call, [*preview.lines, *preview.exclusions]), sent=sent,
        status=200 if sent.problem is None else sent.problem.status,
    )  # fmt: skip


async def _thought(call: Call, texts: Mapping[str, str], *, even_so: bool = False) -> tuple[Thought, Preview]:
    """What was typed, and what a run of it would pay. Raises Problem, Refusal; even_so: a currency that is none is the
    usual one."""
    if even_so and texts["currency"] not in CURRENCIES:
        texts = {}
    thought = decode_query({name: text for name, text in texts.items() if text.strip()}, Thought)
    wanted = decode_query({"currency": thought.currency, **thought.filled()}, operations.PreviewQuery)
    return thought, await view(operations.preview_payout_run, call, query=wanted)


async def _called(call: Call, rows: Iterable[Expected | Line | Exclusion]) -> dict[str, str]:
    """What the people of these rows are called. A page that shows it is kept in the audit log as looked at."""
    return await answers_desk.names(call.connection, (row.person_id for row in rows))


@form_at("/operator/runs")
async def make_run_by_form(call: Call) -> Answer:
    """Make the run."""
    form = await taken(call)
    once = form.first("once")
    form.texts.pop("once", None)
    thought = decode_query(form.filled(), Thought)
    given = {
        "currency": thought.currency,
        "note": thought.note,
        "draft": str(thought.draft).lower(),
        **thought.filled(),
    }
    made = await perform_once(operations.make_payout_run, call, once, data=decode_query(given, operations.RunDraft))
    return onward(f"/operator/runs/{made['id']}", "made")


@endpoint("GET", "/operator/runs/{run_id}", by=OPERATOR, audited=True, hidden=True)
async def run_page(call: Call, run_id: str) -> Answer:
    """One run: how far it is, what comes next and by whom, its lines and whom it leaves out."""
    seen = asked(call, Seen)
    run = await view(operations.get_payout_run, call, run_id=run_id)
    me = ids.show("operator", call.actor.owner)
    return await show(
        call, call.connection, "run.html", run=run, me=me, steps=STEPS, shown=SHOWN, person=seen.person,
        mine=me in (run.made_by, run.submitted_by),
        people=await _called(call, [*run.lines[:SHOWN], *run.exclusions[:SHOWN]]),
    )  # fmt: skip


@endpoint("GET", "/operator/runs/{run_id}/lines", by=OPERATOR, audited=True, hidden=True)
async def run_lines_page(call: Call, run_id: str) -> Answer:
    """All lines of a run."""
    run = await view(operations.get_payout_run, call, run_id=run_id)
    window = Window(limit=200, cursor=asked(call, At).cursor)
    found = await view(operations.list_payout_lines, call, run_id=run_id, query=window)
    return await show(
        call, call.connection, "run_lines.html", run=run, found=found, people=await _called(call, found.items)
    )


@endpoint("GET", "/operator/runs/{run_id}/exclusions", by=OPERATOR, audited=True, hidden=True)
async def run_exclusions_page(call: Call, run_id: str) -> Answer:
    """Everybody whom a run leaves out."""
    run = await view(operations.get_payout_run, call, run_id=run_id)
    window = Window(limit=200, cursor=asked(call, At).cursor)
    found = await view(operations.list_payout_exclusions, call, run_id=run_id, query=window)
    return await show(
        call, call.connection, "run_exclusions.html", run=run, found=found, people=await _called(call, found.items)
    )


@endpoint("GET", "/operator/payouts/{payout_id}", by=OPERATOR, audited=True, hidden=True)
async def payout_page(call: Call, payout_id: str) -> Answer:
    """One line: each try at Stripe with its key, the same or a new one, and its entries in the books."""
    found = await view(operations.get_payout, call, payout_id=payout_id)
    return await show(
        call, call.connection, "payout.html", found=found, line=found.line, people=await _called(call, [found.line])
    )


# ---- what a form does


def _hash(form: Form) -> operations.Seen:
    """The hash of the lines that the page has shown: an approval is of those and no others."""
    return decode_query({"lines_sha256": form.first("lines_sha256")}, operations.Seen)


@form_at("/operator/runs/{run_id}/freeze")
async def freeze_run_by_form(call: Call, run_id: str) -> Answer:
    """Fix a draft's lines."""
    return await pressed(call, operations.freeze_payout_run, "frozen", run_id=run_id)


@form_at("/operator/runs/{run_id}/change")
async def change_run_by_form(call: Call, run_id: str) -> Answer:
    """Give a draft other terms."""
    given = decode_query((await taken(call)).filled(), Changing)
    await perform(operations.change_payout_run, call, run_id=run_id, data=given.change())
    return onward(f"/operator/runs/{run_id}", "changed")


@form_at("/operator/runs/{run_id}/submit")
async def submit_run_by_form(call: Call, run_id: str) -> Answer:
    """Hand a run in for approval."""
    await perform(operations.submit_payout_run, call, run_id=run_id, data=_hash(await taken(call)))
    return onward(f"/operator/runs/{run_id}", "submitted")


@form_at("/operator/runs/{run_id}/approve")
async def approve_run_by_form(call: Call, run_id: str) -> Answer:
    """Approve the lines that were shown."""
    await perform(operations.approve_payout_run, call, run_id=run_id, data=_hash(await taken(call)))
    return onward(f"/operator/runs/{run_id}", "approved")


@form_at("/operator/runs/{run_id}/execute")
async def execute_run_by_form(call: Call, run_id: str) -> Answer:
    """Pay."""
    return await pressed(call, operations.execute_payout_run, "executing", run_id=run_id)


@form_at("/operator/runs/{run_id}/reopen")
async def reopen_run_by_form(call: Call, run_id: str) -> Answer:
    """Make it a draft again."""
    return await pressed(call, operations.reopen_payout_run, "reopened", run_id=run_id)


@form_at("/operator/runs/{run_id}/discard")
async def discard_run_by_form(call: Call, run_id: str) -> Answer:
    """Delete a draft."""
    await taken(call)
    await perform(operations.discard_payout_run, call, run_id=run_id)
    return onward("/operator/runs", "discarded")  # its page is gone


@form_at("/operator/runs/{run_id}/exclude")
async def exclude_by_form(call: Call, run_id: str) -> Answer:
    """Leave somebody out of a draft."""
    given = decode_query((await taken(call)).filled(), operations.TakenOut)
    await perform(operations.exclude_from_payout_run, call, run_id=run_id, data=given)
    return onward(f"/operator/runs/{run_id}", "excluded")


@form_at("/operator/runs/{run_id}/include")
async def include_by_form(call: Call, run_id: str) -> Answer:
    """Take back that somebody was left out."""
    given = decode_query((await taken(call)).filled(), operations.TakenIn)
    await perform(operations.include_in_payout_run, call, run_id=run_id, data=given)
    return onward(f"/operator/runs/{run_id}", "included")


ROUTES: list[HTTPRouteHandler] = guarded(
    [
        runs_page, new_run_page, make_run_by_form, run_page, run_lines_page, run_exclusions_page, payout_page,
        change_run_by_form, freeze_run_by_form, submit_run_by_form, approve_run_by_form, execute_run_by_form,
        reopen_run_by_form, discard_run_by_form, exclude_by_form, include_by_form,
    ]
)  # fmt: skip

"""An agent's tasks: post, list, change, end."""

from typing import Annotated, Any, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import funds
from app.answers import Answer, json_answer, request_id
from app.auth import AGENT
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import Problem
from app.paging import Page, Window, page, read_text
from app.postings import Rehearsal, Rehearsing, post, rehearse, tried
from app.problems import members
from app.request_headers import IF_MATCH
from app.strict import decode_body
from market import tasks
from market.errors import InsufficientFunds, Refusal
from market.terms import TaskChange, TaskDraft

MOST_AT_ONCE = 500
BATCH_LIMIT = 5_000_000


class TasksAsked(Window, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which tasks."""

    status: Literal["open", "completed", "expired", "cancelled"] | None = None
    external_id: Annotated[str, msgspec.Meta(max_length=200, description="Your own name for the task.")] | None = None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Several task drafts, each judged alone."""

    tasks: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MOST_AT_ONCE)]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one draft: the task, in a dry run what it would be, or the problem why not."""

    status: int
    task: tasks.Task | None = None
    rehearsal: Rehearsal | None = None
    problem: dict[str, Any] | None = None


class Outcomes(msgspec.Struct, frozen=True):
    """What became of each draft, in their order."""

    results: list[Outcome]


EXAMPLE = {
    "kind": "photo",
    "title": "Is the bakery at 12 Main St open?",
    "instructions": "Stand across the street; the whole shop front in frame.",
    "purpose": "Opening-hours check for a delivery planner.",
    "place": {"lat": 52.52, "lon": 13.405, "radius_m": 80},
    "evidence": {
        "photos": {"min": 1, "max": 3, "live_capture": True},
        "questions": [{"id": "open", "type": "choice", "choices": ["open", "closed", "gone"]}],
    },
    "reward": {"amount": 300, "currency": "usd"},
    "quantity": 1,
    "acceptance": {"mode": "auto", "checks": ["fresh", "at_place", "not_duplicate", "live"], "min_score": 0.7},
    "external_id": "t-1",
}


@endpoint(
    "POST", "/v1/tasks", by=AGENT, scope="tasks:write", once=True, status=201, rehearsal=Rehearsal,
    problems=("below-minimum", "insufficient-funds", "over-cap", "account-held"), example=EXAMPLE,
)  # fmt: skip
async def post_task(call: Call, data: TaskDraft, query: Rehearsing) -> tasks.Task | Answer:
    """Post a task.

    Its whole possible cost, fee included, is held from the available balance; what is not used comes back. With
    `?dry_run=true` everything is checked, funds and caps too, and nothing is done.
    """
    if query.dry_run:
        return json_answer(await rehearse(call, lambda: tried(call, data)))
    task = await post(call, data)
    wake(EVENTS)
    return _with_etag(call, task)


@endpoint(
    "POST", "/v1/tasks/batch", by=AGENT, scope="tasks:write", once=True, limit=BATCH_LIMIT, rehearsal=Outcomes,
    example={"tasks": [EXAMPLE]},
)  # fmt: skip
async def post_tasks(call: Call, data: Batch, query: Rehearsing) -> Outcomes:
    """Post up to 500 tasks.

    Each is judged alone: the answer holds, in the same order, a task or a problem for each. With `?dry_run=true`
    nothing is done; each is judged as if those before it had been.
    """
    if query.dry_run:
        return Outcomes(await rehearse(call, lambda: _try_all(call, data, dry=True)))
    results = await _try_all(call, data)
    wake(EVENTS)
    return Outcomes(results)


async def _try_all(call: Call, data: Batch, *, dry: bool = False) -> list[Outcome]:
    return [await _try_post(call, bytes(draft), dry=dry) for draft in data.tasks]


async def _try_post(call: Call, draft: bytes, *, dry: bool) -> Outcome:
    try:
        async with call.connection.transaction():
            data = decode_body(draft, TaskDraft)
            if dry:
                return Outcome(200, rehearsal=await tried(call, data))
            return Outcome(201, task=await post(call, data))
    except (Problem, Refusal) as refused:
        error: Exception = refused
        if isinstance(refused, InsufficientFunds):
            error = await funds.explain(call.connection, call.actor, refused)
        request = call.request
        problem = members(error, call.services.config.public_url, request.url.path, request_id(request.scope))
        return Outcome(problem["status"], problem=problem)


@endpoint("GET", "/v1/tasks", by=AGENT, scope="tasks:read")
async def list_tasks(call: Call, query: TasksAsked) -> Page[tasks.Task]:
    """The account's tasks, newest first."""
    found = await tasks.listed(
        call.connection,
        call.actor.owner,
        status=query.status,
        external_id=query.external_id,
        before=read_text(query.cursor),
        limit=query.limit + 1,
    )
    return page(found, query.limit, lambda task: task.id, lambda task: task)


@endpoint("GET", "/v1/tasks/{task_id}", by=AGENT, scope="tasks:read")
async def get_task(call: Call, task_id: str) -> tasks.Task:
    """One task, with what it still holds and how its slots stand."""
    return _with_etag(call, await tasks.get(call.connection, call.actor.owner, task_id))


@endpoint(
    "PATCH", "/v1/tasks/{task_id}", by=AGENT, scope="tasks:write",
    problems=("insufficient-funds", "over-cap", "account-held", "task-not-open", "conflict"),
    headers=(IF_MATCH,), example={"reward": {"amount": 400, "currency": "usd"}, "add_quantity": 2},
)  # fmt: skip
async def change_task(call: Call, task_id: str, data: TaskChange) -> tasks.Task:
    """Raise the price or let it rise, extend the time, add quantity.

    Only ever to the better for whoever has claimed. With `If-Match` it is done only to the version that you have read.
    """
    task = await tasks.change(
        call.connection,
        call.actor,
        task_id,
        data,
        fee_bps=call.services.config.fee_bps,
        version=_version_wanted(call),
    )
    wake(EVENTS)
    return _with_etag(call, task)


@endpoint(
    "POST", "/v1/tasks/{task_id}/cancel", by=AGENT, scope="tasks:write", once=True, problems=("task-not-open",)
)  # fmt: skip
async def cancel_task(call: Call, task_id: str) -> tasks.Task:
    """End a task.

    Open slots end and what was held for them comes back; claims in progress may finish and are paid.
    """
    task = await tasks.cancel(call.connection, call.actor, task_id)
    wake(EVENTS)
    return _with_etag(call, task)


def _with_etag(call: Call, task: tasks.Task) -> tasks.Task:
    call.headers["etag"] = f'"{task.version}"'
    return task


def _version_wanted(call: Call) -> int | None:
    header = call.request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    text = header.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Problem("conflict", "If-Match is no ETag of this task.")
    return int(text)


ROUTES: list[HTTPRouteHandler] = [post_task, post_tasks, list_tasks, get_task, change_task, cancel_task]

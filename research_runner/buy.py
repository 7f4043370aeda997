"""Buying: priced tasks posted within a budget, what comes in reviewed, every purchase logged with its reason."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from research_runner.client import Event, MarketClient, Money, Problem, Submission, Task
from research_runner.errors import RunnerError
from research_runner.results import append_line, drop_torn_line

AT_ONCE = 100  # drafts in one batch
FEE_GUESS = 1.25  # cost of a task over its rewards, until the market has told
CLOSED = {"completed", "expired", "cancelled"}
COLUMNS = ("time", "external_id", "task_id", "held", "currency", "reason")


@dataclass
class Purchase:
    """What a purchase came to. spent: minor units by currency, fees included."""

    tasks: dict[str, str] = field(default_factory=dict)  # id → status
    accepted: int = 0
    rejected: int = 0
    refused: list[str] = field(default_factory=list)  # drafts that the market did not take, and why
    spent: dict[str, int] = field(default_factory=dict)


def buy(
    client: MarketClient,
    drafts: Sequence[dict[str, Any]],
    *,
    budget: Money,
    reason: str,
    log: Path,
    timeout_s: float,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Purchase:
    """Post the drafts as far as the budget goes, wait until every task has ended, review what asks for it.

    Drafts without an external_id get one from their content and place, so that a purchase that was interrupted is
    taken up by calling this again with the same drafts. Tasks still open after timeout_s are cancelled.
    """
    named = [_named(draft, place) for place, draft in enumerate(drafts)]
    drop_torn_line(log)
    bought = Purchase()
    cursor = _last_event(client)
    tasks = _post(client, named, budget, reason, log, bought)
    bought.tasks = {task.id: task.status for task in tasks}
    for task_id in list(bought.tasks):
        _review_waiting(client, task_id)
    _attend(client, bought, cursor, time.monotonic() + timeout_s, on_event)
    for task_id, status in bought.tasks.items():
        task = client.cancel_task(task_id, key=f"cancel-{task_id}") if status == "open" else client.task(task_id)
        bought.tasks[task_id] = task.status
        cost = task.slots.done * (task.price_now.amount + task.fee.amount)
        bought.spent[task.fee.currency] = bought.spent.get(task.fee.currency, 0) + cost
        bought.accepted += task.slots.done
    return bought


def _named(draft: dict[str, Any], place: int) -> dict[str, Any]:
    if draft.get("external_id"):
        return draft
    digest = hashlib.sha256(f"{place} {json.dumps(draft, sort_keys=True)}".encode()).hexdigest()
    return {**draft, "external_id": f"runner-{digest[:24]}"}


def _last_event(client: MarketClient) -> str | None:
    """The end of the log, so that only what follows is waited for."""
    cursor = None
    while events := client.events(cursor, wait_s=0):
        cursor = events[-1].id
    return cursor


def _post(
    client: MarketClient, drafts: list[dict[str, Any]], budget: Money, reason: str, log: Path, bought: Purchase
) -> list[Task]:
    """Post in batches; what a task holds when posted is its whole possible cost, and the sum stays in the budget."""
    logged = {line.split("\t")[1]: line.split("\t")[2] for line in _lines(log)}
    posted = [client.task(logged[draft["external_id"]]) for draft in drafts if draft["external_id"] in logged]
    committed = sum(int(line.split("\t")[3]) for line in _lines(log) if line.split("\t")[2] in {t.id for t in posted})
    waiting = [draft for draft in drafts if draft["external_id"] not in logged]
    ratio = FEE_GUESS
    while waiting:
        batch: list[dict[str, Any]] = []
        guess = float(committed)
        while waiting and len(batch) < AT_ONCE and guess + _rewards(waiting[0], budget) * ratio <= budget.amount:
            guess += _rewards(waiting[0], budget) * ratio
            batch.append(waiting.pop(0))
        if not batch:
            bought.refused += [f"{draft['external_id']}: over the budget" for draft in waiting]
            return posted
        names = hashlib.sha256(json.dumps(batch, sort_keys=True).encode()).hexdigest()
        for draft, result in zip(batch, client.post_tasks(batch, key=f"batch-{names[:48]}"), strict=True):
            if isinstance(result, Problem):
                bought.refused.append(f"{draft['external_id']}: {result}")
                continue
            _log(log, draft["external_id"], result, reason)
            posted.append(result)
            committed += result.held.amount
            ratio = max(1.0, result.held.amount / max(1, _rewards(draft, budget)))
            if committed > budget.amount:
                client.cancel_task(result.id, key=f"cancel-{result.id}")
                committed -= result.held.amount
                bought.refused.append(f"{draft['external_id']}: over the budget")
    return posted


def _rewards(draft: dict[str, Any], budget: Money) -> int:
    """The most that a draft may pay to people, minor units; RunnerError when it is not in the budget's currency."""
    try:
        most = (draft.get("price_schedule") or {}).get("max") or draft["reward"]
        if most["currency"] != budget.currency:
            raise RunnerError(f"a draft pays in {most['currency']}, the budget is in {budget.currency}")
        return int(most["amount"]) * int(draft.get("quantity", 1))
    except (KeyError, TypeError, ValueError) as problem:
        raise RunnerError(f"a draft has no reward of the form {{amount, currency}}: {problem}") from problem


def _attend(
    client: MarketClient, bought: Purchase, cursor: str | None, until: float, on_event: Callable[[Event], None]
) -> None:
    """Follow the event log until every task has ended or the time is over."""
    reviewed: set[str] = set()
    while (left := until - time.monotonic()) > 0 and any(status == "open" for status in bought.tasks.values()):
        for event in client.events(cursor, wait_s=max(1, min(20, int(left)))):
            cursor = event.id
            about = event.subject.id if event.subject.type == "task" else event.data.get("task_id")
            if about not in bought.tasks:
                continue
            kind = event.type.partition(".")[2]
            if event.subject.type == "task" and kind in CLOSED:
                bought.tasks[about] = kind
            elif event.type == "submission.rejected":
                bought.rejected += 1
            elif event.type == "submission.needs_review" and event.subject.id not in reviewed:
                reviewed.add(event.subject.id)
                review(client, client.submission(event.subject.id))
            on_event(event)


def _review_waiting(client: MarketClient, task_id: str) -> None:
    for submission in client.submissions(task_id):
        if submission.status == "needs_review":
            review(client, submission)


def review(client: MarketClient, submission: Submission) -> Submission:
    """Accept what no declared check has failed; reject the rest for the first that failed, in the check's own words.

    The market takes a rejection only for a check that the task declared. Somebody may have been quicker: then the
    submission is returned as it is.
    """
    checks = (submission.verdict or {}).get("checks", [])
    try:
        for failed in (check for check in checks if check.get("status") == "fail"):
            words = str(failed.get("detail") or f"The check {failed['name']} was not passed.")
            try:
                return client.reject(submission.id, failed["name"], words)
            except Problem as refusal:
                if refusal.status == 409:
                    raise
        return client.accept(submission.id)
    except Problem as refusal:
        if refusal.status == 409:
            return client.submission(submission.id)
        raise


def _log(log: Path, external_id: str, task: Task, reason: str) -> None:
    if not log.exists():
        append_line(log, "\t".join(COLUMNS))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    cells = (now, external_id, task.id, str(task.held.amount), task.held.currency, " ".join(reason.split()))
    append_line(log, "\t".join(cells))


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines()[1:] if log.exists() else []

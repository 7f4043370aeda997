"""Posting as every door does it: what can be judged, which models may be used, the market's rates; or a rehearsal."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from app import judging, shows
from app.edge import Call
from app.errors import FieldError, Problem
from market import ledger, posting, tasks
from market.money import Money
from market.terms import TaskDraft

T = TypeVar("T")


class Rehearsing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether it is done, or only tried."""

    dry_run: Annotated[bool, msgspec.Meta(description="All checks; nothing is posted and nothing held.")] = False


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a posting would be: it passed every check, and nothing was done.

    worst_case_cost: what would be held, fee included; available_after: what the balance would have left. fee: for an
    answer at the price of the beginning. minutes: expected for an answer, the way there included.
    """

    dry_run: bool = True
    worst_case_cost: Money
    available_after: Money
    reward: Money
    fee: Money
    minutes: float
    opens_at: datetime
    closes_at: datetime
    checks: list[str]


class _Over(Exception):
    """Ends a rehearsal, so that its savepoint is rolled back."""


async def require_usable(call: Call, draft: TaskDraft, at: str = "") -> None:
    """What can be judged, and the models that may be used. at: the draft's JSON pointer in what was sent."""
    try:
        with posting.under(at):
            judging.require_checkable(draft)
            await shows.require_usable(call.services, call.connection, call.actor.owner, draft)
    except Problem as problem:
        problem.errors = [FieldError(at + each.pointer, each.detail) for each in problem.errors]
        raise


async def available(call: Call, currency: str) -> Money:
    """What the caller's balance has left, in the request's transaction."""
    return Money((await ledger.balances(call.connection, [ledger.buyer(call.actor.owner)], currency))[0], currency)


async def post(call: Call, draft: TaskDraft) -> tasks.Task:
    """Post a task for the caller, in the request's transaction. Raises what the checks and the market refuse."""
    await require_usable(call, draft)
    return await posting.post(call.connection, call.actor, draft, rates=call.services.config.rates)


async def rehearse(call: Call, act: Callable[[], Awaitable[T]]) -> T:
    """Do `act` for real, with all that may refuse it, and take it back."""
    done: list[T] = []
    try:
        async with call.connection.transaction():
            done.append(await act())
            raise _Over
    except _Over:
        return done[0]


async def tried(call: Call, draft: TaskDraft) -> Rehearsal:
    """Post a task, look at it, and leave it to the caller to take it back."""
    task = await post(call, draft)
    return Rehearsal(
        worst_case_cost=task.held, available_after=await available(call, task.reward.currency), reward=task.reward,
        fee=task.fee, minutes=posting.minutes(draft), opens_at=task.opens_at, closes_at=task.closes_at,
        checks=list(task.acceptance.declared),
    )  # fmt: skip

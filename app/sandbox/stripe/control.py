"""The control door: what happens at Stripe without anybody asking its API, for tests and for operators of the sandbox.

Paths under /control take and answer JSON. This file has what concerns the sandbox itself (faults, clock, webhooks);
control_money.py has what happens to money.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from app.sandbox.stripe import delivery
from app.sandbox.stripe.api import Api, Reply, refused
from app.sandbox.stripe.errors import StripeRefusal, invalid
from app.sandbox.stripe.faults import FaultRule
from app.sandbox.stripe.operations import Call
from app.sandbox.stripe.store import State
from app.sandbox.stripe.webhook_rules import WebhookRules

LONGEST_STEP_S = 400 * 86400
MOST_LISTED = 100
Body = TypeVar("Body", bound=msgspec.Struct)


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The body of what takes no fields."""


@dataclass(frozen=True)
class Entry:
    verb: str
    pattern: re.Pattern[str]
    body: type[msgspec.Struct]
    run: Callable[[Api, str, Any], Awaitable[Any]]


ENTRIES: list[Entry] = []


def entry(
    verb: str, path: str, body: type[Body]
) -> Callable[[Callable[[Api, str, Body], Awaitable[Any]]], Callable[[Api, str, Body], Awaitable[Any]]]:
    """Register what a path of the door does. `{id}` in it is a Stripe id, '' without one."""
    pattern = re.compile("^/control" + path.replace("{id}", r"(?P<id>[A-Za-z0-9_]{1,255})") + "$")

    def register(run: Callable[[Api, str, Body], Awaitable[Any]]) -> Callable[[Api, str, Body], Awaitable[Any]]:
        ENTRIES.append(Entry(verb, pattern, body, run))
        return run

    return register


def act(
    path: str, body: type[Body]
) -> Callable[[Callable[[State, Call, str, Body], Any]], Callable[[State, Call, str, Body], Any]]:
    """Register a POST that happens in one transaction, with its events."""

    def register(happen: Callable[[State, Call, str, Body], Any]) -> Callable[[State, Call, str, Body], Any]:
        async def run(api: Api, identifier: str, given: Body) -> Any:
            call = api.own_call(f"/control{path}")
            return await api.store.run(lambda state: happen(state, call, identifier, given))

        entry("post", path, body)(run)
        return happen

    return register


async def answer(api: Api, verb: str, path: str, body: bytes) -> Reply:
    """What the door says: the Stripe object that changed, or a refusal in Stripe's shape."""
    try:
        for one in ENTRIES:
            if one.verb == verb and (found := one.pattern.match(path)):
                given = _read(body, one.body)
                return Reply(200, json.dumps(await one.run(api, found.groupdict().get("id", ""), given)))
    except StripeRefusal as refusal:
        return refused(refusal)
    return refused(StripeRefusal(404, f"The control door has no {verb.upper()} {path}."))


def _read(body: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise invalid(f"The control door cannot read this: {error}") from None


# ---- faults


class FaultScript(msgspec.Struct, forbid_unknown_fields=True):
    rules: list[FaultRule]


@entry("post", "/faults", FaultScript)
async def set_faults(api: Api, _: str, script: FaultScript) -> Any:
    api.script.follow(script.rules)
    return {"rules": api.script.shown()}


@entry("get", "/faults", Nothing)
async def show_faults(api: Api, _: str, __: Nothing) -> Any:
    return {"rules": api.script.shown()}


@entry("delete", "/faults", Nothing)
async def end_faults(api: Api, _: str, __: Nothing) -> Any:
    api.script.follow([])
    return {"rules": []}


# ---- the clock, how long payments stay pending, how short pages are


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    advance_s: float


@entry("post", "/clock", Advance)
async def advance_clock(api: Api, _: str, step: Advance) -> Any:
    """Forward only. What falls due by that happens before the answer."""
    if not 0 <= step.advance_s <= LONGEST_STEP_S:
        raise invalid(f"advance_s is 0 to {LONGEST_STEP_S}.", param="advance_s")
    await api.store.set_condition("ahead_s", api.store.conditions.ahead_s + step.advance_s)
    return await show_clock(api, "", Nothing())


@entry("get", "/clock", Nothing)
async def show_clock(api: Api, _: str, __: Nothing) -> Any:
    now = await api.store.run(lambda state: state.now)
    return {"now": now, "ahead_s": api.store.conditions.ahead_s}


class Pending(msgspec.Struct, forbid_unknown_fields=True):
    pending_s: int


@entry("post", "/balance", Pending)
async def set_pending(api: Api, _: str, given: Pending) -> Any:
    """Card payments from now on stay pending this long, except those with `pm_card_bypassPending`."""
    if not 0 <= given.pending_s <= LONGEST_STEP_S:
        raise invalid(f"pending_s is 0 to {LONGEST_STEP_S}.", param="pending_s")
    await api.store.set_condition("pending_s", given.pending_s)
    return {"pending_s": given.pending_s}


class Lists(msgspec.Struct, forbid_unknown_fields=True):
    most: int | None = None


@entry("post", "/lists", Lists)
async def set_lists(api: Api, _: str, given: Lists) -> Any:
    """Pages of lists have no more than `most`, so that few objects make many pages; without it, as asked for."""
    if given.most is not None and not 1 <= given.most <= MOST_LISTED:
        raise invalid(f"most is 1 to {MOST_LISTED}.", param="most")
    await api.store.set_condition("most_listed", given.most or 0)
    return {"most": given.most}


# ---- webhooks


class Since(msgspec.Struct, forbid_unknown_fields=True):
    since: int = 0


@entry("post", "/webhooks", WebhookRules)
async def set_webhooks(api: Api, _: str, rules: WebhookRules) -> Any:
    """{} ends all rules. What is queued already keeps the way that it was given."""
    api.store.webhooks.follow(None if rules == WebhookRules() else rules)
    return await show_webhooks(api, "", Nothing())


@entry("get", "/webhooks", Nothing)
async def show_webhooks(api: Api, _: str, __: Nothing) -> Any:
    """The rules; how often which kind was answered how; how many wait and how many were dropped."""
    rules = api.store.webhooks.rules or WebhookRules()
    waiting, dropped = await api.store.run_quietly(delivery.counts)
    answers = dict(sorted(api.store.webhooks.answers.items()))
    return {"rules": msgspec.to_builtins(rules), "answers": answers, "waiting": waiting, "dropped": dropped}


@entry("post", "/webhooks/replay", Since)
async def replay_webhooks(api: Api, _: str, given: Since) -> Any:
    if not api.webhooks:
        raise invalid("This sandbox sends no webhooks: it was started without --webhook-url.")
    return {"queued": await api.store.run(lambda state: delivery.replay(state, given.since))}


@entry("post", "/webhooks/flush", Nothing)
async def flush_webhooks(api: Api, _: str, __: Nothing) -> Any:
    return {"flushed": await api.store.run(delivery.flush)}

"""Events: v1 snapshots and v2 notices, written in the same transaction as what they tell of."""

from __future__ import annotations

import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.sandbox.stripe.errors import invalid, missing
from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.store import Object, State, copied, new_id

KEPT_S = 30 * 86400
"""Stripe lists and finds events for 30 days."""


@cache
def api_version() -> str:
    """The API version that the installed SDK speaks."""
    spec = find_spec("stripe")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "_api_version.py").read_text().split('CURRENT = "')[1].split('"')[0]


def rfc3339(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def seconds(created: int | str) -> int:
    """Unix seconds of what either kind of event says in `created`. Raises `ValueError` for anything else."""
    if isinstance(created, int):
        return created
    moment = datetime.datetime.fromisoformat(created)
    if moment.tzinfo is None:
        raise ValueError(created)
    return int(moment.timestamp())


def emit(state: State, call: Call, type: str, thing: Object, account: str = "") -> None:
    """A v1 event with a snapshot of the object as it is now. account: the connected account that it happened to."""
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": api_version(),
        "created": state.now,
        "data": {"object": copied(thing)},
        "livemode": False,
        "pending_webhooks": int(call.webhooks),
        "request": {"id": call.request_id or None, "idempotency_key": call.idempotency_key or None},
        "type": type,
    }
    if account:
        event["account"] = account
    state.record_event(event, thing.get("id", ""), call.webhooks)


def notify(state: State, call: Call, type: str, thing: Object, url: str) -> None:
    """A v2 event: it names the object and says nothing of its content, so the receiver must fetch it."""
    asked = {"id": call.request_id, "idempotency_key": call.idempotency_key}
    event = {
        "id": new_id("evt_test"),
        "object": "v2.core.event",
        "created": rfc3339(state.now),
        "livemode": False,
        "context": None,
        "reason": {"type": "request", "request": asked} if call.request_id else None,
        "related_object": {"id": thing["id"], "type": thing["object"], "url": url},
        "type": type,
    }
    state.record_event(event, thing["id"], call.webhooks)


@operation("get", "/v1/events", *LIST_PARAMS, "type", "types", "created", "delivery_success")
def list_events(state: State, call: Call) -> Object:
    types = [call.params["type"]] if "type" in call.params else list(call.params.get("types", []))
    found, more = state.events("event", call.params, types, None, state.now - KEPT_S)
    return {"object": "list", "url": call.path, "has_more": more, "data": found}


@operation("get", "/v1/events/{id}", "expand")
def retrieve_event(state: State, call: Call) -> Object:
    return _kept(state, "event", call.names["id"])


@operation("get", "/v2/core/events", "limit", "types", "object_id", "created")
def list_notices(state: State, call: Call) -> Object:
    params: dict[str, Any] = dict(call.params)
    if "created" in params:
        params["created"] = {name: _moment(name, text) for name, text in params["created"].items()}
    if call.page:
        params["starting_after"] = call.page
    since = rfc3339(state.now - KEPT_S)
    found, more = state.events("v2.core.event", params, list(params.get("types", [])), params.get("object_id"), since)
    return {"data": found, "next_page_url": call.next_page_url(found, more), "previous_page_url": None}


@operation("get", "/v2/core/events/{id}")
def retrieve_notice(state: State, call: Call) -> Object:
    return _kept(state, "v2.core.event", call.names["id"])


def _kept(state: State, kind: str, identifier: str) -> Object:
    event = state.event(kind, identifier)
    if seconds(event["created"]) < state.now - KEPT_S:
        raise missing("event", identifier)
    return event


def _moment(name: str, text: str) -> str:
    """A given time as the events' own are written, so that the two compare as texts."""
    try:
        return rfc3339(seconds(text))
    except ValueError:
        raise invalid(f"Invalid timestamp: {text}"[:200], param=f"created[{name}]") from None

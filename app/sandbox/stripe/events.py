"""Events: v1 snapshots and v2 notices, written in the same transaction as what they tell of."""

from __future__ import annotations

import datetime
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.sandbox.stripe.operations import LIST_PARAMS, Call, operation
from app.sandbox.stripe.store import Object, State, new_id


@cache
def api_version() -> str:
    """The API version that the installed SDK speaks."""
    spec = find_spec("stripe")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "_api_version.py").read_text().split('CURRENT = "')[1].split('"')[0]


def rfc3339(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def emit(state: State, call: Call, type: str, thing: Object) -> None:
    """A v1 event with a snapshot of the object as it is now."""
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": api_version(),
        "created": state.now,
        "data": {"object": json.loads(json.dumps(thing))},
        "livemode": False,
        "pending_webhooks": int(call.webhooks),
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key or None},
        "type": type,
    }
    state.record_event(event, thing["id"], call.webhooks)


def notify(state: State, call: Call, type: str, thing: Object, url: str) -> None:
    """A v2 event: it names the object and says nothing of its content, so the receiver must fetch it."""
    event = {
        "id": new_id("evt_test"),
        "object": "v2.core.event",
        "created": rfc3339(state.now),
        "livemode": False,
        "context": None,
        "reason": {"type": "request", "request": {"id": call.request_id, "idempotency_key": call.idempotency_key}},
        "related_object": {"id": thing["id"], "type": thing["object"], "url": url},
        "type": type,
    }
    state.record_event(event, thing["id"], call.webhooks)


@operation("get", "/v1/events", *LIST_PARAMS, "type", "types", "created")
def list_events(state: State, call: Call) -> Object:
    types = [call.params["type"]] if "type" in call.params else list(call.params.get("types", []))
    found, more = state.events("event", call.params, types, None)
    return {"object": "list", "url": call.path, "has_more": more, "data": found}


@operation("get", "/v1/events/{id}", "expand")
def retrieve_event(state: State, call: Call) -> Object:
    return state.event("event", call.names["id"])


@operation("get", "/v2/core/events", "limit", "types", "object_id")
def list_notices(state: State, call: Call) -> Object:
    params: dict[str, Any] = dict(call.params)
    found, _ = state.events("v2.core.event", params, list(params.get("types", [])), params.get("object_id"))
    return {"data": found, "next_page_url": None, "previous_page_url": None}


@operation("get", "/v2/core/events/{id}")
def retrieve_notice(state: State, call: Call) -> Object:
    return state.event("v2.core.event", call.names["id"])

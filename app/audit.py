"""What an operator does through any route is kept in the audit log, with the transaction that does it.

Here and not in the handlers, so that no route can forget it. Reads are kept where a route is declared `audited`: those
that show what is personal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from app.answers import request_id
from app.db import Connection
from market import audit_log

if TYPE_CHECKING:
    from app.edge import Call, Endpoint

SAFE = {"GET", "HEAD", "OPTIONS"}
LONGEST_TEXT = 2_000
PROOFS = ("key", "passkey")  # what shows who asks is nobody's to read


def wanted(spec: Endpoint, call: Call) -> bool:
    """Whether this call of this route is one for the log."""
    actor = call.actor_or_none
    if actor is None or actor.kind != "operator":
        return False
    return spec.audited or (spec.method not in SAFE and not spec.hidden)


async def keep(connection: Connection, spec: Endpoint, call: Call, arguments: Mapping[str, Any], result: Any) -> None:
    """Append the call: the operation's name, what it is about, and what was given to it."""
    given = {name: msgspec.to_builtins(value) for name, value in arguments.items() if value is not None}
    named = [given.pop(name) for name in spec.parameters if name in given]
    subject = str(named[0]) if named else str(getattr(result, "id", ""))
    data = given.pop("data", None)
    kept = _bounded({**given, **(data if isinstance(data, dict) else {})})
    for name in PROOFS:
        kept.pop(name, None)
    if len(named) > 1:
        kept["more"] = [str(each) for each in named[1:]]
    await audit_log.record(
        connection, call.actor.name, spec.name, subject=subject, data=kept, request_id=request_id(call.request.scope)
    )


def _bounded(value: Any) -> Any:
    """The same with long texts cut: the log is for people, and for good."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
    if isinstance(value, dict):
        return {key: _bounded(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_bounded(each) for each in value]
    return value

"""What an operator does through any route is kept in the audit log, with the transaction that does it.

Here and not in the handlers, so that no route can forget it; only a handler with transactions of its own says itself
which of them does it (`within`). Reads are kept where a route is declared `audited`: those that show what is personal.
Of what was refused to them nothing was done, and that they tried is kept by a transaction of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from app.answers import request_id
from app.db import Connection
from app.errors import Problem, of_refusal
from market import audit_log
from market.errors import Refusal

if TYPE_CHECKING:
    from app.edge import Call, Endpoint

SAFE = {"GET", "HEAD", "OPTIONS"}
LONGEST_TEXT = 2_000
PROOFS = ("key", "passkey")  # what shows who asks is nobody's to read
REFUSED = {403, 409}  # may not, or not now; a mistake in the input is none


def wanted(spec: Endpoint, call: Call) -> bool:
    """Whether this call of this route is one for the log."""
    actor = call.actor_or_none
    if actor is None or actor.kind != "operator":
        return False
    return spec.audited or (spec.method not in SAFE and not spec.hidden)


async def keep(connection: Connection, spec: Endpoint, call: Call, arguments: Mapping[str, Any], result: Any) -> None:
    """Append the call, unless its handler has done so: the operation's name, what it is about, what was given to it."""
    if call.kept:
        return
    subject, data = _about(spec, arguments)
    await within(connection, call, spec.name, subject=subject or str(getattr(result, "id", "")), data=data)


async def within(
    connection: Connection, call: Call, name: str, *, subject: str = "", data: Mapping[str, Any] | None = None
) -> None:
    """For a handler with transactions of its own: append what the operator does in the one that does it, at its end.

    name: the operation's; it is not appended again when the handler has ended.
    """
    await audit_log.record(
        connection, call.actor.name, name, subject=subject, data=data, request_id=request_id(call.request.scope)
    )
    call.kept = True


@asynccontextmanager
async def refusals(spec: Endpoint, call: Call, arguments: Mapping[str, Any]) -> AsyncIterator[None]:
    """Around a call and its transaction: what an operator tried to change and was refused is kept as `<name>.refused`.

    arguments: what was given, as far as it has been read when the refusal comes.
    """
    try:
        yield
    except (Problem, Refusal) as error:
        problem = of_refusal(error) if isinstance(error, Refusal) else error
        tried = spec.method not in SAFE and problem.status in REFUSED and problem.slug != "in-flight"
        if tried and wanted(spec, call):
            subject, data = _about(spec, arguments)
            data["refused"] = problem.slug
            async with call.services.database.transaction(call.connection_or_none) as connection:
                await within(connection, call, f"{spec.name}.refused", subject=subject, data=data)
        raise


def _about(spec: Endpoint, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What an act is about, by its path, and what else was given."""
    given = {name: msgspec.to_builtins(value) for name, value in arguments.items() if value is not None}
    named = [_bounded(str(given.pop(name))) for name in spec.parameters if name in given]
    data = given.pop("data", None)
    kept: dict[str, Any] = _bounded({**given, **(data if isinstance(data, dict) else {})})
    for name in PROOFS:
        kept.pop(name, None)
    if len(named) > 1:
        kept["more"] = named[1:]
    return named[0] if named else "", kept


def _bounded(value: Any) -> Any:
    """The same with long texts cut: the log is for people, and for good."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
    if isinstance(value, dict):
        return {key: _bounded(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_bounded(each) for each in value]
    return value

"""Forms: read strictly, then done by the very operation of the JSON API."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from app import audit, auth, idempotency
from app.answers import json_answer
from app.db import Connection
from app.edge import Call, Endpoint, act, do, endpoint_of
from app.errors import Problem
from app.strict import decode_query

T = TypeVar("T")

FORM_LIMIT = 100_000
MOST_FIELDS = 500
KEY = re.compile("[0-9a-f]{32}")


@dataclass(slots=True)
class Form:
    """What a form sent: texts by field, several for one name where it stands more than once, and files."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, UploadFile] = field(default_factory=dict)

    def first(self, name: str) -> str:
        """The field's text without white space around it; "" when it was left out."""
        return self.texts.get(name, [""])[0].strip()

    def filled(self) -> dict[str, str]:
        """The fields that are not blank. Browsers send every field, filled in or not."""
        return {name: text for name in self.texts if (text := self.first(name))}

    async def close(self) -> None:
        """Forget the files."""
        for each in self.files.values():
            await each.close()


async def read_form(call: Call) -> Form:
    """The body as a form, urlencoded or multipart. Raises Problem for anything else."""
    kind = call.request.content_type[0]
    try:
        if kind == "application/x-www-form-urlencoded":
            body = (await call.request.body()).decode()
            return _sorted_out(parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS))
        if kind == "multipart/form-data":
            return _sorted_out((await call.request.form()).multi_items())
    except ValueError:
        raise Problem("malformed", "The form cannot be read.") from None
    raise Problem("unsupported-media", "This takes a form.")


def _sorted_out(pairs: Any) -> Form:
    form = Form()
    for name, value in pairs:
        if isinstance(value, UploadFile):
            form.files[name] = value
            continue
        text = str(value).replace("\r\n", "\n")
        if "\x00" in text or "\x00" in name:
            raise Problem("validation", "The form holds a NUL character, which cannot be kept.")
        form.texts.setdefault(name, []).append(text)
    return form


async def fields(call: Call, kind: type[T]) -> T:
    """A form's filled fields as a strict struct."""
    return decode_query((await read_form(call)).filled(), kind)


def asked(call: Call, kind: type[T]) -> T:
    """The address's filled parameters as a strict struct; forms with GET send blank ones too."""
    pairs: Mapping[str, str] = call.request.query_params
    return decode_query({name: text for name, text in pairs.items() if text.strip()}, kind)


async def view(route: HTTPRouteHandler, call: Call, **given: Any) -> Any:
    """What a JSON operation that only looks would answer, on the page's connection; kept in the audit log likewise."""
    spec = endpoint_of(route)
    if spec is None or spec.uses != "read":
        raise TypeError("this does not only look")
    call.kept = False
    return await do(spec, call, given)


async def perform_once(route: HTTPRouteHandler, call: Call, key: str, **given: Any) -> dict[str, Any]:
    """As `perform`, under an idempotency key that the form came with: sent twice, it is done once. Its JSON."""
    spec = endpoint_of(route)
    if spec is None or spec.uses != "write":
        raise TypeError("this is no operation of one transaction")
    if not KEY.fullmatch(key):
        raise Problem("validation", "The form is not as our page has made it: open the page anew.")
    call.kept = False
    async with audit.refusals(spec, call, given), _transaction(spec, call) as connection:
        asked = idempotency.asked(call.actor, key, call.request, await call.request.body())
        answer = await idempotency.begin(connection, asked, seal=None)
        if answer is None:
            answer = json_answer(await act(spec, call, given), status=spec.status)
            await idempotency.keep(connection, asked, answer, seal=None)
    found: dict[str, Any] = msgspec.json.decode(answer.body)
    return found


async def perform(route: HTTPRouteHandler, call: Call, **given: Any) -> Any:
    """Do what a JSON operation does, in a transaction as at the edge; its answer as a struct."""
    spec = endpoint_of(route)
    if spec is None:
        raise TypeError("this is no operation")
    call.kept = False
    async with audit.refusals(spec, call, given):
        if spec.uses == "own":
            _require_proof(spec, call)
            return await do(spec, call, given)
        async with _transaction(spec, call):
            return await act(spec, call, given)


def _require_proof(spec: Endpoint, call: Call) -> None:
    if spec.proven:
        auth.require_proof(call.actor)


@asynccontextmanager
async def _transaction(spec: Endpoint, call: Call) -> AsyncIterator[Connection]:
    """A transaction, which is the call's while the block lasts. Raises proof-required before there is one."""
    _require_proof(spec, call)
    async with call.services.database.transaction() as connection:
        call.connection_or_none = connection
        try:
            yield connection
        finally:
            call.connection_or_none = None

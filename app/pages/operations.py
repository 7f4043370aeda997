"""Forms: read strictly, then done by the very operation of the JSON API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from app import audit, auth
from app.edge import Call, act, endpoint_of
from app.errors import Problem
from app.strict import decode_query

T = TypeVar("T")

FORM_LIMIT = 100_000
MOST_FIELDS = 500


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


async def perform(route: HTTPRouteHandler, call: Call, **given: Any) -> Any:
    """Do what a JSON operation does, in a transaction as at the edge; its answer as a struct."""
    spec = endpoint_of(route)
    if spec is None:
        raise TypeError("this is no operation")
    if spec.proven:
        auth.require_proof(call.actor)
    if spec.uses == "own":
        result = await spec.handler(call, **given)
        if audit.wanted(spec, call):
            async with call.services.database.transaction() as connection:
                await audit.keep(connection, spec, call, given, result)
        return result
    async with call.services.database.transaction() as connection:
        call.connection_or_none = connection
        try:
            return await act(spec, call, given)
        finally:
            call.connection_or_none = None

"""The API described in OpenAPI 3.1, made from what each route declares, so that it says what is served.

Every operation has an id, a description, an example, and each refusal that can meet it with its problem type.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, get_args, get_origin

import msgspec

from app.answers import PROBLEM_JSON, Answer
from app.edge import Endpoint
from app.errors import PROBLEMS, FieldError
from app.request_headers import Header

Json = dict[str, Any]

DEEPEST = 8

_REF = "#/components/schemas/{name}"

_PATH_PARAMETERS = {
    "n": ("Number of the photo within its submission, from 1.", 1),
    "k": ("Number of the frame within its burst, from 1.", 1),
    "slug": ("The last part of a problem's `type`.", "validation"),
    "file": ("Which file of the model.", "onnx"),
}

_INTRODUCTION = """\
Sensorium is an information market: agents post priced tasks, people and devices answer them with evidence, the
evidence is checked and paid for, and what was observed becomes the agent's data.

Times are RFC 3339 in UTC, durations seconds (`*_s`), distances metres (`*_m`), money whole minor units with a currency.
Input is strict. Errors are RFC 9457 problem details whose `type` is a page of this server. Lists take `limit` and
`cursor` and answer `{items, next_cursor}`. POSTs that create something or move money need an `Idempotency-Key`.
"""


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] = []


def describe(endpoints: Iterable[Endpoint], base: str, version: str) -> Json:
    """The whole document. base: the public URL without a slash at the end."""
    shown = [each for each in endpoints if not each.hidden]
    types = [
        kind
        for each in shown
        for kind in (
            each.data,
            each.query,
            _answer_type(each),
            each.rehearsal,
            *each.bodies.values(),
            *(h.holds for h in each.headers),
        )
        if kind is not None
    ]
    schemas, components = msgspec.json.schema_components(
        [*types, ProblemDetails], ref_template=_REF, schema_hook=_anything
    )
    by_type = dict(zip(map(_hashable, types), schemas, strict=False))
    paths: dict[str, Json] = defaultdict(dict)
    for each in shown:
        paths[each.path][each.method.lower()] = _operation(each, by_type, components, base)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sensorium",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "security": [],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`sk_…` agent, `wk_…` person, `op_…` operator",
                }
            },
        },
    }


def _anything(kind: type) -> Json:
    """The schema of what is checked elsewhere, such as the drafts of a batch, each judged alone."""
    return {"description": "An object, checked by itself." if kind is msgspec.Raw else "Any value."}


def _operation(each: Endpoint, by_type: dict[Any, Json], components: Json, base: str) -> Json:
    title, _, rest = each.description.partition("\n")
    operation: Json = {
        "operationId": each.name,
        "summary": title.rstrip("."),
        "description": f"{title}\n{rest}".strip() + _who(each),
        "tags": [each.group],
        "parameters": [
            *_path_parameters(each),
            *_query_parameters(each, by_type, components),
            *_headers(each, by_type),
        ],
        "responses": {
            str(each.status): _success(each, by_type, components),
            **_rehearsal(each, by_type, components),
            **_refusals(each, base),
        },
    }
    if each.by:
        operation["security"] = [{"key": [each.scope] if each.scope else []}, *([{}] if each.optional else [])]
    body = _body(each, by_type, components)
    if body is not None:
        operation["requestBody"] = body
    return operation


def _who(each: Endpoint) -> str:
    if not each.by:
        return "\n\nOpen to everyone."
    who = " or ".join(sorted(each.by))
    proof = " In a session, with a proof of the last five minutes; a key is its own proof." if each.proven else ""
    return (
        f"\n\nFor: {who}{f', with scope `{each.scope}`' if each.scope else ''}{', or nobody' if each.optional else ''}."
        + proof
    )


def _path_parameters(each: Endpoint) -> list[Json]:
    found = []
    for name, kind in each.parameters.items():
        thing = name.removesuffix("_id")
        description, example = _PATH_PARAMETERS.get(
            name, (f"Id of the {thing.replace('_', ' ')}.", f"{thing}_0199a7c2")
        )
        schema = {"type": "integer", "minimum": 0} if kind is int else {"type": "string"}
        found.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": schema,
                "example": example,
            }
        )
    return found


def _query_parameters(each: Endpoint, by_type: dict[Any, Json], components: Json) -> list[Json]:
    if each.query is None:
        return []
    schema = _resolve(by_type[_hashable(each.query)], components)
    found = []
    for name, inner in schema["properties"].items():
        description = inner.get("description", name)
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        found.append(
            {**parameter, "description": description, "schema": inner, "example": example_of(inner, components)}
        )
    return found


_IDEMPOTENCY_KEY = Header(
    "Idempotency-Key",
    "A text of your own for this one request, up to 255 characters; repeat it when you repeat the request.",
    "8e03978e-40d5-43dd-bc93-6894a57f9324",
    required=True,
)


def _headers(each: Endpoint, by_type: dict[Any, Json]) -> list[Json]:
    found = []
    for header in (*([_IDEMPOTENCY_KEY] if each.once else []), *each.headers):
        schema: Json = {"type": "string", **({"minLength": 1, "maxLength": 257} if header is _IDEMPOTENCY_KEY else {})}
        if header.holds is not None:
            schema |= {"contentMediaType": "application/json", "contentSchema": by_type[_hashable(header.holds)]}
        told = {"required": header.required, "description": header.description, "schema": schema}
        found.append({"name": header.name, "in": "header", **told, "example": header.example})
    return found


def _body(each: Endpoint, by_type: dict[Any, Json], components: Json) -> Json | None:
    if each.data is not None:
        schema = by_type[_hashable(each.data)]
        example = each.example if each.example is not None else example_of(schema, components)
        content = {"application/json": {"schema": schema, "example": example}}
        return {"required": not each.may_be_empty, "content": content}
    if each.bodies:
        content = {
            kind: {"schema": (schema := by_type[_hashable(fields)]), "example": example_of(schema, components)}
            for kind, fields in each.bodies.items()
        }
        return {"required": True, "content": content}
    if each.consumes is None:
        return None
    kinds = each.consumes.split(", ")
    return {"required": True, "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}}


def _success(each: Endpoint, by_type: dict[Any, Json], components: Json) -> Json:
    headers = {"X-Request-Id": {"description": "Name of this request in our logs.", "schema": {"type": "string"}}}
    kind = _answer_type(each)
    if kind is not None:
        schema = by_type[_hashable(kind)]
        content = {"application/json": {"schema": schema, "example": example_of(schema, components)}}
        return {"description": "Done.", "headers": headers, "content": content}
    if each.status in (202, 204) or each.answer in (None, type(None)):
        return {"description": "Done; there is nothing to say.", "headers": headers}
    schema = {"type": "string"} if each.produces.startswith("text/") else {"type": "string", "format": "binary"}
    return {"description": "Done.", "headers": headers, "content": {each.produces: {"schema": schema}}}


def _rehearsal(each: Endpoint, by_type: dict[Any, Json], components: Json) -> Json:
    """What a dry run answers, where there is one."""
    if each.rehearsal is None:
        return {}
    schema = by_type[_hashable(each.rehearsal)]
    content = {"application/json": {"schema": schema, "example": example_of(schema, components)}}
    return {"200": {"description": "With `dry_run`: it would be done; nothing was.", "content": content}}


def _refusals(each: Endpoint, base: str) -> Json:
    slugs = set(each.problems) | {"unavailable"}
    if each.by:
        slugs |= {"unauthenticated", "forbidden"}
    if each.proven:
        slugs.add("proof-required")
    if each.parameters:
        slugs.add("not-found")
    if each.data is not None:
        slugs |= {"malformed", "validation", "too-large", "unsupported-media"}
    if each.query is not None:
        slugs.add("validation")
    if each.consumes is not None:
        slugs |= {"malformed", "too-large", "unsupported-media"}
    if each.once:
        slugs |= {"idempotency-key-missing", "idempotency-key-reused", "in-flight"}
    by_status: dict[int, list[str]] = defaultdict(list)
    for slug in sorted(slugs):
        by_status[PROBLEMS[slug].status].append(slug)
    return {str(status): _refusal(status, found, base) for status, found in sorted(by_status.items())}


def _refusal(status: int, slugs: list[str], base: str) -> Json:
    examples = {
        slug: {
            "summary": PROBLEMS[slug].title,
            "value": {
                "type": f"{base}/problems/{slug}",
                "title": PROBLEMS[slug].title,
                "status": status,
                "detail": PROBLEMS[slug].advice,
                "instance": "/v1/…",
                "request_id": "req_6f2c1d0e9b8a7c6d5e4f",
            },
        }
        for slug in slugs
    }
    schema = {"$ref": _REF.format(name="ProblemDetails")}
    description = "; ".join(f"`{slug}`: {PROBLEMS[slug].title}" for slug in slugs)
    return {"description": description, "content": {PROBLEM_JSON: {"schema": schema, "examples": examples}}}


def _answer_type(each: Endpoint) -> Any:
    """What the handler returns as JSON; None when it answers with bytes, a page or nothing."""
    kind = each.answer
    if Answer in get_args(kind):  # a kept answer may go out instead of a new one
        kind = next(option for option in get_args(kind) if option is not Answer)
    if kind in (None, type(None)) or (isinstance(kind, type) and issubclass(kind, Answer)):
        return None
    return kind


def _hashable(kind: Any) -> Any:
    return (get_origin(kind), get_args(kind)) if get_args(kind) else kind


def _resolve(schema: Json, components: Json) -> Json:
    while "$ref" in schema:
        schema = components[schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def example_of(schema: Json, components: Json, depth: int = 0, name: str = "") -> Any:
    """A value that fits `schema`: the fields' own examples where they have some, else defaults, else the least."""
    for known in (schema, schema := _resolve(schema, components)):
        if "examples" in known:
            return known["examples"][0]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return example_of(schema[several][0], components, depth + 1, name)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        required = schema.get("required", ())
        # What may be left out and is nothing by default is left out.
        return {
            field: example_of(inner, components, depth + 1, field)
            for field, inner in schema.get("properties", {}).items()
            if depth < DEEPEST and (field in required or "examples" in inner or inner.get("default", 0) is not None)
        }
    if "default" in schema:
        return schema["default"]
    return _least(schema, components, depth, name)


def _least(schema: Json, components: Json, depth: int, name: str) -> Any:
    match schema.get("type"):
        case "array":
            inner = schema.get("items")
            if not isinstance(inner, dict) or depth >= DEEPEST:
                return []
            return [example_of(inner, components, depth + 1, name)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0))
        case "boolean":
            return True
        case "string":
            return _text(schema, name)
        case _:
            return None


def _text(schema: Json, name: str) -> str:
    if schema.get("format") == "date-time" or name.endswith("_at") or name in ("since", "until", "now"):
        return "2026-12-01T18:00:00Z"
    alternatives = re.match(r"\^\((\w+)\|", schema.get("pattern", ""))
    return alternatives[1] if alternatives else name or "text"

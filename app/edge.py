"""The edge: what stands between HTTP and a handler, the same for every route.

    @endpoint("POST", "/v1/tasks", by=AGENT, scope="tasks:write", once=True, status=201)
    async def post_task(call: Call, data: TaskDraft) -> TaskView:
        '''Post a task. …'''

A handler names who may call it, gets a `Call` (its connection inside the request's transaction, the actor, the
services), and its path parameters, `query` and `data` as strict structs; a `data` with a default may be left out. It
returns a struct, which becomes JSON, or an `Answer`. To refuse it raises: a refusal of the market or a `Problem`; then
nothing is kept. The order is always: who is it, may they, is the input right, has this been asked before, do it,
commit, answer.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, cleandoc, signature
from typing import Any, Literal, get_type_hints

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from app import audit, auth, funds, idempotency
from app.answers import Answer, json_answer
from app.db import Connection
from app.errors import Problem
from app.request_headers import Header
from app.services import Services
from app.strict import decode_body, decode_query
from market.errors import InsufficientFunds
from market.keys import Actor

JSON_LIMIT = 1_000_000
# Numbers in paths count few things, such as the photos of a claim; the database keeps them in two bytes.
LARGEST_IN_PATH = 2**15 - 1

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
# write: one transaction around the handler · read: a connection without one · own: the handler takes what it needs
Uses = Literal["write", "read", "own"]
Handler = Callable[..., Awaitable[Any]]
AnyRequest = Request[Any, Any, Any]


@dataclass(slots=True)
class Call:
    """One request as a handler sees it."""

    request: AnyRequest
    services: Services
    actor_or_none: Actor | None
    connection_or_none: Connection | None = None
    headers: dict[str, str] = field(default_factory=dict)
    kept: bool = False  # in the audit log, by the handler itself (app/audit.py)

    @property
    def actor(self) -> Actor:
        """Who is asking; only routes open to everyone have nobody."""
        if self.actor_or_none is None:
            raise Problem("unauthenticated", "A key or a session is required here.")
        return self.actor_or_none

    @property
    def connection(self) -> Connection:
        """The request's connection; routes that use their own have none."""
        if self.connection_or_none is None:
            raise RuntimeError("this route takes its own connections")
        return self.connection_or_none


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of a route before any request: the source of guards, of the API description and of the tests."""

    method: Method
    path: str
    name: str
    by: frozenset[str]
    scope: str | None
    optional: bool
    once: bool
    sealed: bool
    uses: Uses
    status: int
    limit: int
    consumes: str | None
    bodies: Mapping[str, type]
    produces: str
    problems: tuple[str, ...]
    group: str
    description: str
    handler: Handler
    parameters: Mapping[str, type]
    query: type | None
    data: type | None
    answer: Any
    example: Any
    headers: tuple[Header, ...]
    hidden: bool
    audited: bool
    proven: bool
    rehearsal: Any
    may_be_empty: bool

    @property
    def takes_body(self) -> bool:
        """Whether the edge reads the whole body before the handler runs."""
        return self.data is not None or (self.once and self.uses == "write")


_BY_HINT = (("query", "query"), ("data", "data"), ("answer", "return"))


def endpoint(
    method: Method,
    path: str,
    *,
    by: frozenset[str],
    scope: str | None = None,
    optional: bool = False,
    once: bool = False,
    sealed: bool = False,
    uses: Uses | None = None,
    status: int = 200,
    limit: int = JSON_LIMIT,
    consumes: str | None = None,
    bodies: Mapping[str, type] | None = None,
    produces: str = "application/json",
    problems: tuple[str, ...] = (),
    example: Any = None,
    headers: tuple[Header, ...] = (),
    hidden: bool = False,
    audited: bool = False,
    proven: bool = False,
    rehearsal: Any = None,
) -> Callable[[Handler], HTTPRouteHandler]:
    """Make a handler a route.

    by: kinds of actor that may call (empty: everyone, credentials are not looked at) · scope: what the key must allow
    · optional: also without credentials · once: an Idempotency-Key is required · sealed: its answer holds a secret
    · uses: default `read` for GET, else `write` · limit: bytes of body · consumes, produces: types other than JSON
    · bodies: by media type, what a handler reads by itself, for the description
    · problems, headers: slugs of its own refusals, headers that it reads itself, for the description · example: of a
    body, where the fields' own make no sensible one · hidden: a page, no part of the API description · audited: an
    operator's looking is kept in the audit log too · proven: in a session, an operator must have shown it lately
    · rehearsal: what it answers with 200 when its query has `dry_run`, without an Idempotency-Key.
    """

    def decorate(handler: Handler) -> HTTPRouteHandler:
        hints = get_type_hints(handler, include_extras=True)
        names = [name for name in signature(handler).parameters if name != "call"]
        spec = Endpoint(
            method=method,
            path=path,
            name=handler.__name__,
            by=by,
            scope=scope,
            optional=optional,
            once=once,
            sealed=sealed,
            uses=uses or ("read" if method == "GET" else "write"),
            status=status,
            limit=limit,
            consumes=consumes,
            bodies=bodies or {},
            produces=produces,
            problems=problems,
            group=_group(handler.__module__),
            description=cleandoc(handler.__doc__ or ""),
            handler=handler,
            parameters={name: hints[name] for name in names if name not in ("query", "data")},
            **{field: hints.get(hint) for field, hint in _BY_HINT},
            example=example,
            headers=headers,
            hidden=hidden,
            audited=audited,
            proven=proven,
            rehearsal=rehearsal,
            may_be_empty="data" in names and signature(handler).parameters["data"].default is not Parameter.empty,
        )
        return _route(_checked(spec, signature(handler).parameters))

    return decorate


def _group(module: str) -> str:
    """app.routes.tasks -> tasks; app.routes.operator.runs -> operator runs."""
    parts = module.split(".")
    return " ".join(parts[2:]) or parts[-1]


def _route(spec: Endpoint) -> HTTPRouteHandler:
    """The framework's handler for a declared route."""

    async def handle(request: AnyRequest) -> ASGIApp:
        return await serve(spec, request)

    handle.__name__ = spec.handler.__name__
    handle.__doc__ = spec.handler.__doc__
    return HTTPRouteHandler(
        "".join(_litestar_path(part, spec.parameters) for part in spec.path.split("{")),
        http_method=["GET", "HEAD"] if spec.method == "GET" else [spec.method],
        name=spec.handler.__name__,
        opt={"endpoint": spec},
        request_max_body_size=spec.limit,
        status_code=200,  # the framework's idea; an Answer has its own
    )(handle)


def _checked(spec: Endpoint, parameters: Mapping[str, Parameter]) -> Endpoint:
    """Mistakes in a declaration stop the start, not a request."""
    if "call" not in parameters:
        raise TypeError(f"{spec.name}: the first parameter must be `call`")
    if spec.once and (spec.uses == "read" or not spec.by):
        raise TypeError(f"{spec.name}: once needs an actor and a transaction")
    if spec.proven and spec.by != auth.OPERATOR:
        raise TypeError(f"{spec.name}: only operators prove who they are")
    if spec.data is not None and spec.uses == "own" and spec.once:
        raise TypeError(f"{spec.name}: a handler with its own transactions keeps its own idempotency")
    if spec.rehearsal is not None and spec.uses != "write":
        raise TypeError(f"{spec.name}: only what writes in the edge's transaction can be taken back")
    return spec


def _litestar_path(part: str, parameters: Mapping[str, type]) -> str:
    """`task_id}/x` → `{task_id:str}/x`; what precedes the first brace stays."""
    if "}" not in part:
        return part
    name, rest = part.split("}", 1)
    return f"{{{name}:{'int' if parameters[name] is int else 'str'}}}{rest}"


async def serve(spec: Endpoint, request: AnyRequest) -> ASGIApp:
    """One request through the edge."""
    services: Services = request.app.state.services
    try:
        _ = request.url  # kept for whoever reads it later
    except ValueError:
        raise Problem("malformed", "The Host header cannot be read.") from None
    # Read before a connection is taken: whoever sends slowly must not hold one.
    body = await request.body() if spec.takes_body else b""
    if spec.uses == "own":
        actor = None
        if spec.by:
            async with services.database.read() as connection:
                actor = await _identify(spec, connection, request)
        return await _serve(spec, Call(request, services, actor), body)
    async with services.database.read() as connection:
        actor = await _identify(spec, connection, request)
        return await _serve(spec, Call(request, services, actor, connection), body)


async def _serve(spec: Endpoint, call: Call, body: bytes) -> ASGIApp:
    """The call, once it is known who asks."""
    arguments = _named(spec, call.request)
    async with audit.refusals(spec, call, arguments):
        if spec.proven:
            auth.require_proof(call.actor)
        arguments |= _given(spec, call.request, body)
        if spec.uses == "write":
            try:
                return await _write(spec, call, body, arguments)
            except InsufficientFunds as refusal:
                # Looked up once the transaction is over: within it nothing more can be asked.
                database = call.services.database
                raise await funds.explain(call.connection, call.actor, refusal, database=database) from None
        return _answer(spec, call, await do(spec, call, arguments))


async def _identify(spec: Endpoint, connection: Connection, request: AnyRequest) -> Actor | None:
    return await auth.identify(connection, request, spec.by, spec.scope, optional=spec.optional)


async def do(spec: Endpoint, call: Call, arguments: dict[str, Any]) -> Any:
    """Run a handler that looks, or has transactions of its own; what is for the audit log and not yet there goes in."""
    result = await spec.handler(call, **arguments)
    if audit.wanted(spec, call) and not call.kept:
        async with call.services.database.transaction(call.connection_or_none) as connection:
            await audit.keep(connection, spec, call, arguments, result)
    return result


async def act(spec: Endpoint, call: Call, arguments: dict[str, Any]) -> Any:
    """Run a handler inside the call's transaction; what an operator does is kept in the audit log with it."""
    result = await spec.handler(call, **arguments)
    if audit.wanted(spec, call):
        await audit.keep(call.connection, spec, call, arguments, result)
    return result


async def _write(spec: Endpoint, call: Call, body: bytes, arguments: dict[str, Any]) -> ASGIApp:
    rehearsed = spec.rehearsal is not None and arguments["query"].dry_run
    key = idempotency.key_of(call.request) if spec.once and not rehearsed else None
    async with call.services.database.transaction(call.connection):
        if key is None:
            return _answer(spec, call, await act(spec, call, arguments))
        asked = idempotency.asked(call.actor, key, call.request, body)
        seal = call.services.config.secret_key if spec.sealed else None
        kept = await idempotency.begin(call.connection, asked, seal=seal)
        if kept is not None:
            return kept
        answer = _answer(spec, call, await act(spec, call, arguments))
        await idempotency.keep(call.connection, asked, answer, seal=seal)
        return answer


def _named(spec: Endpoint, request: AnyRequest) -> dict[str, Any]:
    """What the path names."""
    arguments: dict[str, Any] = {name: request.path_params[name] for name in spec.parameters}
    if any(isinstance(value, int) and not 0 <= value <= LARGEST_IN_PATH for value in arguments.values()):
        raise Problem("not-found", "There is nothing with this number.")
    if any(isinstance(value, str) and "\x00" in value for value in arguments.values()):
        raise Problem("not-found", "There is nothing with this name.")
    return arguments


def _given(spec: Endpoint, request: AnyRequest, body: bytes) -> dict[str, Any]:
    """What the query and the body say."""
    arguments: dict[str, Any] = {}
    if spec.query is not None:
        pairs = list(request.query_params.multi_items())
        if len(dict(pairs)) != len(pairs):
            raise Problem("validation", "A query parameter stands there more than once.")
        arguments["query"] = decode_query(dict(pairs), spec.query)
    if spec.data is not None and (body or not spec.may_be_empty):
        if spec.consumes is None:
            _require_json(request)
        arguments["data"] = decode_body(body, spec.data)
    return arguments


def _require_json(request: AnyRequest) -> None:
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem("unsupported-media", f"This operation takes application/json, not {kind[:100]}.")


def _answer(spec: Endpoint, call: Call, result: Any) -> Answer:
    if isinstance(result, Answer):
        return result
    if result is None:
        return Answer(status=204 if spec.status == 200 else spec.status, headers=call.headers)
    return json_answer(result, status=spec.status, headers=call.headers)


def endpoint_of(handler: HTTPRouteHandler) -> Endpoint | None:
    """The declaration behind a route; None for one that did not come from `endpoint`."""
    spec = handler.opt.get("endpoint")
    return spec if isinstance(spec, Endpoint) else None

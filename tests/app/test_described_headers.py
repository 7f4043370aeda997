"""Every header that an operation reads is in its description, with a value that the service takes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from app.docs import endpoints
from app.request_headers import CONTENT_DIGEST, DEVICE_SIGNATURE
from app.routes.claims import CAPTURE, CaptureGiven
from app.routes.devices import _bytes
from app.strict import decode_body
from tests.app.conftest import World, ok

# OpenAPI says of these that they are no parameters: the answers' media types and the security schemes stand for them.
ELSEWHERE = {"accept", "content-type", "authorization"}

Function = tuple[str, str]


def functions() -> tuple[dict[Function, set[str]], dict[Function, set[Function]]]:
    """What each function beside the routes reads of the request's headers, and what it may call: by module and name."""
    reads: dict[Function, set[str]] = {}
    calls: dict[Function, set[Function]] = {}
    for path in [*Path("app/routes").rglob("*.py"), Path("app/photos.py")]:
        module = ".".join(path.with_suffix("").parts)
        tree = ast.parse(path.read_text())
        known = dict(imported(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                here = (module, node.name)
                reads[here] = set(read(node))
                names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                dotted = {
                    (f"{known[each.value.id][0]}.{known[each.value.id][1]}", each.attr)
                    for each in ast.walk(node)
                    if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in known
                }
                calls[here] = {known.get(name, (module, name)) for name in names} | dotted
    return reads, calls


def imported(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((each.asname or each.name, (node.module, each.name)) for each in node.names)


def read(function: ast.AST) -> Iterator[str]:
    """The names in `….request.headers.get("name")` and the like."""
    for node in ast.walk(function):
        inside: ast.expr | None = None
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            inside, name = node.func.value, node.args[0]
        elif isinstance(node, ast.Subscript):
            inside, name = node.value, node.slice
        if inside is not None and ast.unparse(inside).endswith("request.headers") and isinstance(name, ast.Constant):
            yield str(name.value).lower()


async def test_what_a_handler_reads_of_the_headers_is_described(world: World) -> None:
    document = ok(await world.client.get("/openapi.json"))
    reads, calls = functions()
    met = set()
    for spec in endpoints(world.app):
        if spec.hidden:
            continue
        todo, seen = [(spec.handler.__module__, spec.name)], set[Function]()
        while todo:
            seen.add(here := todo.pop())
            todo += [each for each in calls.get(here, ()) if each in reads and each not in seen]
        wanted = {name for here in seen for name in reads[here]} - ELSEWHERE
        parameters = document["paths"][spec.path][spec.method.lower()]["parameters"]
        described = {each["name"].lower() for each in parameters if each["in"] == "header"} - {"idempotency-key"}
        assert described == wanted, spec.name
        met |= wanted
    assert met == {"capture", "content-digest", "device-signature", "if-match", "if-none-match"}


async def test_the_headers_that_phones_and_instruments_send_are_there(world: World) -> None:
    paths = ok(await world.client.get("/openapi.json"))["paths"]

    def headers(method: str, path: str) -> dict[str, bool]:
        return {each["name"]: each["required"] for each in paths[path][method]["parameters"] if each["in"] == "header"}

    photo = "/v1/people/claims/{claim_id}/photos/{n}"
    assert headers("put", photo) == {"Capture": False, "Content-Digest": False}
    assert headers("put", f"{photo}/frames/{{k}}") == {"Content-Digest": False}
    signed = {"Idempotency-Key": True, "Device-Signature": True}
    assert headers("post", "/v1/devices") == headers("post", "/v1/devices/{device_id}/observations") == signed
    capture = next(each for each in paths[photo]["put"]["parameters"] if each["name"] == "Capture")
    assert capture["schema"]["contentSchema"]["$ref"].endswith("CaptureGiven")


def test_their_examples_are_what_the_service_reads() -> None:
    assert decode_body(CAPTURE.example.encode("latin-1"), CaptureGiven).nonce
    assert len(_bytes(DEVICE_SIGNATURE.example)) == 64
    assert CONTENT_DIGEST.example.startswith("sha-256=:")

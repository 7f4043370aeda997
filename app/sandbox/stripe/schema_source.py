"""Derive JSON schemas of Stripe's requests and answers from the installed SDK, by reading its source only.

The SDK (MIT) is generated from Stripe's OpenAPI description: its `TypedDict`s are the requests, its `StripeObject`
classes the answers. Reading the syntax trees costs no import of the package and always fits the version installed.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
PRIMITIVES: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Decimal": {"type": "string", "format": "decimal"},
    "None": {"type": "null"},
    "Any": {},
    "object": {},
    "UntypedStripeObject": {"type": "object"},
    "StripeObject": {"type": "object"},
}
PLUMBING = re.compile(r"^(TypedDict|RequestOptions|object|StripeObject|\w*APIResource)$|\[")
LISTS = ("ListObject", "SearchResultObject", "V2ListObject")


@dataclass
class Module:
    """What one source file defines: imported names, classes and plain assignments."""

    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    aliases: dict[str, ast.expr] = field(default_factory=dict)

    def read(self, body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in node.names:
                    self.imports[name.asname or name.name] = (node.module, name.name)
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.aliases[node.targets[0].id] = node.value
            elif isinstance(node, ast.If | ast.Try):
                self.read(node.body)


@dataclass(frozen=True)
class Where:
    """A class of the SDK: its module and the path of nested class names."""

    module: str
    path: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.module.removeprefix("stripe.") + "." + ".".join(self.path)


class Source:
    """Reads the SDK lazily and collects the schemas of whatever is asked for, in `schemas`."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("stripe")
        if spec is None or spec.origin is None:
            raise RuntimeError("the stripe package is not installed")
        self.root = Path(spec.origin).parent
        self.schemas: dict[str, Schema] = {}
        self._modules: dict[str, Module] = {}
        self._waiting: list[tuple[Where, bool]] = []

    def operations(self, wanted: Iterable[tuple[str, str]], answers: bool) -> dict[str, dict[str, Schema]]:
        """(verb, path template) pairs → {"post /v1/…": {"request": schema, "answer": schema}}.

        Answers are many times larger than requests; ask for them only where they are compared with.
        """
        left = set(wanted)
        found: dict[str, dict[str, Schema]] = {}
        for file in sorted(self.root.rglob("*_service.py")):
            text = file.read_text()
            if not any(f'"{path}"' in text for _, path in left):
                continue
            module = ".".join(file.relative_to(self.root.parent).with_suffix("").parts)
            for owner, function, verb, path in self._calls(module):
                if (verb, path) not in left:
                    continue
                left.discard((verb, path))
                operation = {"request": self._request(function, Where(module, (owner,)))}
                if answers and function.returns is not None:
                    operation["answer"] = self.schema(function.returns, Where(module, (owner,)), False)
                found[f"{verb} {path}"] = operation
        if left:
            raise RuntimeError(f"this version of the stripe package has no operation {sorted(left)}")
        while self._waiting:
            self._build(*self._waiting.pop())
        return found

    def _calls(self, module: str) -> Iterator[tuple[str, ast.FunctionDef, str, str]]:
        for name, node in self._module(module).classes.items():
            for function in node.body:
                if not isinstance(function, ast.FunctionDef):
                    continue
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == "self._request" and len(call.args) > 1:
                        verb, path = call.args[0], call.args[1]
                        if isinstance(path, ast.Call) and isinstance(path.func, ast.Attribute):
                            path = path.func.value  # "/v1/…/{id}".format(…)
                        if isinstance(verb, ast.Constant) and isinstance(path, ast.Constant):
                            yield name, function, str(verb.value), str(path.value)

    def _request(self, function: ast.FunctionDef, where: Where) -> Schema:
        for argument in function.args.args:
            if argument.arg == "params" and argument.annotation is not None:
                annotation = argument.annotation
                if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Optional":
                    annotation = annotation.slice
                return self.schema(annotation, where, True)
        return {"type": "object", "properties": {}, "additionalProperties": False}

    def _module(self, name: str) -> Module:
        if name not in self._modules:
            base = self.root.parent / name.replace(".", "/")
            file = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
            module = Module()
            if file.exists():
                module.read(ast.parse(file.read_text()).body)
            self._modules[name] = module
        return self._modules[name]

    def _node(self, where: Where) -> ast.ClassDef:
        node = self._module(where.module).classes[where.path[0]]
        for name in where.path[1:]:
            node = next(inner for inner in node.body if isinstance(inner, ast.ClassDef) and inner.name == name)
        return node

    def _find(self, name: str, where: Where, hops: int = 0) -> Where | None:
        """Resolve a name as Python would from inside the class `where`: enclosing classes, module, imports."""
        module = self._module(where.module)
        for depth in range(len(where.path), 0, -1):
            if where.path[0] not in module.classes:
                break
            inside = Where(where.module, where.path[:depth])
            if any(isinstance(inner, ast.ClassDef) and inner.name == name for inner in self._node(inside).body):
                return Where(where.module, (*inside.path, name))
        if name in module.classes:
            return Where(where.module, (name,))
        if name in module.imports and hops < 6:
            origin, original = module.imports[name]
            if origin.startswith("stripe"):
                return self._find(original, Where(origin, ()), hops + 1)
        return None

    def _reference(self, where: Where, request: bool) -> Schema:
        if where.key not in self.schemas:
            self.schemas[where.key] = {}
            self._waiting.append((where, request))
        return {"$ref": where.key}

    def schema(self, node: ast.expr, where: Where, request: bool) -> Schema:
        """The schema of one annotation as seen from inside the class `where`."""
        if isinstance(node, ast.Constant):
            if node.value is None:
                return {"type": "null"}
            return self.schema(ast.parse(str(node.value), mode="eval").body, where, request)
        if isinstance(node, ast.BinOp):
            return union([self.schema(part, where, request) for part in _parts(node)])
        if isinstance(node, ast.Name):
            if node.id in PRIMITIVES:
                return dict(PRIMITIVES[node.id])
            found = self._find(node.id, where)
            if found is not None:
                return self._reference(found, request)
            alias = self._module(where.module).aliases.get(node.id)
            if alias is not None:
                return self.schema(alias, where, request)
        if isinstance(node, ast.Attribute):
            head, *rest = ast.unparse(node).split(".")
            found = self._find(head, where)
            if found is not None:
                return self._reference(Where(found.module, (*found.path, *rest)), request)
        if isinstance(node, ast.Subscript):
            return self._generic(ast.unparse(node.value), _elements(node.slice), where, request)
        raise RuntimeError(f"cannot read the annotation {ast.unparse(node)} in {where.key}")

    def _generic(self, head: str, args: list[ast.expr], where: Where, request: bool) -> Schema:
        if head == "Literal":
            return {"enum": [arg.value for arg in args if isinstance(arg, ast.Constant)]}
        if head == "Dict":
            return {"type": "object", "additionalProperties": self.schema(args[1], where, request)}
        inner = [self.schema(arg, where, request) for arg in args]
        if head in ("NotRequired", "Required", "ClassVar"):
            return inner[0]
        if head == "Optional":
            return union([*inner, {"type": "null"}])
        if head == "Union":
            return union(inner)
        if head in ("List", "Sequence"):
            return {"type": "array", "items": inner[0]}
        if head == "UntypedStripeObject":
            return {"type": "object", "additionalProperties": inner[0]}
        if head == "ExpandableField":
            return union([{"type": "string"}, inner[0]])
        if head in LISTS:
            return {
                "type": "object",
                "required": ["data"],
                "properties": {"data": {"type": "array", "items": inner[0]}},
            }
        raise RuntimeError(f"cannot read the generic type {head} in {where.key}")

    def _build(self, where: Where, request: bool) -> None:
        properties: dict[str, Schema] = {}
        required: set[str] = set()
        self._collect(where, request, properties, required)
        schema: Schema = {"type": "object", "properties": properties}
        if request:
            schema["additionalProperties"] = False
        if required:
            schema["required"] = sorted(required)
        self.schemas[where.key] = schema

    def _collect(self, where: Where, request: bool, properties: dict[str, Schema], required: set[str]) -> None:
        node = self._node(where)
        for parent in map(ast.unparse, node.bases):
            if PLUMBING.search(parent):
                continue
            alias = self._module(where.module).aliases.get(parent)
            if isinstance(alias, ast.Call) and isinstance(alias.args[1], ast.Dict):  # TypedDict("XBase", {"from": …})
                for key, value in zip(alias.args[1].keys, alias.args[1].values, strict=True):
                    if isinstance(key, ast.Constant):
                        self._field(str(key.value), value, where, request, properties, required)
                continue
            found = self._find(parent, where)
            if found is not None and not PLUMBING.search(found.path[0]):
                self._collect(found, request, properties, required)
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                name = item.target.id
                if name.startswith("_") or ast.unparse(item.annotation).startswith("ClassVar"):
                    continue
                self._field(name, item.annotation, where, request, properties, required)

    def _field(
        self, name: str, node: ast.expr, where: Where, request: bool, properties: dict[str, Schema], required: set[str]
    ) -> None:
        properties[name] = self.schema(node, where, request)
        optional = ("NotRequired", "'NotRequired") if request else ("Optional",)
        if not ast.unparse(node).startswith(optional):
            required.add(name)


def union(parts: list[Schema]) -> Schema:
    """One schema for several; a `Literal[…] | str` keeps its list and is marked open, as answers may grow."""
    flat: list[Schema] = []
    for part in parts:
        for one in part["anyOf"] if set(part) == {"anyOf"} else [part]:
            if one not in flat:
                flat.append(one)
    listed = [one for one in flat if "enum" in one and one["enum"] != [""]]
    if listed and {"type": "string"} in flat:
        flat.remove({"type": "string"})
        for one in listed:
            one["open"] = True
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _parts(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [*_parts(node.left), *_parts(node.right)]
    return [node]


def _elements(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]

"""Judge requests by the SDK's own schemas and turn form strings into the types that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from app.sandbox.stripe.errors import StripeRefusal, invalid
from app.sandbox.stripe.schema_source import Schema, Source

INTEGER = re.compile(r"^-?\d{1,18}$")


class Schemas:
    """The request schemas of the operations that the sandbox serves, derived once at start (some 0.2 s)."""

    def __init__(self, operations: Iterable[tuple[str, str]]) -> None:
        source = Source()
        self._operations = source.operations(operations, answers=False)
        self._schemas = source.schemas

    def request(self, verb: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters with their types, or a 400 that names the parameter.

        Forms and queries arrive as strings and are converted; v2's JSON must already have the right types.
        """
        convert = verb != "post" or path.startswith("/v1/")
        checked = self._check(self._operations[f"{verb} {path}"]["request"], params, "", convert)
        assert isinstance(checked, dict)
        return checked

    def _check(self, schema: Schema, value: Any, param: str, convert: bool) -> Any:
        if "$ref" in schema:
            return self._check(self._schemas[schema["$ref"]], value, param, convert)
        if "anyOf" in schema:
            return self._any(schema["anyOf"], value, param, convert)
        if "enum" in schema:
            if value not in schema["enum"]:
                allowed = ", ".join(str(one) for one in schema["enum"][:20])
                raise invalid(f"Invalid {param}: must be one of {allowed}", param=param)
            return value
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, value, param, convert)
        if kind == "array":
            if not isinstance(value, list):
                raise invalid(f"Invalid array: {param}", param=param)
            return [self._check(schema["items"], one, f"{param}[{n}]", convert) for n, one in enumerate(value)]
        return _scalar(kind, value, param, convert)

    def _any(self, options: list[Schema], value: Any, param: str, convert: bool) -> Any:
        refusals: list[StripeRefusal] = []
        for option in options:
            try:
                return self._check(option, value, param, convert)
            except StripeRefusal as refusal:
                refusals.append(refusal)
        # The most telling refusal is the one that looked deepest into the value.
        raise max(refusals, key=lambda refusal: len(refusal.body["error"].get("param", "")))

    def _object(self, schema: Schema, value: Any, param: str, convert: bool) -> dict[str, Any]:
        if convert and isinstance(value, list):  # metadata[0]=… decoded as a list
            value = {str(index): one for index, one in enumerate(value)}
        if not isinstance(value, dict):
            raise invalid(f"Invalid object: {param}", param=param)
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        checked: dict[str, Any] = {}
        for name, one in value.items():
            inner = f"{param}[{name}]" if param else name
            if name in properties:
                checked[name] = self._check(properties[name], one, inner, convert)
            elif others is False:
                raise invalid(f"Received unknown parameter: {inner}", code="parameter_unknown", param=inner)
            else:
                checked[name] = self._check(others, one, inner, convert)
        for name in schema.get("required", ()):
            if name not in checked:
                inner = f"{param}[{name}]" if param else name
                raise invalid(f"Missing required param: {inner}.", code="parameter_missing", param=inner)
        return checked


def _scalar(kind: str | None, value: Any, param: str, convert: bool) -> Any:
    if kind is None:
        return value
    if kind == "integer":
        if convert and isinstance(value, str) and INTEGER.match(value):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise invalid(f"Invalid integer: {value}"[:200], code="parameter_invalid_integer", param=param)
    if kind == "boolean":
        if convert and value in ("true", "false"):
            return value == "true"
        if isinstance(value, bool):
            return value
        raise invalid(f"Invalid boolean: {value}"[:200], param=param)
    if kind == "number":
        try:
            if not isinstance(value, bool) and (convert or not isinstance(value, str)):
                return float(value)
        except (TypeError, ValueError):
            pass
        raise invalid(f"Invalid decimal: {value}"[:200], param=param)
    if kind == "null":
        if value is None:
            return None
        raise invalid(f"Invalid value for {param}: must be null", param=param)
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {param}", param=param)
    if len(value) > 5000:
        raise invalid(f"Invalid string: {param} must be at most 5000 characters", param=param)
    return value

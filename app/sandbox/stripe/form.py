"""Stripe's form encoding: `a[b][0]=x` → {"a": {"b": ["x"]}}."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from app.sandbox.stripe.errors import invalid

MAX_FIELDS = 2000
MAX_DEPTH = 12
KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decode(text: str) -> dict[str, Any]:
    """A query string or form body as nested dicts and lists; every leaf is still a string.

    Raises `StripeRefusal` (400) for a key that does not parse, nests too deeply, or is both a value and a container.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise invalid("The request body is not valid form data.") from None
    tree: dict[str, Any] = {}
    for key, value in pairs:
        match = KEY.match(key)
        if match is None:
            raise invalid(f"Invalid parameter name: {key[:100]}", param=key[:100])
        steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        if len(steps) > MAX_DEPTH:
            raise invalid(f"Parameter nested too deeply: {key[:100]}", param=key[:100])
        _place(tree, steps, value, key)
    return {name: _with_lists(child) for name, child in tree.items()}


def _place(tree: dict[str, Any], steps: list[str], value: str, key: str) -> None:
    node = tree
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        name = step if step else str(len(node))  # `a[]=x` appends
        if following is None:
            if name in node:
                raise invalid(f"Parameter given twice: {key[:100]}", param=key[:100])
            node[name] = value
            return
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise invalid(f"Parameter is both a value and a hash: {key[:100]}", param=key[:100])


def _with_lists(node: Any) -> Any:
    """Hashes whose keys are exactly 0…n-1 become lists. The schema turns one back where it wants a hash."""
    if not isinstance(node, dict):
        return node
    children = {name: _with_lists(child) for name, child in node.items()}
    if children and set(children) == {str(index) for index in range(len(children))}:
        return [children[str(index)] for index in range(len(children))]
    return children

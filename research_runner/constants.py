"""The ALL_CAPS constants of an experiment's source: found by AST, with the values to try from their comments.

LEARNING_RATE = 0.01  # 0.002..0.03 log · peak, per AdamW step
DIAL = 2  # {1, 2, 3} · size
FLIP = False  # mirror half of the photos
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass

from research_runner.errors import RunnerError

Value = bool | int | float | str
NUMBER = r"-?\d+(?:\.\d+)?(?:[eE]-?\d+)?"
RANGE = re.compile(rf"^({NUMBER})\.\.({NUMBER})( log)?(?:\s|$)")
CHOICES = re.compile(r"^(\{[^}]*\})(?:\s|$)")


@dataclass(frozen=True)
class Constant:
    """One constant. Exactly one of `choices` and (`low`, `high`) is set when it can be searched, else neither."""

    name: str
    value: Value
    unit: str
    line: int
    start: int  # byte columns of the value in its line
    end: int
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] | None = None

    @property
    def searchable(self) -> bool:
        return self.choices is not None or self.low is not None


def find(source: str) -> dict[str, Constant]:
    """Module-level `NAME = literal` in order; a name assigned twice or to an expression is not a constant."""
    try:
        tree = ast.parse(source)
    except SyntaxError as problem:
        raise RunnerError(f"train.py, line {problem.lineno}: {problem.msg}") from problem
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Constant] = {}
    seen: set[str] = set()
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            continue
        name = node.targets[0].id
        if name in seen:
            found.pop(name, None)
        elif re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and node.value.lineno == node.value.end_lineno:
            value = _literal(node.value)
            if value is not None:
                found[name] = _constant(name, value, node.value, comments.get(node.lineno, ""))
        seen.add(name)
    return found


def replace(source: str, values: Mapping[str, Value]) -> str:
    """`source` with the values of some constants changed and every other character left as it was."""
    constants = find(source)
    lines = source.splitlines(keepends=True)
    for name, value in values.items():
        constant = constants[name]
        line = lines[constant.line - 1].encode()
        lines[constant.line - 1] = (line[: constant.start] + repr(value).encode() + line[constant.end :]).decode()
    return "".join(lines)


def size(source: str) -> int:
    """How much code there is: AST nodes without docstrings; comments and the values of literals do not count."""
    tree = ast.parse(source)
    docstrings = sum(
        2
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node, clean=False) is not None
    )
    return sum(1 for _ in ast.walk(tree)) - docstrings


def _literal(node: ast.expr) -> Value | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return None
    return value if isinstance(value, bool | int | float | str) else None


def _constant(name: str, value: Value, node: ast.expr, comment: str) -> Constant:
    end = node.end_col_offset
    assert end is not None  # set by ast.parse for every expression
    spread, unit = comment, comment
    if " · " in comment:
        spread, unit = comment.split(" · ", 1)
    place = (name, value, unit, node.lineno, node.col_offset, end)
    if isinstance(value, bool):
        return Constant(*place, choices=(False, True))
    if match := CHOICES.match(spread):
        options = ast.literal_eval("(" + match[1].strip("{}") + ",)")
        return Constant(*place, choices=tuple(options))
    if (match := RANGE.match(spread)) and not isinstance(value, str):
        low, high = float(match[1]), float(match[2])
        if not low < high or (match[3] and low <= 0):
            raise RunnerError(f"train.py, line {node.lineno}: {match[0].strip()!r} is not a range to search")
        return Constant(*place, low=low, high=high, log=bool(match[3]))
    return Constant(*place)

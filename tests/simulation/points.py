"""Where a process may die: before and after every await of the money's modules, and around every COMMIT.

The modules are read, and each `await x` becomes `await cross(name, x)`, each `async with x` a context that may be left
at four places: before and after it is entered, before and after it is left, which for a transaction is its COMMIT. So
the list of points is the source itself, and none can be forgotten.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests.simulation.points"
TOTAL: set[str] = set()  # every point of every module that is instrumented
STRUCK: set[str] = set()
MET: dict[str, Counter[str]] = {}  # each point that was ever passed, and how often in which acts
DONE: Counter[str] = Counter()  # how often each act was done


class Crash(BaseException):
    """The process dies here: nothing that catches errors sees it."""


class Strikes:
    """Which points of one life kill, each once: a share of them by the seed, or those that are hunted.

    hunted: only a few of them kill in each act, lest nobody ever gets as far as the rare ones · plan: the acts in which
    they are hunted.
    """

    def __init__(self, seed: int, one_in: int, hunted: frozenset[str] = frozenset(), plan: Sequence[str] = ()) -> None:
        self.seed, self.one_in, self.hunted, self.plan = seed, one_in, hunted, plan
        self.done: set[str] = set()
        self.armed = False
        self.left = 0  # of those that are hunted, how many may kill in this act

    def wants(self, point: str) -> bool:
        if not self.armed or point in self.done:
            return False
        if self.hunted:
            chosen = self.left > 0 and point in self.hunted
            self.left -= chosen
        else:
            chosen = self._number(point) % self.one_in == 0
        if chosen:
            self.done.add(point)
        return chosen

    def cancels(self, point: str) -> bool:
        """Whether the one who waits goes, rather than the process dies."""
        return self._number(point) % 2 == 0 if self.hunted else self._number(point) // self.one_in % 2 == 0

    def _number(self, point: str) -> int:
        return zlib.crc32(f"{self.seed} {point}".encode())


act = ""  # what is being done
_strikes: Strikes | None = None
_root: asyncio.Task[Any] | None = None


def begin(strikes: Strikes | None, root: asyncio.Task[Any] | None) -> None:
    """From now on points strike as told, and a cancellation is that of `root`."""
    global _strikes, _root
    _strikes, _root = strikes, root


async def _pass(point: str) -> None:
    MET.setdefault(point, Counter())[act] += 1
    if _strikes is None or not _strikes.wants(point):
        return
    STRUCK.add(point)
    if not _strikes.cancels(point) or _root is None:
        raise Crash(point)
    _root.cancel(point)
    await asyncio.Event().wait()  # the cancellation arrives here, whichever task of the root's we are in


async def cross(name: str, awaitable: Awaitable[Any]) -> Any:
    """`await awaitable`, between two points."""
    try:
        await _pass(f"{name} before")
    except BaseException:
        if isinstance(awaitable, types.CoroutineType):
            awaitable.close()
        raise
    result = await awaitable
    await _pass(f"{name} after")
    return result


class within:
    """`async with inner`, between four points."""

    def __init__(self, name: str, inner: Any) -> None:
        self.name, self.inner = name, inner

    async def __aenter__(self) -> Any:
        await _pass(f"{self.name} enter before")
        entered = await self.inner.__aenter__()
        try:
            await _pass(f"{self.name} enter after")
        except BaseException as error:
            await self.inner.__aexit__(type(error), error, error.__traceback__)
            raise
        return entered

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> Any:
        if kind is not None:
            return await self.inner.__aexit__(kind, error, trace)
        try:
            await _pass(f"{self.name} leave before")
        except BaseException as struck:
            await self.inner.__aexit__(type(struck), struck, struck.__traceback__)
            raise
        done = await self.inner.__aexit__(None, None, None)
        await _pass(f"{self.name} leave after")
        return done


async def each(name: str, items: Any) -> AsyncIterator[Any]:
    """`async for … in items`, with a point before each step."""
    iterator = aiter(items)
    while True:
        await _pass(f"{name} before")
        try:
            item = await anext(iterator)
        except StopAsyncIteration:
            return
        yield item


class _Rewriter(ast.NodeTransformer):
    def __init__(self, file: str, tree: ast.Module) -> None:
        self.file = file
        # What is after a call that always raises is no place.
        self.raising = {
            each.name
            for each in tree.body
            if isinstance(each, ast.AsyncFunctionDef)
            and isinstance(each.returns, ast.Name)
            and each.returns.id == "NoReturn"
        }

    def _name(self, node: ast.AST, sides: Sequence[str]) -> ast.Constant:
        name = f"{self.file}:{node.lineno}:{node.col_offset}"  # type: ignore[attr-defined]
        TOTAL.update(f"{name} {side}" for side in sides)
        return ast.Constant(name)

    def _call(self, function: str, name: ast.Constant, value: ast.expr) -> ast.Call:
        target = ast.Attribute(ast.Name("__points__", ast.Load()), function, ast.Load())
        return ast.Call(target, [name, value], [])

    def visit_Await(self, node: ast.Await) -> ast.AST:
        called = node.value.func if isinstance(node.value, ast.Call) else None
        raises = isinstance(called, ast.Name) and called.id in self.raising
        self.generic_visit(node)
        node.value = self._call("cross", self._name(node, ("before",) if raises else ("before", "after")), node.value)
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        sides = ("enter before", "enter after", "leave before", "leave after")
        for item in node.items:
            item.context_expr = self._call("within", self._name(item.context_expr, sides), item.context_expr)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if node.is_async:
            node.iter = self._call("each", self._name(node.iter, ("before",)), node.iter)
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        self.generic_visit(node)
        node.iter = self._call("each", self._name(node.iter, ("before",)), node.iter)
        return node


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the named modules with points in them. To be put in place before any of them is imported."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.wanted = wanted

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if not self.wanted(name):
            return None
        base = ROOT / Path(*name.split("."))
        package = (base / "__init__.py").exists()
        file = base / "__init__.py" if package else base.with_suffix(".py")
        if not file.exists():
            return None
        return importlib.util.spec_from_file_location(
            name, file, loader=self, submodule_search_locations=[str(base)] if package else None
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        file = Path(str(module.__file__))
        source = ast.parse(file.read_text())
        tree = _Rewriter(str(file.relative_to(ROOT)), source).visit(source)
        ast.fix_missing_locations(tree)
        module.__dict__["__points__"] = sys.modules[HERE]
        exec(compile(tree, str(file), "exec"), module.__dict__)


def install(wanted: Callable[[str], bool]) -> None:
    """Instrument every module that is `wanted`. Raises RuntimeError when one was imported before."""
    early = [name for name in sys.modules if wanted(name)]
    if early:
        raise RuntimeError(f"imported too early: {early}")
    sys.meta_path.insert(0, Finder(wanted))

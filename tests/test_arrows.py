"""Who may import whom, and how long things may grow. The files themselves are read, not run."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"app", "market", "sensors", "research_runner"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 70

# package → which of ours it may import besides itself
ARROWS = {
    "app": {"market", "sensors"},
    "market": set(),
    "sensors": set(),
    "research_runner": {"sensors"},
    "alembic": {"app"},  # the migrations' own helper, app/migrate.py
}
# What the runner may use of sensors/: decoding and units, never the verdict.
RUNNER_MAY_USE = {"decode", "units", "exif", "limits"}
# outside library → the only files and folders of ours that may import it
HOMES = {
    "asyncpg": ("app/db.py", "app/embedded_postgres.py", "market/", "tests/"),
    "torch": ("research_runner/", "tests/"),
    "optuna": ("research_runner/", "tests/"),
    "stripe": ("app/gateways/stripe/", "app/sandbox/", "tests/"),
}
# sensors/ gets bytes and numbers and gives a verdict: no database, network, clock or learning in it.
NOT_IN_SENSORS = {
    "asyncio", "asyncpg", "http", "httpx", "litestar", "obstore", "requests", "secrets", "socket",
    "sqlalchemy", "stripe", "time", "torch", "urllib",
}  # fmt: skip


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, wherever it stands; relative ones cannot leave their package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute) and node.args:
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def wrong_imports(path: str, source: str) -> list[str]:
    """What the file at `path` (from the root, with /) imports against the arrows."""
    package = path.split("/")[0]
    found = []
    for line, name in imports(ast.parse(source)):
        top, *rest = name.split(".")
        if top in PACKAGES and package in ARROWS and top != package and top not in ARROWS[package]:
            found.append(f"{path}:{line} {package} may not import {top}")
        if top == "sensors" and package == "research_runner" and rest[0] not in RUNNER_MAY_USE:
            found.append(f"{path}:{line} research_runner may import of sensors only {sorted(RUNNER_MAY_USE)}")
        if top in HOMES and not path.startswith(HOMES[top]):
            found.append(f"{path}:{line} {top} may be imported only in {', '.join(HOMES[top])}")
        if package == "sensors" and top in NOT_IN_SENSORS:
            found.append(f"{path}:{line} sensors may not use {top}")
    return found


def too_long(path: str, source: str) -> list[str]:
    """Whether the file or a function in it has outgrown what one reads at a sitting."""
    found = []
    lines = source.count("\n")
    if lines > LONGEST_FILE:
        found.append(f"{path} has {lines} lines, more than {LONGEST_FILE}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                found.append(f"{path}:{node.lineno} {node.name} has {length} lines, more than {LONGEST_FUNCTION}")
    return found


def reads_the_clock(path: str, source: str) -> list[str]:
    """Calls such as datetime.now() in sensors/, where time is an argument."""
    return [
        f"{path}:{node.lineno} sensors may not read the clock ({node.func.attr})"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("now", "utcnow", "today")
    ]


def our_files() -> list[str]:
    """Every Python file of the checkout that git knows or would take up; all of them outside a repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        names = listed.stdout.split()
    else:
        tops = [*PACKAGES, "alembic", "tests"]
        names = [str(path.relative_to(ROOT)) for top in tops for path in (ROOT / top).rglob("*.py")]
    return sorted(name for name in names if (ROOT / name).exists())


def test_there_is_something_to_look_at() -> None:
    tops = {name.split("/")[0] for name in our_files()}
    assert tops >= PACKAGES


def test_every_import_follows_the_arrows() -> None:
    wrong = [line for name in our_files() for line in wrong_imports(name, (ROOT / name).read_text())]
    assert not wrong, "\n".join(wrong)


def test_the_sensors_never_look_at_a_clock() -> None:
    names = [name for name in our_files() if name.startswith("sensors/")]
    wrong = [line for name in names for line in reads_the_clock(name, (ROOT / name).read_text())]
    assert not wrong, "\n".join(wrong)


def test_no_file_or_function_outgrows_its_reader() -> None:
    wrong = [line for name in our_files() for line in too_long(name, (ROOT / name).read_text())]
    assert not wrong, "\n".join(wrong)


def test_the_migrations_do_not_shadow_the_alembic_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()
    import alembic

    assert "site-packages" in str(alembic.__file__)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("market/tasks.py", "import app.db"),
        ("market/tasks.py", "def post():\n    from sensors import check"),
        ("sensors/check.py", "from market.tasks import post"),
        ("sensors/check.py", "import time"),
        ("sensors/check.py", "from torch import nn"),
        ("app/routes/tasks.py", "from research_runner import client"),
        ("app/routes/tasks.py", "import asyncpg"),
        ("app/payments.py", "from stripe import StripeClient"),
        ("app/models.py", "import torch.nn"),
        ("app/models.py", "import importlib\nimportlib.import_module('research_runner.train')"),
        ("research_runner/client.py", "from app.config import load"),
        ("research_runner/client.py", "from market import money"),
        ("research_runner/client.py", "from sensors import check"),
    ],
)
def test_a_planted_bad_import_is_caught(path: str, source: str) -> None:
    assert wrong_imports(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/routes/tasks.py", "from market import tasks\nfrom sensors.check import check"),
        ("app/gateways/stripe/calls.py", "import stripe"),
        ("market/ledger.py", "import asyncpg\nfrom market import money"),
        ("research_runner/prepare.py", "import torch\nfrom sensors.decode import decode"),
        ("tests/app/test_tasks.py", "import asyncpg, torch\nimport app.main, research_runner.client"),
    ],
)
def test_a_good_import_passes(path: str, source: str) -> None:
    assert not wrong_imports(path, source)


def test_a_planted_long_function_long_file_and_clock_are_caught() -> None:
    long_function = "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION
    assert too_long("app/x.py", long_function)
    assert too_long("app/x.py", "x = 1\n" * (LONGEST_FILE + 1))
    assert not too_long("app/x.py", "x = 1\n" * LONGEST_FILE)
    assert reads_the_clock("sensors/x.py", "from datetime import datetime\ndatetime.now()")

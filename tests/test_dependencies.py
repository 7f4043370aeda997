"""What is declared is enough: `make demo` installs no development tools, and must find everything it imports."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent

# Everything of ours that runs outside the tests, and what it imports only when it is used.
IMPORT_ALL = """
import importlib, pkgutil, sys
import app, market, sensors, research_runner
for package in (app, market, sensors, research_runner):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name not in ("research_runner.prepare", "app.migrations.env"):
            importlib.import_module(module.name)
import sqlalchemy.util.concurrency, torch.onnx, onnxscript, sklearn.datasets
assert sqlalchemy.util.concurrency.greenlet
print(*sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None}))
"""
IF_INSTALLED = {"attr"}  # libraries look whether it is there, and do without
OURS = {"app", "market", "sensors", "research_runner", "sensorium", "alembic"}


def declared(extra: str) -> set[str]:
    """Distributions that `pip install sensorium[extra]` brings, by canonical name."""
    found: set[tuple[str, str]] = set()
    waiting = [("sensorium", ""), ("sensorium", extra)]
    while waiting:
        name, part = waiting.pop()
        if (name, part) in found:
            continue
        found.add((name, part))
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        for line in required:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": part}):
                wanted = canonicalize_name(requirement.name)
                waiting += [(wanted, ""), *((wanted, each) for each in requirement.extras)]
    return {name for name, _ in found}


def test_everything_imported_is_declared_without_the_development_tools() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    homes = metadata.packages_distributions()
    enough = declared("runner")
    assert "greenlet" in enough and "pytest" not in enough
    lacking = {
        module: homes[module]
        for module in done.stdout.split()
        if module in homes and module not in OURS
        and not {canonicalize_name(home) for home in homes[module]} & enough
    }  # fmt: skip
    assert not set(lacking) - IF_INSTALLED, lacking


def test_every_pin_is_of_a_declared_distribution() -> None:
    pinned = {
        canonicalize_name(match[1])
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if (match := re.match(r"([A-Za-z0-9._-]+)(\[.*\])?==", line))
    }
    known = declared("runner") | declared("dev") | declared("fuzz")
    assert pinned <= known, pinned - known

"""Files made to hurt, some five hundred, the same on every run: `python -m tests.bench.hostile FOLDER` writes them.

Each module gives one kind of them. Nothing here is a working exploit of anything: they are sizes that lie, structures
without end, and damage at every place where a reader looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from tests.bench.hostile.kinds import Hostile

MODULES = ("jpeg", "png", "webp", "heic", "metadata", "provenance", "polyglots", "foreign", "cuts", "texts")


def corpus(only: tuple[str, ...] = MODULES) -> Iterator[Hostile]:
    """All files, one at a time: some have twenty million bytes."""
    for name in only:
        yield from import_module(f"tests.bench.hostile.{name}").files()

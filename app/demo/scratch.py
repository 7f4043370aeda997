"""The demo's own temporary folder: gone when the demo ends, and cleared away by the next demo when it was killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.folder_lock import FolderLock

PREFIX = "sensorium-demo-"
LOCK = "demo.lock"  # held by the demo whose folder it is, for as long as that lives


@contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder, removed at the end with all that is in it. Folders of demos that were killed go first."""
    clear_left_behind()
    # Locked before it has the name that other demos look for: none may take it for one left behind.
    unnamed = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    lock = FolderLock(unnamed / LOCK)
    lock.take()
    ours = unnamed.rename(unnamed.with_name(unnamed.name.removeprefix(".")))
    try:
        yield ours
    finally:
        shutil.rmtree(ours, ignore_errors=True)
        lock.release()


def clear_left_behind() -> None:
    """Remove this user's demo folders whose demo no longer lives: those with a lock that nobody holds."""
    for found in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            about = found.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or not (found / LOCK).is_file():
                continue
            lock = FolderLock(found / LOCK)
            if lock.take():
                shutil.rmtree(found, ignore_errors=True)
                lock.release()
        except OSError:  # another demo was quicker
            continue

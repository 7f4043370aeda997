"""A lock file that one process holds for as long as it lives, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path


class FolderLock:
    """`flock` on a file that names its holder's pid. The kernel lets go of it when the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Whether it is ours now; false when another process, or another object of this one, holds it. OSError when
        the file cannot be opened."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
                return False
            raise
        os.truncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def holder(self) -> str:
        """The pid that the holder wrote down."""
        return self.path.read_text() or "unknown"

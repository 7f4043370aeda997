"""As whom the embedded server runs, and how its files are made without root ever following that user's links."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

from app.postgres_binaries import EmbeddedPostgresError

# Nothing of our own environment: it may hold secrets, and PG* variables would change what the server does.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def choose(cluster: Path) -> int | None:
    """The uid for the server of this cluster; None when that is our own."""
    if not cluster.exists():
        return _unprivileged() if os.geteuid() == 0 else None
    owner = cluster.stat().st_uid
    if owner == 0:
        raise EmbeddedPostgresError(f"{cluster} belongs to root, as whom PostgreSQL refuses to run; chown it")
    if os.geteuid() not in (0, owner):
        raise EmbeddedPostgresError(
            f"{cluster} belongs to {name_of(owner)}: run as {name_of(owner)} or root, or choose another data folder"
        )
    return owner if os.geteuid() == 0 else None


def here(folder: Path, user: int | None) -> Path:
    """How a server that runs as another user names its own working directory.

    A root's data folder often lies below folders which that user may not enter (/root). The working directory was
    entered before the uid changed, and Linux lets every process through /proc/self/cwd.
    """
    return Path("/proc/self/cwd") if user is not None and sys.platform == "linux" else folder


def make_private_folder(folder: Path, user: int | None) -> None:
    folder.mkdir(mode=0o700)
    if user is not None:
        os.chown(folder, user, pwd.getpwuid(user).pw_gid)


def write_as(user: int | None, folder: Path, file: str, text: str) -> None:
    """Replace a file by its owner's hand: root writing through a path which that owner could redirect is a hole."""
    subprocess.run(
        ["/bin/sh", "-c", 'umask 077; cat > "$0.new" && mv "$0.new" "$0"', file],
        input=text.encode(),
        cwd=folder,
        user=user,
        group=None if user is None else pwd.getpwuid(user).pw_gid,
        extra_groups=None if user is None else [],
        env=ENVIRONMENT,
        check=True,
    )


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise EmbeddedPostgresError(
            f"uid {uid} has no name, which PostgreSQL needs: add it to /etc/passwd, or set DATABASE_URL"
        ) from None


def _unprivileged() -> int:
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root and there is no user `nobody`: "
            "run as an ordinary user, or set DATABASE_URL"
        ) from None

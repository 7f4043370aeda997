"""What a running `sensorium run` notes in its data folder, so that other commands know where it answers."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """pid: of `sensorium run` · public_url: where people meet it · stripe_api_base: the Stripe that it uses."""

    pid: int
    public_url: str
    stripe_api_base: str


def _file(data_dir: Path) -> Path:
    return data_dir / "run.json"


def note(data_dir: Path, public_url: str, stripe_api_base: str) -> None:
    """Say that this process runs the system of this folder."""
    own = Running(pid=os.getpid(), public_url=public_url, stripe_api_base=stripe_api_base)
    _file(data_dir).write_bytes(msgspec.json.encode(own))


def forget(data_dir: Path) -> None:
    """It runs no more."""
    with suppress(OSError):
        _file(data_dir).unlink(missing_ok=True)


def find(data_dir: Path) -> Running | None:
    """The system that runs on this folder; None where none does, also when one was killed and left its note."""
    try:
        found = msgspec.json.decode(_file(data_dir).read_bytes(), type=Running)
        os.kill(found.pid, 0)
    except PermissionError:
        return None  # another user's file; a process of another user is there all the same, but is not ours to ask
    except (OSError, OverflowError, ValueError, msgspec.MsgspecError):
        return None
    return found

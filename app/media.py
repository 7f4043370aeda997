"""Bytes at their SHA-256, in whatever object storage the configuration names.

Originals lie at `originals/ab/cd/<sha256>`, made smaller copies at `copies/ab/cd/<sha256>.<variant>.jpg`. Bytes are put
before the transaction that records them commits, so a row never points at nothing; bytes that no row points at are
swept a day later (app/erasing.py). In a local folder a file counts as stored once it is on the disk itself.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import NamedTuple

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from app.errors import Problem
from sensors.container import sniff

PHOTO_LIMIT = 25_000_000
IN_MEMORY = 1_000_000
PUTS_AT_ONCE = 8
LISTED_AT_ONCE = 500
_NAME = re.compile("[0-9a-f]{64}")
HEAD = 256  # bytes that tell the type


class Stored(NamedTuple):
    """What was received: its digest, its length in bytes, its first bytes' media type (None: no photo)."""

    sha256: bytes
    size: int
    media_type: str | None


def original_path(sha256: bytes) -> str:
    """Where an original lies."""
    name = sha256.hex()
    return f"originals/{name[:2]}/{name[2:4]}/{name}"


def copy_path(sha256: bytes, variant: str) -> str:
    """Where a re-encoded copy lies."""
    name = sha256.hex()
    return f"copies/{name[:2]}/{name[2:4]}/{name}.{variant}.jpg"


def model_path(sha256: bytes, kind: str) -> str:
    """Where a model's file lies; kind: `onnx` or `weights`."""
    name = sha256.hex()
    return f"models/{name[:2]}/{name[2:4]}/{name}.{kind}"


class Media:
    """One object store. `url`: a folder, `file:///folder`, `s3://bucket/prefix`, … as obstore reads it."""

    def __init__(self, url: str) -> None:
        if "://" not in url or url.startswith("file://"):
            self._folder: Path | None = Path(url.removeprefix("file://"))
            self._store: ObjectStore = LocalStore(self._folder, mkdir=True)
        else:
            self._folder = None
            self._store = from_url(url)
        self._puts = asyncio.Semaphore(PUTS_AT_ONCE)

    async def put(self, path: str, content: bytes) -> None:
        """Store `content` at `path` unless something lies there already: a path names one content for ever."""
        try:
            await obstore.put_async(self._store, path, content, mode="create")
        except AlreadyExistsError:
            pass
        if self._folder is not None:
            await asyncio.to_thread(_to_disk, self._folder / path)

    async def exists(self, path: str) -> bool:
        """Whether something lies at `path`."""
        try:
            await obstore.head_async(self._store, path)
        except FileNotFoundError:
            return False
        return True

    async def remove(self, path: str) -> None:
        """Have nothing at `path` any more; on a disk, for good once this returns."""
        try:
            await obstore.delete_async(self._store, path)
        except FileNotFoundError:
            return
        if self._folder is not None:
            await asyncio.to_thread(_forgotten, (self._folder / path).parent)

    async def lying_since(self, before: datetime) -> AsyncIterator[list[bytes]]:
        """Names of the photos and copies that were stored before a time, some hundreds at once."""
        for folder in ("originals", "copies"):
            async for each in obstore.list(self._store, folder, chunk_size=LISTED_AT_ONCE):
                old = [found["path"] for found in each if found["last_modified"] < before]
                names = (path.rpartition("/")[2].partition(".")[0] for path in old)
                yield [bytes.fromhex(name) for name in names if _NAME.fullmatch(name)]

    async def drop_torn(self, before: datetime) -> int:
        """Remove what a process left half written that died before a time; how many files. In a folder only."""
        return 0 if self._folder is None else await asyncio.to_thread(_drop_torn, self._folder, before.timestamp())

    async def get(self, path: str) -> bytes | None:
        """All of what lies at `path`; None when nothing does."""
        try:
            found = await obstore.get_async(self._store, path)
        except FileNotFoundError:
            return None
        return bytes(await found.bytes_async())

    async def stream(self, path: str) -> tuple[int, AsyncIterator[bytes]] | None:
        """Length and pieces of what lies at `path`; None when nothing does."""
        try:
            found = await obstore.get_async(self._store, path)
        except FileNotFoundError:
            return None
        return found.meta["size"], _pieces(found)

    async def receive(self, pieces: AsyncIterator[bytes], limit: int = PHOTO_LIMIT) -> tuple[Stored, "Spool"]:
        """Take in a body piece by piece, hashing as it comes; past `limit` bytes: too-large. Stores nothing yet."""
        spool = Spool()
        digest = hashlib.sha256()
        head = b""
        try:
            async for piece in pieces:
                if len(head) < HEAD:
                    head = (head + piece)[:HEAD]
                digest.update(piece)
                spool.write(piece)
                if spool.size > limit:
                    raise Problem("too-large", f"A photo may have at most {limit // 1_000_000} MB.")
        except BaseException:
            spool.close()
            raise
        return Stored(digest.digest(), spool.size, sniff(head)), spool

    async def keep(self, stored: Stored, spool: "Spool") -> None:
        """Store what was received, at its digest."""
        async with self._puts:
            await self.put(original_path(stored.sha256), spool.read())


class Spool:
    """A body on its way in: in memory while it is small, else in a file without a name."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by whoever receives it
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Append."""
        self._file.write(piece)
        self.size += len(piece)

    def read(self) -> bytes:
        """All of it."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Forget it."""
        self._file.close()


async def _pieces(found: "obstore.GetResult") -> AsyncIterator[bytes]:
    async for piece in found.stream():
        yield bytes(piece)


def _drop_torn(folder: Path, before: float) -> int:
    """The store writes a new file beside its place, as `<name>#<number>`, and never lists or reads it as such."""
    torn = [path for path in folder.rglob("*#*") if path.is_file() and path.stat().st_mtime < before]
    for path in torn:
        path.unlink(missing_ok=True)
        _forgotten(path.parent)
    return len(torn)


def _forgotten(folder: Path) -> None:
    """fsync a folder, so that what was removed from it does not come back after a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_disk(path: Path) -> None:
    """fsync the file and the folder that names it, as the database does with the row."""
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""Photos are opened in child processes that can be killed: a few, kept between jobs, each within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.decode_worker import FRAME, MAX_FRAME, Job, Reply
from sensors.inspection import MAX_BYTES, Comparison, Inspection, Parallax, Undecodable
from sensors.regions import Found, Region

START_TIMEOUT_S: Final = 60.0
PROCESSOR_S: Final = 1.8
"""Honest photos of 12 to 50 million pixels take 0.2 to 0.7 s; a file made to be slow is ended here."""
ENDING_S: Final = 1.0
"""How long a child that closed its pipes may take to end by itself."""
EACH_AT_ONCE: Final = 2
"""Photos that one person may have looked at for themselves at once, those that wait included."""
TOO_SLOW: Final = "The photo took too long to open. Send a smaller or simpler one."
TOO_LARGE: Final = f"The file is larger than {MAX_BYTES // 10**6} MB."
CRASHED: Final = "The photo cannot be opened safely. Take a new one."
_ROOT: Final = Path(__file__).resolve().parent.parent
_KEPT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR")
"""All that a child gets of our environment: enough to start Python, and none of the secrets."""


Fetch = Callable[[], Awaitable[bytes]]
"""Fetches a photo once a child is free, so that whoever waits holds no bytes; what it raises goes through."""
Source = bytes | Fetch


class Crowded(Exception):
    """A person has as many photos looked at as they may at once."""


class DecodeError(Exception):
    """A decode worker failed for a reason that is ours, not the photo's."""


class _Lost(Exception):
    """The child died before it answered."""


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # One allocator arena: each further one would reserve address space, which is what the limit counts.
    return kept | one_thread | {"MALLOC_ARENA_MAX": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class _Worker:
    """One child and its two pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.jobs = 0

    @classmethod
    async def start(cls, memory_bytes: int, processor_s: float, anchors: str = "") -> Self:
        """Start a child and wait until it is ready; raises DecodeError when it does not come up."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.decode_worker",
            str(memory_bytes),
            str(os.getpid()),
            str(processor_s),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            env=_environment(),
            start_new_session=True,
            limit=2**20,
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await worker._tell(anchors)
                await worker._frame()
        except (_Lost, TimeoutError) as error:
            await worker.kill()
            raise DecodeError(f"the decode worker did not start (exit status {process.returncode})") from error
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def _tell(self, anchors: str) -> None:
        """Hand over what the child needs before it is ready: through the pipe, as the file may be gone by now."""
        assert self.process.stdin is not None
        given = anchors.encode()
        try:
            self.process.stdin.writelines((FRAME.pack(len(given)), given))
            await self.process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise _Lost from error

    async def _frame(self) -> bytes:
        assert self.process.stdout is not None
        try:
            (length,) = FRAME.unpack(await self.process.stdout.readexactly(FRAME.size))
            if length > MAX_FRAME:
                raise _Lost
            return await self.process.stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise _Lost from error

    async def ask(self, job: Job, data: bytes) -> tuple[Reply, bytes]:
        """Send one job and read its answer; raises _Lost when the child is gone."""
        assert self.process.stdin is not None
        self.jobs += 1
        try:
            head = msgspec.msgpack.encode(job)
            self.process.stdin.writelines((FRAME.pack(len(head)), head, FRAME.pack(len(data)), data))
            await self.process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise _Lost from error
        reply = msgspec.msgpack.decode(await self._frame(), type=Reply)
        return reply, await self._frame()

    async def ran_out(self) -> bool:
        """Whether a child that is lost ended itself, its processor time for one photo being used up."""
        # Not killed at once: that would look whether it is dead and bury it, unseen by the loop that is to say of what.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING_S):
                await self.process.wait()
        await self.kill()
        return self.process.returncode == -signal.SIGPROF if sys.platform != "win32" else False

    async def kill(self) -> None:
        """End the child at once and reap it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class DecodePool:
    """At most `workers` children, started when first needed, replaced after a crash, a time-out or `jobs_each` jobs.

    `memory_bytes` limits what a child may map beyond Python and its libraries, of which some 70 MB are in memory.
    `anchors` are PEM certificates: whose signatures on pictures are trusted (C2PA).
    `processor_s` is what one photo may cost of a processor's time, however many others share it; `timeout_s` counts
    from when a child takes the photo, for a child that hangs. Waiting for a free child is not limited here.
    """

    def __init__(
        self,
        workers: int = 2,
        memory_bytes: int = 320_000_000,
        timeout_s: float = 10.0,
        jobs_each: int = 1000,
        anchors: str = "",
        processor_s: float = PROCESSOR_S,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._processor_s = processor_s
        self._timeout_s = timeout_s
        self._jobs_each = jobs_each
        self._anchors = anchors
        self._free = asyncio.Semaphore(workers)
        self._own = asyncio.Semaphore(max(1, workers - 1))
        self._looking: Counter[UUID] = Counter()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill all children. A job still running ends in DecodeError."""
        self._closed = True
        for worker in (*self._idle, *self._busy):
            await worker.kill()
        self._idle.clear()

    @contextlib.asynccontextmanager
    async def turn(self, person: UUID) -> AsyncIterator[None]:
        """For what a person looks at of their own photos: raises Crowded beyond EACH_AT_ONCE of theirs.

        All of them together leave a child to judging and to what others see; of one alone, every second turn.
        """
        if self._looking[person] >= EACH_AT_ONCE:
            raise Crowded
        self._looking[person] += 1
        try:
            async with self._own:
                yield
        finally:
            self._looking[person] -= 1
            if not self._looking[person]:
                del self._looking[person]

    async def inspect(self, data: Source) -> Inspection:
        """Measure a photo; raises Undecodable(reason) when it is refused."""
        reply, _ = await self._run(Job(operation="inspect"), data)
        if reply.inspection is None:
            raise DecodeError("the decode worker answered without an inspection")
        return reply.inspection

    async def render(self, data: Source, max_side: int, hidden: Sequence[Region] = (), marked: bool = False) -> bytes:
        """A JPEG copy without metadata, see sensors.decode.render; marked: see app/watermark.py. Raises
        Undecodable(reason)."""
        job = Job(operation="render", max_side=max_side, hidden=list(hidden), marked=marked)
        return (await self._run(job, data))[1]

    async def suggest(self, data: Source) -> list[Found]:
        """Where faces and number plates may be; raises Undecodable(reason)."""
        return (await self._run(Job(operation="suggest"), data))[0].found

    async def alike(self, data: Source, other: Source, *, whole: bool) -> Comparison:
        """Lay one photo over another, see sensors/likeness.py; raises Undecodable when either is refused."""
        reply, _ = await self._run(Job(operation="alike", whole=whole), data, other)
        if reply.comparison is None:
            raise DecodeError("the decode worker answered without a comparison")
        return reply.comparison

    async def burst(self, photo: Source, frames: Sequence[Source]) -> Parallax:
        """What the burst around a photo says of depth, see sensors/parallax.py; raises Undecodable(reason)."""
        reply, _ = await self._run(Job(operation="burst"), photo, *frames)
        if reply.parallax is None:
            raise DecodeError("the decode worker answered without a parallax")
        return reply.parallax

    async def pixels(self, data: Source, width: int, height: int, channels: int) -> NDArray[np.uint8]:
        """The photo as (height, width, channels) uint8, see sensors.decode.pixels; raises Undecodable(reason)."""
        job = Job(operation="pixels", width=width, height=height, channels=channels)
        _, raw = await self._run(job, data)
        return np.frombuffer(raw, dtype=np.uint8).reshape(height, width, channels)

    async def _run(self, job: Job, *sources: Source) -> tuple[Reply, bytes]:
        async with self._free:
            pictures = [each if isinstance(each, bytes) else await each() for each in sources]
            lengths = [len(each) for each in pictures]
            if max(lengths) > MAX_BYTES:
                raise Undecodable(TOO_LARGE)
            job = msgspec.structs.replace(job, lengths=lengths)
            data = pictures[0] if len(pictures) == 1 else b"".join(pictures)
            del pictures
            try:
                reply, result = await self._attempt(job, data)
            except _Lost:
                # Perhaps the system killed the child for another's sake: an honest photo deserves a second try.
                try:
                    reply, result = await self._attempt(job, data)
                except _Lost as error:
                    raise Undecodable(CRASHED) from error
        if reply.error is not None:
            raise DecodeError(reply.error)
        if reply.refused is not None:
            raise Undecodable(reply.refused)
        return reply, result

    async def _attempt(self, job: Job, data: bytes) -> tuple[Reply, bytes]:
        """One try on one child. Whatever interrupts it, a time-out or a cancelled request, costs that child its life:
        its answer would otherwise be taken for the next photo's."""
        worker = await self._take()
        self._busy.add(worker)
        keep = False
        try:
            async with asyncio.timeout(self._timeout_s):
                reply, result = await worker.ask(job, data)
            keep = not reply.spent and worker.jobs < self._jobs_each and not self._closed
            return reply, result
        except TimeoutError as error:
            raise Undecodable(TOO_SLOW) from error
        except _Lost as error:
            if await worker.ran_out():
                raise Undecodable(TOO_SLOW) from error
            raise
        finally:
            self._busy.discard(worker)
            if keep:
                self._idle.append(worker)
            else:
                await asyncio.shield(worker.kill())

    async def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
        if self._closed:
            raise DecodeError("the decode pool is closed")
        return await _Worker.start(self._memory_bytes, self._processor_s, self._anchors)

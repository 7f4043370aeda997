"""The child that opens strangers' photos: one job at a time from standard input, answers on standard output.

Started by app/decode_pool.py with a bare environment, so that a hole in an image library finds no secret, no database
and no file that it may write. It ends when its input does, and on Linux with its parent.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, Literal

import msgspec

from app.child import die_with_parent
from sensors.inspection import Comparison, Inspection, Parallax, Undecodable
from sensors.regions import Found, Region

FRAME = struct.Struct(">I")
MAX_FRAME = 64_000_000


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the photo in the next frame. Sizes in pixels; those that an operation does not use stay 0."""

    operation: Literal["inspect", "render", "pixels", "suggest", "alike", "burst"]
    max_side: int = 0
    width: int = 0
    height: int = 0
    channels: int = 0
    hidden: list[Region] = []
    marked: bool = False
    """A copy with a watermark."""
    whole: bool = False
    lengths: list[int] = []
    """How long each picture in the frame is: one, two to lay over each other, or a photo and those of its burst."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; bytes follow in the next frame (empty unless rendered or pixels).

    refused: the reason for people · error: a fault of ours, for the log · spent: this child should be replaced.
    """

    inspection: Inspection | None = None
    found: list[Found] = []
    comparison: Comparison | None = None
    parallax: Parallax | None = None
    refused: str | None = None
    error: str | None = None
    spent: bool = False


READY = msgspec.msgpack.encode(Reply())


def read_frame(source: BinaryIO) -> bytes | None:
    """One length-prefixed frame, None at the end of input."""
    head = source.read(FRAME.size)
    if len(head) < FRAME.size:
        return None
    (length,) = FRAME.unpack(head)
    if length > MAX_FRAME:
        return None
    body = source.read(length)
    return body if len(body) == length else None


def write_frame(sink: BinaryIO, body: bytes) -> None:
    sink.write(FRAME.pack(len(body)))
    sink.write(body)


def mapped_bytes() -> int:
    """Address space that this process has mapped; where the system does not say (no Linux), a guess."""
    try:
        with open("/proc/self/statm") as found:
            return int(found.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 600_000_000


def limit_resources(memory_bytes: int) -> None:
    """Cap address space at what is mapped now plus `memory_bytes`, and forbid writing files and dumping core.

    Libraries map several times what they touch, and each release another amount, so an absolute cap would say little
    about the memory that a photo can take. No-op where the system has no such limits.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, value in (
        (resource.RLIMIT_AS, mapped_bytes() + memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (value, value))


def apart(job: Job, data: bytes) -> list[bytes]:
    """The pictures that lie one behind the other in a frame."""
    ends = itertools.accumulate(job.lengths)
    return [data[end - length : end] for end, length in zip(ends, job.lengths, strict=True)]


def perform(job: Job, data: bytes) -> tuple[Reply, bytes]:
    """Do one job; a refusal is an answer, not a failure."""
    from app import watermark
    from sensors import decode

    try:
        if job.operation == "inspect":
            return Reply(inspection=decode.inspect(data)), b""
        if job.operation == "render":
            copy = decode.render(data, job.max_side, job.hidden)
            return Reply(), watermark.marked(copy) if job.marked else copy
        if job.operation == "alike":
            return Reply(comparison=decode.alike(*apart(job, data), whole=job.whole)), b""
        if job.operation == "burst":
            taken, *frames = apart(job, data)
            return Reply(parallax=decode.burst(taken, frames)), b""
        if job.operation == "suggest":
            return Reply(found=decode.suggest(data)), b""
        return Reply(), decode.pixels(data, job.width, job.height, job.channels).tobytes()
    except Undecodable as refusal:
        return Reply(refused=refusal.reason, spent=isinstance(refusal.__cause__, MemoryError)), b""
    except MemoryError:
        return Reply(refused=decode.TOO_MUCH_MEMORY, spent=True), b""
    except Exception as error:
        return Reply(error=f"{type(error).__name__}: {error}", spent=True), b""


@contextlib.contextmanager
def limited_time(processor_s: float) -> Iterator[None]:
    """End this process by SIGPROF when all its threads together have used so much of a processor.

    A signal's default act needs no turn of Python's, which a library that never returns would not give.
    """
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, processor_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def serve(source: BinaryIO, sink: BinaryIO, processor_s: float) -> None:
    """Answer jobs until the input ends."""
    decoder = msgspec.msgpack.Decoder(Job)
    while (head := read_frame(source)) is not None and (data := read_frame(source)) is not None:
        job = decoder.decode(head)
        # Each photo has its time: two that are slow to open must not be beyond comparison.
        with limited_time(processor_s * (1 + (job.operation == "alike"))):
            reply, result = perform(job, data)
        del data
        write_frame(sink, msgspec.msgpack.encode(reply))
        write_frame(sink, result)
        sink.flush()


def main() -> None:
    """argv: how much memory photos may take in bytes, the parent's process id, processor seconds for each photo."""
    memory_bytes, parent_pid, processor_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    die_with_parent(signal.SIGKILL, parent_pid)
    # Answers go out on a descriptor of their own: what a library prints must not end up among them.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Before the limit: an import that fails for want of memory would be our own fault.
    import sensors.decode
    import sensors.provenance
    import sensors.suggest
    from app import watermark

    anchors = read_frame(sys.stdin.buffer)
    sensors.provenance.load("" if anchors is None else anchors.decode())
    sensors.suggest.load()
    watermark.load()
    limit_resources(memory_bytes)
    # What the imports left is here to stay; the collector need not look at it again.
    gc.freeze()
    write_frame(sink, READY)
    sink.flush()
    serve(sys.stdin.buffer, sink, processor_s)


if __name__ == "__main__":
    main()

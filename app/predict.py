"""Published models at work: a few child processes, each with one model loaded, killed when they misbehave.

A model and the photos it is asked about are a stranger's, so what one call may take is bounded: photos come in batches
of `BATCH_BYTES`, each account has one call at a time, all accounts together `MOST_RUNNING` in memory and at work, and
none is at work longer than `CALL_TIMEOUT_S`. A call first takes its account's turn, then receives its body on the disk,
then takes a place; only then is anything of it read into memory. One that waits holds no child, and a child that is at
work is never ended for another's sake.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.decode_worker import FRAME, MAX_FRAME
from app.model_worker import Answer, Batch
from market.models import Inputs, Outputs

ONNX_LIMIT = 50_000_000
MEMORY_BYTES = 2_000_000_000
LOAD_TIMEOUT_S = 20.0
RUN_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 180.0
TURN_TIMEOUT_S = 30.0
MOST_RUNNING = 3
BATCH_BYTES = 16_000_000
MOST_ANSWERS = 100_000
_ROOT = Path(__file__).resolve().parent.parent
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR")


class BadModel(Exception):
    """The model cannot be used; the message is for whoever published it."""


class Busy(Exception):
    """Too many predictions run at this moment."""


class Prediction(msgspec.Struct, frozen=True):
    """What a model says of one photo. `confidence`: of its best label; abstained: it is too low to say (label null)."""

    label: str | None
    confidence: float
    probabilities: dict[str, float]
    abstained: bool


Ask = Callable[[NDArray[np.uint8]], Awaitable[list[Prediction]]]


class _Running:
    """One child with one model."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, onnx: bytes) -> Self:
        """Start a child and load the model there; raises BadModel."""
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.model_worker",
            str(MEMORY_BYTES),
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            env={**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
            limit=2**20,
        )
        running = cls(process)
        try:
            await running._ask([onnx], LOAD_TIMEOUT_S, "load")
        except BaseException:
            await running.kill()
            raise
        return running

    async def run(self, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, channels, height, width) uint8 → (n, labels) float32; raises BadModel."""
        rows, channels, height, width = photos.shape
        frames = [msgspec.msgpack.encode(Batch((rows, channels, height, width))), photos.tobytes()]
        answer, raw = await self._ask(frames, RUN_TIMEOUT_S, "run")
        try:
            return np.frombuffer(raw, dtype=np.float32).reshape(answer.shape)
        except ValueError:
            raise BadModel("The model gave bytes that are not of the shape it names.") from None

    async def _ask(self, frames: list[bytes], seconds: float, what: str) -> tuple[Answer, bytes]:
        assert self.process.stdin is not None
        try:
            async with asyncio.timeout(seconds):
                for frame in frames:
                    self.process.stdin.writelines((FRAME.pack(len(frame)), frame))
                await self.process.stdin.drain()
                answer = msgspec.msgpack.decode(await self._frame(), type=Answer)
                raw = await self._frame()
        except TimeoutError:
            await self.kill()
            raise BadModel(f"The model took longer than {seconds:.0f} s to {what}.") from None
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.MsgspecError):
            await self.kill()
            raise BadModel(f"The model crashed or used up its memory when asked to {what}.") from None
        except asyncio.CancelledError:
            # Its answer would be taken for the next one's.
            await asyncio.shield(self.kill())
            raise
        if answer.refused:
            raise BadModel(f"The model does not {what}: {answer.refused}")
        return answer, raw

    async def _frame(self) -> bytes:
        assert self.process.stdout is not None
        (length,) = FRAME.unpack(await self.process.stdout.readexactly(FRAME.size))
        if length > MAX_FRAME:
            raise ConnectionError
        return await self.process.stdout.readexactly(length)

    async def kill(self) -> None:
        """End the child at once and reap it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class ModelPool:
    """Models by the SHA-256 of their ONNX file, each at work for one call at a time; the last ones are kept loaded."""

    def __init__(self) -> None:
        self._idle: OrderedDict[bytes, _Running] = OrderedDict()
        self._busy: set[_Running] = set()
        self._calls = 0
        self._slots = asyncio.Semaphore(MOST_RUNNING)
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in (*self._idle.values(), *self._busy):
            await running.kill()
        self._idle.clear()

    @asynccontextmanager
    async def turn(self, owner: UUID) -> AsyncIterator[None]:
        """The account's only call at this moment. Raises Busy when its turn does not come in TURN_TIMEOUT_S."""
        turn = self._turns.setdefault(owner, asyncio.Lock())
        await _acquire(turn)
        try:
            yield
        finally:
            turn.release()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the MOST_RUNNING places of all accounts; taken after the turn. Raises Busy when none comes free in
        TURN_TIMEOUT_S."""
        await _acquire(self._slots)
        try:
            yield
        finally:
            self._slots.release()

    @asynccontextmanager
    async def at_work(
        self, sha256: bytes, outputs: Outputs, fetch: Callable[[], Awaitable[bytes]]
    ) -> AsyncIterator[Ask]:
        """For whoever has a place: a function that asks a model about photos, (n, height, width, channels) uint8.

        fetch: gives the ONNX file, asked only when the model is not loaded. Raises BadModel.
        """
        limit = asyncio.timeout(CALL_TIMEOUT_S)
        try:
            async with limit, self._loaded(sha256, fetch) as running:

                async def ask(photos: NDArray[np.uint8]) -> list[Prediction]:
                    return _read(await running.run(np.moveaxis(photos, 3, 1)), len(photos), outputs)

                yield ask
        except TimeoutError:
            if not limit.expired():
                raise
            raise BadModel(
                f"Opening the photos and asking the model took longer than {CALL_TIMEOUT_S:.0f} s: send fewer."
            ) from None

    async def try_out(self, onnx: bytes, sha256: bytes, inputs: Inputs, outputs: Outputs) -> None:
        """Load a model and run it on blank and noisy photos, alone and two at once, in the caller's place. Raises
        BadModel."""
        shape = (2, inputs.height, inputs.width, inputs.channels)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

        async def fetch() -> bytes:
            return onnx

        async with self.at_work(sha256, outputs, fetch) as ask:
            await ask(np.zeros((1, *shape[1:]), dtype=np.uint8))
            await ask(noise)

    @asynccontextmanager
    async def _loaded(self, sha256: bytes, fetch: Callable[[], Awaitable[bytes]]) -> AsyncIterator[_Running]:
        """A child with the model, for this call alone; the caller has a place, so only idle children need give way."""
        self._calls += 1
        running = None
        try:
            running = self._idle.pop(sha256, None)
            if running is None or running.process.returncode is not None:
                while len(self._idle) + self._calls > MOST_RUNNING:
                    _, oldest = self._idle.popitem(last=False)
                    await oldest.kill()
                running = await _Running.start(await fetch())
            self._busy.add(running)
            yield running
        finally:
            self._calls -= 1
            if running is not None:
                await self._put_back(sha256, running)

    async def _put_back(self, sha256: bytes, running: _Running) -> None:
        self._busy.discard(running)
        if running.process.returncode is None:
            twin, self._idle[sha256] = self._idle.pop(sha256, None), running
            if twin is not None:  # two accounts have the same file
                await twin.kill()


async def _acquire(wanted: asyncio.Lock | asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(TURN_TIMEOUT_S):
            await wanted.acquire()
    except TimeoutError:
        raise Busy("Too many models are published or asked at this moment.") from None


def batch_of(inputs: Inputs) -> int:
    """How many photos go to a model at once."""
    return max(1, BATCH_BYTES // (inputs.width * inputs.height * inputs.channels))


def _read(result: NDArray[np.float32], rows: int, outputs: Outputs) -> list[Prediction]:
    """Probabilities as predictions. Raises BadModel when they are none."""
    if result.shape != (rows, len(outputs.labels)):
        wanted = f"({rows}, {len(outputs.labels)})"
        raise BadModel(f"`probabilities` has the shape {result.shape}; for {rows} photos it must have {wanted}.")
    if not np.isfinite(result).all() or (result < -1e-4).any() or (np.abs(result.sum(axis=1) - 1) > 1e-2).any():
        raise BadModel("`probabilities` must be between 0 and 1 and add up to 1 in each row.")
    return [_prediction(row, outputs) for row in result]


def _prediction(row: NDArray[np.float32], outputs: Outputs) -> Prediction:
    best = int(row.argmax())
    confidence = float(row[best])
    abstained = confidence < outputs.abstain_below
    probabilities = {label: round(float(value), 6) for label, value in zip(outputs.labels, row, strict=True)}
    return Prediction(None if abstained else outputs.labels[best], round(confidence, 6), probabilities, abstained)

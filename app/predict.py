"""Published models at work: a few child processes, each with one model loaded, killed when they misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sys
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import Self

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
KEPT_WARM = 3
BATCH_BYTES = 16_000_000
_ROOT = Path(__file__).resolve().parent.parent
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR")


class BadModel(Exception):
    """The model cannot be used; the message is for whoever published it."""


class Prediction(msgspec.Struct, frozen=True):
    """What a model says of one photo. `confidence`: of its best label; abstained: it is too low to say (label null)."""

    label: str | None
    confidence: float
    probabilities: dict[str, float]
    abstained: bool


class _Running:
    """One child with one model."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.turn = asyncio.Lock()

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
        frames = [
            msgspec.msgpack.encode(Batch((rows, channels, height, width))),
            np.ascontiguousarray(photos).tobytes(),
        ]
        async with self.turn:
            answer, raw = await self._ask(frames, RUN_TIMEOUT_S, "run")
        return np.frombuffer(raw, dtype=np.float32).reshape(answer.shape)

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
        except (asyncio.IncompleteReadError, ConnectionError):
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
    """Models by the SHA-256 of their ONNX file, the last few of them kept loaded."""

    def __init__(self) -> None:
        self._running: OrderedDict[bytes, _Running] = OrderedDict()
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self._running.values():
            await running.kill()
        self._running.clear()

    async def predict(
        self, onnx: bytes, inputs: Inputs, outputs: Outputs, photos: NDArray[np.uint8]
    ) -> list[Prediction]:
        """What the model says of (n, height, width, channels) uint8 photos. Raises BadModel."""
        batch = max(1, BATCH_BYTES // max(1, photos[0].nbytes)) if len(photos) else 1
        layout = np.moveaxis(photos, 3, 1)
        found: list[Prediction] = []
        for start in range(0, len(photos), batch):
            part = layout[start : start + batch]
            found += _read(await self._run(onnx, part), len(part), outputs)
        return found

    async def try_out(self, onnx: bytes, inputs: Inputs, outputs: Outputs) -> None:
        """Load a model and run it on blank and noisy photos, alone and two at once. Raises BadModel."""
        shape = (2, inputs.height, inputs.width, inputs.channels)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        await self.predict(onnx, inputs, outputs, np.zeros((1, *shape[1:]), dtype=np.uint8))
        await self.predict(onnx, inputs, outputs, noise)

    async def _run(self, onnx: bytes, photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        running = await self._take(onnx)
        return await running.run(photos)

    async def _take(self, onnx: bytes) -> _Running:
        key = hashlib.sha256(onnx).digest()
        async with self._starting:
            running = self._running.pop(key, None)
            if running is None or running.process.returncode is not None:
                running = await _Running.start(onnx)
            self._running[key] = running
            while len(self._running) > KEPT_WARM:
                _, oldest = self._running.popitem(last=False)
                async with oldest.turn:
                    await oldest.kill()
        return running


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

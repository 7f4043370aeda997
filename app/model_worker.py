"""The child that runs one published model: photos in on standard input, probabilities out on standard output.

A model comes from a stranger: it may crash, never end, ask for all memory, or name files of ours as its weights. So it
runs here, with bounded memory and no right to open any file; whoever started the child bounds its time. Input: a frame
with the model, then for each batch a frame with `Batch` and one with its bytes. The first answer says whether it loads.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import msgspec
import numpy as np

from app.child import die_with_parent
from app.decode_worker import limit_resources, read_frame, write_frame

INPUT, OUTPUT = "image", "probabilities"


class Batch(msgspec.Struct, frozen=True):
    """The shape of a batch of photos, uint8, rows × channels × height × width."""

    shape: tuple[int, int, int, int]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """refused: why the model cannot be used; else `shape` of the float32 bytes that follow (empty for the first)."""

    refused: str = ""
    shape: tuple[int, ...] = ()


def main() -> None:
    """argv: the memory limit in bytes, the parent's process id."""
    memory_bytes, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(signal.SIGKILL, parent_pid)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    limit_resources(memory_bytes)
    forbid_files()
    model = read_frame(sys.stdin.buffer)
    if model is None:
        return
    session: Any = None
    first = Answer()
    try:
        session = load(onnxruntime, model)
    except Exception as error:
        first = Answer(refused=in_one_line(error))
    write_frame(sink, msgspec.msgpack.encode(first))
    write_frame(sink, b"")
    sink.flush()
    while session is not None and (head := read_frame(sys.stdin.buffer)) is not None:
        data = read_frame(sys.stdin.buffer)
        if data is None:
            return
        answer, result = run(session, msgspec.msgpack.decode(head, type=Batch), data)
        write_frame(sink, msgspec.msgpack.encode(answer))
        write_frame(sink, result)
        sink.flush()


def forbid_files() -> None:
    """From now on no file can be opened, so a model cannot name one as its weights. No-op where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def load(onnxruntime: Any, model: bytes) -> Any:
    """A session for the model. Raises ValueError, or what onnxruntime raises, when it cannot be used."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = {each.name: each.type for each in session.get_inputs()}
    if inputs != {INPUT: "tensor(float)"}:
        raise ValueError(f"the graph must have one input, `{INPUT}`, of float32; it has {inputs}")
    outputs = {each.name: each.type for each in session.get_outputs()}
    if outputs.get(OUTPUT) != "tensor(float)":
        raise ValueError(f"the graph must have an output `{OUTPUT}` of float32; it has {outputs}")
    return session


def run(session: Any, batch: Batch, data: bytes) -> tuple[Answer, bytes]:
    """One batch through the model; a model that fails is an answer."""
    try:
        photos = np.frombuffer(data, dtype=np.uint8).reshape(batch.shape).astype(np.float32)
        result = np.ascontiguousarray(session.run([OUTPUT], {INPUT: photos})[0], dtype=np.float32)
        return Answer(shape=result.shape), result.tobytes()
    except Exception as error:
        return Answer(refused=in_one_line(error)), b""


def in_one_line(error: Exception) -> str:
    """An error for whoever published the model."""
    return " ".join(str(error).split())[:500] or type(error).__name__


if __name__ == "__main__":
    main()

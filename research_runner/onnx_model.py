"""A published graph, run as the service runs it: through onnxruntime, on photos as sensors decodes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

BATCH = 256


class OnnxModel:
    """`image` (N, channels, height, width) float32 0..255 → `probabilities` (N, classes)."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        starts = range(0, len(images), BATCH)
        parts = [
            self._session.run(["probabilities"], {"image": images[start : start + BATCH].astype(np.float32)})[0]
            for start in starts
        ]
        return np.concatenate(parts)

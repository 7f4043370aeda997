"""Scoring a graph on a folder of labelled photos that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from research_runner import dataset
from research_runner.errors import RunnerError
from research_runner.measure import Estimate, wilson
from research_runner.onnx_model import OnnxModel
from research_runner.workspace import Meta, Workspace
from sensors import decode


class Unseen(msgspec.Struct, frozen=True):
    """Accuracy on `photos` readable photos; a photo with a label that the model does not know counts as wrong."""

    photos: int
    unreadable: int
    accuracy: Estimate


class Photos(NamedTuple):
    """Readable photos as a run wants them: images (n, channels, height, width) uint8; labels (n,), -1 for unknown."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    unreadable: int


def read(meta: Meta, folder: Path) -> Photos:
    """A folder with labels.csv, in the size and with the labels of `meta`. Raises RunnerError when none is readable."""
    rows, _ = dataset.read(folder)
    images, labels = [], []
    for row in rows:
        try:
            pixels = decode.pixels((folder / row["file"]).read_bytes(), meta.width, meta.height, meta.channels)
        except decode.Undecodable:
            continue
        images.append(pixels.transpose(2, 0, 1))
        labels.append(meta.labels.index(row["label"]) if row["label"] in meta.labels else -1)
    if not images:
        raise RunnerError(f"none of the photos in {folder} can be read")
    return Photos(np.stack(images), np.array(labels), len(rows) - len(images))


def score(workspace: Workspace, onnx: Path, folder: Path) -> Unseen:
    """Accuracy of a graph on the folder's photos."""
    photos = read(workspace.meta, folder)
    said = OnnxModel(onnx)(photos.images).argmax(axis=1)
    n = len(photos.labels)
    return Unseen(n, photos.unreadable, wilson(int((said == photos.labels).sum()), n))

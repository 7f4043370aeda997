"""Scoring a graph on a folder of labelled photos that it never saw."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from research_runner import dataset
from research_runner.errors import RunnerError
from research_runner.measure import Estimate, wilson
from research_runner.onnx_model import OnnxModel
from research_runner.workspace import Workspace
from sensors import decode


class Unseen(msgspec.Struct, frozen=True):
    """Accuracy on `photos` readable photos; a photo with a label that the model does not know counts as wrong."""

    photos: int
    unreadable: int
    accuracy: Estimate


def score(workspace: Workspace, onnx: Path, folder: Path) -> Unseen:
    rows, _ = dataset.read(folder)
    meta, images, labels = workspace.meta, [], []
    for row in rows:
        try:
            pixels = decode.pixels((folder / row["file"]).read_bytes(), meta.width, meta.height, meta.channels)
        except decode.Undecodable:
            continue
        images.append(pixels.transpose(2, 0, 1))
        labels.append(meta.labels.index(row["label"]) if row["label"] in meta.labels else -1)
    if not images:
        raise RunnerError(f"none of the photos in {folder} can be read")
    said = OnnxModel(onnx)(np.stack(images)).argmax(axis=1)
    right = int((said == np.array(labels)).sum())
    return Unseen(len(images), len(rows) - len(images), wilson(right, len(images)))

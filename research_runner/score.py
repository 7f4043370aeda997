"""Scores of what a run wrote: read as a stranger's file, judged against labels that the run never had."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research_runner.workspace import Workspace

SPLITS = ("val", "test")
SLACK = 65_536  # bytes that an npz may be larger than its numbers
Probabilities = NDArray[np.float32]


class Unusable(Exception):
    """What a run wrote cannot be scored; the message says why."""


@dataclass(frozen=True)
class Score:
    """Of one run: metric (lower is better), accuracy and temperature on val; metric and accuracy on the public test."""

    metric: float
    accuracy: float
    temperature: float
    test_metric: float | None
    test_accuracy: float | None


class Scorer:
    """The frozen metric of a workspace with the labels it is computed against."""

    def __init__(self, workspace: Workspace) -> None:
        self._prepare: Any = workspace.prepare_module()
        self._classes = len(workspace.meta.labels)
        self.labels: dict[str, NDArray[np.int64]] = {
            split: np.load(workspace.private / f"{split}_labels.npy", allow_pickle=False)
            for split in (*SPLITS, "vault")
        }

    def read(self, path: Path) -> dict[str, Probabilities]:
        """{val, test: (n, classes) probabilities} from a run's predictions.npz; Unusable when they are not that."""
        return read_predictions(path, {split: (len(self.labels[split]), self._classes) for split in SPLITS})

    def score(self, predictions: dict[str, Probabilities]) -> Score:
        val = self.against(predictions["val"], "val")
        test = self.against(predictions["test"], "test") if len(self.labels["test"]) else None
        return Score(
            metric=val["metric"],
            accuracy=val["accuracy"],
            temperature=val["temperature"],
            test_metric=test["metric"] if test else None,
            test_accuracy=test["accuracy"] if test else None,
        )

    def against(self, probabilities: Probabilities, split: str) -> dict[str, float]:
        """The frozen prepare.score: {metric, accuracy, temperature}."""
        scored: dict[str, float] = self._prepare.score(probabilities, self.labels[split])
        return scored


def read_predictions(path: Path, wanted: dict[str, tuple[int, int]]) -> dict[str, Probabilities]:
    """The named arrays of a predictions.npz, each of the wanted shape (photos, classes); Unusable otherwise."""
    most = sum(rows * columns * 8 for rows, columns in wanted.values()) + SLACK
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > most:
                raise Unusable("predictions.npz is larger than predictions can be")
        with np.load(path, allow_pickle=False) as loaded:
            found = {name: np.asarray(loaded[name], np.float32) for name in wanted}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError, NotImplementedError) as problem:
        raise Unusable(f"predictions.npz is absent or cannot be read: {problem}") from problem
    for name, shape in wanted.items():
        values = found[name]
        if values.shape != shape:
            raise Unusable(f"predictions for {name} have the shape {values.shape}, expected {shape}")
        if not np.isfinite(values).all():
            raise Unusable(f"predictions for {name} are not finite")
        if values.size and (values.min() < -1e-6 or np.abs(values.sum(axis=1) - 1).max() > 1e-3):
            raise Unusable(f"predictions for {name} are not probabilities")
    return found


def write_job(folder: Path, source: str, job: dict[str, Any]) -> None:
    """A run's folder: train.py, job.json and an empty out/."""
    (folder / "out").mkdir(parents=True)
    (folder / "train.py").write_text(source, encoding="utf-8")
    (folder / "job.json").write_text(json.dumps({**job, "out": str(folder / "out")}), encoding="utf-8")

"""The learning curve: the kept train.py on ever more of the training photos, to see what more photos would bring.

The parts are nested and keep each label's share, so that neighbouring points differ in their number only. Steps are the
same for all: a point says what the photos teach, not what more computing does.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from research_runner import unseen
from research_runner.errors import RunnerError
from research_runner.laboratory import Laboratory
from research_runner.loop import best, recover
from research_runner.sandbox import Outcome
from research_runner.score import Unusable, read_predictions
from research_runner.workspace import Workspace

PARTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
SEEDS = 2

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Point(msgspec.Struct, frozen=True):
    """Accuracy after training on `photos` photos: mean, lowest and highest over the seeds."""

    photos: int
    accuracy: float
    low: float
    high: float


class Curve(msgspec.Struct, frozen=True):
    """Of one commit, scored on `scored` photos: those of `scored_on`, "val" or a folder's name."""

    commit: str
    scored_on: str
    scored: int
    points: list[Point]


def measure(
    workspace: Workspace, folder: Path | None = None, on_point: Callable[[Point], None] = lambda point: None
) -> Curve:
    """Measure the branch's train.py, scored on val or on a folder of labelled photos; kept for the report."""
    with workspace.hold():
        recover(workspace)
        row = best(workspace.rows())
        if row is None or not workspace.is_prepared:
            raise RunnerError("there is no experiment yet: run sensorium-runner loop first")
        images, labels = _scored(workspace, folder)
        train = np.load(workspace.public / "train_images.npy", allow_pickle=False)
        known = np.load(workspace.public / "train_labels.npy", allow_pickle=False)
        order = nested_order(known, np.random.default_rng(workspace.seeds(1)[0]))
        points = []
        with Laboratory(workspace) as laboratory:
            for size in sizes(known):
                part = np.sort(order[:size])
                points.append(_point(workspace, laboratory, row.commit, (train[part], known[part]), (images, labels)))
                on_point(points[-1])
        curve = Curve(row.commit, folder.name if folder else "val", len(labels), points)
        kept_in(workspace).write_bytes(msgspec.json.encode(curve))
        return curve


def kept_in(workspace: Workspace) -> Path:
    """Where the last curve is kept."""
    return workspace.inner / "curve.json"


def sizes(labels: Labels) -> list[int]:
    """How many photos each point has: no part so small that a label would be missing."""
    least = len(np.unique(labels))
    return sorted({max(least, round(len(labels) * part)) for part in PARTS})


def nested_order(labels: Labels, dice: np.random.Generator) -> NDArray[np.int64]:
    """(n,) labels → an order of their indices in which every prefix has each label about as often as the whole.

    The first photo of every label comes first, so that no label is missing from any part.
    """
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        members = dice.permutation(np.flatnonzero(labels == label))
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
        rank[members[0]] = 0.0
    return np.argsort(rank, kind="stable")


def _scored(workspace: Workspace, folder: Path | None) -> tuple[Pixels, Labels]:
    if folder is not None:
        found = unseen.read(workspace.meta, folder)
        return found.images, found.labels
    images = np.load(workspace.public / "val_images.npy", allow_pickle=False)
    return images, np.load(workspace.private / "val_labels.npy", allow_pickle=False)


def _point(
    workspace: Workspace,
    laboratory: Laboratory,
    commit: str,
    part: tuple[Pixels, Labels],
    judged: tuple[Pixels, Labels],
) -> Point:
    """Train on `part` with each seed, and score on `judged`, whose labels the run does not see."""
    (images, known), (asked, labels) = part, judged
    data = workspace.inner / "curve"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    np.save(data / "train_images.npy", images)
    np.save(data / "train_labels.npy", known)
    np.save(data / "val_images.npy", asked)
    np.save(data / "test_images.npy", asked[:0])
    shutil.copyfile(workspace.public / "meta.json", data / "meta.json")
    budget, classes = laboratory.budget(), len(workspace.meta.labels)
    shares: list[float] = []
    failed: list[str] = []

    def ended(index: int, run: Path, outcome: Outcome) -> None:
        try:
            if outcome.status != "ok":
                raise Unusable(outcome.tail or outcome.status)
            wanted = {"val": (len(asked), classes), "test": (0, classes)}
            said = read_predictions(run / "out" / "predictions.npz", wanted)["val"]
            shares.append(float((said.argmax(axis=1) == labels).mean()))
        except Unusable as problem:
            failed.append(str(problem).strip().splitlines()[-1])

    jobs = [
        {"do": "train", "seed": seed, "steps": budget.steps, "threads": budget.threads, "data": str(data)}
        for seed in workspace.seeds(SEEDS)
    ]
    # Predicting many photos takes time too, and is not part of an experiment's budget.
    laboratory.carry_out(workspace.repository.file(commit, "train.py"), jobs, 2 * budget.timeout_s, ended)
    shutil.rmtree(data)
    if failed:
        raise RunnerError(f"training on {len(known)} photos failed: {failed[0]}")
    return Point(len(known), statistics.fmean(shares), min(shares), max(shares))

"""Frozen for the life of a workspace: what the data is, how it is split, and how predictions are scored.

The runner imports this file and checks its hash before and after every run; experiments never see the folder it writes
labels of scored photos to. Photos of one group (a person, a place, a session) and copies of one file never straddle a
split. `train` teaches, `val` decides what is kept, `test` is the public score, `vault` is opened once per publication.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from research_runner.errors import RunnerError
from sensors import decode

METRIC = "log_loss@1"  # of calibrated probabilities, nats per photo; lower is better
SPLITS = ("train", "val", "test", "vault")
SHARES = (0.6, 0.2, 0.1, 0.1)  # of the photos, where labels.csv gives no split of its own
SIZES = (32, 48, 64)  # px, sides to choose from
STUDY_SIDE, STUDIED = 96, 48  # px and photos looked at to choose size and channels
LOST = 0.01  # share of a photo's variance that a smaller side may lose
UNREADABLE = 0.1  # share of photos that may be left out as damaged

Rows = Sequence[Mapping[str, str]]
Pixels = NDArray[np.uint8]


def prepare(rows: Rows, folder: Path, public: Path, private: Path, image_px: int | None = None) -> list[str]:
    """Write the arrays of every split; returns warnings. rows: {file, label, group, split}, any of the last two "".

    public gets train with labels, val and test without; private gets the labels of val and test, all of vault, and
    rows.json with the rows of every split in the order of the arrays.
    """
    contents = {row["file"]: (folder / row["file"]).read_bytes() for row in rows}
    side, channels = shape_of([contents[row["file"]] for row in _spread(rows, STUDIED)], image_px)
    photos, damaged = _decode_all(contents, side, channels)
    if len(damaged) > UNREADABLE * len(rows):
        raise RunnerError(f"{len(damaged)} of {len(rows)} photos cannot be read, the first is {damaged[0]}")
    readable = [row for row in rows if row["file"] in photos]
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    where = split(readable, hashes)
    labels = sorted({row["label"] for row in readable})
    parts = {name: [row for row, part in zip(readable, where, strict=True) if part == name] for name in SPLITS}
    _require_classes(parts, labels)
    for name in SPLITS:
        images = np.stack([photos[row["file"]] for row in parts[name]]) if parts[name] else None
        images = np.zeros((0, channels, side, side), np.uint8) if images is None else images
        answers = np.array([labels.index(row["label"]) for row in parts[name]], np.int64)
        np.save((private if name == "vault" else public) / f"{name}_images.npy", images)
        np.save((public if name == "train" else private) / f"{name}_labels.npy", answers)
    meta = {"labels": labels, "width": side, "height": side, "channels": channels}
    (public / "meta.json").write_text(json.dumps(meta, ensure_ascii=False))
    listed = {name: [{**row, "sha256": hashes[row["file"]]} for row in parts[name]] for name in SPLITS}
    (private / "rows.json").write_text(json.dumps(listed, ensure_ascii=False))
    return [f"left out {len(damaged)} damaged photos, the first is {damaged[0]}"] if damaged else []


def shape_of(sample: Sequence[bytes], image_px: int | None) -> tuple[int, int]:
    """(side in px, channels): the smallest side that keeps 99 % of the variance, 1 channel when all is grey."""
    studied = []
    for content in sample:
        try:
            studied.append(decode.pixels(content, STUDY_SIDE, STUDY_SIDE, 3).astype(np.float32))
        except decode.Undecodable:
            continue
    if not studied:
        raise RunnerError("none of the photos looked at can be read")
    seen = np.stack(studied)
    channels = 1 if float(np.abs(seen - seen.mean(axis=3, keepdims=True)).mean()) < 2.0 else 3
    if image_px is not None:
        return image_px, channels
    grey = seen.mean(axis=3)
    spectrum = np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2
    frequency = np.abs(np.fft.fftfreq(STUDY_SIDE)) * STUDY_SIDE
    for side in SIZES[:-1]:
        beyond = (frequency[:, None] > side / 2) | (frequency[None, :] > side / 2)
        if float((spectrum * beyond).sum()) <= LOST * float(spectrum.sum()):
            return side, channels
    return SIZES[-1], channels


def split(rows: Rows, hashes: Mapping[str, str]) -> list[str]:
    """The split of every row, in order: the file's own where it has one, else by whole groups, classes balanced."""
    own = [row["split"] for row in rows]
    if any(own):
        return _own_split(rows, own, hashes)
    return _assign(rows, _clusters(rows, hashes), SHARES)


def score(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """{metric, accuracy, temperature} of (n, classes) probabilities against (n,) labels; n ≥ 1, metric = METRIC.

    The temperature, from ½ to 2, is the one that suits these labels best, so that mere boldness or shyness moves
    little; the bounds keep a small split that is all right from being scored as if it were certain.
    """
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-6, 1.0))
    chosen = np.arange(len(labels)), labels

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        top = scaled.max(axis=1)
        return float(np.mean(np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - scaled[chosen]))

    low, high = np.log(0.5), np.log(2.0)
    for _ in range(40):  # the loss is unimodal in the temperature
        left, right = low + 0.382 * (high - low), low + 0.618 * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    best = (low + high) / 2
    accuracy = float(np.mean(probabilities.argmax(axis=1) == labels))
    return {"metric": loss(best), "accuracy": accuracy, "temperature": float(np.exp(best))}


def _spread(rows: Rows, count: int) -> Rows:
    return rows[:: max(1, len(rows) // count)][:count]


def _decode_all(contents: Mapping[str, bytes], side: int, channels: int) -> tuple[dict[str, Pixels], list[str]]:
    photos: dict[str, Pixels] = {}
    damaged = []
    for file, content in contents.items():
        try:
            photos[file] = decode.pixels(content, side, side, channels).transpose(2, 0, 1)
        except decode.Undecodable:
            damaged.append(file)
    return photos, damaged


def _clusters(rows: Rows, hashes: Mapping[str, str]) -> list[int]:
    """A number for each row, equal for rows that share a group or the same bytes (union–find over both)."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    for row in rows:
        parent[root("file " + hashes[row["file"]])] = root(
            "group " + row["group"] if row["group"] else "row " + row["file"]
        )
    roots = [root("file " + hashes[row["file"]]) for row in rows]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(roots))}
    return [numbers[name] for name in roots]


def _assign(rows: Rows, clusters: Sequence[int], shares: Sequence[float]) -> list[str]:
    """Whole clusters to splits: of several greedy assignments the one nearest to `shares` in every class."""
    labels = {label: number for number, label in enumerate(sorted({row["label"] for row in rows}))}
    counts = np.zeros((max(clusters) + 1, len(labels)))
    for row, cluster in zip(rows, clusters, strict=True):
        counts[cluster, labels[row["label"]]] += 1
    used = [part for part, share in enumerate(shares) if share > 0]
    if len(counts) < 2 * len(used):
        raise RunnerError(
            f"the photos come from only {len(counts)} different groups; a split that keeps groups apart needs "
            f"{2 * len(used)}: buy from more people, or leave the group column empty where photos are independent"
        )
    target = np.asarray(shares)[:, None] * counts.sum(axis=0)[None, :]
    best: tuple[float, list[int]] | None = None
    dice = random.Random("split 1")
    for _ in range(32 if len(counts) < 500 else 4):
        order = sorted(range(len(counts)), key=lambda cluster: (-counts[cluster].sum(), dice.random()))
        have, chosen = np.zeros_like(target), [0] * len(counts)
        for cluster in order:
            need = {part: float((counts[cluster] * (1 - have[part] / target[part])).sum()) for part in used}
            part = max(used, key=lambda part: (need[part], dice.random()))
            have[part] += counts[cluster]
            chosen[cluster] = part
        missing = int((have[used] == 0).any(axis=1).sum() + 10 * (have[0] == 0).sum() + (have[1] == 0).sum())
        far = (
            float((np.abs(have - target) / target.sum()).sum())
            + missing
            + 10 * int((have.sum(axis=1)[used] == 0).any())
        )
        if best is None or far < best[0]:
            best = far, chosen
    assert best is not None
    return [SPLITS[best[1][cluster]] for cluster in clusters]


def _own_split(rows: Rows, own: Sequence[str], hashes: Mapping[str, str]) -> list[str]:
    """train → train, val → val, vault → vault, test → test, or the vault where there is no other."""
    names = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "vault": "vault"}
    unknown = sorted({value for value in own if value not in names})
    if unknown:
        raise RunnerError(f"labels.csv: split is train, val, test or vault in every row, found {unknown[0]!r}")
    where = [names[value] for value in own]
    if "vault" not in where:
        where = ["vault" if part == "test" else part for part in where]
    if "train" not in where or "vault" not in where:
        raise RunnerError("labels.csv: its split column needs rows for train and for test (or vault)")
    if "val" not in where:
        inside = [row for row, part in zip(rows, where, strict=True) if part == "train"]
        chosen = iter(_assign(inside, _clusters(inside, hashes), (0.85, 0.15, 0.0, 0.0)))
        where = [next(chosen) if part == "train" else part for part in where]
    _require_apart(rows, where)
    return where


def _require_apart(rows: Rows, where: Sequence[str]) -> None:
    homes: dict[str, str] = {}
    for row, part in zip(rows, where, strict=True):
        if row["group"] and homes.setdefault(row["group"], part) != part:
            raise RunnerError(f"labels.csv: group {row['group']!r} is in {homes[row['group']]} and in {part}")


def _require_classes(parts: Mapping[str, Rows], labels: Sequence[str]) -> None:
    for label in labels:
        if not any(row["label"] == label for row in parts["train"]):
            raise RunnerError(f"no photo of {label!r} is left to train on: it needs photos from more groups")
    for name in ("val", "vault"):
        if not parts[name]:
            raise RunnerError(f"no photo is left for {name}: the data has too few groups")

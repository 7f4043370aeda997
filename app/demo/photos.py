"""The pictures that the demo's people take: scikit-learn's handwritten digits, or any folder with labels.csv."""

from __future__ import annotations

import csv
import importlib.util
import io
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

# How a scan of 8×8 cells becomes a photo: enlarged smoothly, with the noise of a small camera.
DIGIT_SIDE = 128
CAMERA_NOISE = 4.0


class BadData(Exception):
    """The folder cannot be used; the message says why, in one line."""


class Labelled(NamedTuple):
    """A photo with its true label. group: what must stay together (a person, a place), or ""; split: official or ""."""

    data: bytes
    label: str
    group: str
    split: str


class Collection(NamedTuple):
    """Labelled photos and what to ask about them."""

    name: str
    labels: list[str]
    photos: list[Labelled]


def digits(seed: int) -> Collection:
    """scikit-learn's 1,797 scans of handwritten digits (UCI, 43 writers), as JPEG photos of 128 px, in random order."""
    noise = np.random.default_rng(seed)
    photos = [Labelled(_photograph(row[:-1].reshape(8, 8), noise), str(int(row[-1])), "", "") for row in _scans()]
    random.Random(seed).shuffle(photos)
    return Collection("digit", [str(digit) for digit in range(10)], photos)


def _scans() -> np.ndarray:
    """float64 (1797, 65): 64 cells of 0 to 16, row by row, and the digit. As scikit-learn's load_digits reads them, but
    without loading scikit-learn, which takes as long as all the rest of a start. Raises BadData where it is missing."""
    found = importlib.util.find_spec("sklearn")
    folders = (found and found.submodule_search_locations) or []
    for file in (Path(folder) / "datasets" / "data" / "digits.csv.gz" for folder in folders):
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    raise BadData("scikit-learn with its digits is missing: install Sensorium with its extra `runner`")


def _photograph(scan: np.ndarray, noise: np.random.Generator) -> bytes:
    levels = Image.fromarray((scan * 255 / 16).astype(np.uint8))
    large = np.asarray(levels.resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BICUBIC), dtype=np.float64)
    seen = np.clip(large + noise.normal(0, CAMERA_NOISE, large.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(seen).save(file, "JPEG", quality=90)
    return file.getvalue()


def folder(path: Path, seed: int) -> Collection:
    """Photos of a folder with labels.csv (file, label, group, perhaps split). Raises BadData, saying what is wrong."""
    table = path / "labels.csv"
    if not table.is_file():
        raise BadData(f"there is no labels.csv in {path}")
    with table.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened)
        if not {"file", "label"} <= set(reader.fieldnames or ()):
            raise BadData(f"{table} needs the columns file and label (and may have group and split)")
        rows = list(reader)
    photos = []
    for line, row in enumerate(rows, start=2):
        file = (path / row["file"]).resolve()
        if not file.is_relative_to(path.resolve()) or not file.is_file():
            raise BadData(f"{table} line {line}: there is no file {row['file']}")
        if not row["label"]:
            raise BadData(f"{table} line {line}: the label is empty")
        photos.append(Labelled(file.read_bytes(), row["label"], row.get("group") or "", row.get("split") or ""))
    labels = sorted({photo.label for photo in photos})
    if len(labels) < 2:
        raise BadData(f"{table}: at least two different labels are needed, there is {len(labels)}")
    if len(photos) < 60:
        raise BadData(f"{table}: at least 60 photos are needed, there are {len(photos)}")
    random.Random(seed).shuffle(photos)
    return Collection(path.resolve().name.replace("_", " "), labels, photos)


def divide(collection: Collection, wanted: int, people: int) -> tuple[list[list[Labelled]], list[Labelled]]:
    """What each of `people` photographs (about `wanted` in all), and the photos that nobody ever takes.

    An official test split stays untaken. A group is one person's. At least a fifth is left over for the final test.
    """
    official = any(photo.split == "test" for photo in collection.photos)
    unseen = [photo for photo in collection.photos if photo.split == "test"]
    rest = [photo for photo in collection.photos if photo.split != "test"]
    most = min(wanted, len(rest) if official else len(rest) * 4 // 5)
    hands: list[list[Labelled]] = [[] for _ in range(people)]
    owner: dict[str, int] = {}
    taken = 0
    for photo in rest:
        if taken < most or photo.group in owner:
            fewest = min(range(people), key=lambda p: len(hands[p]))
            hands[owner.setdefault(photo.group, fewest) if photo.group else fewest].append(photo)
            taken += 1
        elif not official:
            unseen.append(photo)
    return [hand for hand in hands if hand], unseen

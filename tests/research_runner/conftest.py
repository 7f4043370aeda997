"""Small labelled photos, and a train.py that learns in milliseconds without torch, to test everything around it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from research_runner import workspace
from research_runner.workspace import Budget, Workspace

LABELS = ("dark", "middle", "light")
PROGRAM = "---\nsteps: 40\nworkers: 2\nensemble: 2\n---\nLook at the brightness.\n"

# Nearest class mean, in numpy; NOISE makes it worse, UNUSED only changes what the seed does.
QUICK = '''"""Nearest class mean."""
import json
import sys
from pathlib import Path

import numpy as np

NOISE = 2.0  # 0.0..4.0 · standard deviation of what is added to the logits
BOLD = 0.1  # 0.01..1.0 log · logits per unit of brightness
UNUSED = 0  # 0..1000 · nothing

job = json.loads(Path(sys.argv[1]).read_text())
data, out = Path(job["data"]), Path(job["out"])
dice = np.random.default_rng([job["seed"], UNUSED])
images = np.load(data / "train_images.npy").mean(axis=(1, 2, 3))
labels = np.load(data / "train_labels.npy")
means = np.array([images[labels == label].mean() for label in range(labels.max() + 1)])
said = {}
for split in ("val", "test"):
    bright = np.load(data / f"{split}_images.npy").mean(axis=(1, 2, 3))
    logits = -BOLD * np.abs(bright[:, None] - means[None, :])
    logits = logits + NOISE * dice.standard_normal(logits.shape)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    said[split] = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
np.savez(out / "predictions.npz", **said)
'''


def photo(brightness: float, seed: int, side: int = 40) -> bytes:
    """A JPEG of grey noise about a brightness of 0 to 255."""
    values = np.random.default_rng(seed).normal(brightness, 25, (side, side)).clip(0, 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(values).save(written, "JPEG", quality=90)
    return written.getvalue()


def write_labels(folder: Path, rows: Sequence[Sequence[str]], header: str = "file,label,group") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return folder


def write_photos(folder: Path, count: int = 120, people: int = 20) -> Path:
    """`count` photos in turn dark, middle and light, by as many people."""
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name = f"{number}.jpg"
        (folder / name).write_bytes(photo(70 + 55 * (number % 3), number))
        rows.append((name, LABELS[number % 3], f"person {(number // 3) % people}" if people else ""))
    return write_labels(folder, rows)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"))


Maker = Callable[..., Workspace]


@pytest.fixture
def make(tmp_path: Path, photos: Path) -> Maker:
    """A workspace on the photos whose train.py is QUICK, or what else is given."""

    def made(name: str = "lamp", source: str | None = QUICK, seed: int = 1, program: str = PROGRAM) -> Workspace:
        text = tmp_path / f"{name}.md"
        text.write_text(program)
        opened = workspace.create(tmp_path / name, text, photos, seed)
        if source is not None:
            head = opened.repository.head()
            opened.repository.advance(opened.repository.commit_file(head, "train.py", source, "for a test"), head)
        opened.fix_budget(Budget(steps=40, timeout_s=3.0 if source is not None else 120.0, threads=1))
        return opened

    return made

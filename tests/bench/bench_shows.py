"""How often a small model of the market's own doubts an honest photo, and how often one of something else.

A classifier is trained as the runner trains (research_runner/train.py), exported, and asked through the service's own
children about photos that it has not seen: about each photo's own subject, and about every other subject. Needs the
labelled photos in ../shared/data; without them there is nothing to measure.

python -m tests.bench shows
"""

from __future__ import annotations

import asyncio
import csv
import json
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.predict import ModelPool, Prediction, batch_of
from app.shows import ByModel
from market import ids
from market.models import Inputs, Outputs
from market.terms import Shown
from research_runner import train
from sensors import decode
from sensors.evidence import Asked, Evidence, PhotosAsked
from sensors.evidence import Shown as Wanted
from sensors.shows import shows
from tests.sensors.cast import WINDOW

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "photos_labelled"
SIDE, STEPS = 48, 1000
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9)
SETS = (("trashnet", "label"), ("grocery_store", "section"))
STATUSES = ("pass", "inconclusive", "warn")
NOBODY = ids.new()


def read(folder: Path, column: str) -> tuple[list[str], dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]]:
    """The labels, and for train, val and test the photos (n, SIDE, SIDE, 3) with the index of each one's label."""
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    labels = sorted({row[column] for row in rows})
    found = {}
    for split in ("train", "val", "test"):
        chosen = [row for row in rows if row["split"] == split]
        photos = [decode.pixels((folder / row["file"]).read_bytes(), SIDE, SIDE, 3) for row in chosen]
        found[split] = (np.stack(photos), np.array([labels.index(row[column]) for row in chosen]))
    return labels, found


def learn(labels: list[str], data: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]], folder: Path) -> bytes:
    """An ONNX file, trained as the runner does, its temperature chosen on the validation photos."""
    for split, (photos, truth) in data.items():
        np.save(folder / f"{split}_images.npy", np.moveaxis(photos, 3, 1))
        np.save(folder / f"{split}_labels.npy", truth)
    about = {"labels": labels, "width": SIDE, "height": SIDE, "channels": 3}
    (folder / "meta.json").write_text(json.dumps(about))
    train.DIAL, train.FLIP, train.SHIFT, train.CONTRAST = 3, True, 0.08, 0.2
    common = {"threads": 1, "data": str(folder), "out": str(folder)}
    job = folder / "job.json"
    job.write_text(json.dumps({"do": "train", "seed": 1, "steps": STEPS, **common}))
    train.main(str(job))
    said, truth = np.load(folder / "predictions.npz")["val"], data["val"][1]
    tried = np.geomspace(0.3, 3.0, 24)
    temperature = min(tried, key=lambda each: _surprise(said, truth, each))
    weights = [str(folder / "weights.safetensors")]
    job.write_text(json.dumps({"do": "export", "weights": weights, "temperature": float(temperature), **common}))
    train.main(str(job))
    return (folder / "model.onnx").read_bytes()


def _surprise(said: NDArray[np.float32], truth: NDArray[np.int64], temperature: float) -> float:
    """Mean negative log-likelihood of the truth at a temperature, nats."""
    logits = np.log(said + 1e-9) / temperature
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-logits[np.arange(len(truth)), truth].mean())


async def ask_all(onnx: bytes, labels: list[str], photos: NDArray[np.uint8]) -> tuple[list[Prediction], float]:
    """What the model says through the service's own pool, and the wall milliseconds a photo alone."""
    inputs = Inputs(kind="image", width=SIDE, height=SIDE, channels=3)
    outputs = Outputs(kind="classification", labels=labels)

    async def fetch() -> bytes:
        return onnx

    said: list[Prediction] = []
    async with ModelPool() as pool, pool.turn(NOBODY), pool.place(), pool.at_work(b"x" * 32, outputs, fetch) as ask:
        batch = batch_of(inputs)
        for start in range(0, len(photos), batch):
            said += await ask(photos[start : start + batch])
        times = []
        for each in photos[:50]:
            started = time.perf_counter()
            await ask(each[np.newaxis])
            times.append(time.perf_counter() - started)
    return said, min(times) * 1000


def judged(said: Prediction, label: str, least: float) -> str:
    """What the check says of one photo when it is asked about a label."""
    judge = ByModel(None, NOBODY, Shown(model="model", label=label))  # type: ignore[arg-type]  # nothing is fetched
    asked = Asked(photos=PhotosAsked(shows=Wanted(model="model", label=label, min_confidence=least)), checks=["shows"])
    sent = Evidence(submitted_at=WINDOW.received_at, opinions=[judge._opinion(1, said)])
    return shows(asked, sent).status


def shares(found: Counter[str]) -> str:
    return "".join(f"{100 * found[each] / found.total():13.1f} %" for each in STATUSES)


def measure(name: str, column: str) -> None:
    started = time.process_time()
    labels, data = read(DATA / name, column)
    with tempfile.TemporaryDirectory() as folder:
        onnx = learn(labels, data, Path(folder))
    photos, truth = data["test"]
    said, alone_ms = asyncio.run(ask_all(onnx, labels, photos))
    right = np.mean([each.label == labels[one] for each, one in zip(said, truth, strict=True)])
    spent = time.process_time() - started
    print(f"{name}, {column}: {len(labels)} subjects, {len(photos)} photos not seen before, {100 * right:.1f} % right;")
    print(f"{alone_ms:.1f} ms a photo in the child; {spent:.0f} s of processor time to read, learn and judge")
    print(f"{'min_confidence':16}{'photos of':20}" + "".join(f"{each:>15}" for each in STATUSES))
    for least in CONFIDENCES:
        own, other = Counter[str](), Counter[str]()
        for each, one in zip(said, truth, strict=True):
            for index, label in enumerate(labels):
                (own if index == one else other)[judged(each, label, least)] += 1
        print(f"{least:<16}{'what was asked':20}{shares(own)}")
        print(f"{'':16}{'something else':20}{shares(other)}")
    print()


def main() -> None:
    warnings.filterwarnings("ignore", module="torch|research_runner")  # the exporter's, about constants
    for name, column in SETS:
        if (DATA / name).is_dir():
            measure(name, column)
        else:
            print(f"{name}: the photos are not here")


if __name__ == "__main__":
    main()

"""Labelled photos in a folder: read and judged, or bought on the market and downloaded, each file against its hash."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from research_runner.client import ManifestItem, MarketClient, Problem
from research_runner.errors import RunnerError

FEWEST_PHOTOS = 30
FEWEST_PER_CLASS = 3
MISSING = 0.1  # share of the listed files that may be absent
COLUMNS = ("file", "label", "group", "split")
SUFFIX = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/heic": ".heic"}


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a dataset comes from, for the card. Shares: opaque person → accepted photos."""

    source: str
    dataset_id: str | None = None
    manifest_sha256: str | None = None
    licenses: list[str] = []
    shares: dict[str, int] = {}
    spent: dict[str, int] = {}  # minor units by currency


def read(folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Rows {file, label, group, split} of folder/labels.csv that can be used, and warnings about the others."""
    listing = folder / "labels.csv"
    if not listing.is_file():
        raise RunnerError(f"{listing} does not exist: a data folder has a labels.csv with file,label,group[,split]")
    try:
        with listing.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            header = reader.fieldnames or []
            if "file" not in header or "label" not in header:
                raise RunnerError(f"{listing} needs the columns file and label, it has {', '.join(header) or 'none'}")
            rows = [{name: (row.get(name) or "").strip() for name in COLUMNS} for row in reader]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise RunnerError(f"{listing} is not a CSV file in UTF-8: {problem}") from problem
    return _usable(rows, folder)


def origin(folder: Path) -> Origin:
    """What folder/dataset.json says, or, for a folder without one, its name: its path is nobody's business."""
    path = folder / "dataset.json"
    if not path.is_file():
        return Origin(source=f"folder {folder.resolve().name}")
    return msgspec.json.decode(path.read_bytes(), type=Origin)


def download(client: MarketClient, dataset_id: str, question: str, folder: Path, spent: dict[str, int]) -> Path:
    """Every photo of a ready dataset into `folder` with labels.csv and dataset.json; resumes where it was left.

    The label is the answer to `question`, the group the person's opaque pseudonym. An observation without that answer
    is left out, and so is a photo that has been erased since. RunnerError when a file does not match its hash.
    """
    dataset = client.wait_for_dataset(dataset_id)
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, str] | None] = {}
    for item in client.dataset_files(dataset_id):
        if question in item.answers:
            for row in _fetch_item(client, item, str(item.answers[question]), photos):
                earlier = found.setdefault(row["file"], row)
                if earlier is None or earlier["label"] != row["label"]:
                    found[row["file"]] = None  # one photo with two answers teaches nothing
    rows = [row for row in found.values() if row is not None]
    if not rows:
        raise RunnerError(f"no observation of {dataset_id} answers the question {question!r}")
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    said = Origin(
        source=f"market dataset {dataset_id}",
        dataset_id=dataset_id,
        manifest_sha256=dataset.manifest_sha256,
        licenses=dataset.licenses,
        shares=dict(Counter(row["group"] for row in rows)),
        spent=spent,
    )
    (folder / "dataset.json").write_bytes(msgspec.json.encode(said))
    return folder


def content_hash(rows: Iterable[dict[str, str]]) -> str:
    """SHA-256 over the sorted rows with the hashes of their photos: the same data has the same hash anywhere."""
    lines = sorted(json.dumps([row["sha256"], row["label"], row["group"], row["split"]]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fetch_item(client: MarketClient, item: ManifestItem, label: str, photos: Path) -> list[dict[str, str]]:
    rows = []
    for photo in item.photos:
        name = photo.sha256 + SUFFIX.get(photo.media_type, ".bin")
        path = photos / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != photo.sha256:
            try:
                content = client.download(photo.url)
            except Problem as problem:
                if problem.slug == "erased":
                    path.unlink(missing_ok=True)
                    continue
                raise
            if hashlib.sha256(content).hexdigest() != photo.sha256:
                raise RunnerError(f"photo {photo.n} of {item.observation_id} does not match its hash in the manifest")
            partial = path.with_suffix(".part")
            partial.write_bytes(content)
            partial.replace(path)
        rows.append({"file": f"photos/{name}", "label": label, "group": item.person or "", "split": ""})
    return rows


def _usable(rows: list[dict[str, str]], folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    warnings: list[str] = []
    if not rows:
        raise RunnerError(f"{folder}/labels.csv lists no photos")
    root = folder.resolve()
    for row in rows:
        if not row["file"] or not (root / row["file"]).resolve().is_relative_to(root):
            raise RunnerError(f"{folder}/labels.csv: {row['file']!r} is not a file inside the folder")
    unlabelled = [row for row in rows if not row["label"]]
    if unlabelled:
        warnings.append(f"left out {len(unlabelled)} photos without a label, the first is {unlabelled[0]['file']}")
    rows = [row for row in rows if row["label"]]
    absent = [row["file"] for row in rows if not (folder / row["file"]).is_file()]
    if len(absent) > MISSING * len(rows):
        raise RunnerError(f"{len(absent)} of {len(rows)} listed photos do not exist, the first is {absent[0]}")
    if absent:
        warnings.append(f"left out {len(absent)} photos that do not exist, the first is {absent[0]}")
    present = {row["file"]: row for row in rows if row["file"] not in set(absent)}
    if len(present) < len(rows) - len(absent):
        conflicting = [row["file"] for row in rows if row["file"] in present and present[row["file"]] != row]
        if conflicting:
            raise RunnerError(f"{folder}/labels.csv lists {conflicting[0]} twice, with different labels or groups")
        warnings.append("left out rows that list the same photo again")
    return _enough(list(present.values()), warnings)


def _enough(rows: list[dict[str, str]], warnings: list[str]) -> tuple[list[dict[str, str]], list[str]]:
    counts = Counter(row["label"] for row in rows)
    rare = sorted(label for label, count in counts.items() if count < FEWEST_PER_CLASS)
    kept = [row for row in rows if counts[row["label"]] >= FEWEST_PER_CLASS]
    if len(counts) == 1:
        raise RunnerError(f"all {len(rows)} photos have the label {rows[0]['label']!r}: there is nothing to tell apart")
    if len(counts) - len(rare) < 2:
        raise RunnerError(
            f"{len(counts)} labels for {len(rows)} photos: at least two labels need {FEWEST_PER_CLASS} photos each"
        )
    if len(kept) < FEWEST_PHOTOS:
        raise RunnerError(f"{len(kept)} photos are too few to learn from and to test on; {FEWEST_PHOTOS} is the least")
    if rare:
        warnings.append(f"left out {len(rare)} labels with under {FEWEST_PER_CLASS} photos, the first is {rare[0]!r}")
    return kept, warnings

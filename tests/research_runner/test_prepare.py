"""Splits keep groups apart, what is scored stays hidden, and bad data is refused in one clear line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from research_runner import cli, dataset, prepare
from research_runner.errors import RunnerError
from tests.research_runner.conftest import LABELS, Maker, photo, write_labels, write_photos


def rows_of(groups: int, each: int, classes: int) -> list[dict[str, str]]:
    return [
        {"file": f"{group}-{number}", "label": str((group + number) % classes), "group": f"g{group}", "split": ""}
        for group in range(groups)
        for number in range(each)
    ]


@pytest.mark.parametrize(("groups", "each", "classes"), [(8, 30, 3), (24, 17, 10), (60, 4, 6), (300, 1, 5)])
def test_groups_never_straddle_a_split_and_every_class_is_trained_on(groups: int, each: int, classes: int) -> None:
    rows = rows_of(groups, each, classes)
    where = prepare.split(rows, {row["file"]: row["file"] for row in rows})
    for group in {row["group"] for row in rows}:
        assert len({part for row, part in zip(rows, where, strict=True) if row["group"] == group}) == 1
    for label in {row["label"] for row in rows}:
        assert any(part == "train" and row["label"] == label for row, part in zip(rows, where, strict=True))
    shares = {name: where.count(name) / len(where) for name in prepare.SPLITS}
    assert 0.4 <= shares["train"] <= 0.75 and all(share > 0 for share in shares.values())


def test_copies_of_one_file_stay_together_and_tie_their_groups() -> None:
    rows = rows_of(40, 5, 4)
    hashes = {row["file"]: row["file"] for row in rows}
    hashes["0-0"] = hashes["7-3"] = hashes["20-1"] = "the same bytes"
    where = dict(zip((row["file"] for row in rows), prepare.split(rows, hashes), strict=True))
    assert len({where[f"{group}-{number}"] for group in (0, 7, 20) for number in range(5)}) == 1


def test_the_split_is_the_same_every_time() -> None:
    rows = rows_of(30, 6, 4)
    hashes = {row["file"]: row["file"] for row in rows}
    assert prepare.split(rows, hashes) == prepare.split(rows, hashes)


def test_an_official_split_is_respected_and_its_test_becomes_the_vault() -> None:
    rows = [
        {**row, "group": "", "split": ("train", "train", "val", "test")[n % 4]}
        for n, row in enumerate(rows_of(40, 4, 3))
    ]
    where = prepare.split(rows, {row["file"]: row["file"] for row in rows})
    wanted = {"train": "train", "val": "val", "test": "vault"}
    assert where == [wanted[row["split"]] for row in rows]


def test_without_an_official_val_one_is_made_from_train() -> None:
    rows = [{**row, "group": "", "split": ("train", "train", "test")[n % 3]} for n, row in enumerate(rows_of(60, 4, 3))]
    where = prepare.split(rows, {row["file"]: row["file"] for row in rows})
    assert 0.05 < where.count("val") / len(where) < 0.2
    assert all(part == "vault" for row, part in zip(rows, where, strict=True) if row["split"] == "test")


def test_an_official_split_that_tears_a_group_apart_is_refused() -> None:
    rows = [{**row, "split": ("train", "test")[n % 2]} for n, row in enumerate(rows_of(20, 4, 3))]
    with pytest.raises(RunnerError, match="group 'g0' is in"):
        prepare.split(rows, {row["file"]: row["file"] for row in rows})


def test_what_experiments_read_holds_no_label_of_a_scored_photo(make: Maker) -> None:
    made = make()
    made.prepare()
    assert sorted(file.name for file in made.public.iterdir()) == [
        "meta.json", "test_images.npy", "train_images.npy", "train_labels.npy", "val_images.npy",
    ]  # fmt: skip
    rows = json.loads((made.private / "rows.json").read_text())
    assert sum(len(part) for part in rows.values()) == 120
    for split in ("val", "test", "vault"):
        labels = np.load(made.private / f"{split}_labels.npy")
        assert [LABELS.index(row["label"]) for row in rows[split]] == [
            LABELS.index(made.meta.labels[label]) for label in labels
        ]
    assert made.meta.channels == 1


def test_the_metric_does_not_care_how_bold_predictions_are() -> None:
    dice = np.random.default_rng(0)
    logits = dice.normal(0, 2, (300, 3))
    labels = (logits + dice.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from softmax(logits): temperature 1

    def said(temperature: float) -> np.ndarray:
        odds = np.exp(logits / temperature)
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    base = prepare.score(said(1.0), labels)
    assert prepare.score(said(1.2), labels)["metric"] == pytest.approx(base["metric"], abs=1e-3)
    assert base["accuracy"] == prepare.score(said(3.0), labels)["accuracy"]


def one_class(folder: Path) -> None:
    write_labels(folder, [(f"{n}.jpg", "dark", "") for n in range(60)])
    for n in range(60):
        (folder / f"{n}.jpg").write_bytes(photo(80, n))


def five_photos(folder: Path) -> None:
    write_photos(folder, 5)


def no_files(folder: Path) -> None:
    write_labels(folder, [(f"{n}.jpg", LABELS[n % 3], "") for n in range(60)])


def no_labels_csv(folder: Path) -> None:
    folder.mkdir()


def other_columns(folder: Path) -> None:
    write_labels(folder, [("a.jpg", "x")], "path,kind")


def outside(folder: Path) -> None:
    write_labels(folder, [("../../etc/passwd", "x", "")])


def two_thousand_classes(folder: Path) -> None:
    write_labels(folder, [("0.jpg", str(n), "") for n in range(2000)])


def all_corrupt(folder: Path) -> None:
    write_photos(folder, 60)
    for n in range(60):
        (folder / f"{n}.jpg").write_bytes(b"\xff\xd8\xff not a photo")


def a_third_corrupt(folder: Path) -> None:
    write_photos(folder, 60)
    for n in range(0, 60, 3):
        (folder / f"{n}.jpg").write_bytes(b"\xff\xd8\xff not a photo")


def one_person(folder: Path) -> None:
    write_photos(folder, 60, people=1)


def not_text(folder: Path) -> None:
    folder.mkdir()
    (folder / "labels.csv").write_bytes(b"\xff\xfe\x00\x81file,label\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (one_class, "nothing to tell apart"), (five_photos, "photos are too few|at least two labels"),
        (no_files, "60 of 60 listed photos do not exist"), (no_labels_csv, "does not exist"),
        (other_columns, "needs the columns file and label"), (outside, "not a file inside the folder"),
        (two_thousand_classes, "do not exist|twice"), (all_corrupt, "can be read"),
        (a_third_corrupt, "20 of 60 photos cannot be read"), (one_person, "only 1 different groups"),
        (not_text, "not a CSV file in UTF-8"),
    ],
)  # fmt: skip
def test_bad_data_gets_one_clear_line(tmp_path: Path, spoil: Callable[[Path], None], words: str) -> None:
    data, work = tmp_path / "data", str(tmp_path / "work")
    spoil(data)
    runner = CliRunner()
    assert runner.invoke(cli.main, ["new", work]).exit_code == 0
    result = runner.invoke(cli.main, ["loop", work, "--data", str(data), "--experiments", "1"])
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert re.search(words, result.stderr)


def test_a_few_damaged_photos_are_left_out_and_named(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "data", 90)
    (folder / "5.jpg").write_bytes(b"\xff\xd8\xff not a photo")
    (folder / "7.jpg").unlink()
    rows, warnings = dataset.read(folder)
    public, private = tmp_path / "public", tmp_path / "private"
    public.mkdir()
    private.mkdir()
    warnings += prepare.prepare(rows, folder, public, private)
    assert len(rows) == 89
    assert [line for line in warnings if "7.jpg" in line] and [line for line in warnings if "5.jpg" in line]

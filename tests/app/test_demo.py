"""The demo's own parts: what it photographs, and what it shows. The whole of it is `make demo`."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from app.demo import charts, photos, report
from app.demo.photos import BadData, Collection, Labelled


def collection(count: int, **marks: str) -> Collection:
    made = [
        Labelled(b"%d" % i, "ab"[i % 2], marks.get("group", "") and f"g{i // 5}", marks.get("split", ""))
        for i in range(count)
    ]
    return Collection("thing", ["a", "b"], made)


def folder(path: Path, rows: list[str], header: str = "file,label,group") -> Path:
    for i in range(len(rows)):
        image = Image.fromarray(np.full((8, 8), i % 255, dtype=np.uint8))
        image.save(path / f"{i}.png")
    (path / "labels.csv").write_text("\n".join([header, *rows]))
    return path


def test_digits_are_the_real_scans_as_photos() -> None:
    digits = photos.digits(1)
    assert len(digits.photos) == 1797
    assert Counter(photo.label for photo in digits.photos)["3"] == 183
    with Image.open(io.BytesIO(digits.photos[0].data)) as image:
        assert (image.format, image.size) == ("JPEG", (128, 128))
    assert len({photo.data for photo in digits.photos}) == 1797


def test_nobody_photographs_what_is_left_for_the_test() -> None:
    hands, unseen = photos.divide(collection(200), 100, 10)
    taken = [photo.data for hand in hands for photo in hand]
    assert len(taken) == 100 and len(unseen) == 100
    assert not {photo.data for photo in unseen} & set(taken)
    assert {len(hand) for hand in hands} == {10}


def test_a_fifth_is_left_however_much_is_wanted() -> None:
    hands, unseen = photos.divide(collection(200), 10_000, 10)
    assert (sum(map(len, hands)), len(unseen)) == (160, 40)


def test_a_group_is_one_persons() -> None:
    hands, unseen = photos.divide(collection(200, group="yes"), 100, 7)
    owners = {photo.group: {i for i, hand in enumerate(hands) if photo in hand} for hand in hands for photo in hand}
    assert all(len(each) == 1 for each in owners.values())
    assert not {photo.group for photo in unseen} & set(owners)


def test_an_official_test_split_stays_untaken() -> None:
    mixed = collection(60)._replace(photos=collection(60).photos + collection(40, split="test").photos)
    hands, unseen = photos.divide(mixed, 1000, 5)
    assert (sum(map(len, hands)), len(unseen)) == (60, 40)


@pytest.mark.parametrize(
    ("rows", "header", "complaint"),
    [
        (["0.png,a,"] * 70, "name,label", "needs the columns"),
        (["nothing.png,a,"], "file,label,group", "line 2: there is no file nothing.png"),
        (["../../etc/passwd,a,"], "file,label,group", "there is no file"),
        (["0.png,,"], "file,label,group", "label is empty"),
        ([f"{i}.png,a," for i in range(70)], "file,label,group", "two different labels"),
        ([f"{i}.png,{'ab'[i % 2]}," for i in range(20)], "file,label,group", "60 photos"),
    ],
)
def test_a_bad_folder_is_refused_in_one_line(tmp_path: Path, rows: list[str], header: str, complaint: str) -> None:
    with pytest.raises(BadData, match=complaint):
        photos.folder(folder(tmp_path, rows, header), 1)


def test_a_folder_is_read_with_its_labels(tmp_path: Path) -> None:
    found = photos.folder(folder(tmp_path, [f"{i}.png,{'ab'[i % 2]},g{i}" for i in range(70)]), 1)
    assert (found.labels, len(found.photos)) == (["a", "b"], 70)


def test_charts_write_what_they_are_given_as_text() -> None:
    chart = charts.bars([("<script>", 3.0, "3 & more")], "Title")
    assert "<script>" not in chart and "&lt;script&gt;" in chart and "3 &amp; more" in chart
    line = charts.lines([("line", [(0, 0.5), (10, 1.0)])], "Title", "s", "things")
    assert "<polyline" in line and "10" in line
    assert "nothing to show" in charts.lines([], "Title", "x", "y")
    doubled = charts.lines([("line", [(16, 0.5), (32, 0.6), (64, 0.7)])], "Title", "photos", "share", doubling=True)
    places = [float(pair.split(",")[0]) for pair in doubled.split('points="')[1].split('"')[0].split()]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)


def test_accuracy_counts_the_likeliest_label_also_where_the_model_abstains() -> None:
    output = {"label": None, "abstained": True, "confidence": 0.4, "probabilities": {"a": 0.4, "b": 0.35, "c": 0.25}}
    assert report.best_guess(output) == "a"


def test_a_cheat_counts_as_caught_only_for_what_was_wrong() -> None:
    assert report.caught({"check": "fresh", "failed_check": "fresh"})
    assert not report.caught({"check": "fresh", "failed_check": "quality"})
    assert not report.caught({"check": "fresh", "failed_check": "-"})


def test_the_digits_are_those_of_scikit_learn_which_is_not_loaded_for_them() -> None:
    code = "import sys; from app.demo import photos; photos.digits(1); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
    bunch = load_digits()
    assert np.array_equal(photos._scans(), np.column_stack([bunch.data, bunch.target]))

"""The learning curve: nested parts with every label, scored on photos that the runs have no labels of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from research_runner import cli, curve, loop, report
from research_runner.errors import RunnerError
from tests.research_runner.conftest import Maker, write_photos


def test_every_part_has_all_labels_in_about_their_shares_and_lies_in_the_next() -> None:
    labels = np.repeat(np.arange(4), [60, 25, 12, 3])
    order = curve.nested_order(labels, np.random.default_rng(1))
    assert sorted(order) == list(range(100))
    assert curve.sizes(labels) == [6, 12, 25, 50, 100]
    for size in curve.sizes(labels):
        part = np.bincount(labels[order[:size]], minlength=4)
        assert (part >= 1).all()
        assert abs(part[0] / size - 0.6) <= 0.27
    assert curve.sizes(np.arange(10)) == [10]


def test_more_photos_are_measured_and_shown_in_the_report(make: Maker, tmp_path: Path) -> None:
    made = make()
    with pytest.raises(RunnerError, match="no experiment yet"):
        curve.measure(made)
    loop.run(made, 1)
    told: list[curve.Point] = []
    found = curve.measure(made, on_point=told.append)
    assert told == found.points and found.scored_on == "val"
    assert [point.photos for point in told] == curve.sizes(np.load(made.public / "train_labels.npy"))
    assert all(point.low <= point.accuracy <= point.high for point in told)
    assert told[-1].accuracy > 0.5
    assert "What more photos bring" in report.write(made).read_text()
    assert not (made.inner / "curve").exists()

    unseen = write_photos(tmp_path / "elsewhere", count=30)
    said = CliRunner().invoke(cli.main, ["curve", str(made.root), str(unseen), "--json"])
    assert said.exit_code == 0, said.output
    lines = [json.loads(line) for line in said.output.splitlines()]
    assert [line["photos"] for line in lines] == [point.photos for point in told]
    assert "30 photos (elsewhere)" in report.write(made).read_text()


def test_a_train_file_that_fails_on_few_photos_is_named(make: Maker) -> None:
    made = make()
    loop.run(made, 1)
    head = made.repository.head()
    source = made.repository.file(head, "train.py")
    broken = source.replace("means = ", "assert len(images) > 10, 'too few'\nmeans = ")
    made.repository.file = lambda commit, path: broken  # type: ignore[method-assign]
    with pytest.raises(RunnerError, match=r"training on 4 photos failed: .*too few"):
        curve.measure(made)

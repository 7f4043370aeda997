"""From photos to a published model with the real train.py, once; and a report that shows it all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from research_runner import cli, final, loop, publish, report, train, unseen
from research_runner.card import _plain as card_plain
from research_runner.errors import RunnerError
from research_runner.measure import Estimate, abstain_below, measure, wilson
from research_runner.onnx_model import OnnxModel
from research_runner.workspace import Budget, Workspace, create
from tests.research_runner.conftest import Maker, write_photos

PROGRAM = "---\ngoal: tell <b>dark</b> from light\nensemble: 2\nimage_px: 32\n---\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace after one experiment and with its model built, on 120 photos and few steps."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "program.md").write_text(PROGRAM)
    made = create(folder / "Lamp posts", folder / "program.md", write_photos(folder / "photos"), seed=3)
    made.fix_budget(Budget(steps=20, timeout_s=120.0, threads=1))
    loop.run(made, 1)
    final.build(made)
    return made


def test_it_learns_and_says_how_sure_it_is(finished: Workspace) -> None:
    package = final.build(finished)
    assert package.measured.accuracy.value >= 0.9
    assert package.measured.accuracy.low < package.measured.accuracy.value <= package.measured.accuracy.high
    assert (package.channels, package.members, package.labels) == (1, 2, ["dark", "light", "middle"])
    assert 0.33 <= package.measured.abstain_below < 1


def test_the_published_graph_says_what_torch_says(finished: Workspace) -> None:
    package = final.build(finished)
    spec_source = finished.repository.file(package.commit, "train.py")
    module: dict[str, Any] = {"__name__": "kept_train"}
    exec(compile(spec_source, "train.py", "exec"), module)
    members = []
    for file in sorted(package.onnx.parent.glob("member-*.safetensors")):
        state = load_file(file)
        mean, std = state.pop("mean"), state.pop("std")
        net = module["Net"](package.channels, len(package.labels))
        net.load_state_dict(state)
        members.append(net)
    temperature = float(load_file(package.weights)["temperature"])
    served = module["Served"](members, mean, std, temperature).eval()
    images = np.load(finished.private / "vault_images.npy").astype(np.float32)
    noise = np.random.default_rng(0).uniform(0, 255, (5, *images.shape[1:])).astype(np.float32)
    for batch in (images, noise, images[:1]):
        with torch.no_grad():
            expected = served(torch.from_numpy(batch)).numpy()
        assert np.abs(OnnxModel(package.onnx)(batch) - expected).max() < 1e-4


def test_the_vault_is_opened_once_for_a_version(finished: Workspace) -> None:
    again = final.build(finished)
    assert (finished.inner / "vault.jsonl").read_text().count(again.commit) == 1
    assert "opening 1 of this workspace's vault" in again.card


def test_the_final_training_left_the_vault_out(finished: Workspace) -> None:
    data, grown = final._all_but_the_vault(finished)
    count = {split: len(rows) for split, rows in finished.split_rows.items()}
    assert len(np.load(data / "train_images.npy")) == 120 - count["vault"]
    assert grown == pytest.approx((120 - count["vault"]) / count["train"])


def test_the_first_experiments_model_can_be_scored_beside_it(finished: Workspace, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "unseen", 60)
    first = unseen.score(finished, final.first(finished), folder)
    best = unseen.score(finished, final.build(finished).onnx, folder)
    assert first.photos == best.photos == 60 and best.accuracy.value >= 0.9


def test_the_market_is_told_all_that_it_asks_for(finished: Workspace) -> None:
    said = publish.describe(finished, final.build(finished))
    assert said["name"] == "lamp-posts"
    assert said["inputs"] == {
        "kind": "image", "width": 32, "height": 32, "channels": 1, "dtype": "float32", "layout": "NCHW",
        "range": [0, 255],
    }  # fmt: skip
    assert said["outputs"]["labels"] == ["dark", "light", "middle"] and "dataset_id" not in said
    assert json.dumps(said)


def test_the_report_is_one_file_that_shows_everything(finished: Workspace) -> None:
    page = report.write(finished).read_text()
    for row in finished.rows():
        assert f"<td>{row.experiment}</td>" in page
    for title in ("Progress", "What the seed alone does", "Experiments", "Confusion on val", "Confusion on the vault"):
        assert f"<h2>{title}</h2>" in page
    assert "Content SHA-256" in page and "prefers-color-scheme" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "<script" not in page
    assert "tell <b>" not in page and "tell &lt;b&gt;dark" in page.lower()


def test_looking_at_a_model_makes_none_and_leaves_the_vault_shut(make: Maker, tmp_path: Path) -> None:
    made = make()
    loop.run(made, 1)
    asked = ["score", str(made.root), str(write_photos(tmp_path / "unseen", 30))]
    said = CliRunner().invoke(cli.main, asked)
    assert said.exit_code == 1 and "no model is finished yet" in said.output
    assert not (made.inner / "vault.jsonl").exists() and not (made.inner / "published").exists()


def test_scoring_takes_the_newest_finished_model(finished: Workspace) -> None:
    assert final.built(finished) == final.build(finished)


def test_the_card_names_no_path_of_the_machine_and_no_interval_that_nothing_shows(finished: Workspace) -> None:
    card = final.build(finished).card
    assert "- Source: folder photos" in card and str(finished.data_folder.parent) not in card
    assert card_plain(Estimate(1.0, 1.0, 1.0)) == "1.000 | not to be had without a mistake"
    assert card_plain(Estimate(0.5, 0.4, 0.6)) == "0.500 | 0.400 to 0.600"


def test_a_graph_that_differs_from_torch_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "program.md").write_text(PROGRAM)
    made = create(tmp_path / "liar", tmp_path / "program.md", write_photos(tmp_path / "photos"), seed=3)
    source = Path(train.__file__).read_text().replace("served(example).numpy())", "served(example).numpy() * 0.99)")
    head = made.repository.head()
    made.repository.advance(made.repository.commit_file(head, "train.py", source, "a lie"), head)
    made.fix_budget(Budget(steps=2, timeout_s=120.0, threads=1))
    loop.run(made, 1)
    with pytest.raises(RunnerError, match=r"differs from torch by 0\.0"):
        final.build(made)
    assert not (made.inner / "vault.jsonl").exists()


def test_nothing_to_publish_or_report_is_said_so(tmp_path: Path) -> None:
    made = create(tmp_path / "empty", seed=1)
    for attempt in (final.build, final.first, report.write):
        with pytest.raises(RunnerError, match="there is no experiment yet"):
            attempt(made)


def test_wilsons_interval_is_that_of_the_tables() -> None:
    estimate = wilson(81, 263)
    assert (estimate.low, estimate.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_measures_of_a_known_confusion() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8], [0.1, 0.9]], np.float32)
    found = measure(probabilities, labels, 0.65)
    assert found.confusion == [[2, 1], [0, 3]]
    assert found.accuracy.value == pytest.approx(5 / 6)
    assert found.macro_f1.value == pytest.approx((0.8 + 6 / 7) / 2)
    assert (found.answered, found.answered_accuracy) == (pytest.approx(5 / 6), 1.0)


def test_it_abstains_where_its_answers_were_too_often_wrong() -> None:
    confidence = np.linspace(0.99, 0.51, 100, dtype=np.float32)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.where(np.arange(100) < 80, 0, 1)
    threshold = abstain_below(probabilities, labels, 0.98)
    answered = probabilities.max(axis=1) >= threshold
    assert 80 <= answered.sum() <= 82 and (labels[answered] == 0).mean() >= 0.97
    assert abstain_below(probabilities, np.zeros(100, np.int64), 0.98) == 0.5
    assert (probabilities.max(axis=1) >= abstain_below(probabilities, np.ones(100, np.int64), 0.98)).mean() >= 0.5

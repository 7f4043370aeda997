"""Constants are found by reading the source, never by running it, and changed without touching anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

import research_runner
from research_runner import constants
from research_runner.errors import RunnerError
from research_runner.proposers import History
from research_runner.proposers.search import Search
from research_runner.results import Row

SOURCE = '''"""Größe 1 = {2}."""
RATE = 1e-2  # 0.001..0.1 log · per step
SIZE = 2  # {1, 2, "x"} · dial
FLIP = False  # mirror
DEPTH = 3  # 1..8 · layers
SIGN = -1.5  # -2.0..2.0 · of it
NAME = "a # b"  # just a name
TWICE = 1
TWICE = 2
MADE = 3 * 4
lower = 5
def f():
    INSIDE = 1
'''


def row(number: int, commit: str, metric: float | None, description: str = "baseline") -> Row:
    return Row(
        experiment=number, commit=commit, metric=metric, std=None, seeds=1, seconds=1.0, memory_mb=1.0, cost=0,
        status="discard", accuracy=0.9, effect=None, low=None, high=None, test=None, passed=False,
        description=description,
    )  # fmt: skip


def test_every_literal_in_capitals_is_found_with_what_may_be_tried() -> None:
    found = constants.find(SOURCE)
    assert list(found) == ["RATE", "SIZE", "FLIP", "DEPTH", "SIGN", "NAME"]
    assert (found["RATE"].low, found["RATE"].high, found["RATE"].log) == (0.001, 0.1, True)
    assert found["SIZE"].choices == (1, 2, "x")
    assert found["FLIP"].choices == (False, True)
    assert (found["DEPTH"].low, found["DEPTH"].high, found["DEPTH"].unit) == (1.0, 8.0, "layers")
    assert found["SIGN"].value == -1.5
    assert not found["NAME"].searchable


def test_replacing_changes_the_values_and_nothing_else() -> None:
    changed = constants.replace(SOURCE, {"RATE": 0.05, "SIGN": 1.0, "FLIP": True, "NAME": "ü"})
    expected = SOURCE.replace("1e-2", "0.05").replace("-1.5 ", "1.0 ").replace("= False", "= True")
    assert changed == expected.replace('"a # b"', "'ü'")
    assert constants.find(changed)["RATE"].value == 0.05


def test_comments_and_docstrings_are_not_code() -> None:
    assert constants.size("def f():\n    '''Long\n    words.'''\n    return 1  # one\n") == constants.size(
        "def f():\n    return 2\n"
    )
    assert constants.size("x = 1\ny = 2\n") > constants.size("x = 1\n")


def test_a_range_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(RunnerError, match=r"line 1: '5\.\.2'"):
        constants.find("A = 1  # 5..2 · no\n")


def test_every_constant_of_the_real_train_can_be_searched() -> None:
    source = (Path(research_runner.__file__).parent / "train.py").read_text()
    found = constants.find(source)
    assert len(found) >= 12 and all(each.searchable and each.unit for each in found.values())


def test_search_proposes_new_values_inside_their_ranges_and_leaves_the_fixed_alone() -> None:
    sources = {"base": SOURCE}
    rows = [row(0, "base", 0.5)]
    search = Search(seed=1)
    seen = set()
    for number in range(1, 25):
        history = History(number, rows, SOURCE, sources.__getitem__, frozenset({"DEPTH"}))
        change = search.propose(history)
        assert change is not None
        found = constants.find(change.source)
        assert 0.001 <= float(found["RATE"].value) <= 0.1 and found["SIZE"].value in (1, 2, "x")
        assert found["DEPTH"].value == 3 and change.source not in seen
        seen.add(change.source)
        sources[str(number)] = change.source
        rows.append(row(number, str(number), None if number % 5 == 0 else 0.5 - number / 100, change.description))


def test_the_same_seed_proposes_the_same() -> None:
    history = History(1, [row(0, "base", 0.5)], SOURCE, lambda commit: SOURCE, frozenset())
    assert Search(seed=7).propose(history) == Search(seed=7).propose(history)


def test_search_ends_when_nothing_new_is_left() -> None:
    source = "A = False  # one\n"
    sources = {"base": source, "other": source.replace("False", "True")}
    rows = [row(0, "base", 0.5), row(1, "other", 0.6, "A False → True")]
    assert Search(seed=1).propose(History(2, rows, source, sources.__getitem__, frozenset())) is None


def test_an_earlier_experiment_that_is_no_python_does_not_stop_the_search() -> None:
    sources = {"base": SOURCE, "broken": "def ("}
    rows = [row(0, "base", 0.5), row(1, "broken", None)]
    assert Search(seed=1).propose(History(2, rows, SOURCE, sources.__getitem__, frozenset())) is not None

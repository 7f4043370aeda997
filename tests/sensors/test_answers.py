"""Answers fit their questions to the letter, or the reason says why not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.answers import answers, disagreements, missing_answers, refuse_answer
from sensors.evidence import Question

OPEN = Question(id="open", type="choice", choices=["open", "closed", "gone"])
QUEUE = Question(id="queue", type="number", min=0, max=100, required=False)
NOTE = Question(id="note", type="text", max_length=10)
RAMP = Question(id="ramp", type="boolean")


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        (OPEN, "open", None),
        (OPEN, "Open", "must be one of: open, closed, gone"),
        (OPEN, 1, "must be one of: open, closed, gone"),
        (QUEUE, 7, None),
        (QUEUE, 0.5, None),
        (QUEUE, -1, "must be at least 0"),
        (QUEUE, 101, "must be at most 100"),
        (QUEUE, "7", "must be a number"),
        (QUEUE, True, "must be a number"),
        (QUEUE, math.nan, "must be a number"),
        (NOTE, "short", None),
        (NOTE, "much too long a text", "may have at most 10 characters"),
        (NOTE, "  ", "must be a text"),
        (NOTE, 5, "must be a text"),
        (RAMP, False, None),
        (RAMP, "no", "must be yes or no"),
        (RAMP, 0, "must be yes or no"),
    ],
)
def test_each_type_takes_its_own_and_nothing_else(question: Question, answer: object, reason: str | None) -> None:
    assert refuse_answer(question, answer) == reason


def test_unasked_answers_fail() -> None:
    check = answers([OPEN], {"open": "open", "colour": "red"})
    assert check.status == "fail" and check.data == {"question": "colour"}


def test_a_wrong_answer_names_its_question() -> None:
    check = answers([OPEN, QUEUE], {"open": "open", "queue": 500})
    assert check.status == "fail" and check.detail == "The answer to 'queue' must be at most 100."


def test_only_required_answers_are_missed() -> None:
    assert missing_answers([OPEN, QUEUE, NOTE], {"note": "x", "open": None}) == ["open"]
    assert answers([OPEN, QUEUE], {"open": "gone", "queue": None}).status == "pass"
    assert answers([], {}).status == "not_applicable"


@given(
    st.dictionaries(
        st.text(max_size=6), st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.lists(st.integers())
    )
)
def test_any_answers_get_a_status(given_answers: dict[str, Any]) -> None:
    check = answers([OPEN, QUEUE, NOTE, RAMP], given_answers)
    assert check.status in ("pass", "fail")
    assert check.status == "fail" or set(given_answers) <= {"open", "queue", "note", "ramp"}


@pytest.mark.parametrize(
    ("question", "answer", "others", "unlike"),
    [
        (OPEN, "closed", ["open", "open", "open"], True),
        (OPEN, "closed", ["open", "open"], False),  # two are no majority
        (OPEN, "closed", ["open", "open", "closed", "gone"], False),  # they do not agree themselves
        (OPEN, "open", ["open", "open", "open"], False),
        (RAMP, True, [False] * 4, True),
        (QUEUE, 60, [10, 11, 12, 13], True),
        (QUEUE, 14, [10, 11, 12, 13], False),
        (QUEUE, 11, [10, 10, 10, 10], False),  # a tenth is rounding
        (QUEUE, 20, [10, 10, 10, 10], True),
        (QUEUE, 60, [10, 11, "many", 999], False),  # what does not fit the question counts for nothing
        (NOTE, "red", ["blue"] * 9, False),
    ],
)
def test_an_answer_unlike_most_others_is_a_signal(
    question: Question, answer: object, others: list[Any], unlike: bool
) -> None:
    known = [{question.id: each} for each in others]
    assert disagreements([question], {question.id: answer}, known) == [question.id] * unlike
    check = answers([question], {question.id: answer}, known)
    assert check.status == ("warn" if unlike else "pass")


def test_whoever_did_not_answer_disagrees_with_nobody() -> None:
    assert disagreements([OPEN, QUEUE], {"open": "open"}, [{"open": "open", "queue": 3}] * 5) == []

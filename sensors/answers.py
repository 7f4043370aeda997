"""Answers against their questions: strict types, declared choices and bounds, nothing that was not asked."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any, Final, NamedTuple

from sensors.evidence import Question
from sensors.verdict import Check, finding

MAX_TEXT: Final = 2_000
# JSON knows integers of any length; compared like this they need not become floats, and NaN is refused as well.
LARGEST = 1e300
MAX_CHOICES: Final = 200
LEAST_OTHERS: Final = 3
MAJORITY: Final = 0.75
SPREADS: Final = 4.0
"""Assumed: what counts as disagreement with others."""


class Misfit(NamedTuple):
    """An answer that fits no question, or not its own: the name that it came under, and what is wrong, in words."""

    name: str
    detail: str


def refuse_answer(question: Question, answer: object) -> str | None:
    """Why an answer does not fit its question, None when it does."""
    match question.type:
        case "boolean":
            return None if isinstance(answer, bool) else "must be yes or no"
        case "choice":
            choices = question.choices or []
            fits = isinstance(answer, str) and answer in choices
            return None if fits else f"must be one of: {', '.join(choices)}"
        case "text":
            longest = question.max_length or MAX_TEXT
            if not isinstance(answer, str) or not answer.strip():
                return "must be a text"
            return None if len(answer) <= longest else f"may have at most {longest} characters"
        case "number":
            if isinstance(answer, bool) or not isinstance(answer, int | float) or not abs(answer) <= LARGEST:
                return "must be a number"
            if question.min is not None and answer < question.min:
                return f"must be at least {question.min:g}"
            if question.max is not None and answer > question.max:
                return f"must be at most {question.max:g}"
            return None


def missing_answers(questions: list[Question], answers: dict[str, Any]) -> list[str]:
    """Ids of required questions without an answer."""
    return [question.id for question in questions if question.required and answers.get(question.id) is None]


def misfits(questions: list[Question], given: dict[str, Any]) -> list[Misfit]:
    """Every answer that was not asked for or is not as its question wants it; those not asked for come first."""
    by_id = {question.id: question for question in questions}
    found = [Misfit(name, f"There is no question {name[:40]!r}.") for name in given if name not in by_id]
    for name, answer in given.items():
        reason = None if answer is None or name not in by_id else refuse_answer(by_id[name], answer)
        if reason is not None:
            found.append(Misfit(name, f"The answer to {name!r} {reason}."))
    return found


def _agrees(question: Question, answer: object, others: list[Any]) -> bool | None:
    """Whether an answer is like those of others to the same question; None where they do not tell.

    Texts are not compared. A choice disagrees when MAJORITY of at least LEAST_OTHERS chose one other answer. A number
    disagrees when it lies farther from their median than SPREADS robust standard deviations (1.4826 times the median
    absolute deviation, Rousseeuw & Croux 1993) and than a tenth of the median: people round.
    """
    if question.type == "text" or answer is None:
        return None
    fitting = [other for other in others if other is not None and refuse_answer(question, other) is None]
    if len(fitting) < LEAST_OTHERS:
        return None
    if question.type == "number":
        assert isinstance(answer, int | float)
        middle = median(fitting)
        spread = 1.4826 * median([abs(other - middle) for other in fitting])
        return bool(abs(answer - middle) <= max(SPREADS * spread, abs(middle) / 10))
    commonest, count = Counter(fitting).most_common(1)[0]
    return None if count < MAJORITY * len(fitting) else commonest == answer


def disagreements(questions: list[Question], given: dict[str, Any], others: list[dict[str, Any]]) -> list[str]:
    """Ids of the questions whose answer is unlike what others, each with their own dict of answers, say to them."""
    return [
        question.id
        for question in questions
        if _agrees(question, given.get(question.id), [each.get(question.id) for each in others]) is False
    ]


def answers(questions: list[Question], given: dict[str, Any], others: list[dict[str, Any]] | None = None) -> Check:
    """One finding over all answers that came; whether enough came is judged by `complete`.

    others: accepted answers of other people to the same task, of late; the truth may be with the one who differs, so
    disagreement is a signal and no more.
    """
    wrong = misfits(questions, given)
    if wrong:
        return finding("answers", "fail", wrong[0].detail, question=wrong[0].name[:40])
    if not questions:
        return finding("answers", "not_applicable", "No questions were asked.")
    unlike = disagreements(questions, given, others or [])
    if unlike:
        told = f"The answer to {', '.join(map(repr, unlike))} is unlike what most others say."
        return finding("answers", "warn", told, questions=unlike, others=len(others or []))
    return finding("answers", "pass", "The answers fit the questions.")

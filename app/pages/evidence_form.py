"""A claim's form without scripts: fields become answers and SenML as the JSON operation takes them."""

import math
from typing import Any

import msgspec

from app.pages.operations import Form
from market.errors import EvidenceMissing, Invalid
from market.submissions import Answering
from market.terms import Evidence, Question, ReadingAsked
from sensors import answers as judging
from sensors import evidence as sensed

Answers = dict[str, Any]


def answering(form: Form, evidence: Evidence) -> Answering:
    """What the form hands in. Raises Invalid or EvidenceMissing for what could only be rejected."""
    outcome = form.first("outcome") or "done"
    if outcome not in ("done", "honest_negative"):
        raise Invalid("This is no outcome.", pointer="/outcome")
    given = {question.id: answer for question in evidence.questions if (answer := _answer(form, question)) is not None}
    if outcome == "done":
        asked = [msgspec.convert(msgspec.to_builtins(each), sensed.Question) for each in evidence.questions]
        missing = judging.missing_answers(asked, given)
        if missing:
            raise EvidenceMissing(f"There is no answer to: {', '.join(missing)}.")
    pack = [record for asked in evidence.readings for record in _records(form, asked)]
    notes = form.first("notes")
    if len(notes) > 2000:
        raise Invalid("Notes have at most 2000 characters.", pointer="/notes")
    return Answering(
        answers=given,
        readings=pack or None,
        notes=notes,
        outcome="done" if outcome == "done" else "honest_negative",
    )


def _answer(form: Form, question: Question) -> str | float | bool | None:
    """One answer in the type that its question wants; None where the field was left blank."""
    text = form.first(f"answer_{question.id}")
    if not text:
        return None
    if question.type == "number":
        return _number(text, f"/answers/{question.id}")
    if question.type == "boolean":
        if text not in ("yes", "no"):
            raise Invalid("Answer yes or no.", pointer=f"/answers/{question.id}")
        return text == "yes"
    return text


def _records(form: Form, asked: ReadingAsked) -> list[dict[str, Any]]:
    """A SenML record for each value. Without a script nobody noted the time, so none is said: it then counts as now."""
    pointer = f"/readings/{asked.name}"
    values = [_number(text, pointer) for text in form.texts.get(f"reading_{asked.name}", []) if text.strip()]
    return [{"n": asked.name, "u": asked.unit, "v": value} for value in values]


def _number(text: str, pointer: str) -> float:
    """A number as people type it: with a point or a comma."""
    try:
        value = float(text.strip().replace(",", ".").replace("−", "-"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Invalid(f"{text.strip()[:40]!r} is no number.", pointer=pointer)
    return value

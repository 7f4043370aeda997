"""A case of the second review in plain words: what was asked in full, what was handed in beside it, what is said.

Every case has the same parts in the same order, whoever contests it and whatever was cited, so that the layout tells a
reviewer nothing that the words do not.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.pages import words
from market.second_reviews import Case, Said
from market.terms import Evidence, PhotosAsked, Question

MOST_READINGS = 200


class Asked(msgspec.Struct, frozen=True):
    """A question as it stood in the task, and what its answer had to be."""

    text: str
    shape: str
    answer: str | None


class Reading(msgspec.Struct, frozen=True):
    """One value as it was sent, and in which unit it was asked for."""

    name: str
    value: str
    unit: str
    asked_in: str


class Shown(msgspec.Struct, frozen=True):
    """What the page says of a case. readings: the first of `readings_in_all`."""

    wanted: list[str]
    questions: list[Asked]
    readings: list[Reading]
    readings_in_all: int
    cited: str
    said_for: list[Said]
    said_against: list[Said]


def shown(case: Case) -> Shown:
    """The case as its page shows it."""
    about = case.objection.about
    records = case.readings or []
    units = {one.name: one.unit for one in case.evidence.readings}
    return Shown(
        wanted(case.evidence),
        questions(case.evidence.questions, case.answers),
        [_reading(each, units) for each in records[:MOST_READINGS]],
        len(records),
        words.CHECKS.get(about) or words.spoken(about),
        [one for one in case.statements if one.side == "for"],
        [one for one in case.statements if one.side == "against"],
    )


def wanted(evidence: Evidence) -> list[str]:
    """What an answer had to contain, one line a thing; the questions are shown with their answers."""
    found = [] if evidence.photos is None else _photos(evidence.photos)
    for one in evidence.readings:
        times = f", at least {one.min_samples} times" if one.min_samples > 1 else ""
        found.append(f"{words.measured(one.name)} in {words.unit(one.unit)}{times}")
    if evidence.questions:
        found.append("Answers to the questions below")
    return found


def _photos(asked: PhotosAsked) -> list[str]:
    count = f"{asked.min}" if asked.min == asked.max else f"{asked.min} to {asked.max}"
    found = [f"{count} photo{'s' * (asked.max > 1)}{', taken in the app' if asked.live_capture else ''}"]
    if asked.before is not None:
        work = f", at least {words.span(asked.work_s)} apart from the others" if asked.work_s else ""
        numbers = "photo 1" if asked.before == 1 else f"photos 1 to {asked.before}"
        found.append(f"Of these {numbers} from before the work{work}")
    sides = [f"{each:,} pixels {way}" for each, way in ((asked.min_width, "wide"), (asked.min_height, "high")) if each]
    if sides:
        found.append(f"At least {' and '.join(sides)}")
    if asked.min_sharpness is not None:
        found.append(f"A sharpness of at least {asked.min_sharpness:g}")
    if asked.min_brightness is not None:
        found.append(f"Not darker than {asked.min_brightness:.0%} of white")
    if asked.max_brightness is not None:
        found.append(f"Not brighter than {asked.max_brightness:.0%} of white")
    if asked.shows is not None:
        found.append(f"It should show: {asked.shows.question or asked.shows.label}")
    return found


def questions(asked: Sequence[Question], answers: dict[str, Any]) -> list[Asked]:
    """Each question with its answer, None where it was left out; then answers to what was not asked."""
    found = [Asked(each.text or words.spoken(each.id), _shape(each), _answer(answers.get(each.id))) for each in asked]
    known = {each.id for each in asked}
    found += [Asked(words.spoken(name), "", _answer(given)) for name, given in answers.items() if name not in known]
    return found


def _shape(question: Question) -> str:
    """What an answer had to be, such as `one of: open, closed`."""
    if question.type == "choice":
        shape = f"one of: {', '.join(question.choices[:30])}{', …' if len(question.choices) > 30 else ''}"
    elif question.type == "number":
        bounds = [f"{word} {bound:g}" for word, bound in (("from", question.min), ("to", question.max))
                  if bound is not None]  # fmt: skip
        shape = " ".join(["a number", *bounds])
    else:
        shape = {"boolean": "yes or no", "text": "in words"}[question.type]
    return shape if question.required else f"{shape}; it could be left out"


def _answer(given: Any) -> str | None:
    """An answer as people say it."""
    if given is None:
        return None
    return {True: "yes", False: "no"}[given] if isinstance(given, bool) else str(given)


def _reading(record: dict[str, Any], units: dict[str, str]) -> Reading:
    """A normalised SenML record, in its own unit, which may be another of the same kind than the one asked for."""
    name = str(record.get("n", ""))
    asked_in = units.get(name, "")
    value = next((record[key] for key in ("v", "vs", "vb", "s") if key in record), None)
    unit = record.get("u", "")
    return Reading(
        words.measured(name) if name else "Reading", _answer(value) or "no value", words.unit(unit) if unit else "",
        words.unit(asked_in) if asked_in else "not asked for",
    )  # fmt: skip

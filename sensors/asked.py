"""Whether a task asks for something that can be checked at all; judged when it is posted, before anyone claims it."""

from __future__ import annotations

from typing import Final, NamedTuple

from sensors.evidence import Asked, ReadingAsked
from sensors.limits import find_named
from sensors.units import UNITS, find_unit
from sensors.verdict import ALWAYS_DECLARED, DECLARABLE

OF_PHOTOS: Final = ("quality", "unedited", "not_recaptured", "consistent")
"""Checks that look at photos alone. So do `fresh` and `not_duplicate`, which stand in lists that serve every task."""


class Fault(NamedTuple):
    """pointer: JSON pointer into the task as posted; detail: what is wrong, in words."""

    pointer: str
    detail: str


def _refuse_reading(reading: ReadingAsked, pointer: str) -> Fault | None:
    unit = find_unit(reading.unit)
    if unit is None:
        known = ", ".join(sorted({each.symbol for each in UNITS.values()}))
        return Fault(f"{pointer}/unit", f"The unit {reading.unit[:20]!r} is not known. Known are: {known}.")
    quantity = find_named(reading.name)
    if quantity is not None and UNITS[quantity.unit].dimension != unit.dimension:
        return Fault(f"{pointer}/unit", f"{reading.name} is measured in {quantity.unit}, not in {reading.unit}.")
    return None


def _refuse_shown(asked: Asked) -> list[Fault]:
    """What a picture should show: by a model's label or by a question, and only together with the check `shows`."""
    pointer = "/evidence/photos/shows"
    shown = None if asked.photos is None else asked.photos.shows
    if shown is None:
        told = "The check shows needs evidence.photos.shows: what the picture should show."
        return [Fault(pointer, told)] if "shows" in asked.checks else []
    if "shows" not in asked.checks:
        return [Fault("/acceptance/checks", "evidence.photos.shows is judged only by the check shows: name it here.")]
    if (shown.question is None) == (shown.model is None):
        return [Fault(pointer, "Give either a model with one of its labels, or a question.")]
    if (shown.model is None) != (shown.label is None):
        return [Fault(f"{pointer}/label", "A label belongs to a model, and a model needs one.")]
    return []


def _refuse_photos(asked: Asked) -> list[Fault]:
    """Brightness that no photo can have."""
    photos = asked.photos
    if photos is None or photos.min_brightness is None or photos.max_brightness is None:
        return []
    if photos.min_brightness < photos.max_brightness:
        return []
    return [Fault("/evidence/photos/min_brightness", "The least brightness is not below the greatest.")]


def refuse_asked(asked: Asked) -> list[Fault]:
    """Everything in a task that the checks could not honour: unknown units and checks, checks of what is not asked,
    minima above their maxima."""
    faults = []
    for index, reading in enumerate(asked.readings):
        fault = _refuse_reading(reading, f"/evidence/readings/{index}")
        if fault is not None:
            faults.append(fault)
    for index, question in enumerate(asked.questions):
        if question.unit is not None and find_unit(question.unit) is None:
            unit = question.unit[:20]
            faults.append(Fault(f"/evidence/questions/{index}/unit", f"The unit {unit!r} is not known."))
    for index, name in enumerate(asked.checks):
        if name not in DECLARABLE and name not in ALWAYS_DECLARED:
            checks = ", ".join(DECLARABLE)
            faults.append(
                Fault(f"/acceptance/checks/{index}", f"There is no check {name[:40]!r}. There are: {checks}.")
            )
        elif name in OF_PHOTOS and asked.photos is None:
            faults.append(Fault(f"/acceptance/checks/{index}", f"The check {name} needs photos, and none are asked."))
        elif name == "before_after" and (asked.photos is None or asked.photos.before is None):
            told = "The check before_after needs evidence.photos.before: how many photos are of before."
            faults.append(Fault("/evidence/photos/before", told))
        elif name == "readings" and not asked.readings:
            faults.append(
                Fault(f"/acceptance/checks/{index}", "The check readings needs readings, and none are asked.")
            )
    faults += _refuse_shown(asked) + _refuse_photos(asked)
    if "live" in asked.checks and (asked.photos is None or not asked.photos.live_capture):
        faults.append(Fault("/evidence/photos/live_capture", "The check live needs photos with live_capture."))
    return faults

"""Positions as programs make them up: an accuracy or a place that stays the same to the last digit, time after time.

One fix may well be repeated: browsers hand out the last one for a while, and a phone at rest indoors reports the same
place for minutes. Some phones know their accuracy only in a few levels. What no phone does is to stay frozen over hours
or from place to place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sensors.evidence import Fix, Window

LEAST_ACCURACY_M: Final = 0.9
"""No phone's browser knows its place better; two-frequency receivers reach 1 to 2 m (assumed)."""
SAME_PLACE_APART: Final = timedelta(hours=1)
FROZEN: Final = 4
"""So many fixes in a row with one accuracy, at as many places, speak of a constant."""
LEVELS_M: Final = (
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
    12.0,
    15.0,
    16.0,
    20.0,
    24.0,
    30.0,
    32.0,
    35.0,
    48.0,
    65.0,
    100.0,
    165.0,
    1414.0,
)
"""Accuracies that some phones know no values between (assumed); these may repeat longer."""
FROZEN_LEVEL: Final = 8


def oddities(taken: Sequence[Fix], window: Window) -> list[str]:
    """What is odd about the fixes of a submission after those before (newest first), in words for the person."""
    found = []
    precise = [fix.accuracy_m for fix in taken if fix.accuracy_m is not None and 0 < fix.accuracy_m < LEAST_ACCURACY_M]
    if precise:
        found.append(f"A position claims to be known to {min(precise):g} m, better than any phone knows it.")
    if any(_frozen_place(fix, window) for fix in taken):
        found.append("Your position is, to the last digit, the same as in captures hours before.")
    if taken and _frozen_accuracy([*taken, *window.recent]):
        found.append("The accuracy of your position has not changed by a digit from place to place.")
    return found


def _frozen_place(fix: Fix, window: Window) -> bool:
    same = [each for each in window.recent if (each.lat, each.lon) == (fix.lat, fix.lon) and each.at is not None]
    return any(each.at is not None and window.received_at - each.at >= SAME_PLACE_APART for each in same)


def _frozen_accuracy(fixes: Sequence[Fix]) -> bool:
    """Whether the newest fixes, one for each place, all have the same accuracy."""
    places: dict[tuple[float, float], float | None] = {}
    for fix in fixes:
        places.setdefault((fix.lat, fix.lon), fix.accuracy_m)
    accuracies = list(places.values())
    if not accuracies or accuracies[0] is None:
        return False
    enough = FROZEN_LEVEL if accuracies[0] in LEVELS_M else FROZEN
    return len(accuracies) >= enough and len(set(accuracies[:enough])) == 1

"""Clear enough: declared minima reject, everything else is a hint for whoever photographs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.asked import refuse_asked
from sensors.check import check
from sensors.decode import inspect
from sensors.evidence import Asked, PhotosAsked
from sensors.quality import COVERED, covered, quality
from tests.sensors.cast import asked, evidence, photo, seen, window
from tests.sensors.pictures import encoded, pattern, scene


@pytest.mark.parametrize(
    ("minimum", "photographed", "words"),
    [
        ({"min_sharpness": 8.0}, {"sharpness": 7.9}, "too blurred"),
        ({"min_brightness": 0.3}, {"brightness": 0.2}, "too dark"),
        ({"max_brightness": 0.8}, {"brightness": 0.9}, "too bright"),
        ({"min_width": 1600}, {"width": 1200}, "1200 by 900 pixels"),
    ],
)
def test_a_photo_below_a_declared_minimum_is_rejected_and_told_why(
    minimum: dict[str, Any], photographed: dict[str, Any], words: str
) -> None:
    wanted = asked(photos=PhotosAsked(live_capture=True, **minimum), checks=["quality"])
    below = check(evidence(photo(1, seen(**photographed))), wanted, window(), [])
    assert below.outcome == "fail" and words in below.reasons[0].detail
    undeclared = asked(photos=PhotosAsked(live_capture=True, **minimum), checks=["fresh"])
    assert check(evidence(photo(1, seen(**photographed))), undeclared, window(), []).outcome != "fail"
    without = asked(photos=PhotosAsked(live_capture=True), checks=["quality"])
    assert check(evidence(photo(1, seen(**photographed))), without, window(), []).outcome != "fail"


def test_a_photo_that_just_reaches_every_minimum_is_taken() -> None:
    wanted = PhotosAsked(min_sharpness=20.0, min_brightness=0.5, max_brightness=0.5, min_width=1200, min_height=900)
    assert [each.status for each in quality(wanted, [photo()])] == ["pass"]


def test_a_brightness_that_no_photo_has_cannot_be_asked() -> None:
    wanted = Asked(photos=PhotosAsked(min_brightness=0.8, max_brightness=0.2))
    assert [fault.pointer for fault in refuse_asked(wanted)] == ["/evidence/photos/min_brightness"]


def behind_finger(share: float, height: int = 384, width: int = 512) -> NDArray[np.uint8]:
    """A bright scene whose left `share` a finger covers: dark, with no edge in it."""
    lit = pattern(height, width, 1) // 2 + 110
    fade = np.clip((np.arange(width) - share * width) / 40, 0, 1)
    return (20 + (lit - 20) * fade).astype(np.uint8)


def test_a_finger_before_the_lens_is_noticed_by_the_share_it_covers() -> None:
    assert covered(behind_finger(0.0)) < 0.05
    assert covered(behind_finger(0.5)) == pytest.approx(0.5, abs=0.1)
    (found,) = quality(None, [photo(1, seen(covered=covered(behind_finger(0.5))))])
    assert found.status == "warn" and "finger" in found.detail
    assert [each.status for each in quality(None, [photo(1, seen(covered=COVERED / 2))])] == ["pass"]


def test_the_dark_is_no_finger_and_neither_is_a_dark_thing_in_the_middle() -> None:
    night = np.full((384, 512), 12, np.uint8)
    night[100:140, 200:260] = 255
    assert covered(night) == 0.0
    board = pattern(384, 512, 1) // 2 + 110
    board[100:300, 100:400] = 20
    assert covered(board) == 0.0
    assert covered(np.zeros((40, 600), np.uint8)) == 0.0


def test_what_is_read_from_a_file_knows_of_both() -> None:
    plain = inspect(encoded(scene(640, 480), "JPEG", quality=90))
    assert plain.covered == 0.0 and 0.0 <= plain.strips < 0.02

"""Where faces and number plates may be: suggestions for whoever took the photo, by OpenCV's own cascades.

They miss faces from the side, and what is turned, small, covered or dark, and see faces where there are none: the
person looks, adds and removes, and nothing is ever hidden, or promised to be hidden, without them. Viola and Jones
2001; Lienhart 2002.
"""

from __future__ import annotations

import functools
import math
import os
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.regions import Found, Kind, Region

LOOK_SIDE: Final = 960
"""The longer side in pixels at which is looked: faces from a fiftieth of it, plates from a twenty-fifth."""
HEIC_LOOK_SIDE: Final = 640
"""For a HEIC, whose opening alone takes up to 0.7 s of a processor: faces from a twenty-fifth."""
STEP: Final = 1.2
"""From one size that is looked for to the next."""
MOST: Final = 40
OVERLAP: Final = 0.3
"""Intersection over union from which two boxes are one."""


class _Cascade(NamedTuple):
    file: str
    kind: Kind
    neighbours: int
    smallest: tuple[int, int]
    even: float
    spread: float
    """Confidence is the logistic of how far the last stage's sum lies above `even`, in units of `spread`."""


# Of OpenCV's cascades for faces the one that finds most and errs least in the time there is: `python -m tests.bench
# suggest`. The one for number plates was trained on Russian ones; it finds other long ones too, and text now and then.
_CASCADES: Final = (
    _Cascade("haarcascade_frontalface_alt2.xml", "face", 2, (20, 20), 55.0, 1.0),
    _Cascade("haarcascade_russian_plate_number.xml", "plate", 3, (40, 12), 0.0, 4.0),
)


@functools.cache
def _loaded(file: str) -> cv2.CascadeClassifier:
    cascade = cv2.CascadeClassifier(os.path.join(os.path.dirname(cv2.__file__), "data", file))
    if cascade.empty():
        raise RuntimeError(f"OpenCV lacks {file}")
    return cascade


def load() -> None:
    """Read the cascades now, as before a limit on memory."""
    cv2.setNumThreads(1)
    for each in _CASCADES:
        _loaded(each.file)


def find(luma: NDArray[np.uint8]) -> list[Found]:
    """Faces and plates in an upright grey picture (height, width) uint8, the surest first; at most MOST."""
    height, width = luma.shape
    found: list[Found] = []
    for each in _CASCADES:
        for (x, y, w, h), weight in zip(*_look(each, luma), strict=True):
            region = Region(x / width, y / height, w / width, h / height)
            sure = 1 / (1 + math.exp((each.even - weight) / each.spread))
            found.append(Found(region, each.kind, round(sure, 2)))
    found.sort(key=lambda one: -one.confidence)
    kept: list[Found] = []
    for one in found:
        if all(_overlap(one.region, other.region) < OVERLAP for other in kept if other.kind == one.kind):
            kept.append(one)
    return kept[:MOST]


def _look(cascade: _Cascade, grey: NDArray[np.uint8]) -> tuple[list[Any], list[float]]:
    boxes, _, weights = _loaded(cascade.file).detectMultiScale3(
        grey, scaleFactor=STEP, minNeighbors=cascade.neighbours, minSize=cascade.smallest, outputRejectLevels=True
    )
    return [tuple(int(value) for value in box) for box in boxes], [float(np.ravel(w)[0]) for w in weights]


def _overlap(a: Region, b: Region) -> float:
    across = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    down = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / (a.w * a.h + b.w * b.h - both)

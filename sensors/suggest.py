"""Where faces and number plates may be: suggestions for whoever took the photo, by OpenCV's own cascades.

They miss what is turned, small, covered or dark, and see faces where there are none: the person looks, adds and
removes, and nothing is ever hidden, or promised to be hidden, without them. Viola and Jones 2001; Lienhart 2002.
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

LOOK_SIDE: Final = 1280
"""The longer side in pixels at which is looked; a plate across the street is some 40 pixels wide there."""
MOST: Final = 40
OVERLAP: Final = 0.3
"""Intersection over union from which two boxes are one."""


class _Cascade(NamedTuple):
    file: str
    kind: Kind
    neighbours: int
    smallest: tuple[int, int]
    mirrored: bool


# The cascade for number plates was trained on Russian ones; it finds other long ones too, and text now and then.
_CASCADES: Final = (
    _Cascade("haarcascade_frontalface_default.xml", "face", 5, (30, 30), False),
    _Cascade("haarcascade_profileface.xml", "face", 5, (30, 30), True),
    _Cascade("haarcascade_russian_plate_number.xml", "plate", 5, (40, 12), False),
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
    even = np.asarray(cv2.equalizeHist(luma), dtype=np.uint8)
    found: list[Found] = []
    for each in _CASCADES:
        for flipped in (False, True) if each.mirrored else (False,):
            boxes, weights = _look(each, np.ascontiguousarray(even[:, ::-1]) if flipped else even)
            for (x, y, w, h), weight in zip(boxes, weights, strict=True):
                left = width - x - w if flipped else x
                region = Region(left / width, y / height, w / width, h / height)
                found.append(Found(region, each.kind, round(1 / (1 + math.exp(-float(weight) / 4)), 2)))
    found.sort(key=lambda one: -one.confidence)
    kept: list[Found] = []
    for one in found:
        if all(_overlap(one.region, other.region) < OVERLAP for other in kept if other.kind == one.kind):
            kept.append(one)
    return kept[:MOST]


def _look(cascade: _Cascade, grey: NDArray[np.uint8]) -> tuple[list[Any], list[float]]:
    boxes, _, weights = _loaded(cascade.file).detectMultiScale3(
        grey, scaleFactor=1.1, minNeighbors=cascade.neighbours, minSize=cascade.smallest, outputRejectLevels=True
    )
    return [tuple(int(value) for value in box) for box in boxes], [float(np.ravel(w)[0]) for w in weights]


def _overlap(a: Region, b: Region) -> float:
    across = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    down = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / (a.w * a.h + b.w * b.h - both)

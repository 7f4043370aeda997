"""Boxes in a picture that hold what others shall not see."""

from typing import Literal

import msgspec

Kind = Literal["face", "plate"]


class Region(msgspec.Struct, frozen=True):
    """A box in the upright picture: its left upper corner and its sides, as fractions of width and height (0..1)."""

    x: float
    y: float
    w: float
    h: float


class Found(msgspec.Struct, frozen=True):
    """A suggested region. confidence: 0..1, grows with the detector's last stage; it is calibrated on nothing."""

    region: Region
    kind: Kind
    confidence: float

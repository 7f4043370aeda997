"""A sensor's calibration, applied in the open: what was sent and what it stands for are both kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sensors.evidence import Calibration, Instrument
from sensors.units import convert

VALID_DAYS: Final = 2 * 365
"""Assumed: makers of gas and dust sensors ask for a calibration every one or two years."""


def calibration_of(instrument: Instrument | None, name: str) -> Calibration | None:
    """The calibration of the sensor whose readings have this name; None where there is none."""
    given = [] if instrument is None else instrument.calibrations
    return next((each for each in given if each.quantity == name), None)


def calibrated(value: float, unit: str, calibration: Calibration) -> float:
    """A value in `unit` made true, in the same unit. Raises ValueError where the calibration's unit measures another
    thing."""
    if unit == calibration.unit:
        return calibration.gain * value + calibration.offset
    own = calibration.gain * convert(value, unit, calibration.unit) + calibration.offset
    return convert(own, calibration.unit, unit)


def expired(calibration: Calibration, at: datetime) -> bool:
    """Whether it is older than VALID_DAYS when something is measured."""
    return (at.date() - calibration.date).days > VALID_DAYS


def described(calibration: Calibration) -> dict[str, Any]:
    """It, as it stands in a verdict."""
    return {
        "gain": calibration.gain,
        "offset": calibration.offset,
        "unit": calibration.unit,
        "date": calibration.date.isoformat(),
        "certificate": calibration.certificate,
    }
